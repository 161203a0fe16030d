//! Writes and updates the copies of the symbol table in a loaded module's memory.
//!
//! Source: `kernel/module/kallsyms.c:add_kallsyms`.

use std::ops::Range;

use klp_arch::{Extent, Memory};

use super::{ENTRY, bytes32, bytes64, size};
use crate::load::{Loaded, RegionKind};

impl Loaded<'_> {
    /// Writes the copies of the symbol table (`add_kallsyms`), after relocation.
    pub(in crate::load) fn write_symbol_tables(&mut self) {
        let (info, tables) = (&self.info, &self.layout.symbols);
        let symbols = &info.object.symbols;
        let letters: Vec<u8> = symbols.iter().map(|symbol| info.letter(symbol)).collect();
        let whole: Vec<_> = (0..symbols.len()).filter_map(|i| info.symbol_entry(i, None)).collect();
        let (mut entries, mut strings, mut types) = (Vec::new(), Vec::new(), Vec::new());
        for &index in &tables.kept {
            let start = u32::try_from(strings.len()).unwrap_or(u32::MAX);
            entries.extend(info.symbol_entry(index, Some(start)));
            strings.extend_from_slice(symbols.get(index).map_or(b"", |symbol| symbol.name));
            strings.push(0);
            types.extend(letters.get(index));
        }
        let [symbols_at, strings_at, types_at] = tables.core_at;
        let [header_at, letters_at] = tables.init_at;
        let (core, init) = (self.index_of(tables.core), self.index_of(tables.init));
        let endian = info.object.endian();
        let section = |index| info.object.sections.get(index);
        let address = |index| section(index).map_or(0, klp_arch::object::Section::address);
        let base = self.memory.regions.get(init).map_or(0, |region| region.base);
        let words = [address(info.symtab), 0, address(info.strtab), base.wrapping_add(letters_at)];
        let mut header = words.map(|word| bytes64(word, endian));
        let [_, count, ..] = &mut header;
        let number = u32::try_from(symbols.len()).unwrap_or(u32::MAX);
        count.iter_mut().zip(bytes32(number, endian)).for_each(|(to, from)| *to = from);
        let extent = section(info.symtab).and_then(|section| section.extent);
        if let Some(extent) = extent {
            put(&mut self.memory, extent.region, size(extent.offset), whole.as_flattened());
        }
        put(&mut self.memory, core, symbols_at, entries.as_flattened());
        put(&mut self.memory, core, strings_at, &strings);
        put(&mut self.memory, core, types_at, &types);
        put(&mut self.memory, init, header_at, header.as_flattened());
        put(&mut self.memory, init, letters_at, &letters);
    }

    /// Addresses of the symbol table that stays (`mod->core_kallsyms.symtab`).
    #[must_use]
    pub fn symbol_table(&self) -> Range<u64> {
        let tables = &self.layout.symbols;
        let [symbols_at, ..] = tables.core_at;
        let core = self.memory.regions.get(self.index_of(tables.core));
        let start = core.map_or(0, |core| core.base.wrapping_add(symbols_at));
        start..start.wrapping_add(size(tables.kept.len() * ENTRY))
    }

    /// Writes the value that a late relocation resolved to the table that stays
    /// (`klp_resolve_symbols`), if the symbol stays.
    pub(in crate::load) fn store_symbol(&mut self, index: usize) {
        let tables = &self.layout.symbols;
        let value = self.info.object.symbols.get(index).map(|symbol| symbol.st_value);
        let Some((slot, value)) = tables.kept.binary_search(&index).ok().zip(value) else { return };
        let [symbols_at, ..] = tables.core_at;
        let core = self.index_of(tables.core);
        let value = bytes64(value, self.info.object.endian());
        // `st_value` starts 8 bytes into the entry.
        put(&mut self.memory, core, symbols_at.saturating_add(size(slot * ENTRY + 8)), &value);
    }

    /// Addresses of a symbol's value in the table that stays and in the whole one.
    pub(in crate::load) fn symbol_values(&self, index: usize) -> impl Iterator<Item = u64> {
        let slot = self.layout.symbols.kept.binary_search(&index).ok();
        let kept = slot.map(|slot| (self.symbol_table().start, slot));
        let whole = self.info.object.sections.get(self.info.symtab);
        let whole = whole.and_then(|section| Some((section.extent?.address, index)));
        // `st_value` starts 8 bytes into the entry.
        let value = |(table, slot): (u64, usize)| table.wrapping_add(size(slot * ENTRY + 8));
        kept.into_iter().chain(whole).map(value)
    }

    /// The index of the region of a kind.
    fn index_of(&self, kind: Option<RegionKind>) -> usize {
        let found = self.layout.regions.iter().position(|(k, _)| Some(*k) == kind);
        found.unwrap_or(usize::MAX)
    }
}

/// Writes bytes into a region.
fn put(memory: &mut Memory, region: usize, offset: u64, bytes: &[u8]) {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let extent = Extent { region, offset, size: bytes.len(), address: 0 };
    memory.write(&extent, bytes);
}
