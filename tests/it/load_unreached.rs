//! What the kernel does not look at: broken rules that it never comes to, types of sections and of relocations, names
//! of things of another kind. Each was found in a running kernel (`cargo campaign`).

use klp_convert::check::Conclusion;
use object::elf::{Rela64, RelocationType, SectionFlags, SectionType, SymbolSection};

use crate::gates::converted;
use crate::image::Image;
use crate::load_other_refusals::{comes_of_changed, judged, says};
use crate::machine::machines;
use crate::patch::Patched;

const VMLINUX: &str = "lp_vmlinux_inferred.ko";
const MODULE: &str = "lp_module_symbols.ko";
/// Has an entry of `__jump_table` with a key of vmlinux.
const KEY: &str = "lp_static_key_vmlinux.ko";

const RELA_LIVEPATCH: u64 = 0x10_0000;
const SHN_LIVEPATCH: SymbolSection = SymbolSection(0xff20);

/// The first symbol that names no section, file or function.
fn unused(image: &Image) -> usize {
    let used: Vec<_> = image.sections.iter().flat_map(|section| &section.relocations).collect();
    let mut symbols = image.symbols.iter().enumerate().skip(1);
    let (index, _) = symbols
        .find(|(index, symbol)| {
            symbol.info & 0xf == 1 && used.iter().all(|rela| rela.symbol as usize != *index)
        })
        .unwrap();
    index
}

#[test]
fn a_klp_symbol_that_nothing_uses_may_have_any_name() {
    let change = |patched: Patched| {
        let symbol = unused(&Image::read(&patched.bytes));
        patched.symbol(symbol, |symbol, e| symbol.st_shndx.set(e, SHN_LIVEPATCH))
    };
    comes_of_changed(VMLINUX, change, Conclusion::Loads, &[]);
}

#[test]
fn a_klp_section_for_what_is_not_loaded_may_have_any_name() {
    let change = |patched: Patched| {
        patched.section(".comment", |s, e| {
            s.sh_flags.set(e, SectionFlags(s.sh_flags.get(e).0 | RELA_LIVEPATCH));
        })
    };
    let words = ["[section-name, ignored]", "is never applied"];
    comes_of_changed(VMLINUX, change, Conclusion::LoadsWrong, &words);
    // Each object that comes has the kernel read all names.
    let words = ["section .comment has an incorrectly formatted name"];
    comes_of_changed(MODULE, change, Conclusion::Refused, &words);
}

#[test]
fn section_0_is_no_klp_section() {
    for machine in machines() {
        let mut patched = Patched::new(converted(&machine, VMLINUX));
        let little = machine.name != "s390x";
        let table = &patched.bytes[40..48];
        let table = if little {
            u64::from_le_bytes(table.try_into().unwrap())
        } else {
            u64::from_be_bytes(table.try_into().unwrap())
        };
        let flags = usize::try_from(table).unwrap() + 8;
        let value =
            if little { RELA_LIVEPATCH.to_le_bytes() } else { RELA_LIVEPATCH.to_be_bytes() };
        patched.bytes[flags..flags + 8].copy_from_slice(&value);
        let verdict = judged(&machine, &patched);
        assert_eq!(verdict.conclusion(), Conclusion::Loads, "{}: {}", machine.name, says(&verdict));
    }
}

#[test]
fn a_gate_that_the_patch_does_not_have_is_never_written() {
    let change = |patched: Patched| {
        patched.rename_section(".klp.rela.vmlinux..text", ".klp.rela.klp_other..text")
    };
    let words =
        ["waits for 'klp_other', which this livepatch does not patch", "[vmlinux-symbol, ignored]"];
    comes_of_changed(VMLINUX, change, Conclusion::LoadsWrong, &words);
}

#[test]
fn a_section_without_a_type_has_a_name_and_contents() {
    let change =
        |patched: Patched| patched.section(".modinfo", |s, e| s.sh_type.set(e, SectionType(0)));
    comes_of_changed(VMLINUX, change, Conclusion::Loads, &[]);
}

#[test]
fn a_symbol_is_read_whatever_the_type_of_its_relocation() {
    let change = |patched: Patched| {
        patched.relocation(".rela.exit.data", 0, |rela, e| {
            rela.r_info = Rela64::r_info(e, false, 0x400_0000, RelocationType(0));
        })
    };
    for machine in machines() {
        let verdict = judged(&machine, &change(Patched::new(converted(&machine, VMLINUX))));
        let said = says(&verdict);
        assert_eq!(verdict.conclusion(), Conclusion::LoadsWrong, "{}: {said}", machine.name);
        let words = ["has no symbol 67108864", "[relocation-type, corrupted]"];
        assert!(words.iter().any(|word| said.contains(word)), "{}: {said}", machine.name);
    }
}

