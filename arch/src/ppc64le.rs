//! ppc64le: 64-bit PowerPC, little-endian, ABI ELFv2; instructions of 4 bytes, prefixed ones of 8.
//!
//! 16-bit types patch the half-word *at* the place, which is the low half of the instruction.
//! "DS" immediates leave the low two bits to the opcode. Data is reached relative to r2, the TOC
//! pointer, which points 0x8000 into the module's TOC; a high half is adjusted (HA) because the
//! low half is added with its sign.
//!
//! The loader defines the symbol `.TOC.`, needs a section `.stubs` and fills it: a call that leaves
//! the module always goes through a stub, however near, since r2 must change. The stub saves r2,
//! and the nop behind the call becomes the `ld r2,24(r1)` that restores it; no nop, no module. A
//! call inside of the module goes to the callee's local entry point, as `st_other` tells.
//!
//! Oddities: type 0 is refused. Undefined names lose a leading dot. `R_PPC64_ENTRY` rewrites a
//! function's prologue if the TOC is near. Calls are patched even in read-only text, all else is a
//! plain store. Calls to the ftrace entry points get a stub of their own, by name, and need no nop.
//! Kernels built with `CONFIG_PPC_KERNEL_PCREL` have no TOC and know other types.
//!
//! Sources: `arch/powerpc/kernel/module_64.c`; *Power Architecture 64-Bit ELF V2 ABI
//! Specification*, "Relocation Types".

use scroll::Endian;

use crate::apply::{self, Facts, Inputs, Patch};
use crate::backend::{Backend, LoaderSymbol, NameRule, NameRun};
use crate::consumed::ConsumedSection;
use crate::fault::Fault;
use crate::field::{Field, Part, outside, read_word};
use crate::row::{Calc, Check, Features, Row, When};

/// The ppc64le back end.
#[derive(Debug)]
pub struct Ppc64le;

const REL24: u32 = 10;
const REL24_NOTOC: u32 = 116;
const ENTRY: u32 = 118;
const PCREL34: u32 = 132;

/// `nop` (`ori r0,r0,0`).
const NOP: u32 = 0x6000_0000;
/// `ld r2,24(r1)`: takes the TOC pointer back from the stack.
const LD_TOC: u32 = 0xe841_0018;

/// Bits 15:2 of a half-word; the value's low two bits are checked, not stored.
const DS16: Field = Field::plain(2, 1, &[Part { from: 0, width: 14, word: 0, to: 2 }]);
/// Bits 25:2 of a branch.
const LI24: Field = Field::plain(4, 1, &[Part { from: 0, width: 24, word: 0, to: 2 }]);
/// A branch's 24 bits and the whole word behind it.
const LI24_AND_NEXT: Field = Field::plain(
    4,
    2,
    &[Part { from: 0, width: 24, word: 0, to: 2 }, Part { from: 24, width: 32, word: 1, to: 0 }],
);
/// 18 bits in the prefix, 16 in the suffix.
const PREFIXED34: Field = Field::plain(
    4,
    2,
    &[Part { from: 16, width: 18, word: 0, to: 0 }, Part { from: 0, width: 16, word: 1, to: 0 }],
);
/// The same, with the opcode bits that turn `pla` (prefix bit 25, suffix bits 31:26) into `pld`.
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

