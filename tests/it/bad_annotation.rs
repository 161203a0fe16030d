//! Malformed annotations are refused with their section and entry.

use object::elf::Rela64;

use crate::image::{Image, RELA};
use crate::machine::{Map, machines};
use crate::patch::Patched;
use crate::tool::Sandbox;

const ARRAY: &str = ".klp.module_relocs.vmlinux";
const RELOCATIONS: &str = ".rela.klp.module_relocs.vmlinux";

/// On every machine the patched module is refused with all of `words`.
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

#[track_caller]
fn array_refused(words: &[&str], patch: impl Fn(Patched, &Image) -> Patched) {
    refused("lp_homonyms_annotated.ko", words, patch);
}

/// Gives an entry of a relocation section another symbol.
fn against(patched: Patched, section: &str, entry: usize, symbol: usize) -> Patched {
    let symbol = u32::try_from(symbol).unwrap();
    patched.relocation(section, entry, |r, e| {
        r.r_info = Rela64::r_info(e, false, symbol, r.r_type(e, false));
    })
}

/// Writes the position of an entry of the array.
fn position(patched: Patched, entry: usize, position: u8) -> Patched {
    let at = patched.body(ARRAY).start + entry * 12 + 8;
    let mut patched = patched;
    // The one byte of a small number is the first or the last.
    let (first, last) = (patched.bytes[at], patched.bytes[at + 3]);
    assert!(first != last, "a small number that is not 0");
    patched.bytes[if first == 0 { at + 3 } else { at }] = position;
    patched
}

#[test]
fn an_array_of_a_wrong_length_is_refused() {
    let words =
        ["error[KLP-E0201]", ".klp.module_relocs.vmlinux: 0x14 bytes are not a whole number"];
    array_refused(&words, |patched, _| patched.section(ARRAY, |s, e| s.sh_size.set(e, 20)));
}

#[test]
fn an_entry_with_an_addend_is_refused() {
    let words = ["error[KLP-E0201]", ".klp.module_relocs.vmlinux[1]: 'set_root' with addend 0x8"];
    array_refused(&words, |patched, _| {
        patched.relocation(RELOCATIONS, 1, |r, e| r.r_addend.set(e, 8))
    });
}

#[test]
fn an_entry_without_a_relocation_is_refused() {
    let words = ["error[KLP-E0201]", ".klp.module_relocs.vmlinux[1]: no relocation names"];
    array_refused(&words, |patched, _| patched.section(RELOCATIONS, |s, e| s.sh_size.set(e, 24)));
}

#[test]
fn a_relocation_between_entries_is_refused() {
    let words =
        ["error[KLP-E0201]", ".klp.module_relocs.vmlinux+0x4: a relocation that belongs to no"];
    array_refused(&words, |patched, _| {
        patched.relocation(RELOCATIONS, 0, |r, e| r.r_offset.set(e, 4))
    });
}

#[test]
fn two_relocations_of_one_entry_are_refused() {
    let words =
        ["error[KLP-E0201]", ".klp.module_relocs.vmlinux+0x0: a relocation that belongs to no"];
    array_refused(&words, |patched, _| {
        patched.relocation(RELOCATIONS, 1, |r, e| r.r_offset.set(e, 0))
    });
}

#[test]
fn an_annotation_of_a_symbol_that_nothing_uses_is_refused() {
    let words =
        ["error[KLP-E0203]", ".klp.module_relocs.vmlinux[1]: 'set_root' is annotated, but nothing"];
    array_refused(&words, |mut patched, image| {
        let symbol = |name: &str| image.symbols.iter().position(|s| s.name == name).unwrap();
        let (root, other) = (symbol("set_root"), symbol("seq_printf"));
        for section in image.sections.iter().filter(|s| s.kind == RELA && s.name != RELOCATIONS) {
            for (entry, relocation) in section.relocations.iter().enumerate() {
                if relocation.symbol as usize == root {
                    patched = against(patched, &section.name, entry, other);
                }
            }
        }
        patched
    });
}

