//! Why the loader would not write a relocation, or why we cannot compute what it would write.
//!
//! A [`Fault`] describes what is wrong at one place and knows neither file nor symbol: the caller,
//! which has the relocation section, adds them. Invariant: every `Display` is one short sentence
//! with offsets and values in hexadecimal, fit to follow `section+0x1f: R_…: `.

use core::fmt;

/// An address that a relocation is computed from and that only the loader's layout gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
pub enum Anchor {
    /// The module's TOC pointer.
    #[strum(to_string = "TOC pointer")]
    Toc,
    /// The start of the module's global offset table.
    #[strum(to_string = "global offset table")]
    Got,
    /// The symbol's slot in the global offset table.
    #[strum(to_string = "GOT slot of the symbol")]
    GotSlot,
    /// The symbol's procedure linkage entry, stub or veneer.
    #[strum(to_string = "PLT entry of the symbol")]
    Plt,
}

/// What the loader objects to, without file or symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The value is outside of the range that the loader accepts for the field (inclusive).
    Overflow {
        /// The computed value, before it is shifted into the field.
        value: i64,
        /// Smallest value that is accepted.
        min: i64,
        /// Largest value that is accepted.
        max: i64,
    },
    /// The value has bits set that the field drops.
    MisalignedValue {
        /// The computed value.
        value: i64,
        /// Power of two that it must be a multiple of.
        align: u64,
    },
    /// The late writer skips places that are not aligned.
    MisalignedPlace {
        /// Address or section offset of the place.
        place: u64,
        /// Power of two that it must be a multiple of.
        align: u64,
    },
    /// The bytes at the place are not zero before the first write.
    SiteNotZero {
        /// The bytes as a number in the machine's byte order.
        found: u64,
    },
    /// The bytes at the place are not the value that clearing expects.
    SiteChanged {
        /// The bytes as a number in the machine's byte order.
        found: u64,
        /// What applying the relocation wrote.
        expected: u64,
    },
    /// A call that leaves the module is not followed by the nop that the loader replaces to restore the
    /// TOC pointer.
    NoNopAfterCall {
        /// The word after the call.
        found: u32,
    },
    /// The place, or what the loader reads after it, is not inside the section.
    PlaceOutside {
        /// Bytes from the place that are needed.
        needed: u64,
        /// Bytes from the place to the end of the section.
        available: u64,
    },
    /// The late writer uses plain stores, and the memory is read-only by then.
    ReadOnly,
    /// The machine's loader does not know the relocation type.
    UnknownType {
        /// The ELF relocation type.
        number: u32,
    },
    /// The loader knows the type only on kernels that are configured differently.
    NotOnThisKernel {
        /// The ELF relocation type.
        number: u32,
    },
    /// The relocation needs an address that was not given.
    Missing(Anchor),
    /// The symbol table has no symbol of this index; the loader reads whatever is there.
    NoSymbol {
        /// The index.
        index: u32,
    },
    /// The room that the loader reserved for slots, stubs or veneers is used up.
    NoRoom {
        /// How many fit.
        reserved: u64,
    },
    /// The module lacks a section that the loader writes to.
    NoSection {
        /// Its name.
        name: &'static str,
    },
    /// The processor flags of the ELF header name another ABI.
    WrongAbi {
        /// `e_flags` as found.
        flags: u32,
    },
}

/// A signed number as `-0x10` or `0x10`.
struct Signed(i64);

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{:#x}", self.0.unsigned_abs())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            // An unsigned range means an address, and addresses carry no sign.
            Self::Overflow { value, min: 0, max } => {
                write!(f, "value {value:#x} is outside 0x0..={max:#x}")
            }
            Self::Overflow { value, min, max } => {
                let (value, min, max) = (Signed(value), Signed(min), Signed(max));
                write!(f, "value {value} is outside {min}..={max}")
            }
            Self::MisalignedValue { value, align } => {
                write!(f, "value {} is not a multiple of {align}", Signed(value))
            }
            Self::MisalignedPlace { place, align } => {
                write!(f, "place {place:#x} is not a multiple of {align}, a late write is skipped")
            }
            Self::SiteNotZero { found } => {
                write!(f, "the place holds {found:#x}, the loader demands zero")
            }
            Self::SiteChanged { found, expected } => {
                write!(f, "the place holds {found:#x}, {expected:#x} was written")
            }
            Self::NoNopAfterCall { found } => {
                write!(f, "no nop after call, found {found:#010x}")
            }
            Self::PlaceOutside { needed, available } => {
                write!(f, "{needed:#x} bytes are needed, the section ends after {available:#x}")
            }
            Self::ReadOnly => f.write_str("a late plain store into read-only memory faults"),
            Self::UnknownType { number } => {
                write!(f, "the loader does not know relocation type {number}")
            }
            Self::NotOnThisKernel { number } => {
                write!(f, "relocation type {number} needs another kernel configuration")
            }
            Self::Missing(anchor) => write!(f, "the address of the {anchor} is not known"),
            Self::NoSymbol { index } => write!(f, "the module has no symbol {index}"),
            Self::NoRoom { reserved } => {
                write!(f, "the loader has set room aside for {reserved} only")
            }
            Self::NoSection { name } => write!(f, "the module has no section {name}"),
            Self::WrongAbi { flags } => write!(f, "e_flags {flags:#x} name another ABI"),
        }
    }
}

impl core::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_signed_range_prints_signs_and_an_unsigned_one_prints_addresses() {
        let near = Fault::Overflow { value: -0x8001, min: -0x8000, max: 0x7fff };
        assert_eq!(near.to_string(), "value -0x8001 is outside -0x8000..=0x7fff");
        let far = Fault::Overflow { value: -0x7f00_0000, min: 0, max: 0xffff_ffff };
        assert_eq!(far.to_string(), "value 0xffffffff81000000 is outside 0x0..=0xffffffff");
    }

    #[test]
    fn a_missing_anchor_is_named() {
        let fault = Fault::Missing(Anchor::Plt);
        assert_eq!(fault.to_string(), "the address of the PLT entry of the symbol is not known");
    }
}
