//! Selects among the symbols of one name: by position, source file or neighbour.
//!
//! A selector is resolved only by what a source states about symbols: their source file and their
//! translation unit. Invariant: exactly one symbol is selected, or all candidates are
//! shown. A unit defines a name once: if another symbol of the name is known to be from it, one whose
//! file is unknown (a global one in a symbol table) is not.

use std::rc::Rc;

use super::homonyms::{Fitting, Group, Homonyms};
use super::{Cause, Unresolved, not_found};
use crate::annotation::{Selector, SourceFile};
use crate::name::{ObjectName, Position, SymbolName};
use crate::symbols::{Answer, Candidate, Candidates};

/// A name in an object, and what is known about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice<'a, 'n> {
    pub(super) answer: &'a Answer,
    pub(super) homonyms: &'n Homonyms<'a>,
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
        if here.all.is_empty() {
            return Err(self.missing());
        }
        if here.has_no_files() {
            return Err(self.files_unknown(which, &here));
        }
        self.only(which, &here.in_file(file), &here)
    }

    /// The symbol that is defined in the same source file as another.
    fn next_to(
        self,
        neighbour: &SymbolName,
        which: &Selector,
    ) -> Result<&'a Candidate, Unresolved> {
        let here = self.symbols(self.name);
        if here.all.is_empty() {
            return Err(self.missing());
        }
        let neighbours = self.symbols(neighbour.as_str());
        if neighbours.all.is_empty() {
            let mut reason = not_found(self.answer, neighbour.as_str(), Some(self.owner));
            if let Unresolved::NotFound { causes, .. } = &mut reason {
                causes.push(Cause::Neighbour(self.name.into()));
            }
            return Err(reason);
        }
        if here.has_no_units() || neighbours.has_no_units() {
            return Err(self.files_unknown(which, &here));
        }
        // Of several neighbours, one whose unit is unknown may be the one that is meant.
        if neighbours.has_unknown_unit() {
            return Err(Unresolved::NeighbourFileUnknown {
                name: self.name.into(),
                owner: self.owner.clone(),
                neighbour: neighbour.as_str().into(),
                neighbours: self.kept(neighbour.as_str(), &neighbours),
            });
        }
        self.only(which, &here.beside(&neighbours, which), &here)
    }

    /// The one symbol among those that a selector fits.
    fn only(
        self,
        which: &Selector,
        there: &Fitting<'a>,
        here: &Group<'a>,
    ) -> Result<&'a Candidate, Unresolved> {
        let (name, owner, which) = (self.name.into(), self.owner.clone(), Box::new(which.clone()));
        match *there.first {
            [only] => Ok(only),
            [] => {
                let candidates = self.kept(self.name, here);
                Err(Unresolved::SelectedNone { name, owner, which, candidates })
            }
            _ => {
                let candidates = Candidates::first(&there.first, there.count);
                Err(Unresolved::SelectedSeveral { name, owner, which, candidates })
            }
        }
    }

    /// The symbols of a name in the owner, without those that only mark a file or section.
    fn symbols(self, name: &str) -> Rc<Group<'a>> {
        self.homonyms.of(self.answer, name, self.owner)
    }

    fn missing(self) -> Unresolved {
        not_found(self.answer, self.name, Some(self.owner))
    }

    fn files_unknown(self, which: &Selector, here: &Group<'a>) -> Unresolved {
        Unresolved::FilesUnknown {
            name: self.name.into(),
            owner: self.owner.clone(),
            which: Box::new(which.clone()),
            candidates: self.kept(self.name, here),
        }
    }

    /// The symbols of a name, shared if none of them is a marker: many selectors may not fit any of many symbols.
    fn kept(self, name: &str, group: &Group<'a>) -> Candidates {
        let shared = self.answer.shared_candidates(name).of(self.owner);
        let all = &group.all;
        if all.len() == shared.len() { shared } else { Candidates::first(all, all.len()) }
    }
}

#[cfg(test)]
mod tests;
