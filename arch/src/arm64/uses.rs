//! What arm64's instructions do with addresses.
//!
//! Source: *Arm Architecture Reference Manual for A-profile*, C4.1.

use alloc::vec::Vec;

use crate::branch::signed;
use crate::uses::{AddressUse, Base, Convention, FunctionCode, Step, follow, registers};

/// `x0` to `x7`; calls preserve `x19` and up.
const CALLS: Convention = Convention { arguments: 0..=7, volatile: 0x4007_ffff };

pub(super) fn uses(function: FunctionCode<'_>) -> Vec<AddressUse> {
    let words = function.code.as_chunks::<4>().0;
    follow(function, &CALLS, &|at| {
        let word = u32::from_le_bytes(*words.get(at / 4)?);
        Some((step(word, function.named(at, at + 4).is_some()), 4))
    })
}

/// Bits of a word as a register; 31 holds no address.
fn register(word: u32, at: u32) -> u8 {
    u8::try_from(word >> at & 31).unwrap_or(31)
}

fn step(word: u32, relocated: bool) -> Step {
    let (rd, rn) = (register(word, 0), register(word, 5));
    let rm = register(word, 16);
    let is = |mask: u32, value: u32| word & mask == value;
    let base = if relocated { Base::Here } else { Base::Register(rn) };
    // add, sub (immediate), with and without flags
    if is(0x9f80_0000, 0x9100_0000) {
        let number = i64::from(word >> 10 & 0xfff) << if is(0x40_0000, 0) { 0 } else { 12 };
        let offset = if is(0x4000_0000, 0) { number } else { -number };
        return match (rd, relocated) {
            (31, _) => Step::NOTHING,
            (_, true) => Step::Derive { to: rd, base, offset: 0 },
            (_, false) => Step::Derive { to: rd, base, offset },
        };
    }
    // adrp gives only the page of what the relocation of the next instruction names; adr
    if is(0x1f00_0000, 0x1000_0000) {
        let whole = is(0x8000_0000, 0) && relocated;
        return if whole { Step::Derive { to: rd, base, offset: 0 } } else { Step::kill(rd) };
    }
    // mov
    if is(0xffe0_ffe0, 0xaa00_03e0) {
        return Step::Derive { to: rd, base: Base::Register(rm), offset: 0 };
    }
    match word >> 25 & 0xf {
        0b1010 | 0b1011 => branch(word, relocated),
        low if low & 0b0101 == 0b0100 => memory(word, base),
        // Comparisons
        0b0101 if is(0x7fe0_001f, 0x6b00_001f) || is(0x7fe0_001f, 0x6b20_001f) => Step::NOTHING,
        0b1101 if is(0x3fe0_0000, 0x3a40_0000) => Step::NOTHING,
        0b0101 if is(0x7f00_001f, 0x6b00_001f) || is(0x7f00_001f, 0x6a00_001f) => Step::NOTHING,
        // add, sub; madd and its like
        0b0101 if is(0xff20_0000, 0x8b00_0000) || is(0xffe0_0000, 0x8b20_0000) => {
            Step::Derive { to: rd, base: Base::Sum(rn, rm), offset: 0 }
        }
        0b0101 if is(0xff20_0000, 0xcb00_0000) || is(0xffe0_0000, 0xcb20_0000) => {
            Step::Derive { to: rd, base: Base::Register(rn), offset: 0 }
        }
        0b1101 if is(0xff00_8000, 0x9b00_0000) => {
            Step::Derive { to: rd, base: Base::Register(register(word, 10)), offset: 0 }
        }
        // Data processing of 64-bit registers
        0b0101 | 0b1101 if is(0x8000_0000, 0x8000_0000) => {
            Step::Other { writes: Some(rd), reads: registers(&[rn, rm]) }
        }
        // dup, ins; fmov
        0b0111 | 0b1111 if is(0x9fe0_fc00, 0x0e00_0c00) || is(0xffff_fc00, 0x9e67_0000) => {
            Step::Other { writes: None, reads: registers(&[rn]) }
        }
        0b0111 | 0b1111 => Step::NOTHING,
        0b1000 | 0b1001 | 0b0101 | 0b1101 => Step::kill(rd),
        _ => Step::NOTHING,
    }
}

