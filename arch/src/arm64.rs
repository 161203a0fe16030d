//! arm64: little-endian instructions of 4 bytes; data in little-endian kernels likewise.
//!
//! An immediate sits in one run of bits, except ADR's, whose low two bits are at the top of the
//! word. Move-wide instructions carry one of the four 16-bit groups of a value; where the value is
//! signed, the relocation also turns MOVZ into MOVN and back. Pages in ADRP arithmetic are 4 KiB,
//! whatever the kernel's page size.
//!
//! Branches reach 128 MiB. A module's own `.plt` and `.init.plt`, which it must have, are sized by
//! the loader for every branch that leaves its section, and filled only when a branch does not
//! reach: so L is needed only then.
//!
//! Oddities: alignment is never checked, and low bits are silently dropped. The ABI's 16- and
//! 32-bit data types may be read as signed or unsigned; the kernel takes absolute ones as unsigned
//! and relative ones as signed, because that is how its address space is laid out. Late writes go
//! through `aarch64_insn_copy`, which silently skips what is not 4-byte aligned; a late
//! branch that needs a slot faults, because slots are plain stores into read-only text. Where
//! erratum 843419 of Cortex-A53 is worked around, an ADRP in the last two words of a page becomes
//! an ADR, or a branch to a veneer.
//!
//! Sources: `arch/arm64/kernel/module.c`, `arch/arm64/kernel/module-plts.c`; *ELF for the Arm
//! 64-bit Architecture (AArch64)*, "Relocation".

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use scroll::Endian;

use crate::apply::{self, Conditions, Operands, Patch};
use crate::boot::{BootImage, Magic, Payload};
use crate::branch::{Branch, of_words, signed};
use crate::call_sites::{CallSites, PATCHABLE, SiteForm};
use crate::fast_path::Direct;
use crate::fault::Fault;
use crate::field::{Field, Form, Part};
use crate::instructions::InstructionSet;
use crate::link::LinkModel;
use crate::linkage::{Configuration, Linkage};
use crate::loader::ModuleLoader;
use crate::machine::Machine;
use crate::object::Object;
use crate::placeholder::Placeholder;
use crate::refusal::{KernelError, RelocationContext};
use crate::row::{Calc, Check, Features, Row};
use crate::row_index::RowIndex;
use crate::uses::{AddressUse, FunctionCode};
use crate::version::{KernelVersion, VersionRange};

mod entry;
mod log;
mod plts;
mod reserve;
mod special;
mod tables;
#[cfg(test)]
mod tests;
mod uses;

/// The machine's code.
#[derive(Debug)]
struct Loader;

const fn immediate(parts: &'static [Part]) -> Field {
    Field::plain(4, 1, parts)
}

const IMM12: Field = immediate(&[Part { from: 0, width: 12, word: 0, to: 10 }]);
const IMM14: Field = immediate(&[Part { from: 0, width: 14, word: 0, to: 5 }]);
const IMM16: Field = immediate(&[Part { from: 0, width: 16, word: 0, to: 5 }]);
const IMM19: Field = immediate(&[Part { from: 0, width: 19, word: 0, to: 5 }]);
const IMM26: Field = immediate(&[Part { from: 0, width: 26, word: 0, to: 0 }]);
const ADR: Field = immediate(&[
    Part { from: 0, width: 2, word: 0, to: 29 },
    Part { from: 2, width: 19, word: 0, to: 5 },
]);
/// ADR's immediate, and the opcode bit that distinguishes ADRP (1) from ADR (0).
const ADR_OR_ADRP: Field = immediate(&[
    Part { from: 0, width: 2, word: 0, to: 29 },
    Part { from: 2, width: 19, word: 0, to: 5 },
    Part { from: 21, width: 1, word: 0, to: 31 },
]);
/// A move-wide immediate, and the opcode bits that distinguish MOVN from MOVZ.
const MOVNZ: Field = Field {
    word: 4,
    words: 1,
    form: Form::OnesComplement,
    parts: &[
        Part { from: 0, width: 16, word: 0, to: 5 },
        Part { from: 16, width: 2, word: 0, to: 29 },
    ],
};

