//! ppc64le: 64-bit PowerPC, little-endian, ABI ELFv2; instructions of 4 bytes, prefixed ones of 8.
//!
//! 16-bit types patch the half-word *at* the place, which is the low half of the instruction.
//! "DS" immediates leave the low two bits to the opcode. Data is reached relative to r2, the TOC
//! pointer, which points 0x8000 into the module's TOC; a high half is adjusted (HA) because the
//! low half is added with its sign.
//!
//! The loader defines the symbol `.TOC.`, needs a section `.stubs` and fills it: a call that leaves
//! the module always goes through a stub, however near, because r2 must change. The stub saves r2,
//! and the nop after the call becomes the `ld r2,24(r1)` that restores it; without the nop the
//! module is refused. A call inside the module goes to the callee's local entry point, which `st_other` encodes.
//!
//! Oddities: type 0 is refused. Undefined names lose a leading dot. `R_PPC64_ENTRY` rewrites a
//! function's prologue if the TOC is near. Calls are patched even in read-only text, everything else is
//! a plain store. Calls to the ftrace entry points get a stub of their own, by name, and need no nop.
//! Kernels built with `CONFIG_PPC_KERNEL_PCREL` have no TOC and know different types.
//!
//! Sources: `arch/powerpc/kernel/module_64.c`; *Power Architecture 64-Bit ELF V2 ABI
//! Specification*, "Relocation Types".

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use scroll::Endian;

use crate::apply::{self, Conditions, Operands, Patch};
use crate::boot::{BootImage, Payload};
use crate::branch::{Branch, of_words, signed};
use crate::call_sites::{CallSites, MCOUNT, PATCHABLE, SiteForm};
use crate::config_probe::ConfigProbe;
use crate::fast_path::Direct;
use crate::fault::Fault;
use crate::field::{Field, Part};
use crate::instructions::InstructionSet;
use crate::linkage::{Configuration, Linkage};
use crate::loader::ModuleLoader;
use crate::loader_symbol::{LoaderSymbol, NameRule};
use crate::machine::Machine;
use crate::object::Object;
use crate::refusal::{KernelError, RelocationContext};
use crate::row::{Calc, Check, Features, Row, When};
use crate::row_index::RowIndex;
use crate::uses::{AddressUse, FunctionCode};
use crate::version::{KernelVersion, VersionRange};
use call::{plan_call, restores_r2, word};

mod call;
mod entry;
mod ftrace;
mod got;
mod link;
mod log;
mod reserve;
mod special;
mod stubs;
mod tables;
#[cfg(test)]
mod tests;
mod uses;
mod words;

/// The machine's code.
#[derive(Debug)]
struct Loader;

const REL24: u32 = 10;
const REL24_NOTOC: u32 = 116;
const ENTRY: u32 = 118;
const PCREL34: u32 = 132;

/// Bits 15:2 of a half-word; the value's low two bits are checked, not stored.
const DS16: Field = Field::plain(2, 1, &[Part { from: 0, width: 14, word: 0, to: 2 }]);
/// Bits 25:2 of a branch.
const LI24: Field = Field::plain(4, 1, &[Part { from: 0, width: 24, word: 0, to: 2 }]);
/// 18 bits in the prefix, 16 in the suffix.
const PREFIXED34: Field = Field::plain(
    4,
    2,
    &[Part { from: 16, width: 18, word: 0, to: 0 }, Part { from: 0, width: 16, word: 1, to: 0 }],
);
/// [`PREFIXED34`] with the opcode bits that turn `pla` (prefix bit 25, suffix bits 31:26) into `pld`.
const PREFIXED34_LOAD: Field = Field::plain(
    4,
    2,
    &[
        Part { from: 16, width: 18, word: 0, to: 0 },
        Part { from: 0, width: 16, word: 1, to: 0 },
        Part { from: 34, width: 6, word: 1, to: 26 },
        Part { from: 40, width: 1, word: 0, to: 25 },
    ],
);
/// Opcode bits of `pld` for [`PREFIXED34_LOAD`]: an 8LS prefix and primary opcode 57.
const PLD: i64 = 57 << 34;
/// Two instructions, first one in the low bits.
const PAIR: Field = Field::plain(
    4,
    2,
    &[Part { from: 0, width: 32, word: 0, to: 0 }, Part { from: 32, width: 32, word: 1, to: 0 }],
);

const TOC_KERNEL: When = When::Without(Features::PCREL);
const PCREL_KERNEL: When = When::With(Features::PCREL);

const UNCHECKED: &str = "the kernel truncates high bits, the ABI requires the value to fit";

