//! Special sections for kernels before Linux 5.8, which read them once the relocations for an object are written.
//!
//! kpatch's `create-diff-object` lists them in `.kpatch.arch`, where a record has two pointers: to the section, and to the
//! name of the object that its code is of. `create-klp-module` copies all that are of one object and name into one section
//! `.klp.arch.OBJECT.SECTION`, and removes them: the kernel would read them before. Sources: kpatch's
//! `kpatch-build/create-klp-module.c`, `kpatch-build/kpatch-intermediate.h`; the kernel's `arch_klp_init_object_loaded`,
//! which was `arch/*/kernel/livepatch.c` until Linux 5.7.

use std::collections::BTreeSet;

use bstr::ByteSlice;
use klp_arch::Machine;
use object::elf::SHT_PROGBITS;

use super::kpatch::{STRINGS, only};
use super::table::{Layout, Table};
use super::{Intermediate, RecordError, RecordFault, name_of};
use crate::elf::{Location, Module, Rela, Section, SectionFlags, SectionIndex};
use crate::name::{ObjectName, shown};

/// How a copy's name starts.
const PREFIX: &str = ".klp.arch.";
/// The section of the records.
const RECORDS: &str = ".kpatch.arch";
const ALTERNATIVES: &str = ".altinstructions";
const PARAVIRT: &str = ".parainstructions";
/// Bytes from one entry of `PARAVIRT` to the next (`struct paravirt_patch_site`). Its last entry is cut short: what is not
/// used of it is no part of the section. Entries of `ALTERNATIVES` are packed.
const PARAVIRT_ENTRY: u64 = 16;
/// Longest name of an object that the kernel scans in a section's name, in bytes.
const OBJECT_MAX: usize = 55;

/// Offsets in `struct kpatch_arch`, in bytes.
const SECTION: u64 = 0;
const OBJECT: u64 = 8;
const LAYOUT: Layout = Layout { size: 16, pointers: &[(SECTION, "section"), (OBJECT, "object")] };

/// A copy of special sections, which the kernel reads once the relocations for an object are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchSection {
    /// The object.
    pub object: ObjectName,
    /// The name of the sections.
    pub section: &'static str,
    /// Each of them, in the order of their records.
    pub pieces: Vec<ArchPiece>,
    /// Size of the copy, in bytes.
    pub size: u64,
}

/// A section that is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchPiece {
    /// The section.
    pub section: SectionIndex,
    /// Its relocations, if it has some.
    pub table: Option<SectionIndex>,
    /// Where it is in the copy, in bytes.
    pub offset: u64,
}

impl ArchSection {
    /// The name of the copy.
    #[must_use]
    pub fn name(&self) -> String {
        let Self { object, section, .. } = self;
        format!("{PREFIX}{object}.{section}")
    }

    /// The relocations of the copy.
    pub fn relocations<'m>(&'m self, module: &'m Module<'_>) -> impl Iterator<Item = Rela> + 'm {
        self.pieces.iter().flat_map(|piece| {
            let all = piece.table.into_iter().flat_map(|table| module.relocations(table));
            all.map(|rela| Rela { offset: rela.offset.saturating_add(piece.offset), ..rela })
        })
    }

    /// The sections that are copied, and their relocations.
    pub(crate) fn originals(&self) -> impl Iterator<Item = SectionIndex> + '_ {
        self.pieces.iter().flat_map(|piece| [piece.section].into_iter().chain(piece.table))
    }
}

/// The object and the section in the name of a copy, as the kernel reads it: `.klp.arch.%55[^.].%127s`.
pub(crate) fn parts(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let (object, section) = name.strip_prefix(PREFIX.as_bytes())?.split_once_str(b".")?;
    let read = (1..=OBJECT_MAX).contains(&object.len()) && !section.is_empty();
    read.then_some((object, section))
}

impl RecordError {
    /// What is wrong with the section of the records.
    pub(crate) fn of_arch_sections(fault: RecordFault) -> Self {
        Self { section: RECORDS.into(), record: None, fault }
    }
}

/// Whether there are records.
pub(super) fn are_recorded(module: &Module<'_>) -> bool {
    module.sections_named(RECORDS.as_bytes()).any(|section| section.sh_size > 0)
}

/// The sections of the records, and the relocations of those.
pub(super) fn records(module: &Module<'_>) -> BTreeSet<SectionIndex> {
    let sections = module.sections_named(RECORDS.as_bytes());
    let all = sections.flat_map(|section| tables_of(module, section).chain([section]));
    all.map(|section| section.index).collect()
}

/// Reads what is to be copied; `found`: the other records.
pub(super) fn read(
    module: &Module<'_>,
    machine: &Machine,
    found: &Intermediate,
) -> Result<Vec<ArchSection>, Vec<RecordError>> {
    let of_section = |fault| vec![RecordError::of_arch_sections(fault)];
    let section = only(module, RECORDS).map_err(of_section)?;
    let strings = only(module, STRINGS).map_err(of_section)?;
    let mut errors = Vec::new();
    let mut sections = BTreeSet::new();
    let table = Table::read(module, machine, section, LAYOUT, &mut sections, &mut errors);
    let mut reader = Reader { module, found, table, strings: strings.index, made: Vec::new() };
    for number in 0..reader.table.len() {
        errors.extend(reader.record(number).err());
    }
    if errors.is_empty() { Ok(reader.made) } else { Err(errors) }
}

