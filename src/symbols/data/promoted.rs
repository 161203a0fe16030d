//! Names that Clang's LTO makes, and what some kernels compare instead of them.
//!
//! ThinLTO makes a static function `f` global and calls it `f.llvm.HASH`. Kernels that are built with it
//! look in vmlinux for a name that is cut off: the symbols of one cut name are sorted by address, and
//! positions count them together. Modules' names are compared whole. Sources: `cleanup_symbol_name` and
//! `compare_symbol_name` in `kernel/kallsyms.c`, `compare_names` in `scripts/kallsyms.c`, and
//! `klp_find_object_symbol`; `docs/kernels.md` says which releases were read. That a kernel was built so,
//! a name with `.llvm.` in its table tells. Invariant: cutting twice is cutting once.

use klp_arch::KernelVersion;

/// What is between the name in the source and the hash.
const MARK: &[u8] = b".llvm.";

/// What a kernel with Clang's LTO compares of a name in vmlinux.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compares {
    /// All of it: 6.1, whose livepatch core goes through the whole table itself, and since 6.11.
    Whole,
    /// What is before the first dot: 6.2 to 6.4.
    BeforeDot,
    /// What is before `.llvm.`: 6.5 to 6.10.
    BeforeMark,
}

impl Compares {
    /// What a kernel of this version does: series that are older than 6.11 have taken over its change,
    /// 6.10 with 6.10.7.
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
            Self::BeforeMark => memchr::memmem::find(name, MARK),
        };
        end.and_then(|end| name.get(..end)).unwrap_or(name)
    }

    /// How many bytes of the name are compared.
    pub(crate) fn length(self, name: &[u8]) -> usize {
        // No name is looked up that is empty.
        Some(self.key(name).len()).filter(|length| *length > 0).unwrap_or(name.len())
    }
}

/// Whether Clang's LTO has made the name.
#[inline]
pub(crate) fn is_promoted(name: &[u8]) -> bool {
    let dot = memchr::memchr(b'.', name).and_then(|dot| name.get(dot..));
    dot.is_some_and(|rest| memchr::memmem::find(rest, MARK).is_some())
}

/// The names that some kernel compares instead of this one; twice the same where they do not differ.
#[inline]
pub(crate) fn stems(name: &[u8]) -> Option<[&[u8]; 2]> {
    let dot = memchr::memchr(b'.', name).filter(|dot| *dot > 0)?;
    let mark = Compares::BeforeMark.length(name);
    Some([name.get(..dot)?, name.get(..mark)?])
}
