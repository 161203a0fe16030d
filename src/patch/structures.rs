//! `struct klp_object` and `struct klp_func`, read as the kernel walks them.
//!
//! Tables end with an empty entry. The offsets of the fields that authors fill in are the same on
//! every machine and since Linux 5.1; the sizes depend on `struct kobject`, which
//! `CONFIG_DEBUG_KOBJECT_RELEASE` makes larger: then they come from the size of the table's symbol.
//! Source: `include/linux/livepatch.h`, `klp_for_each_object_static`, `klp_for_each_func_static`.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::extent::{Extent, PATCH_MIN, Used, overlap};
use super::pointers::{Pointer, Pointers, WORD};
use super::{Callbacks, FUNCTIONS_MAX, TableFunction, TableObject};
use crate::elf::Location;

/// Offsets of `mod` and `objs` in `struct klp_patch`.
pub(super) const MOD: u64 = 0;
pub(super) const OBJS: u64 = 8;

const STATES: u64 = 16;
/// Bytes of a patch that authors fill in, with `replace`.
const PATCH_FILLED: u64 = 25;

/// Offsets in `struct klp_object`.
pub(super) const NAME: u64 = 0;
pub(super) const FUNCS: u64 = 8;
const CALLBACKS: [u64; 4] = [16, 24, 32, 40];
/// Bytes that the kernel reads of the empty entry at the end.
const OBJECTS_END: u64 = 16;

/// Offsets in `struct klp_func`.
const OLD_NAME: u64 = 0;
const NEW_FUNC: u64 = 8;
const OLD_SYMPOS: u64 = 16;

/// Bytes of a `struct klp_object` and of a `struct klp_func`, as distributions configure the kernel.
const OBJECT_SIZE: u64 = 168;
const FUNC_SIZE: u64 = 152;
/// More than either has with any configuration.
const SIZE_MAX: u64 = 2048;

/// Most bytes of a name that are read (`KSYM_NAME_LEN`): longer names are refused.
const NAME_MAX: usize = 512;

/// Why tables cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// A pointer leads to nothing.
    Astray,
    /// A field has a value that the kernel takes to be empty.
    Occupied,
    /// Relocations change a name or a number.
    Overwritten,
    /// Two relocations write one pointer.
    Contested,
    /// Relocations write to a table when an object is patched.
    Late,
    /// A table is in what the kernel has filled in before it reads it.
    FilledIn,
    /// Tables overlap: to read one gives what the kernel has written to another.
    Overlap,
    /// `objs` is NULL.
    NoObjects,
    /// Code fills them in, they are another object's, or too long.
    Unknown,
}

/// The objects of a patch, and the extents of its tables.
pub(super) fn objects<'data>(
    pointers: &Pointers<'_, 'data>,
    patch: Location,
) -> Result<(Vec<TableObject<'data>>, Vec<Extent>), Unread> {
    if pointers.is_filled_in(patch) {
        return Err(Unread::FilledIn);
    }
    target(pointers, patch.plus(MOD))?;
    let table = table(pointers, patch.plus(OBJS))?.ok_or(Unread::NoObjects)?;
    let size = size(pointers, table, OBJECT_SIZE, &OBJECTS);
    let (mut objects, mut at) = (Vec::new(), table);
    // Objects may share a table, whose size is computed once.
    let (mut sizes, mut room) = (FxHashMap::default(), FUNCTIONS_MAX);
    let whole = Extent::of_patch(pointers, patch, OBJS);
    let size_of_patch = pointers.size(patch).unwrap_or_default().max(PATCH_MIN);
    let states = self::table(pointers, patch.plus(STATES))?;
    if states.is_some_and(|states| !pointers.is_data(states)) {
        return Err(Unread::Astray);
    }
    if !pointers.is_empty(patch.plus(PATCH_FILLED), patch.plus(size_of_patch)) {
        return Err(Unread::Occupied);
    }
    let mut used = vec![Used { start: patch, written: size_of_patch, read: size_of_patch }];
    let mut extents = BTreeSet::from([whole]);
    while !is_end_of_objects(pointers, at).ok_or(Unread::Unknown)? {
        let mut object = object(pointers, at, &mut sizes, room)?;
        object.written.extend([patch.section, table.section]);
        let entries = object.functions.len().saturating_add(1);
        room = room.checked_sub(entries).ok_or(Unread::Unknown)?;
        if let Some(funcs) = pointers.to(at.plus(FUNCS)) {
            let size = sizes.get(&funcs).copied().unwrap_or(FUNC_SIZE);
            extents.insert(Extent::of_table(funcs, object.functions.len(), size));
            used.push(in_use(funcs, object.functions.len(), size, FUNCTIONS.filled));
        }
        objects.push(object);
        if !pointers.is_empty(at.plus(OBJECTS.filled), at.plus(size)) {
            return Err(Unread::Occupied);
        }
        at = at.plus(size);
    }
    extents.insert(Extent::of_table(table, objects.len(), size));
    used.push(in_use(table, objects.len(), size, OBJECTS_END));
    if used.iter().any(|table| pointers.is_changed_late(table.start, table.end())) {
        return Err(Unread::Late);
    }
    if overlap(used) {
        return Err(Unread::Overlap);
    }
    Ok((objects, extents.into_iter().collect()))
}

