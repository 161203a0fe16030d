//! The GOT and the PLT that the loader puts before a module's instructions.
//!
//! Each symbol index that a GOT or PLT type names anywhere in the file has a slot, in the order in
//! which the tables name it. A slot is written when the first relocation needs it, and never
//! again: when a gate object is reloaded elsewhere, the slot keeps the old address. A PLT entry is
//! written even where the branch is direct. Invariant: nothing is written outside of the bytes
//! that [`Object::text_start`] reserves.
//!
//! Linux 6.1 does the same at the start of `core_layout`.
//! Source: `arch/s390/kernel/module.c` (`check_rela`, `module_frob_arch_sections`, `apply_rela`,
//! `module_finalize`).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use crate::apply::Operands;
use crate::fault::Fault;
use crate::linkage::{Anchors, Configuration, Linkage, Relocation};
use crate::memory::{Extent, Memory};
use crate::object::{Object, Rela, SHN_ABS, SHN_UNDEF, SHT_RELA};
use crate::row::{Calc, Features, Row};

/// Bytes of a GOT slot.
const GOT_SLOT: u64 = 8;
/// Bytes of a PLT entry (`PLT_ENTRY_SIZE`), and of the thunk after the last one.
const PLT_ENTRY: u64 = 22;

/// `exrl %r0,.+10; j .; br %r1`: jumps to r1 where no branch prediction sees it.
const THUNK: [u8; 12] = [0xc6, 0, 0, 0, 0, 5, 0xa7, 0xf4, 0, 0, 0x07, 0xf1];

/// The slot of a symbol.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// Bytes from the start of its table; `None` where no relocation names it.
    offset: Option<u64>,
    /// The address that was written (`got_initialized`, `plt_initialized`).
    holds: Option<u64>,
    /// The address that the last relocation through it needed.
    wanted: Option<u64>,
}

impl Slot {
    /// Whether a relocation goes through the slot to an outdated address.
    fn is_stale(self) -> bool {
        self.wanted.is_some() && self.wanted != self.holds
    }
}

/// The two tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Got,
    Plt,
}

impl Table {
    /// The table that a calculation goes through.
    #[inline]
    fn of(calc: Calc) -> Option<Self> {
        match calc {
            Calc::Slot | Calc::SlotRelative => Some(Self::Got),
            Calc::Plt | Calc::PltOffset | Calc::Branch => Some(Self::Plt),
            _ => None,
        }
    }
}

/// A symbol (`struct mod_arch_syminfo`).
#[derive(Debug, Clone, Copy, Default)]
struct SymbolSlots {
    got: Slot,
    plt: Slot,
}

impl SymbolSlots {
    #[inline]
    fn slot(&mut self, table: Table) -> &mut Slot {
        match table {
            Table::Got => &mut self.got,
            Table::Plt => &mut self.plt,
        }
    }
}

/// The GOT and the PLT of a module (`struct mod_arch_specific`).
#[derive(Debug, Clone, Default)]
pub(super) struct Slots {
    symbols: Vec<SymbolSlots>,
    got_size: u64,
    /// Whether entries jump through the thunk.
    plt_size: u64,
    expolines: bool,
    /// Both tables; in no region until settled.
    area: Option<Extent>,
    got: u64,
}

/// Gives each symbol its slots, and defines the name of the table.
pub(super) fn reserve(object: &mut Object<'_>, configuration: &Configuration) -> Slots {
    for symbol in &mut object.symbols {
        if symbol.st_shndx == SHN_UNDEF && symbol.name == b"_GLOBAL_OFFSET_TABLE_" {
            symbol.st_shndx = SHN_ABS;
        }
    }
    let expolines = configuration.features.contains(Features::EXPOLINE);
    let symbols = alloc::vec![SymbolSlots::default(); object.symbols.len()];
    let mut slots = Slots { symbols, expolines, ..Slots::default() };
    // Relocations of sections that are not loaded count, too.
    for (index, section) in object.sections.iter().enumerate() {
        if section.sh_type != SHT_RELA {
            continue;
        }
        for rela in object.relas(index) {
            let row = super::S390X.row(rela.kind);
            let row = row.filter(|row| row.when.holds(configuration.features));
            if let Some(table) = row.and_then(|row| Table::of(row.calc)) {
                slots.count(rela.symbol, table);
            }
        }
    }
    if slots.plt_size != 0 && expolines {
        slots.plt_size += PLT_ENTRY;
    }
    object.text_start = slots.got_size + slots.plt_size;
    slots
}

impl Slots {
    fn symbol(&mut self, index: u32) -> Result<&mut SymbolSlots, Fault> {
        let slot = usize::try_from(index).ok();
        slot.and_then(|slot| self.symbols.get_mut(slot)).ok_or(Fault::NoSymbol { index })
    }

    /// `check_rela`. For a symbol that does not exist the kernel reads past the end of the table.
    fn count(&mut self, symbol: u32, table: Table) {
        let end = if table == Table::Got { self.got_size } else { self.plt_size };
        let Ok(symbol) = self.symbol(symbol) else { return };
        let slot = symbol.slot(table);
        if slot.offset.is_some() {
            return;
        }
        slot.offset = Some(end);
        match table {
            Table::Got => self.got_size += GOT_SLOT,
            Table::Plt => self.plt_size += PLT_ENTRY,
        }
    }

    /// How many bytes are reserved.
    fn size(&self) -> u64 {
        self.got_size + self.plt_size
    }

    /// Address of the PLT.
    fn plt(&self) -> u64 {
        self.got.wrapping_add(self.got_size)
    }