const UNCHECKED: &str = "the kernel cuts off high bits, the ABI demands that the value fits";

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
    row(1, "R_PPC64_ADDR32", Calc::Absolute, Check::Wrapping, Field::BITS32).note(UNCHECKED),
    call(REL24, "R_PPC64_REL24"),
    row(26, "R_PPC64_REL32", Calc::Relative, Check::Signed(32), Field::BITS32),
    row(38, "R_PPC64_ADDR64", Calc::Absolute, Check::Wrapping, Field::BITS64),
    row(44, "R_PPC64_REL64", Calc::Relative, Check::Wrapping, Field::BITS64),
    toc(47, "R_PPC64_TOC16", Calc::TocRelative, Check::Signed(16), Field::BITS16),
    toc(48, "R_PPC64_TOC16_LO", Calc::TocRelative, Check::Wrapping, Field::BITS16),
    high_adjusted(toc(50, "R_PPC64_TOC16_HA", Calc::TocRelative, Check::Wrapping, Field::BITS16)),
    toc(51, "R_PPC64_TOC", Calc::Toc, Check::Wrapping, Field::BITS64)
        .note("the kernel ignores the addend as well as the symbol"),
    toc(63, "R_PPC64_TOC16_DS", Calc::TocRelative, Check::Signed(16), DS16).align(4).shift(2),
    toc(64, "R_PPC64_TOC16_LO_DS", Calc::TocRelative, Check::Wrapping, DS16).align(4).shift(2),
    toc(109, "R_PPC64_TOCSAVE", Calc::Nothing, Check::Low, Field::NOTHING),
    call(REL24_NOTOC, "R_PPC64_REL24_NOTOC").when(PCREL_KERNEL),
    row(ENTRY, "R_PPC64_ENTRY", Calc::TocDistance, Check::Wrapping, PAIR)
        .note("writes two instructions; without effect where the TOC is far or does not exist"),
    row(PCREL34, "R_PPC64_PCREL34", Calc::Relative, Check::Signed(34), PREFIXED34)
        .when(PCREL_KERNEL)
        .note("a per-CPU symbol out of reach is loaded from a GOT slot, and the opcode changes"),
    row(133, "R_PPC64_GOT_PCREL34", Calc::SlotOfSum, Check::Wrapping, PREFIXED34)
        .when(PCREL_KERNEL)
        .note("one slot for each sum; the kernel cuts off high bits, the ABI demands 34 bits"),
    row(250, "R_PPC64_REL16_LO", Calc::Relative, Check::Wrapping, Field::BITS16),
    high_adjusted(row(252, "R_PPC64_REL16_HA", Calc::Relative, Check::Wrapping, Field::BITS16)),
];

