//! What objdump prints of a file's code: a block for each symbol, with a line for each instruction.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// A line of a listing.
#[derive(Debug)]
pub(crate) struct Line {
    /// Offset in the block.
    pub(crate) at: usize,
    /// How many bytes it has.
    pub(crate) length: usize,
    /// Not an instruction, says objdump.
    pub(crate) bad: bool,
    /// Nothing but prefixes.
    pub(crate) only_prefixes: bool,
    /// The address that the instruction refers to by a distance.
    pub(crate) target: Option<u64>,
    /// The instruction, to show.
    pub(crate) text: String,
}

/// The code from one symbol to the next.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) name: String,
    pub(crate) address: u64,
    pub(crate) code: Vec<u8>,
    pub(crate) lines: Vec<Line>,
}

/// Calls with each block of what a program, which is objdump, prints with these options.
pub(crate) fn blocks(program: &str, options: &[&str], file: &Path, mut each: impl FnMut(&Block)) {
    let mut command = Command::new(program);
    command.args(["-d", "-w", "-z"]).args(options).arg(file).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut block = Block::default();
    for line in BufReader::new(child.stdout.take().unwrap()).split(b'\n') {
        let line = String::from_utf8_lossy(&line.unwrap()).into_owned();
        if let Some((address, name)) = header(&line) {
            each(&block);
            block = Block { name, address, ..Block::default() };
        } else if let Some((address, bytes, text)) = instruction(&line) {
            let at = usize::try_from(address - block.address).unwrap();
            // Nothing is left out.
            assert_eq!(at, block.code.len(), "{}: {line}", block.name);
            block.code.extend(&bytes);
            // ppc64le: the second half of an instruction is a line, too.
            if let (true, Some(last)) = (text.is_empty(), block.lines.last_mut()) {
                last.length += bytes.len();
                continue;
            }
            let bad = text.contains("(bad)") || text.starts_with('.');
            let target = target(text);
            let only_prefixes = text.split_ascii_whitespace().all(is_prefix);
            let text = line.trim().replace('\t', " ");
            block.lines.push(Line { at, length: bytes.len(), bad, only_prefixes, target, text });
        }
    }
    each(&block);
    assert!(child.wait().unwrap().success(), "{program} {}", file.display());
}

/// `ADDRESS <NAME>:`
fn header(line: &str) -> Option<(u64, String)> {
    let (address, name) = line.strip_suffix(">:")?.split_once(" <")?;
    Some((u64::from_str_radix(address, 16).ok()?, name.into()))
}

/// `ADDRESS:`, bytes, text; between tabs. Of data, bytes and characters.
fn instruction(line: &str) -> Option<(u64, Vec<u8>, &str)> {
    let mut columns = line.splitn(3, '\t');
    let address = u64::from_str_radix(columns.next()?.trim().strip_suffix(':')?, 16).ok()?;
    let bytes: Vec<_> =
        columns.next()?.split_ascii_whitespace().map_while(word).flatten().collect();
    Some((address, bytes, columns.next().unwrap_or(".data")))
}

/// A byte, or on arm64 a little-endian word, which is printed as a number.
fn word(digits: &str) -> Option<Vec<u8>> {
    let byte = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).rev().map(byte).collect()
}

fn is_prefix(word: &str) -> bool {
    let others = ["cs", "ds", "es", "fs", "gs", "ss", "lock", "repz", "repnz", "data16", "addr32"];
    word.starts_with("rex") || others.contains(&word)
}

/// `… ADDRESS <SYMBOL>`: an operand, or a comment about one, after `#`.
fn target(text: &str) -> Option<u64> {
    let before = match text.split_once(" # ") {
        Some((_, comment)) => comment.split(" <").next()?,
        None => text.split_once(" <")?.0,
    };
    let word = before.trim().rsplit([' ', '\t', ',']).next()?;
    u64::from_str_radix(word.trim_start_matches("0x"), 16).ok()
}
