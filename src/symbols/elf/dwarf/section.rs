//! Debug sections, which may be compressed, in pieces or as a whole.
//!
//! Below [`super`]. `CONFIG_DEBUG_INFO_COMPRESSED_ZLIB` and `_ZSTD` put a header before the
//! compressed bytes (gABI, "Section Compression"). Invariant: no more than [`SECTION_MAX`] is kept in memory of
//! a section, and of a compressed one no more is decompressed than [`RATIO`] times its size and [`SMALL`], of
//! `.debug_info`, which is streamed, twice as much.

use std::io::{self, Read, Seek};

use object::elf;
use scroll::{Endian, Pread};

use crate::symbols::SymbolErrorKind;
use crate::symbols::elf::table::{ElfTable, Section, text};

/// The most bytes of a section that is kept. The largest in a distribution's kernel is `.debug_str`
/// with some 20 MB.
const SECTION_MAX: u64 = 1 << 28;
/// How much a section may be compressed. Those of kernels have a third to a fifth of their size.
const RATIO: u64 = 8;
/// Bytes that a section may have besides, because small ones may be repetitive.
const SMALL: u64 = 4 << 20;
/// Size of the header of a compressed section.
const HEADER: usize = 24;

type Result<T> = std::result::Result<T, SymbolErrorKind>;

/// The section of this name, if it has contents.
pub(crate) fn find<R: Read + Seek>(table: &ElfTable<R>, name: &[u8]) -> Option<Section> {
    let is_it = |s: &&Section| table.name(s) == name && s.sh_type != elf::SHT_NOBITS.0;
    table.sections().iter().find(is_it).cloned()
}

/// The decompressed bytes of a section; none if the file does not have it.
pub(crate) fn load<R: Read + Seek>(table: &mut ElfTable<R>, name: &[u8]) -> Result<Vec<u8>> {
    let Some(section) = find(table, name) else { return Ok(Vec::new()) };
    let endian = table.endian;
    let mut bytes = Vec::new();
    let reader = unpacked(table.part(&section)?, &section, endian)?;
    let limit = SECTION_MAX.min(unpacked_max(&section));
    reader.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(SymbolErrorKind::Elf("a debug section is too large"));
    }
    Ok(bytes)
}

/// The most bytes that are decompressed of a section.
fn unpacked_max(section: &Section) -> u64 {
    if section.has(elf::SHF_COMPRESSED) {
        section.size.saturating_mul(RATIO).saturating_add(SMALL)
    } else {
        u64::MAX
    }
}

fn unpacked<'a>(
    mut packed: impl Read + 'a,
    section: &Section,
    endian: Endian,
) -> Result<Box<dyn Read + 'a>> {
    if !section.has(elf::SHF_COMPRESSED) {
        return Ok(Box::new(packed));
    }
    let mut header = [0; HEADER];
    packed.read_exact(&mut header)?;
    let kind = header.pread_with::<u32>(0, endian).ok().map(elf::CompressionType);
    match kind {
        Some(elf::ELFCOMPRESS_ZLIB) => Ok(Box::new(flate2::read::ZlibDecoder::new(packed))),
        Some(elf::ELFCOMPRESS_ZSTD) => Ok(Box::new(zstd::stream::read::Decoder::new(packed)?)),
        _ => Err(SymbolErrorKind::Elf("a section is compressed in an unknown way")),
    }
}

/// `.debug_info`, a unit at a time.
pub(crate) struct Walk<'a, R> {
    from: From<'a, R>,
    endian: Endian,
}

enum From<'a, R> {
    File {
        table: &'a mut ElfTable<R>,
        section: Section,
        at: u64,
    },
    Packed {
        reader: Box<dyn Read + 'a>,
        /// Bytes already read that belong to the next unit.
        pending: Vec<u8>,
    },
}

impl<'a, R: Read + Seek> Walk<'a, R> {
    pub(crate) fn new(table: &'a mut ElfTable<R>, section: Section) -> Result<Self> {
        let endian = table.endian;
        let from = if section.has(elf::SHF_COMPRESSED) {
            let most = unpacked_max(&section).saturating_mul(2);
            let reader = unpacked(table.part(&section)?, &section, endian)?;
            From::Packed { reader: Box::new(reader.take(most)), pending: Vec::new() }
        } else {
            From::File { table, section, at: 0 }
        };
        Ok(Self { from, endian })
    }

