//! The copies of the symbol table that the kernel keeps for kallsyms, byte for byte.
//!
//! The whole table goes to init memory, with `struct mod_kallsyms` and a letter for the type of
//! each symbol. What stays is a shorter table with strings and letters of its own; a livepatch
//! module keeps all symbols, because its late relocations need them. The copies are made after
//! relocation, when values are final. Source: `kernel/module/kallsyms.c:layout_symtab`,
//! `add_kallsyms`, `elf_type`.

mod copies;

use klp_arch::object::{SHF_ALLOC, SHF_EXECINSTR, SHN_ABS, SHN_LORESERVE, SHN_UNDEF, Symbol};
use scroll::Endian;

use super::layout::Tally;
use super::load_info::LoadInfo;
use super::{RegionKind, TargetKernel};
use crate::findings::Finding;
use crate::kmod::{Definition, type_letter};

/// Bytes of an `Elf64_Sym`.
const ENTRY: usize = 24;

/// Bytes of `struct mod_kallsyms`: symbols, their number, strings, types.
const MOD_KALLSYMS: u64 = 32;

/// Where the copies go. Offsets are in bytes from the start of a region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SymbolTables {
    /// Indices of the symbols that stay, in order.
    kept: Vec<usize>,
    /// The region of what stays.
    core: Option<RegionKind>,
    /// Offsets of symbols, strings and types in it.
    core_at: [u64; 3],
    /// The region of what init frees.
    init: Option<RegionKind>,
    /// Offsets of `struct mod_kallsyms` and of types in it.
    init_at: [u64; 2],
}

impl SymbolTables {
    /// Reserves room after all sections.
    pub(super) fn layout(
        info: &mut LoadInfo<'_>,
        sections: &mut [Option<(RegionKind, u64)>],
        kernel: &TargetKernel,
        tally: &mut Tally<'_>,
    ) -> Result<Self, Finding> {
        let core = kernel.layouts.region(RegionKind::Data);
        let init = kernel.layouts.region(RegionKind::InitData);
        let mut whole = |info: &mut LoadInfo<'_>, sections: &mut [_], index: usize| {
            let Some(section) = info.object.sections.get_mut(index) else {
                return Ok::<_, Finding>(0);
            };
            section.sh_flags |= SHF_ALLOC;
            let offset = tally.place(init, section.sh_addralign, section.sh_size)?;
            if let Some(slot) = sections.get_mut(index) {
                *slot = Some((init, offset));
            }
            Ok(section.sh_addralign)
        };
        let align = whole(info, sections, info.symtab)?;
        let kept = kept(info, sections, kernel);
        whole(info, sections, info.strtab)?;
        let symbols = &info.object.symbols;
        let bytes = |symbol: &usize| symbols.get(*symbol).map_or(1, |s| s.name.len() + 1);
        let strings = size(kept.iter().map(bytes).sum());
        let core_at = [
            tally.place(core, align, size(kept.len() * ENTRY))?,
            tally.place(core, 1, strings)?,
            tally.place(core, 1, size(kept.len()))?,
        ];
        tally.end_group(core);
        let init_at = [
            tally.place(init, 8, MOD_KALLSYMS)?,
            tally.place(init, 1, size(info.object.symbols.len()))?,
        ];
        tally.end_group(init);
        Ok(Self { kept, core: Some(core), core_at, init: Some(init), init_at })
    }
}

/// The symbols that stay, by index.
fn kept(
    info: &LoadInfo<'_>,
    slots: &[Option<(RegionKind, u64)>],
    kernel: &TargetKernel,
) -> Vec<usize> {
    let object = &info.object;
    let entries = info.symbol_entries();
    // `is_core_symbol`.
    let is_core = |index: usize, symbol: &Symbol<'_>| {
        let section = usize::from(symbol.st_shndx);
        let nameless = entries.get(index).is_none_or(|entry| entry.starts_with(&[0; 4]));
        let defined = symbol.st_shndx != SHN_UNDEF;
        let Some(defining) = object.sections.get(section).filter(|_| defined && !nameless) else {
            return false;
        };
        if kernel.kallsyms_all && info.percpu == Some(section) {
            return true;
        }
        let freed = slots.get(section).copied().flatten().is_some_and(|(kind, _)| kind.is_init());
        let shown = kernel.kallsyms_all || defining.has(SHF_EXECINSTR);
        defining.has(SHF_ALLOC) && shown && !freed
    };
    let symbols = object.symbols.iter().enumerate();
    let kept =
        symbols.filter(|(index, symbol)| *index == 0 || info.livepatch || is_core(*index, symbol));
    kept.map(|(index, _)| index).collect()
}

