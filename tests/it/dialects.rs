//! The conversion of both historical dialects, section by section and relocation by relocation,
//! without the defects of the C tools.

use std::collections::BTreeSet;
use std::ffi::OsString;

use crate::image::{ALLOC, INFO_LINK, Image, RELA, RELA_LIVEPATCH, SHN_LIVEPATCH};
use crate::machine::{Machine, Map, machines};
use crate::patch::Patched;
use crate::tool::{Sandbox, run};

/// A fixture before and after its conversion.
fn converted(machine: &Machine, name: &str) -> (Image, Image) {
    let bench = Sandbox::new();
    bench.convert(&machine.path(name), machine, Map::Elf).done();
    (Image::read(&machine.read(name)), Image::read(&bench.written()))
}

/// The klp sections and the klp symbols that they use, as `section → symbol`.
fn klp_uses(image: &Image) -> BTreeSet<String> {
    let mut uses = BTreeSet::new();
    for section in image.klp_sections() {
        for relocation in &section.relocations {
            uses.insert(format!("{} → {}", section.name, image.symbol_of(relocation)));
        }
    }
    uses
}

#[test]
fn klp_sections_have_the_form_that_the_kernel_documents() {
    for machine in machines() {
        for name in machine.convertible() {
            let (_, after) = converted(&machine, &name);
            let symtab = after.sections.iter().position(|s| s.name == ".symtab").unwrap();
            assert!(after.klp_sections().count() > 0);
            for section in after.klp_sections() {
                assert_eq!(section.kind, RELA);
                assert_eq!(section.flags, ALLOC | INFO_LINK | RELA_LIVEPATCH);
                assert_eq!((section.align, section.entry_size, section.address), (8, 24, 0));
                assert_eq!(section.link as usize, symtab);
                let target = &after.sections[section.info as usize];
                let (gate, patched) =
                    section.name["klp.rela.".len() + 1..].split_once('.').unwrap();
                assert!(["vmlinux", "klp_target_a"].contains(&gate), "{}", section.name);
                assert_eq!(patched, target.name);
                assert!(!section.relocations.is_empty(), "{}", section.name);
            }
        }
    }
}

#[test]
fn klp_symbols_are_livepatch_symbols_with_value_0_and_no_other_relocation_names_them() {
    for machine in machines() {
        for name in machine.convertible() {
            let (before, after) = converted(&machine, &name);
            for section in after.sections.iter().filter(|s| s.kind == RELA) {
                for relocation in &section.relocations {
                    let symbol = &after.symbols[relocation.symbol as usize];
                    let klp = symbol.section == SHN_LIVEPATCH;
                    assert_eq!(klp, section.is_klp(), "{name} {} {symbol:?}", section.name);
                    assert_eq!(klp, symbol.name.starts_with(".klp.sym."), "{symbol:?}");
                    assert!(!klp || symbol.value == 0);
                }
            }
            assert!(before.symbols.iter().all(|s| s.section != SHN_LIVEPATCH));
        }
    }
}

#[test]
fn annotations_leave_no_section_no_symbol_and_no_name() {
    for machine in machines() {
        for name in machine.convertible() {
            let (before, after) = converted(&machine, &name);
            let names = |image: &Image| -> BTreeSet<String> {
                let sections = image.sections.iter().map(|s| s.name.clone());
                sections.chain(image.symbols.iter().map(|s| s.name.clone())).collect()
            };
            let removed: BTreeSet<_> = names(&before).difference(&names(&after)).cloned().collect();
            assert!(!removed.is_empty());
            for table in [".strtab", ".shstrtab"] {
                let body = &after.section(table).body;
                for string in body.split(|&b| b == 0).map(String::from_utf8_lossy) {
                    assert!(!removed.contains(&*string), "{name}: '{string}' is left in {table}");
                }
            }
            for left in names(&after) {
                assert!(!left.contains(".klp.module_relocs."), "{name}: {left}");
                assert!(!left.contains("klp.selectors"), "{name}: {left}");
                assert!(!left.starts_with(".klp.sym.rela."), "{name}: {left}");
            }
        }
    }
}

