//! Several sources of one kernel, merged.
//!
//! Between what each source provides and its use: an answer about some names, or a map of
//! all. Where two describe one object, an alphabetical list gives way to a better order
//! ([`Order`](crate::symbols::Order)); all others must agree ([`super::agree`]), and each fills in what the other
//! lacks. Invariant: the result does not depend on the order of adding.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, hash_map};
use std::path::Path;
use std::sync::Arc;

use super::agree::{agree, join};
use super::exporters::Exporters;
use crate::name::ObjectName;
use crate::symbols::data::KnownObjects;
use crate::symbols::error::ExportContradiction;
use crate::symbols::{
    Evidence, Export, KernelIdentity, Object, Siblings, SymbolData, SymbolError, SymbolErrorKind,
    Witness,
};

/// The contents of several sources of one kernel.
#[derive(Debug, Default)]
pub struct Merged {
    pub(crate) kernel: KernelIdentity,
    pub(crate) objects: BTreeMap<ObjectName, Object>,
    pub(crate) exports: HashMap<String, Exporters>,
    pub(crate) known: Vec<UnreadSource>,
    /// What modules reveal that are known but were not read.
    pub(crate) witnesses: Vec<Witness>,
    pub(crate) any: bool,
}

/// The objects of one source, and those of them that were read.
#[derive(Debug)]
pub(crate) struct UnreadSource {
    pub(crate) objects: Arc<dyn KnownObjects>,
    read: HashSet<ObjectName>,
}

impl Merged {
    /// Adds the data of the source `by`: all of it or, if it contradicts the others, nothing.
    ///
    /// # Errors
    /// [`SymbolErrorKind::Disagree`], [`SymbolErrorKind::Contradiction`] and
    /// [`SymbolErrorKind::ExportContradiction`] if it contradicts another source.
    pub fn add(&mut self, data: SymbolData, by: &Path) -> Result<(), SymbolError> {
        self.any = true;
        let fail = |kind| SymbolError::new(by, kind);
        let mut kernel = self.kernel.clone();
        kernel.join(data.kernel).map_err(fail)?;
        let common = |object: &Object| match self.objects.get(&object.name) {
            Some(known) => agree(known, object).map(Some),
            None => Ok(None),
        };
        let common: Result<Vec<_>, _> = data.objects.iter().map(common).collect();
        let common = common.map_err(fail)?;
        self.check_exports(&data.exports).map_err(fail)?;
        self.kernel = kernel;
        self.witnesses.extend_from_slice(&data.witnesses);
        if let Some(objects) = data.known {
            let read = data.objects.iter().map(|object| object.name.clone()).collect();
            self.known.push(UnreadSource { objects, read });
        }
        for (object, pairs) in data.objects.into_iter().zip(common) {
            let name = object.name.clone();
            let object = match (self.objects.remove(&name), pairs) {
                (Some(known), Some(pairs)) => join(known, object, pairs),
                _ => object,
            };
            self.objects.insert(name, object);
        }
        self.exports.reserve(data.exports.len());
        let exports = data.exports.into_iter();
        exports.for_each(|(name, export)| Exporters::put(&mut self.exports, name, export));
        Ok(())
    }

    /// The kernel.
    #[must_use]
    pub fn kernel(&self) -> &KernelIdentity {
        &self.kernel
    }

    /// The objects, sorted by name.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    /// One object.
    #[must_use]
    pub fn object(&self, name: &ObjectName) -> Option<&Object> {
        self.objects.get(name)
    }

    /// Every export with its name, in no particular order.
    pub fn exports(&self) -> impl Iterator<Item = (&str, &Export)> {
        let all = self.exports.iter();
        all.flat_map(|(name, owners)| owners.iter().map(|export| (name.as_str(), export)))
    }

    /// What the modules' files reveal about the kernel: equal evidence grouped, in order.
    #[must_use]
    pub fn witnesses(&self) -> Vec<Witness> {
        let mut all: BTreeMap<&Evidence, (u64, &ObjectName)> = BTreeMap::new();
        let with_evidence =
            self.objects.values().filter_map(|o| Some((o.evidence.as_ref()?, 1, &o.name)));
        let known = self.witnesses.iter().map(|w| (&w.evidence, w.modules, &w.first));
        for (evidence, modules, name) in with_evidence.chain(known) {
            let (count, first) = all.entry(evidence).or_insert((0, name));
            *count = count.saturating_add(modules);
            *first = (*first).min(name);
        }
        let witness = |(evidence, (modules, first)): (&Evidence, (u64, &ObjectName))| Witness {
            evidence: evidence.clone(),
            modules,
            first: first.clone(),
        };
        all.into_iter().map(witness).collect()
    }