    /// Address of the thunk.
    fn thunk(&self) -> u64 {
        self.plt().wrapping_add(self.plt_size.saturating_sub(PLT_ENTRY))
    }

    /// Writes into the tables.
    fn write(&self, address: u64, bytes: &[u8], memory: &mut Memory) -> Result<(), Fault> {
        let area = self.area.as_ref().map(|area| memory.bytes_mut(area));
        let offset = usize::try_from(address.wrapping_sub(self.got)).ok();
        let to = area
            .zip(offset)
            .and_then(|(area, offset)| area.get_mut(offset..)?.get_mut(..bytes.len()));
        to.ok_or(Fault::NoRoom { reserved: self.size() })?.copy_from_slice(bytes);
        Ok(())
    }

    /// The bytes of a PLT entry; those at 12 and 13 are unknown without expolines.
    fn entry(&self, address: u64, target: u64) -> [u8; 22] {
        let mut bytes = [0; 22];
        let (code, literal) = bytes.split_at_mut(14);
        // basr %r1,%r0; lg %r1,12(%r1)
        let load = [0x0d, 0x10, 0xe3, 0x10, 0x10, 0x0c, 0x00, 0x04];
        let jump = if self.expolines {
            // brcl 15,thunk. The area is smaller than 4 GiB: symbol indices have 32 bits, but
            // a table that names more than 2^27 symbols does not fit into memory.
            let distance = self.thunk().wrapping_sub(address.wrapping_add(8)) / 2;
            let [.., a, b, c, d] = distance.to_be_bytes();
            [0xc0, 0xf4, a, b, c, d]
        } else {
            // br %r1
            [0x07, 0xf1, 0, 0, 0, 0]
        };
        code.iter_mut().zip(load.iter().chain(&jump)).for_each(|(to, from)| *to = *from);
        literal.copy_from_slice(&target.to_be_bytes());
        bytes
    }
}

impl Linkage for Slots {
    fn settle(&mut self, object: &mut Object<'_>, memory: &Memory) -> Result<(), Fault> {
        self.got = object.text_base;
        let has_it = |region: &crate::memory::Region| region.base == self.got;
        let region = memory.regions.iter().position(has_it);
        let size = usize::try_from(self.size()).ok();
        self.area = region.zip(size).map(|(region, size)| Extent {
            region,
            offset: 0,
            size,
            address: self.got,
        });
        Ok(())
    }

    fn anchors(&self) -> Anchors {
        Anchors { toc: None, got: Some(self.got) }
    }

    fn provide(
        &mut self,
        relocation: &Relocation<'_>,
        operands: &mut Operands,
        memory: &mut Memory,
    ) -> Result<(), Fault> {
        let row = relocation.row;
        let Some(table) = Table::of(row.calc) else { return Ok(()) };
        let base = if table == Table::Got { self.got } else { self.plt() };
        // A table that is not `SHT_RELA` was not counted; the kernel then writes before the area.
        let no_room = Fault::NoRoom { reserved: self.size() };
        let slot = *self.symbol(relocation.rela.symbol)?.slot(table);
        let address = base.wrapping_add(slot.offset.ok_or(no_room)?);
        if slot.holds.is_none() {
            match table {
                Table::Got => self.write(address, &operands.s.to_be_bytes(), memory)?,
                Table::Plt => self.write(address, &self.entry(address, operands.s), memory)?,
            }
        }
        let slot = self.symbol(relocation.rela.symbol)?.slot(table);
        slot.holds = slot.holds.or(Some(operands.s));
        if row.calc != Calc::Branch || !super::is_near(row, operands.s, operands.p) {
            slot.wanted = Some(operands.s);
        }
        match table {
            Table::Got => operands.got_slot = Some(address),
            Table::Plt => operands.plt = Some(address),
        }
        Ok(())
    }

    fn reuse(&self, row: &Row, rela: &Rela, s: u64, p: u64) -> Option<u64> {
        let table = Table::of(row.calc)?;
        let SymbolSlots { got, plt } = self.symbols.get(usize::try_from(rela.symbol).ok()?)?;
        let (base, slot) = if table == Table::Got { (self.got, got) } else { (self.plt(), plt) };
        // That it is wanted once more changes nothing.
        if slot.holds != Some(s) || slot.is_stale() {
            return None;
        }
        let direct = row.calc == Calc::Branch && super::is_near(row, s, p);
        if direct { Some(s) } else { Some(base.wrapping_add(slot.offset?)) }
    }

    fn finish(&mut self, _: &Object<'_>, memory: &mut Memory) -> Result<(), Fault> {
        if self.expolines && self.plt_size != 0 {
            self.write(self.thunk(), &THUNK, memory)?;
        }
        Ok(())
    }

    // Two bytes of the stack after `br %r1`.
    fn indeterminate(&self) -> Vec<Range<u64>> {
        let written = self.symbols.iter().filter(|symbol| symbol.plt.holds.is_some());
        let offsets = written.filter_map(|symbol| symbol.plt.offset).filter(|_| !self.expolines);
        let mut ranges: Vec<_> = offsets
            .map(|offset| {
                let entry = self.plt().wrapping_add(offset);
                entry.wrapping_add(12)..entry.wrapping_add(14)
            })
            .collect();
        ranges.sort_unstable_by_key(|range| range.start);
        ranges
    }

    fn stale(&self) -> Vec<u32> {
        let is_stale = |symbol: &SymbolSlots| symbol.got.is_stale() || symbol.plt.is_stale();
        (0..).zip(&self.symbols).filter(|(_, symbol)| is_stale(symbol)).map(|(i, _)| i).collect()
    }

    fn boxed_clone(&self) -> Box<dyn Linkage> {
        Box::new(self.clone())
    }
}
