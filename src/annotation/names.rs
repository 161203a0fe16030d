//! The name dialect of minimal klp-convert (v1 to v3, SUSE, clang-extract).
//!
//! `KLP_RELOC_SYMBOL[_POS](gate, owner, symbol[, position])` gives a C declaration the assembler
//! name `.klp.sym.rela.<gate>.<owner>.<symbol>.<position>`, in older headers with a comma before
//! the position. The position is read from the right: `__key.12345` and `foo.isra.0` keep their
//! dots.

use bstr::ByteSlice;

use super::{Annotation, AnnotationError, AnnotationLocation, Annotations, Selector};
use crate::elf::{Module, Symbol, SymbolSection};
use crate::name::{NameError, ObjectName, Position, SymbolName};

/// Prefix of an annotated symbol name.
pub const NAME_PREFIX: &str = ".klp.sym.rela.";

/// Adds the annotations in symbol names.
pub(super) fn read(
    module: &Module<'_>,
    annotations: &mut Annotations,
    errors: &mut Vec<AnnotationError>,
) {
    for symbol in module.symbols().filter(|s| s.name.starts_with(NAME_PREFIX.as_bytes())) {
        match annotated(&symbol) {
            Ok(annotation) => annotations.add(annotation, errors),
            Err(error) => errors.push(error),
        }
    }
}

fn annotated(symbol: &Symbol<'_>) -> Result<Annotation, AnnotationError> {
    let text = symbol.name.to_str_lossy().into_owned();
    let location = AnnotationLocation::Name(text.clone());
    if symbol.section != SymbolSection::Undefined {
        return Err(AnnotationError::Defined { location, symbol: text });
    }
    let (gate, owner, name, position) =
        parts(&text).ok_or_else(|| AnnotationError::NameParts(text.clone()))?;
    let parsed = || -> Result<(ObjectName, ObjectName, SymbolName, Position), NameError> {
        Ok((gate.parse()?, owner.parse()?, name.parse()?, position.parse()?))
    };
    let (gate, owner, name, position) =
        parsed().map_err(|error| AnnotationError::Name { location: location.clone(), error })?;
    let which = Selector::Position(position);
    Ok(Annotation { symbol: symbol.index, name, gate: Some(gate), owner, which, location })
}

/// Gate, owner, symbol and position of an annotated name.
fn parts(text: &str) -> Option<(&str, &str, &str, &str)> {
    let rest = text.strip_prefix(NAME_PREFIX)?;
    let (gate, rest) = rest.split_once('.')?;
    let (owner, rest) = rest.split_once('.')?;
    let (name, position) = rest.rsplit_once(['.', ','])?;
    Some((gate, owner, name, position))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_names_keep_their_dots_with_either_separator() {
        for (text, name, position) in [
            (".klp.sym.rela.vmlinux.vmlinux.foo.0", "foo", "0"),
            (".klp.sym.rela.vmlinux.vmlinux.foo,3", "foo", "3"),
            (".klp.sym.rela.vmlinux.vmlinux.__key.12345.0", "__key.12345", "0"),
            (".klp.sym.rela.vmlinux.vmlinux.foo.isra.0,2", "foo.isra.0", "2"),
            (".klp.sym.rela.vmlinux.vmlinux.foo.isra.0.2", "foo.isra.0", "2"),
        ] {
            assert_eq!(parts(text), Some(("vmlinux", "vmlinux", name, position)), "{text}");
        }
    }

    #[test]
    fn gate_and_owner_are_two_objects() {
        let text = ".klp.sym.rela.ext4.jbd2.foo.1";
        assert_eq!(parts(text), Some(("ext4", "jbd2", "foo", "1")));
    }

    #[test]
    fn a_name_with_a_missing_part_is_not_an_annotation() {
        for text in
            [".klp.sym.rela.", ".klp.sym.rela.a", ".klp.sym.rela.a.b", ".klp.sym.rela.a.b.c"]
        {
            assert_eq!(parts(text), None, "{text}");
        }
    }
}
