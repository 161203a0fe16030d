//! The translation unit of each symbol of vmlinux: from the symbol table, and from debug information.
//!
//! Between [`Vmlinux`](crate::symbols::Vmlinux) and [`super::dwarf`]. In the symbol table a local symbol stands behind
//! the name of its source file (`STT_FILE`), without its folder; globals stand behind all files, and
//! assembler writes no such names, so that its local symbols stand behind the file before, or behind
//! the name of an object file that the linker made. The debug information has the file of each
//! address of code. Joined: the units of the symbol table
//! stay what they are and get the path of the file that their functions come from; one without local
//! functions, that of the only file of its name between its neighbours', since both tables have the
//! order of linking. A function that comes from another file, and each global one, gets the unit of
//! its address; data, of which debug information has no ranges, keeps the unit that it has.
//! Invariant: what a unit is called does not depend on which symbols are asked about, and without
//! debug information nothing changes.

use std::io::{Read, Seek};

use super::dwarf::SourceMap;
use super::table::{ElfTable, Place, Symbol};
use crate::symbols::data::{Object, base_name as base};
use crate::symbols::{Kind, SymbolErrorKind};

/// What the functions of one unit of the symbol table say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vote {
    None,
    /// They come from this file.
    File(u32),
    /// They come from several files of one name.
    Several,
}

/// The most files between two neighbours among which one is looked for.
const GAP_MAX: u32 = 64;

/// Takes note of every symbol.
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

    /// Goes over to the next unit of the symbol table.
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
        let code = symbol.kind() == Kind::Function && matches!(symbol.place, Place::Section(_));
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

    /// What follows from all of them; `name` is that of a unit in the symbol table.
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
        // The others stand behind those of the symbol table, whether or not a symbol asks for them.
        let behind = u32::try_from(self.votes.len()).unwrap_or(u32::MAX);
        let mut added = Vec::new();
        for (file, unit) in (0_u32..).zip(&mut of_file).filter(|(_, unit)| unit.is_none()) {
            *unit = u32::try_from(added.len()).ok().and_then(|n| behind.checked_add(n));
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
    /// The unit of a symbol, with the one that the symbol table gives it.
    pub(crate) fn unit(&self, file: Option<u32>, told: Option<u32>) -> Option<u32> {
        let Some(file) = file else { return told };
        let vote = told.and_then(|unit| self.votes.get(usize::try_from(unit).ok()?));
        // Of two units of one file each keeps its symbols.
        if matches!(vote, Some(Vote::File(of)) if *of == file) || vote == Some(&Vote::Several) {
            return told;
        }
        self.of_file.get(usize::try_from(file).ok()?).copied().flatten()
    }

    /// Gives the units of the object their paths, behind the text that it has.
    ///
    /// # Errors
    /// [`SymbolErrorKind::TooLarge`] where the text is full.
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
