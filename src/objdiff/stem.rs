//! Names without what compilers add to keep them apart.
//!
//! GCC numbers static locals, clones and parts (`count.12`, `f.part.0.cold`), the kernel's macros number what must be
//! unique (`__UNIQUE_ID_x34`), Clang appends a hash to what link-time optimisation makes global (`f.llvm.123`). The
//! numbers change when anything before them does.

use std::borrow::Cow;
use std::sync::LazyLock;

use bstr::ByteSlice;
use memchr::memmem::Finder;

/// What the kernel's macro starts a name with that ends in a number.
static UNIQUE: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("__UNIQUE_ID_"));

/// What is left of a name.
pub(super) fn stem(name: &[u8]) -> Cow<'_, [u8]> {
    let unique = UNIQUE.find(name).is_some();
    if !unique && !name.contains(&b'.') {
        return Cow::Borrowed(name);
    }
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let mut parts = name.split(|byte| *byte == b'.');
    let first = parts.next().unwrap_or_default();
    let mut stem =
        if unique { first.trim_end_with(|c| c.is_ascii_digit()) } else { first }.to_vec();
    for part in parts.filter(|part| !is_number(part) && *part != b"llvm") {
        stem.push(b'.');
        stem.extend_from_slice(part);
    }
    Cow::Owned(stem)
}

/// The number of a name that has one.
pub(super) fn number(name: &[u8]) -> Option<u64> {
    let digits = name
        .rsplit(|byte| *byte == b'.')
        .find(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))?;
    digits.to_str().ok()?.parse().ok()
}

/// What counts of data with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// Which one it is, and what is in it.
    Own,
    /// Only what is in it: the compiler has made it from a function's code.
    Made,
    /// Nothing: it says where in the source something is.
    Diagnostic,
}

/// The nature of data with this stem.
pub(super) fn nature(stem: &[u8]) -> Nature {
    const DIAGNOSTIC: [&[u8]; 5] =
        [b"__func__", b"__FUNCTION__", b"__PRETTY_FUNCTION__", b"_entry", b"_entry_ptr"];
    const MADE: [&[u8]; 4] = [b"CSWTCH", b".str", b"__compound_literal", b".compoundliteral"];
    // Clang puts a function's name before those of its own, and GCC's frontends after these.
    let parts = || stem.split(|byte| *byte == b'.');
    if parts().any(|part| DIAGNOSTIC.contains(&part)) {
        return Nature::Diagnostic;
    }
    let made = MADE.contains(&stem)
        || stem.starts_with(b"switch.table.")
        || stem.starts_with(b"__const.")
        || stem.starts_with(b".L");
    if made { Nature::Made } else { Nature::Own }
}

/// Whether it is an entry of the list of functions that run at start; a line number is in its name
/// (`__initcall__kmod_proc__750_24_proc_cmdline_init5`).
pub(super) fn is_initcall(name: &[u8]) -> bool {
    name.starts_with(b"__initcall_")
}

/// Whether variables of this stem are alike: each place in the source has its own, and none of them is named twice.
pub(super) fn is_once(stem: &[u8]) -> bool {
    const ONCE: [&[u8]; 7] = [
        b"__already_done",
        b"__warned",
        b"__print_once",
        b"__key",
        b"_rs",
        b"descriptor",
        b"__section",
    ];
    // Clang puts the function before it.
    ONCE.contains(&stem)
        || stem.rsplit(|byte| *byte == b'.').next().is_some_and(|last| ONCE.contains(&last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stem_has_no_numbers_of_the_compiler() {
        for (name, expected) in [
            ("f", "f"),
            ("count.12", "count"),
            ("f.part.0", "f.part"),
            ("f.isra.0.cold.3", "f.isra.cold"),
            ("f.llvm.123456", "f"),
            ("__UNIQUE_ID_x34", "__UNIQUE_ID_x"),
            ("__UNIQUE_ID_ddebug1425.73", "__UNIQUE_ID_ddebug"),
            ("x86", "x86"),
            ("a.b2", "a.b2"),
            ("", ""),
        ] {
            assert_eq!(*stem(name.as_bytes()), *expected.as_bytes(), "{name}");
        }
    }

    #[test]
    fn the_number_of_a_name_is_its_last() {
        assert_eq!(number(b"count.12"), Some(12));
        assert_eq!(number(b"f.1.cold"), Some(1));
        assert_eq!(number(b"f"), None);
    }

    #[test]
    fn what_compilers_make_of_code_has_no_identity() {
        assert_eq!(nature(b"CSWTCH"), Nature::Made);
        assert_eq!(nature(b"switch.table.f"), Nature::Made);
        assert_eq!(nature(b"__func__"), Nature::Diagnostic);
        assert_eq!(nature(b"count"), Nature::Own);
    }
}
