//! The linked kernel: positions by final address, as its own symbol table has them.
//!
//! The kernel walks the symbols of one name in the order of `kallsyms`
//! (`kallsyms_on_each_match_symbol` in `kernel/kallsyms.c`), which [`super::kallsyms`] knows.
//! Invariant: only a linked image is read, never `vmlinux.o`, whose order is another one.

use std::fs::File;
use std::io::{Read, Seek};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use object::elf;
use rustc_hash::FxHashMap;

use super::Wanted;
use super::answer::HOMONYMS_MAX;
use super::exports::Exports;
use super::kallsyms;
use super::table::{ElfTable, Symbol};
use super::{Answer, Candidate, Kernel, Near, Order, SymbolError, SymbolErrorKind, SymbolSource};
use crate::klp::ObjectName;

/// The text that `/proc/version` prints: `Linux version 7.2.13 (builder@host) …`.
const BANNER: &[u8] = b"linux_banner";
const BANNER_START: &str = "Linux version ";
/// Bounds of the memory that `free_initmem` gives back.
const INIT_BEGIN: &[u8] = b"__init_begin";
const INIT_END: &[u8] = b"__init_end";
/// Ends of the names of per-CPU sections. They lie between those bounds, but only as the template
/// from which each CPU's copy is made; what uses their addresses uses them as offsets.
const PER_CPU: &[u8] = b"percpu";

/// A linked vmlinux, with or without debug information.
#[derive(Debug)]
pub struct Vmlinux {
    path: PathBuf,
}

/// A candidate before its rank is known.
#[derive(Debug)]
struct Found {
    rank: (u64, bool, u64),
    candidate: Candidate,
}

impl Vmlinux {
    /// The kernel in this file, which is read when the source is asked.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn open(&self) -> Result<ElfTable<File>, SymbolError> {
        let table = ElfTable::open(&self.path)?;
        linked(&table).map_err(|kind| SymbolError::new(&self.path, kind))?;
        Ok(table)
    }

    fn answer_from<R: Read + Seek>(
        &self,
        table: &mut ElfTable<R>,
        wanted: &Wanted<'_>,
        answer: &mut Answer,
    ) -> Result<(), SymbolErrorKind> {
        linked(table)?;
        let object = ObjectName::vmlinux();
        let mut found: FxHashMap<&str, Vec<Found>> = FxHashMap::default();
        let mut exports = Exports::default();
        let mut banner = None;
        let (mut init_begin, mut init_end) = (None, None);
        table.visit(|symbol| {
            match symbol.name {
                BANNER => banner = symbol.section.map(|(s, _)| (s.clone(), symbol.value)),
                INIT_BEGIN => init_begin = Some(symbol.value),
                INIT_END => init_end = Some(symbol.value),
                _ => {}
            }
            exports.see(&symbol, wanted);
            if let Some(name) = wanted.find(symbol.name)
                && kallsyms::visible(&symbol)
            {
                let known = found.entry(name).or_default();
                known.push(Found {
                    rank: kallsyms::rank(&symbol),
                    candidate: candidate(&object, name, &symbol),
                });
                if u32::try_from(known.len()).is_ok_and(|n| n > HOMONYMS_MAX) {
                    return Err(SymbolErrorKind::TooMany {
                        name: name.into(),
                        object: object.clone(),
                        limit: HOMONYMS_MAX,
                    });
                }
            }
            Ok(())
        })?;

        let mut release = None;
        if let Some((section, address)) = banner {
            release = release_of(&table.text_at(&section, address.wrapping_sub(section.address))?);
        }
        let kernel = Kernel { release, machine: Some(table.machine), endian: Some(table.endian) };
        answer.note(kernel)?;
        if answer.object(&object, &self.path, Order::Proven)? {
            let freed = init_begin.zip(init_end);
            for mut homonyms in found.into_values() {
                homonyms.sort_by_key(|f| f.rank);
                let count = u32::try_from(homonyms.len()).unwrap_or(u32::MAX);
                let positions = (1..=count).filter_map(NonZeroU32::new);
                for (position, Found { mut candidate, rank }) in positions.zip(homonyms) {
                    candidate.position = position;
                    candidate.live_position = Some(position);
                    candidate.homonyms = count;
                    candidate.init |= freed.is_some_and(|(begin, end)| {
                        let section = candidate.section.as_deref().unwrap_or("");
                        (begin..end).contains(&rank.0) && !section.as_bytes().ends_with(PER_CPU)
                    });
                    answer.candidate(candidate);
                }
            }
        }
        exports.add(&object, table, answer)
    }
}

fn linked<R: Read + Seek>(table: &ElfTable<R>) -> Result<(), SymbolErrorKind> {
    match table.file_type {
        // An arm64, s390x or ppc64le kernel may be a position-independent executable.
        elf::ET_EXEC | elf::ET_DYN => Ok(()),
        elf::ET_REL => Err(SymbolErrorKind::NotLinked),
        _ => Err(SymbolErrorKind::Elf("neither an executable nor a shared object")),
    }
}

fn candidate(object: &ObjectName, name: &str, symbol: &Symbol<'_>) -> Candidate {
    let section = symbol.section_name();
    Candidate {
        object: object.clone(),
        name: name.into(),
        position: NonZeroU32::MIN,
        homonyms: 1,
        live_position: None,
        address: Some(symbol.value),
        size: Some(symbol.size),
        file: symbol.source_file(),
        unit: symbol.unit(),
        section: symbol.shown_section(),
        binding: Some(symbol.binding()),
        kind: Some(symbol.kind()),
        init: section.starts_with(b".init"),
        order: Order::Proven,
    }
}

/// The release in the banner.
fn release_of(banner: &[u8]) -> Option<String> {
    let banner = std::str::from_utf8(banner).ok()?;
    banner.strip_prefix(BANNER_START)?.split_whitespace().next().map(str::to_owned)
}

impl SymbolSource for Vmlinux {
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
        let object = ObjectName::vmlinux();
        let visited = self.open()?.visit(|symbol| {
            if kallsyms::visible(&symbol) {
                near.offer(&object, symbol.name);
            }
            Ok(())
        });
        visited.map_err(|kind| SymbolError::new(&self.path, kind))
    }
}

#[cfg(test)]
mod tests;
