//! What happens when an object that a livepatch patches is unloaded and loaded again.
//!
//! The livepatch loads and works; it stays loaded while the object is reloaded at other addresses,
//! as are the modules that the object needs. Some kernels do not clear relocations, slots are
//! filled only once, and stubs are never freed: so the object is refused, or reached at its old
//! address, at its first reload or at a later one. Invariant: a count is exact if every reload is
//! at addresses that the object has never had; otherwise it can only be larger. Source:
//! `kernel/livepatch/core.c` (`klp_init_object_loaded`, `klp_cleanup_module_patches_limited`);
//! `stub_for_addr` of `arch/powerpc/kernel/module_64.c`; `apply_rela` of
//! `arch/s390/kernel/module.c`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use klp_arch::KernelError;

use super::remedy::says;
use crate::diagnostic::{Code, Diagnose};
use crate::name::ObjectName;

/// An object that does not survive every reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// The object.
    pub object: ObjectName,
    /// How many reloads succeed, each at new addresses.
    pub survives: u64,
    /// What happens at the next one.
    pub then: Aftermath,
}

/// What happens at a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aftermath {
    /// The kernel refuses the object, with this message.
    Refused(KernelError),
    /// The kernel writes one stub past the end of the room for stubs, without a check; the reload
    /// after that is refused, with this message.
    WritesBeyond(KernelError),
    /// The kernel would corrupt memory or skip something; the text says what.
    Wrong(String),
    /// Code still uses the old addresses of these symbols.
    Stale(Vec<String>),
}

impl Reload {
    /// An object that takes `taken` new stubs at each reload, when `left` are free after its first
    /// arrival; `refused`: the kernel's message when there is none. `None` if it takes no stubs.
    pub(crate) fn by_stubs(
        object: ObjectName,
        left: u64,
        taken: u64,
        refused: KernelError,
    ) -> Option<Self> {
        let survives = left.checked_div(taken)?;
        // The kernel checks for the end of the room before it reads a stub, not before it writes
        // one.
        let missing = taken - left % taken;
        let then = if missing == 1 { Aftermath::WritesBeyond } else { Aftermath::Refused };
        Some(Self { object, survives, then: then(refused) })
    }
}

/// The one warning about all objects of a livepatch; there is at least one.
pub(super) struct Reloads<'a>(pub(super) Vec<&'a Reload>);

/// Objects with the same outcome.
#[derive(Default)]
struct Group<'a> {
    reloads: Vec<&'a Reload>,
}

impl Reloads<'_> {
    fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        let mut groups: BTreeMap<_, Group<'_>> = BTreeMap::new();
        for &reload in &self.0 {
            let kind = match reload.then {
                Aftermath::Refused(_) => 0,
                Aftermath::WritesBeyond(_) => 1,
                Aftermath::Wrong(_) => 2,
                Aftermath::Stale(_) => 3,
            };
            groups.entry((reload.survives, kind)).or_default().reloads.push(reload);
        }
        groups.into_values()
    }
}

impl Group<'_> {
    /// The symbols that are reached at old addresses, each once.
    fn stale(&self) -> BTreeSet<&str> {
        let lists = self.reloads.iter().filter_map(|reload| match &reload.then {
            Aftermath::Stale(symbols) => Some(symbols),
            _ => None,
        });
        lists.flatten().map(String::as_str).collect()
    }

    fn sentence(&self) -> String {
        let Some(first) = self.reloads.first() else { return String::new() };
        let names = self.reloads.iter().map(|reload| format!("'{}'", reload.object));
        let (names, verb) =
            (list(names), if self.reloads.len() == 1 { "survives" } else { "survive" });
        let which = match first.survives {
            0 => format!("the first reload of {names}"),
            1 => format!("{names} {verb} 1 reload at new addresses, and the next"),
            count => format!("{names} {verb} {count} reloads at new addresses, and the next"),
        };
        match &first.then {
            Aftermath::Refused(_) => format!("{which} is refused"),
            Aftermath::WritesBeyond(_) => format!("{which} damages memory"),
            Aftermath::Wrong(_) => format!("{which} goes wrong"),
            Aftermath::Stale(_) => {
                let symbols = self.stale().len();
                let s = if symbols == 1 { "" } else { "s" };
                format!("{which} leaves code with the old address of {symbols} symbol{s}")
            }
        }
    }

    /// The outcome in detail.
    fn details(&self) -> Vec<String> {
        match self.reloads.first().map(|first| &first.then) {
            None => Vec::new(),
            Some(Aftermath::Refused(kernel)) => vec![says(kernel)],
            Some(Aftermath::WritesBeyond(kernel)) => vec![
                "the kernel writes a stub past the room that it reserved, without a check; the \
                 reload after that is refused"
                    .into(),
                says(kernel),
            ],
            Some(Aftermath::Wrong(why)) => vec![why.clone()],
            Some(Aftermath::Stale(_)) => vec![format!(
                "the kernel fills a slot only once; symbols reached through one: {}",
                list(self.stale())
            )],
        }
    }
}

