//! A kernel module file: positions by symbol-table order.
//!
//! The kernel walks a module's symbols in the order of its table and counts all that are defined
//! (`module_kallsyms_on_each_symbol` in `kernel/module/kallsyms.c`), absolute ones and file names
//! too. While the module is being loaded that is the file's table; afterwards it is a smaller one
//! without what was freed (`is_core_symbol`). Invariant: a candidate has its rank in both.

use std::fs::File;
use std::io::{Read, Seek};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use object::elf;
use rustc_hash::FxHashMap;

use super::Wanted;
use super::answer::HOMONYMS_MAX;
use super::exports::Exports;
use super::table::{ElfTable, Symbol};
use super::{Answer, Candidate, Kernel, Near, Order, SymbolError, SymbolErrorKind, SymbolSource};
use crate::klp::ObjectName;

const MODINFO: &[u8] = b".modinfo";
/// Start of the names of sections that are freed when a module's init function has returned
/// (`module_init_section` in `kernel/module/main.c`).
const INIT: &[u8] = b".init";
/// The template of a module's per-CPU variables, which `is_core_symbol` keeps.
const PER_CPU: &[u8] = b".data..percpu";

/// A module file, not compressed.
#[derive(Debug)]
pub struct ModuleFile {
    path: PathBuf,
}

impl ModuleFile {
    /// The module in this file, which is read when the source is asked.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn open(&self) -> Result<ElfTable<File>, SymbolError> {
        ElfTable::open(&self.path)
    }

    /// The module's name and, from its vermagic, the release of its kernel.
    fn identity<R: Read + Seek>(
        &self,
        table: &mut ElfTable<R>,
    ) -> Result<(ObjectName, Option<String>), SymbolErrorKind> {
        if table.file_type != elf::ET_REL {
            return Err(SymbolErrorKind::NotModule);
        }
        let modinfo = table.sections().iter().find(|s| table.name(s) == MODINFO).cloned();
        let modinfo = modinfo.map_or(Ok(Vec::new()), |section| table.contents(&section))?;
        let value = |key: &str| {
            let mut entries = modinfo.split(|b| *b == 0);
            let value = entries.find_map(|entry| entry.strip_prefix(key.as_bytes()));
            value.map(|value| String::from_utf8_lossy(value).into_owned())
        };
        let object = match value("name=") {
            Some(name) => name.parse()?,
            None => {
                let file = self.path.file_name().unwrap_or_default();
                ObjectName::from_file_name(&file.to_string_lossy())?
            }
        };
        let vermagic = value("vermagic=");
        let release = vermagic.and_then(|v| v.split_whitespace().next().map(str::to_owned));
        Ok((object, release))
    }

    fn answer_from<R: Read + Seek>(
        &self,
        table: &mut ElfTable<R>,
        wanted: &Wanted<'_>,
        answer: &mut Answer,
    ) -> Result<(), SymbolErrorKind> {
        let (object, release) = self.identity(table)?;
        let kernel = Kernel { release, machine: Some(table.machine), endian: Some(table.endian) };
        answer.note(kernel)?;
        let told = answer.object(&object, &self.path, Order::Proven)?;
        let mut found: FxHashMap<&str, Ranked> = FxHashMap::default();
        let mut exports = Exports::default();
        table.visit(|symbol| {
            exports.see(&symbol, wanted);
            match wanted.find(symbol.name) {
                Some(name) if !symbol.is_undefined() => {
                    found.entry(name).or_default().push(&object, name, &symbol)
                }
                _ => Ok(()),
            }
        })?;
        if told {
            for ranked in found.into_values() {
                let homonyms = u32::try_from(ranked.candidates.len()).unwrap_or(u32::MAX);
                for candidate in ranked.candidates {
                    answer.candidate(Candidate { homonyms, ..candidate });
                }
            }
        }
        exports.add(&object, table, answer)
    }
}

/// The symbols of one name, and how many of them stay.
#[derive(Debug, Default)]
struct Ranked {
    candidates: Vec<Candidate>,
    live: u32,
}

impl Ranked {
    fn push(
        &mut self,
        object: &ObjectName,
        name: &str,
        symbol: &Symbol<'_>,
    ) -> Result<(), SymbolErrorKind> {
        let position = u32::try_from(self.candidates.len()).ok().and_then(|n| n.checked_add(1));
        let position = position.filter(|n| *n <= HOMONYMS_MAX).and_then(NonZeroU32::new);
        let Some(position) = position else {
            return Err(SymbolErrorKind::TooMany {
                name: name.into(),
                object: object.clone(),
                limit: HOMONYMS_MAX,
            });
        };
        let live = stays(symbol);
        self.live += u32::from(live);
        let section = symbol.section_name();
        self.candidates.push(Candidate {
            object: object.clone(),
            name: name.into(),
            position,
            homonyms: 1,
            live_position: NonZeroU32::new(self.live).filter(|_| live),
            address: Some(symbol.value),
            size: Some(symbol.size),
            file: symbol.source_file(),
            section: symbol.section.map(|_| String::from_utf8_lossy(section).into_owned()),
            binding: Some(symbol.binding()),
            kind: Some(symbol.kind()),
            init: section.starts_with(INIT),
            order: Order::Proven,
        });
        Ok(())
    }
}

/// Whether the symbol is still in the module's table after its init function (`is_core_symbol`).
fn stays(symbol: &Symbol<'_>) -> bool {
    symbol.section.is_some_and(|(section, name)| {
        name == PER_CPU || section.has(elf::SHF_ALLOC) && !name.starts_with(INIT)
    })
}

impl SymbolSource for ModuleFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn order(&self) -> Order {
        Order::Proven
    }

    fn answer(&self, wanted: &Wanted<'_>, answer: &mut Answer) -> Result<(), SymbolError> {
        let mut table = self.open()?;
        self.answer_from(&mut table, wanted, answer)
            .map_err(|kind| SymbolError::new(&self.path, kind))
    }

    fn similar(&self, near: &mut Near) -> Result<(), SymbolError> {
        let mut table = self.open()?;
        let offered = self.identity(&mut table).and_then(|(object, _)| {
            table.visit(|symbol| {
                if !symbol.is_undefined() && !symbol.name.is_empty() {
                    near.offer(&object, symbol.name);
                }
                Ok(())
            })
        });
        offered.map_err(|kind| SymbolError::new(&self.path, kind))
    }
}
