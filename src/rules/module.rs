//! Rules about the module as a whole.

use std::collections::HashSet;

use bstr::ByteSlice;
use klp_arch::KernelVersion;

use super::Checker;
use crate::annotation::{NAME_PREFIX, SELECTORS};
use crate::elf::{SHT_NOBITS, SectionFlags, SymbolSection};
use crate::findings::{Consequence, Rule};
use crate::kmod::THIS_MODULE;

pub(super) fn check(checker: &mut Checker<'_, '_>) {
    marker(checker);
    sections(checker);
    machine(checker);
    section_twins(checker);
    common_symbols(checker);
    annotations(checker);
}

fn marker(checker: &mut Checker<'_, '_>) {
    if !checker.module.is_livepatch() && checker.klp_sections().next().is_some() {
        checker.broken(
            Rule::LivepatchMarker,
            ".modinfo: no 'livepatch=' although there are klp relocations",
        );
    }
}

fn sections(checker: &mut Checker<'_, '_>) {
    let module = checker.module;
    let this: Vec<_> = module.sections_named(THIS_MODULE).collect();
    match this.as_slice() {
        [one] if one.sh_type != SHT_NOBITS && one.sh_flags.contains(SectionFlags::ALLOC) => {}
        [_] => checker.broken(
            Rule::ModuleSections,
            ".gnu.linkonce.this_module: not a loaded section with contents",
        ),
        many => {
            let count = many.len();
            checker.broken(
                Rule::ModuleSections,
                format!(
                    "{count} sections are called .gnu.linkonce.this_module, the kernel requires \
                     exactly one"
                ),
            );
        }
    }
    let modinfo = module.sections_named(b".modinfo").count();
    if modinfo > 1 {
        checker.broken(Rule::ModuleSections, format!("{modinfo} sections are called .modinfo"));
    }
    let both = SectionFlags::WRITE | SectionFlags::EXECINSTR;
    for section in module.sections().filter(|s| s.sh_flags.contains(both)) {
        let name = section.name.as_bstr();
        checker.broken(
            Rule::WriteExecute,
            format!("section {} '{name}' is writable and executable", section.index),
        );
    }
}

fn machine(checker: &mut Checker<'_, '_>) {
    let module = checker.module;
    if let Err(fault) = checker.machine.check_header(module.flags()) {
        checker.broken(Rule::MachineFlags, format!("e_flags {:#x}: {fault}", module.flags()));
    }
    for name in checker.machine.required_sections {
        if module.sections_named(name.as_bytes()).next().is_none() {
            checker.broken(Rule::MachineSections, format!("there is no section '{name}'"));
        }
    }
}

/// Each loaded section that is not empty gets a file of its name in sysfs; some sections are
/// handled separately.
fn section_twins(checker: &mut Checker<'_, '_>) {
    const APART: [&[u8]; 5] = [
        b".modinfo",
        b"__versions",
        b"__version_ext_crcs",
        b"__version_ext_names",
        b".data..percpu",
    ];
    if checker.version() < KernelVersion::new(6, 12) {
        return;
    }
    let module = checker.module;
    let loaded = module.sections().filter(|section| {
        let shown = section.sh_flags.contains(SectionFlags::ALLOC) && section.sh_size != 0;
        shown && !APART.contains(&section.name)
    });
    let mut names = HashSet::new();
    let mut twins = loaded.filter(|section| !names.insert(section.name));
    if let Some(twin) = twins.next() {
        let (index, name, more) = (twin.index, twin.name.as_bstr(), twins.count());
        let others = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        let detail = format!("section {index} '{name}' has the name of another section{others}");
        checker.broken(Rule::SectionTwins, detail);
    }
}

fn common_symbols(checker: &mut Checker<'_, '_>) {
    let common = checker.module.symbols_in(SymbolSection::Common);
    for symbol in common.filter(|s| !s.name.starts_with(b"__gnu_lto")) {
        let detail = format!("symbol {} '{}' is common", symbol.index, symbol.name.as_bstr());
        checker.broken_by(Rule::CommonSymbol, symbol.index, detail);
    }
}

fn annotations(checker: &mut Checker<'_, '_>) {
    let module = checker.module;
    let annotates =
        |name: &[u8]| name.starts_with(b".klp.module_relocs.") || name == SELECTORS.as_bytes();
    for section in module.sections().filter(|s| annotates(s.name)) {
        let name = section.name.as_bstr();
        let detail = format!("section {} '{name}' is an annotation", section.index);
        // The kernel loads it, and its annotations have no effect.
        checker.broken_with(Rule::Annotation, Consequence::Ignored, detail);
    }
    for symbol in module.symbols().filter(|s| s.name.starts_with(NAME_PREFIX.as_bytes())) {
        let name = symbol.name.as_bstr();
        let detail = format!("symbol {} '{name}' is an annotation", symbol.index);
        checker.broken(Rule::Annotation, detail);
    }
}
