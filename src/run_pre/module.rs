//! A module as if it were linked: objects that were linked into it (`ld -r`) are compared as with a kernel.
//!
//! Its sections get addresses of our own, and so does what it needs of others; then its relocations are filled in as a
//! linker would. What is near is reached directly, so there are no stubs: a loader makes those.

use std::ops::Range;

use klp_arch::{Calc, Operands, Row, apply};
use object::elf::{STB_LOCAL, STT_FILE, STT_SECTION};
use rustc_hash::FxHashMap;
use scroll::Endian;

use super::kernel::ShippedKernel;
use super::listing::Listing;
use super::sections::{of_slot, relocated_by};
use crate::elf::{Module, Rela, Section, SectionFlags, Symbol, SymbolSection, is_mapping_symbol};
use crate::findings::Error;
use crate::kmod;
use crate::symbols::image::LinkedMemory;
use crate::target::machine;

/// Where the first section is: 32 bits with a sign reach it.
const BASE: u64 = 0xffff_ffff_8000_0000;
/// Bytes between things that others have: more than what is added to a name.
const APART: u64 = 0x1000;
/// The TOC pointer is this far into the section of slots (`arch/powerpc/kernel/module_64.c:my_r2`).
const TOC_BIAS: u64 = 0x8000;
/// Bytes of a slot.
const SLOT: u64 = 8;

impl ShippedKernel {
    /// Reads a module, which is not compressed.
    ///
    /// # Errors
    /// It is not a relocatable file of a known machine.
    pub fn module(data: &[u8]) -> Result<Self, Error> {
        let module = Module::parse(data)?;
        let machine = machine(&module)?;
        let mut linked = Linked::new(&module);
        let toc = machine.link.toc.map(|_| linked.toc());
        linked.fill(machine, toc);
        let sections = module.sections().filter_map(|section| {
            let start = linked.section(section.index.slot())?;
            Some((section.name.into(), start..start.checked_add(section.sh_size)?))
        });
        let code = module.sections().filter(|s| is_code(s)).filter_map(|section| {
            let start = linked.section(section.index.slot())?;
            Some(start..start.checked_add(section.sh_size)?)
        });
        let sections: FxHashMap<Box<[u8]>, Range<u64>> = sections.collect();
        let code = code.collect();
        let listing = linked.listing();
        let needed = linked.needed.iter().map(|(name, at)| ((*name).into(), *at)).collect();
        let comment: Vec<&[u8]> =
            module.sections_named(b".comment").map(|section| module.body(section.index)).collect();
        let compilers = String::from_utf8_lossy(&comment.concat()).replace('\0', " ");
        let mut kernel = Self::new(Some(machine), linked.into_memory(), listing);
        kernel.needed = needed;
        kernel.sections = Some(sections);
        kernel.code = code;
        kernel.compilers = Some(compilers).filter(|text| !text.trim().is_empty());
        kernel.toc = toc;
        kernel.jumps = kernel.read_jumps().unwrap_or_default();
        Ok(kernel)
    }
}

/// A module's sections at addresses.
struct Linked<'m, 'data> {
    module: &'m Module<'data>,
    /// Of each section that is loaded: its address, and its bytes.
    sections: Vec<Option<(u64, Vec<u8>)>>,
    /// Addresses of what others have.
    needed: FxHashMap<&'data [u8], u64>,
    /// The first address after everything, where slots are.
    end: u64,
    /// What is in slots: values in the order of their addresses.
    slots: Vec<u64>,
    /// The address of the slot of each value.
    slot_of: FxHashMap<u64, u64>,
    /// Sections by address.
    order: Vec<(u64, usize)>,
}

impl<'m, 'data> Linked<'m, 'data> {
    /// Code first, then what others have, then data: what calls reach is near.
    fn new(module: &'m Module<'data>) -> Self {
        let mut linked = Self {
            module,
            sections: module.sections().map(|_| None).collect(),
            needed: FxHashMap::default(),
            end: BASE,
            slots: Vec::new(),
            slot_of: FxHashMap::default(),
            order: Vec::new(),
        };
        let is_loaded = |section: &Section<'_>| section.sh_flags.contains(SectionFlags::ALLOC);
        for section in module.sections().filter(|s| is_loaded(s) && is_code(s)) {
            linked.place(section);
        }
        linked.align(APART);
        for symbol in module.symbols().filter(|symbol| is_needed(symbol)) {
            if !linked.needed.contains_key(symbol.name) {
                linked.needed.insert(symbol.name, linked.end);
                linked.end = linked.end.wrapping_add(APART);
            }
        }
        for section in module.sections().filter(|s| is_loaded(s) && !is_code(s)) {
            linked.place(section);
        }
        linked.align(SLOT);
        linked
    }

    /// Moves on to a multiple. Sections that do not fit into the address space get no bytes.
    fn align(&mut self, align: u64) {
        self.end = self.end.checked_next_multiple_of(align).unwrap_or(u64::MAX);
    }

    /// Puts a section at the next address.
    fn place(&mut self, section: &Section<'data>) {
        self.align(section.sh_addralign.max(1));
        let start = self.end;
        let bytes = self.module.body(section.index).to_vec();
        self.end = start.saturating_add(section.sh_size);
        if let Some(place) = self.sections.get_mut(section.index.slot()) {
            *place = Some((start, bytes));
            self.order.push((start, section.index.slot()));
        }
    }

    /// The address of a section.
    fn section(&self, section: usize) -> Option<u64> {
        self.sections.get(section)?.as_ref().map(|(address, _)| *address)
    }

