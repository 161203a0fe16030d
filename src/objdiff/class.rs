//! What each section of an object holds, as far as a change of it is concerned.

use klp_arch::Machine;
use klp_arch::object_table::{EntryShape, ObjectTable, TableUse};

use object::elf::STT_OBJECT;

use crate::elf::{Module, SHT_RELA, Section, SectionFlags, SectionIndex, SymbolSection};

/// What a section holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Class {
    /// Nothing that is loaded, or nothing that says anything.
    Left,
    /// Functions.
    Code,
    /// Data that nothing writes.
    Constant,
    /// Data that code writes.
    Variable,
    /// Equal entries may be merged: what refers to one means its bytes. The width of an entry or character.
    Merged {
        /// Whether they are texts that end with a NUL.
        strings: bool,
        /// Bytes.
        width: usize,
    },
    /// What only describes the source, but for the fields at these offsets.
    Diagnostic(&'static [u64]),
    /// Parts of functions.
    Table(&'static ObjectTable, &'static [EntryShape]),
}

impl Class {
    pub(crate) fn of(section: &Section<'_>, machine: &Machine) -> Self {
        let flags = section.sh_flags;
        if !flags.contains(SectionFlags::ALLOC) || section.sh_type == SHT_RELA {
            return Self::Left;
        }
        if let Some(table) = machine.object_tables().find(|table| table.has_name(section.name)) {
            return match table.holds {
                TableUse::Content(shapes) | TableUse::Boot(shapes) => Self::Table(table, shapes),
                TableUse::Diagnostic(fields) => Self::Diagnostic(fields),
                TableUse::Derived => Self::Left,
            };
        }
        if flags.contains(SectionFlags::EXECINSTR) {
            return Self::Code;
        }
        let width = usize::try_from(section.sh_entsize).unwrap_or(0);
        // Linkers merge whole entries only.
        let is_whole = section.sh_entsize > 0 && section.sh_size.is_multiple_of(section.sh_entsize);
        if flags.contains(SectionFlags::MERGE) && is_whole {
            return Self::Merged { strings: flags.contains(SectionFlags::STRINGS), width };
        }
        // Constants with relocations, which a position-independent program would fill in.
        let relocated = section.name.starts_with(b".data.rel.ro");
        if flags.contains(SectionFlags::WRITE) && !relocated {
            Self::Variable
        } else {
            Self::Constant
        }
    }

    /// Whether it is cut into atoms.
    pub(crate) fn has_atoms(self) -> bool {
        matches!(self, Self::Code | Self::Constant | Self::Variable | Self::Diagnostic(_))
    }
}

/// The class of each section, by index.
pub(crate) fn classes(module: &Module<'_>, machine: &Machine) -> Vec<Class> {
    let mut classes: Vec<_> =
        module.sections().map(|section| Class::of(section, machine)).collect();
    // Constants that could be merged, but have names.
    for symbol in module.symbols().filter(|symbol| symbol.kind == STT_OBJECT) {
        if let SymbolSection::Defined(section) = symbol.section
            && let Some(class @ Class::Merged { strings: false, .. }) =
                classes.get_mut(section.slot())
        {
            *class = Class::Constant;
        }
    }
    // Or that have relocations: their bytes say nothing, and no linker merges them.
    for table in module.relocation_sections() {
        if let Some(class @ Class::Merged { .. }) =
            classes.get_mut(SectionIndex::new(table.sh_info).slot())
            && module.relocations(table.index).len() > 0
        {
            *class = Class::Constant;
        }
    }
    classes
}
