//! s390x: big-endian, instructions of 2, 4 or 6 bytes, operands in halves of those.
//!
//! PC-relative operands count half-words ("DBL" types), so a row shifts by one and the dropped bit
//! must be zero. Displacements have 12 bits, or 20 in two pieces with the low 12 first. All fields
//! are big-endian, whatever their size.
//!
//! The loader reserves a GOT and, after it, a PLT at the *start* of the module's text region,
//! one slot of 8 bytes and one entry of 22 bytes for each symbol index that a GOT or PLT type
//! names. A GOT slot holds S; the addend is added to the slot's offset, not to its contents.
//! `_GLOBAL_OFFSET_TABLE_` becomes an absolute symbol with value zero.
//!
//! Oddities: what is not PC-relative is unsigned, a 20-bit displacement is signed, and so
//! `R_390_PLT32` refuses negative distances. A 16-bit branch counts as near in a window that
//! is larger than its field, up to 0x1efffe: beyond the field it fails instead of going through
//! the PLT. The window looks at S - P, without the addend.
//!
//! Sources: `arch/s390/kernel/module.c` (`check_rela`, `apply_rela`, `apply_rela_bits`);
//! *ELF Application Binary Interface s390x Supplement*, "Relocation".

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use scroll::Endian;

use crate::apply::{self, Conditions, Operands, Patch};
use crate::boot::{BootImage, Magic, Payload};
use crate::branch::Branch;
use crate::call_sites::{CallSites, MCOUNT, SiteForm};
use crate::fast_path::Direct;
use crate::fault::Fault;
use crate::field::{Field, Part};
use crate::instructions::InstructionSet;
use crate::linkage::{Configuration, Linkage};
use crate::loader::ModuleLoader;
use crate::loader_symbol::{LoaderSymbol, NameRule};
use crate::machine::Machine;
use crate::object::Object;
use crate::placeholder::Placeholder;
use crate::refusal::{KernelError, RelocationContext};
use crate::row::{Calc, Check, Features, Row};
use crate::row_index::RowIndex;
use crate::uses::{AddressUse, FunctionCode};
use crate::version::{KernelVersion, VersionRange};

mod link;
mod log;
mod slots;
mod special;
mod tables;
#[cfg(test)]
mod tests;
mod uses;

/// The machine's code.
#[derive(Debug)]
struct Loader;

/// Low 12 bits of a half-word, after a base register.
const BITS12: Field = Field::plain(2, 1, &[Part { from: 0, width: 12, word: 0, to: 0 }]);
/// Long displacement: DL before DH, in the last 4 bytes of the instruction.
const BITS20: Field = Field::plain(
    4,
    1,
    &[Part { from: 0, width: 12, word: 0, to: 16 }, Part { from: 12, width: 8, word: 0, to: 8 }],
);

/// Default of `CONFIG_KERNEL_IMAGE_BASE` (`arch/s390/Kconfig`).
const KERNEL_IMAGE_BASE: u64 = 0x3ff_e000_0000;

/// What lies before `_text` (`arch/s390/include/asm/page.h`).
const TEXT_OFFSET: u64 = 0x10_0000;

/// The first kernel whose virtual addresses are not its physical ones.
const UNCOUPLED: KernelVersion = KernelVersion::new(6, 10);

const PLT32: &str = "the kernel takes the distance as unsigned, the ABI does not";
const WINDOW: &str =
    "the kernel branches directly up to 0x1efffe bytes, which the field cannot hold";

const fn row(number: u32, name: &'static str, calc: Calc, check: Check, field: Field) -> Row {
    Row::new(number, name, calc, check, field, "arch/s390/kernel/module.c:apply_rela")
}

/// A row whose value counts half-words.
const fn dbl(number: u32, name: &'static str, calc: Calc, check: Check, field: Field) -> Row {
    row(number, name, calc, check, field).align(2).shift(1)
}

const fn byte(number: u32, name: &'static str, calc: Calc) -> Row {
    row(number, name, calc, Check::Unsigned(8), Field::BITS8)
}

