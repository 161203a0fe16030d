//! The lines of a text file of any size, a block at a time.
//!
//! Below the text sources. Invariant: a visitor sees UTF-8 without control characters,
//! and memory use is one block, whatever the file holds.

use std::io::Read;
use std::path::Path;

use crate::symbols::{SymbolError, SymbolErrorKind};

/// Bytes per read.
const BLOCK: usize = 256 * 1024;
/// Longest line in bytes; the longest name of a symbol is 511.
pub(crate) const LINE_MAX: usize = 64 * 1024;

/// Visits every line with its number, counted from 1, without its end. `allowed`: the white space and
/// control characters that a line may have.
pub(crate) fn each_line(
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

/// Whether a block needs no check of each line: two passes that vectorise.
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

/// Why a line is refused.
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

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: [u8; 2] = [b'\n'; 2];

    fn lines(text: &[u8]) -> Result<Vec<(u64, usize)>, SymbolError> {
        let mut seen = Vec::new();
        each_line(Path::new("f"), text, LIST, |number, line| {
            seen.push((number, line.len()));
            Ok(())
        })?;
        Ok(seen)
    }

    fn refused(text: &[u8]) -> (Option<u64>, String) {
        let error = lines(text).unwrap_err();
        (error.line, error.kind.to_string())
    }

    /// Reads one byte at a time, as a pipe may.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            let (first, rest) = self.0.split_at(self.0.len().min(1));
            self.0 = rest;
            to[..first.len()].copy_from_slice(first);
            Ok(first.len())
        }
    }

    #[test]
    fn the_last_line_needs_no_newline() {
        assert_eq!(lines(b"a\nbc\n").unwrap(), [(1, 1), (2, 2)]);
        assert_eq!(lines(b"a\nbc").unwrap(), [(1, 1), (2, 2)]);
        assert_eq!(lines(b"").unwrap(), []);
        assert_eq!(lines(b"\n\n").unwrap(), [(1, 0), (2, 0)]);
    }

    #[test]
    fn lines_across_blocks_stay_whole() {
        let line = "x".repeat(1000);
        let text = format!("{line}\n").repeat(1000);
        let seen = lines(text.as_bytes()).unwrap();
        assert_eq!(seen.len(), 1000);
        assert!(seen.iter().all(|(_, length)| *length == 1000));
    }

    #[test]
    fn the_size_of_reads_does_not_matter() {
        let mut seen = Vec::new();
        each_line(Path::new("f"), Trickle(b"ab\n\nc"), LIST, |number, line| {
            seen.push((number, line.to_vec()));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [(1, b"ab".to_vec()), (2, vec![]), (3, b"c".to_vec())]);
    }

    #[test]
    fn junk_is_refused_with_its_line() {
        assert_eq!(
            refused(b"a\nb\0\n"),
            (Some(2), "NUL byte, which is not allowed in a line".into())
        );
        assert_eq!(refused(b"a\nb c\n").1, "white space, which is not allowed in a line");
        assert_eq!(
            refused(b"a\n\n\x1b[1m\n"),
            (Some(3), "control character, which is not allowed in a line".into())
        );
        assert_eq!(refused(b"a\n\x7f").1, "control character, which is not allowed in a line");
        assert_eq!(
            refused(b"\xff\xfe\n").1,
            "bytes that are not UTF-8, which is not allowed in a line"
        );
        assert!(lines("symböl\n".as_bytes()).is_ok());
    }

    #[test]
    fn a_carriage_return_at_the_end_of_a_line_is_named_with_its_remedy() {
        let (line, text) = refused(b"a\r\nb\r\n");
        assert_eq!(line, Some(1));
        assert!(text.contains("sed -i"), "{text}");
    }

    #[test]
    fn long_lines_are_refused_wherever_they_are() {
        let longest = "x".repeat(LINE_MAX);
        assert_eq!(lines(longest.as_bytes()).unwrap(), [(1, LINE_MAX)]);
        for text in [
            format!("a\n{longest}x\n"),
            format!("a\n{longest}x"),
            format!("a\n{}", "x".repeat(2 * BLOCK)),
        ] {
            let error = lines(text.as_bytes()).unwrap_err();
            assert!(matches!(error.kind, SymbolErrorKind::LongLine(_)));
            assert_eq!(error.line, Some(2));
        }
    }

    #[test]
    fn a_reader_that_fails_is_an_error() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("disk"))
            }
        }
        let error = each_line(Path::new("f"), Broken, LIST, |_, _| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "f: disk");
    }
}
