//! The symbol table of an ELF file, read without the rest of the file.
//!
//! A vmlinux with debug information has hundreds of megabytes, of which this reads the headers, the
//! string tables and, a block at a time, the symbols. Below the two ELF sources. Invariant:
//! memory stays below the sizes of the section headers and string tables, which are checked against
//! the length of the file before anything is allocated. Layout: gABI, "Symbol Table".

mod symbol;

use std::io::{Read, Seek, SeekFrom, Take};

use object::elf;
use scroll::{Endian, Pread};

use super::note::build_id;
use super::watched::Watched;
use crate::symbols::file::{Contents, Input};
pub(crate) use symbol::{Shndx, Symbol};

use crate::symbols::{BuildId, SymbolError, SymbolErrorKind};

const HEADER_SIZE: usize = 64;
const SECTION_SIZE: usize = 64;
const SYMBOL_SIZE: usize = 24;
/// Symbols that are read at once: 192 KiB.
const BLOCK: u64 = 8192;
/// Where the search for the end of a name stops. Longer names are truncated, and equal no wanted
/// name; without a limit, overlapping names would cost quadratic time.
const NAME_MAX: usize = 4096;

/// Note sections that are searched for a build-id, and bytes of each.
const NOTES_MAX: usize = 16;
const NOTE_SIZE_MAX: u64 = 64 * 1024;

type Result<T> = std::result::Result<T, SymbolErrorKind>;

/// The fields of a section header that symbols need.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    /// `sh_name`: where the name starts among the names of all sections.
    name: u32,
    /// Length of the name, computed once for all symbols of the section.
    name_length: usize,
    pub(crate) sh_type: u32,
    pub(crate) flags: u64,
    pub(crate) address: u64,
    offset: u64,
    pub(crate) size: u64,
    link: u32,
    /// `sh_info`: for relocations the section that they patch.
    pub(crate) info: u32,
}

impl Section {
    /// Whether all these `SHF_*` bits are set.
    pub(crate) fn has(&self, flags: elf::SectionFlags) -> bool {
        self.flags & flags.0 == flags.0
    }
}

/// An open ELF file with its section headers.
#[derive(Debug)]
pub(crate) struct ElfTable<R> {
    reader: Watched<R>,
    length: u64,
    pub(crate) endian: Endian,
    pub(crate) machine: u16,
    pub(crate) file_type: elf::FileType,
    sections: Vec<Section>,
    section_names: Vec<u8>,
}

impl<'a> ElfTable<Box<dyn Contents + 'a>> {
    /// Opens a file, compressed or not.
    pub(crate) fn open(input: &'a Input) -> std::result::Result<Self, SymbolError> {
        Self::read(input.open()?).map_err(|kind| SymbolError::new(input.path(), kind))
    }
}

impl<R: Read + Seek> ElfTable<R> {
    /// Reads the header, the section headers and their names.
    pub(crate) fn read(reader: R) -> Result<Self> {
        let mut reader = Watched::new(reader);
        let length = reader.seek(SeekFrom::End(0))?;
        let mut head = [0; HEADER_SIZE];
        reader.seek(SeekFrom::Start(0))?;
        if length < 64 {
            return Err(SymbolErrorKind::NotElf);
        }
        reader.read_exact(&mut head)?;
        let endian = match head {
            [0x7f, b'E', b'L', b'F', 2, 1, ..] => Endian::Little,
            [0x7f, b'E', b'L', b'F', 2, 2, ..] => Endian::Big,
            _ => return Err(SymbolErrorKind::NotElf),
        };
        let file_type = elf::FileType(field(&head, 16, endian)?);
        let machine = field(&head, 18, endian)?;
        let offset = field(&head, 40, endian)?;
        let entry_size: u16 = field(&head, 58, endian)?;
        let mut count = u64::from(field::<u16>(&head, 60, endian)?);
        let mut names = u32::from(field::<u16>(&head, 62, endian)?);
        if usize::from(entry_size) != SECTION_SIZE {
            return Err(SymbolErrorKind::Elf("section headers of an unknown size"));
        }
        let mut table = Self {
            reader,
            length,
            endian,
            machine,
            file_type,
            sections: Vec::new(),
            section_names: Vec::new(),
        };
        // Section 0 has what does not fit into the 16-bit fields of the header.
        table.sections = table.section_headers(offset, count.max(1))?;
        if let Some(first) = table.sections.first() {
            names = if names == u32::from(elf::SHN_XINDEX.0) { first.link } else { names };
            if count == 0 {
                count = first.size;
                table.sections = table.section_headers(offset, count)?;
            }
        }
        if let Some(section) = table.section(u64::from(names)).cloned() {
            table.section_names = table.contents(&section)?;
            for section in &mut table.sections {
                section.name_length = text(&table.section_names, u64::from(section.name)).len();
            }
        }
        Ok(table)
    }

