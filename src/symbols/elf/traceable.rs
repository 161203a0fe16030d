//! Which functions ftrace can hook, as livepatching needs.
//!
//! The kernel searches for a call site from the start of a function to the next symbol
//! (`ftrace_location`). Sites are listed in a section of each module and, for vmlinux, between two
//! symbols; compilers emit none in `notrace` functions, which includes all `inline` ones, and assembly
//! has none. Invariant: a function is called untraceable only if the whole list is known. Sources:
//! `kernel/trace/ftrace.c:ftrace_location`, `ftrace_process_locs`, `kernel/module/main.c:find_module_sections`,
//! `kernel/module/kallsyms.c:find_kallsyms_symbol`.

use std::io::{Read, Seek};

use klp_arch::CallSites;
use object::elf;
use rustc_hash::FxHashSet;
use scroll::Pread;

use super::table::{ElfTable, Section, Shndx, Symbol};
use crate::elf::is_mapping_symbol;
use crate::symbols::data::Symbol as SourceSymbol;

/// Index of a section, and an offset in it; in vmlinux 0 and an address.
type Start = (usize, u64);

/// Bytes of a relocation, and of an address.
const RELA_SIZE: usize = 24;
const WORD: usize = 8;

/// Around the list of vmlinux (`include/asm-generic/vmlinux.lds.h`).
const BEGIN: &[u8] = b"__start_mcount_loc";
const END: &[u8] = b"__stop_mcount_loc";

/// Which of these starts, in ascending order, the sites belong to. All sites of a list are alike:
/// `before` bytes before their functions, if more of them have a start there than at the site itself.
fn hooked(starts: &[Start], sites: &[Start], before: u64) -> FxHashSet<Start> {
    let moved = |by: u64| sites.iter().map(move |site| (site.0, site.1.wrapping_add(by)));
    let hits = |by| moved(by).filter(|site| starts.binary_search(site).is_ok()).count();
    let by = if before > 0 && hits(before) > hits(0) { before } else { 0 };
    let owner = |site: Start| {
        let after = starts.partition_point(|start| *start <= site);
        starts.get(after.checked_sub(1)?).filter(|start| start.0 == site.0).copied()
    };
    moved(by).filter_map(owner).collect()
}

/// Marks a symbol, if it is a function.
fn mark(symbol: &mut SourceSymbol, is_hooked: bool) {
    let is_function = matches!(symbol.letter, Some(b't' | b'T' | b'w' | b'W'));
    symbol.untraceable = is_function && !is_hooked;
}

/// The functions of a module, from its symbols.
#[derive(Debug, Default)]
pub(crate) struct ModuleFunctions {
    /// The section and the value of each symbol, without the null symbol.
    values: Vec<Option<Start>>,
    /// Where named symbols of code start.
    starts: Vec<Start>,
    /// Those of them that the source keeps, by their index, and where they start.
    kept: Vec<(usize, Start)>,
}

impl ModuleFunctions {
    /// Records a symbol; each must be passed, in order. `kept`: its index, if the source keeps it.
    pub(crate) fn see(&mut self, symbol: &Symbol<'_>, kept: Option<usize>) {
        let start = match symbol.shndx {
            Shndx::Section(section) => Some((section, symbol.value)),
            _ => None,
        };
        self.values.push(start);
        let is_code = symbol.section.is_some_and(|(section, _)| is_code(section));
        let named = !symbol.name.is_empty() && !is_mapping_symbol(symbol.name);
        if let Some(start) = start.filter(|_| is_code && named) {
            self.starts.push(start);
            self.kept.extend(kept.map(|number| (number, start)));
        }
    }

    /// Marks the kept symbols.
    pub(crate) fn mark<R: Read + Seek>(
        mut self,
        symbols: &mut [SourceSymbol],
        table: &mut ElfTable<R>,
        list: CallSites,
    ) {
        if self.kept.is_empty() {
            return;
        }
        let Some(sites) = self.sites(table, list) else { return };
        self.starts.sort_unstable();
        let hooked = hooked(&self.starts, &sites, list.before);
        for (number, start) in self.kept {
            if let Some(symbol) = symbols.get_mut(number) {
                mark(symbol, hooked.contains(&start));
            }
        }
    }

