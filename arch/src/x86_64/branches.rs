//! Calls, jumps and addresses in code whose distance the assembler has resolved.
//!
//! [`scan`] recognises each form by its opcode, at any byte, without decoding instructions; [`decoded`] needs
//! code that is nothing but instructions.
//! Source: *Intel 64 and IA-32 Architectures Software Developer's Manual*, volume 2.

use alloc::vec::Vec;

use super::length::instruction;
use crate::branch::Branch;

/// Everything that may be a reference.
pub(super) fn scan(code: &[u8]) -> Vec<Branch> {
    (0..code.len()).filter_map(|at| starting_at(code, at)).collect()
}

fn starting_at(code: &[u8], at: usize) -> Option<Branch> {
    let (field, short) = match *code.get(at..)? {
        // call, jmp
        [0xe8 | 0xe9, ..] => (at + 1, false),
        // jcc
        [0x0f, 0x80..=0x8f, ..] => (at + 2, false),
        // lea of an address relative to the next instruction
        [0x8d, modrm, ..] if modrm & 0xc7 == 0x05 => (at + 2, false),
        // jmp, jcc
        [0xeb | 0x70..=0x7f, ..] => (at + 1, true),
        _ => return None,
    };
    let bytes = code.get(field..)?;
    if short {
        let distance = bytes.first()?.cast_signed();
        Branch::new(field, [0xff, 0, 0, 0], field + 1, distance.into())
    } else {
        let distance = i32::from_le_bytes(*bytes.first_chunk()?);
        Branch::new(field, [0xff; 4], field + 4, distance.into())
    }
}

/// What instructions refer to; `None` if the code is not a whole number of them.
pub(super) fn decoded(code: &[u8]) -> Option<Vec<Branch>> {
    let (mut references, mut rest, mut at) = (Vec::new(), code, 0);
    while !rest.is_empty() {
        let instruction = instruction(rest)?;
        let (this, after) = rest.split_at_checked(instruction.length)?;
        let end = at + instruction.length;
        if let Some(field) = instruction.distance {
            let bytes = this.get(field.clone())?;
            let mut mask = [0; 4];
            mask.iter_mut().zip(bytes).for_each(|(mask, _)| *mask = 0xff);
            references.extend(Branch::new(at + field.start, mask, end, signed(bytes)?));
        }
        (rest, at) = (after, end);
    }
    Some(references)
}

fn signed(field: &[u8]) -> Option<i64> {
    Some(match *field {
        [byte] => byte.cast_signed().into(),
        [low, high] => i16::from_le_bytes([low, high]).into(),
        _ => i32::from_le_bytes(*field.first_chunk()?).into(),
    })
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::decoded;

    fn targets(code: &[u8]) -> Vec<(usize, i64)> {
        decoded(code).unwrap().into_iter().map(|branch| (branch.field, branch.target)).collect()
    }

    /// Each was assembled by GNU as 2.40; the target is what objdump -M intel64 shows.
    #[test]
    fn distances_count_from_the_end_of_the_instruction() {
        for (code, field, target) in [
            (&[0xe8, 0x10, 0, 0, 0][..], 1, 0x15),         // call
            (&[0x66, 0xe8, 0x10, 0, 0, 0], 2, 0x16),       // data16 call
            (&[0x2e, 0x74, 0x14], 2, 0x17),                // je,pn
            (&[0x2e, 0x0f, 0x84, 0x10, 0, 0, 0], 3, 0x17), // je,pn
            (&[0xeb, 0xfe], 1, 0),                         // jmp
            (&[0xe3, 0x10], 1, 0x12),                      // jrcxz
            (&[0xe2, 0x10], 1, 0x12),                      // loop
            (&[0xc7, 0xf8, 0x10, 0, 0, 0], 2, 0x16),       // xbegin
            (&[0x66, 0xc7, 0xf8, 0xfb, 0xff], 3, 0),       // xbeginw
            (&[0x4c, 0x8d, 0x05, 0x10, 0, 0, 0], 3, 0x17), // lea 0x10(%rip),%r8
            (&[0x8b, 0x05, 0xfa, 0xff, 0xff, 0xff], 2, 0), // mov -0x6(%rip),%eax
            (&[0xff, 0x15, 0x10, 0, 0, 0], 2, 0x16),       // call *0x10(%rip)
            (&[0xc6, 0x05, 0x10, 0, 0, 0, 1], 2, 0x17),    // movb $0x1,0x10(%rip)
            // cmpl $0x1000,0x10(%rip)
            (&[0x81, 0x3d, 0x10, 0, 0, 0, 0, 0x10, 0, 0], 2, 0x1a),
            // movw $0x1,0x10(%rip)
            (&[0x66, 0xc7, 0x05, 0x10, 0, 0, 0, 1, 0], 3, 0x19),
            // btsq $0x1,0x10(%rip)
            (&[0x48, 0x0f, 0xba, 0x2d, 0x10, 0, 0, 0, 1], 4, 0x19),
            // vpternlogq $0x96,0x10(%rip),%zmm1,%zmm2
            (&[0x62, 0xf3, 0xf5, 0x48, 0x25, 0x15, 0x10, 0, 0, 0, 0x96], 6, 0x1b),
        ] {
            assert_eq!(targets(code), [(field, target)], "{code:02x?}");
            let second = [&[0x90], code].concat();
            assert_eq!(targets(&second), [(field + 1, target + 1)], "{code:02x?}");
        }
    }

    #[test]
    fn what_only_looks_like_a_distance_is_none() {
        assert_eq!(targets(&[0xb0, 0xe8]), []); // mov $0xe8,%al
        assert_eq!(targets(&[0x8b, 0x04, 0x25, 0x10, 0, 0, 0]), []); // mov 0x10,%eax
        assert_eq!(targets(&[0x8b, 0x85, 0x10, 0, 0, 0]), []); // mov 0x10(%rbp),%eax
        assert_eq!(targets(&[0x48, 0xb8, 0xe8, 0, 0, 0, 0, 0xe8, 0, 0]), []); // movabs
    }

    #[test]
    fn data_is_not_decoded() {
        assert_eq!(decoded(&[0xeb, 0x01, 0x06, 0x90]), None);
    }
}
