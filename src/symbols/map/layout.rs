//! The outer layout of a map file: a header, a directory, sections.
//!
//! Everything is little-endian, whatever the host and the kernel are. Invariant: a section that
//! [`Sections::open`] returns is inside the file; all but the blocks have been verified by their
//! checksum, and a block is when it is read: opening reads only what is small.
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

use scroll::{LE, Pread, Pwrite};

use super::MapError;

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

    /// Whether it is verified when it is used: few uses of a map need it.
    fn is_checked_late(self) -> bool {
        self == Self::Modules
    }
}

/// Where the sections of a file are.
#[derive(Debug, Clone)]
pub(super) struct Sections {
    directory: [DirectoryEntry; COUNT],
}

/// Where a section is, and what its checksum must be.
#[derive(Debug, Clone, Copy, Default)]
struct DirectoryEntry {
    offset: usize,
    length: usize,
    crc: u32,
}

impl Sections {
    /// Reads header and directory, and verifies them and the small sections.
    pub(super) fn open(file: &[u8]) -> Result<Self, MapError> {
        if !file.starts_with(&MAGIC) {
            let text = file.starts_with(b"KLPMAP");
            return Err(if text { MapError::Text } else { MapError::NotMap });
        }
        let version: u32 = file.pread_with(8, LE).map_err(|_| MapError::Truncated)?;
        let count = match version {
            VERSION => COUNT,
            WITHOUT_EVIDENCE => COUNT_WITHOUT_EVIDENCE,
            other => return Err(MapError::Version(other)),
        };
        let head = file.get(..HEADER + ENTRY * count).ok_or(MapError::Truncated)?;
        let crc: u32 = head.pread_with(12, LE)?;
        let length: u64 = head.pread_with(16, LE)?;
        if checksum(head.get(16..).unwrap_or(&[])) != crc {
            return Err(MapError::Damaged("header"));
        }
        if u64::try_from(file.len()) != Ok(length) {
            return Err(MapError::Truncated);
        }
        let mut directory = [DirectoryEntry::default(); COUNT];
        for (section, (bytes, entry)) in Section::ALL
            .iter()
            .zip(head.get(HEADER..).unwrap_or(&[]).chunks(ENTRY).zip(&mut directory))
        {
            let (offset, length): (u64, u64) = (bytes.pread_with(0, LE)?, bytes.pread_with(8, LE)?);
            let crc: u32 = bytes.pread_with(16, LE)?;
            let range = usize::try_from(offset).ok().zip(usize::try_from(length).ok());
            let bytes = range.and_then(|(at, size)| file.get(at..at.checked_add(size)?));
            let (Some(range), Some(bytes)) = (range, bytes) else {
                return Err(MapError::Damaged("directory"));
            };
            let late = section.checks_itself() || section.is_checked_late();
            if !late && checksum(bytes) != crc {
                return Err(MapError::Damaged("table"));
            }
            *entry = DirectoryEntry { offset: range.0, length: range.1, crc };
        }
        Ok(Self { directory })
    }

    /// The bytes of a section; none if the file's version has no such section.
    pub(super) fn get<'a>(&self, file: &'a [u8], section: Section) -> &'a [u8] {
        let DirectoryEntry { offset, length, .. } = self.entry(section);
        file.get(offset..offset.saturating_add(length)).unwrap_or(&[])
    }

    /// The bytes of a section that is verified when it is used.
    pub(super) fn checked<'a>(
        &self,
        file: &'a [u8],
        section: Section,
    ) -> Result<&'a [u8], MapError> {
        let bytes = self.get(file, section);
        let right = bytes.is_empty() || checksum(bytes) == self.entry(section).crc;
        right.then_some(bytes).ok_or(MapError::Damaged("table"))
    }

    fn entry(&self, section: Section) -> DirectoryEntry {
        let index = Section::ALL.iter().position(|s| *s == section);
        index.and_then(|n| self.directory.get(n)).copied().unwrap_or_default()
    }
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
