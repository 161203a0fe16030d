//! Calls, jumps and addresses in code whose distance the assembler has resolved.
//!
//! Each form is recognised by its opcode, at any byte: instructions are not decoded.
//! Source: *Intel 64 and IA-32 Architectures Software Developer's Manual*, volume 2.

use alloc::vec::Vec;

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
        Branch::new(field, field + 1, distance.into())
    } else {
        let distance = i32::from_le_bytes(*bytes.first_chunk()?);
        Branch::new(field, field + 4, distance.into())
    }
}
