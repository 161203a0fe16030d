//! The plan of a conversion: what changes in the module, as a value.
//!
//! Every decision is here; [`rewrite()`](super::rewrite()) makes none. A plan can be printed (`--dry-run`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use object::elf::{SymbolBind, SymbolType};

use crate::diagnostic::OneLine;
use crate::elf::{Rela, SectionIndex, SymbolIndex};
use crate::intermediate::ArchSection;
use crate::name::{KlpSection, KlpSymbol, ObjectName};
use crate::patch::Replaced;
use crate::resolve::Basis;

/// What a conversion does to a module.
#[derive(Debug, Default)]
pub struct Plan {
    /// Klp symbols: undefined symbols, and those that another tool has recorded, by symbol index.
    pub symbols: Vec<PlannedSymbol>,
    /// Relocations that move into klp sections, by section and entry.
    pub sections: Vec<PlannedSection>,
    /// Special sections that are copied for a kernel that reads the copies, in the order of their records.
    pub arch_sections: Vec<ArchSection>,
    /// Sections of annotations and records, and those that are copied, to remove, in file order.
    pub removed_sections: Vec<Named<SectionIndex>>,
    /// Symbols to remove with them or with the relocations that used them, in file order.
    pub removed_symbols: Vec<Named<SymbolIndex>>,
    /// Relocations to remove, by section and entry: debug information about what is removed, and
    /// those in the place of recorded ones.
    pub removed_relocations: Vec<(SectionIndex, usize)>,
    /// Relocations that get type 0, by section and entry: those in the place of recorded ones, for a
    /// module that keeps its records.
    pub disabled_relocations: Vec<(SectionIndex, usize)>,
    /// Undefined symbols that only those used, and that the kernel must not look up (`SHN_LIVEPATCH`).
    pub disabled_symbols: Vec<Named<SymbolIndex>>,
    /// Positions of functions that are replaced, in the order of their selectors.
    pub positions: Vec<PlannedPosition>,
    /// Undefined symbols that stay ordinary because something exports them.
    pub exported: Vec<Exported>,
    /// Tables of versions that lose the entries of symbols that become klp symbols, in file order.
    pub versions: Vec<PlannedVersions>,
    /// The change of `depends=` in `.modinfo`, if any.
    pub depends: Option<PlannedDepends>,
}

/// An index and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<I> {
    /// Index in the input file, or in the table there.
    pub index: I,
    /// Name in the input file.
    pub name: String,
}

/// A symbol that becomes a klp symbol, or is added as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedSymbol {
    /// Index in the input file; of one that is added, a number after those.
    pub index: SymbolIndex,
    /// Name in the input file.
    pub name: String,
    /// What it becomes.
    pub klp: KlpSymbol,
    /// The index in the input file of another symbol that already is this klp symbol, if any: this
    /// one is removed and its relocations refer to the other.
    pub same_as: Option<SymbolIndex>,
    /// How it was found.
    pub basis: Basis,
    /// Binding and type of one that is added.
    pub new: Option<(SymbolBind, SymbolType)>,
}

/// Relocations of one plain section that move into one klp section, or that are made from records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedSection {
    /// The plain relocation section, or the section of records.
    pub from: Named<SectionIndex>,
    /// Whether `from` is a section of records, which has no relocations to move.
    pub recorded: bool,
    /// The section that is patched.
    pub target: SectionIndex,
    /// The klp section.
    pub to: KlpSection,
    /// An existing klp section of that name and target to receive the relocations.
    pub existing: Option<SectionIndex>,
    /// The entries that move, ascending; or the records.
    pub entries: Vec<PlannedEntry>,
}

/// One relocation that moves or is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedEntry {
    /// Its index in the plain section, or its record's in the section of records.
    pub entry: usize,
    /// The relocation, with its symbol's index in the input file.
    pub rela: Rela,
    /// ABI name of its type.
    pub relocation: String,
}

/// A position of a function that is replaced, to be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedPosition {
    /// The section that has the function's entry.
    pub section: Named<SectionIndex>,
    /// The offset of `old_sympos` in it, in bytes.
    pub offset: u64,
    /// The function, with the position that is written.
    pub function: Replaced,
    /// The position as the author wrote it.
    pub written: u64,
}

