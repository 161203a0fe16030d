//! The entries of tables, and which function each belongs to.
//!
//! The size of an entry is not known: it differs between kernels. The relocations tell: of each shape that the machine's
//! row has, all entries must have the fields.

use klp_arch::Machine;
use klp_arch::object_table::{EntryField, EntryShape, FieldMeaning, ObjectTable};

use super::atom::{Atom, AtomKind};
use super::class::Class;
use super::merged::start;
use super::object::Object;
use super::reference::{Reference, Target, of_slot, relocations};
use crate::elf::{Module, SectionIndex};

/// Bytes of the name of a source file, at most.
const PATH_MAX: usize = 4096;

/// A table that was read.
#[derive(Debug)]
pub(super) struct Table {
    /// Index of the section.
    pub(super) section: usize,
    pub(super) table: &'static ObjectTable,
    /// `None`: the relocations fit no shape.
    pub(super) shape: Option<&'static EntryShape>,
    /// Entries.
    pub(super) count: u64,
}

impl Table {
    /// Reads a table's shape off its relocations, and corrects what they refer to by where in an entry they are.
    pub(super) fn read(
        module: &Module<'_>,
        classes: &[Class],
        section: usize,
        references: &mut [Reference],
    ) -> Option<Self> {
        let Class::Table(table, shapes) = *classes.get(section)? else { return None };
        let size = module.section(of_slot(section))?.sh_size;
        let fits = |shape: &&EntryShape, whole: bool| {
            (!whole || size.is_multiple_of(shape.size))
                && fits(module, classes, shape, size, references)
        };
        // The last entry may lack what aligns the next.
        let shape = shapes.iter().find(|shape| fits(shape, true));
        let shape =
            shape.or_else(|| shapes.iter().find(|shape| fits(shape, false))).filter(|_| size > 0);
        let count = shape.map_or(0, |shape| size.div_ceil(shape.size));
        if let Some(shape) = shape {
            for reference in references {
                let field = field_at(shape, reference.offset % shape.size);
                let bias = field.map_or(0, |field| match field.means {
                    // The last byte, whose place is certain.
                    FieldMeaning::End => field.bias.wrapping_sub(1),
                    _ => field.bias,
                });
                if let Target::Place { offset, .. } | Target::Merged { offset, .. } =
                    &mut reference.to
                {
                    *offset = offset.wrapping_add(bias);
                }
            }
        }
        Some(Self { section, table, shape, count })
    }
}

/// The shape of the entries of a table, if its relocations tell.
pub(crate) fn entry_shape(
    module: &Module<'_>,
    machine: &Machine,
    classes: &[Class],
    relocated_by: &[SectionIndex],
    section: usize,
) -> Option<&'static EntryShape> {
    let mut references = relocations(module, machine, classes, relocated_by, section);
    Table::read(module, classes, section, &mut references)?.shape
}

/// The field of an entry at an offset in it.
pub(super) fn field_at(shape: &EntryShape, at: u64) -> Option<&'static EntryField> {
    shape.fields.iter().find(|field| field.at == at)
}

/// Whether a table of this size may have entries of this shape.
fn fits(
    module: &Module<'_>,
    classes: &[Class],
    shape: &EntryShape,
    size: u64,
    references: &[Reference],
) -> bool {
    let required =
        shape.fields.iter().filter(|field| field.means != FieldMeaning::Optional).count();
    let mut found: u64 = 0;
    for reference in references {
        let Some(field) = field_at(shape, reference.offset % shape.size) else { return false };
        if field.means == FieldMeaning::SourceFile && !is_source_file(module, classes, reference.to)
        {
            return false;
        }
        // What replaces code may have entries itself; in older kernels it is not in a section of code (ppc64le, Linux 6.1).
        let may_replace = shape.fields.iter().any(|field| field.means == FieldMeaning::End);
        if field.means == FieldMeaning::Code && !is_code(classes, reference.to, may_replace) {
            return false;
        }
        found = found.saturating_add(u64::from(field.means != FieldMeaning::Optional));
    }
    // Each field once in each entry.
    let once = references.windows(2).all(|pair| matches!(pair, [a, b] if a.offset < b.offset));
    let required = u64::try_from(required).unwrap_or(u64::MAX);
    once && found == size.div_ceil(shape.size).saturating_mul(required)
}

