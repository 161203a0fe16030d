//! Selectors that cannot be read, or that match no single symbol, are refused with their location.

use std::process::Command;

use object::elf::Rela64;

use crate::fixtures::installed;
use crate::header::compiler;
use crate::image::Image;
use crate::machine::{Map, machines};
use crate::patch::Patched;
use crate::tool::Sandbox;

const SELECTORS: &str = ".klp.selectors";
const RELOCATIONS: &str = ".rela.klp.selectors";
const MODULE: &str = "lp_selector_file.ko";
/// Bytes of a record, and the offsets of its fields.
const SIZE: usize = 1152;
const RECORD_SIZE: usize = 8;
const VERSION: usize = 12;
const KIND: usize = 13;
const RESERVED: usize = 14;
const OWNER: usize = 16;
const PATCHED: usize = 72;
const NAME: usize = 128;
const TEXT: usize = 640;

/// On every machine, and so in both byte orders, the patched module is refused with all of `words`.
#[track_caller]
fn refused(module: &str, words: &[&str], patch: impl Fn(Patched, &Image) -> Patched) {
    for machine in machines() {
        let bytes = machine.read(module);
        let image = Image::read(&bytes);
        let bench = Sandbox::new();
        let input = bench.file("in.ko", &patch(Patched::new(bytes), &image).bytes);
        bench.refuses(&input, machine.map(Map::Elf), words);
    }
}

/// Writes bytes into the record of this number.
fn write(patched: Patched, record: usize, field: usize, new: &[u8]) -> Patched {
    patched.contents(SELECTORS, |body| {
        let at = record * SIZE + field;
        body[at..at + new.len()].copy_from_slice(new);
    })
}

/// A module is refused with a malformed record 1.
#[track_caller]
fn malformed(field: usize, new: &[u8], words: &str) {
    let words = ["error[KLP-E0201]", &format!(".klp.selectors[1]: {words}")];
    refused(MODULE, &words, |patched, _| write(patched, 1, field, new));
}

#[test]
fn a_section_that_ends_within_a_record_is_refused() {
    let words =
        ["error[KLP-E0201]", ".klp.selectors[2]: a selector cannot have 1152 bytes when 1144 are"];
    let short = 3 * SIZE as u64 - 8;
    refused(MODULE, &words, |patched, _| {
        patched.section(SELECTORS, |s, e| s.sh_size.set(e, short))
    });
    let words =
        ["error[KLP-E0201]", ".klp.selectors[2]: a selector cannot have 0 bytes when 8 are left"];
    let short = 2 * SIZE as u64 + 8;
    refused(MODULE, &words, |patched, _| {
        patched.section(SELECTORS, |s, e| s.sh_size.set(e, short))
    });
}

#[test]
fn a_size_that_no_record_can_have_is_refused() {
    for (new, shown) in [(0, "0"), (8, "8"), (1156, "1156"), (0xffff_fff8_u32, "4294967288")] {
        let words = [
            "error[KLP-E0201]",
            &format!(".klp.selectors[1]: a selector cannot have {shown} bytes when 2304 are left"),
        ];
        for machine in machines() {
            let bench = Sandbox::new();
            let big = machine.name == "s390x";
            let new = if big { new.to_be_bytes() } else { new.to_le_bytes() };
            let patched = write(Patched::new(machine.read(MODULE)), 1, RECORD_SIZE, &new);
            let input = bench.file("in.ko", &patched.bytes);
            bench.refuses(&input, machine.map(Map::Elf), &words);
        }
    }
}

#[test]
fn a_size_that_does_not_fit_the_version_is_refused() {
    for machine in machines() {
        let bench = Sandbox::new();
        let big = machine.name == "s390x";
        let new = if big { 2304_u32.to_be_bytes() } else { 2304_u32.to_le_bytes() };
        let patched = write(Patched::new(machine.read(MODULE)), 1, RECORD_SIZE, &new);
        let input = bench.file("in.ko", &patched.bytes);
        let words = ["error[KLP-E0201]", "[1]: a selector of version 1 has 1152 bytes, not 2304"];
        bench.refuses(&input, machine.map(Map::Elf), &words);
    }
}

