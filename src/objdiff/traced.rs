//! Which functions ftrace can hook, as far as the object says.

use super::atom::AtomKind;
use super::object::{Object, slot};
use super::reference::{Target, relocations};
use crate::elf::{SectionIndex, SymbolSection};

/// Whether ftrace can hook each atom; `None`: the object does not say it of any function.
pub(super) fn traced(object: &Object<'_>) -> Option<Vec<bool>> {
    let sites = object.machine.call_sites;
    let mut traced = vec![false; object.atoms.len()];
    let mut mark =
        |index: usize| traced.get_mut(index).into_iter().for_each(|traced| *traced = true);
    for table in object.module.relocation_sections() {
        let section = SectionIndex::new(table.sh_info);
        if !object
            .module
            .section(section)
            .is_some_and(|section| sites.sections.contains(&section.name))
        {
            continue;
        }
        for site in relocations(
            &object.module,
            object.machine,
            &object.classes,
            &[table.index],
            section.slot(),
        ) {
            let Target::Place { section, offset, .. } = site.to else { continue };
            let Some(index) = object.at(section, offset) else { continue };
            let end = offset.saturating_add_unsigned(sites.before);
            // Before its function, perhaps.
            for (at, atom) in object.atoms.iter().enumerate().skip(slot(index)).take(3) {
                let start = atom.span.start.cast_signed();
                if atom.section == section
                    && atom.kind == AtomKind::Function
                    && start <= end.max(offset)
                {
                    mark(at);
                    if start >= offset {
                        break;
                    }
                }
            }
        }
    }
    // Its calls, even those that a tool has made into nothing.
    let tracers: Vec<_> = object
        .module
        .symbols_in(SymbolSection::Undefined)
        .filter(|symbol| sites.tracers.iter().any(|tracer| tracer.as_bytes() == symbol.name))
        .map(|symbol| symbol.index)
        .collect();
    if !tracers.is_empty() {
        for table in object.module.relocation_sections() {
            let section = SectionIndex::new(table.sh_info).slot();
            for rela in
                object.module.relocations(table.index).filter(|rela| tracers.contains(&rela.symbol))
            {
                let caller = object.at(section, rela.offset.cast_signed());
                caller.into_iter().for_each(|index| mark(slot(index)));
            }
        }
    }
    // What compilers put at the start instead of a call; where there is a list, only listed places count.
    if !traced.contains(&true) {
        for (index, atom) in
            object.atoms.iter().enumerate().filter(|(_, atom)| atom.kind == AtomKind::Function)
        {
            let code = object.bytes(atom);
            let hooked = sites.forms.iter().any(|form| form.before == 0 && form.matches(code));
            traced.get_mut(index).into_iter().for_each(|traced| *traced = hooked);
        }
    }
    traced.contains(&true).then_some(traced)
}