const NONE: &str = "arch/arm64/kernel/module.c:apply_relocate_add";
const DATA: &str = "arch/arm64/kernel/module.c:reloc_data";
const MOVW: &str = "arch/arm64/kernel/module.c:reloc_insn_movw";
const IMM: &str = "arch/arm64/kernel/module.c:reloc_insn_imm";
const ADRP: &str = "arch/arm64/kernel/module.c:reloc_insn_adrp";

const UNSIGNED: &str = "the kernel accepts unsigned values only, the ABI signed ones as well";
const SIGNED: &str = "the kernel accepts signed values only, the ABI unsigned ones as well";
const UNALIGNED: &str = "the kernel drops low bits that the ABI requires to be zero";

const fn data(number: u32, name: &'static str, calc: Calc, check: Check, field: Field) -> Row {
    Row::new(number, name, calc, check, field, DATA)
}

/// Move-wide with the opcode left alone.
const fn movk(number: u32, name: &'static str, calc: Calc, shift: u8, check: Check) -> Row {
    Row::new(number, name, calc, check, IMM16, MOVW).shift(shift)
}

/// Move-wide that becomes MOVZ or MOVN. One bit of the range is the inversion.
const fn movnz(number: u32, name: &'static str, calc: Calc, shift: u8, check: Check) -> Row {
    Row::new(number, name, calc, check, MOVNZ, MOVW).shift(shift)
}

/// An immediate that counts words: 4 bytes.
const fn words(number: u32, name: &'static str, calc: Calc, bits: u8, field: Field) -> Row {
    let check = Check::Signed(bits + 2);
    Row::new(number, name, calc, check, field, IMM).shift(2).note(UNALIGNED)
}

/// The offset in a page, counted in units of the access.
const fn low12(number: u32, name: &'static str, shift: u8) -> Row {
    let row = Row::new(number, name, Calc::PageOffset, Check::Low, IMM12, IMM).shift(shift);
    if shift == 0 { row } else { row.note(UNALIGNED) }
}

const fn adrp(number: u32, name: &'static str, check: Check) -> Row {
    Row::new(number, name, Calc::PageRelative, check, ADR, ADRP).shift(12)
}

