//! The pointer at the start of an entry, which exists to carry a relocation.
//!
//! Arrays and selectors both name a symbol by a relocation at the entry's offset.

use std::collections::BTreeMap;

use bstr::ByteSlice;

use super::{AnnotationError, AnnotationLocation};
use crate::elf::{Location, Module, Rela, Section, SectionIndex, SymbolIndex, SymbolSection};

/// The sections of certain names, each with its relocation sections.
pub(super) fn sections(
    module: &Module<'_>,
    wanted: impl Fn(&Section<'_>) -> bool,
) -> BTreeMap<SectionIndex, Vec<SectionIndex>> {
    let named = module.sections().filter(|section| wanted(section));
    let mut found: BTreeMap<_, Vec<_>> = named.map(|section| (section.index, Vec::new())).collect();
    if !found.is_empty() {
        for section in module.relocation_sections() {
            if let Some(relocations) = found.get_mut(&SectionIndex::new(section.sh_info)) {
                relocations.push(section.index);
            }
        }
    }
    found
}

/// The symbol that an entry's relocation names, and its name.
pub(super) fn symbol(
    module: &Module<'_>,
    rela: Rela,
    location: &AnnotationLocation,
) -> Result<(SymbolIndex, String), AnnotationError> {
    let found = module.symbol(rela.symbol);
    let name = found.as_ref().map_or_else(String::new, |s| s.name.to_str_lossy().into_owned());
    let undefined = found.is_some_and(|s| s.section == SymbolSection::Undefined);
    let location = || location.clone();
    if !undefined || rela.symbol.get() == 0 {
        return Err(AnnotationError::Defined { location: location(), symbol: name });
    }
    if rela.addend != 0 {
        let addend = rela.addend;
        return Err(AnnotationError::Addend { location: location(), symbol: name, addend });
    }
    Ok((rela.symbol, name))
}

/// The location in the module that an entry's relocation refers to.
pub(super) fn location(
    module: &Module<'_>,
    rela: Rela,
    at: &AnnotationLocation,
) -> Result<Location, AnnotationError> {
    let found = module.symbol(rela.symbol);
    let name = found.as_ref().map_or_else(String::new, |s| s.name.to_str_lossy().into_owned());
    let location = found.and_then(|symbol| match symbol.section {
        SymbolSection::Defined(section) => {
            Some(Location { section, offset: symbol.st_value.checked_add_signed(rela.addend)? })
        }
        _ => None,
    });
    location.ok_or_else(|| AnnotationError::Undefined { location: at.clone(), symbol: name })
}
