//! Livepatches between two steps of another tool, which records klp relocations as data: linkers keep neither
//! `SHN_LIVEPATCH` nor a second relocation section of one section.
//!
//! `objtool` reads the records of `objtool klp diff`, `kpatch` those of kpatch's `create-diff-object`; both give the same
//! [`Record`]s, from which a conversion makes klp relocations. `arch_sections` reads what kpatch records besides, for kernels
//! before Linux 5.8. Records are in the byte order of the machine that the tool ran
//! on, which may not be the module's.

mod arch_sections;
mod byte_order;
mod error;
mod kpatch;
mod objtool;
mod table;

use std::borrow::Cow;
use std::collections::BTreeSet;

use klp_arch::Machine;
use object::elf::{SymbolBind, SymbolType};

use crate::elf::{Location, Module, Rela, SectionIndex, SymbolIndex};
use crate::name::{KlpSymbol, ObjectName, shown};
use crate::site::{Site, Sites};

pub(crate) use arch_sections::parts as arch_section_parts;
pub use arch_sections::{ArchPiece, ArchSection};
pub use error::{RecordError, RecordFault};
pub(crate) use kpatch::is_record as is_kpatch_record;
pub(crate) use objtool::{awaits_post_link, is_record as is_objtool_record, is_tombstone};

/// The klp relocations that another tool has recorded.
#[derive(Debug, Default)]
pub struct Intermediate {
    /// The klp symbols, by index.
    pub symbols: Vec<RecordedSymbol>,
    /// In file order.
    pub records: Vec<Record>,
    /// The sections that only hold them, and the relocations of those.
    pub sections: BTreeSet<SectionIndex>,
    /// Whether a finished module may have these sections.
    pub may_stay: bool,
    /// Whether there are special sections that kernels before Linux 5.8 read late: [`Intermediate::arch_sections`].
    pub has_arch: bool,
}

/// A klp symbol of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedSymbol {
    /// Its index in the module; for one that the module does not have yet, a number after those.
    pub index: SymbolIndex,
    /// What the kernel is to look up.
    pub klp: KlpSymbol,
    /// Binding and type of one that the module does not have yet.
    pub new: Option<(SymbolBind, SymbolType)>,
}

/// A klp relocation as another tool has recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The section that holds the record.
    pub section: SectionIndex,
    /// Its number there, from 0.
    pub number: usize,
    /// The object whose loading triggers the write.
    pub gate: ObjectName,
    /// The section to patch.
    pub target: SectionIndex,
    /// The klp relocation; its symbol is a [`RecordedSymbol::index`].
    pub rela: Rela,
    /// The plain relocation in its place, if its tool needs one.
    pub plain: Option<Plain>,
}

/// A plain relocation in the place of a recorded one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain {
    /// The relocation section.
    pub table: SectionIndex,
    /// The entry in it.
    pub entry: usize,
    /// Its symbol, which is undefined.
    pub symbol: SymbolIndex,
}

impl Record {
    /// The location to patch.
    pub(crate) fn place(&self) -> Location {
        Location { section: self.target, offset: self.rela.offset }
    }

    /// The same in words.
    fn location(&self, module: &Module<'_>) -> String {
        format!("{}+{:#x}", name_of(module, self.target), self.rela.offset)
    }

    fn error(&self, module: &Module<'_>, fault: RecordFault) -> RecordError {
        let section = name_of(module, self.section).as_ref().into();
        RecordError { section, record: Some(self.number), fault }
    }
}

fn name_of<'data>(module: &Module<'data>, section: SectionIndex) -> Cow<'data, str> {
    module.section(section).map_or(Cow::Borrowed(""), |section| shown(section.name))
}

impl Intermediate {
    /// Reads what another tool has left to do; `None` if there is nothing.
    ///
    /// # Errors
    /// Every record that cannot be read.
    pub fn read(module: &Module<'_>, machine: &Machine) -> Result<Option<Self>, Vec<RecordError>> {
        let (mut found, mut errors) = (Self::default(), Vec::new());
        if kpatch::is_pending(module) {
            kpatch::read(module, machine, &mut found, &mut errors);
        } else if objtool::is_pending(module) {
            objtool::read(module, machine, &mut found, &mut errors);
        } else {
            return Ok(None);
        }
        let mut taken = BTreeSet::new();
        for record in &found.records {
            if !taken.insert(record.place()) {
                let fault = RecordFault::LocationTwice(record.location(module));
                errors.push(record.error(module, fault));
            }
        }
        if errors.is_empty() {
            objtool::find_unrecorded(module, &found, &mut errors);
        }
        if errors.is_empty() { Ok(Some(found)) } else { Err(errors) }
    }

    /// Reads which special sections are to be copied for such a kernel.
    ///
    /// # Errors
    /// Every record of them that cannot be read.
    pub fn arch_sections(
        &self,
        module: &Module<'_>,
        machine: &Machine,
    ) -> Result<Vec<ArchSection>, Vec<RecordError>> {
        arch_sections::read(module, machine, self)
    }

    /// Where a record's relocation is.
    #[must_use]
    pub fn site(&self, sites: &Sites<'_, '_>, record: &Record) -> Site {
        let Record { section, number, target, rela, .. } = *record;
        let site = sites.describe_in(section, number, Some(target), rela);
        let klp = self.symbol(rela.symbol).map(|symbol| symbol.klp.to_string());
        Site { symbol: klp.unwrap_or_default(), ..site }
    }

    /// The klp symbol of an index.
    #[must_use]
    pub fn symbol(&self, index: SymbolIndex) -> Option<&RecordedSymbol> {
        let at = self.symbols.binary_search_by_key(&index, |symbol| symbol.index).ok()?;
        self.symbols.get(at)
    }
}
