//! A module's livepatch contents, for people.

mod name_use;

pub use name_use::{Meaning, NameUse, meanings};

use std::borrow::Cow;
use std::fmt;

use klp_arch::Machine;

use crate::annotation::Annotations;
use crate::diagnostic::OneLine;
use crate::elf::{Module, Section, SectionFlags, SectionIndex, SymbolIndex, SymbolSection};
use crate::findings::Error;
use crate::intermediate::{Intermediate, is_tombstone};
use crate::name::{ObjectName, shown};
use crate::rules;
use crate::site::{Site, Sites};
use crate::target::machine;

/// The livepatch view of a module.
///
/// Names are borrowed from the module, and relocations described only when they are printed: a file may
/// have millions of either.
#[derive(Debug)]
pub struct Inspection<'data> {
    pub(crate) module: Module<'data>,
    /// The module's machine.
    pub machine: &'static Machine,
    /// The module's name, if `.modinfo` has it.
    pub name: Option<Cow<'data, str>>,
    /// Whether `.modinfo` marks it as a livepatch.
    pub livepatch: bool,
    /// Length of an appended signature, in bytes.
    pub signature: Option<usize>,
    /// klp sections, in file order.
    pub klp_sections: Vec<InspectedSection<'data>>,
    /// klp symbols, by symbol index.
    pub klp_symbols: Vec<Cow<'data, str>>,
    /// Symbols that objtool makes the original relocations name before it disables them: nothing resolves
    /// these.
    pub tombstones: Vec<Cow<'data, str>>,
    /// Sections that other tools made, in file order.
    pub other_tools: Vec<OtherToolsSection<'data>>,
    /// What another tool still has to do to the module.
    pub unfinished: Option<String>,
    /// The klp relocations that another tool has recorded, and still has to make.
    pub recorded: Option<Intermediate>,
    /// What is wrong with its records.
    pub record_errors: Vec<String>,
    /// Annotations as the author wrote them.
    pub annotations: Vec<String>,
    /// What is wrong with annotations.
    pub annotation_errors: Vec<String>,
    /// Symbols that are still undefined, by symbol index.
    pub undefined: Vec<Cow<'data, str>>,
    /// What its names mean in a kernel, if one was given ([`meanings`]).
    pub meanings: Option<Vec<Meaning<'data>>>,
}

/// A klp section.
#[derive(Debug)]
pub struct InspectedSection<'data> {
    /// Name of the klp section.
    pub name: Cow<'data, str>,
    /// Its index; [`Inspection::relocations`] has its relocations.
    pub index: SectionIndex,
}

/// A section that another livepatch tool has put into the module.
#[derive(Debug)]
pub struct OtherToolsSection<'data> {
    /// Name of the section.
    pub name: Cow<'data, str>,
    /// Which tool uses it, and what for.
    pub purpose: &'static str,
}

impl fmt::Display for OtherToolsSection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.purpose)
    }
}

/// Describes a module.
///
/// # Errors
/// [`Error`] when the file is not a module of a known machine.
pub fn inspect(data: &[u8]) -> Result<Inspection<'_>, Error> {
    let module = Module::parse(data)?;
    let machine = machine(&module)?;
    let named = |wanted: SymbolSection, tombstones: bool| {
        let symbols = module.symbols_in(wanted).filter(|s| s.index != SymbolIndex::NULL);
        let symbols = symbols.filter(|s| is_tombstone(s) == tombstones);
        symbols.map(|s| shown(s.name)).collect::<Vec<_>>()
    };
    let (livepatch, undefined) = (SymbolSection::Livepatch, SymbolSection::Undefined);
    let other_tools = module.sections().filter_map(|section| {
        let purpose = rules::purpose(section)?;
        Some(OtherToolsSection { name: shown(section.name), purpose })
    });
    let klp = |s: &&Section<'_>| s.sh_flags.contains(SectionFlags::RELA_LIVEPATCH);
    let (annotations, annotation_errors) = match Annotations::read(&module) {
        Ok(annotations) => (annotations, Vec::new()),
        Err(errors) => (Annotations::default(), errors.iter().map(ToString::to_string).collect()),
    };
    let (recorded, record_errors) = match Intermediate::read(&module, machine) {
        Ok(recorded) => (recorded, Vec::new()),
        Err(errors) => (None, errors.iter().map(ToString::to_string).collect()),
    };
    let described = annotations.iter().map(|a| {
        let gate = a.gate.as_ref().map_or_else(String::new, |gate| format!(", gate {gate}"));
        format!("{}: '{}' of {}, {}{gate}", a.location, a.name, a.owner, a.which)
    });
    let klp = module.relocation_sections().filter(klp);
    Ok(Inspection {
        machine,
        name: module.name().map(shown),
        livepatch: module.is_livepatch(),
        signature: module.signature().map(|signature| signature.len()),
        klp_sections: klp
            .map(|section| InspectedSection { name: shown(section.name), index: section.index })
            .collect(),
        klp_symbols: named(livepatch, false),
        tombstones: [named(livepatch, true), named(undefined, true)].concat(),
        other_tools: other_tools.collect(),
        unfinished: rules::unfinished(&module).map(|unfinished| unfinished.to_string()),
        recorded,
        record_errors,
        annotations: described.collect(),
        annotation_errors,
        undefined: named(undefined, false),
        meanings: None,
        module,
    })
}

