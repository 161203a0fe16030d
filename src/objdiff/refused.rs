//! What of a change a livepatch cannot do.

use std::collections::BTreeSet;

use klp_arch::object_table::TableUse;
use memchr::memmem::Finder;

use super::atom::{Atom, AtomIndex, AtomKind};
use super::correlate::Ambiguous;
use super::found::Found;
use super::object::{Object, is_referred, slot};
use super::reference::Target;
use super::refusal::ChangeRefusal;
use super::traced::traced;
use crate::name::shown;

/// Every reason, by kind.
pub(super) fn refusals(
    old: &Object<'_>,
    new: &Object<'_>,
    found: &Found<'_>,
    ambiguous: &[Ambiguous],
) -> Vec<ChangeRefusal> {
    let mut refusals = Vec::new();
    of_changed(old, found, &mut refusals);
    let changed = found.changed.iter();
    let of_new = changed.clone().map(|(_, b, _)| *b).chain(found.new.iter().copied());
    for index in of_new {
        if new.atom(index).is_some_and(|atom| has_runtime_constant(new, index, atom)) {
            refusals.push(ChangeRefusal::RuntimeConstant { name: new.shown(index) });
        }
    }
    let functions: [BTreeSet<AtomIndex>; 2] =
        [changed.clone().map(|(a, ..)| *a).collect(), changed.map(|(_, b, _)| *b).collect()];
    let mut tables = BTreeSet::new();
    for (object, functions) in [old, new].into_iter().zip(&functions) {
        for (part, atom) in object.all() {
            tables.extend(names_changed(object, part, atom, functions));
        }
    }
    let tables = tables.into_iter();
    refusals.extend(
        tables.map(|(section, function)| ChangeRefusal::UnknownTable { section, function }),
    );
    refusals.extend(ambiguous.iter().map(|Ambiguous { old: a, new: b }| {
        ChangeRefusal::Ambiguous {
            old: a.iter().map(|index| old.shown(*index)).collect(),
            new: b.iter().map(|index| new.shown(*index)).collect(),
        }
    }));
    refusals
}

/// What changed variables and functions are refused for, by each of their names.
fn of_changed(old: &Object<'_>, found: &Found<'_>, refusals: &mut Vec<ChangeRefusal>) {
    let traced = traced(old);
    let [names, _] = &found.names;
    for (a, ..) in &found.changed {
        let Some(atom) = old.atom(*a) else { continue };
        let refusal: fn(String) -> ChangeRefusal = match atom.kind {
            AtomKind::Variable => |name| ChangeRefusal::Data { name },
            AtomKind::Function if old.is_init(atom) => |name| ChangeRefusal::Init { name },
            AtomKind::Function => {
                let hooked =
                    traced.as_ref().is_none_or(|traced| traced.get(slot(*a)) == Some(&true));
                if hooked || is_child(old.name(atom)) {
                    continue;
                }
                |name| ChangeRefusal::NotTraced { name }
            }
            _ => continue,
        };
        refusals.push(refusal(old.shown(*a)));
        refusals.extend(names.aliases(old, *a).into_iter().map(refusal));
    }
    let common = found.common.iter().filter(|(_, old, new)| old.is_some() && new.is_some());
    refusals.extend(common.map(|(name, ..)| ChangeRefusal::Data { name: name.clone() }));
}

/// Whether a function is only entered from the one whose part it is.
fn is_child(name: &[u8]) -> bool {
    name.split(|byte| *byte == b'.').any(|part| part == b"cold")
}

/// Whether a booting kernel would complete the code.
fn has_runtime_constant(object: &Object<'_>, index: AtomIndex, atom: &Atom) -> bool {
    if atom.kind != AtomKind::Function {
        return false;
    }
    let at_boot = object.entries_of(index).iter().any(|(_, entry)| {
        let kind = object.atom(*entry).map_or(AtomKind::Made, |entry| entry.kind);
        let AtomKind::Entry(table) = kind else { return false };
        let table = object.tables.get(slot(table)).map(|table| table.table.holds);
        matches!(table, Some(TableUse::Boot(_)))
    });
    let placeholder = || {
        let placeholder = object.machine.runtime_constant?;
        let code = object.bytes(atom);
        let core = Finder::new(placeholder.core.1);
        core.find_iter(code).find_map(|core| placeholder.around(code, core))
    };
    at_boot || placeholder().is_some()
}

/// The section of a part that nothing refers to, and the first changed function that it names.
fn names_changed(
    object: &Object<'_>,
    part: AtomIndex,
    atom: &Atom,
    functions: &BTreeSet<AtomIndex>,
) -> Option<(String, String)> {
    let data = matches!(atom.kind, AtomKind::Made | AtomKind::Constant | AtomKind::Variable);
    let section = object.section_name(atom.section);
    if !data || is_ordinary(section) || is_referred(object, part) || !object.is_local(atom) {
        return None;
    }
    let mut named = object.references_of(atom).iter().filter_map(|reference| match reference.to {
        Target::Atom { atom, .. } if functions.contains(&atom) => Some(atom),
        _ => None,
    });
    let is_function =
        |index: &AtomIndex| object.atom(*index).is_some_and(|atom| atom.kind == AtomKind::Function);
    let function = named.find(is_function)?;
    Some((shown(section).into_owned(), object.shown(function)))
}

/// Whether a section's name means nothing to the kernel, or only while something starts or ends.
fn is_ordinary(name: &[u8]) -> bool {
    const STARTS: [&[u8]; 8] =
        [b".data", b".rodata", b".bss", b".text", b".init", b".exit", b".ref", b".con_initcall"];
    STARTS.iter().any(|start| name.starts_with(start))
}
