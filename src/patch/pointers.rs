//! Pointers in a module's data: what their relocations say.

use std::collections::BTreeMap;

use bstr::ByteSlice;
use klp_arch::{Calc, Machine};
use rustc_hash::FxHashMap;
use scroll::Pread;

use crate::elf::{
    Location, Module, Rela, SHT_NOBITS, SectionFlags, SectionIndex, SymbolIndex, SymbolSection,
};

/// What a pointer points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pointer {
    /// Something of the module itself.
    To(Location),
    /// Something that is not in the module: another object defines it, or it is an address.
    Outside,
}

/// The pointers in the loaded data of a module, by where they stand.
#[derive(Debug)]
pub(super) struct Pointers<'m, 'data> {
    pub(super) module: &'m Module<'data>,
    by_place: BTreeMap<Location, Pointer>,
    sizes: FxHashMap<Location, u64>,
}

/// Bytes of a pointer; every machine's field for one is as long.
pub(super) const WORD: u64 = 8;

impl<'m, 'data> Pointers<'m, 'data> {
    pub(super) fn of(module: &'m Module<'data>, backend: &Machine) -> Self {
        let mut by_place = BTreeMap::new();
        for table in module.relocation_sections() {
            let section = SectionIndex::new(table.sh_info);
            let Some(target) = module.section(section) else { continue };
            let flags = target.sh_flags;
            if !flags.contains(SectionFlags::ALLOC) || flags.contains(SectionFlags::EXECINSTR) {
                continue;
            }
            for rela in module.relocations(table.index) {
                if let Some(pointer) = pointer(module, backend, rela) {
                    by_place.insert(Location { section, offset: rela.offset }, pointer);
                }
            }
        }
        let sizes = module.symbols().filter(|symbol| symbol.st_size != 0);
        let sizes = sizes.filter_map(|symbol| match symbol.section {
            SymbolSection::Defined(section) => {
                Some((Location { section, offset: symbol.st_value }, symbol.st_size))
            }
            _ => None,
        });
        Self { module, by_place, sizes: sizes.collect() }
    }

    /// The pointer that stands here; `None` for NULL and for what is no pointer.
    pub(super) fn at(&self, place: Location) -> Option<Pointer> {
        self.by_place.get(&place).copied()
    }

    /// The place in the module that the pointer here points to.
    pub(super) fn to(&self, place: Location) -> Option<Location> {
        match self.at(place)? {
            Pointer::To(place) => Some(place),
            Pointer::Outside => None,
        }
    }

    /// Size of what starts here, in bytes, where a symbol tells; no more than its section has.
    pub(super) fn size(&self, place: Location) -> Option<u64> {
        let section = self.module.section(place.section)?;
        let room = section.sh_size.checked_sub(place.offset)?;
        self.sizes.get(&place).map(|size| (*size).min(room))
    }

    /// Where pointers stand, from a place on and before another.
    pub(super) fn between(
        &self,
        from: Location,
        to: Location,
    ) -> impl Iterator<Item = Location> + '_ {
        self.by_place.range(from..to).map(|(place, _)| *place)
    }

    /// Where pointers stand.
    pub(super) fn places(&self) -> impl Iterator<Item = (Location, Pointer)> + '_ {
        self.by_place.iter().map(|(place, pointer)| (*place, *pointer))
    }

    /// The number in the 64 bits here; `None` where the section has no such bytes.
    pub(super) fn word(&self, place: Location) -> Option<u64> {
        let section = self.module.section(place.section)?;
        if section.sh_type == SHT_NOBITS {
            return (place.offset.checked_add(WORD)? <= section.sh_size).then_some(0);
        }
        let body = self.module.body(place.section);
        body.pread_with(usize::try_from(place.offset).ok()?, self.module.endian()).ok()
    }

    /// The number in the 32 bits here.
    pub(super) fn half(&self, place: Location) -> Option<u32> {
        let body = self.module.body(place.section);
        body.pread_with(usize::try_from(place.offset).ok()?, self.module.endian()).ok()
    }

    /// The string that the pointer here points to: at most so many bytes of it, because a hostile
    /// file has many pointers to one endless string.
    pub(super) fn text(&self, place: Location, most: usize) -> Option<&'data [u8]> {
        let Location { section, offset } = self.to(place)?;
        let tail = self.module.body(section).get(usize::try_from(offset).ok()?..)?;
        let start = tail.get(..most.min(tail.len()))?;
        let text = match start.find_byte(0) {
            Some(end) => start.get(..end)?,
            // It goes on, or has no end at all.
            None if start.len() == most => start,
            None => return None,
        };
        let data = self.is_data(Location { section, offset });
        text.iter().all(u8::is_ascii_graphic).then_some(text).filter(|_| data)
    }

    /// Whether a place is in a section that is loaded and is code.
    pub(super) fn is_code(&self, place: Location) -> bool {
        self.flags(place).contains(SectionFlags::ALLOC | SectionFlags::EXECINSTR)
    }

    /// Whether a place is in a section that is loaded and is data.
    pub(super) fn is_data(&self, place: Location) -> bool {
        let flags = self.flags(place);
        flags.contains(SectionFlags::ALLOC) && !flags.contains(SectionFlags::EXECINSTR)
    }

    fn flags(&self, place: Location) -> SectionFlags {
        let section = self.module.section(place.section);
        section.map_or(SectionFlags::empty(), |section| section.sh_flags)
    }
}

fn pointer(module: &Module<'_>, backend: &Machine, rela: Rela) -> Option<Pointer> {
    let row = backend.row(rela.kind)?;
    if row.calc != Calc::Absolute || u64::try_from(row.field.size()) != Ok(WORD) {
        return None;
    }
    let symbol = module.symbol(rela.symbol)?;
    match symbol.section {
        SymbolSection::Defined(section) => {
            let offset = symbol.st_value.checked_add_signed(rela.addend)?;
            Some(Pointer::To(Location { section, offset }))
        }
        _ => (rela.symbol != SymbolIndex::NULL).then_some(Pointer::Outside),
    }
}
