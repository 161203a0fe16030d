//! A linked kernel by names.

use std::sync::Mutex;

use klp_arch::Machine;
use object::elf::{STB_LOCAL, STV_DEFAULT};
use rustc_hash::FxHashMap;
use scroll::Endian;

use super::clue::Clue;
use super::sites::KnownSites;
use crate::elf::Symbol;
use crate::symbols::image::{ImageError, LinkedKernel};

/// A kernel that objects are compared with.
#[derive(Debug)]
pub struct ShippedKernel {
    pub(super) linked: LinkedKernel,
    /// Addresses and type letters of each name, in the kernel's order.
    by_name: FxHashMap<Box<[u8]>, Vec<(u64, u8)>>,
    /// Of all symbols, in the kernel's order.
    addresses: Vec<u64>,
    /// Targets of the jumps that objtool has taken out, by place.
    jumps: FxHashMap<u64, u64>,
    pub(super) sites: Mutex<KnownSites>,
    /// What a machine with a table of contents keeps in a register.
    pub(super) toc: Option<u64>,
}

impl ShippedKernel {
    /// Reads a boot image, or a linked kernel.
    ///
    /// # Errors
    /// [`ImageError`]: it cannot be unpacked, or has no table of symbols.
    pub fn read(image: &[u8]) -> Result<Self, ImageError> {
        let linked = LinkedKernel::read(image)?;
        let mut by_name: FxHashMap<Box<[u8]>, Vec<(u64, u8)>> = FxHashMap::default();
        for symbol in linked.symbols.iter() {
            by_name.entry(symbol.name.into()).or_default().push((symbol.address, symbol.letter));
        }
        let addresses: Vec<u64> = linked.symbols.iter().map(|symbol| symbol.address).collect();
        let toc = toc(&linked, &addresses);
        let (jumps, sites) = (FxHashMap::default(), Mutex::default());
        let mut kernel = Self { linked, by_name, addresses, jumps, sites, toc };
        kernel.jumps = kernel.read_jumps().unwrap_or_default();
        Ok(kernel)
    }