    /// The module's call sites; `None` if the file does not have them.
    fn sites<R: Read + Seek>(
        &self,
        table: &mut ElfTable<R>,
        list: CallSites,
    ) -> Option<Vec<Start>> {
        let sections = table.sections();
        let listed =
            |section: &Section| section.size > 0 && list.sections.contains(&table.name(section));
        let Some(index) = sections.iter().position(listed) else {
            // A file of debug information has no code.
            let has_code = |s: &Section| is_code(s) && s.sh_type != elf::SHT_NOBITS.0;
            return sections.iter().any(has_code).then(Vec::new);
        };
        let is_for = |section: &&Section| {
            section.sh_type == elf::SHT_RELA.0 && usize::try_from(section.info) == Ok(index)
        };
        let relocations = sections.iter().find(is_for).cloned()?;
        let bytes = table.contents(&relocations).ok()?;
        let site = |entry: &[u8]| {
            let word = |at| entry.pread_with::<u64>(at, table.endian).ok();
            let symbol = usize::try_from(word(8)? >> 32).ok()?;
            let (section, value) = (*self.values.get(symbol.checked_sub(1)?)?)?;
            Some((section, value.wrapping_add(word(16)?)))
        };
        bytes.chunks_exact(RELA_SIZE).map(site).collect()
    }
}

fn is_code(section: &Section) -> bool {
    section.has(elf::SHF_ALLOC) && section.has(elf::SHF_EXECINSTR)
}

/// The functions of vmlinux, from its symbols.
#[derive(Debug, Default)]
pub(crate) struct VmlinuxFunctions {
    starts: Vec<Start>,
    begin: Option<u64>,
    end: Option<u64>,
}

impl VmlinuxFunctions {
    /// Records a symbol that kallsyms has.
    pub(crate) fn see(&mut self, name: &[u8], address: u64) {
        self.starts.push((0, address));
        match name {
            BEGIN => self.begin = Some(address),
            END => self.end = Some(address),
            _ => {}
        }
    }

    /// The bounds of the list of call sites: its first address, and the one after its end.
    pub(crate) fn list(&self) -> Option<(u64, u64)> {
        self.begin.zip(self.end)
    }

    /// Marks the symbols, by a list of addresses. A list that hardly agrees with the symbols is ignored.
    pub(crate) fn mark(mut self, symbols: &mut [SourceSymbol], list: &[u64], before: u64) {
        // Entries that the linker dropped are 0.
        let sites: Vec<_> = list.iter().filter(|at| **at != 0).map(|at| (0, *at)).collect();
        self.starts.sort_unstable();
        let hooked = hooked(&self.starts, &sites, before);
        if sites.is_empty() || hooked.len() < sites.len() / 2 {
            return;
        }
        for symbol in symbols {
            if let Some(address) = symbol.address {
                mark(symbol, hooked.contains(&(0, address)));
            }
        }
    }
}

