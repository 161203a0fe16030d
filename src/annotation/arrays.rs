//! The array dialect of klp-convert v1 to v7.
//!
//! `KLP_MODULE_RELOC(object) name[] = { KLP_SYMPOS(symbol, position), … };` makes a section
//! `.klp.module_relocs.<object>` of packed 12-byte entries: 8 bytes for a pointer that exists only
//! to carry a relocation against the symbol, then the position, 32 bits in the target's byte
//! order. Several arrays, and arrays of several object files, are simply concatenated. `r_offset`
//! links an entry to its relocation, never list order.

use std::collections::BTreeMap;

use bstr::ByteSlice;
use scroll::Pread;

use super::{Annotation, AnnotationError, AnnotationLocation, Annotations, Selector, pointer};
use crate::elf::{Module, Rela, Section};
use crate::name::{ObjectName, Position};

/// Prefix of an array section's name; the object's name follows.
const SECTION_PREFIX: &[u8] = b".klp.module_relocs.";
/// Bytes of an entry.
const ENTRY_SIZE: u64 = 12;
/// Offset of the position within an entry, in bytes.
const POSITION_OFFSET: u64 = 8;

/// Adds the annotations of every array section.
pub(super) fn read(
    module: &Module<'_>,
    annotations: &mut Annotations,
    errors: &mut Vec<AnnotationError>,
) {
    let arrays = pointer::sections(module, |s| s.name.starts_with(SECTION_PREFIX));
    for (array, relocations) in arrays {
        let Some(section) = module.section(array) else { continue };
        annotations.sections.insert(array);
        annotations.sections.extend(&relocations);
        let entries = relocations.iter().flat_map(|&index| module.relocations(index));
        read_section(module, section, entries, annotations, errors);
    }
}

fn read_section(
    module: &Module<'_>,
    section: &Section<'_>,
    relocations: impl Iterator<Item = Rela>,
    annotations: &mut Annotations,
    errors: &mut Vec<AnnotationError>,
) {
    let name = section.name.to_str_lossy().into_owned();
    let object = section.name.strip_prefix(SECTION_PREFIX).unwrap_or_default().to_str_lossy();
    let owner: ObjectName = match object.parse() {
        Ok(owner) => owner,
        Err(error) => {
            let location = AnnotationLocation::Entry { section: name, entry: 0 };
            errors.push(AnnotationError::Name { location, error });
            return;
        }
    };
    let body = module.body(section.index);
    let size = section.sh_size;
    if !size.is_multiple_of(ENTRY_SIZE) {
        errors.push(AnnotationError::Length { section: name, size });
        return;
    }
    let mut by_entry = BTreeMap::new();
    for rela in relocations {
        let entry = rela.offset / ENTRY_SIZE;
        let stray = rela.offset % ENTRY_SIZE != 0 || rela.offset >= size;
        if stray || by_entry.insert(entry, rela).is_some() {
            let section = name.clone();
            errors.push(AnnotationError::StrayRelocation { section, offset: rela.offset });
        }
    }
    for entry in 0..size / ENTRY_SIZE {
        let location = AnnotationLocation::Entry { section: name.clone(), entry };
        let at = usize::try_from(entry * ENTRY_SIZE + POSITION_OFFSET).ok();
        let position = at.and_then(|at| body.pread_with::<u32>(at, module.endian()).ok());
        let (Some(rela), Some(position)) = (by_entry.get(&entry), position) else {
            errors.push(AnnotationError::NoSymbol { section: name.clone(), entry });
            continue;
        };
        match annotated(module, *rela, &owner, position.into(), location) {
            Ok(annotation) => annotations.add(annotation, errors),
            Err(error) => errors.push(error),
        }
    }
}

fn annotated(
    module: &Module<'_>,
    rela: Rela,
    owner: &ObjectName,
    position: Position,
    location: AnnotationLocation,
) -> Result<Annotation, AnnotationError> {
    let (symbol, text) = pointer::symbol(module, rela, &location)?;
    let name = text
        .parse()
        .map_err(|error| AnnotationError::Name { location: location.clone(), error })?;
    let which = Selector::Position(position);
    Ok(Annotation { symbol, name, gate: None, owner: owner.clone(), which, location })
}
