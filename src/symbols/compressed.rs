//! Files that are compressed, as distributions install modules.
//!
//! They are told by their first bytes, before anything takes them for a damaged ELF file, and
//! refused with the command that helps. Magic numbers: the formats' own specifications.

use std::path::Path;

use super::SymbolErrorKind;

/// The refusal of a file that starts with the magic number of a compressed format.
pub(super) fn compression(magic: &[u8], path: &Path) -> Option<SymbolErrorKind> {
    let (format, tool) = match magic {
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => ("xz", "xz -dk"),
        [0x1f, 0x8b, ..] => ("gzip", "gzip -dk"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ("zstd", "zstd -dk"),
        [b'B', b'Z', b'h', ..] => ("bzip2", "bzip2 -dk"),
        _ => return None,
    };
    Some(SymbolErrorKind::Compressed { format, command: format!("{tool} {}", path.display()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_files_are_refused_with_the_command_that_helps() {
        let path = Path::new("a/m.ko");
        for (magic, command) in [
            (&b"\xfd7zXZ\0"[..], "xz -dk a/m.ko"),
            (b"\x1f\x8b\x08\0\0\0", "gzip -dk a/m.ko"),
            (b"\x28\xb5\x2f\xfd\0\0", "zstd -dk a/m.ko"),
            (b"BZh91A", "bzip2 -dk a/m.ko"),
        ] {
            let text = compression(magic, path).unwrap().to_string();
            assert!(text.ends_with(command), "{text}");
        }
        assert!(compression(b"\x7fELF\x02\x01", path).is_none());
        assert!(compression(b"", path).is_none());
    }
}