#[test]
fn another_version_is_refused_and_the_records_after_it_are_read() {
    malformed(VERSION, &[2], "a selector of version 2: its klp-convert.h does not match");
    let words = [
        ".klp.selectors[0]: a selector of version 0",
        ".klp.selectors[2]: selector of unknown kind",
    ];
    refused(MODULE, &words, |patched, _| {
        let patched = write(patched, 0, VERSION, &[0]);
        write(patched, 2, KIND, &[9])
    });
}

#[test]
fn what_a_later_version_may_define_is_not_ignored() {
    malformed(KIND, &[0], "selector of unknown kind 0");
    malformed(KIND, &[5], "selector of unknown kind 5");
    malformed(RESERVED, &[1, 0], "reserved bytes are not 0");
    malformed(RESERVED, &[0, 1], "reserved bytes are not 0");
}

#[test]
fn texts_end_within_their_fields_and_nothing_follows_them() {
    malformed(OWNER, &[b'a'; 56], "the field 'owner' is not terminated");
    malformed(PATCHED, &[b'a'; 56], "the field 'patched' is not terminated");
    malformed(NAME, &[b'a'; 512], "the field 'name' is not terminated");
    malformed(TEXT, &[b'a'; 512], "the field 'text' is not terminated");
    malformed(OWNER + 55, b"x", "the field 'owner' has bytes after its end");
    malformed(PATCHED + 1, b"x", "the field 'patched' has bytes after its end");
    malformed(NAME + 511, b"x", "the field 'name' has bytes after its end");
    malformed(TEXT + 511, b"x", "the field 'text' has bytes after its end");
    malformed(TEXT, b"\xff", "the field 'text' is not UTF-8");
}

#[test]
fn names_and_paths_must_be_well_formed() {
    malformed(OWNER, &[0; 56], "object name is empty");
    malformed(OWNER, b"vm.inux", "object name 'vm.inux' contains '.'");
    malformed(PATCHED, b"a,b", "object name 'a,b' contains ','");
    malformed(NAME, b"a,", "symbol name 'a,");
    malformed(TEXT, &[0; 512], "the source file is empty");
    malformed(TEXT, b"/../", "source file '/../");
    malformed(TEXT, b"a\nb", "source file \"a\\nb");
}

#[test]
fn a_record_and_its_relocation_belong_together() {
    let words = ["error[KLP-E0201]", ".klp.selectors[2]: no relocation names"];
    refused(MODULE, &words, |patched, _| patched.section(RELOCATIONS, |s, e| s.sh_size.set(e, 48)));
    for offset in [8, SIZE as u64, 2 * SIZE as u64 + 16] {
        let words = ["error[KLP-E0201]", &format!(".klp.selectors+{offset:#x}: a relocation that")];
        refused(MODULE, &words, |patched, _| {
            patched.relocation(RELOCATIONS, 0, |r, e| r.r_offset.set(e, offset))
        });
    }
    let words = ["error[KLP-E0201]", ".klp.selectors[0]: 'set_root' with addend 0x8"];
    refused(MODULE, &words, |patched, _| {
        patched.relocation(RELOCATIONS, 0, |r, e| r.r_addend.set(e, 8))
    });
}

/// Gives the record of this number another symbol.
fn against(patched: Patched, record: usize, symbol: usize) -> Patched {
    let symbol = u32::try_from(symbol).unwrap();
    patched.relocation(RELOCATIONS, record, |r, e| {
        r.r_info = Rela64::r_info(e, false, symbol, r.r_type(e, false));
    })
}

#[test]
fn a_selector_of_a_symbol_that_the_module_defines_is_refused() {
    let words = ["error[KLP-E0201]", ".klp.selectors[0]: 'lp_show' is defined in this module"];
    refused(MODULE, &words, |patched, image| {
        let own = image.symbols.iter().position(|s| s.name == "lp_show").unwrap();
        against(patched, 0, own)
    });
}

