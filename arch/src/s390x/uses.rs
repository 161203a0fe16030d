//! What s390x's instructions do with addresses.
//!
//! Source: *z/Architecture Principles of Operation*, chapter 7 and appendix B.

use alloc::vec::Vec;

use crate::uses::{AddressUse, Base, Convention, FunctionCode, Step, follow, registers};

/// `r2` to `r6`; calls preserve `r6` to `r13`.
const CALLS: Convention = Convention { arguments: 2..=6, volatile: 0x403f };

pub(super) fn uses(function: FunctionCode<'_>) -> Vec<AddressUse> {
    follow(function, &CALLS, &|at| {
        let code = function.code.get(at..)?;
        let length = match code.first()? >> 6 {
            0 => 2,
            1 | 2 => 4,
            _ => 6,
        };
        let relocated = function.named(at, at + length).is_some();
        let mut bytes = [0; 6];
        bytes.iter_mut().zip(code.get(..length)?).for_each(|(to, from)| *to = *from);
        Some((step(bytes, relocated), length))
    })
}

/// A base and a displacement of 12 bits, or of 20 with its high byte.
fn base_and_displacement(first: u8, second: u8, high: u8) -> (u8, i64) {
    let low = i64::from(first & 0xf) << 8 | i64::from(second);
    (first >> 4, i64::from(high.cast_signed()) << 12 | low)
}

fn halfword(first: u8, second: u8) -> i64 {
    i64::from(i16::from_be_bytes([first, second]))
}

fn word(bytes: [u8; 6]) -> i64 {
    let [_, _, a, b, c, d] = bytes;
    i64::from(i32::from_be_bytes([a, b, c, d]))
}

fn load(to: Option<u8>, base: Base, offset: i64, size: u64) -> Step {
    Step::Load { to: [to, None], base, offset, size, back: None }
}

fn store(value: Option<u8>, base: Base, offset: i64, size: u64) -> Step {
    Step::Store { values: [value, None], base, offset, size, back: None }
}

fn step(bytes: [u8; 6], relocated: bool) -> Step {
    match bytes.first().map_or(0, |op| op >> 6) {
        0 => short(bytes),
        1 | 2 => middle(bytes),
        _ => long(bytes, relocated),
    }
}

/// Instructions of two bytes.
fn short([op, both, ..]: [u8; 6]) -> Step {
    let (r1, r2) = (both >> 4, both & 0xf);
    match op {
        // br; bcr with a condition may fall through
        0x07 if r1 == 15 && r2 != 0 => Step::Return,
        // basr
        0x0d if r2 != 0 => Step::Call { tail: false },
        // Comparisons, lnr of vectors and the like
        0x07 | 0x0d | 0x12 | 0x15 | 0x19 | 0x20..=0x3f => Step::NOTHING,
        _ => Step::kill(r1),
    }
}

/// Instructions of four bytes.
fn middle([op, both, c, d, ..]: [u8; 6]) -> Step {
    let (r1, x2, (b2, offset)) = (both >> 4, both & 0xf, base_and_displacement(c, d, 0));
    let base = Base::Register(b2);
    match op {
        // la
        0x41 => sum(r1, x2, b2, offset),
        // ic, lh, l and what calculates
        0x43 | 0x48 | 0x4a..=0x4c | 0x54 | 0x56..=0x58 | 0x5a..=0x5f | 0x71 => {
            indexed(x2, load(Some(r1), base, offset, 4))
        }
        // Comparisons, floating point
        0x49 | 0x55 | 0x59 | 0x68 | 0x78 => indexed(x2, load(None, base, offset, 8)),
        0x40 => indexed(x2, store(Some(r1), base, offset, 2)),
        0x42 => indexed(x2, store(Some(r1), base, offset, 1)),
        0x50 => indexed(x2, store(Some(r1), base, offset, 4)),
        0x60 | 0x70 => indexed(x2, store(None, base, offset, 8)),
        // mvi, ni, oi, xi
        0x92 | 0x94 | 0x96 | 0x97 => store(None, base, offset, 1),
        // stm, stcm, cs
        0x90 => store(None, base, offset, 64),
        0xbe | 0xba => store(Some(r1), base, offset, 4),
        0xbb => store(None, base, offset, 8),
        // Relative branches, numbers
        0xa7 => match x2 {
            4 => Step::Jump { distance: halfword(c, d) * 2, falls: r1 != 15 },
            5 => Step::Call { tail: false },
            6 | 7 => Step::Jump { distance: halfword(c, d) * 2, falls: true },
            0xb => Step::Derive { to: r1, base: Base::Register(r1), offset: halfword(c, d) },
            0..=3 | 0xe | 0xf => Step::NOTHING,
            _ => Step::kill(r1),
        },
        0xb9 => registers_only(both, c, d),
        0xb2 if both == 0x22 => Step::kill(d >> 4),
        0x44..=0x47 | 0x91 | 0x95 | 0xb2 | 0xb3 => Step::NOTHING,
        _ => Step::kill(r1),
    }
}

