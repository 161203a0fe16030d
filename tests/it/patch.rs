//! Modified fixtures: changes bytes of a file, addressed by section, symbol and field.

use object::elf::{FileHeader64, Rela64, SectionHeader64, Sym64};
use object::read::elf::{FileHeader, SectionHeader};
use object::{Endianness, pod};

/// An appended signature of 256 bytes as `scripts/sign-file` makes it: the signature, its
/// `struct module_signature`, the marker.
pub(crate) fn signature() -> Vec<u8> {
    let mut signature = vec![0xa5; 256];
    signature.extend([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    signature.extend(b"~Module signature appended~\n");
    signature
}

/// A file being modified.
#[derive(Debug, Clone)]
pub(crate) struct Patched {
    pub(crate) bytes: Vec<u8>,
    endian: Endianness,
}

impl Patched {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let header = FileHeader64::<Endianness>::parse(bytes.as_slice()).unwrap();
        let endian = header.endian().unwrap();
        Self { bytes, endian }
    }

    /// Changes the file header.
    pub(crate) fn header(
        mut self,
        change: impl FnOnce(&mut FileHeader64<Endianness>, Endianness),
    ) -> Self {
        change(pod::from_bytes_mut(&mut self.bytes).unwrap().0, self.endian);
        self
    }

    /// Changes the header of the section of this name.
    pub(crate) fn section(
        mut self,
        name: &str,
        change: impl FnOnce(&mut SectionHeader64<Endianness>, Endianness),
    ) -> Self {
        let at = self.header_of(name);
        change(pod::from_bytes_mut(&mut self.bytes[at..]).unwrap().0, self.endian);
        self
    }

    /// Changes an entry of a relocation section.
    pub(crate) fn relocation(
        self,
        section: &str,
        entry: usize,
        change: impl FnOnce(&mut Rela64<Endianness>, Endianness),
    ) -> Self {
        self.entry(section, entry * 24, change)
    }

    /// Changes a symbol.
    pub(crate) fn symbol(
        self,
        index: usize,
        change: impl FnOnce(&mut Sym64<Endianness>, Endianness),
    ) -> Self {
        self.entry(".symtab", index * 24, change)
    }

    fn entry<T: pod::Pod>(
        mut self,
        section: &str,
        offset: usize,
        change: impl FnOnce(&mut T, Endianness),
    ) -> Self {
        let at = self.body(section).start + offset;
        change(pod::from_bytes_mut(&mut self.bytes[at..]).unwrap().0, self.endian);
        self
    }

    /// Changes the bytes of a section.
    pub(crate) fn contents(mut self, section: &str, change: impl FnOnce(&mut [u8])) -> Self {
        let body = self.body(section);
        change(&mut self.bytes[body]);
        self
    }

    /// Replaces all occurrences of bytes by others of the same length; there must be one.
    pub(crate) fn replace(mut self, old: &[u8], new: &[u8]) -> Self {
        assert_eq!(old.len(), new.len());
        let places: Vec<_> = memchr_all(&self.bytes, old);
        assert!(!places.is_empty(), "{} does not occur", String::from_utf8_lossy(old));
        places.iter().for_each(|&at| self.bytes[at..at + new.len()].copy_from_slice(new));
        self
    }

    /// Gives a symbol a name of any length.
    pub(crate) fn rename(self, symbol: usize, name: &str) -> Self {
        let (offset, patched) = self.string(".strtab", name);
        patched.symbol(symbol, |s, e| s.st_name.set(e, offset))
    }

    /// Gives a section a name of any length.
    pub(crate) fn rename_section(self, section: &str, name: &str) -> Self {
        let (offset, patched) = self.string(".shstrtab", name);
        patched.section(section, |s, e| s.sh_name.set(e, offset))
    }

    /// Adds a name to a string table.
    fn string(self, table: &str, name: &str) -> (u32, Self) {
        let offset = self.body(table).len();
        let longer = self.append(table, &[name.as_bytes(), b"\0"].concat());
        (u32::try_from(offset).unwrap(), longer)
    }

    /// Adds bytes to a section: a longer copy is made at the end of the file.
    pub(crate) fn append(mut self, section: &str, bytes: &[u8]) -> Self {
        let longer = [&self.bytes[self.body(section)], bytes].concat();
        let start = self.bytes.len();
        self.bytes.extend(&longer);
        self.section(section, |s, e| {
            s.sh_offset.set(e, start as u64);
            s.sh_size.set(e, longer.len() as u64);
        })
    }

    /// The range of a section's bytes in the file.
    pub(crate) fn body(&self, name: &str) -> std::ops::Range<usize> {
        let at = self.header_of(name);
        let header: &SectionHeader64<Endianness> = pod::from_bytes(&self.bytes[at..]).unwrap().0;
        let (start, size) = header.file_range(self.endian).unwrap();
        let start = usize::try_from(start).unwrap();
        start..start + usize::try_from(size).unwrap()
    }

    /// The offset of a section's header in the file.
    fn header_of(&self, name: &str) -> usize {
        let data = self.bytes.as_slice();
        let header = FileHeader64::<Endianness>::parse(data).unwrap();
        let table = header.sections(self.endian, data).unwrap();
        let (index, _) =
            table.section_by_name(self.endian, name.as_bytes()).expect("a section of this name");
        usize::try_from(header.e_shoff(self.endian)).unwrap() + index.0 * 64
    }
}

/// A number that differs from call to call and not from run to run (splitmix64).
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }
}

fn memchr_all(bytes: &[u8], wanted: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|&at| bytes[at..].starts_with(wanted)).collect()
}
