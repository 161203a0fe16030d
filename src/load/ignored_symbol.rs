//! References to a symbol that the loader lets stay undefined: to address 0.
//!
//! Assemblers name such symbols without a use. Source: `kernel/module/main.c:ignore_undef_symbol`.

use klp_arch::object::{SHN_UNDEF, SHT_RELA};
use klp_arch::{Calc, NameRule};

use super::Loaded;
use crate::elf::SectionIndex;
use crate::findings::{Consequence, Finding, Stage};
use crate::name::shown;

impl Loaded<'_> {
    /// The first relocation of what is in memory that writes the address of such a symbol.
    pub(super) fn zero_address(&self) -> Option<Finding> {
        let object = &self.info.object;
        let ignored = |index: u32| {
            let symbol = object.symbols.get(usize::try_from(index).ok()?)?;
            let rule = self.machine.loader_symbol(symbol.name)?.rule;
            (symbol.st_shndx == SHN_UNDEF && rule == NameRule::Ignored).then_some(symbol.name)
        };
        let tables = object.sections.iter().enumerate().filter(|(_, s)| s.sh_type == SHT_RELA);
        tables.into_iter().find_map(|(table, section)| {
            let patched = object.sections.get(usize::try_from(section.sh_info).ok()?)?;
            patched.extent?;
            let name = object.relas(table).find_map(|rela| {
                let calc = self.machine.row(rela.kind)?.calc;
                let of_symbol = !matches!(
                    calc,
                    Calc::Nothing | Calc::Toc | Calc::TocDistance | Calc::GotDistance
                );
                ignored(rela.symbol).filter(|_| of_symbol)
            })?;
            let (patched, name) = (shown(patched.name), shown(name));
            let why = format!("{patched} refers to '{name}', which the loader leaves at address 0");
            let error = Finding::unnoticed(Stage::Apply, Consequence::Corrupted, why);
            Some(error.about_table(SectionIndex::new(u32::try_from(table).ok()?)))
        })
    }
}
