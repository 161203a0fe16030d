//! What one relocation type means, as data.
//!
//! A [`Row`] is read from left to right: the calculation gives a value, the check decides whether the
//! loader accepts it, bias and shift bring it into the field's scale, and the field gives where the
//! bits go. The arithmetic is in [`crate::apply`]. Each row cites the kernel function that it
//! mirrors and notes where the processor supplement of the ABI disagrees.

use crate::fault::Fault;
use crate::field::Field;

bitflags::bitflags! {
    /// Version, configuration and processor features that affect relocation.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Features: u32 {
        /// ppc64le: `CONFIG_PPC_KERNEL_PCREL`, a kernel without a TOC.
        const PCREL = 1;
        /// arm64: Cortex-A53 erratum 843419 is worked around (`ARM64_WORKAROUND_843419`).
        const ERRATUM_843419 = 1 << 1;
        /// Tables are sorted by the oldest heapsort: see [`Generation`](crate::sort::Generation). Linux 6.8
        /// has it, 6.9 does not.
        const OLD_SORT = 1 << 2;
        /// ppc64le: neither `CONFIG_MPROFILE_KERNEL` nor
        /// `CONFIG_ARCH_USING_PATCHABLE_FUNCTION_ENTRY`: calls to ftrace's entry points are ordinary calls.
        const PLAIN_FTRACE_CALLS = 1 << 3;
        /// ppc64le, arm64: `CONFIG_DYNAMIC_FTRACE`: each module has a stub for `ftrace_caller`.
        const DYNAMIC_FTRACE = 1 << 4;
        /// ppc64le, and arm64 up to Linux 6.1: `CONFIG_DYNAMIC_FTRACE_WITH_REGS`: each module also
        /// has a stub for `ftrace_regs_caller`.
        const DYNAMIC_FTRACE_WITH_REGS = 1 << 5;
        /// `CONFIG_DYNAMIC_FTRACE_WITH_CALL_OPS`: out-of-line stubs of ppc64le start with a pointer, and
        /// functions of arm64 have one before them.
        const DYNAMIC_FTRACE_WITH_CALL_OPS = 1 << 6;
        /// ppc64le: `CONFIG_PPC_FTRACE_OUT_OF_LINE`: each traced function has a stub after the
        /// others, in `.stubs`.
        const FTRACE_OUT_OF_LINE = 1 << 7;
        /// ppc64le: used stubs are not counted; they end at the first whose target is 0, and
        /// one more is reserved for it. Linux 6.14 has it, 6.18 does not.
        const STUB_TERMINATOR = 1 << 8;
        /// ppc64le: a call whose r2 is already restored is refused, and with it a gate object that is
        /// reloaded. Linux 6.2 has it, 6.3 does not.
        const RESTORES_R2_ONCE = 1 << 9;
        /// s390x: PLT entries jump through a thunk (`CONFIG_EXPOLINE` and not `nospec_disable`).
        const EXPOLINE = 1 << 10;
        /// x86_64: places are checked before values. Linux 6.2 has it, 6.3 does not.
        const CHECKS_PLACE_FIRST = 1 << 11;
        /// x86_64: messages name neither section nor entry, and hash the location. Linux 6.18
        /// has it, 6.19 does not.
        const TERSE_MESSAGES = 1 << 12;
        /// x86_64 before Linux 6.3, s390x before Linux 6.11: entries of `.altinstructions` are two
        /// bytes shorter.
        const SHORT_ALTERNATIVES = 1 << 13;
        /// Modules cannot be unloaded (no `CONFIG_MODULE_UNLOAD`): `.exit…` sections are init
        /// sections, too.
        const EXIT_IS_INIT = 1 << 14;
        /// Tables are sorted by the heapsort of Linux 6.9 and 6.10.
        const MIDDLE_SORT = 1 << 15;
        /// arm64: a module must have room for a stub to `ftrace_caller` in init, too
        /// (`module_init_ftrace_plt`). Linux 6.14 does not require it, 6.18 does; 6.12.117 has it
        /// backported. Where a module has the room, its kernel fills it.
        const INIT_TRAMPOLINE = 1 << 16;
    }
}

