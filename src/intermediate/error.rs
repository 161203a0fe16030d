//! Why the records of another tool cannot be read.

use std::fmt;
use std::sync::Arc;

use crate::name::NameError;

/// What is wrong with a record, or with a section of records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {fault}", Place(.section, *.record))]
pub struct RecordError {
    /// The section's name.
    pub section: Arc<str>,
    /// The record's number, from 0; `None` if it is about the section.
    pub record: Option<usize>,
    /// What is wrong.
    pub fault: RecordFault,
}

struct Place<'a>(&'a str, Option<usize>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(record) => write!(f, "{}[{record}]", self.0),
            None => write!(f, "section {}", self.0),
        }
    }
}

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordFault {
    /// The section is not a whole number of records.
    #[error("{size:#x} bytes are not a whole number of {of}-byte records")]
    Length {
        /// Size of the section in bytes.
        size: u64,
        /// Size of a record in bytes.
        of: u64,
    },
    /// A section that belongs to the records is not there.
    #[error("there is no section {0} to go with it")]
    NoSection(&'static str),
    /// Two sections have a name that one can have.
    #[error("there are two sections of this name")]
    Twice,
    /// There are not as many symbols as relocations.
    #[error("{relocations} records, and {symbols} in .kpatch.symbols: one for each was made")]
    Counts {
        /// Number of records of relocations.
        relocations: usize,
        /// Number of records of symbols.
        symbols: usize,
    },
    /// A pointer of the record has no relocation.
    #[error("no relocation gives its {0}")]
    NoRelocation(&'static str),
    /// A relocation of the section is where no pointer is, or at one that has another.
    #[error("a relocation at {0:#x} that is that of no single pointer")]
    Stray(u64),
    /// A pointer's relocation is not that of a 64-bit pointer.
    #[error("the relocation that gives its {0} is not that of a 64-bit pointer")]
    NotPointer(&'static str),
    /// The location to patch is not in a section of the module.
    #[error("its location is not in a section of this module")]
    NoLocation,
    /// A pointer does not lead to a text in the section of texts.
    #[error("its {0} is not a text in .kpatch.strings")]
    NoText(&'static str),
    /// A name is not one that the kernel would read.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The symbol is not an undefined one.
    #[error("its symbol '{0}' is not undefined, as a klp symbol is until it is finished")]
    SymbolDefined(String),
    /// The pointer to a symbol's record does not lead to one.
    #[error("its symbol is not a record of .kpatch.symbols")]
    NoSymbol,
    /// The binding or type of a symbol is not one.
    #[error("binding {bind} and type {kind} are not those of a symbol that may be looked up")]
    SymbolKind {
        /// Binding (`STB_*`).
        bind: u8,
        /// Type (`STT_*`).
        kind: u8,
    },
    /// The position is not one.
    #[error("{0} is not a symbol position")]
    Position(u64),
    /// An addend has another byte order than the relocation types.
    #[error("the addend {0:#x} has another byte order than its relocation type")]
    Addend(i64),
    /// The machine does not know the relocation type, in the byte order that others have.
    #[error(
        "no byte order makes all types relocation types of this machine: this one would be {0:#x}"
    )]
    Type(u32),
    /// Not exactly one plain relocation is at the location to patch.
    #[error(
        "{count} plain relocations against undefined symbols at {location}, where it replaces one"
    )]
    Plain {
        /// Section and offset.
        location: String,
        /// How many there are.
        count: usize,
    },
    /// Two records are about one location.
    #[error("{0} has another record already")]
    LocationTwice(String),
    /// A symbol that only records can finish is in none.
    #[error("no record is about '{0}', which is still undefined")]
    Unrecorded(String),
    /// A special section is not named by its start.
    #[error(
        "its section '{section}' is named at {offset:#x}, not at its start: the linker has joined several"
    )]
    NotWhole {
        /// The section's name.
        section: String,
        /// The offset in it, in bytes.
        offset: u64,
    },
    /// A section is none that kernels read late.
    #[error(
        "its section '{0}' is not .altinstructions or .parainstructions with contents that are loaded"
    )]
    NotSpecial(String),
    /// A special section has two records.
    #[error("its section '{0}' has another record already")]
    CopiedTwice(String),
    /// A special section that is to be copied would also be patched.
    #[error("its section '{0}' is to be copied, but .kpatch.relocations has a location in it")]
    PatchedCopy(String),
    /// A special section does not have one table of plain relocations.
    #[error("its section '{section}' has {count} relocation sections, not a plain one")]
    CopiedTables {
        /// The section's name.
        section: String,
        /// How many there are.
        count: usize,
    },
    /// The copy of a special section is there already.
    #[error("there is a section '{0}' already")]
    CopiedBefore(String),
    /// Special sections are recorded, and it is not known whether the kernel reads copies of them.
    #[error(
        "Linux before 5.8 reads these sections from .klp.arch, and it is not known which Linux this is for"
    )]
    KernelUnknown,
}
