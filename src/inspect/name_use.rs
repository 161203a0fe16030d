//! What the names that a module uses mean in a kernel, for people.
//!
//! The same queries to the same resolver as in a conversion, with every answer shown, including those
//! that refuse a conversion. Invariant: nothing here decides anything.

use std::fmt;

use bstr::ByteSlice;

use crate::annotation::Annotations;
use crate::convert;
use crate::diagnostic::{Code, Diagnostic, OneLine};
use crate::elf::{Module, SymbolIndex, SymbolSection};
use crate::findings::{Error, Finding, Refusal};
use crate::name::{KlpSymbol, ObjectName};
use crate::options::Options;
use crate::patch::Tables;
use crate::resolve::{self, Basis, Klp, Query, Request, Resolution, Resolve, Resolver};
use crate::symbols::{Candidate, Export, Sources, Wanted};
use crate::target::{built_for, machine, same_kernel};

/// What one name means.
#[derive(Debug)]
pub struct Meaning {
    /// The symbol as the module has it.
    pub name: String,
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
    },
}

/// What every undefined symbol of a module, and every klp symbol in it, means in the kernel of these
/// sources, by symbol index.
///
/// # Errors
/// [`Error`] when the file is not a module, a source cannot be read, or the sources are of another
/// kernel. What is wrong with annotations is reported by [`super::inspect()`].
pub fn meanings(data: &[u8], sources: &Sources, options: &Options) -> Result<Vec<Meaning>, Error> {
    let module = Module::parse(data)?;
    let machine = machine(&module)?;
    let annotations = Annotations::read(&module).unwrap_or_default();
    let klp = |name: &[u8]| name.to_str().ok()?.parse::<KlpSymbol>().ok();
    let livepatch = || module.symbols_in(SymbolSection::Livepatch);
    let mut wanted = convert::names(&module, &Tables::None);
    wanted.extend(livepatch().filter_map(|s| Some(klp(s.name)?.symbol.as_str().to_owned())));
    let wanted = Wanted::new(wanted.iter().map(String::as_str));
    let answer = sources.answer(&wanted.of_release(built_for(&module)))?;
    same_kernel(&module, machine, &answer, options)?;
    let resolver = Resolver::new(&answer);

    let mut asked = Vec::new();
    let undefined = module.symbols_in(SymbolSection::Undefined);
    for symbol in undefined.chain(livepatch()).filter(|s| s.index != SymbolIndex::NULL) {
        let Ok(text) = symbol.name.to_str() else { continue };
        let written = annotations.get(symbol.index);
        let is = klp(symbol.name).filter(|_| symbol.section == SymbolSection::Livepatch);
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
        let gate = annotation.as_ref().and_then(|a| a.gate.clone());
        asked.push((symbol.index, text, gate, resolver.resolve(&query)));
    }
    resolve::suggest(
        sources,
        &mut asked.iter_mut().filter_map(|a| a.3.as_mut().err()).collect::<Vec<_>>(),
    )?;
    asked.sort_by_key(|(index, ..)| *index);
    let meaning = |(_, name, gate, resolved): (_, &str, _, Result<_, _>)| {
        let means = match resolved {
            Ok(resolution) => NameUse::of(resolution)?,
            Err(reason) => {
                let refusal = Finding::from(Refusal::Unresolved { gate, reason: Box::new(reason) });
                let Diagnostic { code, message, help, .. } = Diagnostic::error(name, &refusal);
                NameUse::Unresolved { code, message, help }
            }
        };
        Some(Meaning { name: name.to_owned(), means })
    };
    Ok(asked.into_iter().filter_map(meaning).collect())
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

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", OneLine(&self.name))?;
        match &self.means {
            NameUse::Klp { symbol, gate, basis, candidate } => {
                if self.name != symbol.to_string() {
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
            NameUse::Unresolved { code, message, help } => {
                write!(f, " → {code}: {}", OneLine(message))?;
                help.iter().try_for_each(|line| write!(f, "\n    {}", OneLine(line)))
            }
        }
    }
}