static OTHER_NAMES: &[NameRun] = &[
    (0, "R_PPC64_NONE"),
    (
        2,
        "R_PPC64_ADDR24 R_PPC64_ADDR16 R_PPC64_ADDR16_LO R_PPC64_ADDR16_HI \
         R_PPC64_ADDR16_HA R_PPC64_ADDR14 R_PPC64_ADDR14_BRTAKEN R_PPC64_ADDR14_BRNTAKEN",
    ),
    (
        11,
        "R_PPC64_REL14 R_PPC64_REL14_BRTAKEN R_PPC64_REL14_BRNTAKEN R_PPC64_GOT16 \
         R_PPC64_GOT16_LO R_PPC64_GOT16_HI R_PPC64_GOT16_HA",
    ),
    (19, "R_PPC64_COPY R_PPC64_GLOB_DAT R_PPC64_JMP_SLOT R_PPC64_RELATIVE"),
    (24, "R_PPC64_UADDR32 R_PPC64_UADDR16"),
    (
        27,
        "R_PPC64_PLT32 R_PPC64_PLTREL32 R_PPC64_PLT16_LO R_PPC64_PLT16_HI \
         R_PPC64_PLT16_HA",
    ),
    (
        33,
        "R_PPC64_SECTOFF R_PPC64_SECTOFF_LO R_PPC64_SECTOFF_HI R_PPC64_SECTOFF_HA \
         R_PPC64_REL30",
    ),
    (
        39,
        "R_PPC64_ADDR16_HIGHER R_PPC64_ADDR16_HIGHERA R_PPC64_ADDR16_HIGHEST \
         R_PPC64_ADDR16_HIGHESTA R_PPC64_UADDR64",
    ),
    (45, "R_PPC64_PLT64 R_PPC64_PLTREL64"),
    (49, "R_PPC64_TOC16_HI"),
    (
        52,
        "R_PPC64_PLTGOT16 R_PPC64_PLTGOT16_LO R_PPC64_PLTGOT16_HI R_PPC64_PLTGOT16_HA \
         R_PPC64_ADDR16_DS R_PPC64_ADDR16_LO_DS R_PPC64_GOT16_DS R_PPC64_GOT16_LO_DS \
         R_PPC64_PLT16_LO_DS R_PPC64_SECTOFF_DS R_PPC64_SECTOFF_LO_DS",
    ),
    (
        65,
        "R_PPC64_PLTGOT16_DS R_PPC64_PLTGOT16_LO_DS R_PPC64_TLS R_PPC64_DTPMOD64 \
         R_PPC64_TPREL16 R_PPC64_TPREL16_LO R_PPC64_TPREL16_HI R_PPC64_TPREL16_HA \
         R_PPC64_TPREL64 R_PPC64_DTPREL16 R_PPC64_DTPREL16_LO R_PPC64_DTPREL16_HI \
         R_PPC64_DTPREL16_HA R_PPC64_DTPREL64 R_PPC64_GOT_TLSGD16 R_PPC64_GOT_TLSGD16_LO \
         R_PPC64_GOT_TLSGD16_HI R_PPC64_GOT_TLSGD16_HA R_PPC64_GOT_TLSLD16 \
         R_PPC64_GOT_TLSLD16_LO R_PPC64_GOT_TLSLD16_HI R_PPC64_GOT_TLSLD16_HA \
         R_PPC64_GOT_TPREL16_DS R_PPC64_GOT_TPREL16_LO_DS R_PPC64_GOT_TPREL16_HI \
         R_PPC64_GOT_TPREL16_HA R_PPC64_GOT_DTPREL16_DS R_PPC64_GOT_DTPREL16_LO_DS \
         R_PPC64_GOT_DTPREL16_HI R_PPC64_GOT_DTPREL16_HA R_PPC64_TPREL16_DS \
         R_PPC64_TPREL16_LO_DS R_PPC64_TPREL16_HIGHER R_PPC64_TPREL16_HIGHERA \
         R_PPC64_TPREL16_HIGHEST R_PPC64_TPREL16_HIGHESTA R_PPC64_DTPREL16_DS \
         R_PPC64_DTPREL16_LO_DS R_PPC64_DTPREL16_HIGHER R_PPC64_DTPREL16_HIGHERA \
         R_PPC64_DTPREL16_HIGHEST R_PPC64_DTPREL16_HIGHESTA R_PPC64_TLSGD R_PPC64_TLSLD",
    ),
    (
        110,
        "R_PPC64_ADDR16_HIGH R_PPC64_ADDR16_HIGHA R_PPC64_TPREL16_HIGH \
         R_PPC64_TPREL16_HIGHA R_PPC64_DTPREL16_HIGH R_PPC64_DTPREL16_HIGHA",
    ),
    (117, "R_PPC64_ADDR64_LOCAL"),
    (
        119,
        "R_PPC64_PLTSEQ R_PPC64_PLTCALL R_PPC64_PLTSEQ_NOTOC R_PPC64_PLTCALL_NOTOC \
         R_PPC64_PCREL_OPT R_PPC64_REL24_P9NOTOC",
    ),
    (128, "R_PPC64_D34 R_PPC64_D34_LO R_PPC64_D34_HI30 R_PPC64_D34_HA30"),
    (
        134,
        "R_PPC64_PLT_PCREL34 R_PPC64_PLT_PCREL34_NOTOC R_PPC64_ADDR16_HIGHER34 \
         R_PPC64_ADDR16_HIGHERA34 R_PPC64_ADDR16_HIGHEST34 R_PPC64_ADDR16_HIGHESTA34 \
         R_PPC64_REL16_HIGHER34 R_PPC64_REL16_HIGHERA34 R_PPC64_REL16_HIGHEST34 \
         R_PPC64_REL16_HIGHESTA34 R_PPC64_D28 R_PPC64_PCREL28 R_PPC64_TPREL34 \
         R_PPC64_DTPREL34 R_PPC64_GOT_TLSGD_PCREL34 R_PPC64_GOT_TLSLD_PCREL34 \
         R_PPC64_GOT_TPREL_PCREL34 R_PPC64_GOT_DTPREL_PCREL34",
    ),
    (
        240,
        "R_PPC64_REL16_HIGH R_PPC64_REL16_HIGHA R_PPC64_REL16_HIGHER \
         R_PPC64_REL16_HIGHERA R_PPC64_REL16_HIGHEST R_PPC64_REL16_HIGHESTA \
         R_PPC64_REL16DX_HA R_PPC64_JMP_IREL R_PPC64_IRELATIVE R_PPC64_REL16",
    ),
    (251, "R_PPC64_REL16_HI"),
    (253, "R_PPC64_GNU_VTINHERIT R_PPC64_GNU_VTENTRY"),
];

/// Whether calls to the name get a stub that leaves r2 alone (`is_mprofile_ftrace_call`).
fn is_ftrace_entry(name: &[u8]) -> bool {
    matches!(name, b"_mcount" | b"ftrace_caller" | b"ftrace_regs_caller")
}

/// The number of an instruction word.
fn word(site: &[u8], index: usize) -> Result<u32, Fault> {
    let (start, end) = (index * 4, index * 4 + 4);
    let bytes = site.get(start..end).ok_or_else(|| outside(end, site.len()))?;
    u32::try_from(read_word(bytes, Endian::Little)).map_err(|_| outside(end, site.len()))
}

