//! The inverse: operands for which a row's calculation gives a wanted value.

use klp_arch::{Calc, Operands, Row};

/// Values that a row can write and read back: low bits that it requires to be zero, or drops, are
/// zero.
pub(crate) fn representable(row: &Row, raw: i64) -> i64 {
    let width = row.field.width() + u32::from(row.shift);
    let (min, max) = row.check.range().unwrap_or_else(|| match width {
        _ if row.calc == Calc::PageOffset => (0, 0xfff),
        64.. => (i64::MIN, i64::MAX),
        _ if row.check.is_signed() => (-1 << (width - 1), (1 << (width - 1)) - 1 - row.bias),
        _ => (0, (1 << width) - 1),
    });
    let span = i128::from(max) - i128::from(min) + 1;
    let value = i128::from(min) + (i128::from(raw) - i128::from(min)).rem_euclid(span);
    i64::try_from(value).expect("lies between two i64") & -grain(row)
}

/// The step between values of a row.
pub(crate) fn grain(row: &Row) -> i64 {
    i64::from(row.align).max(if row.bias == 0 { 1 << row.shift } else { 1 })
}

/// Operands with the addend and place of `base` for which the row computes `value`. The anchors that
/// the row needs are made up, unless S alone can give the value.
pub(crate) fn operands_for(row: &Row, value: i64, base: &Operands) -> Operands {
    let anchors =
        Operands { toc: base.toc.or(Some(0x8_8000)), got: base.got.or(Some(0x5_0000)), ..*base };
    let (v, a, p) = (value.cast_unsigned(), base.a.cast_unsigned(), base.p);
    let (toc, got) = (anchors.toc.unwrap(), anchors.got.unwrap());
    let s =
        |sum: u64| Operands { s: sum.wrapping_sub(a), plt: Some(sum.wrapping_sub(a)), ..anchors };
    match row.calc {
        Calc::Nothing => anchors,
        Calc::Absolute | Calc::PageOffset => s(v),
        Calc::Relative | Calc::RelativeOrSlot | Calc::Branch | Calc::Plt => s(v.wrapping_add(p)),
        Calc::PageRelative => s(v.wrapping_add(p & !0xfff)),
        Calc::TocRelative => s(v.wrapping_add(toc)),
        Calc::GotRelative | Calc::PltOffset => s(v.wrapping_add(got)),
        Calc::Toc => Operands { toc: Some(v), ..anchors },
        Calc::TocDistance => Operands { toc: Some(v.wrapping_add(p)), ..anchors },
        Calc::GotDistance => Operands { got: Some(v.wrapping_add(p).wrapping_sub(a)), ..anchors },
        Calc::Slot => Operands { got_slot: Some(v.wrapping_sub(a).wrapping_add(got)), ..anchors },
        Calc::SlotRelative => {
            Operands { got_slot: Some(v.wrapping_sub(a).wrapping_add(p)), ..anchors }
        }
        Calc::SlotOfSum => Operands { got_slot: Some(v.wrapping_add(p)), ..anchors },
    }
}