const fn u12(number: u32, name: &'static str, calc: Calc) -> Row {
    row(number, name, calc, Check::Unsigned(12), BITS12)
}

const fn u16(number: u32, name: &'static str, calc: Calc) -> Row {
    row(number, name, calc, Check::Unsigned(16), Field::BITS16)
}

const fn s20(number: u32, name: &'static str, calc: Calc) -> Row {
    row(number, name, calc, Check::Signed(20), BITS20)
}

const fn u32(number: u32, name: &'static str, calc: Calc) -> Row {
    row(number, name, calc, Check::Unsigned(32), Field::BITS32)
}

const fn s32(number: u32, name: &'static str, calc: Calc) -> Row {
    row(number, name, calc, Check::Signed(32), Field::BITS32)
}

const fn whole(number: u32, name: &'static str, calc: Calc) -> Row {
    row(number, name, calc, Check::Wrapping, Field::BITS64)
}

const fn dbl16(number: u32, name: &'static str, calc: Calc) -> Row {
    dbl(number, name, calc, Check::Signed(17), Field::BITS16)
}

const fn dbl32(number: u32, name: &'static str, calc: Calc) -> Row {
    dbl(number, name, calc, Check::Signed(33), Field::BITS32)
}

static ROWS: [Row; 36] = [
    row(0, "R_390_NONE", Calc::Nothing, Check::Low, Field::NOTHING),
    byte(1, "R_390_8", Calc::Absolute),
    u12(2, "R_390_12", Calc::Absolute),
    u16(3, "R_390_16", Calc::Absolute),
    u32(4, "R_390_32", Calc::Absolute),
    s32(5, "R_390_PC32", Calc::Relative),
    u12(6, "R_390_GOT12", Calc::Slot),
    u32(7, "R_390_GOT32", Calc::Slot),
    u32(8, "R_390_PLT32", Calc::Plt).note(PLT32),
    u32(13, "R_390_GOTOFF32", Calc::GotRelative),
    s32(14, "R_390_GOTPC", Calc::GotDistance).note("the kernel writes 32 bits, GNU ld 64 bits"),
    u16(15, "R_390_GOT16", Calc::Slot),
    row(16, "R_390_PC16", Calc::Relative, Check::Signed(16), Field::BITS16),
    dbl16(17, "R_390_PC16DBL", Calc::Relative),
    dbl16(18, "R_390_PLT16DBL", Calc::Branch).note(WINDOW),
    dbl32(19, "R_390_PC32DBL", Calc::Relative),
    dbl32(20, "R_390_PLT32DBL", Calc::Branch),
    dbl32(21, "R_390_GOTPCDBL", Calc::GotDistance),
    whole(22, "R_390_64", Calc::Absolute),
    whole(23, "R_390_PC64", Calc::Relative),
    whole(24, "R_390_GOT64", Calc::Slot),
    whole(25, "R_390_PLT64", Calc::Plt),
    dbl32(26, "R_390_GOTENT", Calc::SlotRelative),
    u16(27, "R_390_GOTOFF16", Calc::GotRelative),
    whole(28, "R_390_GOTOFF64", Calc::GotRelative),
    u12(29, "R_390_GOTPLT12", Calc::Slot),
    u16(30, "R_390_GOTPLT16", Calc::Slot),
    u32(31, "R_390_GOTPLT32", Calc::Slot),
    whole(32, "R_390_GOTPLT64", Calc::Slot),
    dbl32(33, "R_390_GOTPLTENT", Calc::SlotRelative),
    u16(34, "R_390_PLTOFF16", Calc::PltOffset),
    u32(35, "R_390_PLTOFF32", Calc::PltOffset),
    whole(36, "R_390_PLTOFF64", Calc::PltOffset),
    s20(57, "R_390_20", Calc::Absolute),
    s20(58, "R_390_GOT20", Calc::Slot),
    s20(59, "R_390_GOTPLT20", Calc::Slot),
];