#[test]
fn the_same_symbols_annotated_in_both_dialects_and_inferred_give_the_same_klp_relocations() {
    for machine in machines() {
        let uses = |name| klp_uses(&converted(&machine, name).1);
        let inferred = uses("lp_vmlinux_inferred.ko");
        assert!(!inferred.is_empty());
        assert_eq!(uses("lp_vmlinux_annotated_array.ko"), inferred, "{}", machine.name);
        assert_eq!(uses("lp_vmlinux_annotated_name.ko"), inferred, "{}", machine.name);
    }
}

/// klp-convert v7 prepended each entry, which reversed relocations and symbols, and sorted its list
/// by name, which lost the addresses of positions.
#[test]
fn relocations_keep_their_order() {
    for machine in machines() {
        for name in machine.convertible() {
            let (before, after) = converted(&machine, &name);
            for section in after.klp_sections() {
                let target = &after.sections[section.info as usize].name;
                let plain = format!(".rela{target}");
                let offsets = before.section(&plain).relocations.iter().map(|r| r.offset);
                let moved: Vec<_> = section.relocations.iter().map(|r| r.offset).collect();
                let moved_set: BTreeSet<_> = moved.iter().copied().collect();
                let expected: Vec<_> = offsets.filter(|o| moved_set.contains(o)).collect();
                assert_eq!(moved, expected, "{} {name} {}", machine.name, section.name);
            }
        }
    }
}

#[test]
fn positions_in_vmlinux_follow_addresses_not_the_symbol_table() {
    for machine in machines() {
        let vmlinux = Image::read(&machine.read("vmlinux.cut"));
        let mut homonyms = vmlinux.symbols.iter().filter(|s| s.name == "set_root");
        let (first, second) = (homonyms.next().unwrap(), homonyms.next().unwrap());
        assert!(first.value > second.value, "{}: the two orders agree", machine.name);
        let bytes = machine.read("lp_homonym_unannotated.ko");
        let index = Image::read(&bytes).symbols.iter().position(|s| s.name == "set_is_seen");
        let bench = Sandbox::new();
        let patched = Patched::new(bytes).rename(index.unwrap(), "set_root");
        let input = bench.file("in.ko", &patched.bytes);
        let (lower, higher) = (format!("{:#x}", second.value), format!("{:#x}", first.value));
        bench.convert(&input, &machine, Map::Elf).refused(&[
            &format!("set_root, position 1, at {lower}"),
            &format!("set_root, position 2, at {higher}"),
        ]);
    }
}

/// klp-convert v7 treated a module's undefined symbols as its own.
#[test]
fn an_undefined_symbol_of_a_module_is_not_a_candidate() {
    for machine in machines() {
        let other = machine.path("lp_vmlinux_annotated_array.ko");
        let image = Image::read(&std::fs::read(&other).unwrap());
        assert_eq!(image.symbol("nr_processes").section, 0, "undefined there");
        let bench = Sandbox::new();
        let further = [machine.map(Map::Elf), vec!["--module".into(), other.into()]].concat();
        bench.convert_with(&machine.path("lp_vmlinux_inferred.ko"), further).done();
        let after = Image::read(&bench.written());
        assert_eq!(after.symbol(".klp.sym.vmlinux.nr_processes,0").section, SHN_LIVEPATCH);
    }
}

/// klp-convert v7 kept the dash of a file name in the object's name, which no loaded module has.
#[test]
fn a_dash_in_the_name_of_a_module_becomes_an_underscore() {
    for machine in machines() {
        let expected = klp_uses(&converted(&machine, "lp_module_symbols.ko").1);
        let bench = Sandbox::new();
        let list = String::from_utf8(machine.read("symbols.klp")).unwrap();
        let list = list.replace("*klp_target_a\n", "*klp-target-a\n");
        let list = bench.file("symbols.klp", list.as_bytes());
        let dashed = bench.file("klp-target-a.ko", &machine.read("klp_target_a.ko"));
        let vmlinux = machine.path("vmlinux.cut");
        let exports = machine.path("Module.symvers");
        let by_list: Vec<OsString> = vec!["-s".into(), list.into()];
        let by_file: Vec<OsString> = vec![
            "--vmlinux".into(),
            vmlinux.into(),
            "--module".into(),
            dashed.into(),
            "--symvers".into(),
            exports.into(),
        ];
        for map in [by_list, by_file] {
            bench.convert_with(&machine.path("lp_module_symbols.ko"), map).done();
            assert_eq!(klp_uses(&Image::read(&bench.written())), expected, "{}", machine.name);
        }
    }
}