#[test]
fn two_annotations_that_contradict_each_other_are_refused() {
    let words = [
        "error[KLP-E0202]",
        "'set_is_seen' is annotated as vmlinux,1 (.klp.module_relocs.vmlinux[0])",
        "and as vmlinux,2 (.klp.module_relocs.vmlinux[1])",
        "KLP_RELOC_SYMBOL_POS(vmlinux, vmlinux, set_is_seen, 2)",
    ];
    array_refused(&words, |patched, image| {
        let seen = image.section(RELOCATIONS).relocations[0].symbol;
        against(patched, RELOCATIONS, 1, seen as usize)
    });
}

#[test]
fn an_annotation_of_a_symbol_that_the_module_defines_is_refused() {
    let words = ["error[KLP-E0201]", "[0]: 'lp_show' is defined in this module"];
    array_refused(&words, |patched, image| {
        let own = image.symbols.iter().position(|s| s.name == "lp_show").unwrap();
        against(patched, RELOCATIONS, 0, own)
    });
}

#[test]
fn a_position_that_does_not_exist_is_refused_with_those_that_do() {
    let words = [
        "error[KLP-E0104]",
        "'set_root' is annotated with position 3, but 'vmlinux' has 2 of them",
        "KLP_SYMPOS(set_root, 1)",
        "KLP_SYMPOS(set_root, 2)",
    ];
    array_refused(&words, |patched, _| position(patched, 1, 3));
}

#[test]
fn position_0_of_a_homonym_is_refused_with_the_positions_that_exist() {
    let words = [
        "error[KLP-E0103]",
        "'set_root' is annotated with position 0 (unique), but 'vmlinux' has 2 of them",
        "KLP_SYMPOS(set_root, 1)",
        "KLP_SYMPOS(set_root, 2)",
    ];
    array_refused(&words, |patched, _| position(patched, 1, 0));
}

#[test]
fn a_malformed_object_name_is_refused() {
    let words = ["error[KLP-E0201]", ".klp.module_relocs.vmli.ux", "contains '.'"];
    array_refused(&words, |patched, _| {
        patched.replace(ARRAY.as_bytes(), b".klp.module_relocs.vmli.ux")
    });
}

#[test]
fn an_object_that_no_source_has_is_refused_with_similar_ones() {
    let words = ["error[KLP-E0105]", "which no symbol source describes", "klp_target_a"];
    array_refused(&words, |patched, _| {
        patched.replace(ARRAY.as_bytes(), b".klp.module_relocs.vmlinuz")
    });
}

#[test]
fn annotated_names_with_a_missing_part_are_refused() {
    let whole = b".klp.sym.rela.vmlinux.vmlinux.set_is_seen.1";
    for (broken, words) in [
        (&b".klp.sym.rela.vmlinux.vmlinux.set_is_seen.x"[..], "'x' is not a symbol position"),
        (b".klp.sym.rela.vmlinux.vmlinux.set_is_seen1.", "'' is not a symbol position"),
        (b".klp.sym.rela.vmlinux.vmlinux_set_is_seen_1", "GATE.OWNER.SYMBOL.POSITION"),
        (b".klp.sym.rela.vmlinux_vmlinux_set_is_seen_1", "GATE.OWNER.SYMBOL.POSITION"),
        (b".klp.sym.rela.vmlinux.vmlinux.set,is_seen.1", "contains ','"),
        (b".klp.sym.rela..vmlinux_vmlinu.set_is_seen.1", "object name is empty"),
    ] {
        let shown = String::from_utf8_lossy(broken).into_owned();
        refused("lp_two_positions.ko", &["error[KLP-E0201]", &shown, words], |patched, _| {
            patched.replace(whole, broken)
        });
    }
}

#[test]
fn a_vmlinux_symbol_gated_on_a_module_is_refused() {
    let words = ["error[KLP-E0301]", "a vmlinux symbol cannot wait for module 'vmlinuz'"];
    refused("lp_two_positions.ko", &words, |patched, _| {
        let name = b".klp.sym.rela.vmlinux.vmlinux.set_is_seen.1";
        patched.replace(name, b".klp.sym.rela.vmlinuz.vmlinux.set_is_seen.1")
    });
}