/// On which kernels the loader knows a relocation type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// On all.
    Always,
    /// On kernels with all of these features.
    With(Features),
    /// On kernels with none of these features.
    Without(Features),
}

impl When {
    /// Whether a kernel with these features knows the type.
    #[must_use]
    pub fn holds(self, features: Features) -> bool {
        match self {
            Self::Always => true,
            Self::With(needed) => features.contains(needed),
            Self::Without(excluded) => !features.intersects(excluded),
        }
    }
}

/// How the value is computed, in the letters of the ABI documents.
///
/// S: the symbol; A: the addend; P: the place; L: the symbol's procedure linkage entry, stub or
/// veneer; G: the offset of the symbol's slot in the global offset table; GOT: the table; TOC: the
/// module's TOC pointer. All sums wrap at 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
pub enum Calc {
    /// Nothing: the loader accepts the relocation and does nothing.
    #[strum(to_string = "-")]
    Nothing,
    /// The address.
    #[strum(to_string = "S + A")]
    Absolute,
    /// The address inside its page of 4 KiB.
    #[strum(to_string = "(S + A) & 0xfff")]
    PageOffset,
    /// The distance from the place.
    #[strum(to_string = "S + A - P")]
    Relative,
    /// The distance from the place to S + A, or to a slot that holds S + A where the machine
    /// uses one.
    #[strum(to_string = "S + A - P or GOT + G(S + A) - P")]
    RelativeOrSlot,
    /// The distance from the place to S + A, or to L where the machine uses it.
    #[strum(to_string = "S + A - P or L - P")]
    Branch,
    /// The distance between pages of 4 KiB.
    #[strum(to_string = "Page(S + A) - Page(P)")]
    PageRelative,
    /// The TOC pointer.
    #[strum(to_string = "TOC")]
    Toc,
    /// The distance from the TOC pointer.
    #[strum(to_string = "S + A - TOC")]
    TocRelative,
    /// The distance from the place to the TOC pointer.
    #[strum(to_string = "TOC - P")]
    TocDistance,
    /// The offset of the slot.
    #[strum(to_string = "G + A")]
    Slot,
    /// The distance from the place to the slot.
    #[strum(to_string = "GOT + G + A - P")]
    SlotRelative,
    /// The distance from the place to a slot that holds S + A.
    #[strum(to_string = "GOT + G(S + A) - P")]
    SlotOfSum,
    /// The distance from the table.
    #[strum(to_string = "S + A - GOT")]
    GotRelative,
    /// The distance from the place to the table.
    #[strum(to_string = "GOT + A - P")]
    GotDistance,
    /// The distance from the place to the entry.
    #[strum(to_string = "L + A - P")]
    Plt,
    /// The distance from the table to the entry.
    #[strum(to_string = "L + A - GOT")]
    PltOffset,
}

impl Calc {
    /// Whether the value depends on P.
    #[must_use]
    pub const fn depends_on_place(self) -> bool {
        !matches!(
            self,
            Self::Nothing
                | Self::Absolute
                | Self::PageOffset
                | Self::Toc
                | Self::TocRelative
                | Self::Slot
                | Self::GotRelative
                | Self::PltOffset
        )
    }

    /// Whether a machine's loader may have to provide a slot, entry or stub for the reference.
    #[must_use]
    #[inline]
    pub const fn may_detour(self) -> bool {
        !matches!(
            self,
            Self::Nothing
                | Self::Absolute
                | Self::PageOffset
                | Self::Relative
                | Self::Toc
                | Self::TocRelative
                | Self::TocDistance
                | Self::GotRelative
                | Self::GotDistance
        )
    }
}

/// What the loader requires of the value before it is biased and shifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Nothing: high bits are lost. The field reads back as a signed value.
    Wrapping,
    /// Nothing, although the whole value is meant: the loader trusts that it fits, and truncates it
    /// where it does not. The field reads back as a signed value.
    Trusted,
    /// Nothing: only the low bits are meant. The field reads back as an unsigned value.
    Low,
    /// A signed number of this many bits, at most 63.
    Signed(u8),
    /// An unsigned number of this many bits, at most 62.
    Unsigned(u8),
}