/// Whether a table of objects may be here: its first entry has functions to replace.
pub(super) fn is_table_of_objects(pointers: &Pointers<'_, '_>, table: Location) -> bool {
    pointers.is_data(table) && is_whole_object(pointers, table)
}

/// Whether a table of objects that the kernel refuses may be here: its first entry has a name, or
/// incomplete functions.
pub(super) fn may_be_table_of_objects(pointers: &Pointers<'_, '_>, table: Location) -> bool {
    let named = pointers.text(table.plus(NAME), 1).is_some();
    let funcs = match pointers.at(table.plus(FUNCS)) {
        Some(Pointer::To(location)) => pointers.is_data(location),
        Some(Pointer::Astray | Pointer::Contested) => true,
        Some(Pointer::Outside) => false,
        None => named,
    };
    let name =
        named || !matches!(pointers.at(table.plus(NAME)), Some(Pointer::To(_) | Pointer::Outside));
    funcs && name && pointers.is_data(table)
}

fn object<'data>(
    pointers: &Pointers<'_, 'data>,
    at: Location,
    sizes: &mut FxHashMap<Location, u64>,
    room: usize,
) -> Result<TableObject<'data>, Unread> {
    let funcs = table(pointers, at.plus(FUNCS))?;
    let functions = match funcs {
        Some(table) => functions(pointers, table, sizes, room)?,
        None => Vec::new(),
    };
    Ok(TableObject {
        name: name(pointers, at.plus(NAME))?,
        written: funcs.iter().map(|table| table.section).collect(),
        has_funcs: funcs.is_some(),
        functions,
        callbacks: callbacks(pointers, at)?,
    })
}

/// The location that the pointer here points to; `None` for NULL.
fn target(pointers: &Pointers<'_, '_>, at: Location) -> Result<Option<Location>, Unread> {
    match pointers.at(at) {
        None => Ok(None),
        Some(Pointer::To(location)) => Ok(Some(location)),
        Some(Pointer::Astray) => Err(Unread::Astray),
        Some(Pointer::Contested) => Err(Unread::Contested),
        // It may be another object's table, which cannot be read here.
        Some(Pointer::Outside) => Err(Unread::Unknown),
    }
}

/// The location of the table that the pointer here points to; `None` for NULL.
fn table(pointers: &Pointers<'_, '_>, at: Location) -> Result<Option<Location>, Unread> {
    let table = target(pointers, at)?;
    let filled_in = table.is_some_and(|table| pointers.is_filled_in(table));
    if filled_in { Err(Unread::FilledIn) } else { Ok(table) }
}

/// What the kernel uses of a table of so many entries, of the last one only `end` bytes.
fn in_use(start: Location, entries: usize, size: u64, end: u64) -> Used {
    let written = u64::try_from(entries).unwrap_or(u64::MAX).saturating_mul(size);
    Used { start, written, read: written.saturating_add(end) }
}

/// The functions of `struct klp_callbacks`, which has the same offset in `struct klp_object_ext`; none of another
/// object.
pub(super) fn callbacks(
    pointers: &Pointers<'_, '_>,
    object: Location,
) -> Result<Callbacks, Unread> {
    let [pre_patch, post_patch, pre_unpatch, post_unpatch] =
        CALLBACKS.map(|offset| code(pointers, object.plus(offset)));
    Ok([pre_patch?, post_patch?, pre_unpatch?, post_unpatch?])
}

/// The function of this module that the pointer here points to; `None` for NULL and for another object's.
pub(super) fn code(pointers: &Pointers<'_, '_>, at: Location) -> Result<Option<Location>, Unread> {
    match target(pointers, at) {
        Err(Unread::Unknown) => Ok(None),
        target => target,
    }
}

fn functions<'data>(
    pointers: &Pointers<'_, 'data>,
    table: Location,
    sizes: &mut FxHashMap<Location, u64>,
    room: usize,
) -> Result<Vec<TableFunction<'data>>, Unread> {
    let size = *sizes.entry(table).or_insert_with(|| size(pointers, table, FUNC_SIZE, &FUNCTIONS));
    let (mut functions, mut at) = (Vec::new(), table);
    while !is_end_of_functions(pointers, at).ok_or(Unread::Unknown)? {
        if functions.len() == room {
            return Err(Unread::Unknown);
        }
        functions.push(function(pointers, at)?);
        if !pointers.is_empty(at.plus(FUNCTIONS.filled), at.plus(size)) {
            return Err(Unread::Occupied);
        }
        at = at.plus(size);
    }
    Ok(functions)
}