/// Whether an instruction is `bl` or `bcl` with a relative target.
fn is_relative_link_branch(word: u32) -> bool {
    matches!(word >> 26, 16 | 18) && word & 0b11 == 0b01
}

/// The word behind a call where the loader restores r2, `None` where it does not (`restore_r2`).
fn word_after_call(row: &Row, facts: &Facts<'_>, site: &[u8]) -> Result<Option<u32>, Fault> {
    let leaves = row.calc == Calc::Branch && facts.external;
    if !leaves || facts.features.contains(Features::PCREL) || is_ftrace_entry(facts.symbol) {
        return Ok(None);
    }
    if is_relative_link_branch(word(site, 0)?) { word(site, 1).map(Some) } else { Ok(None) }
}

/// Distance from a function's global to its local entry point, in bytes.
fn local_entry(other: u8) -> u64 {
    1u64 << (other >> 5) & !0b11
}

/// A call: to the stub, or to the local entry point.
fn plan_call(row: &Row, facts: &Facts<'_>, inputs: &Inputs, site: &[u8]) -> Result<Patch, Fault> {
    let local = || inputs.sum().wrapping_add(local_entry(inputs.other));
    let target = if facts.external { inputs.need_plt()? } else { local() };
    let branch = apply::fit(row, target.wrapping_sub(inputs.p).cast_signed())?;
    if word_after_call(row, facts, site)? != Some(NOP) {
        return Ok(branch);
    }
    let value = i64::from(LD_TOC) << 24 | branch.value & 0xff_ffff;
    Ok(Patch { field: LI24_AND_NEXT, value })
}

