//! An object file, read for comparing it with a linked kernel.

use std::collections::BTreeSet;

use klp_arch::{LinkEdit, Machine};

use super::parts::{Part, parts};
use super::references::{Reference, Unit, references};
use super::sections::{compared, of_slot};
use super::tables::{Table, tables};
use crate::elf::{Module, Rela, SectionIndex, Symbol, SymbolSection};
use crate::findings::Error;
use crate::objdiff::{Class, classes};
use crate::target::machine;

/// An object file.
#[derive(Debug)]
pub(super) struct Object<'data> {
    pub(super) module: Module<'data>,
    pub(super) machine: &'static Machine,
    pub(super) classes: Vec<Class>,
    /// By section and offset.
    pub(super) references: Vec<Reference>,
    pub(super) parts: Vec<Part>,
    pub(super) tables: Vec<Table>,
    /// Jumps that objtool may have taken out: section and offset.
    jumps: BTreeSet<(usize, u64)>,
}

impl<'data> Object<'data> {
    pub(super) fn read(data: &'data [u8]) -> Result<Self, Error> {
        let module = Module::parse(data)?;
        let machine = machine(&module)?;
        let classes = classes(&module, machine);
        let compared = compared(&module, &classes);
        let is_slots = |section: usize| {
            let name = module.section(of_slot(section)).map_or(&[][..], |section| section.name);
            machine.link.slots.iter().any(|slots| slots.as_bytes() == name)
        };
        let is_read = |section: usize| is_slots(section) || compared.get(section) == Some(&true);
        let references = references(&module, machine, &classes, &is_read);
        let tables = tables(&module, machine, &classes, &references);
        let parts = parts(&module, &classes, &compared, &references, &tables);
        let jumps = jumps(&module, machine);
        Ok(Self { module, machine, classes, references, parts, tables, jumps })
    }