    /// The first bytes of the next unit, with its length field changed to match.
    pub(crate) fn unit(&mut self, most: usize) -> Result<Option<Vec<u8>>> {
        let mut start = self.read(most)?;
        let word = |at| start.pread_with::<u32>(at, self.endian).ok().map(u64::from);
        let long = word(0) == Some(0xffff_ffff);
        let length = if long { start.pread_with(4, self.endian).ok() } else { word(0) };
        let field = if long { 12 } else { 4 };
        let whole = length.and_then(|length: u64| length.checked_add(field));
        let Some(whole) = whole else { return Ok(None) };
        let read = start.len() as u64;
        match whole.checked_sub(read) {
            Some(rest) => self.skip(rest)?,
            None => {
                let kept = usize::try_from(whole).unwrap_or(0);
                let unread = start.split_off(kept.min(start.len()));
                self.unread(unread);
            }
        }
        let length = (start.len() as u64).saturating_sub(field);
        let field = if long { start.get_mut(4..12) } else { start.get_mut(..4) };
        let bytes = match (self.endian, long) {
            (Endian::Little, _) => length.to_le_bytes(),
            (Endian::Big, true) => length.to_be_bytes(),
            (Endian::Big, false) => (length << 32).to_be_bytes(),
        };
        for (to, from) in field.into_iter().flatten().zip(bytes) {
            *to = from;
        }
        Ok(Some(start))
    }

    fn read(&mut self, most: usize) -> Result<Vec<u8>> {
        match &mut self.from {
            From::File { table, section, at } => {
                let bytes = table.piece(section, *at, most as u64)?;
                *at = at.saturating_add(bytes.len() as u64);
                Ok(bytes)
            }
            From::Packed { reader, pending } => {
                let mut bytes = std::mem::take(pending);
                let left = most.saturating_sub(bytes.len());
                reader.take(left as u64).read_to_end(&mut bytes)?;
                Ok(bytes)
            }
        }
    }

    fn skip(&mut self, length: u64) -> Result<()> {
        match &mut self.from {
            From::File { at, .. } => *at = at.saturating_add(length),
            From::Packed { reader, .. } => {
                io::copy(&mut reader.take(length), &mut io::sink())?;
            }
        }
        Ok(())
    }

    /// Returns bytes that belong to the next unit.
    fn unread(&mut self, bytes: Vec<u8>) {
        match &mut self.from {
            From::File { at, .. } => *at = at.saturating_sub(bytes.len() as u64),
            From::Packed { pending, .. } => *pending = bytes,
        }
    }
}

/// A section of strings: in the file, or in memory if it is compressed.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    section: Option<Section>,
    bytes: Option<Vec<u8>>,
    /// The last string: nearly all units were compiled in one folder.
    last: Option<(usize, Vec<u8>)>,
}

/// The sections of strings.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub(crate) str: Loaded,
    pub(crate) line_str: Loaded,
}

impl Loaded {
    pub(crate) fn new<R: Read + Seek>(table: &mut ElfTable<R>, name: &[u8]) -> Result<Self> {
        let section = find(table, name);
        let packed = section.as_ref().is_some_and(|s| s.has(elf::SHF_COMPRESSED));
        let bytes = if packed { Some(load(table, name)?) } else { None };
        Ok(Self { section, bytes, last: None })
    }

    /// The text at an offset; empty if the section has none.
    pub(crate) fn text<R: Read + Seek>(
        &mut self,
        table: &mut ElfTable<R>,
        offset: usize,
    ) -> Result<Vec<u8>> {
        if let Some((at, known)) = &self.last
            && *at == offset
        {
            return Ok(known.clone());
        }
        let found = match (&self.bytes, &self.section) {
            (Some(bytes), _) => text(bytes, offset as u64).to_vec(),
            (None, Some(section)) => table.text_at(section, offset as u64)?,
            (None, None) => Vec::new(),
        };
        self.last = Some((offset, found.clone()));
        Ok(found)
    }
}
