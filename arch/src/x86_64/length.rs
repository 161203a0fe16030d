//! Where an instruction ends, and where in it a distance is.
//!
//! The order is: prefixes; the opcode; ModRM, SIB and displacement; immediate. Whether operands make sense is
//! checked only where opcodes are shared, and APX is not known. Where Intel and AMD differ it is as Intel's: a near
//! call or jump has a distance of 32 bits with an operand size of 16 bits, too.
//! Source: *Intel 64 and IA-32 Architectures Software Developer's Manual*, volume 2, chapter 2.

use core::ops::Range;

use super::opcodes::{Immediate, Map, Operands};
use super::prefixes::{Prefixes, opcode};

/// What processors accept.
const LONGEST: usize = 15;

/// An instruction, in offsets from its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) length: usize,
    /// The field, if there is one, that holds a distance from the end of the instruction.
    pub(super) distance: Option<Range<usize>>,
}

/// Length of the instruction that the code starts with.
pub(super) fn length(code: &[u8]) -> Option<usize> {
    Some(instruction(code)?.length)
}

/// The instruction that the code starts with; `None` if it is cut off or not one.
pub(super) fn instruction(code: &[u8]) -> Option<Instruction> {
    let mut bytes = Bytes { code: code.get(..LONGEST).unwrap_or(code), at: 0 };
    let (prefixes, first) = Prefixes::read(&mut bytes)?;
    let (map, opcode) = opcode(&mut bytes, &prefixes, first)?;
    let distance = match map.operands(opcode)? {
        Operands::Immediate(immediate) => {
            bytes.take(prefixes.size(immediate))?;
            None
        }
        Operands::Distance(size) => Some(bytes.take(size)?),
        Operands::Register => {
            bytes.take(1)?;
            None
        }
        Operands::Memory(usual) => {
            let modrm = bytes.next()?;
            let memory = memory(&mut bytes, modrm)?;
            let immediate = of_group(map, opcode, modrm, &prefixes, usual)?;
            let field = bytes.take(prefixes.size(immediate))?;
            // xbegin
            if (map, opcode, modrm) == (Map::OneByte, 0xc7, 0xf8) { Some(field) } else { memory }
        }
    };
    Some(Instruction { length: bytes.at, distance })
}

/// What follows ModRM before an immediate. The field, if it is a distance.
fn memory(bytes: &mut Bytes<'_>, modrm: u8) -> Option<Option<Range<usize>>> {
    let (mode, register) = (modrm >> 6, modrm & 7);
    if mode == 3 {
        return Some(None);
    }
    let sib = register == 4;
    let base = if sib { bytes.next()? & 7 } else { register };
    let size = match (mode, base) {
        (0, 5) | (2, _) => 4,
        (0, _) => 0,
        _ => 1,
    };
    let displacement = bytes.take(size)?;
    Some((mode == 0 && base == 5 && !sib).then_some(displacement))
}

/// The immediate of an opcode that ModRM or a prefix distinguishes; `None` if there is no such instruction.
fn of_group(
    map: Map,
    opcode: u8,
    modrm: u8,
    prefixes: &Prefixes,
    usual: Immediate,
) -> Option<Immediate> {
    let (register, direct) = (modrm >> 3 & 7, modrm >= 0xc0);
    let (exists, immediate) = match (map, opcode) {
        // lea
        (Map::OneByte, 0x8d) => (!direct, usual),
        // pop
        (Map::OneByte, 0x8f) => (register == 0, usual),
        // mov, xabort, xbegin
        (Map::OneByte, 0xc6 | 0xc7) => (register == 0 || modrm == 0xf8, usual),
        // test, and what has one operand
        (Map::OneByte, 0xf6) if register < 2 => (true, Immediate::Bytes(1)),
        (Map::OneByte, 0xf7) if register < 2 => (true, Immediate::Operand),
        (Map::OneByte, 0xfe) => (register < 2, usual),
        // inc, dec, near and far calls and jumps, push
        (Map::OneByte, 0xff) => (register < 7 && !(direct && matches!(register, 3 | 5)), usual),
        (Map::TwoBytes, 0x00) => (register < 7, usual),
        // Shifts of vectors
        (Map::TwoBytes, 0x71 | 0x72) => (direct && matches!(register, 2 | 4 | 6), usual),
        (Map::TwoBytes, 0x73) => (direct && matches!(register, 2 | 3 | 6 | 7), usual),
        // extrq, insertq
        (Map::TwoBytes, 0x78) if prefixes.has_extract() => (true, Immediate::Bytes(2)),
        (Map::TwoBytes, 0xba) => (register > 3, usual),
        _ => (true, usual),
    };
    exists.then_some(immediate)
}

/// Code, up to what has been read of it.
pub(super) struct Bytes<'c> {
    code: &'c [u8],
    at: usize,
}

impl Bytes<'_> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.code.get(self.at).copied()
    }

    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// Where the next bytes are.
    pub(super) fn take(&mut self, size: usize) -> Option<Range<usize>> {
        let field = self.at..self.at.checked_add(size)?;
        self.code.get(field.clone())?;
        self.at = field.end;
        Some(field)
    }
}

#[cfg(test)]
mod tests;
