//! Why something counts as changed: the first difference that was found.

use std::fmt;

use super::contents::Contents;

/// Bytes that are shown of an instruction, or of data.
const SHOWN: usize = 16;

/// The first difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Bytes from this offset on.
    Bytes {
        /// Offset in the function or data, in bytes.
        at: u64,
        /// The first of them.
        old: Vec<u8>,
        /// The same in the new object.
        new: Vec<u8>,
    },
    /// What something refers to. `None`: nothing there.
    Reference {
        /// Offset in the function or data, in bytes.
        at: u64,
        /// What it was.
        old: Option<String>,
        /// What it is.
        new: Option<String>,
    },
    /// The contents of read-only data that it refers to.
    Reads {
        /// Offset of the reference, in bytes.
        at: u64,
        /// Whether it refers to the data itself, and not to what leads there.
        direct: bool,
        /// The data's name or place.
        old: String,
        /// The same in the new object.
        new: String,
        /// The difference in the data.
        inside: Box<Difference>,
    },
    /// It refers to a section in which a constant has changed that nothing else refers to.
    Near {
        /// Offset of the reference, in bytes.
        at: u64,
        /// The section.
        section: String,
        /// The constant.
        changed: String,
    },
    /// An entry of a table that belongs to it.
    Entry {
        /// The table's section.
        table: String,
        /// The difference in the entry.
        inside: Box<Difference>,
    },
    /// Another number of entries of a table.
    Entries {
        /// The table's section.
        table: String,
        /// How many there were.
        old: usize,
        /// How many there are.
        new: usize,
    },
    /// The code before its first instruction.
    Prefix,
    /// Its size in bytes, and nothing else.
    Size {
        /// It was.
        old: u64,
        /// It is.
        new: u64,
    },
    /// It was a function, a variable or a constant, and is no longer.
    Kind,
    /// The name is that of something else.
    Alias {
        /// It was another name of this.
        old: String,
        /// It is another name of this.
        new: String,
    },
}

impl Difference {
    /// The bytes from an offset on: so many of the old ones, and so many of the new, of which `new` are the rest.
    pub(super) fn bytes(
        at: usize,
        length: usize,
        other: usize,
        old: &Contents<'_>,
        new: &[u8],
    ) -> Self {
        let shown =
            |bytes: &[u8], length: usize| bytes.get(..length.min(SHOWN)).unwrap_or(bytes).to_vec();
        let rest = old.bytes.get(at..).unwrap_or_default();
        let at = u64::try_from(at).unwrap_or(u64::MAX);
        Self::Bytes { at, old: shown(rest, length), new: shown(new, other) }
    }

    /// Where it is, in bytes.
    pub(super) fn at(&self) -> Option<u64> {
        match self {
            Self::Bytes { at, .. } | Self::Reference { at, .. } | Self::Reads { at, .. } => {
                Some(*at)
            }
            _ => None,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "nothing".to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes { at, old, new } => write!(f, "+{at:#x}: {} → {}", hex(old), hex(new)),
            Self::Reference { at, old, new } => {
                let or_none =
                    |text: &Option<String>| text.clone().unwrap_or_else(|| "no reference".into());
                match (old, new) {
                    (None, None) => write!(f, "+{at:#x}: a reference elsewhere"),
                    _ => write!(f, "+{at:#x}: {} → {}", or_none(old), or_none(new)),
                }
            }
            Self::Reads { at, direct, old, new, inside } => {
                let verb = if *direct { "refers" } else { "leads" };
                let now = if old == new { String::new() } else { format!(" → {new}") };
                write!(f, "+{at:#x}: {verb} to {old}{now}, in which {inside}")
            }
            Self::Near { at, section, changed } => {
                write!(
                    f,
                    "+{at:#x}: refers to {section}, where {changed} has changed, which nothing else refers to"
                )
            }
            Self::Entry { table, inside } => write!(f, "its entry of {table}: {inside}"),
            Self::Entries { table, old, new } => write!(f, "its entries of {table}: {old} → {new}"),
            Self::Prefix => f.write_str("the code before it"),
            Self::Size { old, new } => write!(f, "{old} → {new} bytes"),
            Self::Kind => f.write_str("it is not the same kind of thing"),
            Self::Alias { old, new } => {
                write!(f, "it was another name of {old}, and is one of {new}")
            }
        }
    }
}