/// Whether a branch goes directly to its symbol, without the PLT. The addend does not matter.
fn is_near(row: &Row, s: u64, p: u64) -> bool {
    let (lowest, highest) = window(row);
    (lowest..=highest).contains(&s.wrapping_sub(p).cast_signed())
}

/// How far the kernel branches without the PLT: P - S below the first, S - P up to the second.
fn window(row: &Row) -> (i64, i64) {
    if row.field == Field::BITS16 { (-0xffff, 0x1e_fffe) } else { (-0xffff_ffff, 0xffff_fffe) }
}

/// `brcl 0,.` (`arch/s390/kernel/ftrace.c:ftrace_init_nop`).
const NOP: SiteForm =
    SiteForm::exactly(&[(0xc0, 0xff), (0x04, 0xff), (0, 0xff), (0, 0xff), (0, 0xff), (0, 0xff)]);

/// `iihf` and `iilf` (`arch/s390/include/asm/runtime-const.h:runtime_const_ptr`).
static RUNTIME_CONSTANT: Placeholder = Placeholder {
    bytes: &[
        (0xc0, 0xff),
        (0x08, 0x0f),
        (0x01, 0xff),
        (0x23, 0xff),
        (0x45, 0xff),
        (0x67, 0xff),
        (0xc0, 0xff),
        (0x09, 0x0f),
        (0x89, 0xff),
        (0xab, 0xff),
        (0xcd, 0xff),
        (0xef, 0xff),
    ],
    core: (2, &[0x01, 0x23, 0x45, 0x67]),
    alignment: 2,
};

/// s390x.
pub static S390X: Machine = Machine {
    name: "s390x",
    e_machines: &[22, 0xa390],
    e_flags: (0, 0),
    endian: Endian::Big,
    rows: &ROWS,
    row_index: RowIndex::of(&ROWS),
    other_names: include_str!("s390x.names"),
    loader: &Loader,
    instructions: &Loader,
    loader_symbols: &[LoaderSymbol {
        name: "_GLOBAL_OFFSET_TABLE_",
        rule: NameRule::Defined,
        source: "arch/s390/kernel/module.c:module_frob_arch_sections",
    }],
    required_sections: &[],
    special: special::SPECIAL,
    object_tables: tables::TABLES,
    from_section_0: &[],
    link: &link::MODEL,
    call_sites: CallSites {
        sections: &[MCOUNT],
        tracers: &["__fentry__", "_mcount"],
        before: 0,
        forms: &[NOP],
    },
    landing_pad: None,
    runtime_constant: Some(&RUNTIME_CONSTANT),
    frees_init_sections: true,
    needs_untouched_place: false,
    late_alignment: 1,
    clears_relocations: false,
    arch_sections: None,
    kernel_symbols: &[],
    // 6.10 was read with 11 bytes, 6.11 with 13 (`struct alt_instr`).
    features: &[(VersionRange::before(6, 11), Features::SHORT_ALTERNATIVES)],
    config_probes: &[],
    kernel_toc: None,
    // `EP_STRING` in `arch/s390/boot/head.S`; `R_390_RELATIVE`.
    boot_image: BootImage {
        magic: Some(Magic { offset: 0x10008, bytes: b"S390EP" }),
        payload: Payload::AfterDecompressor,
        relative: 12,
    },
    kernel_image: KERNEL_IMAGE_BASE + TEXT_OFFSET..KERNEL_IMAGE_BASE + 0x200_0000,
    temporary_copy: 0x37f_8000_0000,
    // The kernel was mapped at its physical address, from the first MiB on.
    old_per_cpu: Some((KernelVersion::new(6, 10), 1 << 20..1 << 25)),
    percpu_reserve: Some(8 << 10),
    page_size: 4096,
    page_sizes: &[],
};

