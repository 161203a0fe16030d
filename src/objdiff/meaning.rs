//! What the fields of tables' entries mean, and references in words.

use klp_arch::object_table::{EntryShape, FieldMeaning};

use super::atom::{Atom, AtomKind};
use super::entries::field_at;
use super::merged;
use super::object::Object;
use super::reference::{RESOLVED, Reference, Target};
use crate::name::shown;

/// Bytes of a text that are shown.
const SHOWN: usize = 40;

impl Object<'_> {
    /// The shape of a table's entry.
    fn shape(&self, atom: &Atom) -> Option<&'static EntryShape> {
        let AtomKind::Entry(table) = atom.kind else { return None };
        self.tables.get(super::object::slot(table))?.shape
    }

    /// Offset and length of what in an entry only says where in the source it is.
    pub(super) fn diagnostic_bytes(&self, atom: &Atom) -> &'static [(u64, u64)] {
        self.shape(atom).map_or(&[], |shape| shape.diagnostic)
    }

    fn means(&self, atom: &Atom, at: u64) -> Option<FieldMeaning> {
        field_at(self.shape(atom)?, at).map(|field| field.means)
    }

    /// Whether the field at an offset names a source file.
    pub(super) fn is_source_file(&self, atom: &Atom, at: u64) -> bool {
        self.means(atom, at) == Some(FieldMeaning::SourceFile)
    }

    /// Whether the field at an offset names code to put in place of other code, of which there is none.
    pub(super) fn is_empty_replacement(&self, atom: &Atom, at: u64) -> bool {
        let Some(FieldMeaning::Replacement(length)) = self.means(atom, at) else { return false };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.bytes(atom).get(length).is_some_and(|length| *length == 0)
    }

    /// Whether a reference means a function, or what another object has: instead of code to put in place, an entry may name
    /// what makes it.
    pub(super) fn is_named_code(&self, reference: &Reference) -> bool {
        match reference.to {
            Target::Symbol { .. } => true,
            Target::Atom { atom, offset: 0 } => {
                self.atom(atom).is_some_and(|atom| atom.kind == AtomKind::Function)
            }
            _ => false,
        }
    }

    /// A reference in words.
    pub(super) fn describe(&self, reference: &Reference) -> String {
        let target = match reference.to {
            Target::Atom { atom, offset: 0 } => self.shown(atom),
            Target::Atom { atom, offset } => format!("{}{}", self.shown(atom), signed(offset)),
            Target::Place { section, offset, .. } => {
                format!("{}{}", shown(self.section_name(section)), signed(offset))
            }
            Target::Merged { section, offset } => {
                let class = self.classes.get(section).copied();
                let most = SHOWN.saturating_add(1);
                let bytes = class
                    .and_then(|class| merged::start(&self.module, class, section, offset, most));
                let bytes = bytes.unwrap_or_default();
                let start = bytes.get(..SHOWN).unwrap_or(bytes);
                let more = if start.len() < bytes.len() { "…" } else { "" };
                format!("\"{}{more}\"", start.escape_ascii())
            }
            Target::Symbol { symbol, addend } => {
                let name = self.module.symbol(symbol).map_or(&[][..], |symbol| symbol.name);
                match addend {
                    0 => shown(name).into_owned(),
                    _ => format!("{}{}", shown(name), signed(addend)),
                }
            }
        };
        match reference.kind {
            RESOLVED => target,
            kind => match self.machine.relocation_name(kind) {
                Some(name) => format!("{name} {target}"),
                None => format!("relocation type {kind} {target}"),
            },
        }
    }
}

/// A number with its sign.
fn signed(offset: i64) -> String {
    if offset < 0 { format!("-{:#x}", offset.unsigned_abs()) } else { format!("+{offset:#x}") }
}
