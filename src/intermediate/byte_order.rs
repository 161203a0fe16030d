//! The byte order of numbers in records, which is that of the machine that the tool ran on.

use klp_arch::Machine;
use scroll::{Endian, Pread};

/// The byte order in which the machine knows every one of these relocation types: the module's own if that is one.
///
/// Types are small numbers, so no type is one in both orders, except 0.
pub(super) fn of_types<'t>(
    types: &(impl Iterator<Item = &'t [u8]> + Clone),
    machine: &Machine,
    own: Endian,
) -> Endian {
    let other = if own.is_little() { Endian::Big } else { Endian::Little };
    let known = |order: Endian| {
        let mut types = types.clone();
        types.all(|bytes| number(bytes, order).is_some_and(|kind| is_known(machine, kind)))
    };
    if !known(own) && known(other) { other } else { own }
}

/// Whether the machine's ABI has a relocation type.
pub(super) fn is_known(machine: &Machine, kind: u32) -> bool {
    machine.relocation_name(kind).is_some()
}

fn number(bytes: &[u8], order: Endian) -> Option<u32> {
    bytes.pread_with(0, order).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_order_makes_a_type_known_on_every_machine() {
        for machine in klp_arch::machines() {
            for row in machine.rows {
                let swapped = row.number.swap_bytes();
                assert!(is_known(machine, row.number), "{} {}", machine.name, row.number);
                assert!(!is_known(machine, swapped) || swapped == row.number, "{}", machine.name);
            }
        }
    }

    #[test]
    fn the_order_is_that_of_all_types_and_the_modules_own_in_doubt() {
        for machine in klp_arch::machines() {
            let kind =
                machine.rows.iter().map(|row| row.number).find(|number| *number != 0).unwrap();
            let (little, big) = (kind.to_le_bytes(), kind.to_be_bytes());
            let order = |types: &[[u8; 4]], own| {
                of_types(&types.iter().map(<[u8; 4]>::as_slice), machine, own)
            };
            for own in [Endian::Little, Endian::Big] {
                assert_eq!(order(&[little, little], own), Endian::Little);
                assert_eq!(order(&[big, big], own), Endian::Big);
                assert_eq!(order(&[little, big], own), own);
                assert_eq!(order(&[], own), own);
                assert_eq!(order(&[[0xff; 4]], own), own);
            }
        }
    }
}
