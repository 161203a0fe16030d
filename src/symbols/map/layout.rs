//! The outer layout of a map file: a header, a directory, sections.
//!
//! Everything is little-endian, whatever the host and the kernel are. Invariant: a section that
//! [`Sections::open`] finds is inside the file as it was then; all but the blocks are verified by
//! their checksum when they are read, and a block is, too: opening reads only what is small.
//!
//! | offset | size | header |
//! |---|---|---|
//! | 0 | 8 | `KLPMAP\r\n` |
//! | 8 | 4 | version, 2 |
//! | 12 | 4 | CRC-32 of the rest of the header and the directory |
//! | 16 | 8 | length of the file |
//! | 24 | 24 × 8 | per section: offset (8), length (8), CRC-32 (4, zero for the blocks), zero (4) |
//!
//! Version 1 has the first six sections only.

use std::borrow::Cow;
use std::ops::Range;

use scroll::{LE, Pread, Pwrite};

use super::MapError;
use super::stored::Stored;

/// Start of every map file. The line end reveals a file that was copied as text.
pub(super) const MAGIC: [u8; 8] = *b"KLPMAP\r\n";
/// The version that is written.
pub(super) const VERSION: u32 = 2;
/// The version without evidence from modules; it is still read.
const WITHOUT_EVIDENCE: u32 = 1;

const ENTRY: usize = 24;
const HEADER: usize = 24;
const COUNT: usize = 8;
/// How many sections a file of version 1 has.
const COUNT_WITHOUT_EVIDENCE: usize = 6;
const START: usize = HEADER + ENTRY * COUNT;

/// The sections, in the order of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// The kernel: release, machine, byte order, counts.
    Kernel,
    /// Names of sections, source files and namespaces.
    Strings,
    /// vmlinux and modules.
    Objects,
    /// What many records have in common.
    Classes,
    /// The first name of each block, and where the block is.
    Index,
    /// Names and records.
    Blocks,
    /// Evidence of the kernel from modules: equal evidence once.
    Evidence,
    /// Which of those each module has, and what it needs.
    Modules,
}

impl Section {
    const ALL: [Self; COUNT] = [
        Self::Kernel,
        Self::Strings,
        Self::Objects,
        Self::Classes,
        Self::Index,
        Self::Blocks,
        Self::Evidence,
        Self::Modules,
    ];

    /// Whether it has no checksum in the directory: its blocks have their own.
    fn checks_itself(self) -> bool {
        self == Self::Blocks
    }
}

/// The sections of a file: the small ones in memory, the blocks where they are.
#[derive(Debug)]
pub(super) struct Sections {
    stored: Stored,
    places: [Place; COUNT],
}

/// Where a section is, what its checksum must be, and the bytes of a table.
#[derive(Debug, Default)]
struct Place {
    offset: usize,
    length: usize,
    crc: u32,
    bytes: Vec<u8>,
}

impl Sections {
    /// Reads header, directory and tables, and verifies them.
    pub(super) fn open(stored: Stored) -> Result<Self, MapError> {
        let mut places = places(&stored.start(START)?, stored.len())?;
        for (section, place) in Section::ALL.iter().zip(&mut places) {
            if !section.checks_itself() {
                let range = place.offset..place.offset.saturating_add(place.length);
                place.bytes = stored.read(range)?.into_owned();
                if checksum(&place.bytes) != place.crc {
                    return Err(MapError::Damaged("table"));
                }
            }
        }
        Ok(Self { stored, places })
    }

    /// The bytes of a table; none if the file's version has no such section.
    pub(super) fn get(&self, section: Section) -> Result<&[u8], MapError> {
        Ok(&self.place(section)?.bytes)
    }