/// The prologue that loads r2 from behind the function, replaced by one that computes it.
fn plan_entry(inputs: &Inputs, facts: &Facts<'_>, site: &[u8]) -> Result<Option<Patch>, Fault> {
    if facts.features.contains(Features::PCREL) {
        return Ok(None);
    }
    let distance = inputs.need_toc()?.wrapping_sub(inputs.p).cast_signed();
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

/// A prefixed address, loaded from the GOT slot if the symbol (then a per-CPU one) has one and is
/// out of reach.
fn plan_pcrel34(row: &Row, inputs: &Inputs) -> Result<Patch, Fault> {
    let direct = apply::compute(row, inputs).and_then(|value| apply::fit(row, value));
    match (direct, inputs.got_slot) {
        (Err(Fault::Overflow { .. }), Some(slot)) => {
            let distance = slot.wrapping_sub(inputs.p).cast_signed() & 0x3_ffff_ffff;
            Ok(Patch { field: PREFIXED34_LOAD, value: PLD | distance })
        }
        (direct, _) => direct,
    }
}

const CONSUMED: &[ConsumedSection] = &[
    ConsumedSection::exact("__ftr_fixup", "do_feature_fixups"),
    ConsumedSection::exact("__mmu_ftr_fixup", "do_feature_fixups"),
    ConsumedSection::exact("__fw_ftr_fixup", "do_feature_fixups"),
    ConsumedSection::exact("__spec_barrier_fixup", "do_barrier_nospec_fixups_range"),
    ConsumedSection::exact("__lwsync_fixup", "do_lwsync_fixups"),
];

impl Backend for Ppc64le {
    fn name(&self) -> &'static str {
        "ppc64le"
    }

    fn machines(&self) -> &'static [u16] {
        &[21]
    }

    fn endian(&self) -> Endian {
        Endian::Little
    }

    fn rows(&self) -> &'static [Row] {
        &ROWS
    }

    fn other_names(&self) -> &'static [NameRun] {
        OTHER_NAMES
    }

    fn consumed_sections(&self) -> &'static [ConsumedSection] {
        CONSUMED
    }

    fn frees_init_sections(&self) -> bool {
        // `module_init_section` says no to every name.
        false
    }

    fn loader_symbol(&self, name: &[u8]) -> Option<LoaderSymbol> {
        let (rule, source) = match name {
            b".TOC." | b"TOC." => (NameRule::Defined, "arch/powerpc/kernel/module_64.c:dedotify"),
            _ if is_ftrace_entry(name) => {
                let source = "arch/powerpc/kernel/module_64.c:is_mprofile_ftrace_call";
                (NameRule::KnownByName, source)
            }
            _ => return None,
        };
        Some(LoaderSymbol { rule, source })
    }

    fn check_header(&self, e_flags: u32) -> Result<(), Fault> {
        // `module_elf_check_arch`: the ABI level must be that of the kernel, ELFv2.
        if e_flags & 0b11 == 2 { Ok(()) } else { Err(Fault::WrongAbi { flags: e_flags }) }
    }

    fn required_sections(&self) -> &'static [&'static str] {
        &[".stubs"]
    }

    fn check_bytes(&self, row: &Row, facts: &Facts<'_>, site: &[u8]) -> Result<(), Fault> {
        // `patch_instruction` writes to read-only text; the other types are plain stores.
        let patched = matches!(row.number, REL24 | REL24_NOTOC | PCREL34);
        if facts.late && !facts.writable && !patched && row.field.size() != 0 {
            return Err(Fault::ReadOnly);
        }
        match word_after_call(row, facts, site)? {
            // A late call may have been written before, when its gate object was there last time.
            None | Some(NOP | LD_TOC) => Ok(()),
            Some(found) => Err(Fault::NoNopAfterCall { found }),
        }
    }

    fn plan(
        &self,
        row: &Row,
        facts: &Facts<'_>,
        inputs: &Inputs,
        site: &[u8],
    ) -> Result<Option<Patch>, Fault> {
        match row.number {
            REL24 | REL24_NOTOC => plan_call(row, facts, inputs, site).map(Some),
            ENTRY => plan_entry(inputs, facts, site),
            PCREL34 => plan_pcrel34(row, inputs).map(Some),
            _ => apply::plan(row, inputs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Anchor;
    use std::vec::Vec;

    fn bytes(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn applied(
        number: u32,
        facts: &Facts<'_>,
        inputs: &Inputs,
        words: [u32; 2],
    ) -> Result<[u32; 2], Fault> {
        let mut site = bytes(&words);
        Ppc64le.apply(Ppc64le.row(number).unwrap(), facts, inputs, &mut site)?;
        Ok([word(&site, 0)?, word(&site, 1)?])
    }

    const EXTERNAL: Facts<'_> = Facts {
        symbol: b"printk",
        external: true,
        late: false,
        writable: false,
        features: Features::empty(),
    };

    #[test]
    fn a_call_that_leaves_the_module_goes_to_its_stub_and_restores_r2() {
        let inputs = Inputs { s: 0x9_0000, p: 0x1000, plt: Some(0x2000), ..Inputs::default() };
        let site = [0x4800_0001, NOP];
        assert_eq!(applied(REL24, &EXTERNAL, &inputs, site), Ok([0x4800_1001, LD_TOC]));
        // Once more, as when the gate object comes back.
        let again = [0x4800_1001, LD_TOC];
        assert_eq!(applied(REL24, &EXTERNAL, &inputs, again), Ok(again));
        let without = Inputs { plt: None, ..inputs };
        let missing = Err(Fault::Missing(Anchor::Plt));
        assert_eq!(applied(REL24, &EXTERNAL, &without, site), missing);
    }

    #[test]
    fn a_call_that_leaves_the_module_needs_a_nop() {
        let inputs = Inputs { p: 0x1000, plt: Some(0x2000), ..Inputs::default() };
        let found = 0x3860_0000;
        let fault = Fault::NoNopAfterCall { found };
        assert_eq!(applied(REL24, &EXTERNAL, &inputs, [0x4800_0001, found]), Err(fault));
        let row = Ppc64le.row(REL24).unwrap();
        let section = bytes(&[0x4800_0001, found]);
        assert_eq!(Ppc64le.check_site(row, &EXTERNAL, &section, 0), Err(fault));
        let last = Fault::PlaceOutside { needed: 8, available: 4 };
        assert_eq!(Ppc64le.check_site(row, &EXTERNAL, &section[..4], 0), Err(last));
    }

    #[test]
    fn no_nop_is_needed_where_r2_is_not_restored() {
        let row = Ppc64le.row(REL24).unwrap();
        let next = 0x3860_0000;
        let check =
            |facts: &Facts<'_>, word: u32| Ppc64le.check_site(row, facts, &bytes(&[word, next]), 0);
        // A sibling call, an absolute call, a call inside of the module, ftrace, PCREL.
        assert_eq!(check(&EXTERNAL, 0x4800_0000), Ok(()));
        assert_eq!(check(&EXTERNAL, 0x4800_0003), Ok(()));
        assert_eq!(check(&Facts { external: false, ..EXTERNAL }, 0x4800_0001), Ok(()));
        assert_eq!(check(&Facts { symbol: b"_mcount", ..EXTERNAL }, 0x4800_0001), Ok(()));
        assert_eq!(check(&Facts { features: Features::PCREL, ..EXTERNAL }, 0x4800_0001), Ok(()));
        // A conditional call is a call.
        assert!(check(&EXTERNAL, 0x4082_0001).is_err());
    }

    #[test]
    fn a_call_inside_of_the_module_goes_to_the_local_entry() {
        let local = Facts { external: false, ..EXTERNAL };
        let at = |other| Inputs { s: 0x2000, p: 0x1000, other, ..Inputs::default() };
        let site = [0x4800_0001, 0];
        assert_eq!(applied(REL24, &local, &at(0x00), site), Ok([0x4800_1001, 0]));
        assert_eq!(applied(REL24, &local, &at(0x20), site), Ok([0x4800_1001, 0]));
        assert_eq!(applied(REL24, &local, &at(0x60), site), Ok([0x4800_1009, 0]));
        assert_eq!(applied(REL24, &local, &at(0xe0), site), Ok([0x4800_1081, 0]));
    }

    #[test]
    fn a_prologue_is_rewritten_only_if_it_is_one_and_the_toc_is_near() {
        let facts = Facts::default();
        let prologue = [0xe84c_fff8, 0x7c42_6214];
        let at = |toc| Inputs { p: 0x1_0000, toc: Some(toc), ..Inputs::default() };
        let near = applied(ENTRY, &facts, &at(0x3_8004), prologue);
        assert_eq!(near, Ok([0x3c4c_0003, 0x3842_8004]));
        assert_eq!(applied(ENTRY, &facts, &at(0x1_8000_0000), prologue), Ok(prologue));
        let other = [0xe84c_fff8, NOP];
        assert_eq!(applied(ENTRY, &facts, &at(0x3_8004), other), Ok(other));
    }

    #[test]
    fn a_per_cpu_symbol_out_of_reach_is_loaded_from_its_slot() {
        let facts = Facts { features: Features::PCREL, ..Facts::default() };
        let far = Inputs { s: 0x8_0000_0000, p: 0x1000, ..Inputs::default() };
        let pla = [0x0610_0000, 0x3860_0000];
        assert!(matches!(applied(PCREL34, &facts, &far, pla), Err(Fault::Overflow { .. })));
        let slot = Inputs { got_slot: Some(0x2_3000), ..far };
        assert_eq!(applied(PCREL34, &facts, &slot, pla), Ok([0x0410_0002, 0xe460_2000]));
    }

    #[test]
    fn types_follow_the_kernels_configuration() {
        let pcrel = Facts { features: Features::PCREL, ..Facts::default() };
        let missing = Err(Fault::NotOnThisKernel { number: 50 });
        assert_eq!(Ppc64le.known_row(50, &pcrel), missing);
        assert!(Ppc64le.known_row(PCREL34, &pcrel).is_ok());
        assert!(Ppc64le.known_row(PCREL34, &Facts::default()).is_err());
        let unknown = Err(Fault::UnknownType { number: 0 });
        assert_eq!(Ppc64le.known_row(0, &Facts::default()), unknown);
    }

    #[test]
    fn a_late_plain_store_needs_a_writable_section() {
        let row = Ppc64le.row(38).unwrap();
        let late = Facts { late: true, ..Facts::default() };
        assert_eq!(Ppc64le.check_site(row, &late, &[0; 8], 0), Err(Fault::ReadOnly));
        let writable = Facts { writable: true, ..late };
        assert_eq!(Ppc64le.check_site(row, &writable, &[0; 8], 0), Ok(()));
        let call = Facts { late: true, ..EXTERNAL };
        let section = bytes(&[0x4800_0001, NOP]);
        assert_eq!(Ppc64le.check_site(Ppc64le.row(REL24).unwrap(), &call, &section, 0), Ok(()));
    }

    #[test]
    fn only_the_second_abi_is_loaded() {
        assert_eq!(Ppc64le.check_header(2), Ok(()));
        assert_eq!(Ppc64le.check_header(1), Err(Fault::WrongAbi { flags: 1 }));
        assert_eq!(Ppc64le.check_header(0), Err(Fault::WrongAbi { flags: 0 }));
    }
}