    /// What the modules prove about the kernel.
    #[must_use]
    pub fn siblings(&self) -> Siblings {
        Siblings::of(&self.witnesses(), self.kernel.release.as_deref())
    }

    /// Whether an object exports a name.
    #[must_use]
    pub fn is_exported(&self, name: &str, owner: &ObjectName) -> bool {
        self.exports.get(name).is_some_and(|owners| owners.get(owner).is_some())
    }

    /// Checks the description of each object against the sources that have it without any of the names.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub(crate) fn settle(&mut self) -> Result<(), SymbolError> {
        for known in &self.known {
            for object in self.objects.values_mut() {
                if !known.read.contains(&object.name)
                    && let Some(empty) = known.objects.find(&object.name)
                {
                    let pairs = agree(object, &empty);
                    let pairs = pairs.map_err(|kind| SymbolError::new(&empty.by, kind))?;
                    *object = join(object.clone(), empty, pairs);
                }
            }
        }
        Ok(())
    }

    /// Whether these exports agree with each other and with those already added.
    fn check_exports(&self, exports: &[(String, Export)]) -> Result<(), SymbolErrorKind> {
        let mut seen: HashMap<(&str, &ObjectName), Cow<'_, Export>> = HashMap::new();
        for (name, export) in exports {
            if let Some(known) = self.exports.get(name).and_then(|o| o.get(&export.owner)) {
                known.agree(export, name)?;
            }
            match seen.entry((name, &export.owner)) {
                hash_map::Entry::Vacant(entry) => {
                    entry.insert(Cow::Borrowed(export));
                }
                // Missing information contradicts nothing, but the next description may contradict either.
                hash_map::Entry::Occupied(mut entry) => {
                    entry.get().agree(export, name)?;
                    entry.get_mut().to_mut().join(export.clone());
                }
            }
        }
        Ok(())
    }
}

impl Export {
    /// Whether two descriptions of an export agree in what both know.
    fn agree(&self, other: &Self, name: &str) -> Result<(), SymbolErrorKind> {
        let kind =
            |gpl: bool| if gpl { "for GPL modules only" } else { "for all modules" }.to_owned();
        let crc = |crc: u32| format!("with CRC {crc:#010x}");
        let within = |namespace: &str| match namespace {
            "" => "in no namespace".to_owned(),
            _ => format!("in namespace '{namespace}'"),
        };
        let differ = |this, that| {
            let (name, owner) = (name.to_owned(), self.owner.clone());
            let contradiction = ExportContradiction { name, owner, this, that };
            Err(SymbolErrorKind::ExportContradiction(Box::new(contradiction)))
        };
        if let (Some(that), Some(this)) = (self.gpl, other.gpl)
            && this != that
        {
            return differ(kind(this), kind(that));
        }
        if let (Some(that), Some(this)) = (&self.namespace, &other.namespace)
            && this != that
        {
            return differ(within(this), within(that));
        }
        match (self.crc, other.crc) {
            (Some(that), Some(this)) if this != that => differ(crc(this), crc(that)),
            _ => Ok(()),
        }
    }

    /// Fills in what another description, which [agrees](Self::agree), knows.
    pub(super) fn join(&mut self, other: Self) {
        self.gpl = self.gpl.or(other.gpl);
        self.namespace = self.namespace.take().or(other.namespace);
        self.crc = self.crc.or(other.crc);
    }
}

impl KernelIdentity {
    /// Adds what another source records about the kernel.
    fn join(&mut self, other: Self) -> Result<(), SymbolErrorKind> {
        let differ = |what, this, that| Err(SymbolErrorKind::Disagree { what, this, that });
        match (other.machine, self.machine) {
            (Some(this), Some(that)) if this != that => {
                return differ("machine", format!("{this:#x}"), format!("{that:#x}"));
            }
            (this, that) => self.machine = that.or(this),
        }
        match (other.endian, self.endian) {
            (Some(this), Some(that)) if this != that => {
                return differ("byte order", format!("{this:?}"), format!("{that:?}"));
            }
            (this, that) => self.endian = that.or(this),
        }
        match (other.kallsyms_all, self.kallsyms_all) {
            (Some(this), Some(that)) if this != that => {
                return differ("CONFIG_KALLSYMS_ALL", this.to_string(), that.to_string());
            }
            (this, that) => self.kallsyms_all = that.or(this),
        }
        match (other.release, &self.release) {
            (Some(this), Some(that)) if this != *that => {
                return differ("release", this, that.clone());
            }
            (this, None) => self.release = this,
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
