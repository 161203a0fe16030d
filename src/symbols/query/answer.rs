//! What the sources know about the wanted names: candidates with their positions, and exports.
//!
//! Made from the merged sources, read by resolution. Invariant: the candidates of a name in one object
//! are in the order of their positions.

use crate::symbols::data::kind::HOMONYMS_MAX;
use crate::symbols::{Beside, Binding, Export, Kind, Order};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::candidates::{self, Candidates};
use crate::name::{ObjectName, Position, SYMBOL_NAME_MAX};
use crate::symbols::data::{BaseNames, KnownObjects, Object, Span, Symbol};
use crate::symbols::{Exporters, KernelIdentity, Merged, Siblings, SymbolError, SymbolErrorKind};

/// Longest name of a file or section to show (`NAME_MAX` of Linux).
const SHOWN_MAX: usize = 255;

/// One symbol that the kernel would count when it searches for a name in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The object that has it.
    pub object: ObjectName,
    /// Its name.
    pub name: String,
    /// Its rank among the symbols of this name in this object, from 1.
    pub position: NonZeroU32,
    /// How many symbols of this name the object has.
    pub homonyms: u32,
    /// For a module: its rank after the module's init part is freed (`core_kallsyms`), `None` if it is
    /// freed with that part. Otherwise equal to `position`.
    pub live_position: Option<NonZeroU32>,
    /// Address in the linked kernel, or offset in the module's section.
    pub address: Option<u64>,
    /// Size in bytes.
    pub size: Option<u64>,
    /// The source file, as the symbol source names it; often known for local symbols only.
    pub file: Option<String>,
    /// Index of its translation unit in its object, from 0; for local symbols that of the `STT_FILE`
    /// symbol that they follow. Only units from the same source can be compared.
    pub unit: Option<u32>,
    /// Name of the section that holds it.
    pub section: Option<String>,
    /// Binding, if known.
    pub binding: Option<Binding>,
    /// Type, if known.
    pub kind: Option<Kind>,
    /// The type letter in `/proc/kallsyms`, disregarding exports.
    pub letter: Option<u8>,
    /// Whether it is in memory that is freed after initialisation.
    pub init: bool,
    /// Whether it is a function that is known to have no ftrace call site, and cannot be patched
    /// (`ftrace_location`).
    pub untraceable: bool,
    /// Whether `position` is proven.
    pub order: Order,
    /// What is next to it in memory; looked for only where advice needs it.
    pub beside: OnceLock<Box<Beside>>,
}

impl Candidate {
    /// The position to write: 0 where the name is unique in its object.
    #[must_use]
    pub fn klp_position(&self) -> Position {
        if self.homonyms == 1 { Position::Unique } else { Position::Nth(self.position) }
    }

    /// Whether the position means another symbol, or none, after the module's init part is freed.
    #[must_use]
    pub fn drifts(&self) -> bool {
        self.live_position != Some(self.position)
    }
}

/// The source files that an object is made of, one for each translation unit that is told.
#[derive(Debug)]
struct SourceFiles {
    text: Vec<u8>,
    units: Vec<Span>,
}

impl SourceFiles {
    fn base_names(&self) -> BaseNames {
        BaseNames::of(self.units.iter().map(|file| file.of(&self.text)))
    }
}

/// Everything that the sources know about the wanted names.
#[derive(Debug, Default)]
pub struct Answer {
    kernel: KernelIdentity,
    objects: BTreeSet<ObjectName>,
    known: Vec<Arc<dyn KnownObjects>>,
    candidates: HashMap<String, Candidates>,
    exports: HashMap<String, Exporters>,
    depends: BTreeMap<ObjectName, Vec<ObjectName>>,
    files: BTreeMap<ObjectName, SourceFiles>,
    siblings: Arc<Siblings>,
    any: bool,
    /// Of each object that was asked for.
    base_names: Mutex<HashMap<ObjectName, BaseNames>>,
}

