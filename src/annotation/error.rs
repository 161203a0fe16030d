//! Why an annotation cannot be read.

use super::{Annotation, AnnotationLocation, NAME_PREFIX, Selector, SourceFileError};
use crate::name::NameError;

/// Why an annotation cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnnotationError {
    /// An array section is not a whole number of entries.
    #[error("{section}: {size:#x} bytes are not a whole number of 12-byte KLP_SYMPOS entries")]
    Length {
        /// Name of the array section.
        section: String,
        /// Its size in bytes.
        size: u64,
    },
    /// A selector cannot be read.
    #[error("{location}: {fault}")]
    Selector {
        /// Its location.
        location: AnnotationLocation,
        /// What is wrong with it.
        fault: SelectorFault,
    },
    /// An entry has no relocation, so it names no symbol.
    #[error("{section}[{entry}]: no relocation names the annotated symbol")]
    NoSymbol {
        /// Name of the section.
        section: String,
        /// Index of the entry.
        entry: u64,
    },
    /// A relocation of an annotation section belongs to no entry, or an entry has two.
    #[error("{section}+{offset:#x}: a relocation that belongs to no single entry")]
    StrayRelocation {
        /// Name of the section.
        section: String,
        /// `r_offset` in bytes.
        offset: u64,
    },
    /// An entry names a symbol plus an offset.
    #[error("{location}: '{symbol}' with addend {addend:#x}: an annotation names a whole symbol")]
    Addend {
        /// Its location.
        location: AnnotationLocation,
        /// The symbol's name.
        symbol: String,
        /// The addend.
        addend: i64,
    },
    /// An annotation names a symbol that the module itself defines.
    #[error("{location}: '{symbol}' is defined in this module, so there is nothing to look up")]
    Defined {
        /// Its location.
        location: AnnotationLocation,
        /// The symbol's name.
        symbol: String,
    },
    /// The selector of a function names a replacement that the module does not define.
    #[error("{location}: '{symbol}' is not defined in this module, so it replaces nothing")]
    Undefined {
        /// Its location.
        location: AnnotationLocation,
        /// The symbol's name.
        symbol: String,
    },
    /// Object, symbol or position is malformed.
    #[error("{location}: {error}")]
    Name {
        /// Its location.
        location: AnnotationLocation,
        /// What is wrong with it.
        error: NameError,
    },
    /// A symbol name starts like an annotation, but a part is missing.
    #[error("symbol '{0}': an annotated name is {NAME_PREFIX}GATE.OWNER.SYMBOL.POSITION")]
    NameParts(String),
    /// One ELF symbol has two different annotations.
    #[error(
        "'{name}' is annotated as {m1} ({at1}) and as {m2} ({at2})",
        name = .first.name, m1 = Meaning(.first), at1 = .first.location,
        m2 = Meaning(.second), at2 = .second.location
    )]
    Conflict {
        /// The annotation that came first.
        first: Box<Annotation>,
        /// The one that contradicts it.
        second: Box<Annotation>,
    },
}

/// Displays `vmlinux,1` or `vmlinux, from 'kernel/pid.c'`.
struct Meaning<'a>(&'a Annotation);

impl std::fmt::Display for Meaning<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Annotation { owner, which, .. } = self.0;
        match which {
            Selector::Position(position) => write!(f, "{owner},{position}"),
            selector => write!(f, "{owner}, {selector}"),
        }
    }
}

/// The supported version, and the size of its records in bytes.
pub(super) const VERSION: u8 = 1;
pub(super) const SIZE: u32 = 1152;

/// Why a selector record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorFault {
    /// The section ends within a record, or the record's size cannot be one.
    #[error("a selector cannot have {size} bytes when {left} are left")]
    Cut {
        /// The size that it gives, or 0 if even that is missing.
        size: u32,
        /// Bytes from its start to the end of the section.
        left: usize,
    },
    /// The record has another version.
    #[error("a selector of version {0}: its klp-convert.h does not match this klp-convert")]
    Version(u8),
    /// The record has another size than its version.
    #[error("a selector of version {VERSION} has {SIZE} bytes, not {0}")]
    Size(u32),
    /// The kind is not known.
    #[error("selector of unknown kind {0}")]
    Kind(u8),
    /// Bytes that have no meaning are not 0.
    #[error("reserved bytes are not 0")]
    Reserved,
    /// A text fills its field without a NUL.
    #[error("the field '{0}' is not terminated")]
    Unterminated(&'static str),
    /// A text's NUL is followed by other bytes.
    #[error("the field '{0}' has bytes after its end")]
    Trailing(&'static str),
    /// A text is not UTF-8.
    #[error("the field '{0}' is not UTF-8")]
    NotUtf8(&'static str),
    /// The selector of a replaced function gives the patched object, which is the function's own.
    #[error("the field 'patched' has no meaning for a replaced function")]
    Patched,
    /// The text of [`Selector::InFile`] is not a path.
    #[error(transparent)]
    File(#[from] SourceFileError),
}
