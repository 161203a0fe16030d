//! The policy: exported, annotated, unique, ambiguous.

use std::collections::{BTreeMap, BTreeSet};

use super::beside::place_between;
use super::choose::Choice;
use super::homonyms::Homonyms;
use super::{Basis, Cause, Klp, Query, Request, Resolution, Resolve, Unresolved, not_found};
use crate::annotation::{Selector, SourceFile};
use crate::name::{KlpSymbol, ObjectName, Position, SymbolName, is_cut};
use crate::symbols::{
    Answer, Binding, Candidate, Candidates, Export, Order, Sources, Suggestions, SymbolError,
    Wanted,
};

/// Resolves names by the answer of the sources.
#[derive(Debug)]
pub struct Resolver<'a> {
    /// What the sources know.
    pub answer: &'a Answer,
    /// Leave a module's exports ordinary; the livepatch then depends on that module.
    pub keep_module_exports: bool,
    /// What the sources of another kernel know, for which another tool has recorded positions.
    pub recorded_for: Option<&'a Answer>,
    /// What was put in order for selectors.
    pub(crate) homonyms: Homonyms<'a>,
}

impl<'a> Resolver<'a> {
    /// A resolver with the usual policy.
    #[must_use]
    pub fn new(answer: &'a Answer) -> Self {
        let (keep_module_exports, recorded_for) = (false, None);
        Self { answer, keep_module_exports, recorded_for, homonyms: Homonyms::default() }
    }

    /// Resolves what the author annotated, if the sources agree.
    fn annotated(
        &self,
        symbol: SymbolName,
        annotation: &Request,
    ) -> Result<Resolution, Unresolved> {
        let name = symbol.as_str();
        let owner = &annotation.owner;
        let gate = annotation.gate.clone();
        if !self.answer.has_sources() {
            let Selector::Position(position) = annotation.which else {
                return Err(Unresolved::FilesUnknown {
                    name: name.into(),
                    owner: owner.clone(),
                    which: Box::new(annotation.which.clone()),
                    candidates: Candidates::default(),
                });
            };
            let symbol = KlpSymbol { owner: owner.clone(), symbol, position };
            let basis = Basis::Unverified;
            return Ok(klp(Klp { symbol, gate, basis, candidate: None, export: None }));
        }
        if !self.answer.knows_object(owner) {
            let (name, owner, similar) = (name.into(), owner.clone(), Vec::new());
            return Err(Unresolved::ObjectUnknown { name, owner, similar });
        }
        let choice = Choice { answer: self.answer, homonyms: &self.homonyms, name, owner };
        let candidate = choice.make(&annotation.which)?;
        let export = self.answer.export(name).filter(|e| e.owner == *owner).cloned();
        // The position as written, because 1 is also valid for a unique name.
        let position = match annotation.which {
            Selector::Position(position) => position,
            Selector::InFile(_) | Selector::NextTo(_) => candidate.klp_position(),
        };
        let symbol = KlpSymbol { owner: owner.clone(), symbol, position };
        let candidate = Some(candidate.clone());
        Ok(klp(Klp { symbol, gate, basis: Basis::Annotated, candidate, export }))
    }

    /// What was asked for in another kernel, as it is asked for in this one: by the source file, unless the name is unique
    /// in both.
    fn moved(&self, old: &Answer, name: &str, asked: &Request) -> Result<Request, Unresolved> {
        let (owner, homonyms) = (&asked.owner, &Homonyms::default());
        let there = Choice { answer: old, homonyms, name, owner }.make(&asked.which)?;
        let file: Option<SourceFile> = there.file.as_deref().and_then(|file| file.parse().ok());
        let here = self.answer.candidates_in(name, owner).as_slice();
        let elsewhere = |known: &String| file.as_ref().is_some_and(|file| !file.agrees_with(known));
        let is_unique = there.homonyms == 1
            && here.len() <= 1
            && !here.iter().any(|candidate| candidate.file.as_ref().is_some_and(elsewhere));
        let which = match file {
            _ if is_unique => Selector::Position(Position::Unique),
            Some(file) => Selector::InFile(file),
            None => {
                let candidates = old.shared_candidates(name).of(owner);
                let (name, owner) = (name.to_owned(), owner.clone());
                let which = Box::new(asked.which.clone());
                return Err(Unresolved::FilesUnknown { name, owner, which, candidates });
            }
        };
        Ok(Request { which, ..asked.clone() })
    }