/// klp-convert v7 recognised an export by `__ksymtab_`, which today's object files no longer have.
#[test]
fn an_export_is_recognised_by_the_mark_that_modpost_reads() {
    for machine in machines() {
        let list = String::from_utf8(machine.read("symbols.klp")).unwrap();
        assert!(list.contains("\n__export_symbol_klp_target_a_exported\n"));
        assert!(!list.contains("__ksymtab_klp_target_a_exported"));
        let words = ["convert", "--dry-run", "--keep-module-exports", "--format", "json"];
        let words = words.map(Into::into).into_iter();
        let words = words.chain([machine.path("lp_module_symbols.ko").into()]);
        let plan = run(words.chain(machine.map(Map::ListAlone))).done().json()["plan"].clone();
        let exported = plan["exported"].as_array().unwrap();
        assert!(exported.iter().any(|e| e["name"] == "klp_target_a_exported"), "{plan}");
    }
}

/// klp-convert v7 left a module's exports ordinary, which made the livepatch depend on the module
/// that it patches.
#[test]
fn a_symbol_that_a_module_exports_becomes_a_klp_symbol_by_default() {
    for machine in machines() {
        let (_, after) = converted(&machine, "lp_module_symbols.ko");
        let klp = ".klp.sym.klp_target_a.klp_target_a_exported,0";
        assert_eq!(after.symbol(klp).section, SHN_LIVEPATCH);
        let bench = Sandbox::new();
        let further = [vec!["--keep-module-exports".into()], machine.map(Map::Elf)].concat();
        bench.convert_with(&machine.path("lp_module_symbols.ko"), further).done();
        let kept = Image::read(&bench.written());
        assert_eq!(kept.symbol("klp_target_a_exported").section, 0);
        let hidden = ".klp.sym.klp_target_a.klp_target_a_hidden,0";
        assert_eq!(kept.symbol(hidden).section, SHN_LIVEPATCH);
    }
}

/// klp-convert v7 found an annotation by the symbol's name alone.
#[test]
fn one_livepatch_uses_one_name_of_two_objects_and_two_positions_of_one_name() {
    for machine in machines() {
        let (_, owners) = converted(&machine, "lp_two_owners.ko");
        for object in ["vmlinux", "klp_target_a"] {
            owners.symbol(&format!(".klp.sym.{object}.klp_root_kobj,0"));
        }
        let (_, positions) = converted(&machine, "lp_two_positions.ko");
        for position in [1, 2] {
            positions.symbol(&format!(".klp.sym.vmlinux.set_is_seen,{position}"));
        }
    }
}

/// klp-convert v7 used the n-th relocation for the n-th entry, whatever its offset.
#[test]
fn the_offset_links_an_array_entry_to_its_relocation() {
    for machine in machines() {
        let name = "lp_homonyms_annotated.ko";
        let section = ".rela.klp.module_relocs.vmlinux";
        let bytes = machine.read(name);
        let entries = Image::read(&bytes).section(section).relocations.clone();
        assert_eq!(entries.iter().map(|r| r.offset).collect::<Vec<_>>(), [0, 12]);
        let swapped = Patched::new(bytes).contents(section, |body| {
            let (first, second) = body.split_at_mut(24);
            first.swap_with_slice(second);
        });
        let bench = Sandbox::new();
        let input = bench.file("in.ko", &swapped.bytes);
        bench.convert(&input, &machine, Map::Elf).done();
        let by_offset = bench.written();
        bench.convert(&machine.path(name), &machine, Map::Elf).done();
        assert!(by_offset == bench.written(), "{}", machine.name);
    }
}

