//! Which source file the code at an address comes from, by the debug information of vmlinux.
//!
//! Between [`super::table`] and [`super::source_files`]. The symbol table has at most the last part of a
//! path, and only for local symbols; each compilation unit of `.debug_info` has the
//! whole path (`DW_AT_name`, `DW_AT_comp_dir`) and the ranges of its code. Only the first entry of
//! each unit is read, and the hundreds of megabytes after it stay on disk. Debug
//! information does not affect positions: if it is missing or damaged, there is no map.
//! Invariant: memory and time are bounded, whatever the file contains, by [`UNITS_MAX`],
//! [`RANGES_MAX`] and the limits of [`section`]. Layout: DWARF 4 and 5, sections 7.5 and 2.17.

mod path;
mod section;
mod unit;

use std::io::{Read, Seek};

use gimli::RunTimeEndian;
use scroll::Endian;

use super::table::ElfTable;
use crate::symbols::SymbolErrorKind;
use path::Tree;
use section::{Loaded, Texts, Walk};
use unit::{Bases, Sections, Text, Unit};

/// The most compilation units; an allyesconfig kernel has about 30000.
const UNITS_MAX: usize = 1 << 17;
/// The most range list entries that are read; a kernel has one or two for each function.
const RANGES_MAX: usize = 1 << 22;
/// The most bytes of all paths; those of a kernel take a few hundred kilobytes.
const PATHS_MAX: usize = 1 << 26;
/// Bytes that are read of each unit: its header and its first entry.
const UNIT_START: usize = 1024;

/// Source files, and the addresses of their code.
#[derive(Debug, Default)]
pub(crate) struct SourceMap {
    paths: Vec<Vec<u8>>,
    /// Start, end, index of the path; in ascending order.
    ranges: Vec<(u64, u64, u32)>,
}

impl SourceMap {
    /// Reads the file's debug information; `None` if it has none that can be used.
    pub(crate) fn read<R: Read + Seek>(table: &mut ElfTable<R>) -> Option<Self> {
        // A unit that cannot be read is skipped, and so are all: symbols then get their
        // files from the symbol table, as in a vmlinux without debug information.
        read(table).ok().flatten()
    }

    /// The index of the file that the code at an address comes from.
    pub(crate) fn file_at(&self, address: u64) -> Option<u32> {
        let next = self.ranges.partition_point(|(start, ..)| *start <= address);
        let (_, end, file) = self.ranges.get(next.checked_sub(1)?)?;
        (address < *end).then_some(*file)
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }

    /// The path of a file: relative to the kernel's source tree or build folder, if
    /// it is below one of them.
    pub(crate) fn path(&self, file: u32) -> &[u8] {
        usize::try_from(file).ok().and_then(|file| self.paths.get(file)).map_or(&[], Vec::as_slice)
    }
}

fn read<R: Read + Seek>(table: &mut ElfTable<R>) -> Result<Option<SourceMap>, SymbolErrorKind> {
    let Some(info) = section::find(table, b".debug_info") else { return Ok(None) };
    let endian = match table.endian {
        Endian::Little => RunTimeEndian::Little,
        Endian::Big => RunTimeEndian::Big,
    };
    let abbrev = section::load(table, b".debug_abbrev")?;
    let mut sections = Sections {
        endian,
        // Each table is used by one unit or a few.
        abbrev_work: abbrev.len().saturating_mul(8),
        abbrev,
        ranges: section::load(table, b".debug_ranges")?,
        rnglists: section::load(table, b".debug_rnglists")?,
        bases: Bases {
            endian: table.endian,
            addr: section::load(table, b".debug_addr")?,
            str_offsets: section::load(table, b".debug_str_offsets")?,
        },
        range_work: RANGES_MAX,
    };
    let mut units = Vec::new();
    let mut walk = Walk::new(table, info)?;
    for _ in 0..UNITS_MAX {
        let Some(start) = walk.unit(UNIT_START)? else { break };
        if let Some(unit) = unit::read(&start, &mut sections) {
            units.push(unit);
        }
    }
    drop(walk);
    Ok(Some(map(table, units)?))
}

/// Gives each unit its path.
fn map<R: Read + Seek>(
    table: &mut ElfTable<R>,
    units: Vec<Unit>,
) -> Result<SourceMap, SymbolErrorKind> {
    let mut texts = Texts { str: Loaded::new(table, b".debug_str")?, ..Texts::default() };
    texts.line_str = Loaded::new(table, b".debug_line_str")?;
    let mut paths = Vec::with_capacity(units.len());
    let mut map = SourceMap::default();
    let mut left = PATHS_MAX;
    for unit in units {
        let name = texts.get(table, unit.name)?;
        let folder = texts.get(table, unit.folder)?;
        left = left
            .checked_sub(name.len().saturating_add(folder.len().saturating_mul(2)))
            .ok_or(SymbolErrorKind::TooLarge)?;
        let index = u32::try_from(paths.len()).map_err(|_| SymbolErrorKind::TooLarge)?;
        map.ranges.extend(unit.ranges.into_iter().map(|(start, end)| (start, end, index)));
        paths.push((path::whole(&folder, &name), folder));
    }
    let tree = Tree::of(paths.iter().map(|(path, _)| path.as_slice()));
    map.paths = paths.into_iter().map(|(path, folder)| tree.relative(path, &folder)).collect();
    map.ranges.sort_unstable();
    Ok(map)
}

impl Texts {
    fn get<R: Read + Seek>(
        &mut self,
        table: &mut ElfTable<R>,
        text: Text,
    ) -> Result<Vec<u8>, SymbolErrorKind> {
        match text {
            Text::Here(bytes) => Ok(bytes),
            Text::Str(offset) => self.str.text(table, offset),
            Text::LineStr(offset) => self.line_str.text(table, offset),
        }
    }
}

#[cfg(test)]
mod tests;
