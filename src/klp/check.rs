//! The verdict on a module as it is: the kernel's rules, and the symbols where a map is given.

use bstr::ByteSlice;

use super::convert::{Failure, advise, backend, same_kernel};
use super::{KlpSymbol, Options, Refusal, rules};
use crate::elf::{Module, SymbolSection};
use crate::resolve::{Annotation, Query, Resolution, Resolve, Resolver};
use crate::symbols::{Sources, Wanted};

/// Checks a module: every rule of the kernel and, with sources, that each klp symbol exists at its
/// position and that whatever is still undefined is exported.
///
/// # Errors
/// [`Failure`]: the file cannot be read as a module, or the kernel would refuse it.
pub fn check(data: &[u8], sources: &Sources, options: &Options) -> Result<(), Failure> {
    let module = Module::parse(data)?;
    let backend = backend(&module)?;
    let mut refusals: Vec<_> =
        rules::check(&module, backend, options.target).into_iter().map(Refusal::Rule).collect();
    if !sources.is_empty() {
        let names = Names::of(&module);
        let wanted = names.klp.iter().map(|klp| klp.symbol.as_str());
        let wanted = wanted.chain(names.undefined.iter().map(|(name, _)| *name));
        let answer = sources.answer(&Wanted::new(wanted))?;
        same_kernel(&module, backend, &answer, options)?;
        // A module's export is as good as any other once somebody has chosen to use it.
        let resolver = Resolver { keep_module_exports: true, ..Resolver::new(&answer) };
        names.klp.iter().for_each(|klp| refusals.extend(klp_symbol(klp, &resolver)));
        for &(name, weak) in &names.undefined {
            let special = backend.loader_symbol(name.as_bytes());
            let loader = special.is_some_and(|s| s.needs_no_export());
            let query = Query { name, weak, loader, annotation: None };
            refusals.extend(undefined_symbol(&query, &resolver));
        }
    }
    if refusals.is_empty() { Ok(()) } else { Err(advise(refusals, sources)?) }
}

/// The names that the kernel will look for.
struct Names<'data> {
    klp: Vec<KlpSymbol>,
    undefined: Vec<(&'data str, bool)>,
}

impl<'data> Names<'data> {
    fn of(module: &Module<'data>) -> Self {
        let mut names = Self { klp: Vec::new(), undefined: Vec::new() };
        for symbol in module.symbols().skip(1) {
            match symbol.section {
                SymbolSection::Livepatch => names.klp.extend(symbol.name.to_str_lossy().parse()),
                SymbolSection::Undefined => {
                    let name = std::str::from_utf8(symbol.name);
                    names.undefined.extend(name.map(|name| (name, symbol.is_weak())));
                }
                _ => {}
            }
        }
        names
    }
}

fn klp_symbol(klp: &KlpSymbol, resolve: &dyn Resolve) -> Option<Refusal> {
    let annotation =
        Annotation { owner: klp.owner.clone(), gate: None, which: klp.position.into() };
    let name = klp.symbol.as_str();
    let query = Query { name, weak: false, loader: false, annotation: Some(&annotation) };
    let reason = resolve.resolve(&query).err()?;
    Some(Refusal::Unresolved { first_use: None, gate: None, reason: Box::new(reason) })
}

fn undefined_symbol(query: &Query<'_>, resolve: &dyn Resolve) -> Option<Refusal> {
    match resolve.resolve(query) {
        // The kernel leaves a weak one 0.
        Ok(Resolution::Klp(_)) if query.weak => None,
        Ok(Resolution::Klp(_)) => Some(Refusal::NotConverted { name: query.name.to_owned() }),
        Ok(_) => None,
        Err(_) if query.weak => None,
        Err(reason) => {
            Some(Refusal::Unresolved { first_use: None, gate: None, reason: Box::new(reason) })
        }
    }
}
