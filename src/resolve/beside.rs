//! Names next to candidates whose source file is not known.

use super::Unresolved;
use crate::symbols::{Candidate, Neighbours, Sources, SymbolError, Wanted, is_generated};

/// Adds to candidates that cannot be told apart by their files what is next to them in memory.
///
/// Reads the sources again that have such a candidate, so only an error path should call it.
///
/// # Errors
/// The first [`SymbolError`] of a source.
pub fn place_between(sources: &Sources, candidates: &[&Candidate]) -> Result<(), SymbolError> {
    let mut near = Neighbours::default();
    for candidate in candidates.iter().filter(|candidate| candidate.file.is_none()) {
        if let Some(address) = candidate.address {
            near.search(&candidate.object, candidate.section.as_deref(), &candidate.name, address);
        }
    }
    if near.is_empty() {
        return Ok(());
    }
    sources.neighbours(&mut near)?;
    let answer = sources.answer(&Wanted::new(near.names()))?;
    for candidate in candidates {
        let Some(address) = candidate.address.filter(|_| candidate.file.is_none()) else {
            continue;
        };
        // One that is ambiguous itself shows nothing.
        let is_unique = |name: &str| answer.candidates_in(name, &candidate.object).count() == 1;
        let of_use = |name: &str| !is_generated(name) && is_unique(name);
        let found = near.found(&candidate.object, &candidate.name, address, of_use);
        if let Some(found) = found {
            // One that several refer to is placed once.
            candidate.beside.get_or_init(|| Box::new(found));
        }
    }
    Ok(())
}

impl Unresolved {
    /// The candidates of which an author has to choose one.
    pub(super) fn choices(&self) -> &[Candidate] {
        match self {
            Self::Ambiguous { candidates, .. }
            | Self::AnnotatedNotUnique { candidates, .. }
            | Self::AnnotatedNoSuchPosition { candidates, .. }
            | Self::SelectedNone { candidates, .. }
            | Self::SelectedSeveral { candidates, .. }
            | Self::FilesUnknown { candidates, .. } => candidates,
            _ => &[],
        }
    }
}
