//! A module while the loader works on it: its temporary copy of the file, decoded.
//!
//! `load_module` reads a file into temporary memory and edits it there: flags of sections, names and
//! values of symbols, the order of relocation tables. An [`Object`] is that copy. Fields keep their
//! ABI names. What the loader later moves into place is this copy, edits included.
//! Source: `struct load_info` of `kernel/module/internal.h`.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use scroll::Endian;

use crate::memory::Extent;

/// `SHT_SYMTAB`.
pub const SHT_SYMTAB: u32 = 2;
/// `SHT_RELA`.
pub const SHT_RELA: u32 = 4;
/// `SHT_NOBITS`.
pub const SHT_NOBITS: u32 = 8;
/// `SHF_WRITE`.
pub const SHF_WRITE: u64 = 1;
/// `SHF_ALLOC`.
pub const SHF_ALLOC: u64 = 2;
/// `SHF_EXECINSTR`.
pub const SHF_EXECINSTR: u64 = 4;
/// `SHF_RELA_LIVEPATCH`.
pub const SHF_RELA_LIVEPATCH: u64 = 0x10_0000;
/// `SHN_UNDEF`.
pub const SHN_UNDEF: u16 = 0;
/// `SHN_LORESERVE`.
pub const SHN_LORESERVE: u16 = 0xff00;
/// `SHN_LIVEPATCH` (`include/uapi/linux/elf.h`).
pub const SHN_LIVEPATCH: u16 = 0xff20;
/// `SHN_ABS`.
pub const SHN_ABS: u16 = 0xfff1;
/// `SHN_COMMON`.
pub const SHN_COMMON: u16 = 0xfff2;

/// A section: its header as the loader has it, edits included, and its bytes in the temporary copy.
#[derive(Debug, Clone, Default)]
pub struct Section<'a> {
    /// Name.
    pub name: &'a [u8],
    /// `SHT_*`.
    pub sh_type: u32,
    /// `SHF_*`.
    pub sh_flags: u64,
    /// Size in bytes; in memory for `SHT_NOBITS`.
    pub sh_size: u64,
    /// Index of the section that a relocation table patches.
    pub sh_info: u32,
    /// Alignment in bytes.
    pub sh_addralign: u64,
    /// The bytes; none for `SHT_NOBITS`. Owned once a loader has sorted a relocation table.
    pub body: Cow<'a, [u8]>,
    /// Where it was moved; `None` before that, and for what is not loaded.
    pub extent: Option<Extent>,
}

impl Section<'_> {
    /// Whether all of these flags are set.
    #[must_use]
    pub fn has(&self, flags: u64) -> bool {
        self.sh_flags & flags == flags
    }

    /// Its address in memory (`sh_addr`), 0 where it is not loaded.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.extent.map_or(0, |extent| extent.address)
    }
}

/// A symbol: an entry of the symbol table with its name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Name; may be empty.
    pub name: &'a [u8],
    /// Value: an offset until the loader has resolved it, then an address.
    pub st_value: u64,
    /// Size in bytes.
    pub st_size: u64,
    /// Section index, or `SHN_*`.
    pub st_shndx: u16,
    /// Binding and type.
    pub st_info: u8,
    /// Visibility and the machine's bits.
    pub st_other: u8,
}

impl Symbol<'_> {
    /// Whether it is outside of the module: `SHN_UNDEF` or `SHN_LIVEPATCH`.
    #[must_use]
    pub fn is_external(&self) -> bool {
        self.st_shndx == SHN_UNDEF || self.st_shndx == SHN_LIVEPATCH
    }

    /// `STB_*`.
    #[must_use]
    pub fn bind(&self) -> u8 {
        self.st_info >> 4
    }

    /// `STT_*`.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.st_info & 0xf
    }
}

/// A relocation (`Elf64_Rela`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Rela {
    /// The place, in bytes from the start of the section.
    pub offset: u64,
    /// Index of the symbol.
    pub symbol: u32,
    /// Relocation type (`R_*`).
    pub kind: u32,
    /// What is added to the symbol's value.
    pub addend: i64,
}