static ROWS: [Row; 39] = [
    Row::new(0, "R_ARM_NONE", Calc::Nothing, Check::Low, Field::NOTHING, NONE),
    Row::new(256, "R_AARCH64_NONE", Calc::Nothing, Check::Low, Field::NOTHING, NONE),
    data(257, "R_AARCH64_ABS64", Calc::Absolute, Check::Wrapping, Field::BITS64),
    data(258, "R_AARCH64_ABS32", Calc::Absolute, Check::Unsigned(32), Field::BITS32).note(UNSIGNED),
    data(259, "R_AARCH64_ABS16", Calc::Absolute, Check::Unsigned(16), Field::BITS16).note(UNSIGNED),
    data(260, "R_AARCH64_PREL64", Calc::Relative, Check::Wrapping, Field::BITS64),
    data(261, "R_AARCH64_PREL32", Calc::Relative, Check::Signed(32), Field::BITS32).note(SIGNED),
    data(262, "R_AARCH64_PREL16", Calc::Relative, Check::Signed(16), Field::BITS16).note(SIGNED),
    movk(263, "R_AARCH64_MOVW_UABS_G0", Calc::Absolute, 0, Check::Unsigned(16)),
    movk(264, "R_AARCH64_MOVW_UABS_G0_NC", Calc::Absolute, 0, Check::Low),
    movk(265, "R_AARCH64_MOVW_UABS_G1", Calc::Absolute, 16, Check::Unsigned(32)),
    movk(266, "R_AARCH64_MOVW_UABS_G1_NC", Calc::Absolute, 16, Check::Low),
    movk(267, "R_AARCH64_MOVW_UABS_G2", Calc::Absolute, 32, Check::Unsigned(48)),
    movk(268, "R_AARCH64_MOVW_UABS_G2_NC", Calc::Absolute, 32, Check::Low),
    movk(269, "R_AARCH64_MOVW_UABS_G3", Calc::Absolute, 48, Check::Low),
    movnz(270, "R_AARCH64_MOVW_SABS_G0", Calc::Absolute, 0, Check::Signed(17)),
    movnz(271, "R_AARCH64_MOVW_SABS_G1", Calc::Absolute, 16, Check::Signed(33)),
    movnz(272, "R_AARCH64_MOVW_SABS_G2", Calc::Absolute, 32, Check::Signed(49)),
    words(273, "R_AARCH64_LD_PREL_LO19", Calc::Relative, 19, IMM19),
    Row::new(274, "R_AARCH64_ADR_PREL_LO21", Calc::Relative, Check::Signed(21), ADR, IMM),
    adrp(275, "R_AARCH64_ADR_PREL_PG_HI21", Check::Signed(33)),
    adrp(276, "R_AARCH64_ADR_PREL_PG_HI21_NC", Check::Wrapping),
    low12(277, "R_AARCH64_ADD_ABS_LO12_NC", 0),
    low12(278, "R_AARCH64_LDST8_ABS_LO12_NC", 0),
    words(279, "R_AARCH64_TSTBR14", Calc::Relative, 14, IMM14),
    words(280, "R_AARCH64_CONDBR19", Calc::Relative, 19, IMM19),
    words(282, "R_AARCH64_JUMP26", Calc::Branch, 26, IMM26),
    words(283, "R_AARCH64_CALL26", Calc::Branch, 26, IMM26),
    low12(284, "R_AARCH64_LDST16_ABS_LO12_NC", 1),
    low12(285, "R_AARCH64_LDST32_ABS_LO12_NC", 2),
    low12(286, "R_AARCH64_LDST64_ABS_LO12_NC", 3),
    movnz(287, "R_AARCH64_MOVW_PREL_G0", Calc::Relative, 0, Check::Signed(17)),
    movk(288, "R_AARCH64_MOVW_PREL_G0_NC", Calc::Relative, 0, Check::Low),
    movnz(289, "R_AARCH64_MOVW_PREL_G1", Calc::Relative, 16, Check::Signed(33)),
    movk(290, "R_AARCH64_MOVW_PREL_G1_NC", Calc::Relative, 16, Check::Low),
    movnz(291, "R_AARCH64_MOVW_PREL_G2", Calc::Relative, 32, Check::Signed(49)),
    movk(292, "R_AARCH64_MOVW_PREL_G2_NC", Calc::Relative, 32, Check::Low),
    movnz(293, "R_AARCH64_MOVW_PREL_G3", Calc::Relative, 48, Check::Wrapping),
    low12(299, "R_AARCH64_LDST128_ABS_LO12_NC", 4),
];

/// Whether an ADRP at this address may trip erratum 843419 (`is_forbidden_offset_for_adrp`).
fn is_forbidden(p: u64) -> bool {
    p & 0xfff >= 0xff8
}

/// The slot or veneer. The loader fills it by plain stores, late ones too, when the text that
/// it is in is read-only (`module_emit_plt_entry`, `module_emit_veneer_for_adrp`).
fn slot(conditions: &Conditions<'_>, operands: &Operands) -> Result<u64, Fault> {
    if conditions.late { Err(Fault::ReadOnly) } else { operands.need_plt() }
}

/// An ADRP that may not stay one: ADR to the page if it reaches, else a branch to the veneer.
fn plan_around_erratum(conditions: &Conditions<'_>, operands: &Operands) -> Result<Patch, Fault> {
    let distance = (operands.sum() & !0xfff).wrapping_sub(operands.p).cast_signed();
    if Check::Signed(21).admit(distance).is_ok() {
        // Masked to keep the opcode bit above the immediate zero.
        return Ok(Patch { field: ADR_OR_ADRP, value: distance & 0x1f_ffff });
    }
    let branch = slot(conditions, operands)?.wrapping_sub(operands.p).cast_signed();
    Check::Signed(28).admit(branch)?;
    Ok(Patch { field: Field::BITS32, value: 0x1400_0000 | branch >> 2 & 0x3ff_ffff })
}

