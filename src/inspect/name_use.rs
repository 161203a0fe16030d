//! What the names that a module uses mean in a kernel, for people.
//!
//! The same queries to the same resolver as in a conversion, with every answer shown, including those
//! that refuse a conversion. Invariant: nothing here decides anything.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::fmt;

use bstr::ByteSlice;

use crate::annotation::Annotations;
use crate::convert;
use crate::diagnostic::{Code, Diagnostic, OneLine};
use crate::elf::{Module, SymbolIndex, SymbolSection};
use crate::findings::{Collector, Error, Finding, Refusal};
use crate::intermediate::{Intermediate, RecordedSymbol, is_tombstone};
use crate::name::{KlpSymbol, ObjectName, SYMBOL_NAME_MAX, shown};
use crate::options::Options;
use crate::patch::Tables;
use crate::resolve::{self, Basis, Klp, Query, Request, Resolution, Resolve, Resolver};
use crate::symbols::{Candidate, Export, Sources, Wanted};
use crate::target::{built_for, machine, same_kernel};

/// What one name means.
#[derive(Debug)]
pub struct Meaning<'data> {
    /// The symbol as the module has it.
    pub name: Cow<'data, str>,
    /// What it is in the kernel.
    pub means: NameUse,
}

/// What a name is in the kernel.
#[derive(Debug)]
pub enum NameUse {
    /// The klp symbol that it becomes or is.
    Klp {
        /// Owner, name and position.
        symbol: KlpSymbol,
        /// The object whose loading triggers the write, if the author names one.
        gate: Option<ObjectName>,
        /// How it was decided.
        basis: Basis,
        /// The symbol in the sources, if they have it.
        candidate: Option<Box<Candidate>>,
    },
    /// An export: the loader resolves an ordinary symbol to it.
    Export(Export),
    /// The machine's loader defines it.
    Loader,
    /// Weak and not defined anywhere: it resolves to 0.
    WeakMissing,
    /// No symbol, or several.
    Unresolved {
        /// The code of the refusal.
        code: Code,
        /// Why.
        message: String,
        /// Candidates, causes, and lines to paste.
        help: Vec<String>,
        /// How many further names of this code were left out.
        more: usize,
    },
}

