//! What the relocations of an object refer to, in terms of what the linker gives an address.

use klp_arch::{Machine, Row};

use super::sections::{of_slot, relocated_by};
use crate::elf::{Module, Rela, SymbolIndex, SymbolSection};
use crate::objdiff::Class;
use object::elf::{STB_LOCAL, STT_SECTION};

/// What the linker gives an address of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Unit {
    /// A section of the object, as a whole.
    Section(usize),
    /// A symbol that another object may define.
    Symbol(SymbolIndex),
    /// An entry of a section of mergeable ones: section and offset.
    Entry(usize, u64),
    /// A slot of a section of pointers: section and offset.
    Slot(usize, u64),
}

/// What a reference means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A place in a section of the object.
    Section {
        /// Index of the section.
        section: usize,
        /// Offset in it.
        offset: i64,
    },
    /// Anything else.
    Elsewhere,
}

/// A relocation: its value is computed from the address of `unit` plus `addend`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference {
    /// Index of the section that it is in.
    pub(super) section: usize,
    /// Offset in it, in bytes.
    pub(super) offset: u64,
    /// The relocation's type.
    pub(super) kind: u32,
    /// What is known of the type.
    pub(super) row: Option<&'static Row>,
    pub(super) unit: Unit,
    pub(super) addend: i64,
    /// What the instruction means by it.
    pub(super) means: Target,
}

/// Reads the relocations of the sections that `is_read`, by section and offset.
pub(super) fn references(
    module: &Module<'_>,
    machine: &'static Machine,
    classes: &[Class],
    is_read: &dyn Fn(usize) -> bool,
) -> Vec<Reference> {
    let tables = relocated_by(module);
    let mut references = Vec::new();
    for (section, tables) in tables.into_iter().filter(|(section, _)| is_read(*section)) {
        let before = references.len();
        let body = module.body(of_slot(section));
        let is_code = matches!(classes.get(section), Some(Class::Code));
        for rela in tables.iter().flat_map(|table| module.relocations(*table)) {
            let row = machine.linker_row(rela.kind);
            if row.is_some_and(|row| row.field.size() == 0) {
                continue;
            }
            let bias = row.filter(|_| is_code).map_or(0, |row| {
                let at = usize::try_from(rela.offset).unwrap_or(usize::MAX);
                machine.instructions.bias_of_field(row, body.get(..at).unwrap_or_default())
            });
            let (unit, addend, means) = unit(module, machine, classes, rela, bias);
            let (offset, kind) = (rela.offset, rela.kind);
            references.push(Reference { section, offset, kind, row, unit, addend, means });
        }
        let own = references.get_mut(before..).unwrap_or_default();
        own.sort_by_key(|reference| reference.offset);
    }
    references
}

/// What a relocation refers to, and how far from it.
fn unit(
    module: &Module<'_>,
    machine: &Machine,
    classes: &[Class],
    rela: Rela,
    bias: i64,
) -> (Unit, i64, Target) {
    let elsewhere = (Unit::Symbol(rela.symbol), rela.addend, Target::Elsewhere);
    let Some(symbol) = module.symbol(rela.symbol) else { return elsewhere };
    let SymbolSection::Defined(index) = symbol.section else { return elsewhere };
    let section = index.slot();
    let offset = symbol.st_value.wrapping_add_signed(rela.addend).cast_signed();
    let meant = offset.wrapping_add(bias);
    let place = u64::try_from(meant).unwrap_or(0);
    let means = Target::Section { section, offset: meant };
    let name = module.section(index).map_or(&[][..], |section| section.name);
    if machine.link.slots.iter().any(|slots| slots.as_bytes() == name) {
        let inside = meant.wrapping_sub(place.cast_signed());
        return (Unit::Slot(section, place), inside.wrapping_sub(bias), Target::Elsewhere);
    }
    if let Some(Class::Merged { strings, width }) = classes.get(section) {
        // A linker moves what a symbol names, and what is added stays; without a name the place is meant.
        let (place, meant) = match symbol.kind {
            STT_SECTION => (place, meant),
            _ => (symbol.st_value, offset.wrapping_add(bias)),
        };
        let size = module.section(index).map_or(0, |section| section.sh_size);
        let width = u64::try_from(*width).unwrap_or(1).max(1);
        // The end of a table is that of its last entry.
        let start = match (strings, place == size && size > 0) {
            (true, _) => place,
            (false, true) => place.saturating_sub(width),
            (false, false) => place.saturating_sub(place % width),
        };
        let inside = meant.wrapping_sub(start.cast_signed());
        return (Unit::Entry(section, start), inside.wrapping_sub(bias), means);
    }
    // Another object may override a weak one.
    if symbol.bind != STB_LOCAL && !symbol.name.is_empty() {
        return (Unit::Symbol(rela.symbol), rela.addend, means);
    }
    (Unit::Section(section), offset, means)
}
