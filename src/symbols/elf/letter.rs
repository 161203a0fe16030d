//! The type letters of `/proc/kallsyms`.
//!
//! For the linked kernel they are those of `nm` (`bfd_decode_symclass`), from which
//! `scripts/link-vmlinux.sh` makes its table; for a module the kernel computes its own
//! (`elf_type` in `kernel/module/kallsyms.c`), in capitals if the symbol is
//! exported. Used by the two ELF sources, for symbols that are defined.

use object::elf;

use super::table::{Section, Shndx, Symbol};
use crate::kmod::{self, Definition};
use crate::symbols::{Binding, Kind};

/// The letter that `nm` prints for a symbol of the linked kernel.
pub(crate) fn of_vmlinux(symbol: &Symbol<'_>) -> u8 {
    let object = symbol.kind() == Kind::Object;
    let letter = match (symbol.binding(), symbol.shndx) {
        (Binding::Weak, _) => return if object { b'V' } else { b'W' },
        (_, Shndx::Common) => return b'C',
        _ if symbol.is_gnu_unique() => return b'u',
        _ if symbol.st_type() == elf::STT_GNU_IFUNC => return b'i',
        (_, Shndx::Absolute) => b'a',
        (_, Shndx::Reserved | Shndx::Undefined) => b'?',
        (_, Shndx::Section(_)) => symbol.section.map_or(b'?', |(section, _)| of_section(section)),
    };
    if symbol.binding() == Binding::Global { letter.to_ascii_uppercase() } else { letter }
}

/// The letter of symbols in a section, by its flags (`decode_section_type` of BFD).
fn of_section(section: &Section) -> u8 {
    if section.has(elf::SHF_EXECINSTR) {
        b't'
    } else if section.sh_type == elf::SHT_NOBITS.0 {
        b'b'
    } else if section.has(elf::SHF_ALLOC) {
        if section.has(elf::SHF_WRITE) { b'd' } else { b'r' }
    } else if section.has(elf::SHF_WRITE) {
        b'?'
    } else {
        b'n'
    }
}

/// The letter that the kernel shows for a symbol of a module that is not exported.
pub(crate) fn of_module(symbol: &Symbol<'_>) -> u8 {
    let definition = match (symbol.shndx, symbol.section) {
        (Shndx::Absolute, _) => Definition::Absolute,
        (_, Some((_, name))) if name == kmod::PERCPU => Definition::PerCpu,
        (_, Some((section, name))) => Definition::Section(section.sh_type, section.flags, name),
        _ => Definition::Reserved,
    };
    let weak = symbol.binding() == Binding::Weak;
    kmod::type_letter(weak, symbol.kind() == Kind::Object, definition)
}