const fn row(number: u32, name: &'static str, calc: Calc, check: Check, field: Field) -> Row {
    let source = "arch/powerpc/kernel/module_64.c:apply_relocate_add";
    Row::new(number, name, calc, check, field, source)
}

const fn toc(number: u32, name: &'static str, calc: Calc, check: Check, field: Field) -> Row {
    row(number, name, calc, check, field).when(TOC_KERNEL)
}

const fn high_adjusted(row: Row) -> Row {
    row.bias(0x8000).shift(16).note(UNCHECKED)
}

const fn call(number: u32, name: &'static str) -> Row {
    row(number, name, Calc::Branch, Check::Signed(26), LI24).align(4).shift(2)
}

static ROWS: [Row; 18] = [
    row(1, "R_PPC64_ADDR32", Calc::Absolute, Check::Trusted, Field::BITS32).note(UNCHECKED),
    call(REL24, "R_PPC64_REL24"),
    row(26, "R_PPC64_REL32", Calc::Relative, Check::Signed(32), Field::BITS32),
    row(38, "R_PPC64_ADDR64", Calc::Absolute, Check::Wrapping, Field::BITS64),
    row(44, "R_PPC64_REL64", Calc::Relative, Check::Wrapping, Field::BITS64),
    toc(47, "R_PPC64_TOC16", Calc::TocRelative, Check::Signed(16), Field::BITS16),
    toc(48, "R_PPC64_TOC16_LO", Calc::TocRelative, Check::Wrapping, Field::BITS16),
    high_adjusted(toc(50, "R_PPC64_TOC16_HA", Calc::TocRelative, Check::Trusted, Field::BITS16)),
    toc(51, "R_PPC64_TOC", Calc::Toc, Check::Wrapping, Field::BITS64)
        .note("the kernel ignores the addend as well as the symbol"),
    toc(63, "R_PPC64_TOC16_DS", Calc::TocRelative, Check::Signed(16), DS16).align(4).shift(2),
    toc(64, "R_PPC64_TOC16_LO_DS", Calc::TocRelative, Check::Wrapping, DS16).align(4).shift(2),
    toc(109, "R_PPC64_TOCSAVE", Calc::Nothing, Check::Low, Field::NOTHING),
    call(REL24_NOTOC, "R_PPC64_REL24_NOTOC").when(PCREL_KERNEL),
    row(ENTRY, "R_PPC64_ENTRY", Calc::TocDistance, Check::Wrapping, PAIR)
        .note("writes two instructions; has no effect where the TOC is far or does not exist"),
    row(PCREL34, "R_PPC64_PCREL34", Calc::RelativeOrSlot, Check::Signed(34), PREFIXED34)
        .when(PCREL_KERNEL)
        .note("a per-CPU symbol out of reach is loaded from a GOT slot, and the opcode changes"),
    row(133, "R_PPC64_GOT_PCREL34", Calc::SlotOfSum, Check::Trusted, PREFIXED34)
        .when(PCREL_KERNEL)
        .note("one slot for each sum; the kernel truncates high bits, the ABI requires 34 bits"),
    row(250, "R_PPC64_REL16_LO", Calc::Relative, Check::Wrapping, Field::BITS16),
    high_adjusted(row(252, "R_PPC64_REL16_HA", Calc::Relative, Check::Trusted, Field::BITS16)),
];

/// The prologue that loads r2 from memory near the function, replaced by one that computes it.
fn plan_entry(
    operands: &Operands,
    conditions: &Conditions<'_>,
    site: &[u8],
) -> Result<Option<Patch>, Fault> {
    if conditions.features.contains(Features::PCREL) {
        return Ok(None);
    }
    let distance = operands.need_toc()?.wrapping_sub(operands.p).cast_signed();
    let near = (-0x8000_8000..=0x7fff_7fff).contains(&distance);
    // ld r2,x(r12); add r2,r2,r12
    let replaceable = word(site, 0)? & !0xfffc == 0xe84c_0000 && word(site, 1)? == 0x7c42_6214;
    if !near || !replaceable {
        return Ok(None);
    }
    let high = (distance + 0x8000) >> 16 & 0xffff;
    // addis r2,r12,high; addi r2,r2,low
    let (first, second) = (0x3c4c_0000 | high, 0x3842_0000 | distance & 0xffff);
    Ok(Some(Patch { field: PAIR, value: second << 32 | first }))
}