fn branch(word: u32, relocated: bool) -> Step {
    let is = |mask: u32, value: u32| word & mask == value;
    match word {
        // b, bl
        _ if is(0xfc00_0000, 0x9400_0000) => Step::Call { tail: false },
        _ if is(0xfc00_0000, 0x1400_0000) && relocated => Step::Call { tail: true },
        _ if is(0xfc00_0000, 0x1400_0000) => {
            Step::Jump { distance: signed(word, 26) * 4, falls: false }
        }
        // b.cond, cbz, cbnz
        _ if is(0xff00_0000, 0x5400_0000) || is(0x7e00_0000, 0x3400_0000) => {
            Step::Jump { distance: signed(word >> 5, 19) * 4, falls: true }
        }
        // tbz, tbnz
        _ if is(0x7e00_0000, 0x3600_0000) => {
            Step::Jump { distance: signed(word >> 5, 14) * 4, falls: true }
        }
        // br, blr, ret, and with authentication
        _ if is(0xfe00_0000, 0xd600_0000) => {
            if is(0x0020_0000, 0x0020_0000) {
                Step::Call { tail: false }
            } else {
                Step::Return
            }
        }
        // mrs
        _ if is(0xfff0_0000, 0xd530_0000) => Step::kill(register(word, 0)),
        _ => Step::NOTHING,
    }
}

fn memory(word: u32, base: Base) -> Step {
    let is = |mask: u32, value: u32| word & mask == value;
    let (rt, rn, vector) = (register(word, 0), register(word, 5), !is(1 << 26, 0));
    let gets = |number: u8| (!vector).then_some(number);
    // Pairs
    if is(0x3a00_0000, 0x2800_0000) {
        let log = match (vector, word >> 30) {
            (true, opc) => 2 + opc.min(2),
            (false, 2) => 3,
            (false, _) => 2,
        };
        let (scaled, each) = (signed(word >> 15, 7) << log, 1_u64 << log);
        let (offset, back) = indexed(word >> 23 & 3, scaled);
        let both = [gets(rt), gets(register(word, 10))];
        return access(!is(1 << 22, 0), both, base, offset, each * 2, back);
    }
    // Exclusive and ordered: two registers at most
    if is(0x3f00_0000, 0x0800_0000) {
        return access(!is(1 << 22, 0), [Some(rt), None], base, 0, 16, None);
    }
    if !is(0x3a00_0000, 0x3800_0000) {
        // Literals, and vector structures, which are stored at their base.
        let structures = is(0xbe00_0000, 0x0c00_0000) && is(1 << 22, 0);
        let literal = is(0x3b00_0000, 0x1800_0000) && !vector;
        return match (structures, literal) {
            (true, _) => access(false, [None; 2], base, 0, 64, None),
            (_, true) => Step::kill(rt),
            _ => Step::NOTHING,
        };
    }
    let opc = word >> 22 & 3;
    let log = if vector && opc >= 2 { 4 } else { word >> 30 };
    let loads = if vector { opc & 1 == 1 } else { opc != 0 };
    let one = [gets(rt), None];
    let size = 1_u64 << log;
    if is(1 << 24, 1 << 24) {
        // prfm
        if !vector && log == 3 && opc == 2 {
            return Step::NOTHING;
        }
        let scaled = i64::from(word >> 10 & 0xfff) << log;
        return access(loads, one, base, scaled, size, None);
    }
    if is(1 << 21, 0) {
        let (offset, back) = match word >> 10 & 3 {
            // Unscaled, and unprivileged
            0 | 2 => (signed(word >> 12, 9), None),
            mode => indexed(mode, signed(word >> 12, 9)),
        };
        return access(loads, one, base, offset, size, back);
    }
    if word >> 10 & 3 == 2 {
        return access(loads, one, Base::Sum(rn, register(word, 16)), 0, size, None);
    }
    // Atomics, and loads with authentication
    access(false, [None; 2], base, 0, size, None)
}

/// Offset of the access and what the base is advanced by: after (1) or before (3) the access.
fn indexed(mode: u32, distance: i64) -> (i64, Option<i64>) {
    match mode {
        1 => (0, Some(distance)),
        3 => (distance, Some(distance)),
        _ => (distance, None),
    }
}

fn access(
    loads: bool,
    registers: [Option<u8>; 2],
    base: Base,
    offset: i64,
    size: u64,
    back: Option<i64>,
) -> Step {
    // The offset is what the relocation fills in.
    let offset = if base == Base::Here { 0 } else { offset };
    if loads {
        let to = registers;
        Step::Load { to, base, offset, size, back }
    } else {
        Step::Store { values: registers, base, offset, size, back }
    }
}
