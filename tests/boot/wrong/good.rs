//! A module that loads, and the locations of things to change in it.

use object::elf::{Rela64, RelocationType, SectionFlags, SymbolSection};

use crate::image::{Image, Relocation, Section};
use crate::kernel::Machine;
use crate::patch::Patched;

/// `SHN_ABS`.
const ABSOLUTE: u16 = 0xfff1;

/// A module that loads.
#[derive(Debug)]
pub(crate) struct Good {
    pub(crate) machine: Machine,
    pub(crate) image: Image,
    patched: Patched,
}

impl Good {
    pub(crate) fn new(machine: Machine, bytes: Vec<u8>) -> Self {
        Self { machine, image: Image::read(&bytes), patched: Patched::new(bytes) }
    }

    /// A copy to change.
    pub(crate) fn copy(&self) -> Patched {
        self.patched.clone()
    }

    /// The first klp section of a gate.
    pub(crate) fn klp(&self, gate: &str) -> &Section {
        let prefix = format!(".klp.rela.{gate}.");
        self.image.klp_sections().find(|s| s.name.starts_with(&prefix)).unwrap()
    }

    /// The first klp section.
    pub(crate) fn first_klp(&self) -> &Section {
        self.image.klp_sections().next().unwrap()
    }

    /// The symbol of the first relocation of the first klp section.
    pub(crate) fn klp_symbol(&self) -> usize {
        self.first_klp().relocations[0].symbol as usize
    }

    pub(crate) fn symbol(&self, name: &str) -> usize {
        self.image.symbols.iter().position(|symbol| symbol.name == name).unwrap()
    }

    /// An absolute symbol of value 0: that of a source file.
    pub(crate) fn absolute(&self) -> u32 {
        let mut symbols = self.image.symbols.iter();
        let index = symbols.position(|s| s.section == ABSOLUTE && s.value == 0);
        u32::try_from(index.unwrap()).unwrap()
    }

    /// The symbol of a section.
    pub(crate) fn section_symbol(&self, name: &str) -> u32 {
        let section = self.image.sections.iter().position(|s| s.name == name).unwrap();
        let symbols = &mut self.image.symbols.iter();
        let index = symbols.position(|s| usize::from(s.section) == section && s.info & 0xf == 3);
        u32::try_from(index.unwrap()).unwrap()
    }

    /// Its vermagic.
    pub(crate) fn vermagic(&self) -> &str {
        let modinfo = std::str::from_utf8(&self.image.section(".modinfo").body).unwrap();
        modinfo.split('\0').find_map(|line| line.strip_prefix("vermagic=")).unwrap()
    }

    /// The index of a section.
    pub(crate) fn section(&self, name: &str) -> u32 {
        let section = self.image.sections.iter().position(|s| s.name == name);
        u32::try_from(section.unwrap()).unwrap()
    }
}

/// Sets type and symbol of a relocation, and its addend.
pub(crate) fn relocate(
    patched: Patched,
    (section, entry): (&str, usize),
    kind: u32,
    symbol: u32,
    addend: i64,
) -> Patched {
    patched.relocation(section, entry, |r, e| {
        r.r_info = Rela64::r_info(e, false, symbol, RelocationType(kind));
        r.r_addend.set(e, addend);
    })
}

/// Sets the type of a relocation only.
pub(crate) fn retype(patched: Patched, (section, entry): (&str, usize), kind: u32) -> Patched {
    patched.relocation(section, entry, |r, e| {
        let symbol = r.r_sym(e, false);
        r.r_info = Rela64::r_info(e, false, symbol, RelocationType(kind));
    })
}

/// Changes `sh_flags`.
pub(crate) fn flags(patched: Patched, section: &str, change: fn(u64) -> u64) -> Patched {
    patched.section(section, |s, e| s.sh_flags.set(e, SectionFlags(change(s.sh_flags.get(e).0))))
}

/// Changes `st_shndx`.
pub(crate) fn in_section(patched: Patched, symbol: usize, index: u16) -> Patched {
    patched.symbol(symbol, |s, e| s.st_shndx.set(e, SymbolSection(index)))
}

/// The first relocation for which `which` holds, and its index.
pub(crate) fn entry(section: &Section, which: fn(&Relocation) -> bool) -> (usize, Relocation) {
    let entry = section.relocations.iter().position(which).unwrap();
    (entry, section.relocations[entry])
}