/// An undefined symbol that stays ordinary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The symbol's name.
    pub name: String,
    /// The object that exports it.
    pub owner: ObjectName,
}

/// A table of versions that becomes shorter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedVersions {
    /// The section that holds it.
    pub section: Named<SectionIndex>,
    /// Number of entries in the input file.
    pub of: usize,
    /// The entries to remove, ascending.
    pub removed: Vec<Named<usize>>,
}

/// A `depends=` that becomes shorter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedDepends {
    /// The section `.modinfo`.
    pub section: SectionIndex,
    /// The list in the input file.
    pub from: String,
    /// The list in the output.
    pub to: String,
    /// The modules that are no longer needed.
    pub removed: BTreeSet<ObjectName>,
}

impl Plan {
    /// Whether the module stays as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
            && self.sections.is_empty()
            && self.arch_sections.is_empty()
            && self.removed_sections.is_empty()
            && self.removed_symbols.is_empty()
            && self.positions.is_empty()
    }

    /// Number of relocations that move.
    #[must_use]
    pub fn relocations(&self) -> usize {
        self.sections.iter().map(|s| s.entries.len()).sum()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for symbol in &self.symbols {
            let (name, klp) = (OneLine(&symbol.name), OneLine(&symbol.klp));
            write!(f, "symbol {}: '{name}' → {klp} ({})", symbol.index, symbol.basis)?;
            match symbol.same_as {
                Some(other) => writeln!(f, ", the same as symbol {other}")?,
                None => writeln!(f)?,
            }
        }
        let names: BTreeMap<_, _> =
            self.symbols.iter().map(|s| (s.index, s.name.as_str())).collect();
        for section in &self.sections {
            writeln!(f, "section {} → {}", OneLine(&section.from.name), OneLine(&section.to))?;
            for entry in &section.entries {
                let PlannedEntry { entry, rela, relocation } = entry;
                let name = names.get(&rela.symbol).copied().unwrap_or_default();
                let (target, name, offset) =
                    (OneLine(&section.to.section), OneLine(name), rela.offset);
                writeln!(f, "  [{entry}] {target}+{offset:#x}: {relocation} against '{name}'")?;
            }
        }
        for copy in &self.arch_sections {
            for piece in &copy.pieces {
                let (from, to) = (piece.section, copy.name());
                writeln!(f, "section {from} '{}' → {to}+{:#x}", copy.section, piece.offset)?;
            }
        }
        for PlannedPosition { function, .. } in &self.positions {
            writeln!(f, "replace {}: position {}", OneLine(function), function.position)?;
        }
        for (what, relocations) in
            [("remove", &self.removed_relocations), ("disable", &self.disabled_relocations)]
        {
            let mut counts: BTreeMap<SectionIndex, usize> = BTreeMap::new();
            for (section, _) in relocations {
                *counts.entry(*section).or_default() += 1;
            }
            for (section, count) in counts {
                writeln!(f, "{what} {count} relocations of section {section}")?;
            }
        }
        for PlannedVersions { section, of, removed } in &self.versions {
            let names: Vec<_> = removed.iter().map(|entry| format!("'{}'", entry.name)).collect();
            let (name, count) = (OneLine(&section.name), removed.len());
            let names = OneLine(names.join(", "));
            writeln!(f, "section {name}: remove {count} of {of} entries: {names}")?;
        }
        if let Some(PlannedDepends { from, to, .. }) = &self.depends {
            writeln!(f, "section .modinfo: depends '{}' → '{}'", OneLine(from), OneLine(to))?;
        }
        for section in &self.removed_sections {
            writeln!(f, "remove section {} '{}'", section.index, OneLine(&section.name))?;
        }
        for symbol in &self.removed_symbols {
            writeln!(f, "remove symbol {} '{}'", symbol.index, OneLine(&symbol.name))?;
        }
        for symbol in &self.disabled_symbols {
            writeln!(f, "disable symbol {} '{}'", symbol.index, OneLine(&symbol.name))?;
        }
        if self.is_empty() {
            writeln!(f, "nothing to convert")?;
        }
        Ok(())
    }
}
