//! What a livepatch is made of, by kind and name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bstr::ByteSlice;
use klp_arch::Machine;
use object::elf::STT_FILE;

use super::fingerprint::Fingerprint;
use super::written::Written;
use crate::convert::version_entries;
use crate::elf::{Module, SymbolIndex, SymbolSection};
use crate::intermediate::{Intermediate, awaits_post_link};
use crate::name::{KlpSymbol, shown};
use crate::patch::Tables;

/// The kind of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub enum What {
    /// The machine.
    Machine,
    /// A key of `.modinfo`.
    Modinfo,
    /// An object that is patched.
    Object,
    /// A function that is replaced.
    Replaces,
    /// A klp symbol, by owner and name.
    KlpSymbol,
    /// Klp relocations, by gate, symbol and what they are in.
    KlpRelocations,
    /// An undefined symbol that an export binds.
    Import,
    /// A function of the module.
    Function,
    /// A variable of the module.
    Variable,
    /// A symbol without a section.
    Symbol,
    /// What a section has without a name.
    Section,
}

/// What is known about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// What is printed.
    Texts(BTreeSet<String>),
    /// How often each of these is there.
    Counts(BTreeMap<String, usize>),
    /// Contents and size of each part of this name.
    Contents(Vec<(Fingerprint, u64)>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Texts(texts) => {
                f.write_str(&texts.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
            }
            Self::Counts(counts) => {
                let each = counts.iter().map(|(name, count)| format!("{count} {name}"));
                f.write_str(&each.collect::<Vec<_>>().join(", "))
            }
            Self::Contents(parts) => {
                let sizes: Vec<_> = parts.iter().map(|(_, size)| size.to_string()).collect();
                write!(f, "{} bytes", sizes.join(", "))
            }
        }
    }
}

/// The facts about a module.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) by_name: BTreeMap<(What, String), Value>,
}

impl Facts {
    /// What it replaces.
    pub(super) fn tables(&mut self, module: &Module<'_>, machine: &Machine) {
        let tables = Tables::of(module, machine);
        for object in tables.objects() {
            let name = object.name.map_or("vmlinux".into(), shown);
            let kinds = ["pre_patch", "post_patch", "pre_unpatch", "post_unpatch"];
            let callbacks = object.callbacks.iter().zip(kinds);
            let callbacks = callbacks.filter_map(|(callback, kind)| callback.map(|_| kind));
            self.text(What::Object, &name, &callbacks.collect::<Vec<_>>().join(", "));
            for function in &object.functions {
                let old = shown(function.old_name.unwrap_or_default());
                let position = format!("position {}", function.old_sympos);
                self.text(What::Replaces, &format!("{old} of {name}"), &position);
            }
        }
    }

    /// What it looks up, and what exports bind.
    pub(super) fn symbols(
        &mut self,
        module: &Module<'_>,
        recorded: &Intermediate,
        written: &Written,
    ) {
        let mut klp: Vec<KlpSymbol> = Vec::new();
        for symbol in module.symbols_in(SymbolSection::Livepatch) {
            klp.extend(symbol.name.to_str().ok().and_then(|name| name.parse().ok()));
        }
        klp.extend(recorded.symbols.iter().map(|symbol| symbol.klp.clone()));
        for KlpSymbol { owner, symbol, position } in klp {
            let position = format!("position {position}");
            self.text(What::KlpSymbol, &format!("{symbol} of {owner}"), &position);
        }
        let shadows = recorded.records.iter().filter_map(|record| Some(record.plain?.symbol));
        let shadows: BTreeSet<SymbolIndex> = shadows.collect();
        let used: BTreeSet<SymbolIndex> =
            written.by_section.values().flatten().map(|(rela, _)| rela.symbol).collect();
        let mut imports = BTreeSet::new();
        for symbol in module.symbols_in(SymbolSection::Undefined).skip(1) {
            let is_shadow = shadows.contains(&symbol.index) && !used.contains(&symbol.index);
            if !awaits_post_link(&symbol) && !is_shadow {
                imports.insert(symbol.name);
                self.text(
                    What::Import,
                    &shown(symbol.name),
                    if symbol.is_weak() { "weak" } else { "" },
                );
            }
        }
        for (name, entry) in version_entries(module) {
            // That of a klp symbol is removed with the records.
            if imports.contains(name) {
                self.text(What::Import, &shown(name), &format!("version {:02x?}", entry.get(..8)));
            }
        }
        for symbol in module.symbols().filter(|symbol| symbol.kind != STT_FILE) {
            let (kind, value) = match symbol.section {
                SymbolSection::Absolute => ("absolute", symbol.st_value),
                SymbolSection::Common => ("common", symbol.st_size),
                _ => continue,
            };
            self.text(What::Symbol, &shown(symbol.name), &format!("{kind} {value:#x}"));
        }
    }

    pub(super) fn text(&mut self, what: What, name: &str, text: &str) {
        let value = self.by_name.entry((what, name.to_owned()));
        if let Value::Texts(texts) = value.or_insert_with(|| Value::Texts(BTreeSet::new())) {
            texts.insert(text.to_owned());
        }
    }

    pub(super) fn count(&mut self, what: What, name: String, of: String) {
        let value = self.by_name.entry((what, name));
        if let Value::Counts(counts) = value.or_insert_with(|| Value::Counts(BTreeMap::new())) {
            let count = counts.entry(of).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Brings parts of one name into an order that does not depend on layout.
    pub(super) fn sort(&mut self) {
        for value in self.by_name.values_mut() {
            if let Value::Contents(parts) = value {
                parts.sort_unstable_by_key(|(contents, size)| (*size, *contents));
            }
        }
    }

    pub(super) fn contents(&mut self, what: What, name: String, size: u64, contents: Fingerprint) {
        let value = self.by_name.entry((what, name));
        if let Value::Contents(parts) = value.or_insert_with(|| Value::Contents(Vec::new())) {
            parts.push((contents, size));
        }
    }
}