impl Rela {
    /// Bytes of an entry.
    pub const SIZE: usize = 24;

    /// Decodes an entry.
    #[must_use]
    #[inline]
    pub fn read(entry: &[u8; Self::SIZE], endian: Endian) -> Self {
        let word = |bytes: [u8; 8]| match endian {
            Endian::Little => u64::from_le_bytes(bytes),
            Endian::Big => u64::from_be_bytes(bytes),
        };
        let [a, b, c, d, e, f, g, h, i @ .., _, _, _, _, _, _, _, _] = *entry;
        let offset = word([a, b, c, d, e, f, g, h]);
        let info = word(i);
        let [.., a, b, c, d, e, f, g, h] = *entry;
        let addend = word([a, b, c, d, e, f, g, h]).cast_signed();
        let [a, b, c, d, e, f, g, h] = info.to_be_bytes();
        let (symbol, kind) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        Self { offset, symbol, kind, addend }
    }

    /// Encodes the entry.
    #[must_use]
    pub fn write(self, endian: Endian) -> [u8; Self::SIZE] {
        let info = u64::from(self.symbol) << 32 | u64::from(self.kind);
        let words = [self.offset, info, self.addend.cast_unsigned()];
        let mut entry = [0; Self::SIZE];
        for (to, word) in entry.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&match endian {
                Endian::Little => word.to_le_bytes(),
                Endian::Big => word.to_be_bytes(),
            });
        }
        entry
    }
}

/// The temporary copy.
#[derive(Debug, Clone, Default)]
pub struct Object<'a> {
    /// Byte order of the file.
    pub big_endian: bool,
    /// Sections by index, with the null section 0.
    pub sections: Vec<Section<'a>>,
    /// Symbols by index, with the null symbol 0.
    pub symbols: Vec<Symbol<'a>>,
    /// Bytes that a machine reserves for itself at the start of the text region.
    pub text_start: u64,
    /// Address of the text region once it is placed (`mod->mem[MOD_TEXT].base`); 0 for
    /// a module without one.
    pub text_base: u64,
}

impl<'a> Object<'a> {
    /// The byte order of the file.
    #[must_use]
    pub fn endian(&self) -> Endian {
        if self.big_endian { Endian::Big } else { Endian::Little }
    }

    /// The index of the first section of this name.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        self.sections.iter().skip(1).position(|s| s.name == name).map(|index| index + 1)
    }

    /// `mod->name`, as the file's `struct module` has it, after `state` and `list`.
    #[must_use]
    pub fn module_name(&self) -> Cow<'_, str> {
        let module = self.find(b".gnu.linkonce.this_module");
        let name = module.and_then(|index| self.sections.get(index)?.body.get(24..80));
        let name = name.and_then(|field| field.split(|byte| *byte == 0).next());
        String::from_utf8_lossy(name.unwrap_or_default())
    }

    /// The entries of a relocation table, in their current order.
    pub fn relas(&self, section: usize) -> impl ExactSizeIterator<Item = Rela> + '_ {
        let body = self.sections.get(section).map_or(&[][..], |s| &s.body);
        let endian = self.endian();
        body.as_chunks().0.iter().map(move |entry| Rela::read(entry, endian))
    }

    /// Writes the entries of a relocation table back in another order. Bytes after the last whole
    /// entry stay.
    pub fn reorder(&mut self, section: usize, relas: &[Rela]) {
        let endian = self.endian();
        if let Some(section) = self.sections.get_mut(section) {
            let rest = section.body.as_chunks::<{ Rela::SIZE }>().1;
            let entries: Vec<_> = relas.iter().map(|rela| rela.write(endian)).collect();
            let mut body = entries.into_flattened();
            body.extend_from_slice(rest);
            section.body = body.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_entry_survives_a_round_trip(offset: u64, symbol: u32, kind: u32, addend: i64) {
            let rela = Rela { offset, symbol, kind, addend };
            for endian in [Endian::Little, Endian::Big] {
                prop_assert_eq!(Rela::read(&rela.write(endian), endian), rela);
            }
        }
    }
}
