//! x86_64: little-endian, instructions of any length, operands at any byte.
//!
//! Relocated operands are whole 4- or 8-byte words without alignment, so a row is a size, a
//! calculation and a check. The kernel and its modules live in the top 2 GiB (`-mcmodel=kernel`),
//! where 32-bit operands are sign-extended; calls reach everything, so there is no PLT, and the
//! module loader reserves nothing. There is no GOT either: GOT types are unknown.
//!
//! Oddities: the loader requires zero bytes at every place before it writes — a relocation
//! may not be written twice, nor have its addend in the section — and it is the only one that
//! clears: the bytes must be what it wrote, and become zero again. Only `R_X86_64_32` and
//! `R_X86_64_32S` are range checked; a PC-relative value out of range is silently truncated.
//! `R_X86_64_PLT32` is `R_X86_64_PC32` by another name.
//!
//! Sources: `arch/x86/kernel/module.c`; *System V Application Binary Interface, AMD64 Architecture
//! Processor Supplement*, "Relocation".

mod branches;
mod filler;
mod immediate;
mod length;
mod link;
mod opcodes;
mod prefixes;
mod special;
mod tables;
mod uses;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use scroll::Endian;

use crate::apply::{self, Conditions, Operands, Patch};
use crate::boot::{BootImage, Magic, Payload};
use crate::branch::Branch;
use crate::call_sites::{CallSites, MCOUNT, SiteForm};
use crate::fault::Fault;
use crate::field::{Field, outside, read_word};
use crate::instructions::InstructionSet;
use crate::landing::LandingPad;
use crate::loader::ModuleLoader;
use crate::loader_symbol::{LoaderSymbol, NameRule};
use crate::machine::Machine;
use crate::placeholder::Placeholder;
use crate::refusal::{Errno, KernelError, RelocationContext};
use crate::row::{Calc, Check, Features, Row};
use crate::row_index::RowIndex;
use crate::uses::{AddressUse, FunctionCode};
use crate::version::{KernelVersion, VersionRange};

/// The machine's code.
#[derive(Debug)]
struct Loader;

const WRITE: &str = "arch/x86/kernel/module.c:__write_relocate_add";
const UNCHECKED: &str = "the kernel truncates high bits, the ABI requires a signed 32-bit value";

static ROWS: [Row; 7] = [
    Row::new(0, "R_X86_64_NONE", Calc::Nothing, Check::Low, Field::NOTHING, WRITE),
    Row::new(1, "R_X86_64_64", Calc::Absolute, Check::Wrapping, Field::BITS64, WRITE),
    Row::new(2, "R_X86_64_PC32", Calc::Relative, Check::Trusted, Field::BITS32, WRITE)
        .note(UNCHECKED),
    Row::new(4, "R_X86_64_PLT32", Calc::Relative, Check::Trusted, Field::BITS32, WRITE)
        .note("never goes through a PLT; the kernel truncates high bits, the ABI forbids them"),
    Row::new(10, "R_X86_64_32", Calc::Absolute, Check::Unsigned(32), Field::BITS32, WRITE),
    Row::new(11, "R_X86_64_32S", Calc::Absolute, Check::Signed(32), Field::BITS32, WRITE),
    Row::new(24, "R_X86_64_PC64", Calc::Relative, Check::Wrapping, Field::BITS64, WRITE),
];

/// `endbr64`; `lea` with an address relative to the next instruction (REX.W, 8d, ModRM).
static LANDING_PAD: LandingPad = LandingPad {
    bytes: &[0xf3, 0x0f, 0x1e, 0xfa],
    marker: ".ibt_endbr_seal",
    name: "endbr64",
    takes: &[&[(0x48, 0xfb), (0x8d, 0xff), (0x05, 0xc7)]],
};

/// `call __fentry__` (`arch/x86/kernel/ftrace.c:ftrace_make_nop`).
const FENTRY: SiteForm = SiteForm {
    before: 0,
    code: &[(0xe8, 0xff), (0, 0), (0, 0), (0, 0), (0, 0)],
    calls: Some("__fentry__"),
    unchecked: false,
};

/// The `nop` that objtool makes of it (`--mnop`, `CC_USING_NOP_MCOUNT`).
const NOP: SiteForm = SiteForm {
    unchecked: true,
    ..SiteForm::exactly(&[(0x0f, 0xff), (0x1f, 0xff), (0x44, 0xff), (0x00, 0xff), (0x00, 0xff)])
};

/// The bytes of the row's field at the place.
fn field_bytes<'a>(row: &Row, site: &'a [u8]) -> Result<&'a [u8], Fault> {
    let needed = row.field.size();
    site.get(..needed).ok_or_else(|| outside(needed, site.len()))
}

