//! A linked kernel by names.

use std::ops::Range;
use std::sync::Mutex;

use klp_arch::Machine;
use object::elf::{STB_LOCAL, STV_DEFAULT};
use rustc_hash::FxHashMap;
use scroll::Pread;

use super::clue::Clue;
use super::listing::Listing;
use super::sites::KnownSites;
use crate::elf::Symbol;
use crate::symbols::image::{ImageError, LinkedKernel, LinkedMemory};

/// What objects are compared with: a kernel, or a module as if it were linked.
#[derive(Debug)]
pub struct ShippedKernel {
    pub(super) memory: LinkedMemory,
    pub(super) listing: Listing,
    /// What a module needs of others: addresses of names.
    pub(super) needed: FxHashMap<Box<[u8]>, u64>,
    /// A module's sections by name; a kernel has symbols for the bounds of its tables.
    pub(super) sections: Option<FxHashMap<Box<[u8]>, Range<u64>>>,
    /// Where code is.
    pub(super) code: Vec<Range<u64>>,
    /// `None`: the image does not say.
    pub(super) machine: Option<&'static Machine>,
    pub(super) banner: Option<String>,
    /// A text that names the compilers.
    pub(super) compilers: Option<String>,
    /// Targets of the jumps that objtool has taken out, by place.
    pub(super) jumps: FxHashMap<u64, u64>,
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
        let LinkedKernel { symbols, memory } = LinkedKernel::read(image)?;
        let all = symbols.iter().map(|symbol| (symbol.address, symbol.letter, symbol.name));
        let mut kernel =
            Self::new(symbols.machine.and_then(klp_arch::for_machine), memory, Listing::new(all));
        let bounds = [(b"_stext", b"_etext")].into_iter();
        let code = bounds.map(|(start, end)| (&start[..], &end[..]));
        let code = code.chain([(&b"_sinittext"[..], &b"_einittext"[..])]);
        kernel.code = code.filter_map(|(start, end)| kernel.between(start, end)).collect();
        kernel.toc = kernel.computed_toc();
        kernel.banner = kernel.read_banner();
        kernel.compilers.clone_from(&kernel.banner);
        kernel.jumps = kernel.read_jumps().unwrap_or_default();
        Ok(kernel)
    }

    /// Without what a kernel says of itself.
    pub(super) fn new(
        machine: Option<&'static Machine>,
        memory: LinkedMemory,
        listing: Listing,
    ) -> Self {
        Self {
            memory,
            listing,
            needed: FxHashMap::default(),
            sections: None,
            code: Vec::new(),
            machine,
            banner: None,
            compilers: None,
            jumps: FxHashMap::default(),
            sites: Mutex::default(),
            toc: None,
        }
    }

    /// The machine that the kernel is for, if the image says so.
    #[must_use]
    pub fn machine(&self) -> Option<&'static Machine> {
        self.machine
    }

    /// `linux_banner`: the release, and which compiler built the kernel. A module has none.
    #[must_use]
    pub fn banner(&self) -> Option<&str> {
        self.banner.as_deref()
    }

    /// A text that names the compilers that made it: the banner, or a module's `.comment`.
    #[must_use]
    pub fn compilers(&self) -> Option<&str> {
        self.compilers.as_deref()
    }

    /// The kernel's configuration, if the image has it.
    #[must_use]
    pub fn configuration(&self) -> Option<String> {
        self.memory.configuration()
    }

    fn read_banner(&self) -> Option<String> {
        const LONGEST: usize = 1024;
        let [(address, _)] = self.named(b"linux_banner") else { return None };
        let text = self.memory.from(*address)?;
        let text = text.get(..LONGEST).unwrap_or(text);
        let end = memchr::memchr(b'\n', text)?;
        std::str::from_utf8(text.get(..end)?).ok().map(str::to_owned)
    }

    /// Whether it is a module.
    pub(super) fn is_module(&self) -> bool {
        self.sections.is_some()
    }

    /// Addresses and type letters of a name, in the kernel's order.
    pub(super) fn named(&self, name: &[u8]) -> &[(u64, u8)] {
        self.listing.named(name)
    }

    /// The addresses between two symbols.
    pub(super) fn between(&self, start: &[u8], end: &[u8]) -> Option<Range<u64>> {
        let [(start, _)] = *self.named(start) else { return None };
        let [(end, _)] = *self.named(end) else { return None };
        Some(start..end)
    }

    /// Where a table is that objects have in a section of this name: between two symbols, or a module's own section.
    pub(super) fn table(&self, section: &str, start: &str, end: &str) -> Option<Range<u64>> {
        match &self.sections {
            Some(sections) => Some(sections.get(section.as_bytes()).cloned().unwrap_or_default()),
            None => self.between(start.as_bytes(), end.as_bytes()),
        }
    }

    /// Those of a name that may be a symbol of an object. A hidden one is local in the kernel.
    pub(super) fn alike(&self, symbol: &Symbol<'_>) -> Vec<(u64, u8)> {
        let all = self.named(symbol.name).iter().copied();
        let is_local = symbol.bind == STB_LOCAL;
        let is_hidden =
            symbol.st_other & VISIBILITY != STV_DEFAULT.0 || self.is_hidden_name(symbol.name);
        let needed = self.needed.get(symbol.name).filter(|_| !is_local);
        let may_be = |letter: u8| letter == ABSOLUTE || is_global(letter) != is_local;
        all.filter(|(_, letter)| may_be(*letter) || is_hidden && !is_local)
            .chain(needed.map(|address| (*address, b'U')))
            .collect()
    }

    /// Whether a symbol of this name is local in the kernel although other objects can name it.
    pub(super) fn is_hidden_name(&self, name: &[u8]) -> bool {
        let hidden = self.machine.map_or(&[][..], |machine| machine.link.hidden);
        hidden.iter().any(|start| name.starts_with(start.as_bytes()))
    }

    /// Whether an address is in code.
    pub(super) fn is_code(&self, address: u64) -> bool {
        self.code.iter().any(|code| code.contains(&address))
    }

    /// The table of jumps that objtool has taken out.
    pub(super) fn read_jumps(&self) -> Option<FxHashMap<u64, u64>> {
        let sites = self.machine?.link.jumps?;
        let table = self.table(sites.section, sites.table.0, sites.table.1)?;
        let start = table.start;
        let bytes = self.memory.within(&table)?;
        let endian = self.machine?.endian;
        let stride = usize::try_from(sites.stride).ok()?;
        let entry = |(index, entry): (usize, &[u8])| {
            let at = start.wrapping_add(u64::try_from(index.checked_mul(stride)?).ok()?);
            let distance = |field| entry.pread_with::<i32>(field, endian).ok().map(i64::from);
            let (code, target) = (distance(0)?, distance(4)?);
            Some((at.wrapping_add_signed(code), at.wrapping_add(4).wrapping_add_signed(target)))
        };
        Some(bytes.chunks_exact(stride).enumerate().filter_map(entry).collect())
    }

    /// Where a jump that objtool has taken out leads, by its address.
    pub(super) fn jump(&self, address: u64) -> Option<u64> {
        self.jumps.get(&address).copied()
    }

    /// The pointer at an address, as it is once the kernel has started.
    pub(super) fn pointer(&self, address: u64) -> Option<u64> {
        self.memory
            .late_pointer(address)
            .or_else(|| self.memory.slice(address, 8)?.pread_with(0, self.machine?.endian).ok())
    }

    /// The TOC pointer, from the functions that compute it.
    fn computed_toc(&self) -> Option<u64> {
        let machine = self.machine?;
        let computed = self.listing.addresses().filter_map(|address| {
            let code = self.memory.from(address)?;
            if machine.link.preamble(code) == 0 {
                return None;
            }
            let mut clue = Clue::NOTHING;
            for (offset, kind, addend) in machine.link.toc_fields {
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
}

/// The letter of every per-CPU variable where their addresses start at 0, static ones as well
/// (`scripts/kallsyms.c:make_percpus_absolute`, x86_64 before Linux 6.15).
const ABSOLUTE: u8 = b'A';
/// The bits of `st_other` that say who can name a symbol.
const VISIBILITY: u8 = 3;
/// Functions that are asked for the TOC pointer.
const ASKED: usize = 64;

/// Whether a type letter is that of a symbol that other objects can name.
pub(super) fn is_global(letter: u8) -> bool {
    letter.is_ascii_uppercase() || matches!(letter, b'w' | b'v' | b'u')
}