/// Whether something is a place in code, or in constants if they may be code.
fn is_code(classes: &[Class], to: Target, or_constant: bool) -> bool {
    let Target::Place { section, .. } = to else { return false };
    match classes.get(section) {
        Some(Class::Code) => true,
        Some(Class::Constant) => or_constant,
        _ => false,
    }
}

/// Whether something is the text of a source file's name.
fn is_source_file(module: &Module<'_>, classes: &[Class], to: Target) -> bool {
    const ENDS: [&[u8]; 6] = [b".c", b".h", b".S", b".rs", b".cc", b".i"];
    let text = match to {
        Target::Merged { section, offset } => {
            classes.get(section).and_then(|class| start(module, *class, section, offset, PATH_MAX))
        }
        // Not merged: it may stand anywhere in data.
        Target::Place { section, offset, .. } => {
            let class = Class::Merged { strings: true, width: 1 };
            start(module, class, section, offset, PATH_MAX)
        }
        _ => None,
    };
    text.is_some_and(|text| ENDS.iter().any(|end| text.ends_with(end)))
}

impl Object<'_> {
    /// Whether a reference of a table means the end of something.
    pub(super) fn is_end(&self, reference: &Reference) -> bool {
        let field = self.field(reference);
        field.is_some_and(|means| means == FieldMeaning::End)
    }

    /// What a field of a table's entry means.
    fn field(&self, reference: &Reference) -> Option<FieldMeaning> {
        if !matches!(self.classes.get(reference.section), Some(Class::Table(..))) {
            return None;
        }
        let first = self.tables.partition_point(|table| table.section < reference.section);
        let table = self.tables.get(first).filter(|table| table.section == reference.section)?;
        let shape = table.shape?;
        field_at(shape, reference.offset % shape.size).map(|field| field.means)
    }

    /// Makes each entry of a table an atom that belongs to a function.
    pub(super) fn read_entries(&mut self) {
        let (mut entries, mut unread) = (Vec::new(), Vec::new());
        for (number, table) in self.tables.iter().enumerate() {
            let Some(shape) = table.shape else {
                unread.push(table.section);
                continue;
            };
            let mut next = self.references.partition_point(|r| r.section < table.section);
            for entry in 0..table.count {
                let span = entry * shape.size..(entry + 1) * shape.size;
                let first = next;
                while self
                    .references
                    .get(next)
                    .is_some_and(|r| r.section == table.section && r.offset < span.end)
                {
                    next += 1;
                }
                let own = self.references.get(first..next).unwrap_or_default();
                let code = own.iter().find(|r| self.field(r) == Some(FieldMeaning::Code));
                let Some(Target::Atom { atom: owner, .. }) = code.map(|r| r.to) else { continue };
                let kind = AtomKind::Entry(u32::try_from(number).unwrap_or(u32::MAX));
                entries.push((
                    owner,
                    Atom {
                        section: table.section,
                        span,
                        kind,
                        symbol: None,
                        file: 0,
                        references: first..next,
                        prefix: None,
                    },
                ));
            }
        }
        // Of one function: by table, and in the table's order.
        let name =
            |atom: &Atom| self.module.section(of_slot(atom.section)).map_or(&b""[..], |s| s.name);
        entries.sort_by(|(a, left), (b, right)| a.cmp(b).then_with(|| name(left).cmp(name(right))));
        for (owner, atom) in entries {
            let index = u32::try_from(self.atoms.len()).unwrap_or(u32::MAX);
            self.entries.push((owner, index));
            self.atoms.push(atom);
        }
        // A table without a known shape is one part.
        for section in unread {
            let size = self.module.section(of_slot(section)).map_or(0, |section| section.sh_size);
            let first = self.references.partition_point(|r| r.section < section);
            let after = self.references.partition_point(|r| r.section <= section);
            self.atoms.push(Atom {
                section,
                span: 0..size,
                kind: AtomKind::Made,
                symbol: None,
                file: 0,
                references: first..after,
                prefix: None,
            });
        }
    }
}
