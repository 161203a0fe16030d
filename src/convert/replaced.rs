//! Checks the functions that a livepatch replaces against the kernel.
//!
//! The kernel looks each one up when its object is loaded, like klp symbols, and then traces it.
//! One that it would not find or could not patch is an error; what cannot be known is a warning.
//! Source: `kernel/livepatch/core.c:klp_enable_patch`, `klp_init_func`, `klp_init_object_loaded`,
//! `kernel/livepatch/patch.c:klp_patch_func`.

use std::collections::BTreeSet;

use bstr::ByteSlice;
use klp_arch::Machine;

use crate::elf::{Location, Module, Section, SectionIndex, SymbolSection, is_mapping_symbol};
use crate::findings::{Collector, Finding, Refusal, Warning};
use crate::kmod;
use crate::name::{KlpSymbol, ObjectName, Position, SYMBOL_NAME_MAX};
use crate::patch::{Replaced, TableFunction, TableObject, Tables, Unpatchable, unpatchable};
use crate::resolve::{Klp, Query, Request, Resolution, Resolve, Unresolved};
use crate::rules::gate_timing;

/// Checks the functions that a module replaces against the kernel. `position`: the `old_sympos`
/// that a function will have; `None` for one not to look up. Adds what is found.
pub(crate) fn check(
    module: &Module<'_>,
    machine: &'static Machine,
    tables: &Tables<'_>,
    position: &dyn Fn(&TableFunction<'_>) -> Option<u64>,
    resolve: &dyn Resolve,
    found: &mut Collector,
) {
    let mut checker = Checker {
        module,
        machine,
        twice: BTreeSet::new(),
        unwritable: BTreeSet::new(),
        position,
        resolve,
        named: None,
        without_symbols: BTreeSet::new(),
        found,
    };
    let mut seen = BTreeSet::new();
    for object in tables.objects() {
        checker.object(object, &mut seen);
    }
    if *tables == Tables::AtRunTime {
        checker.warn(Warning::TablesAtRunTime);
    }
}

/// Start addresses of named symbols, by which the kernel finds the sizes of replacements
/// (`find_kallsyms_symbol`).
fn named(module: &Module<'_>) -> BTreeSet<Location> {
    let symbols = module.symbols().filter(|s| !s.name.is_empty() && !is_mapping_symbol(s.name));
    let locations = symbols.filter_map(|symbol| match symbol.section {
        SymbolSection::Defined(section) => Some(Location { section, offset: symbol.st_value }),
        _ => None,
    });
    locations.collect()
}

struct Checker<'c, 'data> {
    module: &'c Module<'data>,
    machine: &'static Machine,
    /// Objects already reported as duplicates.
    twice: BTreeSet<String>,
    /// Sections already reported as unsuitable for tables.
    unwritable: BTreeSet<SectionIndex>,
    position: &'c dyn Fn(&TableFunction<'_>) -> Option<u64>,
    resolve: &'c dyn Resolve,
    /// See [`named`]; built at the first function.
    named: Option<BTreeSet<Location>>,
    /// Objects whose symbols no source has.
    without_symbols: BTreeSet<ObjectName>,
    found: &'c mut Collector,
}

impl Checker<'_, '_> {
    fn refuse(&mut self, refusal: Refusal) {
        self.found.push(refusal.into());
    }

    fn warn(&mut self, warning: Warning) {
        self.found.push(warning.into());
    }

    /// Whether a section is freed before the patch is used.
    fn is_init(&self, section: &Section<'_>) -> bool {
        self.machine.frees_init_sections && kmod::is_init(section.name)
    }

