//! The tables of kpatch's livepatches: `struct kpatch_patch_func`, and a section for each kind of callback.
//!
//! Its init code makes a patch of them when the module is loaded. Source: kpatch's `kmod/patch/kpatch-patch.h`,
//! `kmod/patch/livepatch-patch-hook.c`.

use std::collections::BTreeMap;

use super::pointers::Pointers;
use super::structures::{Unread, code, name};
use super::{Callbacks, FUNCTIONS_MAX, TableFunction, TableObject};
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
const CALLBACK: u64 = 0;
const CALLBACK_OBJECT: u64 = 8;

/// Whether a module has such tables.
pub(super) fn is_present(module: &Module<'_>) -> bool {
    module.sections_named(FUNCS).any(|section| section.sh_size > 0)
}

/// The objects of all such tables; `None` if they cannot be read.
pub(super) fn read<'data>(pointers: &Pointers<'_, 'data>) -> Option<Vec<TableObject<'data>>> {
    let mut objects: BTreeMap<Option<&[u8]>, TableObject<'data>> = BTreeMap::new();
    for at in entries(pointers, FUNCS, FUNC_SIZE)? {
        let function = function(pointers, at).ok()?;
        let named = object_name(pointers, at.plus(OBJECT))?;
        object(&mut objects, named).functions.push(function);
    }
    for (kind, section) in CALLBACKS.into_iter().enumerate() {
        for at in entries(pointers, section, CALLBACK_SIZE)? {
            let named = object_name(pointers, at.plus(CALLBACK_OBJECT))?;
            let callbacks: &mut Callbacks = &mut object(&mut objects, named).callbacks;
            *callbacks.get_mut(kind)? = code(pointers, at.plus(CALLBACK)).ok()?;
        }
    }
    Some(objects.into_values().collect())
}

/// The entries of all sections of a name; `None` if there are too many, or a part of one.
fn entries(pointers: &Pointers<'_, '_>, section: &[u8], size: u64) -> Option<Vec<Location>> {
    let mut all = Vec::new();
    for section in pointers.module.sections_named(section) {
        let count = section.sh_size / size;
        let room = u64::try_from(FUNCTIONS_MAX.checked_sub(all.len())?).ok()?;
        if !section.sh_size.is_multiple_of(size) || count > room {
            return None;
        }
        let start = Location { section: section.index, offset: 0 };
        all.extend((0..count).map(|entry| start.plus(entry * size)));
    }
    Some(all)
}

fn function<'data>(
    pointers: &Pointers<'_, 'data>,
    at: Location,
) -> Result<TableFunction<'data>, Unread> {
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
