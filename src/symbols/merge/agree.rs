//! Two descriptions of one object: whether they agree, and their union.
//!
//! Below [`super::merged`]. Both list the symbols in the order in which the kernel counts, so
//! the n-th of a name is the same symbol in both. If a name occurs more often in one, or at another
//! address, they do not describe the same kernel, and no position of either can be trusted.
//! Invariant: the result of [`join`] does not depend on which of the two comes first.

use crate::symbols::Contradiction;
use std::cmp::Ordering;

use crate::path_text::path_text;
use crate::symbols::data::{Object, Symbol};
use crate::symbols::{Kind, Order, SymbolErrorKind};

/// The symbols that two descriptions of an object have in common, as indices in the second and in the
/// first.
pub(crate) type Pairs = Vec<(usize, usize)>;

/// Whether two descriptions are of the same object. The message is about the second one.
///
/// # Errors
/// [`SymbolErrorKind::Contradiction`].
pub(crate) fn agree(one: &Object, other: &Object) -> Result<Pairs, SymbolErrorKind> {
    let refuse = |what| {
        let (object, first) = (one.name.clone(), path_text(&one.by));
        Err(SymbolErrorKind::Contradiction { object, first, what: Box::new(what) })
    };
    if let (Some(this), Some(that)) = (&other.build_id, &one.build_id)
        && this != that
    {
        return refuse(Contradiction::BuildId(this.clone(), that.clone()));
    }
    if is_better_alone(one, other) {
        return Ok(Vec::new());
    }
    pair(other, one).or_else(refuse)
}

/// An alphabetical list also has an object's undefined symbols: any other description is better alone.
fn is_better_alone(one: &Object, other: &Object) -> bool {
    one.order != other.order && one.order.min(other.order) == Order::Alphabetical
}

/// The union of two that [`agree`]; it does not depend on which comes first.
pub(crate) fn join(one: Object, other: Object, pairs: Pairs) -> Object {
    if is_better_alone(&one, &other) {
        return if one.order > other.order { one } else { other };
    }
    let (stripped, full) = if names_files(&one) { (&other, &one) } else { (&one, &other) };
    let drops_files = is_twin(stripped, full);
    let (mut best, rest, flip) = if prefer(&one, &other) == Ordering::Greater {
        (one, other, true)
    } else {
        (other, one, false)
    };
    for (this, that) in pairs {
        let (to, from) = if flip { (that, this) } else { (this, that) };
        let known = (best.symbols.get(to).copied(), rest.symbols.get(from));
        if let (Some(symbol), Some(known)) = known {
            let filled = fill(&mut best, symbol, &rest, known);
            if let Some(symbol) = best.symbols.get_mut(to) {
                *symbol = filled;
            }
        }
    }
    if drops_files {
        best.symbols.retain(|symbol| !is_file(symbol));
    }
    best.promoted |= rest.promoted;
    best.build_id = best.build_id.or(rest.build_id);
    best.depends = best.depends.or(rest.depends);
    best.evidence = best.evidence.or(rest.evidence);
    best
}

/// Whether a symbol is the name of a source file, which the kernel counts like any other symbol of a
/// module.
fn is_file(symbol: &Symbol) -> bool {
    symbol.kind == Some(Kind::Marker)
}

fn names_files(object: &Object) -> bool {
    object.symbols.iter().any(is_file)
}

/// Whether one file is the output of `strip --strip-debug` for the build of the other, such as a file
/// of debug information: it has the same symbols without the names of source files. The kernel
/// loads the stripped one, and counts its symbols.
fn is_twin(stripped: &Object, full: &Object) -> bool {
    let same = stripped.build_id.is_some() && stripped.build_id == full.build_id;
    same && !full.name.is_vmlinux() && !names_files(stripped) && names_files(full)
}

/// Which of two descriptions knows more about each symbol; the path breaks a tie.
fn prefer(one: &Object, other: &Object) -> Ordering {
    let detail = |object: &Object| {
        let sized = object.symbols.iter().any(|symbol| symbol.size.is_some());
        (object.order, !object.moved, !object.units.is_empty(), sized)
    };
    detail(one).cmp(&detail(other)).then_with(|| other.by.cmp(&one.by))
}

/// A symbol, completed by what only the other description knows about it.
fn fill(to: &mut Object, symbol: Symbol, from: &Object, known: &Symbol) -> Symbol {
    let section =
        symbol.section.or_else(|| known.section.and_then(|span| to.keep(from.text(span))));
    Symbol {
        address: symbol.address.or(known.address.filter(|_| !from.moved)),
        size: symbol.size.or(known.size),
        binding: symbol.binding.or(known.binding),
        kind: symbol.kind.or(known.kind),
        letter: symbol.letter.or(known.letter),
        init: symbol.init || known.init,
        untraceable: symbol.untraceable || known.untraceable,
        section,
        ..symbol
    }
}

/// The indices of the same symbols in both descriptions.
fn pair(this: &Object, that: &Object) -> Result<Pairs, Contradiction> {
    // A loaded module shows only what stays.
    let loaded = this.order == Order::Loaded || that.order == Order::Loaded;
    let twins = is_twin(this, that) || is_twin(that, this);
    let counted = |object: &Object| {
        let kept = object.symbols.iter().enumerate();
        let mut kept: Vec<usize> = kept
            .filter(|(_, s)| (s.stays || !loaded) && !(twins && is_file(s)))
            .map(|(index, _)| index)
            .collect();
        kept.sort_by(|a, b| name_at(object, *a).cmp(name_at(object, *b)));
        kept
    };
    let (ours, theirs) = (counted(this), counted(that));
    let mut pairs = Vec::with_capacity(ours.len());
    let (mut ours, mut theirs) = (ours.as_slice(), theirs.as_slice());
    let mut shift = None;
    loop {
        let name = match (ours.first(), theirs.first()) {
            (None, None) => return Ok(pairs),
            (Some(a), None) => name_at(this, *a),
            (None, Some(b)) => name_at(that, *b),
            (Some(a), Some(b)) => name_at(this, *a).min(name_at(that, *b)),
        };
        let count = |object, indices: &[usize]| {
            indices.iter().take_while(|index| name_at(object, **index) == name).count()
        };
        let counts = (count(this, ours), count(that, theirs));
        let shown = || String::from_utf8_lossy(name).into_owned();
        if counts.0 != counts.1 {
            return Err(Contradiction::Homonyms { name: shown(), counts });
        }
        let (a, b) = (ours.split_at(counts.0), theirs.split_at(counts.1));
        for (position, (x, y)) in (1..).zip(a.0.iter().zip(b.0)) {
            let at = |object: &Object, i: usize| object.symbols.get(i).and_then(|s| s.address);
            if let (Some(x), Some(y)) = (at(this, *x), at(that, *y))
                && !loaded
            {
                let moved = this.moved != that.moved;
                let expected = *shift.get_or_insert(if moved { x.wrapping_sub(y) } else { 0 });
                // Absolute symbols are not shifted with the kernel.
                if x.wrapping_sub(y) != expected && !(moved && x == y) {
                    let (name, addresses) = (shown(), (x, y));
                    return Err(Contradiction::Address { name, position, addresses });
                }
            }
            pairs.push((*x, *y));
        }
        (ours, theirs) = (a.1, b.1);
    }
}

fn name_at(object: &Object, index: usize) -> &[u8] {
    object.symbols.get(index).map_or(&[], |symbol| object.text(symbol.name))
}
