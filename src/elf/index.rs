//! Indices of sections and symbols, kept apart by type.
//!
//! Both count from 0, where 0 is the null entry of its table. An index need not be valid: only the
//! module knows whether the entry exists.

use std::fmt;

/// Index of a section in the section header table; 0 is the null section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SectionIndex(u32);

/// Index of a symbol in the symbol table; 0 is the null symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SymbolIndex(u32);

macro_rules! index {
    ($name:ident) => {
        impl $name {
            /// The null entry of the table (`SHN_UNDEF`, `STN_UNDEF`).
            pub const NULL: Self = Self(0);

            /// The entry of this number.
            #[must_use]
            pub const fn new(number: u32) -> Self {
                Self(number)
            }

            /// The number, as in the file.
            #[must_use]
            pub const fn get(self) -> u32 {
                self.0
            }

            /// The index of a table's slot; tables beyond 32 bits are refused when parsed.
            pub(super) fn of_slot(slot: usize) -> Self {
                Self(u32::try_from(slot).unwrap_or(u32::MAX))
            }

            /// The entry's position in a slice of the whole table.
            pub(crate) fn slot(self) -> usize {
                usize::try_from(self.0).unwrap_or(usize::MAX)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

index!(SectionIndex);
index!(SymbolIndex);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_print_and_order_as_their_numbers() {
        assert_eq!(SectionIndex::new(12).to_string(), "12");
        assert!(SymbolIndex::new(9) < SymbolIndex::new(10));
        assert_eq!(SymbolIndex::of_slot(7).slot(), 7);
        assert_eq!(SectionIndex::default(), SectionIndex::NULL);
    }
}
