//! The lines of a text file of any size, a block at a time.
//!
//! Below the two text sources. Invariant: what a visitor sees is UTF-8 without control characters,
//! and memory is one block, whatever the file holds.

use std::io::Read;
use std::path::Path;

use super::{SymbolError, SymbolErrorKind};

/// Bytes that are read at once.
const BLOCK: usize = 256 * 1024;
/// Longest line in bytes; the longest name of a symbol is 511.
pub(super) const LINE_MAX: usize = 64 * 1024;

/// Shows every line with its number, counted from 1, without its end. Of the white space and control
/// characters a line may have those that are `allowed`.
pub(super) fn each_line(
    path: &Path,
    mut reader: impl Read,
    allowed: [u8; 2],
    mut see: impl FnMut(u64, &[u8]) -> Result<(), SymbolErrorKind>,
) -> Result<(), SymbolError> {
    let mut buffer = vec![0; BLOCK];
    let (mut filled, mut number) = (0, 0);
    let mut line = |line: &[u8], clean: bool| {
        number += 1;
        let checked = if clean { Ok(()) } else { check(line, allowed) };
        checked.and_then(|()| see(number, line)).map_err(|k| SymbolError::at(path, number, k))
    };
    loop {
        let free = buffer.get_mut(filled..).unwrap_or(&mut []);
        let read = match reader.read(free) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            result => result.map_err(|error| SymbolError::new(path, error))?,
        };
        filled += read;
        let block = buffer.get(..filled).unwrap_or(&buffer);
        let ended =
            if read == 0 { filled } else { memchr::memrchr(b'\n', block).map_or(0, |at| at + 1) };
        let lines = block.get(..ended).unwrap_or(block);
        let clean = is_clean(lines, allowed);
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', lines) {
            line(lines.get(start..end).unwrap_or(&[]), clean)?;
            start = end + 1;
        }
        if start < ended {
            line(lines.get(start..).unwrap_or(&[]), clean)?;
        }
        if read == 0 {
            return Ok(());
        }
        if filled - ended > LINE_MAX {
            return line(block.get(ended..).unwrap_or(&[]), false);
        }
        buffer.copy_within(ended..filled, 0);
        filled -= ended;
    }
}

/// Whether a block can be shown without looking at each line: two passes that vectorise.
fn is_clean(block: &[u8], allowed: [u8; 2]) -> bool {
    let [first, second] = allowed;
    let junk = |b: u8| {
        (b <= b' ') & (b != b'\n') & (b != first) & (b != second) | (b == 0x7f) | (b >= 0x80)
    };
    !block.iter().fold(false, |found, &b| found | junk(b)) && !has_long_line(block)
}

fn has_long_line(block: &[u8]) -> bool {
    let mut start = 0;
    while let Some(window) = block.get(start..start + LINE_MAX + 1) {
        match memchr::memrchr(b'\n', window) {
            Some(at) => start += at + 1,
            None => return true,
        }
    }
    false
}

/// Why a line cannot be shown.
fn check(line: &[u8], allowed: [u8; 2]) -> Result<(), SymbolErrorKind> {
    if line.len() > LINE_MAX {
        return Err(SymbolErrorKind::LongLine(LINE_MAX));
    }
    if line.ends_with(b"\r") {
        return Err(SymbolErrorKind::CarriageReturn);
    }
    if let Some(byte) = line.iter().find(|b| (**b <= b' ' || **b == 0x7f) && !allowed.contains(b)) {
        return Err(SymbolErrorKind::Junk(match byte {
            0 => "NUL byte",
            b' ' | b'\t' => "white space",
            _ => "control character",
        }));
    }
    match std::str::from_utf8(line) {
        Ok(_) => Ok(()),
        Err(_) => Err(SymbolErrorKind::Junk("bytes that are not UTF-8")),
    }
}
