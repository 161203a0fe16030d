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
    // Of those that are of no use a kernel may have hundreds of thousands, such as `$d`.
    let names = near.names().filter(|name| !is_generated(name));
    let answer = sources.answer(&Wanted::new(names))?;
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::name::ObjectName;
    use crate::symbols::{Object, Order, Scope, Symbol, SymbolData, SymbolSource};

    /// A kernel with two symbols of one name, whose neighbours the assembler and an author have named.
    #[derive(Debug)]
    struct Kernel;

    impl SymbolSource for Kernel {
        fn path(&self) -> &Path {
            Path::new("kernel")
        }

        fn read(&self, scope: Scope<'_>) -> Result<SymbolData, SymbolError> {
            let mut object = Object::new(ObjectName::vmlinux(), self.path(), Order::Proven);
            let all =
                [(0, "$d"), (8, "before"), (16, "twin"), (24, "after"), (32, "twin"), (40, "$d")];
            for (address, name) in all {
                let in_scope = match scope {
                    Scope::All => true,
                    Scope::Names(wanted) => wanted.iter().any(|wanted| wanted == name),
                };
                if in_scope {
                    assert!(name != "$d" || matches!(scope, Scope::All), "$d is asked for");
                    let name = object.keep(name.as_bytes()).unwrap();
                    object.symbols.push(Symbol { address: Some(address), ..Symbol::named(name) });
                }
            }
            Ok(SymbolData { objects: vec![object], ..SymbolData::default() })
        }
    }

    #[test]
    fn names_that_are_of_no_use_as_neighbours_are_not_asked_for() {
        let mut sources = Sources::new();
        sources.push(Kernel);
        let answer = sources.answer(&Wanted::new(["twin"])).unwrap();
        let candidates: Vec<_> = answer.candidates("twin").iter().collect();
        place_between(&sources, &candidates).unwrap();
        let beside: Vec<_> = candidates
            .iter()
            .map(|candidate| candidate.beside.get().unwrap().to_string())
            .collect();
        assert_eq!(beside, ["between before and after", "after before, after"]);
    }
}
