//! Pointers in a module's data, read from their relocations.

use std::collections::{BTreeMap, BTreeSet};

use bstr::ByteSlice;
use klp_arch::{Calc, Machine};
use rustc_hash::FxHashMap;
use scroll::Pread;

use crate::elf::{
    Location, Module, Rela, SHT_NOBITS, Section, SectionFlags, SectionIndex, SymbolIndex,
    SymbolSection,
};
use crate::kmod::{PERCPU, READ_IN_PLACE, THIS_MODULE};
use crate::name::{KLP_RELA_PREFIX, VMLINUX};

/// The target of a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pointer {
    /// A location in the module.
    To(Location),
    /// Outside the module: another object's symbol.
    Outside,
    /// To nothing: past the end of the section that it names, an absolute address, or not a whole one.
    Astray,
    /// Two relocations write different ones, and the kernel may apply them in another order than the file's
    /// (`arch/powerpc/kernel/module_64.c:get_stubs_size`).
    Contested,
}

/// The pointers in the loaded data of a module, by location.
#[derive(Debug)]
pub(super) struct Pointers<'m, 'data> {
    pub(super) module: &'m Module<'data>,
    /// `None`: NULL.
    by_location: BTreeMap<Location, Option<Pointer>>,
    /// Where relocations write when another object is patched, which is after the tables are read first.
    late: BTreeSet<Location>,
    sizes: FxHashMap<Location, u64>,
}

/// Bytes of a pointer, on every machine.
pub(super) const WORD: u64 = 8;

impl<'m, 'data> Pointers<'m, 'data> {
    pub(super) fn of(module: &'m Module<'data>, machine: &Machine) -> Self {
        let (mut by_location, mut late) = (BTreeMap::new(), BTreeSet::new());
        for table in module.relocation_sections() {
            let section = SectionIndex::new(table.sh_info);
            let Some(target) = module.section(section) else { continue };
            let flags = target.sh_flags;
            if !flags.contains(SectionFlags::ALLOC) || flags.contains(SectionFlags::EXECINSTR) {
                continue;
            }
            let klp = table.sh_flags.contains(SectionFlags::RELA_LIVEPATCH);
            let waits = klp && !is_of_vmlinux(table.name);
            for rela in module.relocations(table.index) {
                let location = Location { section, offset: rela.offset };
                let Some(pointer) = pointer(module, machine, rela, klp) else { continue };
                if waits {
                    late.insert(location);
                    continue;
                }
                let written = by_location.entry(location).or_insert(pointer);
                if *written != pointer {
                    *written = Some(Pointer::Contested);
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
        Self { module, by_location, late, sizes: sizes.collect() }
    }

    /// The pointer here; `None` for NULL.
    pub(super) fn at(&self, location: Location) -> Option<Pointer> {
        let offset = location.offset;
        let mut around = self.by_location.range(field_before(location)..location.plus(WORD));
        let first = around.next().map(|(at, pointer)| (*at, *pointer));
        match (first, around.next()) {
            (None, _) => self.word(location).and_then(number),
            (Some((at, pointer)), None) if at == location => pointer,
            // A 32-bit field before it ends there.
            (Some((at, Some(Pointer::Astray))), other) if at.plus(4).offset <= offset => {
                other.and_then(|(_, pointer)| *pointer)
            }
            _ => Some(Pointer::Astray),
        }
    }

    /// The location in the module that the pointer here points to.
    pub(super) fn to(&self, location: Location) -> Option<Location> {
        match self.at(location)? {
            Pointer::To(location) => Some(location),
            Pointer::Outside | Pointer::Astray | Pointer::Contested => None,
        }
    }

    /// Size in bytes of the symbol that starts here, if there is one and it ends in its section.
    pub(super) fn size(&self, location: Location) -> Option<u64> {
        let section = self.module.section(location.section)?;
        let room = section.sh_size.checked_sub(location.offset)?;
        self.sizes.get(&location).copied().filter(|size| *size <= room)
    }

    /// Locations of pointers from one location up to another (exclusive).
    pub(super) fn between(
        &self,
        from: Location,
        to: Location,
    ) -> impl Iterator<Item = Location> + '_ {
        self.by_location.range(from..to).map(|(location, _)| *location)
    }

    /// Whether relocations write between these locations, of one section, when another object is patched.
    pub(super) fn is_changed_late(&self, from: Location, to: Location) -> bool {
        from < to && self.late.range(field_before(from)..to).next().is_some()
    }

    /// Whether relocations ever write between these locations, of one section.
    pub(super) fn is_changed(&self, from: Location, to: Location) -> bool {
        self.is_relocated(from, to) || self.is_changed_late(from, to)
    }

    fn is_relocated(&self, from: Location, to: Location) -> bool {
        if to <= from {
            return false;
        }
        let mut around = self.by_location.range(field_before(from)..to);
        around.any(|(location, pointer)| match pointer {
            // What is no pointer has 32 bits, such as a distance in a table of jumps before a string.
            Some(Pointer::Astray) => location.plus(4).offset > from.offset,
            None | Some(Pointer::To(_) | Pointer::Outside | Pointer::Contested) => true,
        })
    }

    /// All pointers and their locations.
    pub(super) fn all(&self) -> impl Iterator<Item = (Location, Pointer)> + '_ {
        let all = self.by_location.iter();
        all.filter_map(|(location, pointer)| Some((*location, (*pointer)?)))
    }

    /// The 64-bit number here; `None` outside the section.
    pub(super) fn word(&self, location: Location) -> Option<u64> {
        let section = self.module.section(location.section)?;
        if section.sh_type == SHT_NOBITS {
            return (location.offset.checked_add(WORD)? <= section.sh_size).then_some(0);
        }
        let body = self.module.body(location.section);
        body.pread_with(usize::try_from(location.offset).ok()?, self.module.endian()).ok()
    }

    /// Whether all bytes from a location up to another of its section are 0, and stay so.
    pub(super) fn is_empty(&self, from: Location, to: Location) -> bool {
        let offset = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
        let body = self.module.body(from.section);
        let end = offset(to.offset).min(body.len());
        let mut bytes = body.get(offset(from.offset)..end).unwrap_or_default().iter();
        bytes.all(|byte| *byte == 0) && !self.is_relocated(from, to)
    }

    /// The 32-bit number here.
    pub(super) fn half(&self, location: Location) -> Option<u32> {
        let body = self.module.body(location.section);
        body.pread_with(usize::try_from(location.offset).ok()?, self.module.endian()).ok()
    }

    /// The string that the pointer here points to: at most `most` bytes of it, because a hostile
    /// file may have many pointers to one endless string.
    pub(super) fn text(&self, location: Location, most: usize) -> Option<&'data [u8]> {
        let Location { section, offset } = self.to(location)?;
        let tail = self.module.body(section).get(usize::try_from(offset).ok()?..)?;
        let start = tail.get(..most.min(tail.len()))?;
        let text = match start.find_byte(0) {
            Some(end) => start.get(..end)?,
            // Longer, or unterminated.
            None if start.len() == most => start,
            None => return None,
        };
        let data = self.is_data(Location { section, offset });
        text.iter().all(u8::is_ascii_graphic).then_some(text).filter(|_| data)
    }

