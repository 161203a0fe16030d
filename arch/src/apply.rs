//! The one applier: compute, check, store.
//!
//! A machine's loader turns a row and its operands into a [`Patch`] — by [`plan`] unless the
//! machine does something that no row can express — and a patch is a value in a field, nothing more.
//! Invariant: a wrong or missing operand gives a [`Fault`] and leaves the bytes as they were.
//! Source: `apply_relocate_add` of `arch/*/kernel/module*.c`.

use crate::fault::{Anchor, Fault};
use crate::field::Field;
use crate::row::{Calc, Features, Row};

/// What is known about a relocation before anything has an address.
#[derive(Debug, Clone, Copy, Default)]
pub struct Conditions<'a> {
    /// Name of the symbol, for loaders that depend on names.
    pub symbol: &'a [u8],
    /// Whether the symbol is outside of the module: `SHN_UNDEF` or `SHN_LIVEPATCH`.
    pub external: bool,
    /// Whether it is written after the module is loaded, when its gate object is.
    pub late: bool,
    /// Whether the patched section stays writable (`SHF_WRITE` and not read-only after
    /// init). Matters for late writes only.
    pub writable: bool,
    /// What the target kernel has.
    pub features: Features,
}

/// The addresses that a relocation is computed from. Those that a row does not use may be absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Operands {
    /// S: the symbol's address.
    pub s: u64,
    /// A: the addend.
    pub a: i64,
    /// P: the address of the place.
    pub p: u64,
    /// `st_other` of the symbol, which encodes the local entry point where a machine has one.
    pub other: u8,
    /// TOC: the module's TOC pointer.
    pub toc: Option<u64>,
    /// GOT: address of the module's global offset table.
    pub got: Option<u64>,
    /// GOT + G: address of the slot for the symbol (for S + A where the loader keeps sums).
    pub got_slot: Option<u64>,
    /// L: address of the symbol's procedure linkage entry, stub or veneer.
    pub plt: Option<u64>,
}

impl Operands {
    /// S + A.
    #[must_use]
    #[inline]
    pub fn sum(&self) -> u64 {
        self.s.wrapping_add_signed(self.a)
    }

    /// The TOC pointer.
    ///
    /// # Errors
    /// [`Fault::Missing`] when it was not given.
    pub fn need_toc(&self) -> Result<u64, Fault> {
        self.toc.ok_or(Fault::Missing(Anchor::Toc))
    }

    /// The global offset table.
    ///
    /// # Errors
    /// [`Fault::Missing`] when it was not given.
    pub fn need_got(&self) -> Result<u64, Fault> {
        self.got.ok_or(Fault::Missing(Anchor::Got))
    }

    /// The symbol's slot in the global offset table.
    ///
    /// # Errors
    /// [`Fault::Missing`] when it was not given.
    pub fn need_got_slot(&self) -> Result<u64, Fault> {
        self.got_slot.ok_or(Fault::Missing(Anchor::GotSlot))
    }

    /// The symbol's procedure linkage entry, stub or veneer.
    ///
    /// # Errors
    /// [`Fault::Missing`] when it was not given.
    pub fn need_plt(&self) -> Result<u64, Fault> {
        self.plt.ok_or(Fault::Missing(Anchor::Plt))
    }
}

/// What is going to be written: a value, already in the scale of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patch {
    /// Where the bits go.
    pub field: Field,
    /// The bits.
    pub value: i64,
}

/// The value of a row's calculation, before check, bias and shift.
///
/// # Errors
/// [`Fault::Missing`] when an address that the calculation names was not given.
#[inline]
pub fn compute(row: &Row, operands: &Operands) -> Result<i64, Fault> {
    let Operands { p, a, .. } = *operands;
    let page = |address: u64| address & !0xfff;
    let sum = operands.sum();
    let value = match row.calc {
        Calc::Nothing => 0,
        Calc::Absolute => sum,
        Calc::PageOffset => sum & 0xfff,
        Calc::Relative | Calc::RelativeOrSlot | Calc::Branch => sum.wrapping_sub(p),
        Calc::PageRelative => page(sum).wrapping_sub(page(p)),
        Calc::Toc => operands.need_toc()?,
        Calc::TocRelative => sum.wrapping_sub(operands.need_toc()?),
        Calc::TocDistance => operands.need_toc()?.wrapping_sub(p),
        Calc::Slot => {
            let offset = operands.need_got_slot()?.wrapping_sub(operands.need_got()?);
            offset.wrapping_add_signed(a)
        }
        Calc::SlotRelative => operands.need_got_slot()?.wrapping_add_signed(a).wrapping_sub(p),
        Calc::SlotOfSum => operands.need_got_slot()?.wrapping_sub(p),
        Calc::GotRelative => sum.wrapping_sub(operands.need_got()?),
        Calc::GotDistance => operands.need_got()?.wrapping_add_signed(a).wrapping_sub(p),
        Calc::Plt => operands.need_plt()?.wrapping_add_signed(a).wrapping_sub(p),
        Calc::PltOffset => {
            operands.need_plt()?.wrapping_add_signed(a).wrapping_sub(operands.need_got()?)
        }
    };
    Ok(value.cast_signed())
}

/// Checks a computed value and brings it into the scale of the row's field.
///
/// # Errors
/// [`Fault::MisalignedValue`] or [`Fault::Overflow`], by the row's alignment and check.
#[inline]
pub fn fit(row: &Row, value: i64) -> Result<Patch, Fault> {
    let align = u64::from(row.align);
    if value.cast_unsigned() & (align - 1) != 0 {
        return Err(Fault::MisalignedValue { value, align });
    }
    row.check.admit(value)?;
    let value = value.wrapping_add(row.bias).unbounded_shr(u32::from(row.shift));
    Ok(Patch { field: row.field, value })
}

/// The patch of a row without special cases. `None` when nothing is written.
///
/// # Errors
/// Those of [`compute`] and [`fit`].
#[inline]
pub fn plan(row: &Row, operands: &Operands) -> Result<Option<Patch>, Fault> {
    if row.calc == Calc::Nothing {
        return Ok(None);
    }
    fit(row, compute(row, operands)?).map(Some)
}