    fn object<'t>(&mut self, table: &TableObject<'t>, seen: &mut BTreeSet<Option<&'t [u8]>>) {
        let shown = || table.name.unwrap_or_default().to_str_lossy().into_owned();
        if !seen.insert(table.name) {
            let name = table.object().map_or_else(shown, |object| object.to_string());
            if self.twice.insert(name.clone()) {
                self.refuse(Refusal::ObjectTwice { name });
            }
            return;
        }
        let Some(object) = table.object() else {
            self.refuse(Refusal::NoSuchObject { name: shown() });
            return;
        };
        if !table.has_funcs {
            self.refuse(Refusal::NoFunctions { object });
            return;
        }
        for section in &table.written {
            if let Some(section) = self.module.section(*section)
                && (!gate_timing::stays_writable(section) || self.is_init(section))
                && self.unwritable.insert(section.index)
            {
                let section = section.name.to_str_lossy().into_owned();
                self.refuse(Refusal::TablesUnwritable { section });
            }
        }
        let mut functions = BTreeSet::new();
        for function in &table.functions {
            let Some(position) = (self.position)(function) else { continue };
            let replaced = Replaced { position, ..Replaced::of(&object, function) };
            // The kernel names a function's directory by name and position, with 1 for 0.
            let twice = !functions.insert((function.old_name, position.max(1)));
            if twice {
                let why = Unpatchable::Twice;
                self.refuse(Refusal::Unpatchable { function: replaced, why });
            } else {
                self.function(function, replaced);
            }
        }
    }

    fn function(&mut self, table: &TableFunction<'_>, function: Replaced) {
        let refusal = match table.old_name {
            None => Some(Refusal::NoOldName { object: function.object.clone() }),
            Some(_) if !table.has_new_func => {
                let (function, why) = (function.clone(), Unpatchable::NoReplacement);
                Some(Refusal::Unpatchable { function, why })
            }
            Some(_) if function.name.len() > SYMBOL_NAME_MAX => {
                let (function, why) = (function.clone(), Unpatchable::LongName);
                Some(Refusal::Unpatchable { function, why })
            }
            Some(_) => self.look_up(&function).or_else(|| {
                let section = self.module.section(table.new_func?.section)?;
                let why = Unpatchable::InitReplacement;
                let function = function.clone();
                self.is_init(section).then_some(Refusal::Unpatchable { function, why })
            }),
        };
        let named = self.named.get_or_insert_with(|| named(self.module));
        if table.new_func.is_some_and(|location| !named.contains(&location)) {
            self.warn(Warning::ReplacementNameless { function });
        }
        self.found.extend(refusal.map(Finding::from));
    }

    /// What the kernel would find.
    fn look_up(&mut self, function: &Replaced) -> Option<Refusal> {
        // The kernel looks up names that no klp symbol can have, too; nothing is known about them.
        let name: &str = &function.name;
        let position = u32::try_from(function.position).unwrap_or(u32::MAX);
        let position = Position::from(position);
        let annotation =
            Request { owner: function.object.clone(), gate: None, which: position.into() };
        let query = Query { name, weak: false, loader: false, annotation: Some(&annotation) };
        match self.resolve.resolve(&query) {
            Ok(Resolution::Klp(klp)) => self.found(function, *klp),
            Err(Unresolved::ObjectUnknown { .. }) => {
                if self.without_symbols.insert(function.object.clone()) {
                    let object = function.object.clone();
                    self.warn(Warning::ReplacedUnchecked { object });
                }
                None
            }
            Err(Unresolved::Name(_)) | Ok(_) => None,
            Err(reason) => {
                let function = function.clone();
                Some(Refusal::NotReplaced { function, reason: Box::new(reason) })
            }
        }
    }

    fn found(&mut self, function: &Replaced, klp: Klp) -> Option<Refusal> {
        if klp.order_unproven() {
            let klp: KlpSymbol = klp.symbol.clone();
            self.warn(Warning::PositionUnproven { klp });
        }
        let candidate = klp.candidate?;
        if let Some(why) = unpatchable(&candidate) {
            return Some(Refusal::Unpatchable { function: function.clone(), why });
        }
        if candidate.drifts() {
            self.warn(Warning::ReplacedDrifts { function: function.clone() });
        }
        None
    }
}