struct Reader<'m, 'data> {
    module: &'m Module<'data>,
    found: &'m Intermediate,
    table: Table<'m, 'data>,
    strings: SectionIndex,
    made: Vec<ArchSection>,
}

impl Reader<'_, '_> {
    fn record(&mut self, number: usize) -> Result<(), RecordError> {
        let module = self.module;
        let fault = |fault| self.table.fault(Some(number), fault);
        let place = self.table.location(number, SECTION)?;
        let Location { section: index, offset } =
            place.ok_or_else(|| fault(RecordFault::NoLocation))?;
        let name = || name_of(module, index).into_owned();
        if offset != 0 {
            return Err(fault(RecordFault::NotWhole { section: name(), offset }));
        }
        let section = module.section(index);
        let (section, kind) = section
            .and_then(|section| Some((section, read_late(module, section)?)))
            .ok_or_else(|| fault(RecordFault::NotSpecial(name())))?;
        if self.made.iter().any(|made| made.pieces.iter().any(|piece| piece.section == index)) {
            return Err(fault(RecordFault::CopiedTwice(name())));
        }
        if self.found.records.iter().any(|record| record.target == index) {
            return Err(fault(RecordFault::PatchedCopy(name())));
        }
        let tables: Vec<_> = tables_of(module, section).collect();
        let table = match tables[..] {
            [] if section.sh_size == 0 => None,
            [table] if !table.sh_flags.contains(SectionFlags::RELA_LIVEPATCH) => Some(table.index),
            _ => {
                let fault_of = RecordFault::CopiedTables { section: name(), count: tables.len() };
                return Err(fault(fault_of));
            }
        };
        let object = shown(self.table.text(number, OBJECT, self.strings)?.as_bytes())
            .parse()
            .map_err(|error| fault(RecordFault::Name(error)))?;
        let mut made = self.made.iter();
        let at = made.position(|made| made.object == object && made.section == kind);
        let at = at.unwrap_or(self.made.len());
        if at == self.made.len() {
            let new = ArchSection { object, section: kind, pieces: Vec::new(), size: 0 };
            let name = new.name();
            if module.sections_named(name.as_bytes()).next().is_some() {
                return Err(fault(RecordFault::CopiedBefore(name)));
            }
            self.made.push(new);
        }
        if let Some(made) = self.made.get_mut(at) {
            let align = if kind == PARAVIRT { PARAVIRT_ENTRY } else { 1 };
            let offset = made.size.next_multiple_of(align);
            made.pieces.push(ArchPiece { section: index, table, offset });
            made.size = offset.saturating_add(section.sh_size);
        }
        Ok(())
    }
}

/// The name of a section if kernels read it late, and it has all of its contents.
fn read_late(module: &Module<'_>, section: &Section<'_>) -> Option<&'static str> {
    let mut names = [ALTERNATIVES, PARAVIRT].into_iter();
    let name = names.find(|name| section.name == name.as_bytes())?;
    let whole = u64::try_from(module.body(section.index).len()).is_ok_and(|n| n == section.sh_size);
    let loaded = section.sh_flags.contains(SectionFlags::ALLOC) && section.sh_type == SHT_PROGBITS;
    (loaded && whole).then_some(name)
}

fn tables_of<'m, 'data>(
    module: &'m Module<'data>,
    section: &'m Section<'data>,
) -> impl Iterator<Item = &'m Section<'data>> {
    module.relocation_sections().filter(|table| table.sh_info == section.index.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_the_kernel_scans_them() {
        let of = |name: &'static str| parts(name.as_bytes());
        let vmlinux = (&b"vmlinux"[..], &b".altinstructions"[..]);
        assert_eq!(of(".klp.arch.vmlinux..altinstructions"), Some(vmlinux));
        assert_eq!(of(".klp.arch.m.x.y"), Some((&b"m"[..], &b"x.y"[..])));
        let long = |bytes: usize| format!(".klp.arch.{}.x", "o".repeat(bytes));
        assert!(parts(long(55).as_bytes()).is_some() && parts(long(56).as_bytes()).is_none());
        for name in
            [".klp.arch.", ".klp.arch.m", ".klp.arch.m.", ".klp.arch..x", ".rela.klp.arch.m.x"]
        {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn a_copy_is_named_as_the_kernel_reads_it() {
        let (object, section) = ("m".parse().unwrap(), PARAVIRT);
        let copy = ArchSection { object, section, pieces: Vec::new(), size: 0 };
        assert_eq!(parts(copy.name().as_bytes()), Some((&b"m"[..], PARAVIRT.as_bytes())));
    }
}