#[test]
fn selectors_that_contradict_each_other_are_refused() {
    let words = [
        "error[KLP-E0202]",
        "is annotated as vmlinux, from 'kernel/ucount.c' (.klp.selectors[1])",
        "and as vmlinux, from 'kernel/pid.c' (.klp.selectors[2])",
        ".name = \"set_is_seen\"",
    ];
    refused(MODULE, &words, |patched, image| {
        let seen = image.symbols.iter().position(|s| s.name == "seen_of_ucount").unwrap();
        write(against(patched, 2, seen), 2, NAME, b"set_is_seen")
    });
}

#[test]
fn a_selector_and_a_position_of_one_symbol_are_refused() {
    let words = [
        "error[KLP-E0202]",
        "'set_root' is annotated as vmlinux,2 (.klp.module_relocs.vmlinux[1])",
        "and as vmlinux, from 'ucount.c' (.klp.selectors[0])",
    ];
    for machine in machines() {
        let bytes = machine.read("lp_homonyms_annotated.ko");
        let bench = Sandbox::new();
        let both = bench.path("both.ko");
        let gcc = compiler(machine.name);
        if !installed(gcc) {
            continue;
        }
        let first = bench.file("first.ko", &bytes);
        let linked = Command::new(gcc)
            .args(["-r", "-nostdlib", "-Wl,--allow-multiple-definition", "-o"])
            .args([&both, &first, &machine.path(MODULE)])
            .output()
            .unwrap();
        assert!(linked.status.success(), "{}", String::from_utf8_lossy(&linked.stderr));
        bench.refuses(&both, machine.map(Map::Elf), &words);
    }
}

#[test]
fn a_selector_that_nothing_uses_is_refused() {
    let words = ["error[KLP-E0203]", ".klp.selectors[0]: 'set_root' is annotated, but nothing"];
    refused(MODULE, &words, |mut patched, image| {
        let symbol = |name: &str| image.symbols.iter().position(|s| s.name == name).unwrap();
        let (root, other) = (symbol("set_root"), u32::try_from(symbol("seq_printf")).unwrap());
        for section in image.sections.iter().filter(|s| s.name != RELOCATIONS) {
            for (entry, relocation) in section.relocations.iter().enumerate() {
                if relocation.symbol as usize == root {
                    patched = patched.relocation(&section.name, entry, |r, e| {
                        r.r_info = Rela64::r_info(e, false, other, r.r_type(e, false));
                    });
                }
            }
        }
        patched
    });
}

#[test]
fn a_selector_without_a_match_is_refused_with_candidates_and_lines_to_paste() {
    let words = [
        "error[KLP-E0109]",
        "'set_root' is selected from 'ucounx.c', but none of 2 in 'vmlinux' is known",
        "position 2, at 0x",
        "KLP_SYMBOL_IN(vmlinux, set_root, \"ucount.c\");",
        "KLP_SYMPOS(set_root, 2)",
    ];
    refused(MODULE, &words, |patched, _| write(patched, 0, TEXT, b"ucounx.c"));
    let words = ["error[KLP-E0105]", "'set_root' is annotated as belonging to 'vmlinuz'"];
    refused(MODULE, &words, |patched, _| write(patched, 0, OWNER, b"vmlinuz"));
}

#[test]
fn neighbours_of_no_use_are_refused_with_the_reason() {
    let module = "lp_selector_neighbour.ko";
    let record = |image: &Image, name: &str| {
        let relocations = &image.section(RELOCATIONS).relocations;
        let of = relocations.iter().find(|r| image.symbol_of(r) == name).unwrap();
        usize::try_from(of.offset).unwrap() / SIZE
    };
    let text = |text: &str| {
        let mut bytes = [0; 512];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        bytes
    };
    for (neighbour, code, words) in [
        ("klp_target_a_hidden2", "KLP-E0101", "'klp_homonym' is selected next to it"),
        ("klp_target_a_second", "KLP-E0111", "has source files for static symbols only"),
        ("klp_homonym_value", "KLP-E0109", "is in several source files"),
    ] {
        refused(module, &[&format!("error[{code}]"), neighbour, words], |patched, image| {
            write(patched, record(image, "klp_homonym"), TEXT, &text(neighbour))
        });
    }
}
