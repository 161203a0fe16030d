//! Tables of distances: from the field to what it means, or from the start of the table.
//!
//! Compilers make tables of distances where addresses would need relocations at run time (Clang's `names.rel`). A relocation
//! relative to its own place then has the field's offset in the table in its addend. Which of the two it is shows in what is
//! there; where both may be meant, both are compared.

use klp_arch::Machine;

use super::atom::Atom;
use super::class::Class;
use super::reference::{Reference, Target, of_slot};
use crate::elf::Module;

/// Corrects the references of a section of data. `named` are its atoms with names, `all` those of all sections.
pub(super) fn correct(
    (module, machine, classes): (&Module<'_>, &Machine, &[Class]),
    named: &[Atom],
    all: &[Atom],
    references: &mut Vec<Reference>,
) {
    let mut also = Vec::new();
    for reference in references.iter_mut() {
        if !machine.row(reference.kind).is_some_and(|row| row.calc.depends_on_place()) {
            continue;
        }
        let after = named.partition_point(|atom| atom.span.start <= reference.offset);
        let table = after
            .checked_sub(1)
            .and_then(|index| named.get(index))
            .map_or(0, |atom| atom.span.start);
        let field = reference.offset.saturating_sub(table).cast_signed();
        if field == 0 {
            continue;
        }
        match reference.to {
            Target::Merged { section, offset } => {
                let from_table = offset.wrapping_sub(field);
                let starts = |offset| is_text(module, classes, section, offset);
                let other = Target::Merged { section, offset: from_table };
                match (starts(offset), starts(from_table)) {
                    (true, false) => {}
                    (false, true) => (reference.to, reference.from_table) = (other, true),
                    _ => also.push(Reference { to: other, from_table: true, ..*reference }),
                }
            }
            // A place in code is as far from the same function in both objects.
            Target::Place { section, offset, symbol }
                if !matches!(classes.get(section), Some(Class::Code)) =>
            {
                let from_table = offset.wrapping_sub(field);
                let starts = |offset: i64| {
                    let place = u64::try_from(offset).unwrap_or(u64::MAX);
                    all.binary_search_by_key(&(section, place), |atom| {
                        (atom.section, atom.span.start)
                    })
                    .is_ok()
                };
                if !starts(offset) && starts(from_table) {
                    reference.to = Target::Place { section, offset: from_table, symbol };
                    reference.from_table = true;
                }
            }
            _ => {}
        }
    }
    if !also.is_empty() {
        references.append(&mut also);
        references.sort_by_key(|reference| (reference.offset, reference.kind));
    }
}

/// Whether a text or constant starts at a place.
fn is_text(module: &Module<'_>, classes: &[Class], section: usize, offset: i64) -> bool {
    let Some(Class::Merged { strings, width }) = classes.get(section).copied() else {
        return false;
    };
    let body = module.body(of_slot(section));
    let Some(offset) = usize::try_from(offset).ok().filter(|offset| *offset < body.len()) else {
        return false;
    };
    if !strings || offset == 0 {
        return offset.is_multiple_of(width);
    }
    let before = offset.checked_sub(width).and_then(|start| body.get(start..offset));
    before.is_some_and(|character| character.iter().all(|byte| *byte == 0))
}
