//! Functions that are called through pointers and lack the landing pad that the CPU requires.
//!
//! objtool checks the code that it links, with the relocations at that time. This checks
//! livepatches made in other ways: every address of the module's own functions that data contain or
//! an instruction takes. Only modules built with landing pads are checked. Source:
//! `tools/objtool/check.c:validate_ibt`, `validate_ibt_data_reloc`.

use std::collections::{BTreeMap, BTreeSet};

use klp_arch::{Calc, LandingPad, Machine};

use crate::elf::{Module, Rela, Section, SectionFlags, SectionIndex, SymbolSection};
use crate::findings::{Finding, Warning};
use crate::kmod::THIS_MODULE;
use crate::rules::gate_timing;
use crate::site::Sites;

/// `STT_FUNC`.
const STT_FUNC: u8 = 2;
/// Sections whose addresses are never called, on every machine: tables of code locations.
const TABLES: [&[u8]; 11] = [
    b"__bug_table",
    b".discard",
    b".ibt",
    b".init.klp",
    b".kcfi_traps",
    b".klp.",
    b".orc_",
    b".static_call",
    b"_kprobe_blacklist",
    b"_error_injection_whitelist",
    b".initcall",
];

/// Where the trampolines of static calls are (`STATIC_CALL_TEXT` of `include/asm-generic/vmlinux.lds.h`).
const STATIC_CALLS: &[u8] = b".static_call.text";

/// Warns once about each function.
pub(super) fn audit(module: &Module<'_>, machine: &'static Machine) -> Vec<Finding> {
    let Some(pad) = machine.landing_pad else { return Vec::new() };
    if module.sections_named(pad.marker.as_bytes()).next().is_none() {
        return Vec::new();
    }
    let functions = Functions::of(module);
    let sites = Sites::new(module, machine);
    let (mut warned, mut warnings) = (BTreeSet::new(), Vec::new());
    for table in module.relocation_sections() {
        let patched = module.section(SectionIndex::new(table.sh_info));
        let Some(patched) = patched.filter(|section| holds_addresses(section, machine)) else {
            continue;
        };
        let body = module.body(patched.index);
        for (entry, rela) in module.relocations(table.index).enumerate() {
            let Some((function, start)) = taken(module, machine, pad, body, patched, rela)
                .and_then(|target| Some((functions.names.get(&target)?, target)))
            else {
                continue;
            };
            if functions.has_pad(module, start, pad) || !warned.insert(start) {
                continue;
            }
            let site = sites.describe(table.index, entry, rela);
            let function = String::from_utf8_lossy(function).into_owned();
            let warning = Warning::NoLandingPad { function, pad: pad.name };
            warnings.push(Finding::from(warning).at(site));
        }
    }
    warnings
}

/// A section and an offset in it.
type Start = (SectionIndex, u64);

/// The starts of the module's own functions.
struct Functions<'m> {
    names: BTreeMap<Start, &'m [u8]>,
}

impl<'m> Functions<'m> {
    fn of(module: &Module<'m>) -> Self {
        let functions = module.symbols().filter(|symbol| symbol.kind.0 == STT_FUNC);
        let names = functions.filter_map(|symbol| match symbol.section {
            SymbolSection::Defined(section) => Some(((section, symbol.st_value), symbol.name)),
            _ => None,
        });
        Self { names: names.collect() }
    }

    fn has_pad(&self, module: &Module<'_>, (section, offset): Start, pad: &LandingPad) -> bool {
        let code = usize::try_from(offset).ok().and_then(|at| module.body(section).get(at..));
        code.is_some_and(|code| code.starts_with(pad.bytes))
    }
}

/// Whether addresses in a section may be called.
fn holds_addresses(section: &Section<'_>, machine: &Machine) -> bool {
    let table = TABLES.iter().any(|prefix| section.name.starts_with(prefix));
    let loaded = section.sh_flags.contains(SectionFlags::ALLOC);
    let called = section.name == THIS_MODULE || gate_timing::consumed(section, machine).is_none();
    loaded && !table && called
}

/// The location whose address a relocation takes, in data or by an instruction.
fn taken(
    module: &Module<'_>,
    machine: &Machine,
    pad: &LandingPad,
    body: &[u8],
    patched: &Section<'_>,
    rela: Rela,
) -> Option<Start> {
    let row = machine.row(rela.kind)?;
    let symbol = module.symbol(rela.symbol)?;
    let SymbolSection::Defined(section) = symbol.section else { return None };
    let code = module.section(section)?.sh_flags.contains(SectionFlags::EXECINSTR);
    let addend = match row.calc {
        Calc::Absolute => rela.addend,
        Calc::Relative if patched.sh_flags.contains(SectionFlags::EXECINSTR) => {
            let before = usize::try_from(rela.offset).ok().and_then(|at| body.get(..at))?;
            if !pad.is_taken_by(before) {
                return None;
            }
            // Relative to the next instruction, which follows the field.
            rela.addend.checked_add(i64::try_from(row.field.size()).ok()?)?
        }
        _ => return None,
    };
    // Trampolines of static calls: the addresses are for patching the calls.
    let patched_calls = module.section(section)?.name == STATIC_CALLS;
    let start = symbol.st_value.checked_add_signed(addend)?;
    (code && !patched_calls).then_some((section, start))
}
