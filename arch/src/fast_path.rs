//! The fast path of most relocations: S + A, as it is or less P or the TOC pointer, into whole words.
//!
//! Rows are converted into a branch-free form, because tables mix their types and a processor
//! cannot predict which comes next. Anything unusual takes the slow path, which reports why.
//! Invariant: what is written here is what the slow path would have written.

use crate::apply::Conditions;
use crate::linkage::Anchors;
use crate::loader::ModuleLoader;
use crate::memory::{Extent, Memory};
use crate::object::{Rela, Symbol};
use crate::row::{Calc, Check, Row};

/// A row in branch-free form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FastPath {
    row: &'static Row,
    /// All ones where P is subtracted.
    relative: u64,
    /// The TOC pointer where that is subtracted.
    base: u64,
    min: i64,
    max: i64,
    /// Low bits that must be zero.
    low: u64,
    bias: i64,
    shift: u32,
    size: usize,
}

impl FastPath {
    /// The row in this form, if it has one. Loaders plan such rows as
    /// [`apply::plan`](crate::apply::plan) does.
    ///
    /// With `whole`, values that would be truncated take the slow path, where the observer sees them.
    pub(crate) fn of(row: &'static Row, anchors: Anchors, whole: bool) -> Option<Self> {
        let (relative, base) = match row.calc {
            Calc::Absolute => (0, 0),
            Calc::Relative => (u64::MAX, 0),
            Calc::TocRelative => (0, anchors.toc?),
            _ => return None,
        };
        if !row.field.is_whole() {
            return None;
        }
        let size = row.field.size();
        let (min, max) = match row.check {
            Check::Trusted if whole && size == 4 && row.shift == 0 => {
                let signed = row.calc == Calc::Relative;
                (i32::MIN.into(), if signed { i32::MAX.into() } else { u32::MAX.into() })
            }
            Check::Trusted if whole => return None,
            check => check.range().unwrap_or((i64::MIN, i64::MAX)),
        };
        let (low, bias, shift) = (u64::from(row.align) - 1, row.bias, u32::from(row.shift));
        Some(Self { row, relative, base, min, max, low, bias, shift, size })
    }

    /// Writes the relocation if it can; returns whether it did.
    #[inline]
    pub(crate) fn apply<L: ModuleLoader + ?Sized>(
        &self,
        loader: &L,
        rela: Rela,
        symbol: &Symbol<'_>,
        conditions: &Conditions<'_>,
        target: &Extent,
        memory: &mut Memory,
    ) -> bool {
        let place = target.address.wrapping_add(rela.offset);
        let sum = symbol.st_value.wrapping_add_signed(rela.addend);
        let value = sum.wrapping_sub(place & self.relative).wrapping_sub(self.base).cast_signed();
        let late = conditions.late && place & (loader.machine().late_alignment - 1) != 0;
        let misaligned = value.cast_unsigned() & self.low != 0;
        if value < self.min || value > self.max || misaligned || late {
            return false;
        }
        let Ok(offset) = usize::try_from(rela.offset) else { return false };
        let section = memory.bytes_mut(target);
        let site = section.get_mut(offset..).and_then(|rest| rest.get_mut(..self.size));
        let Some(site) = site else { return false };
        let conditions =
            Conditions { symbol: symbol.name, external: symbol.is_external(), ..*conditions };
        loader.check_bytes(self.row, &conditions, site).is_ok() && {
            let value = value.wrapping_add(self.bias).unbounded_shr(self.shift);
            self.row.field.store(site, value, loader.machine().endian).is_ok()
        }
    }
}
