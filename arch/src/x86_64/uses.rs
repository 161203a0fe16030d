//! What x86_64's instructions with a relocation do with the address.
//!
//! An instruction holds whole addresses: each access to static data has a relocation.
//! Instructions are not decoded from their start: the bytes before the field identify them.
//! Source: *Intel 64 and IA-32 Architectures Software Developer's Manual*, volume 2.

use alloc::vec::Vec;

use crate::uses::{AddressUse, FunctionCode, RelocationTarget, UseKind};

/// What an instruction does with the address in its field.
enum Effect {
    /// Reads memory there.
    Load,
    /// Writes memory there.
    Store,
    /// Puts the address into the register of the first argument.
    Argument,
    /// Compares something with the address.
    Compare,
    /// Something else.
    Take,
}

pub(super) fn uses(function: FunctionCode<'_>) -> Vec<AddressUse> {
    let FunctionCode { code, relocations, pointer } = function;
    let (mut uses, mut next) = (Vec::new(), None);
    // Backwards: the call that gets an argument is known first.
    for &(field, named) in relocations.iter().rev() {
        // A function may start with the instruction.
        let byte = |back| field.checked_sub(back).and_then(|at| code.get(at)).copied().unwrap_or(0);
        let before = [byte(4), byte(3), byte(2), byte(1)];
        // call, jmp
        if let [.., 0xe8 | 0xe9] = before {
            next = Some(named);
            continue;
        }
        let RelocationTarget::Inside(from) = named else { continue };
        let (effect, after) = effect(before);
        // The distance is from the next instruction.
        let address = from.plus(after).unwrap_or(from);
        let kind = match effect {
            Effect::Load => UseKind::Loaded(8),
            Effect::Store => UseKind::Stored(8),
            // An argument without a call goes to a call that the assembler has resolved.
            Effect::Argument => UseKind::Passed(match next.take() {
                Some(RelocationTarget::Outside(symbol)) => Some(symbol),
                _ => None,
            }),
            Effect::Compare => continue,
            Effect::Take => UseKind::Taken,
        };
        uses.push(AddressUse { address, from: address, kind });
        // What happens to a pointer that was loaded is not followed.
        let loaded = pointer(address).filter(|_| kind == UseKind::Loaded(8));
        uses.extend(loaded.map(|to| AddressUse { address: to, from: to, kind: UseKind::Taken }));
    }
    uses
}

/// What the instruction whose field follows these bytes does with the address, and how many of its
/// bytes follow the field.
fn effect([prefix, rex, opcode, modrm]: [u8; 4]) -> (Effect, i64) {
    // The field is the memory operand, relative to the next instruction.
    if modrm & 0xc7 == 0x05 {
        return memory(rex, opcode, modrm >> 3 & 7, prefix == 0x66 || rex == 0x66);
    }
    match (rex, opcode, modrm) {
        // mov $address, %rdi; movabs
        (0x48, 0xc7, 0xc7) | (_, _, 0xbf) => (Effect::Argument, 0),
        // cmp $address, %register
        (_, 0x81, 0xf8..) | (_, 0x48, 0x3d) => (Effect::Compare, 0),
        _ => (Effect::Take, 0),
    }
}

fn memory(before: u8, opcode: u8, register: u8, short: bool) -> (Effect, i64) {
    let word = if short { 2 } else { 4 };
    if before == 0x0f {
        return match opcode {
            // cmov, movzx, movsx, bt, loads of vectors, multiplication
            0x10 | 0x28 | 0x40..=0x4f | 0x6e | 0x6f | 0xa3 | 0xaf | 0xb6 | 0xb7 | 0xbe | 0xbf => {
                (Effect::Load, 0)
            }
            // bt, bts and the like with a number
            0xba => (if register == 4 { Effect::Load } else { Effect::Store }, 1),
            _ => (Effect::Store, 0),
        };
    }
    match opcode {
        // lea
        0x8d if register == 7 && before == 0x48 => (Effect::Argument, 0),
        0x8d => (Effect::Take, 0),
        // mov, movslq, calculations with and comparisons of a register, test
        0x8a | 0x8b | 0x63 | 0x84 | 0x85 | 0x38 | 0x39 => (Effect::Load, 0),
        op if op < 0x40 && op & 7 >= 2 => (Effect::Load, 0),
        // cmp and calculations with a number
        0x80 | 0x83 => (if register == 7 { Effect::Load } else { Effect::Store }, 1),
        0x81 => (if register == 7 { Effect::Load } else { Effect::Store }, word),
        0x69 => (Effect::Load, word),
        0x6b => (Effect::Load, 1),
        0xc6 | 0xc0 | 0xc1 => (Effect::Store, 1),
        0xc7 => (Effect::Store, word),
        // test
        0xf6 if register < 2 => (Effect::Load, 1),
        0xf7 if register < 2 => (Effect::Load, word),
        // mul and div; call, jmp, push
        0xf6 | 0xf7 if register > 3 => (Effect::Load, 0),
        0xff if register > 1 => (Effect::Load, 0),
        _ => (Effect::Store, 0),
    }
}
