//! The copies of the symbol table after a load, computed again from the file alone, by the rules of
//! `kernel/module/kallsyms.c` (`layout_symtab`, `add_kallsyms`, `elf_type`).

use klp_convert::elf::Module;
use klp_convert::load::{Bind, Loaded, Record, RegionKind, SimulatedKernel};
use scroll::Endian;

use crate::gates::{answer, backend, converted, load};
use crate::image::{ALLOC, Image, SHN_LIVEPATCH, Section, Symbol};
use crate::machine::{Machine, machines};

const WRITE: u64 = 1;
const EXECINSTR: u64 = 4;

/// Machines whose loader edits no symbol before the copies are made.
fn each(
    names: &[&str],
    claim: impl Fn(&str, &Image, &Loaded<'_>, &SimulatedKernel<'_>, &'static klp_arch::Machine),
) {
    let plain = |machine: &Machine| machine.name != "ppc64le";
    for machine in machines().into_iter().filter(plain) {
        for name in names {
            let target = name.starts_with("klp_target");
            let bytes = if target { machine.read(name) } else { converted(&machine, name) };
            let module = Module::parse(&bytes).unwrap();
            let answer = answer(&machine, &module);
            let known = SimulatedKernel::new(&answer);
            let loaded = load(&machine, &module, &known, Record::Nothing).unwrap();
            let context = format!("{} {name}", machine.name);
            claim(&context, &Image::read(&bytes), &loaded, &known, backend(&machine));
        }
    }
}

/// Name, region and address of a section that was loaded.
fn place(loaded: &Loaded<'_>, name: &str) -> Option<(RegionKind, u64)> {
    let mut sections = loaded.sections().filter(|(other, ..)| *other == name.as_bytes());
    sections.next().map(|(_, kind, address, _)| (kind, address))
}

fn is_init(section: &Section, backend: &klp_arch::Machine) -> bool {
    backend.frees_init_sections && section.name.starts_with(".init")
}

/// The flags of a section after `rewrite_section_headers`: sections read in place do not count as
/// loaded.
fn flags(section: &Section) -> u64 {
    const IN_PLACE: [&str; 4] =
        [".modinfo", "__versions", "__version_ext_crcs", "__version_ext_names"];
    // Made executable if the loader fills them (`module_frob_arch_sections`).
    const PLT: [&str; 4] =
        [".plt", ".init.plt", ".text.ftrace_trampoline", ".init.text.ftrace_trampoline"];
    match &*section.name {
        name if IN_PLACE.contains(&name) => section.flags & !ALLOC,
        name if PLT.contains(&name) => ALLOC | EXECINSTR,
        _ => section.flags,
    }
}

fn letter(image: &Image, symbol: &Symbol) -> u8 {
    let section = image.sections.get(usize::from(symbol.section));
    let flags = section.map_or(0, flags);
    let nobits = section.is_some_and(|section| section.kind == 8);
    match (symbol.info >> 4, symbol.info & 0xf, symbol.section) {
        (2, 1, _) => b'v',
        (2, ..) => b'w',
        (_, _, 0) => b'U',
        (_, _, 0xfff1) => b'a',
        (_, _, 0xff00..) => b'?',
        _ if flags & EXECINSTR != 0 => b't',
        _ if flags & ALLOC != 0 && !nobits => {
            if flags & WRITE == 0 {
                b'r'
            } else {
                b'd'
            }
        }
        _ if nobits => b'b',
        _ if section.unwrap().name.starts_with(".debug") => b'n',
        _ => b'?',
    }
}

/// An entry as the kernel leaves it.
fn entry(st_name: u32, symbol: &Symbol, value: u64, endian: Endian) -> Vec<u8> {
    let little = endian == Endian::Little;
    let bytes = |value: u64, size: usize| {
        if little {
            value.to_le_bytes()[..size].to_vec()
        } else {
            value.to_be_bytes()[8 - size..].to_vec()
        }
    };
    let kind = vec![symbol.info, symbol.other];
    [
        bytes(st_name.into(), 4),
        kind,
        bytes(symbol.section.into(), 2),
        bytes(value, 8),
        bytes(symbol.size, 8),
    ]
    .concat()
}

/// A symbol's value after the load; `None` if it depends on the kernel's temporary copy of the
/// file.
fn value(
    image: &Image,
    loaded: &Loaded<'_>,
    known: &SimulatedKernel<'_>,
    symbol: &Symbol,
) -> Option<u64> {
    Some(match symbol.section {
        0 if symbol.name.is_empty() => symbol.value,
        0 => known.export(&symbol.name).map_or(symbol.value, |export| export.address),
        SHN_LIVEPATCH if symbol.name.starts_with(".klp.sym.vmlinux.") => {
            match known.find(&symbol.name.parse().unwrap()) {
                klp_convert::load::Lookup::Found(address) => address,
                other => panic!("{}: {other:?}", symbol.name),
            }
        }
        0xff00.. => symbol.value,
        section => place(loaded, &image.sections[usize::from(section)].name)?.1 + symbol.value,
    })
}

/// What is in memory at an address.
fn at<'l>(loaded: &'l Loaded<'_>, address: u64, size: usize) -> &'l [u8] {
    &loaded.bytes_at(address).unwrap()[..size]
}

const MODULES: [&str; 4] =
    ["klp_target_a.ko", "klp_target_b.ko", "lp_vmlinux_inferred.ko", "lp_module_symbols.ko"];

#[test]
fn the_whole_table_lies_in_init_memory_with_final_values_and_mod_kallsyms() {
    each(&MODULES, |context, image, loaded, known, backend| {
        let endian = backend.endian;
        let (kind, symtab) = place(loaded, ".symtab").unwrap();
        assert_eq!(kind, RegionKind::InitData, "{context}");
        let (_, strtab) = place(loaded, ".strtab").unwrap();
        let strings = &image.section(".strtab").body;
        assert_eq!(at(loaded, strtab, strings.len()), strings, "{context}");
        let names = image.section(".symtab").body.chunks_exact(24).map(|entry| {
            let name: [u8; 4] = entry[..4].try_into().unwrap();
            if endian == Endian::Little {
                u32::from_le_bytes(name)
            } else {
                u32::from_be_bytes(name)
            }
        });
        for ((symbol, st_name), address) in
            image.symbols.iter().zip(names).zip((symtab..).step_by(24))
        {
            let Some(value) = value(image, loaded, known, symbol) else { continue };
            let expected = entry(st_name, symbol, value, endian);
            assert_eq!(at(loaded, address, 24), expected, "{context} {}", symbol.name);
        }
        // `struct mod_kallsyms`: aligned for pointers, directly followed by the letters.
        let header = (strtab + strings.len() as u64).next_multiple_of(8);
        let word = |word: u64| {
            if endian == Endian::Little { word.to_le_bytes() } else { word.to_be_bytes() }
        };
        let count = u32::try_from(image.symbols.len()).unwrap();
        let number =
            if endian == Endian::Little { count.to_le_bytes() } else { count.to_be_bytes() };
        let number = [number, [0; 4]].concat();
        let expected = [&word(symtab)[..], &number, &word(strtab), &word(header + 32)].concat();
        assert_eq!(at(loaded, header, 32), expected, "{context}");
        let letters: Vec<u8> = image.symbols.iter().map(|s| letter(image, s)).collect();
        assert_eq!(at(loaded, header + 32, letters.len()), letters, "{context}");
    });
}

#[test]
fn a_module_keeps_symbols_that_are_loaded_and_not_freed_and_a_livepatch_all() {
    each(&MODULES, |context, image, loaded, known, backend| {
        let livepatch = context.contains(" lp_");
        let stays = |symbol: &Symbol| {
            let section = usize::from(symbol.section);
            let Some(section) = image.sections.get(section).filter(|_| section != 0) else {
                return false;
            };
            // Section symbols have no name.
            !symbol.name.is_empty() && flags(section) & ALLOC != 0 && !is_init(section, backend)
        };
        let symbols = image.symbols.iter().enumerate();
        let kept: Vec<&Symbol> = symbols
            .filter(|(index, symbol)| *index == 0 || livepatch || stays(symbol))
            .map(|(_, symbol)| symbol)
            .collect();
        assert!(kept.len() > 5 && (kept.len() < image.symbols.len()) != livepatch, "{context}");
        let table = loaded.symbol_table();
        assert_eq!(table.end - table.start, kept.len() as u64 * 24, "{context}");
        let (mut strings, mut letters) = (Vec::new(), Vec::new());
        for (symbol, address) in kept.iter().zip((table.start..).step_by(24)) {
            let st_name = u32::try_from(strings.len()).unwrap();
            strings.extend(symbol.name.as_bytes());
            strings.push(0);
            letters.push(letter(image, symbol));
            let Some(value) = value(image, loaded, known, symbol) else { continue };
            let expected = entry(st_name, symbol, value, backend.endian);
            assert_eq!(at(loaded, address, 24), expected, "{context} {}", symbol.name);
        }
        assert_eq!(at(loaded, table.end, strings.len()), strings, "{context}");
        let types = table.end + strings.len() as u64;
        assert_eq!(at(loaded, types, letters.len()), letters, "{context}");
        let data = loaded.regions().find(|(kind, ..)| *kind == RegionKind::Data).unwrap();
        assert!((data.1..data.1 + data.2.len() as u64).contains(&table.start), "{context}");
    });
}
