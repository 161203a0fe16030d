//! Sections and symbols by number and name, for errors.

use std::fmt;

use bstr::BString;

use super::{SectionIndex, SymbolIndex};

/// A section's number and name, as in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionRef {
    /// Index in the section header table.
    pub index: SectionIndex,
    /// The section's name; empty if names could not be read yet.
    pub name: BString,
}

impl SectionRef {
    pub(super) fn new(index: SectionIndex, name: &[u8]) -> Self {
        Self { index, name: name.into() }
    }
}

impl fmt::Display for SectionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "section {} '{}'", self.index, self.name)
    }
}

/// A symbol's number and name, as in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolRef {
    /// Index in the symbol table.
    pub index: SymbolIndex,
    /// The symbol's name; empty if it has none.
    pub name: BString,
}

impl SymbolRef {
    pub(super) fn new(index: SymbolIndex, name: &[u8]) -> Self {
        Self { index, name: name.into() }
    }
}

impl fmt::Display for SymbolRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "symbol {} '{}'", self.index, self.name)
    }
}

/// Longest string that a table may have, in bytes without its NUL.
pub(super) const STRING_MAX: usize = 0xffff;

/// What is wrong with a string table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StringTableFault {
    /// Its `sh_type` is not `SHT_STRTAB`.
    Type(u32),
    /// It has no bytes.
    Empty,
    /// Its first byte is not NUL.
    NoLeadingNul,
    /// Its last byte is not NUL.
    NoTrailingNul,
    /// A string in it is longer than 65,535 bytes. The kernel reads 511. Strings may overlap at
    /// every byte; the limit keeps reading all of them linear.
    LongString,
}

impl fmt::Display for StringTableFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(sh_type) => write!(f, "has type {sh_type:#x}, not SHT_STRTAB"),
            Self::Empty => f.write_str("is empty"),
            Self::NoLeadingNul => f.write_str("does not start with NUL"),
            Self::NoTrailingNul => f.write_str("does not end with NUL"),
            Self::LongString => write!(f, "has a string longer than {STRING_MAX} bytes"),
        }
    }
}