/// What every undefined symbol of a module, and every klp symbol in it, means in the kernel of these
/// sources, by symbol index; several symbols of one name once. Of names without a meaning only the first of
/// each code are kept, unless the options ask for all.
///
/// # Errors
/// [`Error`] when the file is not a module, a source cannot be read, or the sources are of another
/// kernel. What is wrong with annotations is reported by [`super::inspect()`].
pub fn meanings<'data>(
    data: &'data [u8],
    sources: &Sources,
    options: &Options,
) -> Result<Vec<Meaning<'data>>, Error> {
    let module = Module::parse(data)?;
    let machine = machine(&module)?;
    let annotations = Annotations::read(&module).unwrap_or_default();
    let recorded = Intermediate::read(&module, machine).ok().flatten().unwrap_or_default();
    let klp = |name: &[u8]| name.to_str().ok()?.parse::<KlpSymbol>().ok();
    let livepatch = || module.symbols_in(SymbolSection::Livepatch);
    let klp_names = livepatch().filter_map(|s| Some(klp(s.name)?.symbol.as_str().to_owned()));
    let klp_names: BTreeSet<_> = klp_names.collect();
    let names = convert::names(&module, &annotations, Some(&recorded), &Tables::None);
    let wanted = Wanted::new(names.into_iter().chain(klp_names.iter().map(String::as_str)));
    let answer = sources.answer(&wanted.of_release(built_for(&module)))?;
    same_kernel(&module, machine, &answer, options)?;
    let resolver = Resolver::new(&answer);

    let mut meanings = Vec::new();
    let mut kept = Collector::new(options.all);
    let mut seen = HashSet::new();
    let undefined = module.symbols_in(SymbolSection::Undefined);
    for symbol in undefined.chain(livepatch()).filter(|s| s.index != SymbolIndex::NULL) {
        let Ok(text) = symbol.name.to_str() else { continue };
        let written = annotations.get(symbol.index);
        let once = text.len() <= SYMBOL_NAME_MAX && written.is_none();
        if once && !seen.insert((text, symbol.section, symbol.is_weak())) {
            continue;
        }
        if is_tombstone(&symbol) {
            continue;
        }
        let is_klp =
            symbol.section == SymbolSection::Livepatch || recorded.symbol(symbol.index).is_some();
        let is = klp(symbol.name).filter(|_| is_klp);
        let annotation = written.map(Request::from).or_else(|| {
            let KlpSymbol { owner, position, .. } = is.clone()?;
            Some(Request { owner, gate: None, which: position.into() })
        });
        let of_klp = is.as_ref().map(|klp| klp.symbol.as_str());
        let query = Query {
            name: written.map(|a| a.name.as_str()).or(of_klp).unwrap_or(text),
            weak: symbol.is_weak(),
            loader: machine.loader_symbol(symbol.name).is_some(),
            annotation: annotation.as_ref(),
        };
        let name = shown(symbol.name);
        match resolver.resolve(&query) {
            Ok(resolution) => {
                let means = NameUse::of(resolution);
                meanings.extend(means.map(|means| (symbol.index, Meaning { name, means })));
            }
            Err(reason) => {
                let gate = annotation.as_ref().and_then(|a| a.gate.clone());
                let refusal = Refusal::Unresolved { gate, reason: Box::new(reason) };
                kept.push(Finding::from(refusal).about(symbol.index));
            }
        }
    }
    // Those that the module does not have yet.
    for RecordedSymbol { index, klp, .. } in recorded.symbols.iter().filter(|s| s.new.is_some()) {
        let KlpSymbol { owner, symbol, position } = klp;
        let request = Request { owner: owner.clone(), gate: None, which: (*position).into() };
        let (name, annotation) = (symbol.as_str(), Some(&request));
        match resolver.resolve(&Query { name, weak: false, loader: false, annotation }) {
            Ok(resolution) => {
                let name = Cow::Owned(klp.to_string());
                let means = NameUse::of(resolution);
                meanings.extend(means.map(|means| (*index, Meaning { name, means })));
            }
            Err(reason) => {
                let refusal = Refusal::Unresolved { gate: None, reason: Box::new(reason) };
                kept.push(Finding::from(refusal).about(*index));
            }
        }
    }
    let mut refused = kept.into_vec();
    let mut unresolved: Vec<_> = refused.iter_mut().filter_map(Finding::unresolved_mut).collect();
    resolve::suggest(sources, &mut unresolved)?;
    for refusal in &refused {
        let Some(index) = refusal.symbol else { continue };
        let new = recorded.symbol(index).filter(|symbol| symbol.new.is_some());
        let name = match (new, module.symbol(index)) {
            (Some(new), _) => Cow::Owned(new.klp.to_string()),
            (None, Some(symbol)) => shown(symbol.name),
            (None, None) => continue,
        };
        let Diagnostic { code, message, help, more, .. } = Diagnostic::error(&name, refusal);
        let means = NameUse::Unresolved { code, message, help, more };
        meanings.push((index, Meaning { name, means }));
    }
    meanings.sort_by_key(|(index, _)| *index);
    Ok(meanings.into_iter().map(|(_, meaning)| meaning).collect())
}

impl NameUse {
    fn of(resolution: Resolution) -> Option<Self> {
        match resolution {
            Resolution::Klp(klp) => {
                let Klp { symbol, gate, basis, candidate, .. } = *klp;
                let candidate = candidate.map(Box::new);
                Some(Self::Klp { symbol, gate, basis, candidate })
            }
            Resolution::Export(export) => Some(Self::Export(export)),
            Resolution::Loader => Some(Self::Loader),
            Resolution::WeakMissing => Some(Self::WeakMissing),
            Resolution::NoSource => None,
        }
    }
}

impl fmt::Display for Meaning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", OneLine(&self.name))?;
        match &self.means {
            NameUse::Klp { symbol, gate, basis, candidate } => {
                if self.name != *symbol.to_string() {
                    write!(f, " → {} ({basis})", OneLine(symbol))?;
                }
                if let Some(gate) = gate.as_ref().filter(|gate| **gate != symbol.owner) {
                    write!(f, ", gate {gate}")?;
                }
                let Some(candidate) = candidate else { return Ok(()) };
                if let Some(address) = candidate.address {
                    write!(f, ", {address:#x}")?;
                }
                candidate.file.iter().try_for_each(|file| write!(f, ", {}", OneLine(file)))
            }
            NameUse::Export(export) => write!(f, " → export of {}", export.owner),
            NameUse::Loader => f.write_str(" → defined by the loader"),
            NameUse::WeakMissing => f.write_str(" → 0: weak, not defined anywhere"),
            NameUse::Unresolved { code, message, help, more } => {
                write!(f, " → {code}: {}", OneLine(message))?;
                help.iter().try_for_each(|line| write!(f, "\n    {}", OneLine(line)))?;
                match more {
                    0 => Ok(()),
                    more => write!(f, "\n    and {more} more of this kind; --all shows them"),
                }
            }
        }
    }
}
