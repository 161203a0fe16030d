//! Selects among the symbols of one name: by position, source file or neighbour.
//!
//! A selector is resolved only by what a source states about symbols: their source file and their
//! translation unit. Invariant: exactly one symbol is selected, or all candidates are
//! shown. A unit defines a name once: if another symbol of the name is known to be from it, one whose
//! file is unknown (a global one in a symbol table) is not.

use std::collections::BTreeSet;

use super::{Cause, Unresolved, not_found};
use crate::annotation::{Selector, SourceFile};
use crate::name::{ObjectName, Position, SymbolName};
use crate::symbols::{Answer, Binding, Candidate, Candidates, Kind};

/// A name in an object, and what is known about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice<'a, 'n> {
    pub(super) answer: &'a Answer,
    pub(super) name: &'n str,
    pub(super) owner: &'n ObjectName,
}

impl<'a> Choice<'a, '_> {
    /// The symbol that the author means.
    ///
    /// # Errors
    /// [`Unresolved`] when no symbol or more than one fits.
    pub(super) fn make(self, which: &Selector) -> Result<&'a Candidate, Unresolved> {
        match which {
            Selector::Position(position) => self.at_position(*position),
            Selector::InFile(file) => self.in_file(file, which),
            Selector::NextTo(neighbour) => self.next_to(neighbour, which),
        }
    }

    /// The symbol that the kernel would find for a position.
    fn at_position(self, position: Position) -> Result<&'a Candidate, Unresolved> {
        let here = self.answer.candidates_in(self.name, self.owner).as_slice();
        let candidates = || self.answer.shared_candidates(self.name).of(self.owner);
        let (name, owner) = (self.name.into(), self.owner.clone());
        match (position, here) {
            (_, []) => Err(self.missing()),
            (Position::Unique, [only]) => Ok(only),
            (Position::Unique, _) => {
                let candidates = candidates();
                Err(Unresolved::AnnotatedNotUnique { name, owner, candidates })
            }
            (Position::Nth(n), _) => match here.binary_search_by_key(&n, |c| c.position) {
                Ok(at) => here.get(at).ok_or_else(|| self.missing()),
                Err(_) => {
                    let candidates = candidates();
                    Err(Unresolved::AnnotatedNoSuchPosition { name, owner, position, candidates })
                }
            },
        }
    }

    /// The symbol that is defined in a source file.
    fn in_file(self, file: &SourceFile, which: &Selector) -> Result<&'a Candidate, Unresolved> {
        let here = self.symbols(self.name);
        if here.is_empty() {
            return Err(self.missing());
        }
        if here.iter().all(|c| c.file.is_none() && !is_global(c)) {
            return Err(self.files_unknown(which, &here));
        }
        let there = |c: &&&Candidate| c.file.as_ref().is_some_and(|known| file.agrees_with(known));
        let there: Vec<_> = here.iter().filter(there).copied().collect();
        self.only(which, &there, &here)
    }

    /// The symbol that is defined in the same source file as another.
    fn next_to(
        self,
        neighbour: &SymbolName,
        which: &Selector,
    ) -> Result<&'a Candidate, Unresolved> {
        let here = self.symbols(self.name);
        if here.is_empty() {
            return Err(self.missing());
        }
        let neighbours = self.symbols(neighbour.as_str());
        if neighbours.is_empty() {
            let mut reason = not_found(self.answer, neighbour.as_str(), Some(self.owner));
            if let Unresolved::NotFound { causes, .. } = &mut reason {
                causes.push(Cause::Neighbour(self.name.into()));
            }
            return Err(reason);
        }
        let unknown = |c: &&Candidate| c.unit.is_none() && !is_global(c);
        if here.iter().all(unknown) || neighbours.iter().all(unknown) {
            return Err(self.files_unknown(which, &here));
        }
        let units: BTreeSet<_> = neighbours.iter().map(|c| c.unit).collect();
        // Of several neighbours, one whose unit is unknown may be the one that is meant.
        if units.contains(&None) {
            return Err(Unresolved::NeighbourFileUnknown {
                name: self.name.into(),
                owner: self.owner.clone(),
                neighbour: neighbour.as_str().into(),
                neighbours: cloned(&neighbours),
            });
        }
        let shares = |c: &&&Candidate| units.contains(&c.unit);
        let there: Vec<_> = here.iter().filter(shares).copied().collect();
        self.only(which, &there, &here)
    }

    /// The one symbol among those that a selector fits.
    fn only(
        self,
        which: &Selector,
        there: &[&'a Candidate],
        here: &[&'a Candidate],
    ) -> Result<&'a Candidate, Unresolved> {
        let (name, owner, which) = (self.name.into(), self.owner.clone(), Box::new(which.clone()));
        match there {
            [only] => Ok(only),
            [] => {
                let candidates = self.kept(here);
                Err(Unresolved::SelectedNone { name, owner, which, candidates })
            }
            several => {
                let candidates = self.kept(several);
                Err(Unresolved::SelectedSeveral { name, owner, which, candidates })
            }
        }
    }

    /// The symbols of a name in the owner, without those that only mark a file or section.
    fn symbols(self, name: &str) -> Vec<&'a Candidate> {
        let named = self.answer.candidates_in(name, self.owner);
        named.filter(|c| c.kind != Some(Kind::Marker)).collect()
    }

    fn missing(self) -> Unresolved {
        not_found(self.answer, self.name, Some(self.owner))
    }

    fn files_unknown(self, which: &Selector, here: &[&Candidate]) -> Unresolved {
        Unresolved::FilesUnknown {
            name: self.name.into(),
            owner: self.owner.clone(),
            which: Box::new(which.clone()),
            candidates: self.kept(here),
        }
    }

    /// Some of the name's symbols, shared if they are all: many selectors may not fit any of many symbols.
    fn kept(self, some: &[&Candidate]) -> Candidates {
        let all = self.answer.shared_candidates(self.name).of(self.owner);
        if some.len() == all.len() { all } else { cloned(some) }
    }
}

/// Whether a symbol table lists it after all files, and so without its own.
fn is_global(candidate: &Candidate) -> bool {
    matches!(candidate.binding, Some(Binding::Global | Binding::Weak))
}

fn cloned(candidates: &[&Candidate]) -> Candidates {
    candidates.iter().copied().cloned().collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests;