#[test]
fn tables_of_the_unwinder_have_as_many_entries_each() {
    let machine = machines().into_iter().find(|machine| machine.name == "x86_64").unwrap();
    for size in [0, 6, 7] {
        let patched = Patched::new(converted(&machine, VMLINUX));
        let patched = patched.section(".orc_unwind", |s, e| s.sh_size.set(e, size));
        let verdict = judged(&machine, &patched);
        assert_eq!(verdict.conclusion(), Conclusion::LoadsWrong, "{}", says(&verdict));
        assert!(
            says(&verdict).contains("do not have the same number of entries"),
            "{}",
            says(&verdict)
        );
    }
}

#[test]
fn a_symbol_that_the_loader_lets_stay_undefined_is_at_address_0() {
    let machine = machines().into_iter().find(|machine| machine.name == "x86_64").unwrap();
    let patched = Patched::new(converted(&machine, VMLINUX));
    let image = Image::read(&patched.bytes);
    let called = image.symbols.iter().position(|symbol| symbol.name == "seq_printf").unwrap();
    let verdict = judged(&machine, &patched.rename(called, "_GLOBAL_OFFSET_TABLE_"));
    assert_eq!(verdict.conclusion(), Conclusion::LoadsWrong, "{}", says(&verdict));
    assert!(says(&verdict).contains("leaves at address 0"), "{}", says(&verdict));
}

/// The table with the relocation of a key, and the entry.
fn key(image: &Image) -> (String, usize) {
    let table = image.sections.iter().find(|s| s.name == ".klp.rela.vmlinux.__jump_table").unwrap();
    let entry = table.relocations.iter().position(|rela| rela.offset % 16 == 8).unwrap();
    (table.name.clone(), entry)
}

#[test]
fn the_key_of_a_static_branch_is_a_variable() {
    let after = |patched: Patched| {
        let (table, entry) = key(&Image::read(&patched.bytes));
        patched.relocation(&table, entry, |rela, e| rela.r_addend.set(e, 0x7fff_0000))
    };
    comes_of_changed(KEY, after, Conclusion::LoadsWrong, &["and the kernel changes what is there"]);
    let code = |patched: Patched| {
        let image = Image::read(&patched.bytes);
        let (table, entry) = key(&image);
        let symbol = image.section(&table).relocations[entry].symbol as usize;
        patched.rename(symbol, ".klp.sym.vmlinux.nr_processes,0")
    };
    comes_of_changed(
        KEY,
        code,
        Conclusion::LoadsWrong,
        &["'nr_processes' is code, not a variable"],
    );
}

#[test]
fn the_distance_to_a_key_has_64_bits() {
    for machine in machines() {
        let patched = Patched::new(converted(&machine, KEY));
        let (table, entry) = key(&Image::read(&patched.bytes));
        // S + A - P of 32 bits.
        let kind = match machine.name {
            "x86_64" => 2,
            "s390x" => 5,
            "ppc64le" => 26,
            _ => 0x105,
        };
        let patched = patched.relocation(&table, entry, |rela, e| {
            let symbol = rela.r_sym(e, false);
            rela.r_info = Rela64::r_info(e, false, symbol, RelocationType(kind));
        });
        let verdict = judged(&machine, &patched);
        assert_ne!(verdict.conclusion(), Conclusion::Loads, "{}: {}", machine.name, says(&verdict));
    }
}

#[test]
fn relocations_under_their_name_and_another_type_are_never_applied() {
    let change = |patched: Patched| {
        patched.section(".rela.exit.data", |s, e| s.sh_type.set(e, SectionType(0xc)))
    };
    let words = ["KLP-E0410", "named as relocations, but of type 0xc"];
    comes_of_changed(VMLINUX, change, Conclusion::LoadsWrong, &words);
}