    /// A range of the blocks, which have checksums of their own.
    pub(super) fn blocks(&self, range: Range<usize>) -> Result<Cow<'_, [u8]>, MapError> {
        let Place { offset, length, .. } = self.place(Section::Blocks)?;
        if range.start > range.end || range.end > *length {
            return Err(MapError::Damaged("index"));
        }
        self.stored.read(offset.saturating_add(range.start)..offset.saturating_add(range.end))
    }

    fn place(&self, section: Section) -> Result<&Place, MapError> {
        let mut places = Section::ALL.iter().zip(&self.places);
        let found = places.find(|(of, _)| **of == section);
        found.map(|(_, place)| place).ok_or(MapError::Damaged("directory"))
    }

    pub(super) fn size(&self) -> u64 {
        self.stored.len()
    }

    /// The file, whole.
    pub(super) fn file(&self) -> Result<Cow<'_, [u8]>, MapError> {
        let size = usize::try_from(self.size()).map_err(|_| MapError::TooLarge)?;
        self.stored.read(0..size)
    }
}

/// What header and directory say, in a file of this length.
fn places(start: &[u8], file: u64) -> Result<[Place; COUNT], MapError> {
    if !start.starts_with(&MAGIC) {
        let text = start.starts_with(b"KLPMAP");
        return Err(if text { MapError::Text } else { MapError::NotMap });
    }
    let version: u32 = start.pread_with(8, LE).map_err(|_| MapError::Truncated)?;
    let count = match version {
        VERSION => COUNT,
        WITHOUT_EVIDENCE => COUNT_WITHOUT_EVIDENCE,
        other => return Err(MapError::Version(other)),
    };
    let head = start.get(..HEADER + ENTRY * count).ok_or(MapError::Truncated)?;
    let crc: u32 = head.pread_with(12, LE)?;
    let length: u64 = head.pread_with(16, LE)?;
    if checksum(head.get(16..).unwrap_or(&[])) != crc {
        return Err(MapError::Damaged("header"));
    }
    if file != length {
        return Err(MapError::Truncated);
    }
    let mut places = <[Place; COUNT]>::default();
    for (entry, place) in head.get(HEADER..).unwrap_or(&[]).chunks(ENTRY).zip(&mut places) {
        let (offset, length): (u64, u64) = (entry.pread_with(0, LE)?, entry.pread_with(8, LE)?);
        let inside = offset.checked_add(length).is_some_and(|end| end <= file);
        let range = usize::try_from(offset).ok().zip(usize::try_from(length).ok());
        let (true, Some((offset, length))) = (inside, range) else {
            return Err(MapError::Damaged("directory"));
        };
        let crc = entry.pread_with(16, LE)?;
        *place = Place { offset, length, crc, bytes: Vec::new() };
    }
    Ok(places)
}

/// A whole file of these sections, in their order.
pub(super) fn assemble(sections: [&[u8]; COUNT]) -> Result<Vec<u8>, MapError> {
    let length = START + sections.iter().map(|bytes| bytes.len()).sum::<usize>();
    let mut file = vec![0; START];
    file.pwrite_with(VERSION, 8, LE)?;
    file.pwrite_with(wide(length)?, 16, LE)?;
    if let Some(start) = file.get_mut(..MAGIC.len()) {
        start.copy_from_slice(&MAGIC);
    }
    let mut at = START;
    for (n, (section, bytes)) in Section::ALL.iter().zip(sections).enumerate() {
        let entry = HEADER + n * ENTRY;
        file.pwrite_with(wide(at)?, entry, LE)?;
        file.pwrite_with(wide(bytes.len())?, entry + 8, LE)?;
        let crc = if section.checks_itself() { 0 } else { checksum(bytes) };
        file.pwrite_with(crc, entry + 16, LE)?;
        at += bytes.len();
    }
    let crc = checksum(file.get(16..).unwrap_or(&[]));
    file.pwrite_with(crc, 12, LE)?;
    file.reserve_exact(length - START);
    sections.iter().for_each(|bytes| file.extend_from_slice(bytes));
    Ok(file)
}

fn wide(number: usize) -> Result<u64, MapError> {
    u64::try_from(number).map_err(|_| MapError::TooLarge)
}

/// CRC-32 (ISO-HDLC), as in zip and Ethernet.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}