    /// The machine that the kernel is for, if the image says so.
    #[must_use]
    pub fn machine(&self) -> Option<&'static Machine> {
        self.linked.symbols.machine.and_then(klp_arch::for_machine)
    }

    /// `linux_banner`: the release, and which compiler built the kernel.
    #[must_use]
    pub fn banner(&self) -> Option<&str> {
        const LONGEST: usize = 1024;
        let [(address, _)] = self.named(b"linux_banner") else { return None };
        let text = self.linked.from(*address)?;
        let text = text.get(..LONGEST).unwrap_or(text);
        let end = memchr::memchr(b'\n', text)?;
        std::str::from_utf8(text.get(..end)?).ok()
    }

    /// The kernel's configuration, if the image has it.
    #[must_use]
    pub fn configuration(&self) -> Option<String> {
        self.linked.configuration()
    }

    /// Addresses and type letters of a name, in the kernel's order.
    pub(super) fn named(&self, name: &[u8]) -> &[(u64, u8)] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// Those of a name that may be a symbol of an object. A hidden one is local in the kernel.
    pub(super) fn alike(&self, symbol: &Symbol<'_>) -> Vec<(u64, u8)> {
        let all = self.named(symbol.name).iter().copied();
        let is_local = symbol.bind == STB_LOCAL;
        let is_hidden =
            symbol.st_other & VISIBILITY != STV_DEFAULT.0 || self.is_hidden_name(symbol.name);
        all.filter(|(_, letter)| is_global(*letter) != is_local || is_hidden && !is_local).collect()
    }

    /// Whether a symbol of this name is local in the kernel although other objects can name it.
    pub(super) fn is_hidden_name(&self, name: &[u8]) -> bool {
        let hidden = self.machine().map_or(&[][..], |machine| machine.link.hidden);
        hidden.iter().any(|start| name.starts_with(start.as_bytes()))
    }

    /// The table of jumps that objtool has taken out.
    fn read_jumps(&self) -> Option<FxHashMap<u64, u64>> {
        let sites = self.machine()?.link.jumps?;
        let [(start, _)] = *self.named(sites.table.0.as_bytes()) else { return None };
        let [(end, _)] = *self.named(sites.table.1.as_bytes()) else { return None };
        let size = usize::try_from(end.checked_sub(start)?).ok()?;
        let table = self.linked.slice(start, size)?;
        let stride = usize::try_from(sites.stride).ok()?;
        let entry = |(index, entry): (usize, &[u8])| {
            let at = start.wrapping_add(u64::try_from(index.checked_mul(stride)?).ok()?);
            let distance = |field: usize| {
                let bytes = entry.get(field..)?.first_chunk::<4>()?;
                Some(i64::from(match self.linked.symbols.endian {
                    Endian::Little => i32::from_le_bytes(*bytes),
                    Endian::Big => i32::from_be_bytes(*bytes),
                }))
            };
            let (code, target) = (distance(0)?, distance(4)?);
            Some((at.wrapping_add_signed(code), at.wrapping_add(4).wrapping_add_signed(target)))
        };
        Some(table.chunks_exact(stride).enumerate().filter_map(entry).collect())
    }

    /// Where a jump that objtool has taken out leads, by its address.
    pub(super) fn jump(&self, address: u64) -> Option<u64> {
        self.jumps.get(&address).copied()
    }

    /// The pointer at an address, as it is once the kernel has started.
    pub(super) fn pointer(&self, address: u64) -> Option<u64> {
        self.linked.late_pointer(address).or_else(|| {
            let bytes = self.linked.slice(address, 8)?.first_chunk::<8>()?;
            Some(match self.linked.symbols.endian {
                Endian::Little => u64::from_le_bytes(*bytes),
                Endian::Big => u64::from_be_bytes(*bytes),
            })
        })
    }

    /// An address in words: the symbol before it, and how far.
    pub(super) fn place(&self, address: u64) -> String {
        let after = self.addresses.partition_point(|at| *at <= address);
        let symbol = after.checked_sub(1).and_then(|index| self.linked.symbols.iter().nth(index));
        match symbol {
            Some(symbol) if symbol.address == address => {
                crate::name::shown(symbol.name).into_owned()
            }
            Some(symbol) => {
                let distance = address.wrapping_sub(symbol.address);
                format!("{}+{distance:#x}", crate::name::shown(symbol.name))
            }
            None => format!("{address:#x}"),
        }
    }
}

/// The bits of `st_other` that say who can name a symbol.
const VISIBILITY: u8 = 3;
/// Functions that are asked for the TOC pointer.
const ASKED: usize = 64;

/// The TOC pointer, from the functions that compute it.
fn toc(linked: &LinkedKernel, addresses: &[u64]) -> Option<u64> {
    let machine = linked.symbols.machine.and_then(klp_arch::for_machine)?;
    let model = machine.link;
    let computed = addresses.iter().filter_map(|address| {
        let code = linked.from(*address)?;
        if model.preamble(code) == 0 {
            return None;
        }
        let mut clue = Clue::NOTHING;
        for (offset, kind, addend) in model.toc_fields {
            let row = machine.linker_row(*kind)?;
            let at = usize::try_from(*offset).ok()?;
            let signed = row.check.is_signed();
            let value = row.field.load(code.get(at..)?, signed, machine.endian).ok()?;
            let own = Clue::of(row, value, address.checked_add(*offset)?, None)?;
            clue = clue.and(own.minus(*addend))?;
        }
        clue.address()
    });
    let mut votes: FxHashMap<u64, usize> = FxHashMap::default();
    computed.take(ASKED).for_each(|toc| *votes.entry(toc).or_default() += 1);
    votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(toc, _)| toc)
}

/// Whether a type letter is that of a symbol that other objects can name.
pub(super) fn is_global(letter: u8) -> bool {
    letter.is_ascii_uppercase() || matches!(letter, b'w' | b'v' | b'u')
}
