//! The selector dialect: a source file or a neighbour instead of a position.
//!
//! `KLP_SYMBOL_IN` and `KLP_SYMBOL_NEXT_TO` each make a record in the section `.klp.selectors`:
//! a pointer that exists for its relocation against the symbol, size and version of the record,
//! the kind of selector, and texts of fixed width. `KLP_FUNC_IN` and `KLP_FUNC_NEXT_TO` do so, too;
//! their pointer is to the function that replaces the selected one. A record of another version is
//! refused, but its size leads to the next one. Invariant: nothing that a later version may define
//! is ignored. Layout: `docs/formats.md`.

use super::error::{SIZE, SelectorFault, VERSION};
use std::collections::BTreeMap;

use bstr::ByteSlice;
use scroll::Pread;

use super::{
    Annotation, AnnotationError, AnnotationLocation, Annotations, FunctionSelector, Selector,
    pointer,
};
use crate::elf::{Module, Rela, SectionIndex};

/// The section of all selectors.
pub const SELECTORS: &str = ".klp.selectors";
/// The header of every version: pointer, size, version and three more bytes.
const HEAD: u32 = 16;
/// Kinds: the text is a path or a name, for a symbol that is used or a function that is replaced.
const IN_FILE: u8 = 1;
const NEXT_TO: u8 = 2;
const FUNC_IN_FILE: u8 = 3;
const FUNC_NEXT_TO: u8 = 4;

/// Adds the annotations of every selector.
pub(super) fn read(
    module: &Module<'_>,
    annotations: &mut Annotations,
    errors: &mut Vec<AnnotationError>,
) {
    let selectors = pointer::sections(module, |s| s.name == SELECTORS.as_bytes());
    for (section, relocations) in selectors {
        annotations.sections.insert(section);
        annotations.sections.extend(&relocations);
        let mut pointers = BTreeMap::new();
        for rela in relocations.iter().flat_map(|&index| module.relocations(index)) {
            if pointers.insert(rela.offset, rela).is_some() {
                errors.push(stray(rela.offset));
            }
        }
        read_section(module, section, pointers, annotations, errors);
    }
}

fn location(entry: u64) -> AnnotationLocation {
    AnnotationLocation::Entry { section: SELECTORS.into(), entry }
}

fn faulty(entry: u64, fault: SelectorFault) -> AnnotationError {
    AnnotationError::Selector { location: location(entry), fault }
}

fn stray(offset: u64) -> AnnotationError {
    AnnotationError::StrayRelocation { section: SELECTORS.into(), offset }
}

fn read_section(
    module: &Module<'_>,
    section: SectionIndex,
    mut pointers: BTreeMap<u64, Rela>,
    annotations: &mut Annotations,
    errors: &mut Vec<AnnotationError>,
) {
    let body = module.body(section);
    let (mut rest, mut offset) = (body, 0_u64);
    for entry in 0.. {
        if rest.is_empty() {
            break;
        }
        let size = rest.pread_with::<u32>(8, module.endian()).unwrap_or(0);
        let whole = size >= HEAD && size.is_multiple_of(8);
        let split = usize::try_from(size).ok().filter(|_| whole);
        let Some((record, tail)) = split.and_then(|size| rest.split_at_checked(size)) else {
            errors.push(faulty(entry, SelectorFault::Cut { size, left: rest.len() }));
            // The start of further records is not known, so neither are the owners of relocations.
            return;
        };
        let end = offset.saturating_add(u64::from(size));
        let version = record.get(12).copied().unwrap_or(0);
        if version == VERSION {
            let pointer = pointers.remove(&offset);
            match selector(module, record, pointer, entry) {
                Ok(Selected::Symbol(annotation)) => annotations.add(annotation, errors),
                Ok(Selected::Function(selector)) => annotations.functions.push(selector),
                Err(error) => errors.push(error),
            }
        } else {
            errors.push(faulty(entry, SelectorFault::Version(version)));
            pointers.extract_if(offset..end, |_, _| true).for_each(drop);
        }
        (rest, offset) = (tail, end);
    }
    errors.extend(pointers.into_keys().map(stray));
}

