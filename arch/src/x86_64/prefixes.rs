//! What is before an opcode, and the map that says what the opcode is.
//!
//! Source: *Intel 64 and IA-32 Architectures Software Developer's Manual*, volume 2, sections 2.1 to 2.7; for XOP,
//! *AMD64 Architecture Programmer's Manual*, volume 3, section 1.2.

use super::length::Bytes;
use super::opcodes::{Immediate, Map};

/// Those of one byte that matter here.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    operand_size: bool,
    address_size: bool,
    lock: bool,
    /// The last one of f2 and f3.
    repeat: Option<u8>,
    /// Only right before the opcode; elsewhere it is ignored.
    rex: Option<u8>,
}

impl Prefixes {
    /// All before the next byte that is none, and that byte.
    pub(super) fn read(bytes: &mut Bytes<'_>) -> Option<(Self, u8)> {
        let mut prefixes = Self::default();
        loop {
            let byte = bytes.next()?;
            let mut rex = None;
            match byte {
                0x66 => prefixes.operand_size = true,
                0x67 => prefixes.address_size = true,
                0xf0 => prefixes.lock = true,
                0xf2 | 0xf3 => prefixes.repeat = Some(byte),
                // Segments
                0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 => {}
                0x40..=0x4f => rex = Some(byte),
                _ => return Some((prefixes, byte)),
            }
            prefixes.rex = rex;
        }
    }

    /// How many bytes an immediate has.
    pub(super) fn size(&self, immediate: Immediate) -> usize {
        // REX.W wins over 66.
        let wide = self.rex.is_some_and(|rex| rex & 8 != 0);
        match immediate {
            Immediate::Bytes(bytes) => bytes,
            Immediate::Whole if wide => 8,
            Immediate::Operand | Immediate::Whole if self.operand_size && !wide => 2,
            Immediate::Operand | Immediate::Whole => 4,
            Immediate::Address if self.address_size => 4,
            Immediate::Address => 8,
        }
    }

    /// Whether 0f 78 is AMD's `extrq` or `insertq`, not `vmread`.
    pub(super) fn has_extract(&self) -> bool {
        self.repeat.map_or(self.operand_size, |repeat| repeat == 0xf2)
    }

    /// VEX, EVEX and XOP contain the others.
    fn allow_vector(&self) -> bool {
        !self.operand_size && !self.lock && self.repeat.is_none() && self.rex.is_none()
    }
}

/// The opcode that starts with this byte, with its map.
pub(super) fn opcode(bytes: &mut Bytes<'_>, prefixes: &Prefixes, first: u8) -> Option<(Map, u8)> {
    let map = match first {
        0x0f => {
            return Some(match bytes.next()? {
                0x38 => (Map::Escape38, bytes.next()?),
                0x3a => (Map::Escape3a, bytes.next()?),
                second => (Map::TwoBytes, second),
            });
        }
        // VEX of two bytes, and of three
        0xc5 => {
            bytes.take(1)?;
            Map::Vector1
        }
        0xc4 => {
            let map = vector(bytes.next()? & 0x1f)?;
            bytes.take(1)?;
            map
        }
        0x62 => evex(bytes)?,
        // XOP; a byte whose end is below 8 is the ModRM of pop
        0x8f if bytes.peek()? & 0x1f >= 8 => {
            let map = xop(bytes.next()? & 0x1f)?;
            bytes.take(1)?;
            map
        }
        _ => return Some((Map::OneByte, first)),
    };
    let opcode = bytes.next()?;
    prefixes.allow_vector().then_some((map, opcode))
}

fn vector(number: u8) -> Option<Map> {
    Some(match number {
        1 => Map::Vector1,
        2 => Map::Vector2,
        3 => Map::Vector3,
        _ => return None,
    })
}

fn evex(bytes: &mut Bytes<'_>) -> Option<Map> {
    let (first, second) = (bytes.next()?, bytes.next()?);
    bytes.take(1)?;
    // One bit is fixed; of the first byte, APX uses another.
    if second & 4 == 0 {
        return None;
    }
    match first & 0xf {
        5 => Some(Map::Vector5),
        6 => Some(Map::Vector6),
        number => vector(number),
    }
}

fn xop(number: u8) -> Option<Map> {
    Some(match number {
        8 => Map::Xop8,
        9 => Map::Xop9,
        10 => Map::Xop10,
        _ => return None,
    })
}
