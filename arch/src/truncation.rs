//! Values that the loader truncates without an error.
//!
//! Some types are not checked by the loader although their whole value is meant
//! ([`Check::Trusted`]): high bits that do not fit are lost, and the code uses a wrong address. An
//! applied relocation shows it: the field does not read back as what was written.
//! Source: the cases without a check in `apply_relocate_add` of `arch/*/kernel/module*.c`.

use scroll::Endian;

use crate::relocate::AppliedRelocation;
use crate::row::{Calc, Check};

impl AppliedRelocation<'_> {
    /// Whether significant high bits of the value were lost. An address may fill its field
    /// as a signed or an unsigned number, a distance is signed.
    #[must_use]
    #[inline]
    pub fn is_truncated(&self, endian: Endian) -> bool {
        self.row.check == Check::Trusted && self.lost(endian)
    }

    fn lost(&self, endian: Endian) -> bool {
        let Some(patch) = self.patch else { return false };
        let reads = |signed| patch.field.load(self.after, signed, endian) == Ok(patch.value);
        !(reads(true) || self.row.calc == Calc::Absolute && reads(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::{Operands, Patch};
    use crate::by_name;
    use crate::object::Rela;

    /// Whether applying a row to a value loses bits.
    fn truncates(machine: &str, number: u32, operands: Operands) -> bool {
        let machine = by_name(machine).unwrap();
        let row = machine.row(number).unwrap();
        let mut site = [0; 8];
        let conditions = crate::Conditions::default();
        let patch: Option<Patch> =
            crate::machine::write(machine.loader, row, &conditions, &operands, &mut site).unwrap();
        let after = &site[..row.field.size()];
        let rela = Rela { kind: number, ..Rela::default() };
        AppliedRelocation { entry: 0, rela, row, operands, patch, before: &[], after }
            .is_truncated(machine.endian)
    }

    #[test]
    fn a_distance_is_truncated_where_its_field_has_no_room_for_the_sign() {
        let pc32 = |s: u64| truncates("x86_64", 2, Operands { s, ..Operands::default() });
        assert!(!pc32(0x7fff_ffff) && !pc32(0xffff_ffff_8000_0000));
        assert!(pc32(0x8000_0000) && pc32(0xffff_ffff_7fff_ffff));
    }

    #[test]
    fn an_address_may_use_the_sign_bit() {
        let addr32 = |s: u64| truncates("ppc64le", 1, Operands { s, ..Operands::default() });
        assert!(!addr32(0xffff_ffff) && !addr32(0xffff_ffff_8000_0000));
        assert!(addr32(0x1_0000_0000) && addr32(0xc000_0000_0000_0000));
    }

    #[test]
    fn a_high_half_is_truncated_beyond_two_gigabytes_and_a_low_half_never() {
        let toc = |number, s: u64| {
            truncates("ppc64le", number, Operands { s, toc: Some(0), ..Operands::default() })
        };
        assert!(!toc(50, 0x7fff_7fff) && toc(50, 0x7fff_8000));
        assert!(!toc(50, 0xffff_ffff_7fff_8000) && toc(50, 0xffff_ffff_7fff_7fff));
        assert!(!toc(48, 0x1234_5678_9abc_def0));
    }

    #[test]
    fn a_field_of_64_bits_and_low_bits_of_a_value_are_never_truncated() {
        let s = 0xffff_8000_1234_5678;
        assert!(!truncates("x86_64", 1, Operands { s, ..Operands::default() }));
        assert!(!truncates("arm64", 276, Operands { s, ..Operands::default() }));
    }
}