    /// Resolves a name that is exported and not annotated.
    fn exported(&self, symbol: SymbolName, export: &Export) -> Result<Resolution, Unresolved> {
        let ordinary = if export.owner.is_vmlinux() {
            !export.for_modules_only()
        } else {
            self.keep_module_exports
        };
        if ordinary {
            return Ok(Resolution::Export(export.clone()));
        }
        let name = symbol.as_str();
        // Alphabetical lists include an object's undefined symbols as if it defined them.
        let elsewhere = |c: &&Candidate| c.object != export.owner && c.order == Order::Proven;
        if !export.owner.is_vmlinux() && self.answer.candidates(name).iter().any(|c| elsewhere(&c))
        {
            let candidates = self.answer.shared_candidates(name);
            let listed = candidates.iter().any(|candidate| candidate.object == export.owner);
            let exporter = (!listed).then(|| export.owner.clone());
            return Err(Unresolved::Ambiguous { name: name.into(), candidates, exporter });
        }
        let here = self.answer.candidates_in(name, &export.owner).as_slice();
        // The exported symbol is the one that is not local; a file's own static may share its name.
        let global = |c: &&Candidate| matches!(c.binding, Some(Binding::Global | Binding::Weak));
        let candidate = match here {
            [] if self.answer.knows_object(&export.owner) => {
                return Err(not_found(self.answer, name, Some(&export.owner)));
            }
            [] => None,
            [only] => Some(only.clone()),
            several => match several.iter().find(global) {
                Some(global) => Some(global.clone()),
                None => {
                    let candidates = self.answer.shared_candidates(name).of(&export.owner);
                    let (name, exporter) = (name.into(), None);
                    return Err(Unresolved::Ambiguous { name, candidates, exporter });
                }
            },
        };
        let position = candidate.as_ref().map_or(Position::Unique, Candidate::klp_position);
        let symbol = KlpSymbol { owner: export.owner.clone(), symbol, position };
        let export = Some(export.clone());
        Ok(klp(Klp { symbol, gate: None, basis: Basis::Exported, candidate, export }))
    }
}

impl Resolve for Resolver<'_> {
    fn resolve(&self, query: &Query<'_>) -> Result<Resolution, Unresolved> {
        let name = query.name;
        if let Some(annotation) = query.annotation {
            return self.annotated(name.parse()?, annotation);
        }
        if query.loader {
            return Ok(Resolution::Loader);
        }
        if !self.answer.has_sources() {
            return Ok(Resolution::NoSource);
        }
        if let Some(export) = self.answer.export(name) {
            return self.exported(name.parse()?, export);
        }
        match self.answer.candidates(name) {
            [] if query.weak => Ok(Resolution::WeakMissing),
            [] => Err(not_found(self.answer, name, None)),
            [only] if only.init => {
                Err(Unresolved::InitMemory { name: name.into(), candidate: Box::new(only.clone()) })
            }
            [only] if !self.answer.knows_object(&ObjectName::vmlinux()) => {
                let (name, candidate) = (name.into(), Box::new(only.clone()));
                Err(Unresolved::VmlinuxUnknown { name, candidate })
            }
            [only] => {
                let symbol = KlpSymbol {
                    owner: only.object.clone(),
                    symbol: name.parse()?,
                    position: Position::Unique,
                };
                let candidate = Some(only.clone());
                let basis = Basis::Inferred;
                Ok(klp(Klp { symbol, gate: None, basis, candidate, export: None }))
            }
            _ => {
                let candidates = self.answer.shared_candidates(name);
                let (name, exporter) = (name.into(), None);
                Err(Unresolved::Ambiguous { name, candidates, exporter })
            }
        }
    }

    fn is_for_another_kernel(&self) -> bool {
        self.recorded_for.is_some()
    }

    fn resolve_recorded(&self, query: &Query<'_>) -> Result<Resolution, Unresolved> {
        let (Some(old), Some(asked)) = (self.recorded_for, query.annotation) else {
            return self.resolve(query);
        };
        let moved = self.moved(old, query.name, asked)?;
        self.resolve(&Query { annotation: Some(&moved), ..query.clone() })
    }

    fn depends(&self, object: &ObjectName, on: &ObjectName) -> Option<bool> {
        // vmlinux needs no object, and every object needs it.
        if on.is_vmlinux() || object == on {
            return Some(true);
        }
        if object.is_vmlinux() { Some(false) } else { self.needs(object, on) }
    }

    fn is_only_file(&self, object: &ObjectName, file: &str) -> bool {
        self.answer.is_only_file(object, file)
    }
}

impl Resolver<'_> {
    /// Whether a module is among those that another needs, directly or indirectly.
    fn needs(&self, object: &ObjectName, on: &ObjectName) -> Option<bool> {
        let (mut seen, mut next) = (BTreeSet::new(), vec![object.clone()]);
        let mut unknown = false;
        while let Some(object) = next.pop() {
            match self.answer.depends(&object) {
                Some(needed) if needed.contains(on) => return Some(true),
                Some(needed) => {
                    next.extend(needed.into_iter().filter(|needed| seen.insert(needed.clone())));
                }
                None => unknown = true,
            }
        }
        (!unknown).then_some(false)
    }
}

/// How many objects are suggested for an unknown one.
const SIMILAR: usize = 5;

/// The known objects that an unknown one may stand for; all, if they are few.
fn similar(owner: &ObjectName, known: &[ObjectName]) -> Vec<ObjectName> {
    let mut known: Vec<_> = known
        .iter()
        .map(|object| (strsim::levenshtein(object.as_str(), owner.as_str()), object))
        .collect();
    if known.len() > SIMILAR {
        let limit = (owner.as_str().len() / 3).max(1);
        known.retain(|(distance, _)| *distance <= limit);
    }
    known.sort_unstable();
    known.into_iter().map(|(_, object)| object.clone()).take(SIMILAR).collect()
}

