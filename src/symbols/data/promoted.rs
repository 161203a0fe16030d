//! Names that Clang's LTO creates, and what some kernels compare instead of them.
//!
//! ThinLTO makes a static function `f` global and calls it `f.llvm.HASH`. Kernels that are built with it
//! look up truncated names in vmlinux: the symbols of one truncated name are sorted by address, and
//! positions count them together. Names in modules are compared whole. Sources: `cleanup_symbol_name` and
//! `compare_symbol_name` in `kernel/kallsyms.c`, `compare_names` in `scripts/kallsyms.c`, and
//! `klp_find_object_symbol`; `docs/kernels.md` lists the releases that were read. A name with `.llvm.` in
//! its table shows that a kernel was built so. Invariant: truncating is idempotent.

use klp_arch::KernelVersion;

/// What is between the name in the source and the hash.
const MARK: &[u8] = b".llvm.";

/// Which part of a name in vmlinux a kernel with Clang's LTO compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compares {
    /// All of it: 6.1, whose livepatch core walks the whole table itself, and since 6.11.
    Whole,
    /// The part before the first dot: 6.2 to 6.4.
    BeforeDot,
    /// The part before `.llvm.`: 6.5 to 6.10.
    BeforeMark,
}

impl Compares {
    /// What a kernel of this version does: the change of 6.11 was backported to older series,
    /// to 6.10 with 6.10.7.
    pub(crate) fn of(version: KernelVersion) -> Self {
        if version < KernelVersion::new(6, 2) {
            Self::Whole
        } else if version < KernelVersion::new(6, 5) {
            Self::BeforeDot
        } else if version < KernelVersion::new(6, 10).stable(7) {
            Self::BeforeMark
        } else {
            Self::Whole
        }
    }

    /// What a kernel sorts by.
    pub(crate) fn key(self, name: &[u8]) -> &[u8] {
        let end = match self {
            Self::Whole => None,
            Self::BeforeDot => memchr::memchr(b'.', name),
            Self::BeforeMark => mark(name),
        };
        end.and_then(|end| name.get(..end)).unwrap_or(name)
    }

    /// How many bytes of the name are compared.
    pub(crate) fn length(self, name: &[u8]) -> usize {
        // An empty name is never looked up.
        Some(self.key(name).len()).filter(|length| *length > 0).unwrap_or(name.len())
    }
}

/// Whether Clang's LTO created the name.
#[inline]
pub(crate) fn is_promoted(name: &[u8]) -> bool {
    mark(name).is_some()
}

/// The names that some kernel compares instead of this one; the same one twice if they do not differ.
#[inline]
pub(crate) fn stems(name: &[u8]) -> Option<[&[u8]; 2]> {
    let dot = memchr::memchr(b'.', name).filter(|dot| *dot > 0)?;
    Some([name.get(..dot)?, name.get(..mark(name).unwrap_or(name.len()))?])
}

/// Where the mark is. A search for it costs more than names have bytes.
fn mark(name: &[u8]) -> Option<usize> {
    let starts = |at: &usize| name.get(*at..).is_some_and(|rest| rest.starts_with(MARK));
    memchr::memchr_iter(b'.', name).find(starts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_end_before_the_first_dot_and_before_the_mark() {
        let stems_of = |name: &'static str| {
            stems(name.as_bytes()).map(|stems| stems.map(|stem| std::str::from_utf8(stem).unwrap()))
        };
        assert_eq!(stems_of("f"), None);
        assert_eq!(stems_of(".llvm.1"), None);
        assert_eq!(stems_of("f.llvm.1"), Some(["f", "f"]));
        assert_eq!(stems_of("f.cold.llvm.1"), Some(["f", "f.cold"]));
        assert_eq!(stems_of("f.isra.0"), Some(["f", "f.isra.0"]));
        assert_eq!(stems_of("f.llvm"), Some(["f", "f.llvm"]));
        assert!(is_promoted(b"f.cold.llvm.1") && !is_promoted(b"f.llvm"));
    }
}
