//! What relocations mean, in words that do not depend on layout.

use klp_arch::{Calc, Machine};

use super::written::Written;
use crate::elf::{
    Location, Module, Rela, Section, SectionFlags, SectionIndex, SymbolIndex, SymbolSection,
};
use crate::intermediate::Intermediate;
use crate::name::shown;
use crate::site::Sites;

/// Most bytes of a text that is compared where it is used. Many relocations may refer to an endless one.
const TEXT_MAX: usize = 4096;

/// Names the parts of a module.
#[derive(Debug)]
pub(super) struct Labels<'m, 'data> {
    module: &'m Module<'data>,
    machine: &'static Machine,
    recorded: &'m Intermediate,
    written: &'m Written,
    sites: Sites<'m, 'data>,
}

impl<'m, 'data> Labels<'m, 'data> {
    pub(super) fn of(
        module: &'m Module<'data>,
        machine: &'static Machine,
        recorded: &'m Intermediate,
        written: &'m Written,
    ) -> Self {
        Self { module, machine, recorded, written, sites: Sites::new(module, machine) }
    }

    /// The function or variable at an offset, or else the section.
    pub(super) fn place(&self, section: SectionIndex, offset: u64) -> String {
        let inside = self.sites.inside(section, offset).map(|(name, _)| name);
        inside.unwrap_or_else(|| self.section(section))
    }

    /// A symbol's name, also of one that the module does not have yet.
    pub(super) fn symbol(&self, index: SymbolIndex) -> String {
        match self.recorded.symbol(index) {
            Some(symbol) => symbol.klp.to_string(),
            None => self.sites.symbol_name(index),
        }
    }

    /// The ABI name of a relocation type.
    pub(super) fn kind(&self, kind: u32) -> String {
        self.sites.relocation_name(kind)
    }

    /// What a relocation of a section refers to: a symbol elsewhere, a text, or a location in a named part; for a
    /// pointer without a name, such as an entry of `.toc`, what that refers to.
    pub(super) fn target(&self, section: SectionIndex, rela: Rela) -> String {
        let to = self.location(section, rela);
        let named = to.is_some_and(|at| self.sites.inside(at.section, at.offset).is_some());
        match to.filter(|_| !named).and_then(|at| Some((at.section, self.pointer(at)?))) {
            Some((section, pointer)) => format!("→ {}", self.at(section, pointer)),
            None => self.at(section, rela),
        }
    }

    /// The relocation that writes a pointer here.
    fn pointer(&self, Location { section, offset }: Location) -> Option<Rela> {
        let there = self.written.by_section.get(&section)?;
        let first = there.partition_point(|(rela, _)| rela.offset < offset);
        let (rela, _) = there.get(first).filter(|(rela, _)| rela.offset == offset)?;
        self.machine.row(rela.kind).is_some_and(|row| row.calc == Calc::Absolute).then_some(*rela)
    }

    /// The location in the module that a relocation of a section refers to.
    fn location(&self, section: SectionIndex, rela: Rela) -> Option<Location> {
        let symbol =
            self.module.symbol(rela.symbol).filter(|_| rela.symbol != SymbolIndex::NULL)?;
        let SymbolSection::Defined(to) = symbol.section else { return None };
        let in_code = self.flags(section).contains(SectionFlags::EXECINSTR);
        let row = self.machine.row(rela.kind).filter(|_| in_code);
        let bias = row.map_or(0, |row| {
            let at = usize::try_from(rela.offset).unwrap_or(usize::MAX);
            let before = self.module.body(section).get(..at).unwrap_or_default();
            self.machine.instructions.bias_of_field(row, before)
        });
        let offset = symbol.st_value.wrapping_add_signed(rela.addend).wrapping_add_signed(bias);
        Some(Location { section: to, offset })
    }

    fn flags(&self, section: SectionIndex) -> SectionFlags {
        let section = self.module.section(section);
        section.map_or(SectionFlags::empty(), |section| section.sh_flags)
    }

    fn at(&self, section: SectionIndex, rela: Rela) -> String {
        let Some(Location { section: to, offset }) = self.location(section, rela) else {
            return format!("{}{:+#x}", self.symbol(rela.symbol), rela.addend);
        };
        if self.flags(to).contains(SectionFlags::MERGE)
            && let Some(content) = self.merged(to, offset)
        {
            return format!("{content:02x?}");
        }
        match self.sites.inside(to, offset) {
            Some((name, inside)) => format!("{name}+{inside:#x}"),
            None => format!("{}+{offset:#x}", self.section(to)),
        }
    }

    pub(super) fn section(&self, index: SectionIndex) -> String {
        let section = self.module.section(index);
        section.map_or_else(|| index.to_string(), |section| shown(section.name).into_owned())
    }

    /// The entry of a section of mergeable ones: a text, or a constant.
    fn merged(&self, section: SectionIndex, offset: u64) -> Option<&'data [u8]> {
        let Section { sh_entsize, sh_flags, .. } = *self.module.section(section)?;
        let width = usize::try_from(sh_entsize).ok()?.max(1);
        if width > TEXT_MAX {
            return None;
        }
        let tail = self.module.body(section).get(usize::try_from(offset).ok()?..)?;
        if sh_flags.contains(SectionFlags::STRINGS) { text(tail, width) } else { tail.get(..width) }
    }
}

/// A text with characters of this width, without its end; `None` if it is too long.
pub(super) fn text(tail: &[u8], width: usize) -> Option<&[u8]> {
    let start = tail.get(..TEXT_MAX.min(tail.len()))?;
    let end = start.chunks(width).position(|c| c.iter().all(|byte| *byte == 0))?;
    start.get(..end.checked_mul(width)?)
}