/// A prefixed address, loaded from the GOT slot if the symbol has one (only per-CPU symbols do) and
/// is out of reach.
fn plan_pcrel34(row: &Row, operands: &Operands) -> Result<Patch, Fault> {
    let direct = apply::compute(row, operands).and_then(|value| apply::fit(row, value));
    match (direct, operands.got_slot) {
        (Err(Fault::Overflow { .. }), Some(slot)) => {
            let distance = slot.wrapping_sub(operands.p).cast_signed() & 0x3_ffff_ffff;
            Ok(Patch { field: PREFIXED34_LOAD, value: PLD | distance })
        }
        (direct, _) => direct,
    }
}

/// `bl` after `mflr r0`, between which `std r0,16(r1)` may be, or `nop`
/// (`arch/powerpc/kernel/trace/ftrace.c:ftrace_init_nop`). The call
/// goes to a stub, and where that goes is not looked at.
const TRACED: &[SiteForm] = &[
    SiteForm {
        before: 4,
        code: &[MFLR_R0[0], MFLR_R0[1], MFLR_R0[2], MFLR_R0[3], BL[0], BL[1], BL[2], BL[3]],
        calls: None,
        unchecked: false,
    },
    SiteForm {
        before: 8,
        code: &[
            MFLR_R0[0],
            MFLR_R0[1],
            MFLR_R0[2],
            MFLR_R0[3],
            (0x10, 0xff),
            (0x00, 0xff),
            (0x01, 0xff),
            (0xf8, 0xff),
            BL[0],
            BL[1],
            BL[2],
            BL[3],
        ],
        calls: None,
        unchecked: false,
    },
    SiteForm::exactly(&[(0x00, 0xff), (0x00, 0xff), (0x00, 0xff), (0x60, 0xff)]),
];
/// `mflr r0`
const MFLR_R0: [(u8, u8); 4] = [(0xa6, 0xff), (0x02, 0xff), (0x08, 0xff), (0x7c, 0xff)];
/// `bl`
const BL: [(u8, u8); 4] = [(0x01, 0x03), (0, 0), (0, 0), (0x48, 0xfc)];

/// ppc64le.
pub static PPC64LE: Machine = Machine {
    name: "ppc64le",
    e_machines: &[21],
    // The ABI level must be that of the kernel, ELFv2.
    e_flags: (0b11, 2),
    endian: Endian::Little,
    rows: &ROWS,
    row_index: RowIndex::of(&ROWS),
    other_names: include_str!("ppc64le.names"),
    loader: &Loader,
    instructions: &Loader,
    loader_symbols: &[
        toc_symbol(".TOC."),
        toc_symbol("TOC."),
        ftrace_symbol("_mcount"),
        ftrace_symbol("ftrace_caller"),
        ftrace_symbol("ftrace_regs_caller"),
    ],
    required_sections: &[".stubs"],
    special: special::SPECIAL,
    object_tables: tables::TABLES,
    from_section_0: &[],
    // `CONFIG_ARCH_USING_PATCHABLE_FUNCTION_ENTRY` with Clang, and with GCC since 13.1; it puts
    // nothing before 64-bit functions (`arch/powerpc/Makefile`).
    link: &link::MODEL,
    call_sites: CallSites {
        sections: &[PATCHABLE, MCOUNT],
        tracers: &["_mcount"],
        before: 0,
        forms: TRACED,
    },
    landing_pad: None,
    runtime_constant: None,
    // `module_init_section` is false for every name.
    frees_init_sections: false,
    needs_untouched_place: false,
    late_alignment: 1,
    clears_relocations: false,
    arch_sections: None,
    kernel_symbols: entry::KERNEL_SYMBOLS,
    // The release before each bound was also read; before 6.18 that is 6.14.
    features: &[
        (VersionRange::ALL, Features::DYNAMIC_FTRACE),
        (VersionRange::ALL, Features::DYNAMIC_FTRACE_WITH_REGS),
        (VersionRange::before(6, 3), Features::RESTORES_R2_ONCE),
        (VersionRange::before(6, 9), Features::OLD_SORT),
        (VersionRange::since(6, 9).and_before(6, 11), Features::MIDDLE_SORT),
        (VersionRange::since(6, 13), Features::FTRACE_OUT_OF_LINE),
        (VersionRange::since(6, 13), Features::DYNAMIC_FTRACE_WITH_CALL_OPS),
        (VersionRange::before(6, 18), Features::STUB_TERMINATOR),
    ],
    // `arch/powerpc/kernel/trace/ftrace_entry.S`.
    config_probes: &[
        ConfigProbe { symbol: "ftrace_caller", features: Features::DYNAMIC_FTRACE },
        ConfigProbe { symbol: "ftrace_regs_caller", features: Features::DYNAMIC_FTRACE_WITH_REGS },
        ConfigProbe { symbol: "ftrace_ool_stub_text", features: Features::FTRACE_OUT_OF_LINE },
    ],
    // After `lppaca_ptr` (`CONFIG_PPC_PSERIES`), `paca_index` and `lock_token`.
    kernel_toc: Some(16),
    // The boot loader takes the linked kernel; `R_PPC64_RELATIVE`.
    boot_image: BootImage { magic: None, payload: Payload::Whole, relative: 22 },
    kernel_image: 0xc000_0000_0000_0000..0xc000_0000_0300_0000,
    temporary_copy: 0xc008_0000_4000_0000,
    old_per_cpu: None,
    // `setup_per_cpu_areas` reserves nothing for modules.
    percpu_reserve: None,
    // `CONFIG_PAGE_SIZE_64KB`.
    page_size: 64 << 10,
    // `arch/powerpc/mm/book3s64/hash_64k.c` has both functions, `hash_4k.c` the other one.
    page_sizes: &[("__hash_page_64K", 64 << 10), ("__hash_page_4K", 4 << 10)],
};

