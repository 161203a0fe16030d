//! The memory of a linked kernel, as its boot image has it before it starts.

use std::ops::Range;

use super::base::relocations;
use super::memory::Memory;
use super::unpack::{self, UnpackedKernel};
use super::{Compression, ImageError, Kallsyms, decode, is_kernel, only_tokens};

/// Size of a relocation: offset, type, addend.
const RELA: usize = 24;

/// A kernel: its symbols, and its bytes by their link addresses.
#[derive(Debug)]
pub struct LinkedKernel {
    /// Its own table of symbols.
    pub symbols: Kallsyms,
    /// Addresses and bytes of what is loaded, by address.
    runs: Vec<(Range<u64>, Vec<u8>)>,
    /// Pointers that the kernel fills in when it starts, by place. They are in the form of `R_*_RELATIVE`.
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
        let pointers = pointers(&kernel, &memory);
        Ok(Self { symbols, runs, pointers })
    }

    /// Its configuration, if the image has it.
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
fn pointers(kernel: &UnpackedKernel<'_>, memory: &Memory<'_>) -> Vec<(u64, u64)> {
    let kind = kernel.machine.map(|machine| machine.boot_image.relative);
    let Some((table, count)) = kind.and_then(|kind| relocations(&memory.blob, kind)) else {
        return Vec::new();
    };
    let entry = |index: usize| {
        let at = table.checked_add(index.checked_mul(RELA)?)?;
        Some((memory.blob.u64(at)?, memory.blob.u64(at.checked_add(16)?)?))
    };
    let mut pointers: Vec<_> = (0..count).filter_map(entry).collect();
    let is_place = |(place, _): &(u64, u64)| memory.offset_of(*place).is_some();
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
