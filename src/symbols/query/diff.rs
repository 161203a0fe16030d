//! Which names changed their meaning between two kernels.
//!
//! For porting a livepatch from one kernel to the next. A symbol among several of one name is
//! recognised by its source file; if the sources record none, positions cannot be compared, which
//! is reported ([`Change::Homonyms`]). New names are not a change: nothing used them.

use std::collections::HashMap;
use std::fmt;

use crate::name::ObjectName;
use crate::symbols::{Merged, Object, Symbol};

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The object no longer has it.
    Vanished,
    /// It was unique in the whole kernel and no longer is.
    Ambiguous {
        /// How many symbols have the name now.
        candidates: usize,
    },
    /// It has become unique in the whole kernel.
    Unique,
    /// The same symbol has another position.
    Moved {
        /// The source file by which it is recognised.
        file: String,
        /// Its position before.
        before: usize,
        /// Its position now.
        now: usize,
    },
    /// The object has more or fewer of them, or as many that cannot be matched.
    Homonyms {
        /// How many there were.
        before: usize,
        /// How many there are.
        now: usize,
    },
    /// It is exported now.
    Exported,
    /// It is no longer exported.
    Unexported,
}

/// One name that changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Changed {
    /// The name.
    pub name: String,
    /// The object that has it.
    pub object: ObjectName,
    /// What changed.
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
                write!(f, "position {before} is now position {now} ({file})")
            }
            Change::Homonyms { before, now } if before == now => {
                write!(f, "{now} symbols, which cannot be distinguished without source files")
            }
            Change::Homonyms { before, now } => write!(f, "{before} symbols before, {now} now"),
            Change::Exported => f.write_str("became exported"),
            Change::Unexported => f.write_str("is no longer exported"),
        }
    }
}

/// The symbols of each name, per object, sorted by object.
type Names<'a> = HashMap<&'a [u8], Vec<(&'a Object, Vec<&'a Symbol>)>>;

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
            match of(news, &object.name) {
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
            // A name that appeared or disappeared is another change.
            if known == [true, true] && !exported(to, &changed) {
                changes.push(changed);
            }
        }
    }
    changes.sort_unstable();
    changes
}

fn has(names: &Names<'_>, name: &str, owner: &ObjectName) -> bool {
    names.get(name.as_bytes()).is_some_and(|all| of(all, owner).is_some())
}

/// The symbols in one object: a name may be in all objects of a kernel.
fn of<'s, 'a>(
    all: &'s [(&'a Object, Vec<&'a Symbol>)],
    owner: &ObjectName,
) -> Option<&'s (&'a Object, Vec<&'a Symbol>)> {
    let at = all.binary_search_by(|(object, _)| object.name.cmp(owner)).ok()?;
    all.get(at)
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

/// The position of each source file's only symbol among homonyms; `None` for a file with several.
struct Files<'a>(HashMap<Option<&'a [u8]>, Option<usize>>);

impl<'a> Files<'a> {
    fn of(object: &'a Object, symbols: &[&Symbol]) -> Self {
        let mut files = HashMap::new();
        for (position, symbol) in (1..).zip(symbols) {
            let seen = files.entry(object.file(symbol));
            seen.and_modify(|only| *only = None).or_insert(Some(position));
        }
        Self(files)
    }

    fn only(&self, file: Option<&[u8]>) -> Option<usize> {
        self.0.get(&file).copied().flatten()
    }
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
    let (here, there) = (Files::of(object, symbols), Files::of(other, others));
    let mut unknown = false;
    for (position, symbol) in (1..).zip(symbols) {
        let file = object.file(symbol);
        match (file, here.only(file), there.only(file)) {
            (Some(file), Some(_), Some(now)) if now != position => add(Change::Moved {
                file: String::from_utf8_lossy(file).into_owned(),
                before: position,
                now,
            }),
            (Some(_), Some(_), _) => {}
            _ => unknown = true,
        }
    }
    if unknown && before == now && !is_one_build((object, symbols), (other, others)) {
        add(Change::Homonyms { before, now });
    }
}

