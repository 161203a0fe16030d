//! Gates, sections and options: when the kernel would write a relocation, and where.

use std::ffi::OsString;

use crate::image::{Image, Relocation, SHN_LIVEPATCH};
use crate::machine::{Machine, Map, machines};
use crate::patch::Patched;
use crate::tool::{Run, Sandbox, run};

/// Converts a fixture with further options.
fn with(bench: &Sandbox, machine: &Machine, module: &str, options: &[&str]) -> Run {
    let options = options.iter().map(OsString::from);
    bench.convert_with(&machine.path(module), options.chain(machine.map(Map::Elf)))
}

/// A livepatch whose table of objects is filled in at run time.
fn unreadable(machine: &Machine, module: &str) -> Patched {
    let image = Image::read(&machine.read(module));
    let objs = |r: &&Relocation| image.symbol_of(r) == "__this_module";
    let data = image.section(".rela.data");
    let mods = data.relocations.iter().find(objs).unwrap().offset;
    let objs = data.relocations.iter().position(|r| r.offset == mods + 8).unwrap();
    let patched = Patched::new(machine.read(module));
    patched.relocation(".rela.data", objs, |r, e| {
        r.set_r_info(e, false, 0, r.r_type(e, false));
        r.r_addend.set(e, 0);
    })
}

#[test]
fn a_gate_that_the_livepatch_does_not_patch_is_refused() {
    for machine in machines() {
        let bench = Sandbox::new();
        let words = [
            "error[KLP-E0302]",
            "waits for 'klp_target_b', which this livepatch does not patch",
            "add a klp_object for 'klp_target_b'",
        ];
        // According to the tables A is patched, whatever the author gives.
        let renamed = Patched::new(machine.read("lp_two_owners.ko"));
        let of_a = b".klp.sym.rela.klp_target_a.klp_target_a.klp_root_kobj.0";
        let of_b = b".klp.sym.rela.klp_target_b.klp_target_a.klp_root_kobj.0";
        let module = bench.file("in.ko", &renamed.replace(of_a, of_b).bytes);
        for said in [&[][..], &["--object", "klp_target_b"]] {
            let words = words.iter().copied();
            let further = said.iter().map(OsString::from).chain(machine.map(Map::Elf));
            bench.convert_with(&module, further).refused(&words.collect::<Vec<_>>());
        }
        assert_eq!(bench.files(), ["in.ko"]);
    }
}

#[test]
fn if_tables_are_filled_in_at_run_time_the_author_gives_the_patched_objects() {
    for machine in machines() {
        let bench = Sandbox::new();
        let module = bench.file("in.ko", &unreadable(&machine, "lp_module_symbols.ko").bytes);
        let convert = |objects: &[&str]| {
            let objects = objects.iter().map(OsString::from);
            bench.convert_with(&module, objects.chain(machine.map(Map::Elf)))
        };
        let unknown = "warning[KLP-W0720]";
        assert!(convert(&[]).done().stderr.contains(unknown), "{}", machine.name);
        let both = ["--object", "klp_target_b", "--object", "klp-target-a"];
        let gates = ["error[KLP-E0307]", "code for 'klp_target_a' and 'klp_target_b' uses"];
        convert(&both).refused(&gates);
        convert(&["--object", "klp-target-a"]).done();
        // The patched object may be another than the owner.
        let needs = "waits for 'klp_target_b' and needs 'klp_target_a'";
        convert(&["--object", "klp_target_b"]).refused(&["error[KLP-E0309]", needs]);
        convert(&["--object", "vmlinux"])
            .refused(&["error[KLP-E0308]", "replaces code of vmlinux"]);
    }
}

#[test]
fn a_static_key_of_a_module_is_refused_with_a_workaround() {
    for machine in machines() {
        let bench = Sandbox::new();
        with(&bench, &machine, "lp_static_key_module.ko", &[]).refused(&[
            "error[KLP-E0303]",
            ".rela__jump_table[",
            "__jump_table+0x",
            "against 'klp_target_a_key'",
            "(jump_label_add_module) reads this section before",
            "use static_key_enabled(&klp_target_a_key)",
        ]);
    }
}

#[test]
fn the_percpu_template_takes_no_klp_relocation() {
    for machine in machines() {
        let bench = Sandbox::new();
        let patched = Patched::new(machine.read("lp_data_pointers.ko"));
        let patched = patched.rename_section(".data", ".data..percpu");
        let input = bench.file("in.ko", &patched.bytes);
        let words = ["error[KLP-E0304]", "→ .data..percpu+0x", "the percpu template is copied"];
        bench.refuses(&input, machine.map(Map::Elf), &words);
    }
}