/// The fields of a `struct klp_func` that authors fill in, which are all of a `struct
/// klp_func_ext`.
pub(super) fn function<'data>(
    pointers: &Pointers<'_, 'data>,
    at: Location,
) -> Result<TableFunction<'data>, Unread> {
    let (new_func, sympos_at) = (code(pointers, at.plus(NEW_FUNC))?, at.plus(OLD_SYMPOS));
    if pointers.is_changed(sympos_at, sympos_at.plus(WORD)) {
        return Err(Unread::Overwritten);
    }
    Ok(TableFunction {
        old_name: name(pointers, at.plus(OLD_NAME))?,
        new_func,
        has_new_func: pointers.at(at.plus(NEW_FUNC)).is_some(),
        old_sympos: pointers.word(sympos_at).ok_or(Unread::Unknown)?,
        sympos_at,
    })
}

/// The name that the pointer here points to; `None` for NULL.
pub(super) fn name<'data>(
    pointers: &Pointers<'_, 'data>,
    at: Location,
) -> Result<Option<&'data [u8]>, Unread> {
    let Some(location) = target(pointers, at)? else { return Ok(None) };
    let length = pointers.bytes(at, NAME_MAX).map_or(0, <[u8]>::len);
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    if pointers.is_changed(location, location.plus(length.saturating_add(1))) {
        return Err(Unread::Overwritten);
    }
    match pointers.text(at, NAME_MAX) {
        // Code may write it there.
        Some([]) if pointers.is_written(location) => Err(Unread::Unknown),
        Some(name) => Ok(Some(name)),
        // Not the name of anything, but what the kernel looks up.
        None => pointers.bytes(at, NAME_MAX).map(Some).ok_or(Unread::Astray),
    }
}

/// `obj->funcs || obj->name`; `None` at the end of the section.
fn is_end_of_objects(pointers: &Pointers<'_, '_>, at: Location) -> Option<bool> {
    pointers.word(at.plus(FUNCS))?;
    Some(pointers.at(at.plus(NAME)).is_none() && pointers.at(at.plus(FUNCS)).is_none())
}

/// `func->old_name || func->new_func || func->old_sympos`; `None` at the end of the section.
fn is_end_of_functions(pointers: &Pointers<'_, '_>, at: Location) -> Option<bool> {
    let old_sympos = pointers.word(at.plus(OLD_SYMPOS))?;
    let [name, new] = [OLD_NAME, NEW_FUNC].map(|offset| pointers.at(at.plus(offset)));
    Some(name.is_none() && new.is_none() && old_sympos == 0)
}

/// Whether an entry has what an object needs: a table of functions, which may be empty.
fn is_whole_object(pointers: &Pointers<'_, '_>, at: Location) -> bool {
    let name = pointers.at(at.plus(NAME)).is_none() || pointers.text(at.plus(NAME), 1).is_some();
    let funcs = pointers.to(at.plus(FUNCS)).filter(|table| pointers.is_data(*table));
    name && funcs.is_some_and(|table| {
        is_end_of_functions(pointers, table) == Some(true) || is_whole_function(pointers, table)
    })
}

/// Whether an entry has what a function needs: a name, and code to replace it.
fn is_whole_function(pointers: &Pointers<'_, '_>, at: Location) -> bool {
    let code = match pointers.at(at.plus(NEW_FUNC)) {
        Some(Pointer::To(location)) => pointers.is_code(location),
        Some(Pointer::Outside) => true,
        Some(Pointer::Astray | Pointer::Contested) | None => false,
    };
    code && pointers.text(at.plus(OLD_NAME), 1).is_some()
}

/// Bytes from one entry of a table to the next: as usual, unless the size of the table's symbol
/// shows longer entries.
fn size(pointers: &Pointers<'_, '_>, table: Location, usual: u64, is: &Entry) -> u64 {
    let Some(whole) = pointers.size(table) else { return usual };
    // Complete entries, then an empty one.
    let fits = |size: &u64| {
        let entries = (0..whole / size).map(|n| table.plus(n * size));
        let mut rest = entries.skip_while(|at| (is.whole)(pointers, *at));
        rest.next().is_some_and(|at| at != table && (is.end)(pointers, at) == Some(true))
    };
    let sizes = (usual..=SIZE_MAX).step_by(8).filter(|size| whole.is_multiple_of(*size));
    let fitting: Vec<u64> = sizes.filter(fits).collect();
    // Of several sizes, the one that leaves no pointer between the fields that authors fill in.
    let strays = |size: &u64| {
        let inside = pointers.between(table, table.plus(whole));
        inside.filter(|location| (location.offset - table.offset) % *size >= is.filled).count()
    };
    let best = fitting.into_iter().min_by_key(strays);
    best.filter(|best| strays(best) <= strays(&usual)).unwrap_or(usual)
}

/// How to recognise entries of a table.
struct Entry {
    /// Whether it has what the kernel requires.
    whole: fn(&Pointers<'_, '_>, Location) -> bool,
    /// Bytes of the fields that authors fill in.
    filled: u64,
    /// Whether the kernel stops here; `None` at the end of the section.
    end: fn(&Pointers<'_, '_>, Location) -> Option<bool>,
}

const OBJECTS: Entry = Entry { whole: is_whole_object, filled: 56, end: is_end_of_objects };
const FUNCTIONS: Entry = Entry { whole: is_whole_function, filled: 24, end: is_end_of_functions };
