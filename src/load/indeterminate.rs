//! Bytes that depend on the address of the kernel's temporary copy of the file, which nobody can
//! know.
//!
//! Symbols of sections that are not moved have addresses in the temporary copy, and so do the
//! locations in the percpu template, which is relocated there. Invariant: the loader itself writes
//! no other bytes that we cannot predict. Sources: `kernel/module/main.c:rewrite_section_headers`,
//! `simplify_symbols`, `apply_relocations`.

use klp_arch::object::{SHN_LORESERVE, SHN_UNDEF, SHT_RELA, Symbol};
use klp_arch::special::Moment;

use super::{LateEdit, Loaded};
use crate::elf::SectionIndex;
use crate::findings::{Consequence, Finding, Stage};
use crate::name::shown;

/// The type of a symbol that stands for a section (`STT_SECTION`).
const SECTION: u8 = 3;

impl Loaded<'_> {
    /// The bytes whose values are addresses in the temporary copy, or computed from one.
    pub(super) fn indeterminate(&self) -> Vec<LateEdit> {
        let object = &self.info.object;
        let symbols = object.symbols.iter().enumerate();
        let symbols = symbols.filter(|(_, symbol)| self.is_left_behind(symbol));
        let values = symbols.flat_map(|(index, _)| self.symbol_values(index)).map(|address| {
            let (moment, by, section) = (Moment::Finish, "simplify_symbols", self.info.symtab);
            LateEdit { address, size: 8, moment, by, section }
        });
        values.chain(self.indeterminate_fields()).collect()
    }

    /// The first relocation of what stays that refers to what does not and is freed, or to nothing.
    pub(super) fn dangling(&self) -> Option<Finding> {
        let object = &self.info.object;
        let tables = object.sections.iter().enumerate().filter(|(_, s)| s.sh_type == SHT_RELA);
        tables.into_iter().find_map(|(table, section)| {
            let patched = object.sections.get(usize::try_from(section.sh_info).ok()?)?;
            patched.extent?;
            let symbol = object.relas(table).find_map(|rela| {
                let symbol = object.symbols.get(usize::try_from(rela.symbol).ok()?)?;
                let written = self.machine.row(rela.kind)?.field.size() != 0;
                (written && (self.is_left_behind(symbol) || names_no_section(symbol))).then_some(symbol)
            })?;
            let patched = shown(patched.name);
            let left = object.sections.get(usize::from(symbol.st_shndx));
            let left = left.map(|section| shown(section.name));
            let why = match left {
                Some(left) => format!(
                    "{patched} refers to {left}, which is not loaded: to memory that the kernel frees"
                ),
                None => format!("{patched} refers to a section's symbol that names no section"),
            };
            let error = Finding::unnoticed(Stage::Apply, Consequence::Corrupted, why);
            Some(error.about_table(SectionIndex::new(u32::try_from(table).ok()?)))
        })
    }

    /// A section that code computes addresses from, and that is freed.
    pub(super) fn without_base(&self) -> Option<Finding> {
        let base = self.info.object.sections.get(self.linkage.base_section()?)?;
        let is_left = base.extent.is_none();
        let why = format!(
            "code computes addresses from that of {}, which is not loaded",
            shown(base.name)
        );
        is_left.then(|| Finding::unnoticed(Stage::Apply, Consequence::Corrupted, why))
    }

    /// Whether a symbol belongs to a section that is not moved.
    pub(super) fn is_left_behind(&self, symbol: &Symbol<'_>) -> bool {
        let index = symbol.st_shndx;
        let defined = index != SHN_UNDEF && index < SHN_LORESERVE;
        let section = self.info.object.sections.get(usize::from(index));
        defined && section.is_some_and(|section| section.extent.is_none())
    }

    /// Fields of relocations computed from the address of the percpu template or of a symbol that
    /// was left behind.
    fn indeterminate_fields(&self) -> impl Iterator<Item = LateEdit> {
        let object = &self.info.object;
        let tables = object.sections.iter().enumerate().filter(|(_, s)| s.sh_type == SHT_RELA);
        tables.flat_map(move |(table, section)| {
            let target = usize::try_from(section.sh_info).unwrap_or(usize::MAX);
            let extent = object.sections.get(target).and_then(|section| section.extent);
            let percpu = self.info.percpu == Some(target);
            object.relas(table).filter_map(move |rela| {
                let row = self.machine.row(rela.kind)?;
                let symbol = object.symbols.get(usize::try_from(rela.symbol).ok()?)?;
                let unknown = self.is_left_behind(symbol) || percpu && row.calc.depends_on_place();
                if !unknown {
                    return None;
                }
                let address = extent?.address.wrapping_add(rela.offset);
                let size = u64::try_from(row.field.size()).ok().filter(|size| *size != 0)?;
                let (moment, by) = (Moment::Finish, "apply_relocations");
                Some(LateEdit { address, size, moment, by, section: table })
            })
        })
    }
}

/// Whether a symbol stands for a section, and for none.
fn names_no_section(symbol: &Symbol<'_>) -> bool {
    symbol.kind() == SECTION && symbol.st_shndx >= SHN_LORESERVE
}