#[test]
fn init_memory_takes_relocations_for_vmlinux_and_none_for_modules() {
    for machine in machines() {
        let convert = |module: &str| {
            let bench = Sandbox::new();
            let patched = Patched::new(machine.read(module));
            let patched = patched.rename_section(".text", ".init.more");
            let input = bench.file("in.ko", &patched.bytes);
            let ended = bench.convert(&input, &machine, Map::Elf);
            assert_eq!(ended.code == 0, bench.output().exists());
            ended
        };
        let early = convert("lp_vmlinux_inferred.ko");
        let late = convert("lp_module_symbols.ko");
        // ppc64le keeps all of a module's text.
        if machine.name == "ppc64le" {
            early.done();
            late.done();
        } else {
            // The only fault: its function is freed before it is called.
            early.refused(&["error[KLP-E0115]", "lies in init memory"]);
            assert_eq!(early.stderr.matches("error[").count(), 1, "{}", early.stderr);
            late.refused(&["error[KLP-E0304]", "init memory is freed before", "'klp_target_a'"]);
        }
    }
}

#[test]
fn a_symbol_in_init_memory_is_never_inferred_and_a_warning_if_annotated() {
    for machine in machines() {
        let vmlinux = Image::read(&machine.read("vmlinux.cut"));
        let init = vmlinux.sections.iter().position(|s| s.name == ".init.text").unwrap();
        let init = vmlinux.symbols.iter().find(|s| {
            usize::from(s.section) == init
                && s.info & 0xf == 2
                && vmlinux.symbols.iter().filter(|other| other.name == s.name).count() == 1
        });
        let init = &init.expect("a function in init memory").name;
        let renamed = |module: &str, old: &str, new: &str| {
            let bytes = machine.read(module);
            let image = Image::read(&bytes);
            let index = image.symbols.iter().position(|s| s.name == old).unwrap();
            let bench = Sandbox::new();
            let input = bench.file("in.ko", &Patched::new(bytes).rename(index, new).bytes);
            bench.convert(&input, &machine, Map::Elf)
        };
        let plain = renamed("lp_vmlinux_inferred.ko", "nr_processes", init);
        plain.refused(&["error[KLP-E0106]", "is in init memory of 'vmlinux'"]);
        let name = |symbol: &str| format!(".klp.sym.rela.vmlinux.vmlinux.{symbol}.0");
        let module = "lp_vmlinux_annotated_name.ko";
        let annotated = renamed(module, &name("nr_processes"), &name(init));
        assert!(annotated.done().stderr.contains("warning[KLP-W0704]"), "{}", annotated.stderr);
    }
}

#[test]
fn a_plain_relocation_of_the_percpu_template_against_a_klp_symbol_is_found() {
    let machine = machines().remove(0);
    let bench = Sandbox::new();
    with(&bench, &machine, "lp_two_owners.ko", &[]).done();
    let image = Image::read(&bench.written());
    let klp = image.symbols.iter().position(|s| s.section == SHN_LIVEPATCH).unwrap();
    let patched = Patched::new(bench.written()).rename_section(".data", ".data..percpu");
    let patched = patched.relocation(".rela.data", 0, |r, e| {
        let symbol = u32::try_from(klp).unwrap();
        r.r_info = object::elf::Rela64::r_info(e, false, symbol, r.r_type(e, false));
    });
    let module = bench.file("broken.ko", &patched.bytes);
    let words = [".rela.data[0] → .data..percpu+0x", "[plain-relocation, corrupted]"];
    run(["check".as_ref(), module.as_os_str()]).refused(&words);
}

#[test]
fn older_kernels_read_shorter_names() {
    let machine = machines().remove(0);
    let bytes = machine.read("lp_vmlinux_annotated_name.ko");
    let image = Image::read(&bytes);
    let index = image.symbols.iter().position(|s| s.name.starts_with(".klp.sym.rela.")).unwrap();
    let name = format!(".klp.sym.rela.vmlinux.vmlinux.{}.0", "x".repeat(128));
    let bench = Sandbox::new();
    let input = bench.file("in.ko", &Patched::new(bytes).rename(index, &name).bytes);
    run([&input, &bench.output()]).done();
    let checked = |target: &str| {
        let output = bench.output();
        run(["check".as_ref(), output.as_os_str(), "--target-kernel".as_ref(), target.as_ref()])
    };
    checked("6.1").done();
    checked("5.14").refused(&["[symbol-length, refused]"]);
    checked("vmlinuz").usage_or_io(&["'vmlinuz' is not a kernel version"]);
}