/// Instructions between registers of 64 bits.
fn registers_only(op: u8, third: u8, both: u8) -> Step {
    let (r1, r2) = (both >> 4, both & 0xf);
    match op {
        // lgr, ltgr
        0x04 | 0x02 => Step::Derive { to: r1, base: Base::Register(r2), offset: 0 },
        // Comparisons
        0x20 | 0x21 | 0x30 | 0x31 | 0xcd | 0xcf | 0xdd | 0xdf => Step::NOTHING,
        // Sums, differences, conditional loads
        0x08 | 0x18 => Step::Derive { to: r1, base: Base::Sum(r1, r2), offset: 0 },
        0xe8 => Step::Derive { to: r1, base: Base::Sum(r2, third >> 4), offset: 0 },
        0x09..=0x0b | 0x19..=0x1b | 0x80..=0x82 | 0xe2 => {
            Step::Other { writes: Some(r1), reads: registers(&[r1, r2]) }
        }
        0xe4 | 0xe6 | 0xe7 | 0xe9..=0xeb => {
            Step::Other { writes: Some(r1), reads: registers(&[r2, third >> 4]) }
        }
        _ => Step::kill(r1),
    }
}

/// Instructions of six bytes.
fn long(bytes: [u8; 6], relocated: bool) -> Step {
    let [op, both, c, d, e, last] = bytes;
    let (r1, low) = (both >> 4, both & 0xf);
    let base = Base::Register(c >> 4);
    let (_, near) = base_and_displacement(c, d, 0);
    let (b2, far) = base_and_displacement(c, d, e);
    match op {
        0xc0 => match low {
            // larl
            0 if relocated => Step::Derive { to: r1, base: Base::Here, offset: 0 },
            // brcl of all conditions or of some, and of none
            4 if r1 == 0 => Step::NOTHING,
            4 if relocated => Step::Call { tail: r1 == 15 },
            4 => Step::Jump { distance: word(bytes) * 2, falls: r1 != 15 },
            5 => Step::Call { tail: false },
            _ => Step::kill(r1),
        },
        0xc2 if low == 8 => Step::Derive { to: r1, base: Base::Register(r1), offset: word(bytes) },
        0xc2 if low >= 0xc => Step::NOTHING,
        0xc4 => match low {
            7 => store(Some(r1), Base::Here, 0, 2),
            0xb => store(Some(r1), Base::Here, 0, 8),
            0xf => store(Some(r1), Base::Here, 0, 4),
            8 => load(Some(r1), Base::Here, 0, 8),
            _ => load(Some(r1), Base::Here, 0, 4),
        },
        0xc6 => load(None, Base::Here, 0, 4),
        0xe3 => {
            let size = match last {
                0x71 => return sum(r1, low, b2, far),
                0x24 | 0x2f => return indexed(low, store(Some(r1), base, far, 8)),
                0x50 | 0x3e | 0xcb => return indexed(low, store(Some(r1), base, far, 4)),
                0x70 | 0x3f | 0xc7 => return indexed(low, store(Some(r1), base, far, 2)),
                0x72 | 0xc3 => return indexed(low, store(Some(r1), base, far, 1)),
                0x8e => return indexed(low, store(Some(r1), base, far, 16)),
                // Comparisons; pfd
                0x20 | 0x21 | 0x30 | 0x31 | 0x34 | 0x55 | 0x59 | 0x79 | 0x36 => {
                    return indexed(low, load(None, base, far, 8));
                }
                // lg, ltg
                0x04 | 0x02 => 8,
                _ => 4,
            };
            indexed(low, load(Some(r1), base, far, size))
        }
        0xe5 => match both {
            0x44 => store(None, base, near, 2),
            0x48 => store(None, base, near, 8),
            0x4c => store(None, base, near, 4),
            _ => load(None, base, near, 8),
        },
        0xeb => match last {
            // stmg, stmh, stm
            0x24 | 0x26 | 0x90 => store(None, base, far, 128),
            // mviy, niy, oiy, xiy; asi, alsi; agsi, algsi
            0x52 | 0x54 | 0x56 | 0x57 => store(None, base, far, 1),
            0x6a | 0x6e => store(None, base, far, 4),
            0x7a | 0x7e => store(None, base, far, 8),
            // csy, stcmh, stcmy, stoc, stoch and the atomics of 32 bits; csg, stocg, the atomics; cdsy, cdsg
            0x14 | 0x2c | 0x2d | 0xe1 | 0xf3..=0xfa => store(Some(r1), base, far, 4),
            0x30 | 0x31 | 0xe3..=0xea => store(Some(r1), base, far, 8),
            0x3e => store(None, base, far, 16),
            // Comparisons; lmg, whose registers are those of the caller
            0x51 | 0x55 | 0x20..=0x23 | 0x04 | 0x96 | 0x98 => Step::NOTHING,
            0xe2 | 0xf2 => load(Some(r1), base, far, 4),
            _ => Step::kill(r1),
        },
        0xec => match last {
            // Comparisons with a branch
            0x44 | 0x45 | 0x64 | 0x65 | 0x76 | 0x77 | 0x7c..=0x7f => {
                Step::Jump { distance: halfword(c, d) * 2, falls: true }
            }
            // aghik
            0xd9 => Step::Derive { to: r1, base: Base::Register(low), offset: halfword(c, d) },
            _ => Step::kill(r1),
        },
        // mvc, nc, oc, xc and the like: the first operand
        0xd1..=0xd4 | 0xd6..=0xd7 | 0xdc => store(None, base, near, u64::from(both) + 1),
        0xe7 => match last {
            // vst and parts, vstm
            0x08..=0x0b | 0x0e | 0x3f => indexed(low, store(None, base, near, 16)),
            0x3e => store(None, base, near, 256),
            // vlvg, vlvgp
            0x22 => Step::Other { writes: None, reads: registers(&[low]) },
            0x62 => Step::Other { writes: None, reads: registers(&[low, c >> 4]) },
            _ => Step::NOTHING,
        },
        // stdy, stey
        0xed if matches!(last, 0x66 | 0x67) => indexed(low, store(None, base, far, 8)),
        0xc6..=0xc7 | 0xd0..=0xdf | 0xe0..=0xe2 | 0xe6 | 0xe8..=0xea | 0xed..=0xff => Step::NOTHING,
        _ => Step::kill(r1),
    }
}

/// la, lay.
fn sum(to: u8, index: u8, base: u8, offset: i64) -> Step {
    match (index, base) {
        (0, 0) => Step::kill(to),
        (0, one) | (one, 0) => Step::Derive { to, base: Base::Register(one), offset },
        _ => Step::Derive { to, base: Base::Sum(index, base), offset },
    }
}

/// An access with an index; an index without a base is the base.
fn indexed(index: u8, access: Step) -> Step {
    let with = |base: Base| match base {
        _ if index == 0 => base,
        Base::Register(0) => Base::Register(index),
        Base::Register(base) => Base::Sum(base, index),
        other => other,
    };
    match access {
        Step::Load { to, base, offset, size, back } => {
            Step::Load { to, base: with(base), offset, size, back }
        }
        Step::Store { values, base, offset, size, back } => {
            Step::Store { values, base: with(base), offset, size, back }
        }
        other => other,
    }
}
