//! What the modules of a kernel together prove about it.
//!
//! The kernel compares a module with itself; every module that it loads reveals what it expects.
//! If there are modules built with the kernel, only they count: others may have another
//! configuration. Invariant: a fact is the value that most of those modules have, whatever
//! the order in which they were read; in a tie nothing is known.

use std::collections::BTreeMap;
use std::fmt;

use super::evidence::{Evidence, ModuleBtf};
use crate::name::ObjectName;

/// Evidence that some modules have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Witness {
    /// The evidence.
    pub evidence: Evidence,
    /// How many modules.
    pub modules: u64,
    /// The first of them by name.
    pub first: ObjectName,
}

/// Something that modules prove about their kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact<T> {
    /// What.
    pub value: T,
    /// How many modules have it.
    pub modules: u64,
    /// The first of them by name.
    pub first: ObjectName,
}

impl<T> Fact<T> {
    /// The proof: `proven by 4020 modules of this kernel, such as 'ext4'`.
    #[must_use]
    pub fn proof(&self) -> String {
        match self.modules {
            1 => format!("proven by '{}', a module of this kernel", self.first),
            many => format!("proven by {many} modules of this kernel, such as '{}'", self.first),
        }
    }
}

/// What the modules of a kernel prove about it; `None` where nothing is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Siblings {
    /// All of `vermagic`.
    pub vermagic: Option<Fact<String>>,
    /// `sizeof(struct module)`.
    pub module_size: Option<Fact<u64>>,
    /// `offsetof(struct module, init)`.
    pub init: Option<Fact<u64>>,
    /// `offsetof(struct module, exit)`.
    pub exit: Option<Fact<u64>>,
    /// Whether modules carry CRCs of their imports (`CONFIG_MODVERSIONS`).
    pub has_versions: Option<Fact<bool>>,
    /// Whether exports have flags in a section of their own (`__kflagstab`).
    pub has_flags: Option<Fact<bool>>,
    /// Whether modules carry BTF (`CONFIG_DEBUG_INFO_BTF_MODULES`).
    pub has_btf: Option<Fact<bool>>,
    /// Bytes of strings in the BTF of vmlinux, which split BTF is made against.
    pub btf_strings: Option<Fact<u32>>,
    /// Facts that are unknown because as many modules have one value as another.
    pub contested: Vec<&'static str>,
}

/// A difference between a module and what its siblings prove.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dissent {
    /// The subject.
    pub what: &'static str,
    /// The module's value.
    pub this: String,
    /// The kernel's value.
    pub that: String,
    /// The proof.
    pub proof: String,
}

impl fmt::Display for Dissent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, this, that, proof } = self;
        write!(f, "{what}: {this} here, {that} {proof}")
    }
}

const VERMAGIC: &str = "vermagic";
const MODULE_SIZE: &str = "size of struct module";
const INIT: &str = "offset of init in struct module";
const EXIT: &str = "offset of exit in struct module";
const VERSIONS: &str = "CRCs of imports";
const FLAGS: &str = "flags of exports in __kflagstab";
const BTF: &str = "BTF of modules";
const BTF_BASE: &str = "strings of the BTF of vmlinux";

impl Siblings {
    /// What these modules prove about the kernel of a release, if that is known.
    #[must_use]
    pub fn of(witnesses: &[Witness], release: Option<&str>) -> Self {
        let all: Vec<_> = witnesses.iter().filter(|w| is_of(&w.evidence, release)).collect();
        let in_tree: Vec<_> = all.iter().copied().filter(|w| w.evidence.in_tree).collect();
        let all = if in_tree.is_empty() { all } else { in_tree };
        let mut contested = Vec::new();
        let contest = &mut contested;
        let mut siblings = Self {
            vermagic: vote(&all, VERMAGIC, contest, |e| e.vermagic.clone()),
            module_size: vote(&all, MODULE_SIZE, contest, |e| e.module_size),
            init: vote(&all, INIT, contest, |e| e.init),
            exit: vote(&all, EXIT, contest, |e| e.exit),
            // A module may lack versions and BTF.
            has_versions: vote(&all, VERSIONS, &mut Vec::new(), |e| Some(e.has_versions)),
            has_flags: vote(&all, FLAGS, contest, |e| e.has_flags),
            has_btf: vote(&all, BTF, &mut Vec::new(), |e| Some(e.btf != ModuleBtf::Absent)),
            btf_strings: vote(&all, BTF_BASE, contest, |e| split(e.btf)),
            contested: Vec::new(),
        };
        siblings.contested = contested;
        siblings
    }

