//! The changes between two kernels for a person: what matters first, and no more of each object than is
//! read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::diagnostic::OneLine;
use crate::name::ObjectName;
use crate::symbols::{Change, Changed, Merged, is_generated};

/// How many changes of one kind are listed for a module, and how many vanished names for vmlinux, of which
/// all else is listed.
const LISTED: usize = 10;

/// What a change means for whoever carries a livepatch over; what matters most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
enum Kind {
    #[strum(serialize = "positions, or how many symbols have a name")]
    Counted,
    #[strum(serialize = "exports that went")]
    Unexported,
    #[strum(serialize = "exports that came")]
    Exported,
    #[strum(serialize = "positions that cannot be compared without source files")]
    Untold,
    #[strum(serialize = "names of modules that are gone")]
    Gone,
    #[strum(serialize = "names that vanished")]
    Vanished,
}

impl Kind {
    fn of(change: &Change) -> Self {
        match change {
            Change::Vanished => Self::Vanished,
            Change::Unexported => Self::Unexported,
            Change::Exported => Self::Exported,
            Change::Homonyms { before, now } if before == now => Self::Untold,
            Change::Ambiguous { .. }
            | Change::Unique
            | Change::Moved { .. }
            | Change::Homonyms { .. } => Self::Counted,
        }
    }
}

/// Changes by kind and object, vmlinux first. Its text is lines that end in line breaks.
pub(super) struct Overview {
    kinds: BTreeMap<Kind, BTreeMap<(bool, ObjectName), Vec<Changed>>>,
    /// Changes of names that are not shown.
    pub(super) left_out: usize,
}

impl Overview {
    pub(super) fn new(changes: Vec<Changed>, new: &Merged) -> Self {
        let objects: BTreeSet<&ObjectName> = new.objects().map(|object| &object.name).collect();
        let mut overview = Self { kinds: BTreeMap::new(), left_out: 0 };
        for changed in changes {
            if is_generated(&changed.name) {
                overview.left_out += 1;
                continue;
            }
            let gone = !objects.contains(&changed.object);
            let kind = if gone { Kind::Gone } else { Kind::of(&changed.change) };
            let object = (!changed.object.is_vmlinux(), changed.object.clone());
            overview.kinds.entry(kind).or_default().entry(object).or_default().push(changed);
        }
        overview
    }
}

impl fmt::Display for Overview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, objects) in &self.kinds {
            let count: usize = objects.values().map(Vec::len).sum();
            let plural = if objects.len() == 1 { "" } else { "s" };
            writeln!(f, "{kind}: {count} in {} object{plural}", objects.len())?;
            for ((_, object), changes) in objects {
                if *kind == Kind::Gone {
                    writeln!(f, "  {}: gone, with {} names", OneLine(object), changes.len())?;
                    continue;
                }
                let whole = object.is_vmlinux() && *kind != Kind::Vanished;
                let listed = if whole { changes.len() } else { LISTED };
                for change in changes.iter().take(listed) {
                    writeln!(f, "  {}", OneLine(change))?;
                }
                if let Some(more) = changes.len().checked_sub(listed).filter(|more| *more > 0) {
                    writeln!(f, "  {}: and {more} more: --all", OneLine(object))?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::symbols::{Object, Order, SymbolData};

    fn changed(object: &str, name: &str, change: Change) -> Changed {
        Changed { name: name.into(), object: object.parse().unwrap(), change }
    }

    fn overview(changes: Vec<Changed>) -> Overview {
        let mut new = Merged::default();
        let objects = ["vmlinux", "ext4", "abc"]
            .map(|name| Object::new(name.parse().unwrap(), Path::new("new"), Order::Proven));
        let data = SymbolData { objects: objects.into(), ..SymbolData::default() };
        new.add(data, Path::new("new")).unwrap();
        Overview::new(changes, &new)
    }

    #[test]
    fn what_matters_stands_first_and_vmlinux_before_modules() {
        let text = overview(vec![
            changed("abc", "a", Change::Vanished),
            changed("vmlinux", "b", Change::Homonyms { before: 2, now: 2 }),
            changed("vmlinux", "c", Change::Exported),
            changed("vmlinux", "cc", Change::Unexported),
            changed("abc", "d", Change::Unique),
            changed("vmlinux", "e", Change::Homonyms { before: 2, now: 3 }),
            changed("left", "f", Change::Vanished),
            changed("left", "g", Change::Vanished),
        ])
        .to_string();
        assert_eq!(
            text,
            "positions, or how many symbols have a name: 2 in 2 objects\n\
             \x20 vmlinux: e: 2 symbols before, 3 now\n\
             \x20 abc: d: became unique\n\
             exports that went: 1 in 1 object\n\
             \x20 vmlinux: cc: is no longer exported\n\
             exports that came: 1 in 1 object\n\
             \x20 vmlinux: c: became exported\n\
             positions that cannot be compared without source files: 1 in 1 object\n\
             \x20 vmlinux: b: 2 symbols, which cannot be distinguished without source files\n\
             names of modules that are gone: 2 in 1 object\n\
             \x20 left: gone, with 2 names\n\
             names that vanished: 1 in 1 object\n\
             \x20 abc: a: vanished\n"
        );
    }

    #[test]
    fn names_that_compilers_make_are_counted_and_not_shown() {
        let all = overview(vec![
            changed("vmlinux", "lock.1", Change::Homonyms { before: 1, now: 2 }),
            changed("left", ".LC0", Change::Vanished),
            changed("ext4", "__pfx_f", Change::Vanished),
        ]);
        assert_eq!((all.left_out, all.to_string().as_str()), (3, ""));
    }

    #[test]
    fn of_a_module_ten_changes_of_a_kind_are_listed_and_the_rest_counted() {
        let of = |object, count, change: Change| {
            (0..count).map(|n| changed(object, &format!("f{n}"), change.clone())).collect()
        };
        let some = |count| of("ext4", count, Change::Vanished);
        let ten = overview(some(10)).to_string();
        assert_eq!(ten.lines().count(), 11);
        assert!(!ten.contains("more"), "{ten}");
        let twelve = overview(some(12)).to_string();
        assert_eq!(twelve.lines().count(), 12);
        assert!(twelve.starts_with("names that vanished: 12 in 1 object\n"), "{twelve}");
        assert!(twelve.ends_with("\n  ext4: and 2 more: --all\n"), "{twelve}");
        for (change, lines) in [(Change::Vanished, 12), (Change::Exported, 13)] {
            let kernel = overview(of("vmlinux", 12, change)).to_string();
            assert_eq!(kernel.lines().count(), lines, "{kernel}");
        }
    }
}