fn klp(klp: Klp) -> Resolution {
    Resolution::Klp(Box::new(klp))
}

/// Adds similar names, and the causes that follow from them, to every name that was not found, and to
/// candidates without a source file what is next to them in memory.
///
/// Reads all sources again, so only an error path should call it.
///
/// # Errors
/// The first [`SymbolError`] of a source.
pub fn suggest(sources: &Sources, unresolved: &mut [&mut Unresolved]) -> Result<(), SymbolError> {
    let missing = unresolved.iter().filter_map(|u| match &**u {
        Unresolved::NotFound { name, .. } => Some(name.as_str()).filter(|name| !is_cut(name)),
        _ => None,
    });
    let mut near = Suggestions::new(missing);
    let choices = unresolved.iter().flat_map(|reason| reason.choices());
    place_between(sources, &choices.collect::<Vec<_>>())?;
    suggest_objects(sources, unresolved)?;
    if near.is_empty() {
        return Ok(());
    }
    sources.similar(&mut near)?;
    for entry in unresolved {
        if let Unresolved::NotFound { name, causes, similar, .. } = &mut **entry {
            *similar = near.found(name).to_vec();
            let variants = similar
                .iter()
                .filter(|n| n.is_variant())
                .map(|n| Cause::Variant { variant: n.name.clone(), object: n.object.clone() });
            causes.splice(0..0, variants.collect::<Vec<_>>());
        }
    }
    Ok(())
}

/// How many unknown objects get advice.
const OBJECTS: usize = 32;

/// Adds known objects with similar names to objects that no source describes.
fn suggest_objects(
    sources: &Sources,
    unresolved: &mut [&mut Unresolved],
) -> Result<(), SymbolError> {
    let unknown = |reason: &Unresolved| match reason {
        Unresolved::ObjectUnknown { owner, .. } => Some(owner.clone()),
        _ => None,
    };
    let owners: BTreeSet<_> = unresolved.iter().filter_map(|reason| unknown(reason)).collect();
    if owners.is_empty() {
        return Ok(());
    }
    let known: Vec<_> = sources.answer(&Wanted::new([]))?.objects().collect();
    let owners = owners.into_iter().take(OBJECTS);
    let advice: BTreeMap<_, _> =
        owners.map(|owner| (owner.clone(), similar(&owner, &known))).collect();
    for reason in unresolved {
        if let Unresolved::ObjectUnknown { owner, similar, .. } = &mut **reason {
            similar.clone_from(advice.get(owner).unwrap_or(&Vec::new()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::TextList;

    #[test]
    fn of_many_objects_those_with_a_name_like_the_unknown_one_are_suggested() {
        let object = |name: &str| name.parse::<ObjectName>().unwrap();
        let known = ["ext2", "ext3", "ext4_test", "btrfs", "xfs", "jbd2", "kvm", "kvm_intel"];
        let similar = |owner: &str| similar(&object(owner), &known.map(object));
        assert_eq!(similar("ext4"), [object("ext2"), object("ext3")]);
        assert_eq!(similar("kvm-intl"), [object("kvm_intel")]);
        assert!(similar("amdgpu").is_empty());
    }

    #[test]
    fn unknown_objects_get_advice_each_once_and_only_the_first_ones() {
        let mut sources = Sources::new();
        let list = "klp-convert-symbol-data.0.1\n*ext2\nf\n*ext3\nf\n*module10\nf\n*modul\nf\n\
            *btrfs\nf\n*xfs\nf\n";
        sources.push(TextList::from_bytes("list", list));
        let unknown = |owner: &str| {
            let (name, owner, similar) = ("f".into(), owner.parse().unwrap(), Vec::new());
            Unresolved::ObjectUnknown { name, owner, similar }
        };
        let names: Vec<_> = (10..10 + 2 * OBJECTS).map(|n| format!("modul{n}")).collect();
        let twice = ["ext4", "ext4"].into_iter().chain(names.iter().map(String::as_str));
        let mut all: Vec<_> = twice.map(unknown).collect();
        suggest(&sources, &mut all.iter_mut().collect::<Vec<_>>()).unwrap();
        let advice: Vec<_> = all
            .iter()
            .map(|reason| match reason {
                Unresolved::ObjectUnknown { similar, .. } => similar.as_slice(),
                other => panic!("{other}"),
            })
            .collect();
        let [ext2, ext3, module10] = ["ext2", "ext3", "module10"].map(|n| n.parse().unwrap());
        assert_eq!(advice[..2], [[ext2, ext3].as_slice(); 2]);
        assert_eq!(advice[2].first(), Some(&module10));
        // `ext4` is the first one in alphabetical order.
        let advised = advice.iter().skip(2).filter(|similar| !similar.is_empty()).count();
        assert_eq!(advised, OBJECTS - 1);
    }
}
