//! Paths as text.

use std::path::Path;

/// A path as text, from which it can be told: bytes that are not UTF-8 as `\xNN`, a backslash as `\\`.
pub(crate) fn path_text(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text += &chunk.valid().replace('\\', r"\\");
        text.extend(chunk.invalid().iter().map(|byte| format!(r"\x{byte:02x}")));
    }
    text
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn different_paths_are_different_texts() {
        for (path, text) in [
            (&b"/lib/modules/lp.ko"[..], "/lib/modules/lp.ko"),
            ("größe.ko".as_bytes(), "größe.ko"),
            (b"a\xff\xfe.ko", r"a\xff\xfe.ko"),
            (br"a\xff\xfe.ko", r"a\\xff\\xfe.ko"),
            (b"\xc3/\xa9", r"\xc3/\xa9"),
            ("\u{fffd}".as_bytes(), "\u{fffd}"),
        ] {
            assert_eq!(path_text(Path::new(OsStr::from_bytes(path))), text);
        }
    }
}
