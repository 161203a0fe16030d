//! Tables in compiler output whose entries belong to functions: names, shapes, and what an entry means.
//!
//! A compiler leaves what is not code in sections of their own: where a warning is, where a fault goes on, what a branch
//! asks. A change of an entry is a change of the function that the entry names. Names are those in objects: the linker
//! gives some others. A shape says which fields of an entry have relocations, so that tables of several sizes are told
//! apart by the relocations alone, without debug information. Sources: `include/asm-generic/bug.h`,
//! `include/linux/jump_label.h`, `include/linux/static_call_types.h`, `include/asm-generic/vmlinux.lds.h`, and the
//! machine's `asm/extable.h`, `asm/alternative.h`, `asm/feature-fixups.h`.

use alloc::borrow::Cow;
use alloc::format;

/// What a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableUse {
    /// Each entry is part of the function that its code field names; it has one of these shapes.
    Content(&'static [EntryShape]),
    /// The same, and only a booting kernel reads them: code of a livepatch stays as it is in the object.
    Boot(&'static [EntryShape]),
    /// What only describes the source, such as file and line; but what the fields at these offsets refer to counts.
    Diagnostic(&'static [u64]),
    /// It is made from the code, thrown away, or for linkers and tools only: it says nothing about a change.
    Derived,
}

/// A section, or a family of sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectTable {
    /// Its name in objects.
    pub name: &'static str,
    /// Whether longer names are meant, too.
    pub longer_names: bool,
    /// What it holds.
    pub holds: TableUse,
    /// What a linked kernel calls the start and the end of it; `None`: as [`Self::bounds`] says.
    pub linked: Option<(&'static str, &'static str)>,
    /// Whether objtool adds entries for code that the compiler knows nothing of, to the whole kernel as well.
    pub is_completed: bool,
}

/// The shape of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryShape {
    /// Bytes.
    pub size: u64,
    /// The fields that have a relocation, by offset. Every entry has all of them that are not [`FieldMeaning::Optional`].
    pub fields: &'static [EntryField],
    /// Offset and length of what only says where in the source it is, in bytes.
    pub diagnostic: &'static [(u64, u64)],
}

/// A field that a relocation fills in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryField {
    /// Its offset in the entry, in bytes.
    pub at: u64,
    /// What it refers to.
    pub means: FieldMeaning,
    /// Bytes that the addend is larger by, because the field holds the distance from the start of its entry.
    pub bias: i64,
}

/// What a field refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldMeaning {
    /// Code of the function that the entry belongs to.
    Code,
    /// The same, or something else of which only the meaning counts.
    Reference,
    /// Something that need not be there.
    Optional,
    /// The first byte after code.
    End,
    /// Code elsewhere; the byte at this offset of the entry has its length.
    Replacement(u64),
    /// The name of a source file.
    SourceFile,
}

use FieldMeaning::{Code, Optional, Reference, SourceFile};

/// A field that holds an address, or a distance from itself.
pub(crate) const fn field(at: u64, means: FieldMeaning) -> EntryField {
    EntryField { at, means, bias: 0 }
}

/// A field that holds a distance from the start of its entry.
pub(crate) const fn from_entry(at: u64, means: FieldMeaning) -> EntryField {
    EntryField { at, means, bias: -(at.cast_signed()) }
}

/// An entry without anything about the source.
pub(crate) const fn shape(size: u64, fields: &'static [EntryField]) -> EntryShape {
    EntryShape { size, fields, diagnostic: &[] }
}

/// A table whose entries are parts of functions.
pub(crate) const fn content(name: &'static str, shapes: &'static [EntryShape]) -> ObjectTable {
    table(name, TableUse::Content(shapes))
}

const fn table(name: &'static str, holds: TableUse) -> ObjectTable {
    ObjectTable { name, longer_names: false, holds, linked: None, is_completed: false }
}

/// A table that says nothing about a change.
pub(crate) const fn derived(name: &'static str) -> ObjectTable {
    table(name, TableUse::Derived)
}

impl ObjectTable {
    /// All names that start so.
    pub(crate) const fn and_longer_names(self) -> Self {
        Self { longer_names: true, ..self }
    }

    /// With other names for the start and the end in a linked kernel.
    pub(crate) const fn linked_as(self, start: &'static str, end: &'static str) -> Self {
        Self { linked: Some((start, end)), ..self }
    }

    /// One to which objtool adds entries.
    pub(crate) const fn completed(self) -> Self {
        Self { is_completed: true, ..self }
    }

    /// The symbols of a linked kernel for the start and the end of a section of it.
    #[must_use]
    pub fn bounds(&self, section: &str) -> (Cow<'static, str>, Cow<'static, str>) {
        match self.linked {
            Some((start, end)) => (start.into(), end.into()),
            None => (format!("__start_{section}").into(), format!("__stop_{section}").into()),
        }
    }

    /// Whether a section of this name is meant.
    #[must_use]
    pub fn has_name(&self, name: &[u8]) -> bool {
        let own = self.name.as_bytes();
        if self.longer_names { name.starts_with(own) } else { name == own }
    }
}