impl ModuleLoader for Loader {
    fn machine(&self) -> &'static Machine {
        &S390X
    }

    fn direct(&self, row: &Row, _: &Conditions<'_>) -> Direct {
        if row.calc.may_detour() { Direct::Slotted } else { Direct::Always }
    }

    fn plan(
        &self,
        row: &Row,
        _: &Conditions<'_>,
        operands: &Operands,
        _: &[u8],
    ) -> Result<Option<Patch>, Fault> {
        if row.calc != Calc::Branch {
            return apply::plan(row, operands);
        }
        let target =
            if is_near(row, operands.s, operands.p) { operands.s } else { operands.need_plt()? };
        let value = target.wrapping_add_signed(operands.a).wrapping_sub(operands.p);
        apply::fit(row, value.cast_signed()).map(Some)
    }

    fn reserve(
        &self,
        object: &mut Object<'_>,
        configuration: &Configuration,
    ) -> Result<Box<dyn Linkage>, KernelError> {
        Ok(Box::new(slots::reserve(object, configuration)))
    }

    fn kernel_error(&self, at: &RelocationContext<'_>, fault: &Fault) -> KernelError {
        log::kernel_error(at, fault)
    }

    /// vmlinux is linked at 0. Since Linux 6.10 it runs at `CONFIG_KERNEL_IMAGE_BASE` without KASLR
    /// (`arch/s390/boot/startup.c`, `setup_kernel_memory_layout`), before that at its physical address.
    fn boot_offset(&self, text: u64, version: KernelVersion) -> u64 {
        let is_linked = text == TEXT_OFFSET;
        if is_linked && version >= UNCOUPLED { KERNEL_IMAGE_BASE } else { 0 }
    }

    /// 2 GiB below the segment in which the kernel's addresses start (`arch/s390/boot/startup.c`,
    /// `setup_kernel_memory_layout`). Before Linux 6.10 modules were at the end of 4 TiB, unless there was more
    /// memory than that.
    fn module_areas(&self, image: &Range<u64>, version: KernelVersion) -> Vec<Range<u64>> {
        const MODULES_LEN: u64 = 1 << 31;
        let segment = image.start.wrapping_sub(TEXT_OFFSET) & !0xf_ffff;
        let end = if version < UNCOUPLED { 1 << 42 } else { segment };
        core::iter::once(end.wrapping_sub(MODULES_LEN)..end).collect()
    }
}

impl InstructionSet for Loader {
    fn code_bias(&self, row: &Row) -> i64 {
        // Distances are from the start of the instruction, two bytes before the field.
        if row.calc.depends_on_place() { -2 } else { 0 }
    }

    fn length(&self, code: &[u8]) -> Option<usize> {
        // z/Architecture Principles of Operation, chapter 5, "Instruction Formats".
        let length = match code.first()? >> 6 {
            0 => 2,
            1 | 2 => 4,
            _ => 6,
        };
        code.get(..length).map(<[u8]>::len)
    }

    fn branch_field(&self) -> usize {
        2
    }

    fn branches(&self, code: &[u8]) -> Vec<Branch> {
        let at = (0..code.len()).step_by(2);
        at.filter_map(|at| {
            let (mask, halfwords) = match *code.get(at..)? {
                // larl, brcl, brasl
                [0xc0, op, a, b, c, d, ..] if matches!(op & 0xf, 0 | 4 | 5) => {
                    ([0xff; 4], i64::from(i32::from_be_bytes([a, b, c, d])))
                }
                // brc, bras
                [0xa7, op, a, b, ..] if matches!(op & 0xf, 4 | 5) => {
                    ([0xff, 0xff, 0, 0], i64::from(i16::from_be_bytes([a, b])))
                }
                _ => return None,
            };
            Branch::new(at + 2, mask, at, halfwords * 2)
        })
        .collect()
    }

    /// `nopr`, `nop`, `jnop`, `jgnop`, or nothing.
    fn filler(&self, code: &[u8]) -> usize {
        match code {
            [0x07, 0..=0x0f, ..] | [0, 0, ..] => 2,
            [0x47, 0..=0x0f, _, _, ..] | [0xa7, 0x04, _, _, ..] => 4,
            [0xc0, 0x04, _, _, _, _, ..] => 6,
            _ => 0,
        }
    }

    fn uses(&self, function: FunctionCode<'_>) -> Vec<AddressUse> {
        uses::uses(function)
    }
}
