//! The translation unit of each symbol of vmlinux: from the symbol table and from debug information.
//!
//! Between [`Vmlinux`](crate::symbols::Vmlinux) and [`super::dwarf`]. In the symbol table a local symbol follows
//! the name of its source file (`STT_FILE`), without its folder; globals follow all files, and the
//! assembler writes no such names, so its local symbols follow the previous file, or
//! the name of an object file that the linker made. The debug information has the file of each
//! code address. They are joined: a unit of the symbol table
//! gets the path of the file that its functions come from; one without local
//! functions, that of the only file of its name between its neighbours', because both tables are in
//! link order. A function that comes from another file, and each global one, gets the unit of
//! its address; data, which debug information has no ranges for, keeps its unit.
//! Invariant: the name of a unit does not depend on which symbols are in scope, and without
//! debug information nothing changes.

use std::io::{Read, Seek};

use super::dwarf::SourceMap;
use super::table::{ElfTable, Shndx, Symbol};
use crate::symbols::data::{Object, base_name as base};
use crate::symbols::{Kind, SymbolErrorKind};

/// Where the functions of one unit of the symbol table come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vote {
    None,
    /// They come from this file.
    File(u32),
    /// They come from several files of one name.
    Several,
}

/// The most files between two neighbours that are searched.
const GAP_MAX: u32 = 64;

/// Collects the files of symbols.
#[derive(Debug)]
pub(crate) struct SourceFiles {
    map: SourceMap,
    /// For each unit of the symbol table.
    votes: Vec<Vote>,
    /// The last component of the current unit's name.
    name: Vec<u8>,
}

impl SourceFiles {
    pub(crate) fn read<R: Read + Seek>(table: &mut ElfTable<R>) -> Self {
        let map = SourceMap::read(table).unwrap_or_default();
        Self { map, votes: Vec::new(), name: Vec::new() }
    }

    /// Starts the next unit of the symbol table.
    pub(crate) fn enter(&mut self, file: &[u8]) {
        self.votes.push(Vote::None);
        self.name = base(file).to_vec();
    }

    /// Gives units without local functions a file.
    fn settle<'a>(&mut self, name: impl Fn(usize) -> &'a [u8]) {
        let mut before = None;
        let mut unit = 0;
        while let Some(vote) = self.votes.get(unit).copied() {
            let run = self.votes.get(unit..).unwrap_or(&[]);
            let length = run.iter().take_while(|vote| **vote == Vote::None).count();
            if length == 0 {
                before = if let Vote::File(file) = vote { Some(file) } else { None };
                unit += 1;
                continue;
            }
            if let (Some(before), Some(Vote::File(after))) = (before, run.get(length).copied())
                && let Some(between) = after.checked_sub(before)
                && between <= GAP_MAX
            {
                for unit in unit..unit + length {
                    let name = base(name(unit));
                    let same = |file: &u32| base(self.map.path(*file)) == name;
                    let mut files = (before + 1..after).filter(same);
                    if let (Some(file), None) = (files.next(), files.next())
                        && let Some(vote) = self.votes.get_mut(unit)
                    {
                        *vote = Vote::File(file);
                    }
                }
            }
            unit += length;
        }
    }

    /// The file that a function comes from.
    pub(crate) fn see(&mut self, symbol: &Symbol<'_>) -> Option<u32> {
        // Labels of the linker script have the address of what follows them.
        let code = symbol.kind() == Kind::Function && matches!(symbol.shndx, Shndx::Section(_));
        let file = self.map.file_at(symbol.value).filter(|_| code)?;
        if symbol.unit().is_some()
            && base(self.map.path(file)) == self.name
            && let Some(vote) = self.votes.last_mut()
        {
            *vote = match *vote {
                Vote::None => Vote::File(file),
                Vote::File(known) if known == file => *vote,
                _ => Vote::Several,
            };
        }
        Some(file)
    }

    /// Decides the units, from all symbols; `name` is that of a unit in the symbol table.
    pub(crate) fn decide<'a>(mut self, name: impl Fn(usize) -> &'a [u8]) -> Units {
        self.settle(name);
        let mut of_file = vec![None; self.map.len()];
        for (unit, vote) in (0_u32..).zip(&self.votes) {
            if let Vote::File(file) = vote
                && let Ok(file) = usize::try_from(*file)
                && let Some(first @ None) = of_file.get_mut(file)
            {
                *first = Some(unit);
            }
        }
        // The others follow those of the symbol table, whether or not a symbol uses them.
        let first = u32::try_from(self.votes.len()).unwrap_or(u32::MAX);
        let mut added = Vec::new();
        for (file, unit) in (0_u32..).zip(&mut of_file).filter(|(_, unit)| unit.is_none()) {
            *unit = u32::try_from(added.len()).ok().and_then(|n| first.checked_add(n));
            added.push(file);
        }
        Units { map: self.map, votes: self.votes, of_file, added }
    }
}

/// The units that symbols get.
#[derive(Debug)]
pub(crate) struct Units {
    map: SourceMap,
    votes: Vec<Vote>,
    /// The unit of each file.
    of_file: Vec<Option<u32>>,
    /// Files whose units are not in the symbol table, in the order of their units.
    added: Vec<u32>,
}

impl Units {
    /// The unit of a symbol; `listed` is that in the symbol table.
    pub(crate) fn unit(&self, file: Option<u32>, listed: Option<u32>) -> Option<u32> {
        let Some(file) = file else { return listed };
        let vote = listed.and_then(|unit| self.votes.get(usize::try_from(unit).ok()?));
        // Of two units of one file each keeps its symbols.
        if matches!(vote, Some(Vote::File(of)) if *of == file) || vote == Some(&Vote::Several) {
            return listed;
        }
        self.of_file.get(usize::try_from(file).ok()?).copied().flatten()
    }

    /// Gives the units of the object their paths, appended to its text.
    ///
    /// # Errors
    /// [`SymbolErrorKind::TooLarge`] if the text is full.
    pub(crate) fn name(self, object: &mut Object) -> Result<(), SymbolErrorKind> {
        for (unit, vote) in self.votes.iter().enumerate() {
            if let Vote::File(file) = vote {
                let path = object.keep(self.map.path(*file)).ok_or(SymbolErrorKind::TooLarge)?;
                if let Some(name) = object.units.get_mut(unit) {
                    *name = path;
                }
            }
        }
        for file in self.added {
            let path = object.keep(self.map.path(file)).ok_or(SymbolErrorKind::TooLarge)?;
            object.units.push(path);
        }
        Ok(())
    }
}
