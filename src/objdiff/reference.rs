//! What the parts of an object refer to.

use klp_arch::Machine;

use super::atom::AtomIndex;
use super::class::Class;
use crate::elf::{Module, Rela, SectionIndex, SymbolIndex, SymbolSection};
use object::elf::STT_SECTION;

/// The "type" of a reference in code that the assembler has resolved, which has no relocation.
pub(super) const RESOLVED: u32 = u32::MAX;

/// A reference.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference {
    /// Index of the section that it is in.
    pub(super) section: usize,
    /// Offset in the section, in bytes.
    pub(super) offset: u64,
    /// The relocation's type, or [`RESOLVED`].
    pub(super) kind: u32,
    /// The bits of the bytes from `offset` on that hold a resolved distance.
    pub(super) mask: [u8; 4],
    /// Whether its addend has the offset of its field in its table, which `to` has not.
    pub(super) from_table: bool,
    pub(super) to: Target,
}

/// What is referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A place in a section. Not yet cut into atoms.
    Place {
        /// Index of the section.
        section: usize,
        /// Offset in it.
        offset: i64,
        /// The symbol of the relocation, if it has a name.
        symbol: Option<SymbolIndex>,
    },
    /// A place in an atom.
    Atom {
        /// Which.
        atom: AtomIndex,
        /// Offset in it.
        offset: i64,
    },
    /// An entry of a section of mergeable ones.
    Merged {
        /// Index of the section.
        section: usize,
        /// Offset in it.
        offset: i64,
    },
    /// What another object has, or what is not in a section.
    Symbol {
        /// Which.
        symbol: SymbolIndex,
        /// What is added.
        addend: i64,
    },
}

/// Reads the relocations of a section, by offset.
pub(super) fn relocations(
    module: &Module<'_>,
    machine: &Machine,
    classes: &[Class],
    tables: &[SectionIndex],
    section: usize,
) -> Vec<Reference> {
    let mut references = Vec::new();
    let is_code = matches!(classes.get(section), Some(Class::Code));
    let body = module.body(of_slot(section));
    for table in tables {
        references.reserve(module.relocations(*table).len());
        for rela in module.relocations(*table) {
            let row = machine.row(rela.kind);
            // R_*_NONE and marks for the linker.
            if row.is_some_and(|row| row.field.size() == 0) {
                continue;
            }
            let bias = row.filter(|_| is_code).map_or(0, |row| {
                let at = usize::try_from(rela.offset).unwrap_or(usize::MAX);
                machine.instructions.bias_of_field(row, body.get(..at).unwrap_or_default())
            });
            let to = target(module, classes, rela, bias);
            references.push(Reference {
                section,
                offset: rela.offset,
                kind: rela.kind,
                mask: [0; 4],
                from_table: false,
                to,
            });
        }
    }
    if !references.is_sorted_by_key(|reference| reference.offset) {
        references.sort_by_key(|reference| (reference.offset, reference.kind));
    }
    references
}

/// The index of a section in the header table.
pub(super) fn of_slot(section: usize) -> SectionIndex {
    SectionIndex::new(u32::try_from(section).unwrap_or(u32::MAX))
}

fn target(module: &Module<'_>, classes: &[Class], rela: Rela, bias: i64) -> Target {
    let addend = rela.addend.wrapping_add(bias);
    let elsewhere = Target::Symbol { symbol: rela.symbol, addend };
    let Some(symbol) = module.symbol(rela.symbol).filter(|_| rela.symbol != SymbolIndex::NULL)
    else {
        return elsewhere;
    };
    let SymbolSection::Defined(section) = symbol.section else { return elsewhere };
    let section = section.slot();
    let offset = symbol.st_value.wrapping_add_signed(addend).cast_signed();
    match classes.get(section) {
        Some(Class::Merged { .. }) => Target::Merged { section, offset },
        Some(class) if class.has_atoms() || matches!(class, Class::Table(..)) => {
            let named = symbol.kind != STT_SECTION && !symbol.name.is_empty();
            Target::Place { section, offset, symbol: named.then_some(rela.symbol) }
        }
        _ => elsewhere,
    }
}
