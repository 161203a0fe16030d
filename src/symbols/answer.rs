//! What the sources know about the wanted names, merged.
//!
//! Sources add objects, candidates and exports; resolution reads. Invariant: all candidates of a
//! name in one object come from one source, and stand in the order of their positions.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;
use scroll::Endian;
use serde::{Serialize, Serializer};

use super::SymbolErrorKind;
use crate::klp::{ObjectName, Position};

/// Start of the name of a symbol that marks an export: in objects before Linux 6.4, in linked files
/// still.
pub(super) const KSYMTAB_PREFIX: &str = "__ksymtab_";
/// The same in an object file of a newer kernel, from which modpost makes the former.
pub(super) const EXPORT_PREFIX: &str = "__export_symbol_";
/// Start of the name of the symbol at an export's namespace.
pub(super) const NAMESPACE_PREFIX: &str = "__kstrtabns_";
/// The most symbols of one name in one object. Kernels have some thousands (`__key`).
pub(super) const HOMONYMS_MAX: u32 = 1 << 16;

/// How well the order of symbols of one name is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// In the order in which the kernel counts: positions are right.
    Proven,
    /// From a list sorted by name: it proves how often a name occurs, not which one is first. Such
    /// lists also name what a module leaves undefined as if the module defined it.
    Alphabetical,
}

/// ELF symbol binding (`STB_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Binding {
    /// `STB_LOCAL`.
    Local,
    /// `STB_GLOBAL`.
    Global,
    /// `STB_WEAK`.
    Weak,
    /// Any other number.
    Other,
}

/// ELF symbol type (`STT_*`), as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `STT_FUNC`, or `STT_GNU_IFUNC`.
    Function,
    /// `STT_OBJECT`, or `STT_COMMON`.
    Object,
    /// `STT_NOTYPE`: labels of assembly and of linker scripts.
    Label,
    /// `STT_FILE` or `STT_SECTION`: counted by the kernel in modules, but has no address to use.
    Marker,
    /// Any other number.
    Other,
}

/// One symbol that the kernel would count when it looks for a name in an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The object that has it.
    pub object: ObjectName,
    /// Its name.
    pub name: String,
    /// Its rank among the symbols of this name in this object, from 1.
    pub position: NonZeroU32,
    /// How many symbols of this name the object has.
    pub homonyms: u32,
    /// For a module: its rank once the module's init part is gone (`core_kallsyms`), `None` when it
    /// goes with that part. Elsewhere equal to `position`.
    pub live_position: Option<NonZeroU32>,
    /// Address in the linked kernel, or offset in the module's section.
    pub address: Option<u64>,
    /// Size in bytes.
    pub size: Option<u64>,
    /// The source file as the symbol table names it; local symbols only.
    pub file: Option<String>,
    /// Number of its translation unit: the `STT_FILE` symbol that it stands behind, counted in its
    /// object; local symbols only.
    pub unit: Option<u32>,
    /// Name of the section that holds it.
    pub section: Option<String>,
    /// Binding, when the source tells.
    pub binding: Option<Binding>,
    /// Type, when the source tells.
    pub kind: Option<Kind>,
    /// Whether it lies in memory that is freed after initialisation.
    pub init: bool,
    /// Whether `position` is proven.
    pub order: Order,
}

impl Candidate {
    /// The position to write: 0 where the name is unique in its object.
    #[must_use]
    pub fn klp_position(&self) -> Position {
        if self.homonyms == 1 { Position::Unique } else { Position::Nth(self.position) }
    }

    /// Whether the position means another symbol, or none, once the module's init part is gone.
    #[must_use]
    pub fn drifts(&self) -> bool {
        self.live_position != Some(self.position)
    }
}

/// An exported symbol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Export {
    /// The object that exports it.
    pub owner: ObjectName,
    /// Whether to GPL modules only; `None` where the source does not tell.
    pub gpl: Option<bool>,
    /// The namespace, without quotes; `None` for none.
    pub namespace: Option<String>,
}

impl Export {
    /// Whether only the modules that it names may use it (`EXPORT_SYMBOL_FOR_MODULES`): the
    /// namespace starts with `module:` (`verify_module_namespace` in `kernel/module/main.c`).
    #[must_use]
    pub fn for_modules_only(&self) -> bool {
        self.namespace.as_ref().is_some_and(|ns| ns.starts_with("module:"))
    }
}

/// What the sources say about the kernel itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Kernel {
    /// `uname -r`, such as `7.2.13`.
    pub release: Option<String>,
    /// `e_machine` of the ELF header.
    pub machine: Option<u16>,
    /// Byte order.
    #[serde(serialize_with = "byte_order")]
    pub endian: Option<Endian>,
}

fn byte_order<S: Serializer>(endian: &Option<Endian>, serializer: S) -> Result<S::Ok, S::Error> {
    let name = endian.map(|e| if e == Endian::Little { "little" } else { "big" });
    name.serialize(serializer)
}

/// Where an object was told, and how well.
#[derive(Debug, Clone)]
struct Told {
    by: PathBuf,
    order: Order,
}

/// All that the sources know about the wanted names.
#[derive(Debug, Default)]
pub struct Answer {
    kernel: Kernel,
    objects: BTreeMap<ObjectName, Told>,
    candidates: FxHashMap<String, Vec<Candidate>>,
    exports: FxHashMap<String, BTreeMap<ObjectName, Export>>,
    any: bool,
}

