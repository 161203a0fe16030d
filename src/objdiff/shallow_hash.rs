//! A number for what is in an atom, to find what is equal among many of one name.

use std::hash::Hasher;

use rustc_hash::FxHasher;

use super::atom::{AtomIndex, AtomKind};
use super::merged::start;
use super::object::Object;
use super::reference::Target;
use super::stem::stem;

/// How far what is referred to is looked into.
const DEPTH: usize = 2;
/// How much of each is: many may refer to one that is large.
const REFERENCES: usize = 16;
/// The same in bytes.
const BYTES: usize = 4096;

/// Equal for atoms that are equal as far as is looked. `known` gives the number in the old object of what has
/// a pair.
pub(super) fn shallow_hash(
    object: &Object<'_>,
    atom: AtomIndex,
    known: &dyn Fn(AtomIndex) -> Option<AtomIndex>,
) -> u64 {
    let mut hasher = FxHasher::default();
    add(object, atom, known, DEPTH, &mut hasher);
    hasher.finish()
}

fn add(
    object: &Object<'_>,
    index: AtomIndex,
    known: &dyn Fn(AtomIndex) -> Option<AtomIndex>,
    depth: usize,
    hasher: &mut FxHasher,
) {
    let Some(atom) = object.atom(index) else { return };
    let (references, bytes) = (object.references_of(atom), object.bytes(atom));
    let own = depth == DEPTH;
    // Without a name, it goes on to what is aligned.
    if atom.symbol.is_some() {
        hasher.write_u64(atom.span.end - atom.span.start);
    }
    // Distances that the assembler has resolved depend on the layout.
    if references.iter().all(|reference| reference.mask == [0; 4]) {
        let end =
            bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
        let end = if own { end } else { end.min(BYTES) };
        hasher.write(bytes.get(..end).unwrap_or(bytes));
    }
    for reference in references.iter().take(if own { usize::MAX } else { REFERENCES }) {
        hasher.write_u64(reference.offset - atom.span.start);
        hasher.write_u32(reference.kind);
        match reference.to {
            Target::Symbol { symbol, addend } => {
                hasher.write(object.module.symbol(symbol).map_or(&[], |symbol| symbol.name));
                hasher.write_i64(addend);
            }
            Target::Merged { section, offset } => {
                let class = object.classes.get(section).copied();
                let bytes =
                    class.and_then(|class| start(&object.module, class, section, offset, BYTES));
                hasher.write(bytes.unwrap_or_default());
            }
            Target::Place { offset, .. } => hasher.write_i64(offset),
            Target::Atom { atom: to, offset } => {
                hasher.write_i64(offset);
                let Some(target) = object.atom(to) else { continue };
                match known(to) {
                    Some(number) => hasher.write_u32(number),
                    None if target.kind == AtomKind::Diagnostic || target.kind.has_identity() => {
                        hasher.write(&stem(object.name(target)));
                    }
                    None if depth > 0 => add(object, to, known, depth - 1, hasher),
                    None => {}
                }
            }
        }
    }
}