    /// The address of a symbol.
    fn symbol(&self, symbol: &Symbol<'data>) -> Option<u64> {
        match symbol.section {
            SymbolSection::Defined(section) => {
                Some(self.section(section.slot())?.wrapping_add(symbol.st_value))
            }
            SymbolSection::Absolute => Some(symbol.st_value),
            _ => self.needed.get(symbol.name).copied(),
        }
    }

    /// The TOC pointer.
    fn toc(&self) -> u64 {
        let slots = self.module.sections_named(b".toc").next();
        let start = slots.and_then(|section| self.section(section.index.slot()));
        start.unwrap_or(BASE).wrapping_add(TOC_BIAS)
    }

    /// Fills in all relocations whose symbols have addresses.
    fn fill(&mut self, machine: &'static klp_arch::Machine, toc: Option<u64>) {
        let toc_symbol = machine.link.toc.map(str::as_bytes);
        for (section, tables) in relocated_by(self.module) {
            let Some(base) = self.section(section) else { continue };
            for rela in tables.iter().flat_map(|table| self.module.relocations(*table)) {
                let Some(row) = machine.linker_row(rela.kind).filter(|row| row.field.size() > 0)
                else {
                    continue;
                };
                let Some(symbol) = self.module.symbol(rela.symbol) else { continue };
                let own = self.symbol(&symbol);
                let address = if Some(symbol.name) == toc_symbol { toc } else { own };
                if let Some(address) = address {
                    self.fill_one(machine, (row, rela), (section, base), (address, toc));
                }
            }
        }
    }

    fn fill_one(
        &mut self,
        machine: &'static klp_arch::Machine,
        (row, rela): (&'static Row, Rela),
        (section, base): (usize, u64),
        (address, toc): (u64, Option<u64>),
    ) {
        let mut operands = Operands {
            s: address,
            a: rela.addend,
            p: base.wrapping_add(rela.offset),
            toc,
            ..Operands::default()
        };
        if row.calc == Calc::Branch {
            let entered = self.code_at(address.wrapping_add_signed(rela.addend));
            operands.s = address.wrapping_add(machine.link.preamble(entered));
        }
        if row.calc == Calc::SlotRelative {
            operands.got = Some(self.end);
            operands.got_slot = Some(self.slot(address));
        }
        let value = apply::compute(row, &operands).and_then(|value| apply::fit(row, value));
        let bytes = self.sections.get_mut(section).and_then(Option::as_mut);
        let at = usize::try_from(rela.offset).ok();
        let field = bytes.zip(at).and_then(|((_, bytes), at)| bytes.get_mut(at..));
        // What does not fit is not compared as equal: the object's does not fit, either.
        if let (Ok(patch), Some(field)) = (value, field) {
            let _ = patch.field.store(field, patch.value, machine.endian);
        }
    }

    /// The address of the slot that holds a value.
    fn slot(&mut self, value: u64) -> u64 {
        let next = u64::try_from(self.slots.len()).unwrap_or(u64::MAX);
        let next = self.end.wrapping_add(SLOT.wrapping_mul(next));
        *self.slot_of.entry(value).or_insert_with(|| {
            self.slots.push(value);
            next
        })
    }

    /// The bytes of a section from an address on.
    fn code_at(&self, address: u64) -> &[u8] {
        let after = self.order.partition_point(|(start, _)| *start <= address);
        let section = after.checked_sub(1).and_then(|index| self.order.get(index));
        let section = section.and_then(|(_, section)| self.sections.get(*section)?.as_ref());
        let code = section.and_then(|(start, bytes)| {
            bytes.get(usize::try_from(address.checked_sub(*start)?).ok()?..)
        });
        code.unwrap_or_default()
    }

    /// The symbols in the order in which the kernel counts them; those of init sections, which it forgets, are last.
    fn listing(&self) -> Listing {
        let is_listed = |symbol: &Symbol<'_>| {
            !matches!(symbol.kind, STT_SECTION | STT_FILE)
                && !symbol.name.is_empty()
                && !is_mapping_symbol(symbol.name)
        };
        let is_init = |symbol: &Symbol<'_>| match symbol.section {
            SymbolSection::Defined(section) => {
                let name = self.module.section(of_slot(section.slot())).map_or(&[][..], |s| s.name);
                kmod::is_init(name)
            }
            _ => false,
        };
        let all: Vec<Symbol<'data>> = self.module.symbols().filter(is_listed).collect();
        let (init, core): (Vec<_>, Vec<_>) = all.into_iter().partition(is_init);
        let defined = core.into_iter().chain(init).filter_map(|symbol| {
            let SymbolSection::Defined(_) = symbol.section else { return None };
            let letter = match (symbol.is_weak(), symbol.bind == STB_LOCAL) {
                (true, _) => b'w',
                (_, true) => b't',
                _ => b'T',
            };
            Some((self.symbol(&symbol)?, letter, symbol.name))
        });
        let needed = self.needed.iter().map(|(name, address)| (*address, *name));
        Listing::new(defined).with_places(needed)
    }

    fn into_memory(self) -> LinkedMemory {
        let word = |value: &u64| match self.module.endian() {
            Endian::Little => value.to_le_bytes(),
            Endian::Big => value.to_be_bytes(),
        };
        let slots: Vec<u8> = self.slots.iter().flat_map(word).collect();
        LinkedMemory::new(self.sections.into_iter().flatten().chain([(self.end, slots)]))
    }
}

fn is_code(section: &Section<'_>) -> bool {
    section.sh_flags.contains(SectionFlags::EXECINSTR)
}

/// Whether a symbol is something that others have.
fn is_needed(symbol: &Symbol<'_>) -> bool {
    symbol.section == SymbolSection::Undefined && !symbol.name.is_empty()
}
