//! The exports in the symbol table of an ELF file.
//!
//! Between the visit of the symbols and a source's data: each export has a symbol `__ksymtab_X`
//! and, at its namespace's text, a symbol `__kstrtabns_X`; with `CONFIG_MODVERSIONS` a symbol
//! `__crc_X` at the CRC (`include/linux/export-internal.h`). Invariant: section contents are read after the
//! visit, each once, one at a time.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Seek};

use object::elf;
use scroll::{Endian, Pread};

use super::table::{ElfTable, Shndx, Symbol};
use crate::name::ObjectName;
use crate::symbols::data::Scope;
use crate::symbols::data::kind::{CRC_PREFIX, EXPORT_PREFIX, KSYMTAB_PREFIX, NAMESPACE_PREFIX};
use crate::symbols::{Export, SymbolErrorKind};

/// Section that holds a GPL export's entry until Linux 7.0; newer kernels keep flags elsewhere.
const GPL_SECTION: &[u8] = b"__ksymtab_gpl";
/// Sections with namespaces and CRCs of exports; others are not read.
const CONTENTS: [&[u8]; 3] = [b"__ksymtab_strings", b"__kcrctab", b"__kcrctab_gpl"];

/// The exports in scope that a visit found.
#[derive(Debug, Default)]
pub(crate) struct Exports {
    /// By name, whether it is in the section for GPL exports.
    entries: BTreeMap<String, bool>,
    /// By section index: names, whether it is a namespace, and `st_value`.
    contents: BTreeMap<usize, Vec<(String, bool, u64)>>,
}

impl Exports {
    /// Records a symbol that marks an export.
    pub(crate) fn see(&mut self, symbol: &Symbol<'_>, scope: Scope<'_>) {
        if !symbol.name.starts_with(b"__") || symbol.is_undefined() {
            return;
        }
        let named = |prefix: &str| {
            let name = symbol.name.strip_prefix(prefix.as_bytes())?;
            let name = std::str::from_utf8(name).ok()?;
            scope.wants(name.as_bytes()).then(|| name.to_owned())
        };
        if let Some(name) = named(KSYMTAB_PREFIX).or_else(|| named(EXPORT_PREFIX)) {
            self.entries.insert(name, symbol.section_name() == GPL_SECTION);
            return;
        }
        let Shndx::Section(section) = symbol.shndx else { return };
        if !CONTENTS.contains(&symbol.section_name()) {
            return;
        }
        let namespace = named(NAMESPACE_PREFIX);
        let is_namespace = namespace.is_some();
        if let Some(name) = namespace.or_else(|| named(CRC_PREFIX)) {
            let known = self.contents.entry(section).or_default();
            known.push((name, is_namespace, symbol.value));
        }
    }

    /// Reads namespaces and CRCs, and returns the exports.
    pub(crate) fn read<R: Read + Seek>(
        self,
        owner: &ObjectName,
        table: &mut ElfTable<R>,
    ) -> Result<Vec<(String, Export)>, SymbolErrorKind> {
        let has_gpl_section = table.sections().iter().any(|s| table.name(s) == GPL_SECTION);
        let relocatable = table.file_type == elf::ET_REL;
        let endian: Endian = table.endian;
        let mut namespaces: HashMap<String, String> = HashMap::new();
        let mut crcs: HashMap<String, u32> = HashMap::new();
        // A file has each of these sections once; further ones are ignored.
        for (index, marks) in self.contents.into_iter().take(CONTENTS.len()) {
            let Some(section) = table.sections().get(index).cloned() else { continue };
            let bytes = table.contents(&section)?;
            for (name, is_namespace, value) in marks {
                let offset = if relocatable { value } else { value.wrapping_sub(section.address) };
                if is_namespace {
                    // A file of debug information has the symbol, but not the text.
                    let Some(text) = terminated(&bytes, offset) else { continue };
                    namespaces.insert(name, String::from_utf8_lossy(text).into_owned());
                } else if let Ok(offset) = usize::try_from(offset)
                    && let Ok(crc) = bytes.pread_with(offset, endian)
                {
                    crcs.insert(name, crc);
                }
            }
        }
        let read = |(name, in_gpl_section): (String, bool)| {
            let export = Export {
                owner: owner.clone(),
                gpl: has_gpl_section.then_some(in_gpl_section),
                namespace: namespaces.remove(&name),
                crc: crcs.remove(&name),
            };
            (name, export)
        };
        Ok(self.entries.into_iter().map(read).collect())
    }
}

/// The text at an offset, if it is terminated.
fn terminated(bytes: &[u8], offset: u64) -> Option<&[u8]> {
    let rest = bytes.get(usize::try_from(offset).ok()?..)?;
    rest.get(..memchr::memchr(0, rest)?)
}