const fn toc_symbol(name: &'static str) -> LoaderSymbol {
    let source = "arch/powerpc/kernel/module_64.c:dedotify";
    LoaderSymbol { name, rule: NameRule::Defined, source }
}

/// An entry of ftrace: see [`call::is_ftrace_entry`].
const fn ftrace_symbol(name: &'static str) -> LoaderSymbol {
    let source = "arch/powerpc/kernel/module_64.c:is_mprofile_ftrace_call";
    LoaderSymbol { name, rule: NameRule::KnownByName, source }
}

impl ModuleLoader for Loader {
    fn machine(&self) -> &'static Machine {
        &PPC64LE
    }

    fn direct(&self, row: &Row, conditions: &Conditions<'_>) -> Direct {
        let read_only = conditions.late && !conditions.writable;
        match row.calc {
            Calc::Branch => Direct::Calls,
            calc if calc.may_detour() || read_only => Direct::Never,
            _ => Direct::Always,
        }
    }

    fn local_entry(&self, st_other: u8) -> u64 {
        call::local_entry(st_other)
    }

    fn complete_call(&self, row: &Row, conditions: &Conditions<'_>, site: &mut [u8]) -> bool {
        call::restore_r2(row, conditions, site).is_ok()
    }

    fn check_bytes(
        &self,
        row: &Row,
        conditions: &Conditions<'_>,
        site: &[u8],
    ) -> Result<(), Fault> {
        // `patch_instruction` writes to read-only text; the other types are plain stores.
        let patched = matches!(row.number, REL24 | REL24_NOTOC | PCREL34);
        if conditions.late && !conditions.writable && !patched && row.field.size() != 0 {
            return Err(Fault::ReadOnly);
        }
        restores_r2(row, conditions, site).map(|_| ())
    }

    fn plan(
        &self,
        row: &Row,
        conditions: &Conditions<'_>,
        operands: &Operands,
        site: &[u8],
    ) -> Result<Option<Patch>, Fault> {
        match row.number {
            REL24 | REL24_NOTOC => plan_call(row, conditions, operands, site).map(Some),
            ENTRY => plan_entry(operands, conditions, site),
            PCREL34 => plan_pcrel34(row, operands).map(Some),
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

    /// `VMALLOC_START` to `VMALLOC_END`, for code and for data, with either kind of page table and
    /// pages of 64 KiB (`arch/powerpc/include/asm/book3s/64/radix.h`, `hash-64k.h`;
    /// `arch/powerpc/mm/mem.c:execmem_arch_setup`). What is allocated first is lowest.
    fn module_areas(&self, _: &Range<u64>, _: KernelVersion) -> Vec<Range<u64>> {
        const VMALLOC_START: u64 = 0xc008_0000_0000_0000;
        core::iter::once(VMALLOC_START..VMALLOC_START + (1 << 49)).collect()
    }
}

impl InstructionSet for Loader {
    fn length(&self, code: &[u8]) -> Option<usize> {
        words::length(code)
    }

    fn branches(&self, code: &[u8]) -> Vec<Branch> {
        of_words(code, |word| match (word >> 26, word & 2) {
            // b, bl
            (18, 0) => Some((0x03ff_fffc, signed(word & !3, 26))),
            // bc, bcl
            (16, 0) => Some((0xfffc, signed(word & !3, 16))),
            _ => None,
        })
    }

    fn filler(&self, code: &[u8]) -> usize {
        words::filler(code)
    }

    fn uses(&self, function: FunctionCode<'_>) -> Vec<AddressUse> {
        uses::uses(function)
    }
}