impl LoadInfo<'_> {
    /// The entries of the symbol table as they are in the file.
    fn symbol_entries(&self) -> &[[u8; ENTRY]] {
        self.object.sections.get(self.symtab).map_or(&[], |section| section.body.as_chunks().0)
    }

    /// An entry of the symbol table as the loader leaves it; `st_name` is the one given, or else
    /// the offset in the file's strings.
    fn symbol_entry(&self, index: usize, st_name: Option<u32>) -> Option<[u8; ENTRY]> {
        let symbol = self.object.symbols.get(index)?;
        let endian = self.object.endian();
        let [a, b, c, d, ..] = *self.symbol_entries().get(index)?;
        let st_name = st_name.unwrap_or_else(|| {
            let in_file = match endian {
                Endian::Little => u32::from_le_bytes([a, b, c, d]),
                Endian::Big => u32::from_be_bytes([a, b, c, d]),
            };
            // A loader that drops the start of a name advances `st_name`.
            let strings = self.object.sections.get(self.strtab).map_or(&[][..], |s| &s.body);
            let start = usize::try_from(in_file).unwrap_or(usize::MAX);
            let rest = strings.get(start..).unwrap_or(&[]);
            let length = memchr::memchr(0, rest).unwrap_or(rest.len());
            let dropped = length.saturating_sub(symbol.name.len());
            in_file.saturating_add(u32::try_from(dropped).unwrap_or(0))
        });
        let mut entry = [0; ENTRY];
        let (name, rest) = entry.split_at_mut(4);
        name.copy_from_slice(&bytes32(st_name, endian));
        let (kind, rest) = rest.split_at_mut(2);
        kind.copy_from_slice(&[symbol.st_info, symbol.st_other]);
        let (section, rest) = rest.split_at_mut(2);
        section.copy_from_slice(&match endian {
            Endian::Little => symbol.st_shndx.to_le_bytes(),
            Endian::Big => symbol.st_shndx.to_be_bytes(),
        });
        let (value, size) = rest.split_at_mut(8);
        value.copy_from_slice(&bytes64(symbol.st_value, endian));
        size.copy_from_slice(&bytes64(symbol.st_size, endian));
        Some(entry)
    }

    /// The letter of a symbol's type (`elf_type`).
    fn letter(&self, symbol: &Symbol<'_>) -> u8 {
        const STB_WEAK: u8 = 2;
        const STT_OBJECT: u8 = 1;
        let index = usize::from(symbol.st_shndx);
        let definition = match (symbol.st_shndx, self.object.sections.get(index)) {
            (SHN_UNDEF, _) => Definition::Undefined,
            (SHN_ABS, _) => Definition::Absolute,
            _ if self.percpu == Some(index) => Definition::PerCpu,
            (SHN_LORESERVE.., _) | (_, None) => Definition::Reserved,
            (_, Some(section)) => {
                Definition::Section(section.sh_type, section.sh_flags, section.name)
            }
        };
        type_letter(symbol.bind() == STB_WEAK, symbol.kind() == STT_OBJECT, definition)
    }
}

fn bytes32(word: u32, endian: Endian) -> [u8; 4] {
    match endian {
        Endian::Little => word.to_le_bytes(),
        Endian::Big => word.to_be_bytes(),
    }
}

fn bytes64(word: u64, endian: Endian) -> [u8; 8] {
    match endian {
        Endian::Little => word.to_le_bytes(),
        Endian::Big => word.to_be_bytes(),
    }
}

/// A length in bytes.
fn size(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