#[test]
fn two_spellings_of_one_symbol_become_one_klp_symbol() {
    for machine in machines() {
        let bench = Sandbox::new();
        let patched = Patched::new(machine.read("lp_two_positions.ko"));
        let patched = patched.replace(b".set_is_seen.2\0", b".set_is_seen,1\0");
        let input = bench.file("in.ko", &patched.bytes);
        bench.convert(&input, &machine, Map::Elf).done();
        let (before, after) = (Image::read(&patched.bytes), Image::read(&bench.written()));
        let klp = after.symbols.iter().filter(|s| s.section == SHN_LIVEPATCH);
        assert!(klp.map(|s| s.name.as_str()).eq([".klp.sym.vmlinux.set_is_seen,1"]));
        assert_eq!(after.symbols.len() + 1, before.symbols.len(), "{}", machine.name);
        let of = |image: &Image, wanted: &str| {
            let relocations = image.sections.iter().flat_map(|s| &s.relocations);
            relocations.filter(|r| image.symbol_of(r).starts_with(wanted)).count()
        };
        let annotated = of(&before, ".klp.sym.rela.");
        assert!(annotated >= 4);
        assert_eq!(of(&after, ".klp.sym.vmlinux.set_is_seen,1"), annotated, "{}", machine.name);
    }
}

#[test]
fn a_second_conversion_with_a_map_completes_a_first_one_without() {
    for machine in machines() {
        let bench = Sandbox::new();
        let module = "lp_data_pointers.ko";
        let half = bench.path("half.ko");
        run([machine.path(module), half.clone()]).done();
        bench.convert(&half, &machine, Map::Elf).done();
        let twice = Image::read(&bench.written());
        bench.convert(&machine.path(module), &machine, Map::Elf).done();
        let once = Image::read(&bench.written());
        assert!(Image::read(&std::fs::read(&half).unwrap()).klp_sections().count() > 0);
        assert_eq!(twice.sections.len(), once.sections.len(), "{}", machine.name);
        for section in once.klp_sections() {
            let names = |image: &Image| {
                let relocations = &image.section(&section.name).relocations;
                let of =
                    relocations.iter().map(|r| (r.offset, image.symbol_of(r).to_owned(), r.addend));
                let mut of: Vec<_> = of.collect();
                of.sort();
                of
            };
            assert_eq!(names(&twice), names(&once), "{} {}", machine.name, section.name);
        }
    }
}

#[test]
fn similar_names_are_offered_for_a_name_that_is_not_found() {
    for machine in machines() {
        let bench = Sandbox::new();
        let bytes = machine.read("lp_vmlinux_inferred.ko");
        let image = Image::read(&bytes);
        let index = image.symbols.iter().position(|s| s.name == "nr_processes").unwrap();
        let input = bench.file("in.ko", &Patched::new(bytes).rename(index, "nr_proceses").bytes);
        let words =
            ["error[KLP-E0101]", "'nr_proceses' is not found", "did you mean 'nr_processes'"];
        bench.refuses(&input, machine.map(Map::Elf), &words);
    }
}

#[test]
fn symbols_of_another_release_are_refused_unless_allowed() {
    for machine in machines() {
        let bench = Sandbox::new();
        let module = machine.read("lp_module_symbols.ko");
        let release = module.windows(10).position(|w| w.starts_with(b"vermagic=")).unwrap();
        let release: Vec<_> =
            module[release..].iter().copied().take_while(|&byte| byte != b' ').collect();
        let mut other = release.clone();
        *other.last_mut().unwrap() = b'x';
        let input = bench.file("in.ko", &Patched::new(module).replace(&release, &other).bytes);
        bench.convert(&input, &machine, Map::Elf).refused(&[
            "error[KLP-E0005]",
            "the module is built for '",
            "--allow-stale-map",
        ]);
        let stale = machine.map(Map::Elf).into_iter().chain(["--allow-stale-map".into()]);
        bench.convert_with(&input, stale).done();
    }
}

#[test]
fn a_name_without_similar_ones_may_belong_to_a_module_that_was_not_given() {
    for machine in machines() {
        let bench = Sandbox::new();
        let map = ["--vmlinux", "vmlinux.cut", "--symvers", "Module.symvers"];
        let map = map.chunks(2).flat_map(|o| [o[0].into(), OsString::from(machine.path(o[1]))]);
        let words = ["'klp_target_a_hidden' is not found", "if a module has it, add the module"];
        bench.convert_with(&machine.path("lp_module_symbols.ko"), map).refused(&words);
    }
}

#[test]
fn overlapping_relocations_are_refused_where_the_loader_writes_once() {
    let machine = machines().into_iter().find(|m| m.name == "x86_64").expect("a fixture");
    let bench = Sandbox::new();
    bench.convert(&machine.path("lp_two_positions.ko"), &machine, Map::Elf).done();
    let converted = bench.written();
    let klp = ".klp.rela.vmlinux..text";
    let first = Image::read(&converted).section(klp).relocations[0].offset;
    let patched = Patched::new(converted)
        .relocation(klp, 1, |rela, endian| rela.r_offset.set(endian, first + 3))
        .contents(".text", |text| text[usize::try_from(first).unwrap()..][..8].fill(0));
    let input = bench.file("overlap.ko", &patched.bytes);
    run([OsString::from("check"), input.into()])
        .refused(&["another relocation writes the same bytes"]);
}