/// `nop` (`arch/arm64/kernel/ftrace.c:ftrace_init_nop`; where the kernel keeps a pointer before each
/// function, compilers put more of them there, which it does not look at).
const NOP: SiteForm = SiteForm::exactly(&[(0x1f, 0xff), (0x20, 0xff), (0x03, 0xff), (0xd5, 0xff)]);

/// `movz` and three `movk` (`arch/arm64/include/asm/runtime-const.h:runtime_const_ptr`).
static RUNTIME_CONSTANT: Placeholder = Placeholder {
    bytes: &[
        (0xe0, 0xe0),
        (0xbd, 0xff),
        (0x99, 0xff),
        (0xd2, 0xff),
        (0x60, 0xe0),
        (0x35, 0xff),
        (0xb1, 0xff),
        (0xf2, 0xff),
        (0xe0, 0xe0),
        (0xac, 0xff),
        (0xc8, 0xff),
        (0xf2, 0xff),
        (0x60, 0xe0),
        (0x24, 0xff),
        (0xe0, 0xff),
        (0xf2, 0xff),
    ],
    core: (13, &[0x24, 0xe0, 0xf2]),
    alignment: 4,
};

/// arm64.
pub static ARM64: Machine = Machine {
    name: "arm64",
    e_machines: &[183],
    e_flags: (0, 0),
    endian: Endian::Little,
    rows: &ROWS,
    row_index: RowIndex::of(&ROWS),
    other_names: include_str!("arm64.names"),
    loader: &Loader,
    instructions: &Loader,
    loader_symbols: &[],
    required_sections: &[".plt", ".init.plt"],
    special: special::SPECIAL,
    object_tables: tables::TABLES,
    // `arch/arm64/include/asm/module.h`.
    from_section_0: &[
        ".altinstructions",
        ".init.eh_frame",
        ".text.ftrace_trampoline",
        ".init.text.ftrace_trampoline",
    ],
    // `-fpatchable-function-entry=2`, or `=4,2` with CONFIG_DYNAMIC_FTRACE_WITH_CALL_OPS
    // (`arch/arm64/Makefile`, `arch/arm64/kernel/ftrace.c:ftrace_call_adjust`).
    link: &LinkModel::PLAIN,
    call_sites: CallSites {
        sections: &[PATCHABLE],
        tracers: &["_mcount"],
        before: 8,
        forms: &[NOP],
    },
    landing_pad: None,
    runtime_constant: Some(&RUNTIME_CONSTANT),
    frees_init_sections: true,
    needs_untouched_place: false,
    late_alignment: 4,
    clears_relocations: false,
    arch_sections: None,
    // `FTRACE_ADDR` and `FTRACE_REGS_ADDR`.
    kernel_symbols: &["ftrace_caller", "ftrace_regs_caller"],
    // The release before each bound was also read; before 6.17 that is 6.14. Erratum 843419 is up
    // to the processor: distributions only have the code.
    features: &[
        (VersionRange::ALL, Features::DYNAMIC_FTRACE),
        (VersionRange::before(6, 2), Features::DYNAMIC_FTRACE_WITH_REGS),
        (VersionRange::before(6, 9), Features::OLD_SORT),
        (VersionRange::since(6, 9).and_before(6, 11), Features::MIDDLE_SORT),
        (VersionRange::since(6, 17), Features::INIT_TRAMPOLINE),
    ],
    config_probes: &[],
    kernel_toc: None,
    // `Documentation/arch/arm64/booting.rst`; `R_AARCH64_RELATIVE`.
    boot_image: BootImage {
        magic: Some(Magic { offset: 0x38, bytes: b"ARM\x64" }),
        payload: Payload::Whole,
        relative: 1027,
    },
    kernel_image: 0xffff_8000_8000_0000..0xffff_8000_8300_0000,
    temporary_copy: 0xffff_8000_8400_0000,
    old_per_cpu: None,
    percpu_reserve: Some(8 << 10),
    page_size: 4096,
    page_sizes: &[],
};

