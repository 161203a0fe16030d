//! Malformed modules are refused with the location of the fault, and no file is left.

use klp_convert::convert::convert;
use klp_convert::findings::Error;
use klp_convert::options::Options;
use klp_convert::symbols::{ModuleFile, Sources, Symvers, Vmlinux};
use object::elf::{
    ET_EXEC, Machine as ElfMachine, Rela64, SHT_PROGBITS, SHT_REL, SHT_SYMTAB, SectionType,
};

use crate::image::Image;
use crate::machine::{Machine, Map, machines};
use crate::patch::{Patched, Random};
use crate::tool::Sandbox;

const MODULE: &str = "lp_homonyms_annotated.ko";

/// On every machine the patched module is refused with all of `words`.
#[track_caller]
fn refused(words: &[&str], patch: impl Fn(Patched, &Image) -> Patched) {
    for machine in machines() {
        let bytes = machine.read(MODULE);
        let image = Image::read(&bytes);
        refused_bytes(&machine, &patch(Patched::new(bytes), &image).bytes, words);
    }
}

#[track_caller]
fn refused_bytes(machine: &Machine, bytes: &[u8], words: &[&str]) {
    let bench = Sandbox::new();
    let input = bench.file("in.ko", bytes);
    let words = [&[input.to_str().unwrap()], words].concat();
    bench.refuses(&input, machine.map(Map::Elf), &words);
}

#[test]
fn a_truncated_module_is_refused_wherever_it_ends() {
    for machine in machines() {
        let bytes = machine.read(MODULE);
        let whole = bytes.len();
        for length in [0, 1, 4, 16, 63, 64, 65, 1000, whole / 2, whole - 64 * 3, whole - 1] {
            refused_bytes(&machine, &bytes[..length], &["error[KLP-E0001]"]);
        }
    }
}

#[test]
fn a_module_with_flipped_bits_is_converted_or_refused_and_never_stops_the_program() {
    for machine in machines() {
        let bytes = machine.read(MODULE);
        let mut sources = Sources::new();
        sources.push(Vmlinux::new(machine.path("vmlinux.cut")));
        sources.push(ModuleFile::new(machine.path("klp_target_a.ko")));
        sources.push(Symvers::new(machine.path("Module.symvers")));
        let mut random = Random(u64::from(Image::read(&bytes).machine));
        let (mut converted, mut refused) = (0, 0);
        for _ in 0..300 {
            let mut flipped = bytes.clone();
            // One to eight bits, every other time in the headers of the sections.
            for _ in 0..=random.below(8) {
                let from = if random.below(2) == 0 { 0 } else { bytes.len() - 64 * 30 };
                flipped[from + random.below(bytes.len() - from)] ^= 1 << random.below(8);
            }
            match convert(&flipped, &sources, &Options::default()) {
                Ok(conversion) => {
                    // The output can at least be read again.
                    assert!(!matches!(
                        klp_convert::check::check(
                            &conversion.bytes,
                            &Sources::new(),
                            &Options::default()
                        ),
                        Err(Error::Elf(_))
                    ));
                    converted += 1;
                }
                Err(failure) => {
                    assert!(!matches!(failure, Error::Verify(_)), "{failure}");
                    assert!(!failure.diagnostics("in.ko").is_empty());
                    refused += 1;
                }
            }
        }
        assert!(converted > 10 && refused > 50, "{} {converted} {refused}", machine.name);
    }
}

#[test]
fn a_file_that_is_not_elf_is_refused() {
    for machine in machines() {
        refused_bytes(&machine, b"klp-convert-symbol-data.0.1\n*vmlinux\n", &["bytes"]);
        refused_bytes(&machine, &[b'x'; 100], &["not with the ELF magic number"]);
    }
}

#[test]
fn a_module_of_an_unknown_machine_is_refused() {
    refused(&["error[KLP-E0002]", "e_machine 999 is not one of "], |patched, _| {
        patched.header(|h, e| h.e_machine.set(e, ElfMachine(999)))
    });
}

#[test]
fn a_module_of_another_machine_than_the_kernel_is_refused() {
    let all = machines();
    for machine in &all {
        let other = all.iter().find(|other| other.name != machine.name).unwrap();
        let said =
            format!("for {}, the symbols are from a kernel for {}", machine.name, other.name);
        let bench = Sandbox::new();
        let input = machine.path(MODULE);
        bench.refuses(&input, other.map(Map::Elf), &["error[KLP-E0004]", &said]);
    }
}

#[test]
fn a_32_bit_module_is_refused() {
    refused(&["ELF class 1 is not supported"], |patched, _| {
        patched.header(|h, _| h.e_ident.class = object::elf::ELFCLASS32)
    });
}

#[test]
fn a_linked_program_is_refused() {
    refused(&["ELF type 2 is not a relocatable file"], |patched, _| {
        patched.header(|h, e| h.e_type.set(e, ET_EXEC))
    });
}

#[test]
fn a_module_without_a_symbol_table_is_refused() {
    refused(&["no symbol table"], |patched, _| {
        patched.section(".symtab", |s, e| s.sh_type.set(e, SHT_PROGBITS))
    });
}

#[test]
fn a_module_with_two_symbol_tables_is_refused() {
    refused(&["is another symbol table beside section", "'.rela.text'"], |patched, image| {
        let strtab = image.section(".symtab").link;
        patched.section(".rela.text", |s, e| {
            s.sh_type.set(e, SHT_SYMTAB);
            s.sh_link.set(e, strtab);
        })
    });
}

