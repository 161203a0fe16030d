//! The tables of kpatch's livepatches: `struct kpatch_patch_func`, and a section for each kind of callback.
//!
//! Its init code makes a patch of them when the module is loaded. Source: kpatch's `kmod/patch/kpatch-patch.h`,
//! `kmod/patch/kpatch.lds.S`, `kmod/patch/livepatch-patch-hook.c`.

use std::collections::BTreeMap;

use super::pointers::Pointers;
use super::structures::{Unread, code, name};
use super::{Callbacks, FUNCTIONS_MAX, TableFunction, TableObject, Tables};
use crate::elf::{Location, Module};
use crate::name::VMLINUX;

const FUNCS: &[u8] = b".kpatch.funcs";
/// In the order of [`Callbacks`].
const CALLBACKS: [&[u8]; 4] = [
    b".kpatch.callbacks.pre_patch",
    b".kpatch.callbacks.post_patch",
    b".kpatch.callbacks.pre_unpatch",
    b".kpatch.callbacks.post_unpatch",
];

/// Bytes of a `struct kpatch_patch_func`, and offsets in it.
const FUNC_SIZE: u64 = 56;
const NEW_ADDR: u64 = 0;
const SYMPOS: u64 = 32;
const NAME: u64 = 40;
const OBJECT: u64 = 48;
/// Bytes of a `struct kpatch_pre_patch_callback` and of the others, and offsets in it.
const CALLBACK_SIZE: u64 = 16;
/// `kpatch.lds` ends such a section with this many bytes, which are 0.
const CALLBACKS_END: u64 = 8;
const CALLBACK: u64 = 0;
const CALLBACK_OBJECT: u64 = 8;

/// Whether a module has such tables.
pub(super) fn is_present(module: &Module<'_>) -> bool {
    module.sections_named(FUNCS).any(|section| section.sh_size > 0)
}

/// All such tables.
pub(super) fn read<'data>(pointers: &Pointers<'_, 'data>) -> Tables<'data> {
    match objects(pointers) {
        Some(Ok(objects)) if !objects.is_empty() => Tables::Static(objects),
        Some(Err(why)) => Tables::Incomplete(why),
        _ => Tables::AtRunTime,
    }
}

/// The objects, or why the init code refuses them; `None` if they cannot be read.
fn objects<'data>(
    pointers: &Pointers<'_, 'data>,
) -> Option<Result<Vec<TableObject<'data>>, &'static str>> {
    let mut objects: BTreeMap<Option<&[u8]>, TableObject<'data>> = BTreeMap::new();
    for at in entries(pointers, FUNCS, FUNC_SIZE, 0)? {
        let function = function(pointers, at).ok()?;
        let named = object_name(pointers, at.plus(OBJECT))?;
        object(&mut objects, named).functions.push(function);
    }
    for (kind, section) in CALLBACKS.into_iter().enumerate() {
        for at in entries(pointers, section, CALLBACK_SIZE, CALLBACKS_END)? {
            let named = object_name(pointers, at.plus(CALLBACK_OBJECT))?;
            let callbacks: &mut Callbacks = &mut object(&mut objects, named).callbacks;
            let callback = code(pointers, at.plus(CALLBACK)).ok()?;
            let slot = callbacks.get_mut(kind)?;
            if slot.is_some() && callback.is_some() {
                return Some(Err("an object has two callbacks of one kind"));
            }
            *slot = slot.or(callback);
        }
    }
    Some(Ok(objects.into_values().collect()))
}

/// The entries of all sections of a name; `None` if there are too many, or a part of one that is not the section's end.
fn entries(
    pointers: &Pointers<'_, '_>,
    section: &[u8],
    size: u64,
    end: u64,
) -> Option<Vec<Location>> {
    let mut all = Vec::new();
    for section in pointers.module.sections_named(section) {
        let count = section.sh_size / size;
        let room = u64::try_from(FUNCTIONS_MAX.checked_sub(all.len())?).ok()?;
        let start = Location { section: section.index, offset: 0 };
        let rest = section.sh_size % size;
        let from = start.plus(section.sh_size - rest);
        let is_end = rest == 0 || rest == end && pointers.is_empty(from, from.plus(rest));
        if !is_end || count > room {
            return None;
        }
        all.extend((0..count).map(|entry| start.plus(entry * size)));
    }
    Some(all)
}

fn function<'data>(
    pointers: &Pointers<'_, 'data>,
    at: Location,
) -> Result<TableFunction<'data>, Unread> {
    if pointers.is_changed(at.plus(SYMPOS), at.plus(NAME)) {
        return Err(Unread::Overwritten);
    }
    Ok(TableFunction {
        old_name: name(pointers, at.plus(NAME))?,
        new_func: code(pointers, at.plus(NEW_ADDR))?,
        has_new_func: pointers.at(at.plus(NEW_ADDR)).is_some(),
        old_sympos: pointers.word(at.plus(SYMPOS)).ok_or(Unread::Unknown)?,
        sympos_at: at.plus(SYMPOS),
    })
}

/// The object's name, as a patch has it: none for vmlinux.
fn object_name<'data>(pointers: &Pointers<'_, 'data>, at: Location) -> Option<Option<&'data [u8]>> {
    let name = name(pointers, at).ok()??;
    Some((name != VMLINUX.as_bytes()).then_some(name))
}

/// The object of a name. Every object gets a table of functions.
fn object<'o, 'data>(
    objects: &'o mut BTreeMap<Option<&'data [u8]>, TableObject<'data>>,
    name: Option<&'data [u8]>,
) -> &'o mut TableObject<'data> {
    objects.entry(name).or_insert_with(|| TableObject {
        name,
        written: Vec::new(),
        has_funcs: true,
        functions: Vec::new(),
        callbacks: [None; 4],
    })
}
