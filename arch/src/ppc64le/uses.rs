//! What Power's instructions do with addresses.
//!
//! Source: *Power ISA*, book I; prefixed instructions: 3.1.

use alloc::vec::Vec;

use crate::branch::signed;
use crate::uses::{AddressUse, Base, Convention, FunctionCode, Step, follow, registers};

/// `r3` to `r10`; calls preserve `r14` and up.
const CALLS: Convention = Convention { arguments: 3..=10, volatile: 0x1ff9 };

pub(super) fn uses(function: FunctionCode<'_>) -> Vec<AddressUse> {
    let words = function.code.as_chunks::<4>().0;
    let word = |at: usize| words.get(at / 4).map(|word| u32::from_le_bytes(*word));
    follow(function, &CALLS, &|at| {
        let first = word(at)?;
        if first >> 26 != 1 {
            return Some((step(first, function.named(at, at + 4).is_some()), 4));
        }
        let Some(second) = word(at + 4) else { return Some((Step::NOTHING, 4)) };
        Some((prefixed(first, second, function.named(at, at + 8).is_some()), 8))
    })
}

fn register(word: u32, at: u32) -> u8 {
    u8::try_from(word >> at & 31).unwrap_or(0)
}

/// The second word, with a distance of 34 bits.
fn prefixed(first: u32, second: u32, relocated: bool) -> Step {
    let offset = (signed(first, 18) << 16) + i64::from(second & 0xffff);
    let (rt, ra) = (register(second, 21), register(second, 16));
    let base = if relocated { Base::Here } else { Base::Register(ra) };
    let offset = if relocated { 0 } else { offset };
    let (back, one) = (None, [Some(rt), None]);
    match second >> 26 {
        14 => Step::Derive { to: rt, base, offset },
        57 | 32 | 34 | 40 | 41 | 42 => Step::Load { to: one, base, offset, size: 8, back },
        61 | 36 | 38 | 44 => Step::Store { values: one, base, offset, size: 8, back },
        52..=55 | 46 | 47 => Step::Store { values: [None; 2], base, offset, size: 16, back },
        _ => Step::NOTHING,
    }
}

fn step(word: u32, relocated: bool) -> Step {
    let (rt, ra, rb) = (register(word, 21), register(word, 16), register(word, 11));
    let low = signed(word, 16);
    let base = if relocated { Base::Here } else { Base::Register(ra) };
    let one = [Some(rt), None];
    let access = |loads: bool, values: [Option<u8>; 2], distance: i64, size: u64, update: bool| {
        let offset = if relocated { 0 } else { distance };
        let back = update.then_some(distance);
        if loads {
            Step::Load { to: values, base, offset, size, back }
        } else {
            Step::Store { values, base, offset, size, back }
        }
    };
    match word >> 26 {
        // addi; with r0 as base a number
        14 if relocated => Step::Derive { to: rt, base, offset: 0 },
        14 if ra != 0 => Step::Derive { to: rt, base, offset: low },
        // addis gives half of what the relocation of the next instruction names
        15 if ra != 0 && !relocated => Step::Derive { to: rt, base, offset: low << 16 },
        7 | 8 | 12..=15 => Step::kill(rt),
        // Comparisons
        10 | 11 => Step::NOTHING,
        16 => Step::Jump { distance: signed(word & 0xfffc, 16), falls: true },
        18 if word & 1 == 1 => Step::Call { tail: false },
        18 if relocated => Step::Call { tail: true },
        18 => Step::Jump { distance: signed(word & 0x03ff_fffc, 26), falls: false },
        19 => match word >> 1 & 0x3ff {
            16 | 528 if word & 1 == 1 => Step::Call { tail: false },
            // Unless it is conditional
            16 | 528 if rt & 0b10100 == 0b10100 => Step::Return,
            _ => Step::NOTHING,
        },
        // rlwimi and the like; ori, andi
        20..=30 => Step::kill(ra),
        31 => indexed(word, rt, ra, rb),
        // lwz, lbz, lhz, lha, with and without update
        op @ (32..=35 | 40..=43) => {
            let size = if op < 34 {
                4
            } else if op < 36 {
                1
            } else {
                2
            };
            access(true, one, low, size, op & 1 == 1)
        }
        op @ (36..=39 | 44 | 45) => {
            let size = if op < 38 {
                4
            } else if op < 40 {
                1
            } else {
                2
            };
            access(false, one, low, size, op & 1 == 1)
        }
        // stmw; stfs, stfd
        47 => access(false, [None; 2], low, 128, false),
        op @ 52..=55 => access(false, [None; 2], low, 8, op & 1 == 1),
        // ld, ldu, lwa
        58 => access(true, one, low & !3, if word & 3 == 2 { 4 } else { 8 }, word & 3 == 1),
        // std, stdu, stq
        62 => access(false, one, low & !3, if word & 3 == 2 { 16 } else { 8 }, word & 3 == 1),
        // stxv; stxsd, stxssp
        61 if word & 7 == 5 => access(false, [None; 2], low & !15, 16, false),
        61 if word & 3 >= 2 => access(false, [None; 2], low & !3, 8, false),
        _ => Step::NOTHING,
    }
}

/// Instructions of three registers.
fn indexed(word: u32, rt: u8, ra: u8, rb: u8) -> Step {
    let base = Base::Sum(ra, rb);
    match word >> 1 & 0x3ff {
        // mr
        444 if rt == rb => Step::Derive { to: ra, base: Base::Register(rt), offset: 0 },
        // Comparisons, traps, mtspr, fences and caches
        0 | 4 | 32 | 68 | 467 | 598 | 54 | 86 | 246 | 278 | 854 | 982 => Step::NOTHING,
        266 | 778 => Step::Derive { to: rt, base: Base::Sum(ra, rb), offset: 0 },
        // subf
        40 => Step::Derive { to: rt, base: Base::Register(rb), offset: 0 },
        // ldx, ldarx, lwax, lwzx, lbzx, lhzx, lhax, with and without update
        21 | 53 | 84 => Step::Load { to: [Some(rt), None], base, offset: 0, size: 8, back: None },
        20 | 23 | 55 | 87 | 119 | 279 | 311 | 341 | 343 | 373 | 375 | 52 | 116 | 532 | 534
        | 790 => Step::Load { to: [Some(rt), None], base, offset: 0, size: 4, back: None },
        // mfspr, mfcr
        339 | 19 => Step::kill(rt),
        // stdx, stdcx, stwx, stbx, sthx, with and without update
        149 | 150 | 151 | 181 | 183 | 214 | 215 | 247 | 407 | 439 | 660 | 662 | 694 | 726 | 918 => {
            Step::Store { values: [Some(rt), None], base, offset: 0, size: 8, back: None }
        }
        // Stores of vectors
        135 | 167 | 199 | 231 | 396 | 663 | 716 | 727 | 908 | 940 | 972 | 1004 => {
            Step::Store { values: [None; 2], base, offset: 0, size: 16, back: None }
        }
        // Moves to vectors
        179 | 435 => Step::Other { writes: None, reads: registers(&[ra, rb]) },
        // Logic and shifts
        24 | 26 | 27 | 28 | 58 | 60 | 124 | 284 | 316 | 412 | 444 | 476 | 536 | 539 | 792 | 794
        | 824 | 826 | 827 | 922 | 954 | 986 => {
            Step::Other { writes: Some(ra), reads: registers(&[rt, rb]) }
        }
        _ => Step::Other { writes: Some(rt), reads: registers(&[ra, rb]) },
    }
}
