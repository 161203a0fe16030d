//! The tables of objtool's livepatches: `struct klp_object_ext` and `struct klp_func_ext`.
//!
//! `scripts/livepatch/init.c` makes a patch of them when the module is loaded. Source:
//! `include/linux/livepatch_external.h`.

use super::pointers::Pointers;
use super::structures::{FUNCS, NAME, callbacks, function, name};
use super::{FUNCTIONS_MAX, TableObject};
use crate::elf::{Location, Module, SectionIndex};

/// The section of the objects, and its name in Linux 6.19.
const SECTIONS: [&[u8]; 2] = [b".init.klp_objects", b"__klp_objects"];
/// Bytes of a `struct klp_object_ext`, and the offset of its number of functions.
const OBJECT_SIZE: u64 = 64;
const NR_FUNCS: u64 = 56;
/// Bytes of a `struct klp_func_ext`.
const FUNC_SIZE: u64 = 24;

/// Whether a module has such tables.
pub(super) fn is_present(module: &Module<'_>) -> bool {
    sections(module).next().is_some()
}

fn sections(module: &Module<'_>) -> impl Iterator<Item = (SectionIndex, u64)> {
    let named = module.sections().filter(|section| SECTIONS.contains(&section.name));
    named.map(|section| (section.index, section.sh_size))
}

/// The objects of all such tables; `None` if they cannot be read.
pub(super) fn read<'data>(pointers: &Pointers<'_, 'data>) -> Option<Vec<TableObject<'data>>> {
    let (mut objects, mut room) = (Vec::new(), FUNCTIONS_MAX);
    for (section, size) in sections(pointers.module) {
        for entry in 0..size / OBJECT_SIZE {
            let at = Location { section, offset: entry * OBJECT_SIZE };
            let count = pointers.half(at.plus(NR_FUNCS))?;
            room = room.checked_sub(usize::try_from(count).ok()?)?.checked_sub(1)?;
            let funcs = pointers.to(at.plus(FUNCS));
            let each = (0..u64::from(count)).map(|n| funcs.map(|table| table.plus(n * FUNC_SIZE)));
            let functions = each.map(|at| function(pointers, at?).ok()).collect::<Option<_>>()?;
            objects.push(TableObject {
                name: name(pointers, at.plus(NAME)).ok()?,
                written: Vec::new(),
                has_funcs: funcs.is_some(),
                functions,
                callbacks: callbacks(pointers, at).ok()?,
            });
        }
    }
    Some(objects)
}
