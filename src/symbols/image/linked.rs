//! The memory of a linked kernel, as its boot image has it before it starts.

use std::ops::Range;

use klp_arch::Calc;

use super::base::relocations;
use super::memory::Memory;
use super::unpack::{self, UnpackedKernel};
use super::{Compression, ImageError, Kallsyms, decode, is_kernel, only_tokens};

/// Size of a relocation: offset, type, addend.
const RELA: usize = 24;
/// Size of a symbol (`Elf64_Sym`).
const SYMBOL: u64 = 24;
/// Where its value is.
const ST_VALUE: u64 = 8;

/// A kernel: its symbols, and its bytes by their link addresses.
#[derive(Debug)]
pub struct LinkedKernel {
    /// Its own table of symbols.
    pub symbols: Kallsyms,
    /// Its bytes.
    pub memory: LinkedMemory,
}

/// Bytes by their link addresses.
#[derive(Debug, Default)]
pub struct LinkedMemory {
    /// Addresses and bytes of what is loaded, by address.
    runs: Vec<(Range<u64>, Vec<u8>)>,
    /// Pointers that the kernel fills in when it starts, by place: from `R_*_RELATIVE`, and from pointers to dynamic
    /// symbols, which older s390x kernels have.
    pointers: Vec<(u64, u64)>,
}

impl LinkedKernel {
    /// Reads a boot image, or a linked kernel.
    ///
    /// # Errors
    /// [`ImageError`], as for [`super::read`].
    pub fn read(image: &[u8]) -> Result<Self, ImageError> {
        let kernel = unpack::unpack(image, &is_kernel)?;
        let tokens = only_tokens(&kernel.bytes)?;
        let (symbols, memory) = decode(&kernel, &tokens)?;
        // A linked kernel may have much more, such as debug information.
        let loaded = memory.runs().into_iter().filter_map(|(addresses, offset)| {
            let size = usize::try_from(addresses.end.checked_sub(addresses.start)?).ok()?;
            let bytes = kernel.bytes.get(offset..offset.checked_add(size)?)?;
            Some((addresses, bytes.to_vec()))
        });
        let runs = loaded.collect();
        let dynamic = symbols.iter().find(|symbol| symbol.name == b"__dynsym_start");
        let pointers = pointers(&kernel, &memory, dynamic.map(|symbol| symbol.address));
        Ok(Self { symbols, memory: LinkedMemory { runs, pointers } })
    }
}

impl LinkedMemory {
    /// Memory of sections at their addresses, none of which is in another one.
    #[must_use]
    pub fn new(sections: impl IntoIterator<Item = (u64, Vec<u8>)>) -> Self {
        let end = |(start, bytes): (u64, Vec<u8>)| {
            let size = u64::try_from(bytes.len()).ok()?;
            Some((start..start.checked_add(size)?, bytes))
        };
        let mut runs: Vec<_> = sections.into_iter().filter_map(end).collect();
        runs.sort_unstable_by_key(|(run, _)| run.start);
        Self { runs, pointers: Vec::new() }
    }

    /// A kernel's configuration, if the image has it.
    #[must_use]
    pub fn configuration(&self) -> Option<String> {
        self.runs.iter().find_map(|(_, bytes)| configuration(bytes))
    }

    /// The bytes from an address on, to the end of their run.
    #[must_use]
    pub fn from(&self, address: u64) -> Option<&[u8]> {
        let after = self.runs.partition_point(|(run, _)| run.start <= address);
        let (run, bytes) = self.runs.get(after.checked_sub(1)?)?;
        let inside = address.checked_sub(run.start).filter(|_| address < run.end)?;
        bytes.get(usize::try_from(inside).ok()?..)
    }

    /// So many bytes at an address.
    #[must_use]
    pub fn slice(&self, address: u64, size: usize) -> Option<&[u8]> {
        self.from(address)?.get(..size)
    }

    /// The bytes between two addresses.
    #[must_use]
    pub fn within(&self, range: &Range<u64>) -> Option<&[u8]> {
        let size = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
        if size == 0 { Some(&[]) } else { self.slice(range.start, size) }
    }

    /// The pointer that the kernel fills in at an address when it starts.
    #[must_use]
    pub fn late_pointer(&self, address: u64) -> Option<u64> {
        let index = self.pointers.binary_search_by_key(&address, |(place, _)| *place).ok()?;
        self.pointers.get(index).map(|(_, pointer)| *pointer)
    }
}

/// The configuration in a kernel, if it has it (`CONFIG_IKCONFIG`, `kernel/configs.c`).
fn configuration(kernel: &[u8]) -> Option<String> {
    const START: &[u8] = b"IKCFG_ST";
    /// Those of distributions have 300 KB.
    const MOST: u64 = 16 << 20;
    let mut starts = memchr::memmem::find_iter(kernel, START);
    starts.find_map(|at| {
        let stream = kernel.get(at.checked_add(START.len())?..)?;
        let mut text = Vec::new();
        Compression::of(stream).filter(|found| *found == Compression::Gzip)?;
        Compression::Gzip.decompress_into(stream, &mut text, MOST).ok()?;
        String::from_utf8(text).ok()
    })
}

/// The pointers that a kernel fills in itself; none if what looks like their table is something else.
fn pointers(
    kernel: &UnpackedKernel<'_>,
    memory: &Memory<'_>,
    dynamic: Option<u64>,
) -> Vec<(u64, u64)> {
    let Some(machine) = kernel.machine else { return Vec::new() };
    let Some((table, count)) = relocations(&memory.blob, machine.boot_image.relative) else {
        return Vec::new();
    };
    let word = |index: usize, word: usize| {
        let at = table.checked_add(index.checked_mul(RELA)?)?;
        memory.blob.u64(at.checked_add(word)?)
    };
    let relative = |index: usize| Some((word(index, 0)?, word(index, 16)?));
    let mut pointers: Vec<_> = (0..count).filter_map(relative).collect();
    let is_place = |(place, _): &(u64, u64)| memory.offset_of(*place).is_some();
    let is_pointer = |info: u64| {
        let row = machine.linker_row(u32::try_from(info & u64::from(u32::MAX)).unwrap_or(0));
        row.is_some_and(|row| row.calc == Calc::Absolute && row.field.size() == 8)
    };
    let symbolic = |index: usize| {
        let (place, info, addend) = (word(index, 0)?, word(index, 8)?, word(index, 16)?);
        let symbol = dynamic?.checked_add(SYMBOL.checked_mul(info >> 32)?)?;
        let value = memory.blob.u64(memory.offset_of(symbol.checked_add(ST_VALUE)?)?)?;
        let pointer = (place, value.wrapping_add(addend));
        Some(pointer).filter(|pointer| is_pointer(info) && is_place(pointer))
    };
    pointers.extend((count..).map_while(symbolic));
    if !pointers.iter().all(is_place) {
        return Vec::new();
    }
    pointers.sort_unstable();
    pointers
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_configuration_is_found_by_its_mark_and_only_if_it_is_whole() {
        let text = "CONFIG_SMP=y\n# CONFIG_X is not set\n";
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(text.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        let image = |stream: &[u8]| [b"text IKCFG_ST", stream, b"IKCFG_ED more"].concat();
        assert_eq!(configuration(&image(&packed)).as_deref(), Some(text));
        assert_eq!(configuration(&image(&packed[..packed.len() - 12])), None);
        assert_eq!(configuration(b"IKCFG_ST is a word"), None);
    }
}
