//! Claims about what arm64 rows, entries and messages come to.

use super::*;
use crate::fault::Anchor;

fn applied(number: u32, features: Features, inputs: &Inputs, word: u32) -> Result<u32, Fault> {
    let facts = Facts { features, ..Facts::default() };
    let mut site = word.to_le_bytes();
    Arm64.apply(Arm64.row(number).unwrap(), &facts, inputs, &mut site)?;
    Ok(u32::from_le_bytes(site))
}

#[test]
fn a_branch_out_of_reach_goes_through_its_plt_slot() {
    let none = Features::empty();
    let far = Inputs { s: 0x1000_0000, p: 0x1000, plt: Some(0x2000), ..Inputs::default() };
    assert_eq!(applied(283, none, &far, 0x9400_0000), Ok(0x9400_0400));
    let without = Inputs { plt: None, ..far };
    assert_eq!(applied(283, none, &without, 0), Err(Fault::Missing(Anchor::Plt)));
    let near = Inputs { s: 0x1ff0, ..without };
    assert_eq!(applied(283, none, &near, 0x9400_0000), Ok(0x9400_03fc));
}

#[test]
fn a_late_branch_must_reach_its_target() {
    let row = Arm64.row(283).unwrap();
    let late = Facts { late: true, ..Facts::default() };
    let far = Inputs { s: 0x1000_0000, p: 0x1000, plt: Some(0x2000), ..Inputs::default() };
    assert_eq!(Arm64.apply(row, &late, &far, &mut [0; 4]), Err(Fault::ReadOnly));
    let near = Inputs { s: 0x2000, ..far };
    assert_eq!(Arm64.apply(row, &late, &near, &mut [0; 4]), Ok(()));
}

#[test]
fn an_adrp_at_the_end_of_a_page_becomes_adr_or_branch() {
    let on = Features::ERRATUM_843419;
    let adrp = 0x9000_0001;
    let near = Inputs { s: 0x2_3456, p: 0x2_1ff8, ..Inputs::default() };
    assert_eq!(applied(275, on, &near, adrp), Ok(0x1000_8041));
    assert_eq!(applied(275, on, &Inputs { p: 0x2_1ff4, ..near }, adrp), Ok(0xd000_0001));
    assert_eq!(applied(275, Features::empty(), &near, adrp), Ok(0xd000_0001));
    let far = Inputs { s: 0x4000_0000, plt: Some(0x2_2ff8), ..near };
    assert_eq!(applied(275, on, &far, adrp), Ok(0x1400_0400));
    let without = Inputs { plt: None, ..far };
    assert_eq!(applied(275, on, &without, adrp), Err(Fault::Missing(Anchor::Plt)));
}

#[test]
fn a_late_write_to_an_unaligned_place_would_be_skipped() {
    let row = Arm64.row(257).unwrap();
    let late = Facts { late: true, ..Facts::default() };
    let fault = Fault::MisalignedPlace { place: 2, align: 4 };
    assert_eq!(Arm64.check_site(row, &late, &[0; 16], 2), Err(fault));
    assert_eq!(Arm64.check_site(row, &late, &[0; 16], 8), Ok(()));
    assert_eq!(Arm64.check_site(row, &Facts::default(), &[0; 16], 2), Ok(()));
    let inputs = Inputs { p: 0x1002, ..Inputs::default() };
    let fault = Fault::MisalignedPlace { place: 0x1002, align: 4 };
    assert_eq!(Arm64.apply(row, &late, &inputs, &mut [0; 16]), Err(fault));
}