impl Answer {
    /// What the merged sources know about the names in their scope.
    ///
    /// # Errors
    /// [`SymbolErrorKind::TooMany`] if an object has more symbols of one name than any kernel.
    pub fn new(mut merged: Merged) -> Result<Self, SymbolError> {
        merged.settle()?;
        let siblings = Arc::new(merged.siblings());
        let Merged { kernel, objects, exports, known, any, .. } = merged;
        let known = known.into_iter().map(|known| known.objects).collect();
        let mut answer = Self { kernel, exports, known, siblings, any, ..Self::default() };
        // vmlinux first, as the kernel does.
        let (vmlinux, modules): (Vec<_>, Vec<_>) =
            objects.values().partition(|object| object.name.is_vmlinux());
        let mut candidates = HashMap::new();
        let mut objects_in_order = vmlinux.into_iter().chain(modules);
        objects_in_order.try_for_each(|object| read(object, &mut candidates))?;
        let shared = |(name, candidates): (String, Vec<_>)| (name, Candidates::from(candidates));
        answer.candidates = candidates.into_iter().map(shared).collect();
        for (name, object) in objects {
            answer.depends.extend(object.depends.map(|depends| (name.clone(), depends)));
            let files = SourceFiles { text: object.text, units: object.units };
            answer.files.insert(name.clone(), files);
            answer.objects.insert(name);
        }
        Ok(answer)
    }

    /// Every symbol of this name, grouped by object (vmlinux first), in the order of positions.
    #[must_use]
    pub fn candidates(&self, name: &str) -> &[Candidate] {
        self.symbols_named(name).map_or(&[], |candidates| &**candidates)
    }

    /// [`candidates`](Self::candidates), to keep.
    #[must_use]
    pub fn shared_candidates(&self, name: &str) -> Candidates {
        self.symbols_named(name).cloned().unwrap_or_default()
    }

    /// Names that no symbol can have are not even hashed: a module can have gigabytes of them.
    fn symbols_named(&self, name: &str) -> Option<&Candidates> {
        if name.len() > SYMBOL_NAME_MAX { None } else { self.candidates.get(name) }
    }

    /// The symbols of this name in one object, in the order of positions.
    pub fn candidates_in<'a>(
        &'a self,
        name: &str,
        object: &ObjectName,
    ) -> std::slice::Iter<'a, Candidate> {
        candidates::of(self.candidates(name), object).iter()
    }

    /// As [`symbols_named`](Self::symbols_named), for exports.
    fn exporters(&self, name: &str) -> Option<&Exporters> {
        if name.len() > SYMBOL_NAME_MAX { None } else { self.exports.get(name) }
    }

    /// The export of this name. One of vmlinux comes first.
    #[must_use]
    pub fn export(&self, name: &str) -> Option<&Export> {
        let owners = self.exporters(name)?;
        owners.get(&ObjectName::vmlinux()).or_else(|| owners.iter().next())
    }

    /// All exports of this name, vmlinux's first.
    pub fn exports(&self, name: &str) -> impl Iterator<Item = &Export> {
        let owners = self.exporters(name);
        let vmlinux = owners.and_then(|owners| owners.get(&ObjectName::vmlinux()));
        let modules = owners.into_iter().flat_map(Exporters::iter);
        vmlinux.into_iter().chain(modules.filter(|export| !export.owner.is_vmlinux()))
    }

    /// Whether a source describes this object.
    #[must_use]
    pub fn knows_object(&self, object: &ObjectName) -> bool {
        self.objects.contains(object) || self.known.iter().any(|k| k.find(object).is_some())
    }

    /// The objects that the sources describe, in alphabetical order.
    pub fn objects(&self) -> impl Iterator<Item = ObjectName> {
        let known = self.known.iter().flat_map(|known| known.names());
        self.objects.iter().cloned().chain(known).collect::<BTreeSet<_>>().into_iter()
    }

    /// The modules that a module directly needs, by the `depends=` of its file: those whose exports
    /// it used when it was built. `None` if no source has read the file.
    #[must_use]
    pub fn depends(&self, module: &ObjectName) -> Option<Vec<ObjectName>> {
        let depends = self.depends.get(module).cloned();
        depends.or_else(|| self.known.iter().find_map(|known| known.depends(module)))
    }

    /// Whether an object has one translation unit only of a source file with this base name, so that a
    /// path of which only the base name is known can mean no other.
    #[must_use]
    pub fn is_only_file(&self, object: &ObjectName, file: &str) -> bool {
        let mut base_names = self.base_names.lock().unwrap_or_else(PoisonError::into_inner);
        let base_names = base_names.entry(object.clone()).or_insert_with(|| {
            let told = self.files.get(object).map(SourceFiles::base_names);
            let known = self.known.iter().map(|known| known.base_names(object));
            known.chain(told).fold(BaseNames::default(), BaseNames::most)
        });
        base_names.count(file.as_bytes()) == 1
    }

    /// What the modules of the kernel prove about it.
    #[must_use]
    pub fn siblings(&self) -> &Siblings {
        &self.siblings
    }

    /// [`siblings`](Self::siblings), shared.
    pub(crate) fn shared_siblings(&self) -> &Arc<Siblings> {
        &self.siblings
    }

    /// Whether there are any sources.
    #[must_use]
    pub fn has_sources(&self) -> bool {
        self.any
    }

    /// What the sources record about the kernel.
    #[must_use]
    pub fn kernel(&self) -> &KernelIdentity {
        &self.kernel
    }
}