/// `mov` of 64 bits (`arch/x86/include/asm/runtime-const.h:runtime_const_ptr`).
static RUNTIME_CONSTANT: Placeholder = Placeholder {
    bytes: &[
        (0x48, 0xfe),
        (0xb8, 0xf8),
        (0xef, 0xff),
        (0xcd, 0xff),
        (0xab, 0xff),
        (0x89, 0xff),
        (0x67, 0xff),
        (0x45, 0xff),
        (0x23, 0xff),
        (0x01, 0xff),
    ],
    core: (2, &[0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01]),
    alignment: 1,
};

/// x86_64.
pub static X86_64: Machine = Machine {
    name: "x86_64",
    e_machines: &[62],
    e_flags: (0, 0),
    endian: Endian::Little,
    rows: &ROWS,
    row_index: RowIndex::of(&ROWS),
    other_names: include_str!("x86_64.names"),
    loader: &Loader,
    instructions: &Loader,
    loader_symbols: &[LoaderSymbol {
        name: "_GLOBAL_OFFSET_TABLE_",
        rule: NameRule::Ignored,
        source: "kernel/module/main.c:ignore_undef_symbol",
    }],
    required_sections: &[],
    special: special::SPECIAL,
    object_tables: tables::TABLES,
    from_section_0: &[],
    link: &link::MODEL,
    call_sites: CallSites {
        sections: &[MCOUNT],
        tracers: &["__fentry__", "mcount"],
        before: 0,
        forms: &[FENTRY, NOP],
    },
    landing_pad: Some(&LANDING_PAD),
    runtime_constant: Some(&RUNTIME_CONSTANT),
    frees_init_sections: true,
    needs_untouched_place: true,
    late_alignment: 1,
    clears_relocations: true,
    arch_sections: Some(VersionRange::before(5, 8)),
    kernel_symbols: &[],
    // Absent in 6.3 and 6.19, present in the releases before.
    features: &[
        (VersionRange::before(6, 3), Features::CHECKS_PLACE_FIRST),
        (VersionRange::before(6, 3), Features::SHORT_ALTERNATIVES),
        (VersionRange::before(6, 19), Features::TERSE_MESSAGES),
    ],
    config_probes: &[],
    kernel_toc: None,
    // `Documentation/arch/x86/boot.rst`; `R_X86_64_RELATIVE`.
    boot_image: BootImage {
        magic: Some(Magic { offset: 0x202, bytes: b"HdrS" }),
        payload: Payload::Setup { sectors: 0x1f1, offset: 0x248, size: 0x24c },
        relative: 8,
    },
    kernel_image: 0xffff_ffff_8100_0000..0xffff_ffff_8500_0000,
    temporary_copy: 0xffff_c900_0000_0000,
    // They were linked at 0: a per-CPU pointer is an offset from the GS base
    // (`PERCPU_VADDR` in `arch/x86/kernel/vmlinux.lds.S`); distributions have less than 256 KiB.
    old_per_cpu: Some((KernelVersion::new(6, 15), 0..0x4_0000)),
    percpu_reserve: Some(8 << 10),
    page_size: 4096,
    page_sizes: &[],
};

