//! A linked kernel as an ELF file: the addresses of its bytes.
//!
//! Program headers only; a kernel in a boot image has no section names and no symbols. Invariant:
//! only bytes of a `PT_LOAD` have an address. Layout: gABI, "Program Header".

use object::Endianness;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader, ProgramHeader};

/// The program headers of an ELF file.
#[derive(Debug)]
pub(super) struct Program<'a> {
    pub(super) machine: u16,
    /// The entry address, on some machines a physical one; 0 means none.
    entry: u64,
    /// Whether something that the headers describe is past the end of the file.
    pub(super) is_cut: bool,
    order: Endianness,
    headers: &'a [ProgramHeader64<Endianness>],
}

impl<'a> Program<'a> {
    /// The program headers at the start of `bytes`, if these are a 64-bit ELF file.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header = FileHeader64::<Endianness>::parse(bytes).ok()?;
        let order = header.endian().ok()?;
        let mut program = Self {
            machine: header.e_machine(order).0,
            entry: header.e_entry(order),
            is_cut: false,
            order,
            headers: header.program_headers(order, bytes).ok()?,
        };
        let sections = u64::from(header.e_shnum(order)) * u64::from(header.e_shentsize(order));
        let sections = header.e_shoff(order).checked_add(sections);
        let loads = program.loads().map(|(start, size, _)| start.checked_add(size));
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let is_cut = loads.chain([sections]).any(|end| end.is_none_or(|end| end > length));
        program.is_cut = is_cut;
        Some(program)
    }

    /// Offset and size in the file of every segment of a type.
    pub(super) fn segments(
        &self,
        p_type: elf::ProgramType,
    ) -> impl Iterator<Item = (u64, u64)> + '_ {
        let segments = self.headers.iter().filter(move |p| p.p_type(self.order) == p_type);
        segments.map(|p| p.file_range(self.order))
    }

    /// What to add to an offset in the file to get the address (modulo 2⁶⁴).
    pub(super) fn shift_at(&self, offset: u64) -> Option<u64> {
        self.loads().find_map(|(start, size, address)| {
            let inside = offset.checked_sub(start).is_some_and(|distance| distance < size);
            inside.then(|| address.wrapping_sub(start))
        })
    }

    /// The offset in the file of an address.
    pub(super) fn offset_of(&self, address: u64) -> Option<u64> {
        self.loads().find_map(|(start, size, at)| {
            let distance = address.checked_sub(at).filter(|&distance| distance < size)?;
            start.checked_add(distance)
        })
    }

    /// The virtual address of the entry.
    pub(super) fn entry(&self) -> Option<u64> {
        let entry = Some(self.entry).filter(|&entry| entry != 0)?;
        let loads = self.headers.iter().filter(|p| p.p_type(self.order) == elf::PT_LOAD);
        let mut physical = loads.filter_map(|p| {
            let distance = entry.checked_sub(p.p_paddr(self.order))?;
            let inside = distance < p.p_filesz(self.order);
            inside.then(|| p.p_vaddr(self.order).wrapping_add(distance))
        });
        self.offset_of(entry).map(|_| entry).or_else(|| physical.next())
    }

    /// Offset in the file, size and address of what is loaded.
    pub(super) fn loads(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        let loads = self.headers.iter().filter(|p| p.p_type(self.order) == elf::PT_LOAD);
        loads.map(|p| {
            let (start, size) = p.file_range(self.order);
            (start, size, p.p_vaddr(self.order))
        })
    }
}