#[test]
fn a_relocation_at_load_of_a_modules_symbol_needs_that_module() {
    let change = |patched: Patched| {
        let image = Image::read(&patched.bytes);
        let klp = |s: &crate::image::Symbol| s.name.starts_with(".klp.sym.vmlinux.nr_processes");
        let symbol = image.symbols.iter().position(klp).unwrap();
        patched.rename(symbol, ".klp.sym.klp_target_a.klp_target_a_hidden,0")
    };
    let words = ["KLP-W0725", "loads only while 'klp_target_a' is loaded"];
    for machine in machines() {
        let verdict = judged(&machine, &change(Patched::new(converted(&machine, VMLINUX))));
        let said = says(&verdict);
        assert_eq!(verdict.conclusion(), Conclusion::Loads, "{}: {said}", machine.name);
        assert!(words.iter().all(|word| said.contains(word)), "{}: {said}", machine.name);
    }
}

#[test]
fn the_last_string_of_modinfo_ends_where_it_ends() {
    // Of the vermagic, the last one, the section has only a part.
    let change = |patched: Patched| {
        patched.section(".modinfo", |s, e| s.sh_size.set(e, s.sh_size.get(e) - 5))
    };
    let word = "'.modinfo' does not end with NUL, which the kernel ignores";
    comes_of_changed(VMLINUX, change, Conclusion::Loads, &[word]);
}

#[test]
fn a_relocation_of_relocations_is_written_before_they_are_read() {
    for machine in machines() {
        let patched = Patched::new(converted(&machine, MODULE));
        let image = Image::read(&patched.bytes);
        let klp = image.sections.iter().position(|s| s.name.starts_with(".klp.rela.klp_")).unwrap();
        let patched = patched
            .section(".rela.exit.data", |s, e| s.sh_info.set(e, u32::try_from(klp).unwrap()));
        let verdict = judged(&machine, &patched);
        let said = says(&verdict);
        assert_ne!(verdict.conclusion(), Conclusion::Loads, "{}: {said}", machine.name);
        // x86_64 refuses to write what is not 0.
        let word =
            if machine.name == "x86_64" { "[place, refused]" } else { "another table changes" };
        assert!(said.contains(word), "{}: {said}", machine.name);
    }
}

#[test]
fn the_name_of_a_section_without_a_type_is_read_and_not_checked() {
    let type_0 = |patched: Patched| {
        patched.section(".comment", |s, e| {
            s.sh_type.set(e, SectionType(0));
            s.sh_name.set(e, 0xffff_ffff);
        })
    };
    comes_of_changed(VMLINUX, type_0, Conclusion::LoadsWrong, &["the kernel reads other memory"]);
    for machine in machines() {
        let mut patched = Patched::new(converted(&machine, VMLINUX));
        let little = machine.name != "s390x";
        let table: [u8; 8] = patched.bytes[40..48].try_into().unwrap();
        let table = if little { u64::from_le_bytes(table) } else { u64::from_be_bytes(table) };
        let name = usize::try_from(table).unwrap();
        patched.bytes[name..name + 4].fill(0xff);
        let said = says(&judged(&machine, &patched));
        assert!(said.contains("section 0: name at 0xffffffff"), "{}: {said}", machine.name);
    }
}

#[test]
fn what_the_kernel_writes_to_is_no_part_of_a_section() {
    let place = |of: fn(&Patched) -> u64| {
        move |patched: Patched| {
            let offset = of(&patched);
            patched.section(".comment", |s, e| {
                s.sh_offset.set(e, offset);
                s.sh_size.set(e, 24);
            })
        }
    };
    let headers = |patched: &Patched| {
        let at: [u8; 8] = patched.bytes[40..48].try_into().unwrap();
        if patched.bytes[5] == 1 { u64::from_le_bytes(at) } else { u64::from_be_bytes(at) }
    };
    let word = "overlaps the section headers, to which the kernel writes";
    comes_of_changed(VMLINUX, place(headers), Conclusion::LoadsWrong, &[word]);
    let symbols = |patched: &Patched| {
        let mut offset = 0;
        Patched::new(patched.bytes.clone()).section(".symtab", |s, e| offset = s.sh_offset.get(e));
        offset
    };
    let word = "the kernel writes to its symbols";
    comes_of_changed(VMLINUX, place(symbols), Conclusion::LoadsWrong, &[word]);
    // The header of the file is only read.
    comes_of_changed(VMLINUX, place(|_| 8), Conclusion::Loads, &["overlaps the file's header"]);
}

#[test]
fn the_section_of_each_symbol_is_looked_at_of_the_null_symbol_too() {
    let change = |patched: Patched| {
        patched.symbol(0, |symbol, e| symbol.st_shndx.set(e, SymbolSection(0x8000)))
    };
    comes_of_changed(VMLINUX, change, Conclusion::LoadsWrong, &["the kernel reads other memory"]);
}