    fn section_headers(&mut self, offset: u64, count: u64) -> Result<Vec<Section>> {
        let outside = SymbolErrorKind::Elf("section headers outside the file");
        let Some(size) = count.checked_mul(SECTION_SIZE as u64) else {
            return Err(outside);
        };
        let bytes = self.bytes(offset, size)?;
        let endian = self.endian;
        let header = |at: &[u8]| {
            Ok(Section {
                name: field(at, 0, endian)?,
                name_length: 0,
                sh_type: field(at, 4, endian)?,
                flags: field(at, 8, endian)?,
                address: field(at, 16, endian)?,
                offset: field(at, 24, endian)?,
                size: field(at, 32, endian)?,
                link: field(at, 40, endian)?,
                info: field(at, 44, endian)?,
            })
        };
        bytes.chunks_exact(SECTION_SIZE).map(header).collect()
    }

    /// Bytes of the file; an error if it does not have them.
    fn bytes(&mut self, offset: u64, size: u64) -> Result<Vec<u8>> {
        self.bytes_and(offset, size, 0)
    }

    /// [`bytes`](Self::bytes), with capacity for `more` after them.
    fn bytes_and(&mut self, offset: u64, size: u64, more: usize) -> Result<Vec<u8>> {
        let end = offset.checked_add(size).filter(|end| *end <= self.length);
        let length = end.and(usize::try_from(size).ok());
        let length = length.ok_or(SymbolErrorKind::Elf("a table is outside the file"))?;
        // Zero pages from the system need no writes, unlike those of a later resize.
        let mut bytes = vec![0; length.saturating_add(more)];
        bytes.truncate(length);
        self.reader.seek(SeekFrom::Start(offset))?;
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// What has been read is all that there is: nothing was passed over because it could not be read.
    ///
    /// # Errors
    /// [`SymbolErrorKind::Io`].
    pub(crate) fn intact(&mut self) -> Result<()> {
        Ok(self.reader.intact()?)
    }

    /// The bytes of a section in the file, as a stream.
    pub(crate) fn part(&mut self, section: &Section) -> Result<Take<&mut Watched<R>>> {
        let left = self.length.checked_sub(section.offset).filter(|left| section.size <= *left);
        left.ok_or(SymbolErrorKind::Elf("a table is outside the file"))?;
        self.reader.seek(SeekFrom::Start(section.offset))?;
        Ok((&mut self.reader).take(section.size))
    }

    /// At most `most` bytes of a section, from an offset in it.
    pub(crate) fn piece(&mut self, section: &Section, offset: u64, most: u64) -> Result<Vec<u8>> {
        let left = section.size.saturating_sub(offset);
        match section.offset.checked_add(offset) {
            Some(at) if left > 0 => self.bytes(at, left.min(most)),
            _ => Ok(Vec::new()),
        }
    }

    /// The section headers, index 0 included.
    pub(crate) fn sections(&self) -> &[Section] {
        &self.sections
    }

    fn section(&self, index: u64) -> Option<&Section> {
        self.sections.get(usize::try_from(index).ok()?)
    }

    /// Offset of the name of a section among the names, and its length.
    pub(crate) fn name_range(&self, section: &Section) -> (usize, usize) {
        (usize::try_from(section.name).unwrap_or(usize::MAX), section.name_length)
    }

    /// The name of a section.
    pub(crate) fn name(&self, section: &Section) -> &[u8] {
        let start = usize::try_from(section.name).unwrap_or(usize::MAX);
        let end = start.saturating_add(section.name_length);
        self.section_names.get(start..end).unwrap_or(&[])
    }

    /// The bytes of a section; none for one without contents.
    pub(crate) fn contents(&mut self, section: &Section) -> Result<Vec<u8>> {
        if section.sh_type == elf::SHT_NOBITS.0 {
            return Ok(Vec::new());
        }
        self.bytes(section.offset, section.size)
    }

    /// The string at an offset of a section; empty if the section has none.
    pub(crate) fn text_at(&mut self, section: &Section, offset: u64) -> Result<Vec<u8>> {
        let left = section.size.checked_sub(offset);
        let at = section.offset.checked_add(offset);
        let (Some(left), Some(at)) = (left, at) else {
            return Ok(Vec::new());
        };
        if section.sh_type == elf::SHT_NOBITS.0 {
            return Ok(Vec::new());
        }
        let bytes = self.bytes(at, left.min(NAME_MAX as u64))?;
        Ok(text(&bytes, 0).to_vec())
    }

    /// The symbol table, its index, and the index of its string table.
    fn symtab(&self) -> Result<(usize, &Section, &Section)> {
        let mut tables = self.sections.iter().enumerate();
        let is_table = |(_, s): &(usize, &Section)| s.sh_type == elf::SHT_SYMTAB.0;
        let Some((index, table)) = tables.find(is_table) else {
            return Err(SymbolErrorKind::Stripped);
        };
        if tables.any(|entry| is_table(&entry)) {
            return Err(SymbolErrorKind::Elf("more than one symbol table"));
        }
        let strings = self.section(u64::from(table.link));
        let strings = strings.ok_or(SymbolErrorKind::Elf("symbol table without a string table"))?;
        Ok((index, table, strings))
    }

    /// The name of a symbol, by its index; empty if there is none.
    pub(crate) fn symbol_name<'s>(&mut self, index: u64, strings: &'s [u8]) -> Result<&'s [u8]> {
        let table = self.symtab()?.1.clone();
        let Some(at) = index.checked_mul(SYMBOL_SIZE as u64) else { return Ok(&[]) };
        let entry = self.piece(&table, at, SYMBOL_SIZE as u64)?;
        if entry.len() < SYMBOL_SIZE {
            return Ok(&[]);
        }
        Ok(text(strings, u64::from(field::<u32>(&entry, 0, self.endian)?)))
    }

    /// The GNU build-id in the notes, if there is one.
    pub(crate) fn build_id(&mut self) -> Result<Option<BuildId>> {
        let notes: Vec<_> =
            self.sections.iter().filter(|s| s.sh_type == elf::SHT_NOTE.0).cloned().collect();
        for section in notes.into_iter().take(NOTES_MAX) {
            let bytes = self.bytes(section.offset, section.size.min(NOTE_SIZE_MAX))?;
            if let Some(id) = build_id(&bytes, self.endian) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// The string table of the symbols, followed by the names of the sections, and the length of the
    /// former.
    pub(crate) fn strings(&mut self) -> Result<(Vec<u8>, usize)> {
        let strings = self.symtab()?.2.clone();
        let mut bytes = if strings.sh_type == elf::SHT_NOBITS.0 {
            Vec::new()
        } else {
            self.bytes_and(strings.offset, strings.size, self.section_names.len())?
        };
        let length = bytes.len();
        bytes.extend_from_slice(&self.section_names);
        Ok((bytes, length))
    }

    /// How many symbols the table has, which the file is long enough for.
    pub(crate) fn symbol_count(&self) -> Result<usize> {
        let size = self.symtab()?.1.size.min(self.length);
        Ok(usize::try_from(size).unwrap_or(usize::MAX) / SYMBOL_SIZE)
    }

    /// Visits every symbol, in table order, except the null symbol.
    pub(crate) fn visit(
        &mut self,
        strings: &[u8],
        mut see: impl FnMut(Symbol<'_>) -> Result<()>,
    ) -> Result<()> {
        let (table_index, table, _) = self.symtab()?;
        let table = table.clone();
        let is_indices = |s: &&Section| {
            s.sh_type == elf::SHT_SYMTAB_SHNDX.0 && usize::try_from(s.link) == Ok(table_index)
        };
        let indices = self.sections.iter().find(is_indices).cloned();
        let indices = indices.map_or(Ok(Vec::new()), |section| self.contents(&section))?;

        let mut files = 0_u32;
        let count = table.size / SYMBOL_SIZE as u64;
        let mut index = 0;
        while index < count {
            let block = BLOCK.min(count - index);
            let at = table.offset.checked_add(index * SYMBOL_SIZE as u64);
            let at = at.ok_or(SymbolErrorKind::Elf("a table is outside the file"))?;
            let bytes = self.bytes(at, block * SYMBOL_SIZE as u64)?;
            for entry in bytes.chunks_exact(SYMBOL_SIZE) {
                let symbol = self.symbol(entry, index, strings, &indices, files)?;
                if index != 0 {
                    files = files.saturating_add(u32::from(symbol.st_type() == elf::STT_FILE));
                    see(symbol)?;
                }
                index += 1;
            }
        }
        Ok(())
    }

    fn symbol<'a>(
        &'a self,
        entry: &[u8],
        index: u64,
        strings: &'a [u8],
        indices: &[u8],
        files: u32,
    ) -> Result<Symbol<'a>> {
        let endian = self.endian;
        let raw: u16 = field(entry, 6, endian)?;
        let shndx = match elf::SymbolSection(raw) {
            elf::SHN_UNDEF => Shndx::Undefined,
            elf::SHN_ABS => Shndx::Absolute,
            elf::SHN_COMMON => Shndx::Common,
            elf::SHN_XINDEX => {
                let at = usize::try_from(index).ok().and_then(|i| i.checked_mul(4));
                let at = at.ok_or(SymbolErrorKind::Elf("symbol without a section index"))?;
                self.section_index(u64::from(field::<u32>(indices, at, endian)?))
            }
            _ if raw >= elf::SHN_LORESERVE => Shndx::Reserved,
            _ => self.section_index(u64::from(raw)),
        };
        let section = match shndx {
            Shndx::Section(n) => self.sections.get(n).map(|s| (s, self.name(s))),
            _ => None,
        };
        let name_offset = field(entry, 0, endian)?;
        Ok(Symbol {
            index,
            name: text(strings, u64::from(name_offset)),
            name_offset,
            info: field(entry, 4, endian)?,
            other: field(entry, 5, endian)?,
            shndx,
            section,
            value: field(entry, 8, endian)?,
            size: field(entry, 16, endian)?,
            files,
        })
    }

    fn section_index(&self, index: u64) -> Shndx {
        match usize::try_from(index) {
            Ok(n) if n < self.sections.len() => Shndx::Section(n),
            _ => Shndx::Reserved,
        }
    }
}

/// A number at an offset of a table entry.
fn field<'a, T>(entry: &'a [u8], at: usize, endian: Endian) -> Result<T>
where
    T: scroll::ctx::TryFromCtx<'a, Endian, Error = scroll::Error>,
{
    entry.pread_with(at, endian).map_err(|_| SymbolErrorKind::Elf("a table entry is truncated"))
}

/// The string at an offset of a string table; empty if the table has none.
pub(crate) fn text(table: &[u8], offset: u64) -> &[u8] {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let rest = table.get(start..).unwrap_or(&[]);
    let rest = rest.get(..NAME_MAX).unwrap_or(rest);
    rest.get(..memchr::memchr(0, rest).unwrap_or(rest.len())).unwrap_or(rest)
}
