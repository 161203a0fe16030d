//! Which names changed their meaning between two kernels.
//!
//! For whoever carries a livepatch from one kernel to the next. A symbol among several of one name is
//! known again by its source file; where the sources know none, positions cannot be compared, and that
//! is said ([`Change::Homonyms`]), too. New names are no change: nothing used them.

use std::fmt;

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::{Merged, Object, Symbol};
use crate::klp::ObjectName;

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// The object does not have it any more.
    Vanished,
    /// It was unique in the whole kernel and is not any more.
    Ambiguous {
        /// How many symbols have the name now.
        candidates: usize,
    },
    /// It is unique in the whole kernel now.
    Unique,
    /// The same symbol has another position.
    Moved {
        /// The source file by which it is known again.
        file: String,
        /// Its position before.
        before: usize,
        /// Its position now.
        now: usize,
    },
    /// The object has more or fewer of them, or as many, of which nobody can say which is which.
    Homonyms {
        /// How many there were.
        before: usize,
        /// How many there are.
        now: usize,
    },
    /// It is exported now.
    Exported,
    /// It is not exported any more.
    Unexported,
}

/// One name that changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Changed {
    /// The name.
    pub name: String,
    /// The object that has it.
    pub object: ObjectName,
    /// What changed.
    #[serde(flatten)]
    pub change: Change,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, object, change } = self;
        write!(f, "{object}: {name}: ")?;
        match change {
            Change::Vanished => f.write_str("vanished"),
            Change::Ambiguous { candidates } => {
                write!(f, "became ambiguous: {candidates} symbols have the name")
            }
            Change::Unique => f.write_str("became unique"),
            Change::Moved { file, before, now } => {
                write!(f, "position {before} is position {now} now ({file})")
            }
            Change::Homonyms { before, now } if before == now => {
                write!(f, "{now} symbols, which cannot be told apart without source files")
            }
            Change::Homonyms { before, now } => write!(f, "{before} symbols before, {now} now"),
            Change::Exported => f.write_str("became exported"),
            Change::Unexported => f.write_str("is not exported any more"),
        }
    }
}

/// The symbols of each name, per object.
type Names<'a> = FxHashMap<&'a [u8], Vec<(&'a Object, Vec<&'a Symbol>)>>;

/// All changes, sorted by name.
#[must_use]
pub fn diff(old: &Merged, new: &Merged) -> Vec<Changed> {
    let (before, now) = (names(old), names(new));
    let mut changes = Vec::new();
    for (name, olds) in &before {
        let news = now.get(name).map_or(&[][..], Vec::as_slice);
        let shown = String::from_utf8_lossy(name);
        let mut add = |object: &Object, change| {
            let (name, object) = (shown.clone().into_owned(), object.name.clone());
            changes.push(Changed { name, object, change });
        };
        let count = |all: &[(&Object, Vec<&Symbol>)]| all.iter().map(|(_, s)| s.len()).sum();
        let counts: (usize, usize) = (count(olds), count(news));
        for (object, symbols) in olds {
            match news.iter().find(|(n, _)| n.name == object.name) {
                None => add(object, Change::Vanished),
                Some((other, others)) if counts.0 > 1 && counts.1 > 1 => {
                    compare((object, symbols), (other, others), &mut |change| add(object, change));
                }
                Some(_) if counts.0 > 1 => add(object, Change::Unique),
                Some(_) if counts.1 > 1 => {
                    add(object, Change::Ambiguous { candidates: counts.1 });
                }
                Some(_) => {}
            }
        }
    }
    let exported =
        |merged: &Merged, changed: &Changed| merged.is_exported(&changed.name, &changed.object);
    for (from, to, change) in [(new, old, Change::Exported), (old, new, Change::Unexported)] {
        for (name, export) in from.exports() {
            let known = [&before, &now].map(|names| has(names, name, &export.owner));
            let (name, object) = (name.to_owned(), export.owner.clone());
            let changed = Changed { name, object, change: change.clone() };
            // What came or went altogether is another change.
            if known == [true, true] && !exported(to, &changed) {
                changes.push(changed);
            }
        }
    }
    changes.sort_unstable();
    changes
}

fn has(names: &Names<'_>, name: &str, owner: &ObjectName) -> bool {
    names.get(name.as_bytes()).is_some_and(|all| all.iter().any(|(o, _)| o.name == *owner))
}

fn names(merged: &Merged) -> Names<'_> {
    let mut names = Names::default();
    for object in merged.objects() {
        for symbol in &object.symbols {
            let objects = names.entry(object.text(symbol.name)).or_default();
            match objects.last_mut() {
                Some((last, symbols)) if last.name == object.name => symbols.push(symbol),
                _ => objects.push((object, vec![symbol])),
            }
        }
    }
    names
}

/// What changed among the symbols of one name in one object.
fn compare(
    (object, symbols): (&Object, &[&Symbol]),
    (other, others): (&Object, &[&Symbol]),
    add: &mut dyn FnMut(Change),
) {
    let (before, now) = (symbols.len(), others.len());
    if before == 1 && now == 1 {
        return;
    }
    if before != now {
        add(Change::Homonyms { before, now });
    }
    let mut unknown = false;
    for (position, symbol) in (1..).zip(symbols) {
        let file = object.file(symbol);
        let same = |object: &Object, all: &[&Symbol]| {
            let mut found = (1..).zip(all).filter(|(_, s)| object.file(s) == file);
            found.next().filter(|_| found.next().is_none()).map(|(position, _)| position)
        };
        match (file, same(object, symbols), same(other, others)) {
            (Some(file), Some(_), Some(now)) if now != position => add(Change::Moved {
                file: String::from_utf8_lossy(file).into_owned(),
                before: position,
                now,
            }),
            (Some(_), Some(_), _) => {}
            _ => unknown = true,
        }
    }
    if unknown && before == now {
        add(Change::Homonyms { before, now });
    }
}
