//! The names that a module needs from its kernel, and diagnostics for those that are missing.

use std::collections::BTreeSet;

use crate::annotation::{Annotations, Selector};
use crate::diagnostic::Diagnostic;
use crate::elf::{Module, SymbolSection};
use crate::findings::{Error, Finding, Refusal};
use crate::intermediate::Intermediate;
use crate::name::shown;
use crate::patch::{self, Tables};
use crate::resolve::{self, Unresolved};
use crate::symbols::{Sources, SymbolError};

/// Every undefined name of the module (as its annotation gives it, if it has one), every neighbour
/// in a selector, every symbol that another tool has recorded, and every function that it replaces.
pub(crate) fn names<'n>(
    module: &Module<'n>,
    annotations: &'n Annotations,
    recorded: Option<&'n Intermediate>,
    tables: &'n Tables<'_>,
) -> Vec<&'n str> {
    let undefined = module.symbols_in(SymbolSection::Undefined).skip(1);
    let names = undefined.filter_map(|symbol| match annotations.get(symbol.index) {
        Some(annotation) => Some(annotation.name.as_str()),
        None => std::str::from_utf8(symbol.name).ok(),
    });
    let replaced = patch::names(tables);
    let selectors = annotations.functions.iter().map(|selector| &selector.which);
    let which = annotations.iter().map(|annotation| &annotation.which).chain(selectors);
    let neighbours = which.filter_map(|which| match which {
        Selector::NextTo(neighbour) => Some(neighbour.as_str()),
        Selector::Position(_) | Selector::InFile(_) => None,
    });
    let recorded = recorded.into_iter().flat_map(|all| &all.symbols);
    let recorded = recorded.map(|symbol| symbol.klp.symbol.as_str());
    names.chain(neighbours).chain(recorded).chain(replaced).collect()
}

/// The names that the module in these bytes needs from its kernel, to use or to replace them.
///
/// # Errors
/// [`Error::Elf`].
pub fn wanted_names(data: &[u8]) -> Result<Vec<String>, Error> {
    let module = Module::parse(data)?;
    let annotations = Annotations::read(&module).unwrap_or_default();
    let machine = crate::target::machine(&module).ok();
    let tables = machine.map(|machine| Tables::of(&module, machine)).unwrap_or_default();
    let recorded = machine.and_then(|machine| Intermediate::read(&module, machine).ok()?);
    let names = names(&module, &annotations, recorded.as_ref(), &tables);
    let names: BTreeSet<_> = names.into_iter().collect();
    Ok(names.into_iter().map(|name| shown(name.as_bytes()).into_owned()).collect())
}

/// Diagnostics for names that no source has: probable causes and similar names. Reads every source
/// again.
///
/// # Errors
/// The first [`SymbolError`] of a source.
pub fn explain_not_found(
    names: &[&str],
    sources: &Sources,
) -> Result<Vec<Diagnostic>, SymbolError> {
    let not_found = |name: &&str| {
        let (causes, similar) = (Vec::new(), Vec::new());
        Unresolved::NotFound { name: (*name).into(), owner: None, causes, similar }
    };
    let mut unresolved: Vec<_> = names.iter().map(not_found).collect();
    resolve::suggest(sources, &mut unresolved.iter_mut().collect::<Vec<_>>())?;
    let explain = |(name, reason): (&&str, Unresolved)| {
        let refusal = Refusal::Unresolved { gate: None, reason: Box::new(reason) };
        Diagnostic::error(name, &Finding::from(refusal))
    };
    Ok(names.iter().zip(unresolved).map(explain).collect())
}