/// How many names of a list are printed.
const SHOWN: usize = 8;

fn list<S: Into<String>>(names: impl IntoIterator<Item = S>) -> String {
    let mut names = names.into_iter().map(Into::into);
    let mut text = names.by_ref().take(SHOWN).collect::<Vec<String>>().join(", ");
    let more = names.count();
    if more != 0 {
        text += &format!(" and {more} more");
    }
    text
}

impl fmt::Display for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Reloads(vec![self]).fmt(f)
    }
}

impl fmt::Display for Reloads<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentences: Vec<String> = self.groups().map(|group| group.sentence()).collect();
        write!(f, "while the livepatch is loaded, {}", sentences.join("; "))
    }
}

impl Diagnose for Reloads<'_> {
    fn code(&self) -> Code {
        Code::Reload
    }

    fn help(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.groups().flat_map(|group| group.details()).collect();
        lines.push(
            "the livepatch itself loads; before reloading a module that it patches, remove the \
             livepatch, and load it again afterwards"
                .into(),
        );
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_stubs(left: u64, taken: u64) -> Option<Reload> {
        let refused = KernelError { errno: klp_arch::Errno::ENOENT, message: "no".into() };
        Reload::by_stubs("m".parse().unwrap(), left, taken, refused)
    }

    #[test]
    fn reloads_use_up_the_room_for_stubs_and_the_first_stub_too_many_is_written() {
        let of = |left, taken| {
            let reload = by_stubs(left, taken).unwrap();
            (reload.survives, matches!(reload.then, Aftermath::WritesBeyond(_)))
        };
        assert_eq!(by_stubs(7, 0), None);
        assert_eq!(
            [of(0, 2), of(1, 2), of(2, 2), of(3, 2)],
            [(0, false), (0, true), (1, false), (1, true)]
        );
        assert_eq!([of(0, 1), of(5, 1), of(5, 3)], [(0, true), (5, true), (1, true)]);
        assert_eq!(of(6, 3), (2, false));
    }

    #[test]
    fn one_warning_covers_all_objects() {
        let stale = Reload {
            object: "c".parse().unwrap(),
            survives: 0,
            then: Aftermath::Stale(vec!["x".into()]),
        };
        let refused =
            |object: &str| Reload { object: object.parse().unwrap(), ..by_stubs(4, 2).unwrap() };
        let all = [refused("a"), refused("b"), stale];
        let all = || Reloads(all.iter().collect());
        assert_eq!(
            all().to_string(),
            "while the livepatch is loaded, the first reload of 'c' leaves code with the old address of 1 \
             symbol; 'a', 'b' survive 2 reloads at new addresses, and the next is refused"
        );
        let help = all().help();
        assert_eq!(help.len(), 3, "{help:?}");
        assert!(help[0].ends_with("through one: x") && help[2].contains("remove the livepatch"));
        assert_eq!(help[1], "the kernel says: no (-ENOENT, 2)");
    }

    #[test]
    fn a_long_list_is_shortened() {
        let names: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        assert_eq!(list(&names), "0, 1, 2, 3, 4, 5, 6, 7 and 2 more");
        assert_eq!(list(&names[..8]), "0, 1, 2, 3, 4, 5, 6, 7");
    }
}
