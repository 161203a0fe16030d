//! objdump as judge of where instructions start, and of what they refer to.
//!
//! `KLP_LENGTHS=FILE[:FILE…] cargo test -p klp-arch --test lengths -- --ignored --nocapture`; the files are ELF files of
//! any machine. The length of each instruction is compared, and of each symbol whose code is nothing else all
//! references. Where objdump prints one instruction as two lines, or two as one, they are joined.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may stop at the first surprise, and prints what it has compared"
)]

mod every_encoding;
mod listing;

use std::fmt::Display;
use std::io::Read;
use std::path::Path;

use klp_arch::{Branch, Machine, for_machine};
use listing::{Block, Line, blocks};

/// Differences that are shown.
const SHOWN: usize = 40;

/// It waits for the numeric processor; objdump sees a prefix of its instructions.
const FWAIT: u8 = 0x9b;

/// objdump of each machine, and its options.
const PROGRAMS: [(&str, &str, &[&str]); 4] = [
    ("arm64", "aarch64-linux-gnu-objdump", &[]),
    ("ppc64le", "powerpc64le-linux-gnu-objdump", &[]),
    ("s390x", "s390x-linux-gnu-objdump", &[]),
    // The default is AMD's reading of near jumps with an operand size of 16 bits.
    ("x86_64", "x86_64-linux-gnu-objdump", &["-M", "intel64"]),
];

/// What was found.
#[derive(Debug, Default)]
struct Tally {
    instructions: usize,
    /// Lines that are no instruction to objdump, and how many of them are one to us.
    bad: usize,
    read: usize,
    joined: usize,
    symbols: usize,
    references: usize,
    wrong: Vec<String>,
}

fn machine_of(file: &Path) -> &'static Machine {
    let mut header = [0; 20];
    std::fs::File::open(file).unwrap().read_exact(&mut header).unwrap();
    let e_machine = [header[18], header[19]];
    let little = header[5] == 1;
    let read = if little { u16::from_le_bytes } else { u16::from_be_bytes };
    for_machine(read(e_machine)).unwrap()
}

impl Tally {
    fn add(&mut self, machine: &Machine, block: &Block) {
        let (instructions, x86) = (machine.instructions, machine.name == "x86_64");
        let (mut clean, mut before) = (true, 0);
        for Line { at, length, bad, text, only_prefixes, .. } in &block.lines {
            // objdump reads a REX before VEX or EVEX, which processors refuse.
            let refused = matches!(block.code[*at..], [0x40..=0x4f, 0xc4 | 0xc5 | 0x62, ..]);
            if *bad || x86 && refused {
                clean = false;
                self.bad += 1;
                self.read += usize::from(instructions.length(&block.code[*at..]).is_some());
                before = 0;
                continue;
            }
            // REX before another prefix is ignored, and a line of its own.
            if *only_prefixes && block.code[at + length - 1] != FWAIT {
                self.joined += 1;
                before += length;
                continue;
            }
            let (start, end) = (at - before, at + length);
            // objdump forgets prefixes before that REX.
            let forgotten = block.code[start..*at].iter().any(|byte| byte & 0xf0 != 0x40);
            before = 0;
            if forgotten {
                clean = false;
                continue;
            }
            self.instructions += 1;
            let ours = instructions.length(&block.code[start..]).map(|length| start + length);
            let ours = match ours {
                // Two instructions: the first, fwait, is part of the name of the other.
                Some(next) if x86 && next < end && block.code[next - 1] == FWAIT => {
                    self.joined += 1;
                    instructions.length(&block.code[next..]).map(|length| next + length)
                }
                ours => ours,
            };
            if ours != Some(end) {
                let ours = ours.map(|end| end - start);
                self.wrong.push(format!("{}: {ours:?}, not {length}: {text}", block.name));
            }
        }
        if clean && !block.lines.is_empty() {
            self.symbols += 1;
            self.compare_references(machine, block);
        }
    }

    fn print(&self, what: &dyn Display) {
        let Self { instructions, bad, read, joined, symbols, references, wrong } = self;
        println!(
            "{what}: {instructions} instructions, {joined} joined; {symbols} symbols with {references} \
             references; {bad} lines are bad, {read} of them instructions to us; {} differ",
            wrong.len()
        );
        for difference in wrong.iter().take(SHOWN) {
            println!("  {difference}");
        }
    }

    fn compare_references(&mut self, machine: &Machine, block: &Block) {
        let Some(ours) = machine.instructions.references(&block.code) else {
            self.wrong.push(format!("{}: not decoded", block.name));
            return;
        };
        let mut ours = ours.into_iter().peekable();
        for line in &block.lines {
            let end = line.at + line.length;
            let own = ours.next_if(|branch| branch.field < end);
            let address = |branch: Branch| block.address.wrapping_add_signed(branch.target);
            let mut found = own.map(address);
            // objdump truncates this one; processors do not (Intel SDM, XBEGIN).
            if line.text.contains("xbeginw") {
                found = found.map(|address| address & 0xffff);
            }
            // Elsewhere what is not a call, a jump or an address is none of ours.
            if found == line.target || found.is_none() && machine.name != "x86_64" {
                self.references += usize::from(found.is_some());
            } else {
                self.wrong.push(format!("{}: to {found:x?}: {}", block.name, line.text));
            }
        }
        assert_eq!(ours.next(), None, "{}", block.name);
    }
}

#[test]
#[ignore = "needs objdump and ELF files: KLP_LENGTHS=FILE[:FILE…]"]
fn objdump_sees_the_same_instructions_and_references() {
    let files = std::env::var("KLP_LENGTHS").expect("KLP_LENGTHS is not set");
    let mut wrong = 0;
    for file in files.split(':').map(Path::new) {
        let machine = machine_of(file);
        let (_, program, options) =
            PROGRAMS.iter().find(|(name, ..)| *name == machine.name).unwrap();
        let mut tally = Tally::default();
        blocks(program, options, file, |block| tally.add(machine, block));
        tally.print(&file.display());
        wrong += tally.wrong.len();
    }
    assert_eq!(wrong, 0);
}
