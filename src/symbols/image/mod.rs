//! A kernel's own symbol table, read from a distribution's boot image.
//!
//! [`read`] unpacks the kernel, finds the tables of `kallsyms` in it by their shape, checks them
//! against each other and decodes them. Invariant: symbols are in table order, which is
//! the order in which the running kernel counts them, with the addresses that `/proc/kallsyms`
//! would show without KASLR. Sources: `scripts/kallsyms.c` and `kernel/kallsyms.c` of
//! Linux 6.1, 6.12 and 7.2.

mod base;
mod blob;
mod compression;
mod entry;
#[cfg(test)]
mod entry_tests;
mod error;
mod exports;
#[cfg(test)]
pub(super) mod fixture;
mod foreign;
mod identity;
mod layout;
mod linked;
mod lz4;
mod lz4_frame;
mod lzo;
mod memory;
mod names;
mod program;
#[cfg(test)]
mod tests;
mod tokens;
mod unpack;
#[cfg(test)]
mod unpack_tests;
mod wrapper;
#[cfg(test)]
mod wrapper_tests;

use scroll::Endian;

pub use compression::Compression;
pub use error::ImageError;
pub use exports::KallsymsExport;
pub use linked::{LinkedKernel, LinkedMemory};

use super::data::promoted::Compares;
use blob::Blob;
use layout::Addresses;
use memory::Memory;
use names::{Name, Names};
use tokens::Tokens;
use unpack::UnpackedKernel;

/// The symbols of a kernel, and its identity.
#[derive(Debug)]
pub struct Kallsyms {
    /// `uname -r`.
    pub release: Option<String>,
    /// `e_machine`.
    pub machine: Option<u16>,
    /// Byte order of the tables.
    pub endian: Endian,
    /// The GNU build-id of vmlinux.
    pub build_id: Option<Vec<u8>>,
    /// Whether the table also has data (`CONFIG_KALLSYMS_ALL`), not only functions.
    pub all: bool,
    /// Which part of a name the kernel compares, if the order of its names reveals it.
    pub(super) compares: Option<Compares>,
    names: Names,
    addresses: Vec<u64>,
    exports: Vec<exports::Export>,
    call_sites: Vec<u64>,
}

/// One symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KallsymsSymbol<'a> {
    /// Its address in the linked kernel.
    pub address: u64,
    /// Its type, as `nm` shows it.
    pub letter: u8,
    /// Its name.
    pub name: &'a [u8],
}

impl Kallsyms {
    /// How many symbols the table has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Whether the table is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// The symbols, in the order in which the kernel counts them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = KallsymsSymbol<'_>> {
        self.names.all.iter().zip(&self.addresses).map(|(&name, &address)| KallsymsSymbol {
            address,
            letter: name.letter,
            name: self.names.get(name),
        })
    }

    /// The kernel's exports, each once, in the order of its export tables; none if the symbol table
    /// has only functions.
    pub fn exports(&self) -> impl ExactSizeIterator<Item = KallsymsExport<'_>> {
        self.exports.iter().map(|export| export.with_name(self.names.get(export.mark())))
    }
}

impl Kallsyms {
    /// The addresses in the kernel's list of ftrace call sites, including 0; empty if the list is
    /// filled in at boot.
    #[must_use]
    pub fn call_sites(&self) -> &[u64] {
        &self.call_sites
    }
}

/// Reads the table of a boot image, of a compressed kernel, or of a linked one with or without an ELF
/// symbol table.
///
/// # Errors
/// [`ImageError`] if the image cannot be unpacked, or its tables are missing, damaged, or
/// relative to an unknown address.
pub fn read(image: &[u8]) -> Result<Kallsyms, ImageError> {
    let kernel = unpack::unpack(image, &is_kernel)?;
    let tokens = only_tokens(&kernel.bytes)?;
    Ok(decode(&kernel, &tokens)?.0)
}

/// The tokens of the only table of symbols.
fn only_tokens(kernel: &[u8]) -> Result<Tokens<'_>, ImageError> {
    let mut tables = Tokens::find_all(kernel);
    let tokens = tables.next().ok_or(ImageError::NoTables)?;
    // Nothing decides which of two tables the kernel that starts would use.
    if tables.next().is_some() {
        return Err(ImageError::Several("two tables of symbols"));
    }
    Ok(tokens)
}

/// Whether bytes hold a kernel's tables.
fn is_kernel(bytes: &[u8]) -> bool {
    Tokens::find_all(bytes).next().is_some()
}

/// Reads the tables that belong to these tokens.
fn decode<'k>(
    kernel: &'k UnpackedKernel<'_>,
    tokens: &Tokens<'_>,
) -> Result<(Kallsyms, Memory<'k>), ImageError> {
    let blob = Blob { bytes: &kernel.bytes, endian: tokens.endian };
    let (names, found) = names::find(&blob, tokens, |name_table| {
        let names = name_table.decode(&blob, tokens)?;
        let found = layout::read(&blob, tokens, name_table, &names)?;
        Ok((names, found))
    })?;
    let base = base::find(&blob, kernel.machine, &found)?;
    let addresses = addresses(&found, base)?;
    let symbol = |wanted: &[u8]| {
        let index = names.all.iter().position(|&name: &Name| names.get(name) == wanted)?;
        addresses.get(index).copied()
    };
    let memory = Memory::new(blob, (found.base, base), symbol(b"_text"));
    let banner = symbol(b"linux_banner");
    let end = addresses.last().copied().unwrap_or(base);
    let text = symbol(b"_text").map(|text| text..=end);
    entry::check(kernel, &memory, text.as_ref(), banner)?;
    let notes = symbol(b"__start_notes").zip(symbol(b"__stop_notes"));
    let notes = notes.and_then(|(start, end)| memory.range(start, end));
    let notes = notes.map(|range| (range.start, range.end));
    let list = symbol(b"__start_mcount_loc").zip(symbol(b"__stop_mcount_loc"));
    let list = list.and_then(|(start, end)| memory.range(start, end));
    let call_sites = list.unwrap_or_default().step_by(8).filter_map(|at| blob.u64(at)).collect();
    let banner = banner.and_then(|address| memory.offset_of(address));
    let marked = names.all.iter().zip(&addresses);
    let exports = exports::read(&memory, marked.map(|(&name, &at)| (name, names.get(name), at)));
    let symbols = Kallsyms {
        release: identity::release(blob.bytes, banner)?,
        machine: kernel.machine.and_then(|machine| machine.e_machines.first().copied()),
        endian: tokens.endian,
        build_id: identity::build_id(&blob, notes),
        all: names.all.iter().any(|name| matches!(name.letter, b'b' | b'd' | b'r')),
        compares: found.compares,
        names,
        addresses,
        exports,
        call_sites,
    };
    Ok((symbols, memory))
}

/// The addresses, which must not wrap around.
fn addresses(found: &Addresses, base: u64) -> Result<Vec<u64>, ImageError> {
    let addresses: Vec<_> = found
        .offsets
        .iter()
        .enumerate()
        .map(|(index, offset)| match index < found.absolute {
            true => offset.cast_unsigned(),
            false => base.wrapping_add_signed(*offset),
        })
        .collect();
    let inconsistent = ImageError::Inconsistent("addresses do not ascend");
    if addresses.is_sorted() { Ok(addresses) } else { Err(inconsistent) }
}
