//! What the symbol table of an ELF file tells of exports.
//!
//! Between the visit of the symbols and the answer: each export has a symbol `__ksymtab_X` and, at
//! its namespace's text, a symbol `__kstrtabns_X` (`include/linux/export-internal.h`). Invariant:
//! the texts are read after the visit, each by itself, so that no section is held whole.

use std::io::{Read, Seek};

use object::elf;
use rustc_hash::FxHashMap;

use super::answer::{EXPORT_PREFIX, KSYMTAB_PREFIX, NAMESPACE_PREFIX};
use super::table::{ElfTable, Place, Symbol};
use super::{Answer, Export, SymbolErrorKind, Wanted};
use crate::klp::ObjectName;

/// Section that holds a GPL export's entry until Linux 7.1; newer kernels keep flags elsewhere.
const GPL_SECTION: &[u8] = b"__ksymtab_gpl";

/// The exports of wanted names that a visit met.
#[derive(Debug, Default)]
pub(super) struct Exports<'a> {
    /// By name, whether it is in the section for GPL exports.
    entries: FxHashMap<&'a str, bool>,
    /// By name, section index and `st_value` of the namespace.
    namespaces: FxHashMap<&'a str, (usize, u64)>,
}

impl<'a> Exports<'a> {
    /// Takes note of a symbol that marks an export.
    pub(super) fn see(&mut self, symbol: &Symbol<'_>, wanted: &Wanted<'a>) {
        if !symbol.name.starts_with(b"__") || symbol.is_undefined() {
            return;
        }
        let named = |prefix: &str| wanted.find(symbol.name.strip_prefix(prefix.as_bytes())?);
        if let Some(name) = named(KSYMTAB_PREFIX).or_else(|| named(EXPORT_PREFIX)) {
            self.entries.insert(name, symbol.section_name() == GPL_SECTION);
        } else if let Some(name) = named(NAMESPACE_PREFIX)
            && let Place::Section(section) = symbol.place
        {
            self.namespaces.insert(name, (section, symbol.value));
        }
    }

    /// Reads the namespaces and adds the exports.
    pub(super) fn add<R: Read + Seek>(
        self,
        owner: &ObjectName,
        table: &mut ElfTable<R>,
        answer: &mut Answer,
    ) -> Result<(), SymbolErrorKind> {
        let has_gpl_section = table.sections().iter().any(|s| table.name(s) == GPL_SECTION);
        let relocatable = table.file_type == elf::ET_REL;
        let mut names: FxHashMap<&str, String> = FxHashMap::default();
        for (name, (index, value)) in self.namespaces {
            let Some(section) = table.sections().get(index).cloned() else {
                continue;
            };
            let offset = if relocatable { value } else { value.wrapping_sub(section.address) };
            let text = table.text_at(&section, offset)?;
            names.insert(name, String::from_utf8_lossy(&text).into_owned());
        }
        for (name, in_gpl_section) in self.entries {
            let namespace = names.remove(name).filter(|text| !text.is_empty());
            let gpl = has_gpl_section.then_some(in_gpl_section);
            answer.exported(name, Export { owner: owner.clone(), gpl, namespace });
        }
        Ok(())
    }
}
