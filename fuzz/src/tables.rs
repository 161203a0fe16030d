//! Livepatches whose tables of patched functions are generated from the bytes: tables without anything odd
//! are read as they were written, and a conversion keeps its promises for any.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "modules are made here, a surprise stops the run"
)]

mod writer;

use klp_arch::machines;
use klp_convert::elf::Module;
use klp_convert::patch::{PatchedObjects, Tables};

use crate::choices::Choices;
use crate::skeleton::{self, LIST};
use writer::file;

/// The most objects, and functions of one.
const COUNT: usize = 4;
/// Bytes of a function's code.
const FUNCTION: usize = 64;
/// The functions that replace others, and the one that enables the patch.
const FUNCTIONS: usize = COUNT * COUNT + 1;

/// How tables are laid out: bytes of an object and of a function, and offset of the number of functions.
struct Layout {
    object: usize,
    function: usize,
    count: Option<usize>,
}

/// `struct klp_object` and `struct klp_func`; with `CONFIG_DEBUG_KOBJECT_RELEASE`; those of objtool.
const USUAL: Layout = Layout { object: 168, function: 152, count: None };
const LARGE: Layout = Layout { object: 240, function: 224, count: None };
const EXTERNAL: Layout = Layout { object: 64, function: 24, count: Some(56) };

/// A `struct klp_func`: name, offset of the replacement, position.
type Function = (Option<&'static str>, Option<usize>, u64);

/// What is written.
struct Patch {
    objects: Vec<(Option<&'static str>, Vec<Function>)>,
    /// Whether every field is one that an author would write.
    plain: bool,
}

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let machine = choices.pick(machines());
    let said = choices.byte() % 8 != 7;
    let layout = [&USUAL, &USUAL, &LARGE, &EXTERNAL][choices.below(4)];
    let mut patch = Patch::new(&mut choices);
    patch.plain &= said;
    let file = file(machine, layout, &patch, said, &mut choices);
    let module = Module::parse(&file).unwrap();
    let tables = Tables::of(&module, machine);
    if patch.plain {
        let expected: Vec<_> = patch
            .objects
            .iter()
            .map(|(name, functions)| {
                let functions = functions.iter().map(|(name, at, position)| {
                    (name.map(str::as_bytes), at.map(|at| u64::try_from(at).unwrap()), *position)
                });
                (name.map(str::as_bytes), functions.collect::<Vec<_>>())
            })
            .collect();
        let read: Vec<_> = tables
            .objects()
            .iter()
            .map(|object| {
                let functions = object.functions.iter();
                let functions =
                    functions.map(|f| (f.old_name, f.new_func.map(|at| at.offset), f.old_sympos));
                (object.name, functions.collect::<Vec<_>>())
            })
            .collect();
        assert!(matches!(tables, Tables::Static(_)), "not seen");
        assert_eq!(read, expected);
    }
    let patched = PatchedObjects::by(&tables, &PatchedObjects::default());
    for object in tables.objects() {
        assert!(object.object().is_none_or(|name| patched.opens(&name)));
        assert!(object.callbacks.len() <= 4 && object.functions.len() <= file.len());
    }
    crate::convert::run(&[&file, LIST.as_bytes()].concat());
    // It takes as long as everything else.
    if data.len().is_multiple_of(4) {
        crate::load::check(&file, false);
    }
}

impl Patch {
    fn new(choices: &mut Choices<'_>) -> Self {
        let mut plain = true;
        let mut odd = |choices: &mut Choices<'_>| {
            let odd = choices.seldom();
            plain &= !odd;
            odd
        };
        let mut objects = Vec::new();
        let mut next = 0;
        for _ in 0..=choices.below(COUNT) {
            let name = [None, Some("target"), Some("other"), Some("absent")][objects.len() % COUNT];
            let name = if odd(choices) {
                Some(choices.pick(&["vmlinux", "a-b", "", "a.b"]))
            } else {
                name
            };
            let mut functions = Vec::new();
            for _ in 0..=choices.below(COUNT) {
                let (_, old, position) = skeleton::named(choices, Some(name.unwrap_or("vmlinux")));
                let old = if odd(choices) { None } else { Some(old) };
                let new = if odd(choices) { None } else { Some(next * FUNCTION) };
                functions.push((old, new, u64::from(position)));
                next += 1;
            }
            objects.push((name, functions));
        }
        Self { objects, plain }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_property_holds_for_every_seed() {
        crate::replay("tables", super::run);
    }
}