/// One address of code, in four bytes: where something is.
pub(crate) const SITES: &[EntryShape] = &[shape(4, &[field(0, Code)])];

/// Of all machines.
pub(crate) const COMMON: &[ObjectTable] = &[
    content(
        "__bug_table",
        &[
            // struct bug_entry: code, file, line, flags.
            EntryShape {
                size: 12,
                fields: &[field(0, Code), field(4, SourceFile)],
                diagnostic: &[(8, 2)],
            },
            // With the format of its message.
            EntryShape {
                size: 16,
                fields: &[field(0, Code), field(4, Optional), field(8, SourceFile)],
                diagnostic: &[(12, 2)],
            },
            // Of two pointers.
            EntryShape {
                size: 24,
                fields: &[field(0, Code), field(8, SourceFile)],
                diagnostic: &[(16, 2)],
            },
            // Without CONFIG_DEBUG_BUGVERBOSE.
            shape(12, &[field(0, Code), field(4, Reference)]),
            shape(12, &[field(0, Code)]),
            shape(16, &[field(0, Code)]),
            shape(8, &[field(0, Code)]),
            shape(6, &[field(0, Code)]),
        ],
    ),
    content(
        "__ex_table",
        &[
            shape(8, &[field(0, Code), field(4, Reference)]),
            // With a type, or a function that handles the fault.
            shape(12, &[field(0, Code), field(4, Reference), field(8, Optional)]),
            shape(16, &[field(0, Code), field(8, Reference)]),
        ],
    ),
    content(
        "__jump_table",
        &[
            shape(16, &[field(0, Code), field(4, Reference), field(8, Reference)]),
            shape(24, &[field(0, Code), field(8, Reference), field(16, Reference)]),
        ],
    ),
    content(".static_call_sites", &[shape(8, &[field(0, Code), field(4, Reference)])])
        .linked_as("__start_static_call_sites", "__stop_static_call_sites")
        .completed(),
    table("runtime_", TableUse::Boot(SITES)).and_longer_names(),
    // What UBSAN prints: file, line, types.
    table(".data..Lubsan_", TableUse::Diagnostic(&[])).and_longer_names(),
    table(".data.rel.local..Lubsan_", TableUse::Diagnostic(&[])).and_longer_names(),
    table(".data.rel..Lubsan_", TableUse::Diagnostic(&[])).and_longer_names(),
    // struct _ddebug: its message.
    table("__dyndbg", TableUse::Diagnostic(&[24])).and_longer_names(),
    table("__verbose", TableUse::Diagnostic(&[24])),
    derived(".printk_index"),
    derived("__mcount_loc"),
    derived("__patchable_function_entries"),
    derived(".discard").and_longer_names(),
    derived("__tracepoint_check"),
    // A list of what is in __tracepoints.
    derived("__tracepoints_ptrs"),
    // Functions that kprobes leave alone; a copy of one need not be listed.
    derived("_kprobe_blacklist"),
    derived("__ksymtab").and_longer_names(),
    derived("___ksymtab").and_longer_names(),
    derived("__kcrctab").and_longer_names(),
    derived("___kcrctab").and_longer_names(),
    derived(".export_symbol"),
    derived(".modinfo"),
    // Directives for kpatch-build.
    derived(".kpatch.").and_longer_names(),
    derived("__versions"),
    derived("__version_ext").and_longer_names(),
    derived(".gnu.linkonce.this_module"),
    derived(".note").and_longer_names(),
    derived(".llvm").and_longer_names(),
    derived(".sframe"),
    derived(".eh_frame"),
    derived(".init.eh_frame"),
    derived(".BTF").and_longer_names(),
];

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::{Machine, machines};

    fn shapes(
        machine: &'static Machine,
    ) -> impl Iterator<Item = (&'static str, &'static EntryShape)> {
        machine
            .object_tables()
            .filter_map(|table| match table.holds {
                TableUse::Content(shapes) | TableUse::Boot(shapes) => {
                    Some(shapes.iter().map(move |shape| (table.name, shape)))
                }
                _ => None,
            })
            .flatten()
    }

    #[test]
    fn fields_are_in_their_entries_in_order_and_the_first_code_is_that_of_the_owner() {
        for machine in machines() {
            for (name, shape) in shapes(machine) {
                let offsets: Vec<u64> = shape.fields.iter().map(|field| field.at).collect();
                assert!(offsets.is_sorted_by(|a, b| a < b), "{name}");
                assert!(offsets.iter().all(|at| at + 4 <= shape.size), "{name}");
                assert!(shape.diagnostic.iter().all(|(at, len)| at + len <= shape.size), "{name}");
                let codes = shape.fields.iter().filter(|field| field.means == Code).count();
                assert_eq!(codes, 1, "{name}");
            }
        }
    }

    #[test]
    fn no_section_has_two_rows() {
        for machine in machines() {
            let tables: Vec<_> = machine.object_tables().collect();
            for table in &tables {
                let rows = tables.iter().filter(|other| other.has_name(table.name.as_bytes()));
                assert_eq!(rows.count(), 1, "{}: {}", machine.name, table.name);
            }
        }
    }
}