    /// The jumps in a part that objtool may have taken out, by offset in the section.
    fn jumps_in(&self, part: &Part) -> impl Iterator<Item = u64> + '_ {
        let (first, end) = ((part.section, part.span.start), (part.section, part.span.end));
        self.jumps.range(first..end).map(|(_, offset)| *offset)
    }

    /// The jumps of a part that the kernel does not have, by offset in the section.
    ///
    /// `linked`: the kernel's bytes from the start of the part's section on.
    pub(super) fn jumps_taken_out(
        &self,
        part: &Part,
        linked: &[u8],
    ) -> Vec<(u64, &'static LinkEdit)> {
        let edits = self.machine.link.jumps.map_or(&[][..], |jumps| jumps.edits);
        let found = self.jumps_in(part).filter_map(|offset| {
            let there = linked.get(usize::try_from(offset).ok()?..)?;
            let code = self.body(part.section, offset);
            let edit = edits.iter().find(|edit| edit.applied(code, there))?;
            Some((offset, edit))
        });
        found.collect()
    }

    /// The index of the part that a place is in.
    pub(super) fn part_at(&self, section: usize, offset: u64) -> Option<usize> {
        let after =
            self.parts.partition_point(|part| (part.section, part.span.start) <= (section, offset));
        let index = after.checked_sub(1)?;
        let part = self.parts.get(index)?;
        (part.section == section && part.span.contains(&offset)).then_some(index)
    }

    /// The indices of a section's parts.
    pub(super) fn parts_of(&self, section: usize) -> std::ops::Range<usize> {
        let start = self.parts.partition_point(|part| part.section < section);
        start..self.parts.partition_point(|part| part.section <= section)
    }

    /// Whether what refers to a part means what is in it, and not which one it is.
    pub(super) fn is_content(&self, part: &Part) -> bool {
        match self.classes.get(part.section) {
            Some(Class::Constant | Class::Table(..)) => true,
            Some(Class::Code) => part.symbol.is_none(),
            _ => false,
        }
    }

    /// A part for messages.
    pub(super) fn part_in_words(&self, part: &Part) -> String {
        match part.symbol.and_then(|symbol| self.module.symbol(symbol)) {
            Some(symbol) => crate::name::shown(symbol.name).into_owned(),
            None => {
                let section = crate::name::shown(self.section_name(part.section));
                format!("{section}+{:#x}", part.span.start)
            }
        }
    }

    pub(super) fn section_name(&self, section: usize) -> &'data [u8] {
        self.module.section(of_slot(section)).map_or(&[], |section| section.name)
    }

    pub(super) fn references_of(&self, part: &Part) -> &[Reference] {
        self.references.get(part.references.clone()).unwrap_or_default()
    }

    /// The bytes of a section from an offset on.
    pub(super) fn body(&self, section: usize, offset: u64) -> &'data [u8] {
        let body = self.module.body(of_slot(section));
        usize::try_from(offset).ok().and_then(|offset| body.get(offset..)).unwrap_or_default()
    }

    pub(super) fn bytes(&self, part: &Part) -> &'data [u8] {
        let size = part.span.end.saturating_sub(part.span.start);
        let body = self.body(part.section, part.span.start);
        usize::try_from(size).ok().and_then(|size| body.get(..size)).unwrap_or(body)
    }

    /// What a slot of a section of pointers holds.
    pub(super) fn in_slot(&self, section: usize, offset: u64) -> Option<&Reference> {
        let index = self
            .references
            .binary_search_by_key(&(section, offset), |r| (r.section, r.offset))
            .ok()?;
        self.references.get(index)
    }

    /// The other form of an instruction that a kernel has in place of a reference's.
    ///
    /// `linked`: the kernel's bytes from the start of the reference's section on.
    pub(super) fn edit(&self, reference: &Reference, linked: &[u8]) -> Option<&'static LinkEdit> {
        let edits = self.machine.link.edits.iter();
        let jumps = self.machine.link.jumps.map_or(&[][..], |jumps| jumps.edits).iter();
        let edits = edits.map(|edit| (edit, false)).chain(jumps.map(|edit| (edit, true)));
        let mut edits = edits.filter(|(edit, _)| edit.kinds.contains(&reference.kind));
        let found = edits.find(|(edit, is_jump)| {
            let start = u64::try_from(edit.before).ok();
            let start = start.and_then(|before| reference.offset.checked_sub(before));
            let start =
                start.filter(|start| !is_jump || self.jumps.contains(&(reference.section, *start)));
            start.is_some_and(|start| {
                let code = self.body(reference.section, start);
                let at = usize::try_from(start).ok();
                edit.applied(code, at.and_then(|at| linked.get(at..)).unwrap_or_default())
            })
        });
        found.map(|(edit, _)| edit)
    }

    /// The symbols that have a place in a section and a name.
    pub(super) fn named(&self) -> impl Iterator<Item = (usize, Symbol<'data>)> {
        self.module.symbols().filter_map(|symbol| {
            let SymbolSection::Defined(section) = symbol.section else { return None };
            let loaded = self.classes.get(section.slot()).is_some_and(|class| class.has_atoms());
            (loaded && symbol.is_function_or_object() && !symbol.name.is_empty())
                .then_some((section.slot(), symbol))
        })
    }

    /// A unit for messages.
    pub(super) fn shown(&self, unit: Unit) -> String {
        let section = |section| crate::name::shown(self.section_name(section)).into_owned();
        match unit {
            Unit::Section(index) => section(index),
            Unit::Symbol(symbol) => {
                let name = self.module.symbol(symbol).map_or(&[][..], |symbol| symbol.name);
                crate::name::shown(name).into_owned()
            }
            Unit::Entry(index, offset) | Unit::Slot(index, offset) => {
                format!("{}+{offset:#x}", section(index))
            }
        }
    }
}

/// The jumps that objtool may take out.
fn jumps(module: &Module<'_>, machine: &Machine) -> BTreeSet<(usize, u64)> {
    let mut found = BTreeSet::new();
    let Some(sites) = machine.link.jumps else { return found };
    let (field, marks) = sites.key;
    for section in module.sections_named(sites.section.as_bytes()) {
        let tables = module
            .relocation_sections()
            .filter(|table| SectionIndex::new(table.sh_info) == section.index);
        let relas: Vec<Rela> = tables.flat_map(|table| module.relocations(table.index)).collect();
        let keys: BTreeSet<u64> = relas
            .iter()
            .filter(|rela| rela.offset % sites.stride == field && rela.addend & marks != 0)
            .map(|rela| rela.offset / sites.stride)
            .collect();
        for rela in relas.iter().filter(|rela| rela.offset % sites.stride == 0) {
            let symbol = module.symbol(rela.symbol);
            if let Some(symbol) = symbol.filter(|_| keys.contains(&(rela.offset / sites.stride)))
                && let SymbolSection::Defined(code) = symbol.section
            {
                found.insert((code.slot(), symbol.st_value.wrapping_add_signed(rela.addend)));
            }
        }
    }
    found
}