/// What a record selects.
enum Selected {
    /// A symbol that is used.
    Symbol(Annotation),
    /// A function that is replaced.
    Function(FunctionSelector),
}

/// A record of [`VERSION`].
fn selector(
    module: &Module<'_>,
    record: &[u8],
    pointer: Option<Rela>,
    entry: u64,
) -> Result<Selected, AnnotationError> {
    let fault = |fault| faulty(entry, fault);
    let name = |error| AnnotationError::Name { location: location(entry), error };
    let fields = Fields::of(record).map_err(fault)?;
    let no_symbol = || AnnotationError::NoSymbol { section: SELECTORS.into(), entry };
    let rela = pointer.ok_or_else(no_symbol)?;
    let which = match fields.kind {
        IN_FILE | FUNC_IN_FILE => {
            let file = fields.text.parse().map_err(SelectorFault::File);
            Selector::InFile(file.map_err(fault)?)
        }
        NEXT_TO | FUNC_NEXT_TO => Selector::NextTo(fields.text.parse().map_err(name)?),
        kind => return Err(fault(SelectorFault::Kind(kind))),
    };
    if matches!(fields.kind, FUNC_IN_FILE | FUNC_NEXT_TO) {
        if !fields.patched.is_empty() {
            return Err(fault(SelectorFault::Patched));
        }
        return Ok(Selected::Function(FunctionSelector {
            object: fields.owner.parse().map_err(name)?,
            name: fields.name.parse().map_err(name)?,
            new_func: pointer::location(module, rela, &location(entry))?,
            which,
            location: location(entry),
        }));
    }
    let (symbol, spelling) = pointer::symbol(module, rela, &location(entry))?;
    let gate = Some(fields.patched).filter(|gate| !gate.is_empty());
    let gate = gate.map(str::parse).transpose().map_err(name)?;
    let owner = fields.owner.parse().map_err(name)?;
    let own = if fields.name.is_empty() { &spelling } else { fields.name };
    let name = own.parse().map_err(name)?;
    Ok(Selected::Symbol(Annotation { symbol, name, gate, owner, which, location: location(entry) }))
}

/// The fields of a record after its pointer.
struct Fields<'a> {
    kind: u8,
    owner: &'a str,
    patched: &'a str,
    name: &'a str,
    text: &'a str,
}

impl<'a> Fields<'a> {
    fn of(record: &'a [u8]) -> Result<Self, SelectorFault> {
        let size = u32::try_from(record.len()).unwrap_or(u32::MAX);
        let head = record.split_first_chunk::<16>().filter(|_| size == SIZE);
        let ([.., kind, reserved, reserved_too], mut texts) =
            head.ok_or(SelectorFault::Size(size))?;
        if (*reserved, *reserved_too) != (0, 0) {
            return Err(SelectorFault::Reserved);
        }
        let mut next = |field, width| {
            let (bytes, rest) = texts.split_at_checked(width).unwrap_or((texts, &[]));
            texts = rest;
            text(field, bytes)
        };
        Ok(Self {
            kind: *kind,
            owner: next("owner", 56)?,
            patched: next("patched", 56)?,
            name: next("name", 512)?,
            text: next("text", 512)?,
        })
    }
}

/// The text of a field: up to the first NUL, which only NULs may follow.
fn text<'a>(field: &'static str, bytes: &'a [u8]) -> Result<&'a str, SelectorFault> {
    let end = bytes.find_byte(0).ok_or(SelectorFault::Unterminated(field))?;
    let (text, padding) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    if padding.iter().any(|&byte| byte != 0) {
        return Err(SelectorFault::Trailing(field));
    }
    text.to_str().map_err(|_| SelectorFault::NotUtf8(field))
}

#[cfg(test)]
mod tests;