/// Whether the symbols are from one build, and so equal one by one.
fn is_one_build(
    (object, symbols): (&Object, &[&Symbol]),
    (other, others): (&Object, &[&Symbol]),
) -> bool {
    if let (Some(one), Some(two)) = (&object.build_id, &other.build_id) {
        return one == two;
    }
    let same = |(a, b): (&&Symbol, &&Symbol)| {
        a.address.is_some() && (a.address, a.size) == (b.address, b.size)
    };
    object.name.is_vmlinux() && symbols.iter().zip(others).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::{BuildId, Export, Order, SymbolData};
    use std::path::Path;

    /// Name, source file, address.
    type Row = (&'static str, &'static str, u64);

    fn object(name: &str, rows: &[Row]) -> Object {
        let mut object = Object::new(name.parse().unwrap(), Path::new("source"), Order::Proven);
        for (name, file, address) in rows {
            let name = object.keep(name.as_bytes()).unwrap();
            let unit = (!file.is_empty()).then(|| {
                let file = object.keep(file.as_bytes()).unwrap();
                object.units.push(file);
                u32::try_from(object.units.len() - 1).unwrap()
            });
            let address = Some(*address);
            object.symbols.push(Symbol { unit, address, ..Symbol::named(name) });
        }
        object
    }

    fn kernel(objects: Vec<Object>, exports: &[(&str, &str)]) -> Merged {
        let export =
            |(name, owner): &(&str, &str)| ((*name).to_owned(), Export::by(owner.parse().unwrap()));
        let exports = exports.iter().map(export).collect();
        let mut merged = Merged::default();
        merged
            .add(SymbolData { objects, exports, ..SymbolData::default() }, Path::new("source"))
            .unwrap();
        merged
    }

    fn changes(old: &[Row], new: &[Row]) -> Vec<String> {
        let [old, new] = [old, new].map(|rows| kernel(vec![object("vmlinux", rows)], &[]));
        diff(&old, &new).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_missing_name_has_vanished_and_a_new_one_is_not_a_change() {
        let found = changes(&[("f", "a.c", 1), ("g", "a.c", 2)], &[("g", "a.c", 1), ("h", "", 2)]);
        assert_eq!(found, ["vmlinux: f: vanished"]);
        let old = kernel(vec![object("vmlinux", &[]), object("m", &[("f", "", 1)])], &[]);
        let new = kernel(vec![object("vmlinux", &[("f", "", 1)])], &[]);
        let found = diff(&old, &new);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].to_string(), "m: f: vanished");
    }

    #[test]
    fn a_symbol_in_any_object_makes_a_unique_name_ambiguous_and_back() {
        let one = [("f", "a.c", 1)];
        let two = [("f", "a.c", 1), ("f", "b.c", 2)];
        assert_eq!(changes(&one, &two), ["vmlinux: f: became ambiguous: 2 symbols have the name"]);
        assert_eq!(changes(&two, &one), ["vmlinux: f: became unique"]);
        let alone = kernel(vec![object("vmlinux", &one)], &[]);
        let beside = kernel(vec![object("vmlinux", &one), object("m", &one)], &[]);
        assert_eq!(diff(&alone, &beside)[0].change, Change::Ambiguous { candidates: 2 });
        let found = diff(&beside, &alone);
        let found: Vec<_> = found.iter().map(|c| (c.object.as_str(), &c.change)).collect();
        assert_eq!(found, [("m", &Change::Vanished), ("vmlinux", &Change::Unique)]);
        assert_eq!(diff(&beside, &beside), []);
    }

    #[test]
    fn a_symbol_among_homonyms_is_recognised_by_its_file() {
        let old = [("f", "a.c", 1), ("f", "b.c", 2)];
        let turned = changes(&old, &[("f", "b.c", 1), ("f", "a.c", 2)]);
        assert_eq!(
            turned,
            [
                "vmlinux: f: position 1 is now position 2 (a.c)",
                "vmlinux: f: position 2 is now position 1 (b.c)"
            ]
        );
        let more = changes(&old, &[("f", "0.c", 1), ("f", "a.c", 2), ("f", "b.c", 3)]);
        assert_eq!(
            more,
            [
                "vmlinux: f: position 1 is now position 2 (a.c)",
                "vmlinux: f: position 2 is now position 3 (b.c)",
                "vmlinux: f: 2 symbols before, 3 now"
            ]
        );
        assert!(changes(&old, &[("f", "a.c", 5), ("f", "b.c", 6)]).is_empty());
    }

    #[test]
    fn homonyms_without_files_are_distinguished_only_in_one_build() {
        let old = [("f", "", 1), ("f", "", 2)];
        let said = "vmlinux: f: 2 symbols, which cannot be distinguished without source files";
        assert_eq!(changes(&old, &[("f", "", 1), ("f", "", 3)]), [said]);
        assert!(changes(&old, &old).is_empty(), "nothing moved");
        let built = |id, rows: &[Row]| {
            let mut object = object("m", rows);
            object.build_id = Some(BuildId(vec![id]));
            kernel(vec![object], &[])
        };
        assert_eq!(diff(&built(1, &old), &built(1, &old)), []);
        let found = diff(&built(1, &old), &built(2, &old));
        assert_eq!(found[0].change, Change::Homonyms { before: 2, now: 2 });
    }

    #[test]
    fn homonyms_of_one_file_cannot_be_distinguished() {
        let old = [("f", "a.c", 1), ("f", "a.c", 2)];
        let found = changes(&old, &[("f", "a.c", 1), ("f", "a.c", 9)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("cannot be distinguished"));
    }

    #[test]
    fn changes_of_exports_are_reported_for_names_that_stay() {
        let objects = || vec![object("vmlinux", &[("f", "", 1), ("g", "", 2)])];
        let old = kernel(objects(), &[("f", "vmlinux"), ("gone", "vmlinux")]);
        let new = kernel(objects(), &[("g", "vmlinux"), ("came", "vmlinux"), ("f", "m")]);
        let found: Vec<_> = diff(&old, &new).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["vmlinux: f: is no longer exported", "vmlinux: g: became exported"]);
        assert_eq!(diff(&old, &new)[1].change, Change::Exported);
    }
}