impl Inspection<'_> {
    /// What describes the relocations of its sections.
    #[must_use]
    pub fn sites(&self) -> Sites<'_, '_> {
        Sites::new(&self.module, self.machine)
    }

    /// The relocations of a klp section.
    pub fn relocations<'s>(
        &'s self,
        sites: &'s Sites<'_, '_>,
        section: &InspectedSection<'_>,
    ) -> impl ExactSizeIterator<Item = Site> + 's {
        let index = section.index;
        let entries = self.module.relocations(index).enumerate();
        entries.map(move |(entry, rela)| sites.describe(index, entry, rela))
    }
}

impl Inspection<'_> {
    /// The relocations that another tool has recorded, each with the object that it waits for.
    pub fn records<'s>(
        &'s self,
        sites: &'s Sites<'_, '_>,
    ) -> impl Iterator<Item = (&'s ObjectName, Site)> + 's {
        let all =
            self.recorded.iter().flat_map(|all| all.records.iter().map(move |one| (all, one)));
        all.map(move |(all, record)| (&record.gate, all.site(sites, record)))
    }
}

impl fmt::Display for Inspection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or("(no name in .modinfo)");
        let marked = if self.livepatch { "marked livepatch" } else { "not marked livepatch" };
        writeln!(f, "module {}, {}, {marked}", OneLine(name), self.machine.name)?;
        if let Some(length) = self.signature {
            writeln!(f, "appended signature of {length} bytes")?;
        }
        let sites = self.sites();
        for section in &self.klp_sections {
            let relocations = self.relocations(&sites, section);
            writeln!(f, "klp section {} ({})", OneLine(&section.name), relocations.len())?;
            for site in relocations {
                writeln!(f, "  {}", OneLine(site))?;
            }
        }
        list(f, "klp symbols", &self.klp_symbols)?;
        list(f, "tombstones of objtool", &self.tombstones)?;
        list(f, "sections of other tools", &self.other_tools)?;
        self.unfinished
            .iter()
            .try_for_each(|what| writeln!(f, "not finished: {}", OneLine(what)))?;
        title(
            f,
            "recorded klp relocations",
            self.recorded.as_ref().map_or(0, |all| all.records.len()),
        )?;
        for (gate, site) in self.records(&sites) {
            writeln!(f, "  {gate}: {}", OneLine(site))?;
        }
        list(f, "records that cannot be read", &self.record_errors)?;
        list(f, "annotations", &self.annotations)?;
        list(f, "malformed annotations", &self.annotation_errors)?;
        list(f, "undefined symbols", &self.undefined)?;
        let meanings = self.meanings.as_deref().unwrap_or(&[]);
        title(f, "in the kernel", meanings.len())?;
        // Those that a conversion refuses have lines of help.
        meanings.iter().try_for_each(|meaning| writeln!(f, "  {meaning}"))
    }
}

fn title(f: &mut fmt::Formatter<'_>, title: &str, count: usize) -> fmt::Result {
    if count > 0 { writeln!(f, "{title} ({count})") } else { Ok(()) }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, what: &str, lines: &[T]) -> fmt::Result {
    title(f, what, lines.len())?;
    lines.iter().try_for_each(|line| writeln!(f, "  {}", OneLine(line)))
}