/// The words between two addresses of a linked kernel, from its file or from its relocations;
/// none if the file has neither.
pub(crate) fn words<R: Read + Seek>(table: &mut ElfTable<R>, (begin, end): (u64, u64)) -> Vec<u64> {
    let holds = |section: &&Section| {
        let offset = begin.checked_sub(section.address);
        section.has(elf::SHF_ALLOC) && offset.is_some_and(|offset| offset < section.size)
    };
    let section = table.sections().iter().find(holds).cloned();
    let Some(section) = section.filter(|section| section.sh_type != elf::SHT_NOBITS.0) else {
        return Vec::new();
    };
    let size = end.saturating_sub(begin);
    let bytes = table.piece(&section, begin - section.address, size).unwrap_or_default();
    let endian = table.endian;
    let word = |bytes: &[u8], at| bytes.pread_with::<u64>(at, endian).unwrap_or(0);
    let words: Vec<u64> = bytes.chunks_exact(WORD).map(|bytes| word(bytes, 0)).collect();
    if words.iter().any(|word| *word != 0) {
        return words;
    }
    let relocations = table.sections().iter().filter(|s| s.sh_type == elf::SHT_RELA.0);
    let dynamic: Vec<_> = relocations.filter(|s| s.has(elf::SHF_ALLOC)).cloned().collect();
    let mut words = Vec::new();
    for section in dynamic {
        let bytes = table.contents(&section).unwrap_or_default();
        let entries = bytes.chunks_exact(RELA_SIZE);
        // Those without a symbol have the address as their addend.
        let inside = entries
            .filter(|entry| (begin..end).contains(&word(entry, 0)) && word(entry, 8) >> 32 == 0);
        words.extend(inside.map(|entry| word(entry, 16)));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::fixture::{ABS, ALLOC, EXEC, GLOBAL, Image, LOCAL, SECTION, WRITE};
    use crate::symbols::{ModuleFile, Scope, SymbolData, SymbolSource, Vmlinux};
    use scroll::{Endian, Pwrite};

    const MACHINES: [&str; 4] = ["x86_64", "ppc64le", "s390x", "arm64"];

    fn image(machine: &str, file_type: elf::FileType) -> (Image, CallSites) {
        let machine = klp_arch::by_name(machine).unwrap();
        let mut image = Image::new(machine.endian, file_type);
        image.machine = machine.e_machines[0];
        (image, machine.call_sites)
    }

    /// Names of the untraceable functions.
    fn untraceable(data: &SymbolData) -> Vec<&str> {
        let object = &data.objects[0];
        let all = object.symbols.iter().filter(|symbol| symbol.untraceable);
        all.map(|symbol| std::str::from_utf8(object.text(symbol.name)).unwrap()).collect()
    }

    fn of_module(image: &Image) -> Vec<String> {
        let data = ModuleFile::from_bytes("m.ko", image.bytes()).read(Scope::All).unwrap();
        untraceable(&data).into_iter().map(str::to_owned).collect()
    }

    fn entry(endian: Endian, symbol: u64, addend: u64) -> [u8; RELA_SIZE] {
        let mut entry = [0; RELA_SIZE];
        entry.pwrite_with(symbol << 32 | 1, 8, endian).unwrap();
        entry.pwrite_with(addend, 16, endian).unwrap();
        entry
    }

    /// A module with functions at 0, 0x20, 0x40 and 0x60; `list` lists sites in its code.
    fn module(machine: &str, list: Option<&[u64]>) -> Image {
        let (mut image, sites) = image(machine, elf::ET_REL);
        image.section(".modinfo", ALLOC, 0, b"name=m\0");
        let text = image.section(".text", ALLOC | EXEC, 0, &[0; 0x80]);
        let data = image.section(".data", ALLOC | WRITE, 0, &[0; 8]);
        image.symbol("", SECTION, text, 0);
        for (name, at) in [("a", 0), ("b", 0x20), ("c", 0x40), ("d", 0x60)] {
            image.symbol(name, LOCAL, text, at);
        }
        image.symbol("$x", LOCAL, text, 0x44);
        image.symbol("variable", GLOBAL, data, 0);
        image.symbol("absolute", GLOBAL, ABS, 0);
        if let Some(list) = list {
            let name = std::str::from_utf8(sites.sections[0]).unwrap();
            let section = image.section(name, ALLOC, 0, &vec![0; list.len() * WORD]);
            let entries = list.iter().flat_map(|at| entry(image.endian, 1, *at));
            image.rela(".rela.list", section, &entries.collect::<Vec<_>>());
        }
        image
    }

    #[test]
    fn a_function_without_a_call_site_cannot_be_hooked() {
        for machine in MACHINES {
            // The last one is after a mapping symbol.
            let image = module(machine, Some(&[0, 0x24, 0x48]));
            assert_eq!(of_module(&image), ["d"], "{machine}");
            assert_eq!(of_module(&module(machine, Some(&[]))), ["a", "b", "c", "d"], "{machine}");
        }
    }

    #[test]
    fn sites_before_functions_belong_to_them_where_compilers_put_them_there() {
        let image = |machine, list| of_module(&module(machine, Some(list)));
        assert_eq!(image("arm64", &[0x38, 0x58]), ["a", "b"]);
        // One is where another symbol starts.
        let mut marked = module("arm64", Some(&[0x18, 0x38]));
        marked.symbol("marker", LOCAL, 2, 0x18);
        assert_eq!(of_module(&marked), ["a", "d", "marker"]);
        assert_eq!(image("arm64", &[0, 0x20, 0x38]), ["c", "d"], "most are where functions start");
        assert_eq!(image("x86_64", &[0x18, 0x38]), ["c", "d"], "0x18 is in the function at 0");
    }

    #[test]
    fn a_module_without_a_list_has_nothing_to_hook() {
        for machine in MACHINES {
            assert_eq!(of_module(&module(machine, None)), ["a", "b", "c", "d"], "{machine}");
        }
    }

    #[test]
    fn nothing_is_marked_if_the_file_lacks_the_list() {
        for (code, list) in [(elf::SHT_NOBITS, None), (elf::SHT_PROGBITS, Some(false))] {
            let (mut image, _) = image("x86_64", elf::ET_REL);
            image.section(".modinfo", ALLOC, 0, b"name=m\0");
            let text = image.any_section((".text", code, ALLOC | EXEC, 0, vec![0; 8]));
            image.symbol("f", LOCAL, text, 0);
            if list.is_some() {
                // Its relocations are missing.
                image.section("__mcount_loc", ALLOC, 0, &[0; 8]);
            }
            assert!(of_module(&image).is_empty());
        }
        // A relocation against a symbol that does not exist.
        let mut image = module("x86_64", None);
        let list = image.section("__mcount_loc", ALLOC, 0, &[0; 8]);
        image.rela(".rela.list", list, &entry(Endian::Little, 99, 0));
        assert!(of_module(&image).is_empty());
    }

    /// A kernel with functions at 0x1000, 0x1010 and 0x1020, whose list of call sites has these words.
    fn vmlinux(machine: &str, words: &[u64], relocated: &[u64]) -> Vec<String> {
        let (mut image, _) = image(machine, elf::ET_DYN);
        let endian = image.endian;
        let text = image.section(".text", ALLOC | EXEC, 0x1000, &[0; 0x30]);
        let mut bytes = vec![0; words.len() * WORD];
        for (n, word) in words.iter().enumerate() {
            bytes.pwrite_with(*word, n * WORD, endian).unwrap();
        }
        let data = image.section(".init.data", ALLOC | WRITE, 0x2000, &bytes);
        let end = 0x2000 + u64::try_from(bytes.len()).unwrap();
        for (name, at) in [("a", 0x1000), ("b", 0x1010), ("c", 0x1020)] {
            image.symbol(name, GLOBAL, text, at);
        }
        image.symbol("__start_mcount_loc", GLOBAL, data, 0x2000);
        image.symbol("__stop_mcount_loc", GLOBAL, data, end);
        let mut entries = Vec::new();
        for (n, addend) in (0..).zip(relocated) {
            let mut entry = entry(endian, 0, *addend);
            entry.pwrite_with(0x2000 + n * 8_u64, 0, endian).unwrap();
            entries.extend(entry);
        }
        image.any_section((".rela.dyn", elf::SHT_RELA, ALLOC, 0x3000, entries));
        let data = Vmlinux::from_bytes("vmlinux", image.bytes()).read(Scope::All).unwrap();
        untraceable(&data).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn the_list_of_vmlinux_is_in_its_data_or_in_its_relocations() {
        for machine in MACHINES {
            assert_eq!(vmlinux(machine, &[0, 0x1000, 0x1024], &[]), ["b"], "{machine}");
            assert_eq!(vmlinux(machine, &[0, 0], &[0x1000, 0x1010]), ["c"], "{machine}");
        }
    }

    #[test]
    fn a_list_that_is_missing_or_disagrees_with_the_symbols_is_ignored() {
        assert!(vmlinux("x86_64", &[0, 0], &[]).is_empty());
        assert!(vmlinux("x86_64", &[0x10, 0x20, 0x30, 0x40], &[]).is_empty());
    }
}