#[test]
fn relocations_without_addends_are_refused() {
    refused(
        &["error[KLP-E0410]", "'.rela.text': relocations without addends (SHT_REL)"],
        |patched, _| {
            patched.section(".rela.text", |s, e| {
                s.sh_type.set(e, SHT_REL);
                s.sh_entsize.set(e, 16);
                s.sh_size.set(e, 16);
            })
        },
    );
}

#[test]
fn a_section_name_outside_the_names_is_refused() {
    refused(&["name at 0xfffffff0"], |patched, _| {
        patched.section(".comment", |s, e| s.sh_name.set(e, 0xffff_fff0))
    });
}

#[test]
fn a_symbol_name_outside_the_names_is_refused() {
    refused(&["symbol 3: name at 0xfffffff0"], |patched, _| {
        patched.symbol(3, |s, e| s.st_name.set(e, 0xffff_fff0))
    });
}

#[test]
fn a_name_table_that_does_not_end_is_refused() {
    refused(&["'.strtab' does not end with NUL"], |patched, _| {
        patched.contents(".strtab", |bytes| *bytes.last_mut().unwrap() = b'x')
    });
}

#[test]
fn a_relocation_against_a_missing_symbol_is_refused() {
    refused(&["'.rela.text': relocation 1 names symbol 99999 of"], |patched, _| {
        patched.relocation(".rela.text", 1, |r, e| {
            r.r_info = Rela64::r_info(e, false, 99_999, r.r_type(e, false));
        })
    });
}

#[test]
fn a_relocation_beyond_its_section_is_refused() {
    refused(&["error[KLP-E0401]", ".rela.text[0] → .text+0x10000000"], |patched, _| {
        patched.relocation(".rela.text", 0, |r, e| r.r_offset.set(e, 0x1000_0000))
    });
}

#[test]
fn a_relocation_that_the_loader_does_not_know_is_refused() {
    refused(
        &["error[KLP-E0401]", ".rela.text[0] → .text+0x", "does not know this relocation"],
        |patched, _| {
            patched.relocation(".rela.text", 0, |r, e| {
                let symbol = r.r_sym(e, false);
                r.r_info = Rela64::r_info(e, false, symbol, object::elf::RelocationType(200));
            })
        },
    );
}

#[test]
fn overlapping_sections_are_refused() {
    refused(&["'.text'", "overlaps section", "'.data'"], |patched, _| {
        let data = patched.body(".data").start as u64;
        patched.section(".text", |s, e| s.sh_offset.set(e, data))
    });
    refused(&["'.text'", "overlaps the file's header"], |patched, _| {
        patched.section(".text", |s, e| s.sh_offset.set(e, 8))
    });
}

#[test]
fn links_in_a_circle_are_refused() {
    refused(&["sh_link leads back to itself"], |patched, image| {
        let symtab = image.sections.iter().position(|s| s.name == ".symtab").unwrap();
        let symtab = u32::try_from(symtab).unwrap();
        patched.section(".strtab", |s, e| s.sh_link.set(e, symtab))
    });
}

#[test]
fn a_section_or_a_table_beyond_the_end_of_the_file_is_refused() {
    refused(&["'.text'", "ends beyond the file"], |patched, _| {
        patched.section(".text", |s, e| s.sh_size.set(e, u64::MAX))
    });
    refused(&["section header table of", "ends beyond the file"], |patched, _| {
        patched.header(|h, e| h.e_shoff.set(e, u64::MAX - 63))
    });
    refused(&["section header table of", "ends beyond the file"], |patched, _| {
        patched.header(|h, e| h.e_shnum.set(e, 0xfeff))
    });
}

#[test]
fn a_link_to_a_missing_section_is_refused() {
    refused(
        &["error[KLP-E0410]", "'.rela.text': sh_info 65000 names no loaded section"],
        |patched, _| patched.section(".rela.text", |s, e| s.sh_info.set(e, 65_000)),
    );
}

#[test]
fn an_alignment_that_is_not_a_power_of_two_is_refused() {
    refused(&["'.data': alignment 24 is not a power of two"], |patched, _| {
        patched.section(".data", |s, e| s.sh_addralign.set(e, 24))
    });
}

#[test]
fn sections_of_unknown_types_are_kept() {
    for machine in machines() {
        let patched = Patched::new(machine.read(MODULE));
        let kind = SectionType(0x6fff_1234);
        let patched = patched.section(".comment", |s, e| s.sh_type.set(e, kind));
        let bench = Sandbox::new();
        let input = bench.file("in.ko", &patched.bytes);
        bench.convert(&input, &machine, Map::Elf).done();
        let before = Image::read(&patched.bytes);
        let after = Image::read(&bench.written());
        assert_eq!(after.section(".comment").kind, kind.0);
        assert_eq!(after.section(".comment").body, before.section(".comment").body);
    }
}

#[test]
fn a_module_that_is_not_marked_as_a_livepatch_is_refused() {
    let words = ["error[KLP-E0401]", ".modinfo: no 'livepatch='", "[livepatch-marker, refused]"];
    refused(&words, |patched, _| patched.replace(b"\0livepatch=Y\0", b"\0livepotch=Y\0"));
}
