//! Where code of an object and of the kernel differ.

use std::fmt;

/// The first difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// The kernel has no bytes there.
    NotThere,
    /// The kernel has symbols of that name, and something else in each of these places.
    Nowhere {
        /// How many.
        places: usize,
    },
    /// The same is there, under another name.
    Name,
    /// An instruction, or data.
    Bytes {
        /// Offset in bytes.
        at: u64,
        /// What the object has.
        object: Vec<u8>,
        /// What the kernel has.
        kernel: Vec<u8>,
    },
    /// A reference leads elsewhere.
    Reference {
        /// Offset of its field in bytes.
        at: u64,
        /// Where the object's leads.
        object: String,
        /// Where the kernel's leads.
        kernel: String,
    },
    /// A constant that it reads differs.
    Reads {
        /// Its name, or its place.
        name: String,
        /// The difference in it.
        inside: Box<Mismatch>,
    },
    /// A table that is sorted by code, such as `__ex_table`, has an entry for its code in the object only.
    OnlyInObject {
        /// Offset of the code in bytes.
        at: u64,
        /// The table's name.
        table: String,
    },
    /// The same, in the kernel only.
    OnlyInKernel {
        /// Offset of the code in bytes.
        at: u64,
        /// The table's name.
        table: String,
    },
    /// Of data: it cannot be told.
    Unknown(Unknown),
}

impl Mismatch {
    /// Its offset in bytes.
    #[must_use]
    pub fn at(&self) -> Option<u64> {
        match self {
            Self::NotThere
            | Self::Nowhere { .. }
            | Self::Name
            | Self::Reads { .. }
            | Self::Unknown(_) => None,
            Self::Bytes { at, .. }
            | Self::Reference { at, .. }
            | Self::OnlyInObject { at, .. }
            | Self::OnlyInKernel { at, .. } => Some(*at),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |bytes: &[u8]| -> String {
            let all: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            all.join(" ")
        };
        match self {
            Self::NotThere => f.write_str("the kernel has no code there"),
            Self::Nowhere { places } => {
                write!(f, "the kernel has something else in all {places} places of that name")
            }
            Self::Name => f.write_str("the kernel has the same there under another name"),
            Self::Bytes { at, object, kernel } => {
                write!(f, "+{at:#x}: {} in the object, {} in the kernel", hex(object), hex(kernel))
            }
            Self::Reference { at, object, kernel } => {
                write!(f, "+{at:#x}: refers to {object} in the object, to {kernel} in the kernel")
            }
            Self::Reads { name, inside } => write!(f, "reads {name}: {inside}"),
            Self::OnlyInObject { at, table } => {
                write!(f, "+{at:#x}: has an entry in {table} in the object, none in the kernel")
            }
            Self::OnlyInKernel { at, table } => {
                write!(f, "+{at:#x}: has an entry in {table} in the kernel, none in the object")
            }
            Self::Unknown(why) => write!(f, "{why}"),
        }
    }
}

/// Why it is not known whether the kernel has a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// Nothing says where it would be.
    Nowhere,
    /// It is weak, and nothing says whether the kernel uses this definition.
    Weak,
    /// The address of something that it refers to is not known.
    Address {
        /// Offset of the field in bytes.
        at: u64,
        /// What it refers to.
        of: String,
    },
    /// A relocation has a type that is not known.
    Relocation {
        /// Offset of the field in bytes.
        at: u64,
        /// The type.
        kind: u32,
    },
    /// Its code has an entry in a table, and the kernel does not list where it has that.
    Table {
        /// Offset of the code in bytes.
        at: u64,
        /// The table's name.
        table: String,
    },
    /// A constant that it reads cannot be compared.
    Reads {
        /// Its name, or its place.
        name: String,
        /// Why.
        inside: Box<Unknown>,
    },
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("nothing says where the kernel has it"),
            Self::Weak => f.write_str("it is weak, and the kernel may use another definition"),
            Self::Address { at, of } => {
                write!(f, "+{at:#x}: refers to {of}, whose address is not known")
            }
            Self::Relocation { at, kind } => {
                write!(f, "+{at:#x}: relocation type {kind} is not known")
            }
            Self::Table { at, table } => {
                write!(f, "+{at:#x}: has an entry in {table}, which cannot be compared")
            }
            Self::Reads { name, inside } => write!(f, "reads {name}: {inside}"),
        }
    }
}