impl ModuleLoader for Loader {
    fn machine(&self) -> &'static Machine {
        &ARM64
    }

    /// Branches go through slots and pages to veneers only where they have to.
    fn direct(&self, row: &Row, conditions: &Conditions<'_>) -> Direct {
        let veneers = conditions.features.contains(Features::ERRATUM_843419);
        if row.calc == Calc::PageRelative && veneers { Direct::Never } else { Direct::Always }
    }

    fn plan(
        &self,
        row: &Row,
        conditions: &Conditions<'_>,
        operands: &Operands,
        _: &[u8],
    ) -> Result<Option<Patch>, Fault> {
        let around =
            conditions.features.contains(Features::ERRATUM_843419) && is_forbidden(operands.p);
        match row.calc {
            Calc::PageRelative if around => plan_around_erratum(conditions, operands).map(Some),
            Calc::Branch => match apply::plan(row, operands) {
                Err(Fault::Overflow { .. }) => {
                    let distance = slot(conditions, operands)?.wrapping_sub(operands.p);
                    apply::fit(row, distance.cast_signed()).map(Some)
                }
                direct => direct,
            },
            _ => apply::plan(row, operands),
        }
    }

    fn reserve(
        &self,
        object: &mut Object<'_>,
        configuration: &Configuration,
    ) -> Result<Box<dyn Linkage>, KernelError> {
        Ok(Box::new(reserve::reserve(object, configuration)?))
    }

    fn kernel_error(&self, at: &RelocationContext<'_>, fault: &Fault) -> KernelError {
        log::kernel_error(at, fault)
    }

    /// 128 MiB around the kernel, where direct branches reach, if the kernel is smaller; then 2 GiB
    /// that contain it, anywhere (`arch/arm64/mm/init.c:module_init_limits`,
    /// `execmem_arch_setup`; before Linux 6.10 `module_alloc`, with smaller ranges).
    fn module_areas(&self, image: &Range<u64>, _: KernelVersion) -> Vec<Range<u64>> {
        const DIRECT: u64 = 128 << 20;
        const PLT: u64 = 2 << 30;
        let size = image.end.wrapping_sub(image.start);
        let around = [DIRECT, PLT].into_iter().filter(|window| size < *window);
        let around = around.flat_map(|window| {
            let below = image.end.wrapping_sub(window)..image.start;
            [below, image.end..image.start.wrapping_add(window)]
        });
        around.collect()
    }
}

impl InstructionSet for Loader {
    fn length(&self, code: &[u8]) -> Option<usize> {
        code.first_chunk::<4>().map(|word| word.len())
    }

    fn branches(&self, code: &[u8]) -> Vec<Branch> {
        of_words(code, |word| {
            let words = |field: u32, bits| signed(field, bits) * 4;
            Some(match word {
                // b, bl
                _ if word & 0x7c00_0000 == 0x1400_0000 => (0x03ff_ffff, words(word, 26)),
                // b.cond, cbz, cbnz
                _ if word & 0xff00_0000 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 => {
                    (0x00ff_ffe0, words(word >> 5, 19))
                }
                // tbz, tbnz
                _ if word & 0x7e00_0000 == 0x3600_0000 => (0x0007_ffe0, words(word >> 5, 14)),
                // adr
                _ if word & 0x9f00_0000 == 0x1000_0000 => {
                    (0x60ff_ffe0, signed(word >> 5, 19) * 4 + i64::from(word >> 29 & 3))
                }
                _ => return None,
            })
        })
    }

    fn references(&self, code: &[u8]) -> Option<Vec<Branch>> {
        // ldr, ldrsw, prfm of a literal
        let mut references = of_words(code, |word| {
            let literal = word & 0x3b00_0000 == 0x1800_0000;
            literal.then(|| (0x00ff_ffe0, signed(word >> 5, 19) * 4))
        });
        references.extend(self.branches(code));
        references.sort_by_key(|branch| branch.field);
        code.len().is_multiple_of(4).then_some(references)
    }

    /// `nop`, or `udf #0`.
    fn filler(&self, code: &[u8]) -> usize {
        match code {
            [0x1f, 0x20, 0x03, 0xd5, ..] | [0, 0, 0, 0, ..] => 4,
            _ => 0,
        }
    }

    fn uses(&self, function: FunctionCode<'_>) -> Vec<AddressUse> {
        uses::uses(function)
    }
}