impl Answer {
    /// Every symbol of this name, grouped by object, in the order of positions.
    #[must_use]
    pub fn candidates(&self, name: &str) -> &[Candidate] {
        self.candidates.get(name).map_or(&[], Vec::as_slice)
    }

    /// The symbols of this name in one object, in the order of positions.
    pub fn candidates_in<'a>(
        &'a self,
        name: &str,
        object: &'a ObjectName,
    ) -> impl Iterator<Item = &'a Candidate> {
        self.candidates(name).iter().filter(move |c| c.object == *object)
    }

    /// Who exports this name. A vmlinux export stands first.
    #[must_use]
    pub fn export(&self, name: &str) -> Option<&Export> {
        let owners = self.exports.get(name)?;
        owners.get(&ObjectName::vmlinux()).or_else(|| owners.values().next())
    }

    /// Whether a source tells the symbols of this object.
    #[must_use]
    pub fn knows_object(&self, object: &ObjectName) -> bool {
        self.objects.contains_key(object)
    }

    /// The objects whose symbols are told, in alphabetical order.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectName> {
        self.objects.keys()
    }

    /// Whether any source answered at all.
    #[must_use]
    pub fn has_sources(&self) -> bool {
        self.any
    }

    /// What the sources say about the kernel.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Notes that a source has answered; every source calls it.
    ///
    /// # Errors
    /// [`SymbolErrorKind::Disagree`] when an earlier source spoke of another kernel.
    pub fn note(&mut self, kernel: Kernel) -> Result<(), SymbolErrorKind> {
        self.any = true;
        let known = &mut self.kernel;
        let differ = |what, this, that| Err(SymbolErrorKind::Disagree { what, this, that });
        match (kernel.machine, known.machine) {
            (Some(this), Some(that)) if this != that => {
                return differ("machine", format!("{this:#x}"), format!("{that:#x}"));
            }
            (this, that) => known.machine = that.or(this),
        }
        match (kernel.endian, known.endian) {
            (Some(this), Some(that)) if this != that => {
                return differ("byte order", format!("{this:?}"), format!("{that:?}"));
            }
            (this, that) => known.endian = that.or(this),
        }
        match (kernel.release, &known.release) {
            (Some(this), Some(that)) if this != *that => {
                return differ("release", this, that.clone());
            }
            (this, None) => known.release = this,
            _ => {}
        }
        Ok(())
    }

    /// Says that a source tells the symbols of an object. `false` when a better source already
    /// does: then its symbols are to be skipped.
    ///
    /// # Errors
    /// [`SymbolErrorKind::ObjectTwice`] when a source that is no better already does.
    pub fn object(
        &mut self,
        object: &ObjectName,
        by: &Path,
        order: Order,
    ) -> Result<bool, SymbolErrorKind> {
        match self.objects.get(object) {
            None => {
                self.objects.insert(object.clone(), Told { by: by.into(), order });
                Ok(true)
            }
            Some(told) if told.order == Order::Proven && order == Order::Alphabetical => Ok(false),
            Some(told) => {
                let first = told.by.display().to_string();
                Err(SymbolErrorKind::ObjectTwice { object: object.clone(), first })
            }
        }
    }

    /// Adds a symbol; those of one name and object are added in the order of positions.
    pub fn candidate(&mut self, candidate: Candidate) {
        self.candidates.entry(candidate.name.clone()).or_default().push(candidate);
    }

    /// Adds an export; what two sources tell about the same one is joined.
    pub fn exported(&mut self, name: &str, export: Export) {
        match self.exports.entry(name.into()).or_default().entry(export.owner.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(export);
            }
            Entry::Occupied(mut entry) => {
                let same = entry.get_mut();
                same.gpl = same.gpl.or(export.gpl);
                same.namespace = same.namespace.take().or(export.namespace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export(owner: &str, gpl: Option<bool>, namespace: Option<&str>) -> Export {
        Export { owner: owner.parse().unwrap(), gpl, namespace: namespace.map(str::to_owned) }
    }

    #[test]
    fn what_two_sources_tell_about_one_export_is_joined() {
        let mut answer = Answer::default();
        answer.exported("f", export("m", None, None));
        answer.exported("f", export("m", Some(true), Some("NS")));
        answer.exported("f", export("m", Some(false), None));
        assert_eq!(answer.export("f"), Some(&export("m", Some(true), Some("NS"))));
    }

    #[test]
    fn of_several_owners_vmlinux_goes_first_and_then_the_alphabet() {
        let mut answer = Answer::default();
        for owner in ["z", "a"] {
            answer.exported("f", export(owner, None, None));
        }
        assert_eq!(answer.export("f").unwrap().owner.as_str(), "a");
        answer.exported("f", export("vmlinux", None, None));
        assert!(answer.export("f").unwrap().owner.is_vmlinux());
    }

    #[test]
    fn what_is_known_of_the_kernel_is_not_forgotten() {
        let mut answer = Answer::default();
        let kernel = Kernel { release: Some("7.2".into()), machine: Some(22), endian: None };
        answer.note(kernel).unwrap();
        answer.note(Kernel { endian: Some(Endian::Big), ..Kernel::default() }).unwrap();
        let known = answer.kernel();
        assert_eq!((known.machine, known.endian), (Some(22), Some(Endian::Big)));
        assert_eq!(known.release.as_deref(), Some("7.2"));
        let other = Kernel { endian: Some(Endian::Little), ..Kernel::default() };
        assert!(answer.note(other).is_err());
    }
}