/// Adds the symbols of an object.
fn read(object: &Object, known: &mut HashMap<String, Vec<Candidate>>) -> Result<(), SymbolError> {
    let mut homonyms: HashMap<&[u8], Vec<&Symbol>> = HashMap::new();
    for symbol in &object.symbols {
        homonyms.entry(object.text(symbol.name)).or_default().push(symbol);
    }
    let mut homonyms: Vec<_> = homonyms.into_iter().collect();
    homonyms.sort_unstable_by_key(|(name, _)| *name);
    for (name, symbols) in homonyms {
        // Only names in scope are here, and those are text.
        let Ok(name) = std::str::from_utf8(name) else { continue };
        let count = u32::try_from(symbols.len()).ok().filter(|count| *count <= HOMONYMS_MAX);
        let Some(count) = count else {
            let (name, by, object) = (name.into(), &object.by, object.name.clone());
            let limit = HOMONYMS_MAX;
            return Err(SymbolError::new(by, SymbolErrorKind::TooMany { name, object, limit }));
        };
        let mut live = 0;
        let candidates = known.entry(name.into()).or_default();
        for (position, symbol) in (1..=count).filter_map(NonZeroU32::new).zip(symbols) {
            live += u32::from(symbol.stays);
            candidates.push(Candidate {
                object: object.name.clone(),
                name: name.into(),
                position,
                homonyms: count,
                live_position: NonZeroU32::new(live).filter(|_| symbol.stays),
                address: symbol.address,
                size: symbol.size,
                file: object.file(symbol).map(shown),
                section: symbol.section.map(|section| shown(object.text(section))),
                binding: symbol.binding,
                kind: symbol.kind,
                // A unit without a name is the linker's own, for what belongs to no file.
                unit: symbol.unit.filter(|_| object.file(symbol).is_some()),
                letter: symbol.letter,
                init: symbol.init,
                untraceable: symbol.untraceable,
                order: object.order,
                beside: OnceLock::new(),
            });
        }
    }
    Ok(())
}

/// A name to show. It is truncated, because a file of ten megabytes may contain it a million times.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name.get(..SHOWN_MAX).unwrap_or(name)).into_owned()
}

/// Answers made by hand, for tests of resolution.
#[cfg(test)]
impl Answer {
    pub(crate) fn note(&mut self) {
        self.any = true;
    }

    pub(crate) fn machine(&mut self, machine: u16) {
        self.kernel.machine = Some(machine);
    }

    pub(crate) fn object(&mut self, object: &ObjectName) {
        self.objects.insert(object.clone());
    }

    pub(crate) fn candidate(&mut self, candidate: Candidate) {
        let mut all = self.candidates(&candidate.name).to_vec();
        let key = |c: &Candidate| (!c.object.is_vmlinux(), c.object.clone());
        let at = all.partition_point(|c| key(c) <= key(&candidate));
        let name = candidate.name.clone();
        all.insert(at, candidate);
        self.candidates.insert(name, all.into());
    }

    pub(crate) fn exported(&mut self, name: &str, export: Export) {
        Exporters::put(&mut self.exports, name.into(), export);
    }
}