impl Check {
    /// The smallest and the largest value that the loader accepts, if it checks.
    #[must_use]
    #[inline]
    pub const fn range(self) -> Option<(i64, i64)> {
        match self {
            Self::Wrapping | Self::Trusted | Self::Low => None,
            Self::Signed(bits) => {
                let half = 1i64 << (bits - 1);
                Some((-half, half - 1))
            }
            Self::Unsigned(bits) => Some((0, (1i64 << bits) - 1)),
        }
    }

    /// Whether a value that is read back is sign-extended.
    #[must_use]
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::Wrapping | Self::Trusted | Self::Signed(_))
    }

    /// Whether the loader accepts the value.
    ///
    /// # Errors
    /// [`Fault::Overflow`] with the range.
    #[inline]
    pub fn admit(self, value: i64) -> Result<(), Fault> {
        match self.range() {
            Some((min, max)) if value < min || value > max => {
                Err(Fault::Overflow { value, min, max })
            }
            _ => Ok(()),
        }
    }
}

/// One relocation type that a machine's loader knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The ELF relocation type.
    pub number: u32,
    /// Its name in the ABI, `R_…`.
    pub name: &'static str,
    /// On which kernels the loader knows it.
    pub when: When,
    /// How the value is computed.
    pub calc: Calc,
    /// What the value must be.
    pub check: Check,
    /// Power of two that the value must be a multiple of.
    pub align: u8,
    /// Added before the shift to compensate for the sign-extended low half.
    pub bias: i64,
    /// Arithmetic right shift that brings the value into the field's scale, in bits.
    pub shift: u8,
    /// Where the bits go.
    pub field: Field,
    /// The kernel function that the row mirrors, as `file:function`.
    pub source: &'static str,
    /// How the kernel differs from the ABI, if it does.
    pub note: Option<&'static str>,
}

impl Row {
    /// A row without alignment, bias, shift or note, known to all kernels.
    #[must_use]
    pub const fn new(
        number: u32,
        name: &'static str,
        calc: Calc,
        check: Check,
        field: Field,
        source: &'static str,
    ) -> Self {
        let when = When::Always;
        let (align, bias, shift, note) = (1, 0, 0, None);
        Self { number, name, when, calc, check, align, bias, shift, field, source, note }
    }

    /// The row, limited to some kernels.
    #[must_use]
    pub const fn when(self, when: When) -> Self {
        Self { when, ..self }
    }

    /// The row with a power of two that values must be a multiple of.
    #[must_use]
    pub const fn align(self, align: u8) -> Self {
        Self { align, ..self }
    }

    /// The row with a number that is added before the shift.
    #[must_use]
    pub const fn bias(self, bias: i64) -> Self {
        Self { bias, ..self }
    }

    /// The row with a right shift in bits.
    #[must_use]
    pub const fn shift(self, shift: u8) -> Self {
        Self { shift, ..self }
    }

    /// The row with a difference between kernel and ABI.
    #[must_use]
    pub const fn note(self, note: &'static str) -> Self {
        Self { note: Some(note), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_both_of_their_ends() {
        assert_eq!(Check::Signed(32).range(), Some((-0x8000_0000, 0x7fff_ffff)));
        assert_eq!(Check::Unsigned(32).range(), Some((0, 0xffff_ffff)));
        assert!(Check::Unsigned(8).admit(255).is_ok());
        assert_eq!(
            Check::Unsigned(8).admit(256),
            Err(Fault::Overflow { value: 256, min: 0, max: 255 })
        );
        assert!(Check::Wrapping.admit(i64::MIN).is_ok());
    }

    #[test]
    fn a_condition_is_about_its_own_features_only() {
        let both = Features::PCREL | Features::ERRATUM_843419;
        assert!(When::With(Features::PCREL).holds(both));
        assert!(!When::With(Features::PCREL).holds(Features::ERRATUM_843419));
        assert!(!When::Without(Features::PCREL).holds(both));
        assert!(When::Without(Features::PCREL).holds(Features::empty()));
    }
}