    /// Everything that is known, one line each, with its proof.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let offset = |offset: &u64| format!("{offset:#x}");
        let has = |has: &bool| if *has { "yes" } else { "no" }.to_owned();
        let all = [
            line(VERMAGIC, &self.vermagic, |text| format!("'{text}'")),
            line(MODULE_SIZE, &self.module_size, |size| format!("{size} bytes")),
            line(INIT, &self.init, offset),
            line(EXIT, &self.exit, offset),
            line(VERSIONS, &self.has_versions, has),
            line(FLAGS, &self.has_flags, has),
            line(BTF, &self.has_btf, has),
            line(BTF_BASE, &self.btf_strings, |size| format!("{size} bytes")),
        ];
        let contested =
            self.contested.iter().map(|what| format!("{what}: modules contradict each other"));
        all.into_iter().flatten().chain(contested).collect()
    }

    /// How a module of this kernel differs from the others in what the kernel checks.
    #[must_use]
    pub fn dissent(&self, evidence: &Evidence, release: Option<&str>) -> Vec<Dissent> {
        if !is_of(evidence, release) {
            return Vec::new();
        }
        let Evidence { vermagic, module_size, init, exit, has_flags, btf, .. } = evidence;
        let offset = |offset: &u64| format!("{offset:#x}");
        let all = [
            differ(VERMAGIC, vermagic, &self.vermagic, |text| format!("'{text}'")),
            differ(MODULE_SIZE, module_size, &self.module_size, |size| format!("{size} bytes")),
            differ(INIT, init, &self.init, offset),
            differ(EXIT, exit, &self.exit, offset),
            differ(FLAGS, has_flags, &self.has_flags, |has| {
                if *has { "yes" } else { "no" }.to_owned()
            }),
            differ(BTF_BASE, &split(*btf), &self.btf_strings, |size| format!("{size} bytes")),
        ];
        all.into_iter().flatten().collect()
    }
}

/// Whether a module is of a release; true if either is unknown.
fn is_of(evidence: &Evidence, release: Option<&str>) -> bool {
    evidence.release().zip(release).is_none_or(|(built_for, release)| built_for == release)
}

/// Bytes of strings of the BTF that a module's BTF is based on.
fn split(btf: ModuleBtf) -> Option<u32> {
    match btf {
        ModuleBtf::Split(strings) => Some(strings),
        ModuleBtf::Absent | ModuleBtf::Present => None,
    }
}

/// The value that most modules have; without one, the subject is added to `contested`.
fn vote<T: Ord>(
    witnesses: &[&Witness],
    what: &'static str,
    contested: &mut Vec<&'static str>,
    show: impl Fn(&Evidence) -> Option<T>,
) -> Option<Fact<T>> {
    let mut votes: BTreeMap<T, (u64, &ObjectName)> = BTreeMap::new();
    for witness in witnesses {
        let Some(value) = show(&witness.evidence) else { continue };
        let (modules, first) = votes.entry(value).or_insert((0, &witness.first));
        *modules = modules.saturating_add(witness.modules);
        *first = (*first).min(&witness.first);
    }
    let most = votes.values().map(|(modules, _)| *modules).max()?;
    let mut winners = votes.into_iter().filter(|(_, (modules, _))| *modules == most);
    let (value, (modules, first)) = winners.next()?;
    if winners.next().is_some() {
        contested.push(what);
        return None;
    }
    Some(Fact { value, modules, first: first.clone() })
}

fn line<T>(what: &str, fact: &Option<Fact<T>>, show: impl Fn(&T) -> String) -> Option<String> {
    let fact = fact.as_ref()?;
    Some(format!("{what}: {}, {}", show(&fact.value), fact.proof()))
}

