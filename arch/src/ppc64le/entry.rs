//! The bytes of a stub: instructions that load the target, and the target.
//!
//! A stub has 40 bytes: seven instruction words, a magic number, the target. Stubs of calls load the
//! target from there; those for ftrace compute it from an address in per-processor data,
//! because r2 may be another module's. Words that no instruction needs stay as they were.
//! Source: `create_stub`, `create_ftrace_stub` and `struct ppc64_stub_entry` of
//! `arch/powerpc/kernel/module_64.c`.

use alloc::vec::Vec;
use core::ops::Range;

use crate::fault::Fault;
use crate::linkage::Configuration;
use crate::row::Features;

/// Bytes of a stub.
pub(super) const SIZE: u64 = 40;
/// Offset of the target in a stub, in bytes.
pub(super) const TARGET: u64 = 32;
/// `STUB_MAGIC`, by which ftrace recognises a stub.
const MAGIC: u32 = 0x7374_7562;

/// What stubs for ftrace jump to and compute addresses from.
pub(super) const KERNEL_SYMBOLS: &[&str] = &[CALLER, REGS_CALLER, KERNEL_TOC, KERNEL_BASE, NOP_OPS];
/// Target of the first stub for ftrace.
pub(super) const CALLER: &str = "ftrace_caller";
/// Target of the second one.
pub(super) const REGS_CALLER: &str = "ftrace_regs_caller";
/// What an out-of-line stub points to while nothing traces its function.
pub(super) const NOP_OPS: &str = "ftrace_nop_ops";
/// The linker's symbol for the kernel's TOC pointer (`kernel_toc_addr`).
const KERNEL_TOC: &str = ".TOC.";
/// The value of `kernelbase` in the per-processor data (`initialise_paca`).
const KERNEL_BASE: &str = "_stext";

const NOP: u32 = 0x6000_0000;
const MTCTR_R12: u32 = 0x7d89_03a6;
const BCTR: u32 = 0x4e80_0420;

/// The words of a stub that are written, by index, and which of its bytes are unknown.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) words: Vec<(u64, u32)>,
    pub(super) indeterminate: Vec<Range<u64>>,
}

/// The adjusted high half and the low half of a distance: `addis` and `addi` add them up again.
fn halves(distance: i64) -> (u32, u32) {
    let half = |value: i64| u32::try_from(value & 0xffff).unwrap_or(0);
    (half((distance.wrapping_add(0x8000)) >> 16), half(distance))
}

/// The distance, which must fit a signed number of `bits` bits.
fn within(distance: i64, bits: u32) -> Result<i64, Fault> {
    let (min, max) = (-1i64 << (bits - 1), (1i64 << (bits - 1)) - 1);
    let fits = (min..=max).contains(&distance);
    if fits { Ok(distance) } else { Err(Fault::Overflow { value: distance, min, max }) }
}

impl Entry {
    /// The instructions at the start of the stub, the magic number and the target.
    fn new(instructions: &[u32], target: Option<u64>) -> Self {
        let mut entry = Self::default();
        entry.words.extend((0..).zip(instructions.iter().copied()));
        let word = |value: u64| u32::try_from(value & 0xffff_ffff).unwrap_or(0);
        let known = target.unwrap_or(0);
        entry.words.extend([(7, MAGIC), (8, word(known)), (9, word(known >> 32))]);
        if target.is_none() {
            entry.indeterminate.push(TARGET..SIZE);
        }
        entry
    }

    /// The stub of a call; `toc` is the module's r2.
    pub(super) fn call(
        features: Features,
        address: u64,
        toc: u64,
        target: Option<u64>,
    ) -> Result<Self, Fault> {
        if features.contains(Features::PCREL) {
            // pld r12,32(pc)
            return Ok(Self::new(&[0x0410_0000, 0xe580_0020, MTCTR_R12, BCTR], target));
        }
        let (high, low) = halves(within(address.wrapping_sub(toc).cast_signed(), 32)?);
        let instructions = [
            0x3d62_0000 | high, // addis r11,r2,high
            0x396b_0000 | low,  // addi r11,r11,low
            0xf841_0018,        // std r2,24(r1)
            0xe98b_0020,        // ld r12,32(r11)
            MTCTR_R12,
            BCTR,
        ];
        Ok(Self::new(&instructions, target))
    }

    /// The stub of a call to ftrace, where it is known.
    pub(super) fn ftrace(
        configuration: &Configuration,
        target: Option<u64>,
    ) -> Result<Self, Fault> {
        let symbol = |name| configuration.symbols.get(name).copied();
        let offset = configuration.kernel_toc;
        let load = 0xe98d_0000 | u32::from(offset.unwrap_or(0)); // ld r12,offset(r13)
        let distance = |from: Option<u64>, bits| {
            let distance = target.zip(from).map(|(to, from)| to.wrapping_sub(from).cast_signed());
            distance.map(|distance| within(distance, bits)).transpose()
        };
        let mut entry;
        let immediates;
        let known;
        if configuration.features.contains(Features::PCREL) {
            let distance = distance(symbol(KERNEL_BASE), 34)?;
            let value = distance.unwrap_or(0);
            let high = u32::try_from(value >> 16 & 0x3_ffff).unwrap_or(0);
            let low = u32::try_from(value & 0xffff).unwrap_or(0);
            // The nop aligns paddi r12,r12,distance.
            let paddi = [0x0600_0000 | high, 0x398c_0000 | low];
            entry = Self::new(&[load, NOP, paddi[0], paddi[1], MTCTR_R12, BCTR], target);
            (immediates, known) = ([8..11, 12..14], distance.is_some());
        } else {
            let distance = distance(symbol(KERNEL_TOC), 32)?;
            let (high, low) = halves(distance.unwrap_or(0));
            // addis r12,r12,high; addi r12,r12,low
            let add = [0x3d8c_0000 | high, 0x398c_0000 | low];
            entry = Self::new(&[load, add[0], add[1], MTCTR_R12, BCTR], target);
            (immediates, known) = ([4..6, 8..10], distance.is_some());
        }
        if offset.is_none() {
            entry.indeterminate.push(0..2);
        }
        if !known {
            entry.indeterminate.extend(immediates);
        }
        Ok(entry)
    }
}