/// klp-convert v7 had one object for both: the relocation waited for the owner, not for the object
/// whose code uses it.
#[test]
fn a_relocation_waits_for_the_patched_object_and_names_the_owner() {
    for machine in machines() {
        let (_, after) = converted(&machine, "lp_cross_module.ko");
        let uses = klp_uses(&after);
        assert!(!uses.is_empty());
        for used in uses {
            assert!(used.starts_with(".klp.rela.klp_target_a."), "{used}");
            assert!(used.contains("→ .klp.sym.klp_target_b."), "{used}");
        }
    }
}

/// klp-convert v7 printed positions into a buffer of four bytes.
#[test]
fn a_position_above_999_is_not_truncated() {
    let machine = machines().remove(0);
    let bench = Sandbox::new();
    let list = String::from_utf8(machine.read("symbols.klp")).unwrap();
    let list = list.replacen("set_root\n", &"set_root\n".repeat(12_000), 1);
    let list = bench.file("symbols.klp", list.as_bytes());
    let patched = Patched::new(machine.read("lp_homonyms_annotated.ko"));
    let patched = patched.contents(".klp.module_relocs.vmlinux", |bytes| {
        bytes[20..24].copy_from_slice(&11_999_u32.to_le_bytes());
    });
    let input = bench.file("in.ko", &patched.bytes);
    bench.convert_with(&input, ["-s".as_ref(), list.as_os_str()]).done();
    Image::read(&bench.written()).symbol(".klp.sym.vmlinux.set_root,11999");
}

/// klp-convert minimal v3 read the name up to the first dot: `__key.12345` became position 12345 of
/// `__key`, and names with a comma before the position were refused.
#[test]
fn an_annotated_name_keeps_its_dots_with_either_separator() {
    for machine in machines() {
        let name = "lp_dotted_names.ko";
        let (_, after) = converted(&machine, name);
        after.symbol(".klp.sym.klp_target_a.klp_string.12345,0");
        let dots = Patched::new(machine.read(name));
        let commas = dots.clone().replace(b".klp_string.12345.0\0", b".klp_string.12345,0\0");
        let bench = Sandbox::new();
        let input = bench.file("in.ko", &commas.bytes);
        bench.convert(&input, &machine, Map::Elf).done();
        let by_comma = bench.written();
        bench.convert(&machine.path(name), &machine, Map::Elf).done();
        assert!(by_comma == bench.written(), "{}", machine.name);
    }
}

/// klp-convert minimal v3 put no dot between object and section: from
/// `.klp.rela.vmlinux__jump_table` the kernel reads an object that never arrives.
#[test]
fn a_dot_separates_the_object_from_a_section_without_a_leading_dot() {
    for machine in machines() {
        let (_, keys) = converted(&machine, "lp_static_key_vmlinux.ko");
        keys.section(".klp.rela.vmlinux.__jump_table");
        let (_, many) = converted(&machine, "lp_many_sections.ko");
        many.section(".klp.rela.vmlinux.lp_calls_twice");
    }
}

/// klp-convert minimal v3 copied names into buffers without checking sizes.
#[test]
fn names_may_be_as_long_as_the_kernel_reads_and_not_longer() {
    let machine = machines().remove(0);
    let bytes = machine.read("lp_vmlinux_annotated_name.ko");
    let annotated = |s: &&crate::image::Symbol| s.name.starts_with(".klp.sym.rela.");
    let image = Image::read(&bytes);
    let old = image.symbols.iter().find(annotated).unwrap();
    let index = image.symbols.iter().position(|s| s == old).unwrap();
    let convert = |owner: &str, symbol: &str| {
        let bench = Sandbox::new();
        let name = format!(".klp.sym.rela.vmlinux.{owner}.{symbol}.0");
        let input = bench.file("in.ko", &Patched::new(bytes.clone()).rename(index, &name).bytes);
        let ended = run([input.as_os_str(), bench.output().as_os_str()]);
        assert_eq!(ended.code == 0, bench.output().exists());
        ended
    };
    convert(&"o".repeat(55), &"s".repeat(511)).done();
    convert(&"o".repeat(56), "s")
        .refused(&["Length error (oooo", "has 56 bytes, the kernel reads 55"]);
    convert("o", &"s".repeat(512))
        .refused(&["Length error (ssss", "has 512 bytes, the kernel reads 511"]);
}
