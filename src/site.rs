//! Where a relocation is, in the notation that kernel people use.

use std::cell::OnceCell;
use std::fmt;

use klp_arch::Machine;

use crate::elf::{Module, Rela, SectionFlags, SectionIndex, Symbol, SymbolIndex, SymbolSection};
use crate::name::shown;

/// All references of an entry of a special section are within this many bytes.
const SPECIAL_ENTRY: u64 = 16;

/// One relocation: which entry of which section, what it patches, and against what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Site {
    /// Name of the relocation section.
    pub rela_section: String,
    /// Index of the entry, counted from 0.
    pub entry: usize,
    /// Name of the patched section.
    pub section: String,
    /// Offset in that section, in bytes.
    pub offset: u64,
    /// The function or object around the location, and the offset in it; for an entry of a
    /// special section, the code that the entry refers to.
    pub inside: Option<(String, u64)>,
    /// ABI name of the relocation type, or its number if the ABI has no name for it.
    pub relocation: String,
    /// Name of the symbol.
    pub symbol: String,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}] → {}+{:#x}", self.rela_section, self.entry, self.section, self.offset)?;
        if let Some((symbol, offset)) = &self.inside {
            write!(f, " ({symbol}+{offset:#x})")?;
        }
        write!(f, ": {} against '{}'", self.relocation, self.symbol)
    }
}

/// Section, value, size, name and index of a symbol.
type Covering<'data> = (SectionIndex, u64, u64, &'data [u8], SymbolIndex);

/// Describes the relocations of one module.
///
/// Sites are only needed for messages, so the index of functions is built for the first one.
#[derive(Debug)]
pub struct Sites<'m, 'data> {
    module: &'m Module<'data>,
    machine: &'static Machine,
    /// (section, value, size, name, symbol) of every named function and object, sorted.
    covering: OnceCell<Vec<Covering<'data>>>,
}

impl<'m, 'data> Sites<'m, 'data> {
    /// The sites of this module.
    #[must_use]
    pub fn new(module: &'m Module<'data>, machine: &'static Machine) -> Self {
        Self { module, machine, covering: OnceCell::new() }
    }

    /// Describes entry number `entry` of a relocation section.
    #[must_use]
    pub fn describe(&self, rela_section: SectionIndex, entry: usize, rela: Rela) -> Site {
        let target = self.module.section(rela_section).map(|s| SectionIndex::new(s.sh_info));
        self.describe_in(rela_section, entry, target, rela)
    }

    /// Describes an entry of a section that need not be a relocation section, but has a relocation of `target`.
    #[must_use]
    pub fn describe_in(
        &self,
        rela_section: SectionIndex,
        entry: usize,
        target: Option<SectionIndex>,
        rela: Rela,
    ) -> Site {
        let name = |index| {
            let section = self.module.section(index);
            section.map_or_else(|| index.to_string(), |s| shown(s.name).into_owned())
        };
        Site {
            rela_section: name(rela_section),
            entry,
            section: target.map(name).unwrap_or_default(),
            offset: rela.offset,
            inside: target
                .and_then(|target| self.inside(target, rela.offset))
                .or_else(|| self.entry_for(rela_section, entry, rela)),
            relocation: self.relocation_name(rela.kind),
            symbol: self.symbol_name(rela.symbol),
        }
    }

    /// The ABI's name of a relocation type; its number if there is none.
    #[must_use]
    pub fn relocation_name(&self, kind: u32) -> String {
        let name = self.machine.relocation_name(kind);
        name.map_or_else(|| format!("relocation type {kind}"), str::to_owned)
    }

    /// The name of a symbol; of a section symbol, the section's.
    #[must_use]
    pub fn symbol_name(&self, index: SymbolIndex) -> String {
        let Some(symbol) = self.module.symbol(index) else { return index.to_string() };
        let section = match symbol.section {
            SymbolSection::Defined(s) if symbol.name.is_empty() => self.module.section(s),
            _ => None,
        };
        shown(section.map_or(symbol.name, |s| s.name)).into_owned()
    }

    /// The innermost function or object that covers an offset, and the offset in it.
    #[must_use]
    pub fn inside(&self, section: SectionIndex, offset: u64) -> Option<(String, u64)> {
        let covering = self.covering.get_or_init(|| self.index());
        let end = covering.partition_point(|&(s, value, ..)| (s, value) <= (section, offset));
        let &(s, value, size, _, symbol) = covering.get(end.checked_sub(1)?)?;
        let covers = s == section && offset - value < size.max(1);
        covers.then(|| (self.symbol_name(symbol), offset - value))
    }

    /// The code that an entry of a special section refers to.
    ///
    /// Such entries (`struct jump_entry`, `struct static_call_site`, …) start with a reference to
    /// an instruction; their other references follow within [`SPECIAL_ENTRY`] bytes.
    fn entry_for(
        &self,
        rela_section: SectionIndex,
        entry: usize,
        rela: Rela,
    ) -> Option<(String, u64)> {
        let all = self.module.relocations(rela_section);
        let before = all.skip(entry.saturating_sub(3)).take(entry.min(3));
        let near = |r: &Rela| r.offset < rela.offset && rela.offset - r.offset < SPECIAL_ENTRY;
        before.filter(near).find_map(|r| {
            let symbol = self.module.symbol(r.symbol)?;
            let SymbolSection::Defined(section) = symbol.section else { return None };
            let code = self.module.section(section)?.sh_flags.contains(SectionFlags::EXECINSTR);
            let target = symbol.st_value.checked_add_signed(r.addend)?;
            if code { self.inside(section, target) } else { None }
        })
    }

    fn index(&self) -> Vec<Covering<'data>> {
        let mut covering: Vec<_> = self
            .module
            .symbols()
            .filter(Symbol::is_function_or_object)
            .filter_map(|s| match s.section {
                SymbolSection::Defined(section) => {
                    Some((section, s.st_value, s.st_size, s.name, s.index))
                }
                _ => None,
            })
            .collect();
        covering.sort_unstable();
        covering
    }
}
