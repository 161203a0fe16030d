//! Claims about what s390x rows, slots and messages come to.

use super::*;
use crate::fault::Anchor;

fn planned(number: u32, inputs: &Inputs) -> Result<i64, Fault> {
    let row = S390x.row(number).unwrap();
    S390x.plan(row, &Facts::default(), inputs, &[]).map(|patch| patch.unwrap().value)
}

#[test]
fn a_far_branch_goes_through_the_plt_and_keeps_its_addend() {
    let near = Inputs { s: 0x3000, a: 2, p: 0x1000, ..Inputs::default() };
    assert_eq!(planned(20, &near), Ok(0x1001));
    let far = Inputs { s: 0x3_0000_0000, plt: Some(0x1100), ..near };
    assert_eq!(planned(20, &far), Ok(0x81));
    assert_eq!(planned(20, &Inputs { plt: None, ..far }), Err(Fault::Missing(Anchor::Plt)));
}

#[test]
fn both_windows_end_where_the_kernels_do() {
    let plt = Some(0x4_0000_1000);
    let at = |s: u64| Inputs { s, a: 2, p: 0x4_0000_0000, plt, ..Inputs::default() };
    // The distance is what the direct branch would have; L gives 0x801 half-words.
    assert_eq!(planned(20, &at(0x3_0000_0000)), Ok(0x801));
    assert_eq!(planned(20, &at(0x3_0000_0002)), Ok(-0x7fff_fffe));
    assert_eq!(planned(20, &at(0x5_0000_0000)), Ok(0x801));
    let odd = Inputs { a: 1, plt: Some(0x4_0000_1001), ..at(0x4_001e_ffff) };
    assert_eq!(planned(18, &odd), Ok(0x801));
    let overflow = Fault::Overflow { value: 0x1e_fffe, min: -0x1_0000, max: 0xffff };
    assert_eq!(planned(18, &at(0x4_001e_fffc)), Err(overflow));
}

#[test]
fn a_negative_plt_distance_is_refused() {
    let inputs = Inputs { p: 0x2000, plt: Some(0x1000), ..Inputs::default() };
    let overflow = Fault::Overflow { value: -0x1000, min: 0, max: 0xffff_ffff };
    assert_eq!(planned(8, &inputs), Err(overflow));
}

#[test]
fn an_odd_distance_is_refused_where_half_words_are_counted() {
    let inputs = Inputs { s: 0x11, ..Inputs::default() };
    assert_eq!(planned(19, &inputs), Err(Fault::MisalignedValue { value: 0x11, align: 2 }));
}