fn differ<T: PartialEq>(
    what: &'static str,
    this: &Option<T>,
    fact: &Option<Fact<T>>,
    show: impl Fn(&T) -> String,
) -> Option<Dissent> {
    let (this, fact) = this.as_ref().zip(fact.as_ref())?;
    (*this != fact.value).then(|| Dissent {
        what,
        this: show(this),
        that: show(&fact.value),
        proof: fact.proof(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn witness(first: &str, modules: u64, evidence: Evidence) -> Witness {
        Witness { evidence, modules, first: first.parse().unwrap() }
    }

    fn sized(release: &str, in_tree: bool, size: u64) -> Evidence {
        let (vermagic, module_size) = (Some(format!("{release} SMP ")), Some(size));
        Evidence { vermagic, in_tree, module_size, ..Evidence::default() }
    }

    fn size(witnesses: &[Witness], release: Option<&str>) -> Option<(u64, u64, String)> {
        let fact = Siblings::of(witnesses, release).module_size?;
        Some((fact.value, fact.modules, fact.first.to_string()))
    }

    #[test]
    fn the_majority_of_modules_decides() {
        let all = [
            witness("c", 3, sized("7.2", false, 0x500)),
            witness("a", 1, sized("7.2", false, 0x4c0)),
            witness("b", 1, Evidence { has_versions: true, ..sized("7.2", false, 0x500) }),
        ];
        assert_eq!(size(&all, Some("7.2")), Some((0x500, 4, "b".into())));
        assert_eq!(size(&[], Some("7.2")), None);
    }

    #[test]
    fn modules_built_with_the_kernel_outweigh_all_others() {
        let all = [
            witness("ext4", 1, sized("7.2", true, 0x500)),
            witness("dkms", 9, sized("7.2", false, 0x4c0)),
        ];
        assert_eq!(size(&all, None), Some((0x500, 1, "ext4".into())));
        let siblings = Siblings::of(&all, None);
        assert!(siblings.dissent(&all[0].evidence, None).is_empty());
        let differences = siblings.dissent(&all[1].evidence, None);
        let differences: Vec<_> = differences.iter().map(ToString::to_string).collect();
        let proof = "proven by 'ext4', a module of this kernel";
        assert_eq!(
            differences,
            [format!("size of struct module: 1216 bytes here, 1280 bytes {proof}")]
        );
    }

    #[test]
    fn modules_of_another_release_prove_nothing_and_contradict_nothing() {
        let old = sized("5.14", true, 0x4c0);
        let all = [witness("a", 9, old.clone()), witness("b", 1, sized("7.2", false, 0x500))];
        assert_eq!(size(&all, Some("7.2")), Some((0x500, 1, "b".into())));
        assert!(Siblings::of(&all, Some("7.2")).dissent(&old, Some("7.2")).is_empty());
        assert_eq!(size(&all[..1], Some("7.2")), None);
    }

    #[test]
    fn a_tie_proves_nothing_and_is_reported() {
        let all = [
            witness("a", 2, sized("7.2", false, 0x4c0)),
            witness("b", 1, sized("7.2", false, 0x500)),
            witness("c", 1, Evidence { has_versions: true, ..sized("7.2", false, 0x500) }),
        ];
        let siblings = Siblings::of(&all, None);
        assert_eq!((siblings.module_size, siblings.contested), (None, vec![MODULE_SIZE]));
    }

    #[test]
    fn modules_may_have_versions_and_btf_or_not() {
        let (with, without) = (
            Evidence { has_versions: true, btf: ModuleBtf::Present, ..sized("7.2", true, 1) },
            sized("7.2", true, 1),
        );
        let all = [witness("a", 1, with), witness("b", 1, without)];
        let siblings = Siblings::of(&all, None);
        assert_eq!((&siblings.has_btf, &siblings.has_versions), (&None, &None));
        assert!(siblings.contested.is_empty());
        assert!(all.iter().all(|w| siblings.dissent(&w.evidence, None).is_empty()));
    }

    #[test]
    fn everything_that_the_kernel_checks_is_compared() {
        let kernel = Evidence {
            init: Some(0x130),
            exit: Some(0x4c0),
            has_flags: Some(true),
            btf: ModuleBtf::Split(1000),
            ..sized("7.2", true, 0x500)
        };
        let siblings = Siblings::of(&[witness("a", 2, kernel.clone())], None);
        let changes: [fn(&mut Evidence); 6] = [
            |e| e.vermagic = Some("7.2 SMP preempt ".into()),
            |e| e.module_size = Some(1),
            |e| e.init = Some(1),
            |e| e.exit = Some(1),
            |e| e.has_flags = Some(false),
            |e| e.btf = ModuleBtf::Split(1001),
        ];
        for (change, line) in changes.into_iter().zip(siblings.lines()) {
            let mut other = kernel.clone();
            change(&mut other);
            assert_eq!(siblings.dissent(&other, None).len(), 1, "{line}");
        }
        // Evidence that a module lacks contradicts nothing.
        assert!(siblings.dissent(&Evidence::default(), None).is_empty());
        assert_eq!(siblings.lines().len(), 8);
    }
}
