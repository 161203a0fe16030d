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

#[cfg(test)]
mod tests {
    use klp_arch::{Operands, apply, by_name};
    use proptest::prelude::*;

    use super::*;

    /// What the linker would write into a field, as the field reads back.
    fn written(machine: &str, kind: u32, operands: &Operands) -> Option<(&'static Row, i64)> {
        let machine = by_name(machine)?;
        let row = machine.linker_row(kind)?;
        let patch = apply::fit(row, apply::compute(row, operands).ok()?).ok()?;
        let mut field = [0; 8];
        patch.field.store(&mut field, patch.value, machine.endian).ok()?;
        Some((row, row.field.load(&field, row.check.is_signed(), machine.endian).ok()?))
    }

    fn clue(machine: &str, kind: u32, operands: &Operands) -> Option<Clue> {
        let (row, value) = written(machine, kind, operands)?;
        Some(Clue::of(row, value, operands.p, operands.toc)?.minus(operands.a))
    }

    #[test]
    fn both_halves_of_an_address_give_it() {
        let (s, p) = (0xffff_8000_8012_3458, 0xffff_8000_8000_0ffc);
        let operands = Operands { s, a: 16, p, ..Operands::default() };
        let high = clue("arm64", 275, &operands).unwrap();
        let low = clue("arm64", 277, &operands).unwrap();
        assert_eq!((high.address(), low.address()), (None, None));
        assert_eq!(high.and(low).unwrap().address(), Some(s));
    }

    #[test]
    fn clues_about_two_addresses_contradict_each_other() {
        let operands = |s| Operands { s, p: 0x1000, ..Operands::default() };
        let one = clue("x86_64", 2, &operands(0x2000)).unwrap();
        let other = clue("x86_64", 2, &operands(0x2008)).unwrap();
        assert_eq!(one.and(other), None);
        assert_eq!(one.and(one), Some(one));
    }

    proptest! {
        #[test]
        fn a_clue_holds_the_address_that_was_written(
            index in 0..18_usize, s in 0_u64..1 << 27, a in -64_i64..64, p in 0_u64..1 << 27, toc in 0_u64..1 << 27,
        ) {
            const TYPES: [(&str, u32); 18] = [
                ("x86_64", 1), ("x86_64", 2), ("x86_64", 4), ("x86_64", 11),
                ("ppc64le", 10), ("ppc64le", 38), ("ppc64le", 48), ("ppc64le", 50), ("ppc64le", 64), ("ppc64le", 250),
                ("ppc64le", 252), ("s390x", 19), ("s390x", 20), ("s390x", 22),
                ("arm64", 257), ("arm64", 275), ("arm64", 283), ("arm64", 286),
            ];
            let (machine, kind) = TYPES[index];
            let base = 0xffff_ffff_8000_0000;
            // Some types reach multiples of 8 only.
            let (s, a, p) = (base + (s & !7), a & !7, base + (p & !7));
            let operands = Operands { s, a, p, toc: Some(base + (toc & !7)), ..Operands::default() };
            if let Some(clue) = clue(machine, kind, &operands) {
                let exact = Clue::exactly(s);
                prop_assert_eq!(clue.and(exact).and_then(Clue::address), Some(s), "{} {}: {:x?}", machine, kind, clue);
            }
        }
    }
}
