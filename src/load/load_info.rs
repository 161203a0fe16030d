//! The temporary copy of a module, as `rewrite_section_headers` leaves it.

use std::borrow::Cow;

use klp_arch::Object;
use klp_arch::object::{SHF_ALLOC, SHN_ABS, SHN_COMMON, SHN_LIVEPATCH, Section, Symbol};
use scroll::Endian;

use crate::elf::{Module, SymbolSection};
use crate::kmod::{PERCPU, READ_IN_PLACE};

/// A module at the start of the load, and the sections that the loader has found.
#[derive(Debug, Clone)]
pub(super) struct LoadInfo<'data> {
    pub(super) object: Object<'data>,
    /// `mod->name`.
    pub(super) name: String,
    /// Index of the symbol table.
    pub(super) symtab: usize,
    /// Index of the section with the names of its symbols.
    pub(super) strtab: usize,
    /// Index of the percpu template.
    pub(super) percpu: Option<usize>,
    /// Whether `.modinfo` says `livepatch=`.
    pub(super) livepatch: bool,
}

impl<'data> LoadInfo<'data> {
    pub(super) fn of(module: &Module<'data>) -> Self {
        let sections = module.sections().map(|section| Section {
            name: section.name,
            sh_type: section.sh_type.0,
            sh_flags: section.sh_flags.bits(),
            sh_size: section.sh_size,
            sh_info: section.sh_info,
            sh_addralign: section.sh_addralign,
            body: Cow::Borrowed(if READ_IN_PLACE.contains(&section.name) {
                module.in_file(section.index)
            } else {
                module.body(section.index)
            }),
            extent: None,
        });
        let mut sections: Vec<Section<'_>> = sections.collect();
        // `find_pcpusec`: the first one that is loaded.
        let percpu = sections.iter().position(|s| s.name == PERCPU && s.has(SHF_ALLOC));
        // `find_sec`, too: further ones of the name are moved.
        for name in READ_IN_PLACE {
            if let Some(section) =
                sections.iter_mut().skip(1).find(|s| s.name == name && s.has(SHF_ALLOC))
            {
                section.sh_flags &= !SHF_ALLOC;
            }
        }
        let symtab = module.symtab();
        let strtab = module.section(symtab).map(|section| section.sh_link);
        let index =
            |index: crate::elf::SectionIndex| usize::try_from(index.get()).unwrap_or(usize::MAX);
        let symbols = module.symbols().map(|symbol| Symbol {
            name: symbol.name,
            st_value: symbol.st_value,
            st_size: symbol.st_size,
            st_shndx: section_index(symbol.section),
            st_info: symbol.bind.0 << 4 | symbol.kind.0 & 0xf,
            st_other: symbol.st_other,
        });
        let symbols = symbols.collect();
        let name = module.name().unwrap_or_default();
        let object = Object {
            big_endian: module.endian() == Endian::Big,
            sections,
            symbols,
            ..Object::default()
        };
        Self {
            object,
            name: String::from_utf8_lossy(name).into_owned(),
            symtab: index(symtab),
            strtab: strtab.map_or(usize::MAX, index),
            percpu,
            livepatch: module.is_livepatch(),
        }
    }
}

/// `st_shndx` as the kernel reads it: 16 bits, without extended indices.
fn section_index(section: SymbolSection) -> u16 {
    match section {
        SymbolSection::Undefined => 0,
        SymbolSection::Absolute => SHN_ABS,
        SymbolSection::Common => SHN_COMMON,
        SymbolSection::Livepatch => SHN_LIVEPATCH,
        SymbolSection::Reserved(index) => index,
        SymbolSection::Defined(index) => u16::try_from(index.get()).unwrap_or(u16::MAX),
    }
}