impl ModuleLoader for Loader {
    fn machine(&self) -> &'static Machine {
        &X86_64
    }

    fn check_bytes(&self, row: &Row, _: &Conditions<'_>, site: &[u8]) -> Result<(), Fault> {
        let found = read_word(field_bytes(row, site)?, Endian::Little);
        if found == 0 { Ok(()) } else { Err(Fault::SiteNotZero { found }) }
    }

    fn plan(
        &self,
        row: &Row,
        conditions: &Conditions<'_>,
        operands: &Operands,
        site: &[u8],
    ) -> Result<Option<Patch>, Fault> {
        if conditions.features.contains(Features::CHECKS_PLACE_FIRST) {
            self.check_bytes(row, conditions, site)?;
        }
        apply::plan(row, operands)
    }

    fn clear(
        &self,
        row: &Row,
        _: &Conditions<'_>,
        operands: &Operands,
        site: &mut [u8],
    ) -> Result<(), Fault> {
        let Some(Patch { field, value }) = apply::plan(row, operands)? else {
            return Ok(());
        };
        let found = read_word(field_bytes(row, site)?, Endian::Little);
        let expected = value.cast_unsigned() & field.mask(0);
        if found != expected {
            return Err(Fault::SiteChanged { found, expected });
        }
        field.store(site, 0, Endian::Little)
    }

    fn kernel_error(&self, at: &RelocationContext<'_>, fault: &Fault) -> KernelError {
        let RelocationContext { module, section, entry, kind, place, value, features, .. } = *at;
        // Type, place and value as the kernel prints them: `%d`, `%lx`, `%llx`; older ones print
        // the place as `%p`, which hashes it.
        let terse = features.contains(Features::TERSE_MESSAGES);
        let skipped = features.contains(Features::CHECKS_PLACE_FIRST);
        let (whose, place) = if terse {
            (String::new(), String::from("(____ptrval____)"))
        } else {
            (format!("sec {section}, idx {entry}, "), format!("{place:x}"))
        };
        let site = format!("{whose}type {kind}, loc {place}, val {value:x}");
        let message = match *fault {
            Fault::Overflow { value, .. } => {
                let whose =
                    if terse { String::new() } else { format!(" sec {section} idx {entry}") };
                format!(
                    "module: overflow in relocation type {kind} val {value:x}{whose}\n\
                     module: `{module}' likely not compiled with -mcmodel=kernel"
                )
            }
            Fault::SiteNotZero { .. } => {
                let invalid = if skipped { "Skipping invalid" } else { "Invalid" };
                format!(
                    "module: x86/modules: {invalid} relocation target, existing value is nonzero \
                     for {site}"
                )
            }
            Fault::SiteChanged { .. } => format!(
                "module: x86/modules: Invalid relocation target, existing value does not match \
                 expected value for {site}"
            ),
            Fault::UnknownType { number } | Fault::NotOnThisKernel { number } => {
                format!("module: {module}: Unknown rela relocation: {number}")
            }
            _ => format!("{module}: {fault}"),
        };
        KernelError { errno: Errno::ENOEXEC, message }
    }

    /// `MODULES_VADDR` to `MODULES_END` of `arch/x86/include/asm/pgtable_64_types.h`, with
    /// `CONFIG_RANDOMIZE_BASE` (half a gibibyte more without) and `CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP`
    /// not set; data is there, too (`arch/x86/mm/init.c:execmem_arch_setup`).
    fn module_areas(&self, _: &Range<u64>, _: KernelVersion) -> Vec<Range<u64>> {
        core::iter::once(0xffff_ffff_c000_0000..0xffff_ffff_ff00_0000).collect()
    }
}

impl InstructionSet for Loader {
    fn code_bias(&self, row: &Row) -> i64 {
        // The field is the last one in every instruction that refers to a function.
        let size = i64::try_from(row.field.size()).unwrap_or(0);
        if row.calc.depends_on_place() { size } else { 0 }
    }

    fn bias_of_field(&self, row: &Row, before: &[u8]) -> i64 {
        let bias = self.code_bias(row);
        if bias == 0 { 0 } else { bias.saturating_add(immediate::after_distance(before)) }
    }

    fn length(&self, code: &[u8]) -> Option<usize> {
        length::length(code)
    }

    fn branches(&self, code: &[u8]) -> Vec<Branch> {
        branches::scan(code)
    }

    fn filler(&self, code: &[u8]) -> usize {
        filler::filler(code)
    }

    fn references(&self, code: &[u8]) -> Option<Vec<Branch>> {
        branches::decoded(code)
    }

    fn uses(&self, function: FunctionCode<'_>) -> Vec<AddressUse> {
        uses::uses(function)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u32) -> &'static Row {
        X86_64.row(number).unwrap()
    }

    #[test]
    fn a_place_that_is_not_zero_is_refused() {
        let (conditions, operands) =
            (Conditions::default(), Operands { s: 0x1234, ..Operands::default() });
        let mut site = [0, 0, 0, 1];
        let fault = Fault::SiteNotZero { found: 0x0100_0000 };
        assert_eq!(X86_64.apply(row(2), &conditions, &operands, &mut site), Err(fault));
        assert_eq!(X86_64.check_site(row(2), &conditions, &site, 0), Err(fault));
        assert_eq!(site, [0, 0, 0, 1]);
    }

    #[test]
    fn clearing_requires_the_bytes_that_were_written() {
        let (conditions, operands) =
            (Conditions::default(), Operands { s: 0x1234, ..Operands::default() });
        let mut site = [0; 4];
        X86_64.apply(row(2), &conditions, &operands, &mut site).unwrap();
        site[0] ^= 1;
        let fault = Fault::SiteChanged { found: 0x1235, expected: 0x1234 };
        assert_eq!(X86_64.loader.clear(row(2), &conditions, &operands, &mut site), Err(fault));
        site[0] ^= 1;
        X86_64.loader.clear(row(2), &conditions, &operands, &mut site).unwrap();
        assert_eq!(site, [0; 4]);
    }

    #[test]
    fn a_distance_out_of_range_is_truncated_as_the_kernel_does() {
        let operands = Operands { s: 0x1_0000_0010, ..Operands::default() };
        let mut site = [0; 4];
        X86_64.apply(row(4), &Conditions::default(), &operands, &mut site).unwrap();
        assert_eq!(site, [0x10, 0, 0, 0]);
    }
}