    /// The bytes before the next NUL where the pointer here points to, whatever they are: at most `most`.
    pub(super) fn bytes(&self, location: Location, most: usize) -> Option<&'data [u8]> {
        let Location { section, offset } = self.to(location)?;
        let tail = self.module.body(section).get(usize::try_from(offset).ok()?..)?;
        let end = tail.find_byte(0)?.min(most);
        tail.get(..end)
            .filter(|_| self.flags(Location { section, offset }).contains(SectionFlags::ALLOC))
    }

    /// Whether a location is in memory that code may write to.
    pub(super) fn is_written(&self, location: Location) -> bool {
        self.flags(location).contains(SectionFlags::ALLOC | SectionFlags::WRITE)
    }

    /// Whether a location is in memory that the kernel fills in when it loads the module.
    pub(super) fn is_filled_in(&self, location: Location) -> bool {
        self.module.section(location.section).is_some_and(|section| section.name == THIS_MODULE)
    }

    /// Whether a location has an address.
    pub(super) fn is_anywhere(&self, location: Location) -> bool {
        let section = self.module.section(location.section);
        section.is_some_and(|section| is_at_its_address(section.name))
    }

    /// Whether a location is in loaded code.
    pub(super) fn is_code(&self, location: Location) -> bool {
        self.flags(location).contains(SectionFlags::ALLOC | SectionFlags::EXECINSTR)
    }

    /// Whether a location is in loaded data.
    pub(super) fn is_data(&self, location: Location) -> bool {
        let flags = self.flags(location);
        flags.contains(SectionFlags::ALLOC) && !flags.contains(SectionFlags::EXECINSTR)
    }

    fn flags(&self, location: Location) -> SectionFlags {
        let section = self.module.section(location.section);
        section.map_or(SectionFlags::empty(), |section| section.sh_flags)
    }
}

/// The first location whose field, which has at most the size of a pointer, may reach this one.
fn field_before(location: Location) -> Location {
    Location { offset: location.offset.saturating_sub(WORD - 1), ..location }
}

/// Whether a klp section's relocations are applied at load: the object in its name is vmlinux, all others wait for
/// theirs (`kernel/livepatch/core.c:klp_write_section_relocs`).
fn is_of_vmlinux(section: &[u8]) -> bool {
    let gate = section.strip_prefix(KLP_RELA_PREFIX.as_bytes());
    gate.and_then(|gate| gate.split_str(".").next()) == Some(VMLINUX.as_bytes())
}

/// What a relocation writes, where it is that of a pointer; `None` if it writes nothing. `klp`: it is a klp relocation.
fn pointer(
    module: &Module<'_>,
    machine: &Machine,
    rela: Rela,
    klp: bool,
) -> Option<Option<Pointer>> {
    let row = machine.row(rela.kind)?;
    if row.field.size() == 0 {
        return None;
    }
    if row.calc != Calc::Absolute || u64::try_from(row.field.size()) != Ok(WORD) {
        return Some(Some(Pointer::Astray));
    }
    let symbol = module.symbol(rela.symbol)?;
    Some(match symbol.section {
        SymbolSection::Defined(section) => {
            // The end of an array is a place, too.
            let Section { name, sh_size, .. } = module.section(section)?;
            let offset = symbol.st_value.checked_add_signed(rela.addend);
            let offset = offset.filter(|at| at <= sh_size && is_at_its_address(name));
            Some(offset.map_or(Pointer::Astray, |offset| Pointer::To(Location { section, offset })))
        }
        SymbolSection::Absolute => Some(Pointer::Astray),
        // Nothing has set its value yet.
        SymbolSection::Livepatch if !klp => {
            number(symbol.st_value.wrapping_add_signed(rela.addend))
        }
        _ if rela.symbol == SymbolIndex::NULL => number(0_u64.wrapping_add_signed(rela.addend)),
        _ => Some(Pointer::Outside),
    })
}

/// Whether symbols of a section have its address: they have none in what is read in the file, and in the percpu
/// template that of no processor.
fn is_at_its_address(section: &[u8]) -> bool {
    section != PERCPU && !READ_IN_PLACE.contains(&section)
}

/// A pointer that is a number.
fn number(value: u64) -> Option<Pointer> {
    (value != 0).then_some(Pointer::Astray)
}
