//! What a field that the linker has filled in says about an address.

use klp_arch::{Calc, Check, Row};

/// Addresses: those of a range that have certain low bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clue {
    /// The first of the range, and the number of bytes in it; `None`: all.
    range: Option<(u64, u64)>,
    /// A power of two, and what is left when an address is divided by it; `(1, 0)` says nothing.
    low: (u64, u64),
}

impl Clue {
    pub(super) const NOTHING: Self = Self { range: None, low: (1, 0) };

    pub(super) fn exactly(address: u64) -> Self {
        Self { range: Some((address, 1)), low: (1, 0) }
    }

    /// What the value in a row's field says about `S + A`. `None`: nothing that can be told.
    pub(super) fn of(row: &Row, value: i64, place: u64, toc: Option<u64>) -> Option<Self> {
        let width = row.field.width().min(64);
        let scaled = value.cast_unsigned().unbounded_shl(row.shift.into());
        // The calculation's value before bias and shift.
        let calculated = scaled.wrapping_sub(row.bias.cast_unsigned());
        let step = 1_u64.unbounded_shl(row.shift.into()).max(1);
        // Low bits that are not in the field are 0, but of what is rounded.
        let is_rounded = row.bias != 0 || row.calc == Calc::PageRelative;
        let bits = width.saturating_add(row.shift.into());
        let is_part = matches!(row.check, Check::Low | Check::Wrapping) && bits < 64;
        let from = |base: u64| match (is_part, is_rounded) {
            (false, false) => Self::exactly(calculated.wrapping_add(base)),
            (false, true) => {
                Self { range: Some((calculated.wrapping_add(base), step)), low: (1, 0) }
            }
            (true, false) => {
                let modulus = 1_u64.unbounded_shl(bits);
                Self { range: None, low: (modulus, calculated.wrapping_add(base) % modulus) }
            }
            (true, true) => Self::NOTHING,
        };
        match row.calc {
            Calc::Absolute => Some(from(0)),
            Calc::PageOffset => Some(Self { range: None, low: (4096, calculated % 4096) }),
            Calc::Relative | Calc::Branch | Calc::RelativeOrSlot => Some(from(place)),
            Calc::PageRelative => Some(from(place & !0xfff)),
            Calc::TocRelative => toc.map(from),
            _ => None,
        }
    }

    /// The clue about something that the address is this far from.
    pub(super) fn minus(self, addend: i64) -> Self {
        let by = addend.wrapping_neg();
        let (modulus, rest) = self.low;
        Self {
            range: self.range.map(|(start, size)| (start.wrapping_add_signed(by), size)),
            low: (modulus, rest.wrapping_add_signed(by) % modulus),
        }
    }

    /// What both say; `None` if they contradict each other.
    pub(super) fn and(self, other: Self) -> Option<Self> {
        let range = match (self.range, other.range) {
            (Some((a, size)), Some((b, length))) => {
                let start = if b.wrapping_sub(a) < size {
                    b
                } else if a.wrapping_sub(b) < length {
                    a
                } else {
                    return None;
                };
                let left = |from: u64, size: u64| size.saturating_sub(start.wrapping_sub(from));
                Some((start, left(a, size).min(left(b, length))))
            }
            (range, other) => range.or(other),
        };
        let (fine, coarse) =
            if self.low.0 >= other.low.0 { (self.low, other.low) } else { (other.low, self.low) };
        (fine.1 % coarse.0 == coarse.1).then_some(Self { range, low: fine })
    }

    /// The only address that it leaves.
    pub(super) fn address(self) -> Option<u64> {
        let (start, size) = self.range?;
        let (modulus, rest) = self.low;
        let to = rest.wrapping_sub(start) % modulus;
        (to < size && to.checked_add(modulus).is_none_or(|next| next >= size))
            .then(|| start.wrapping_add(to))
    }
}
