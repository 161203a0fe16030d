//! What other modules of the kernel prove: findings about a module that differs from them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::machine::{Machine, machines};
use crate::patch::Patched;
use crate::symbols::{build, given, symbols};
use crate::tool::{Run, Sandbox, run};

const THIS_MODULE: &str = ".gnu.linkonce.this_module";
const WITNESS: &str = "klp_target_b.ko";
const PROOF: &str = "proven by 'klp_target_b', a module of this kernel";

fn words(words: &[(&str, &Path)]) -> Vec<OsString> {
    words.iter().flat_map(|(option, path)| [OsString::from(option), (*path).into()]).collect()
}

fn check(module: &Path, sources: impl IntoIterator<Item = OsString>) -> Run {
    run(["check".into(), module.into()].into_iter().chain(sources))
}

/// vmlinux, its exports and, if given, another module.
fn sources(machine: &Machine, witness: Option<&Path>) -> Vec<OsString> {
    let (vmlinux, symvers) = (machine.path("vmlinux.cut"), machine.path("Module.symvers"));
    let mut sources = words(&[("--vmlinux", &vmlinux), ("--symvers", &symvers)]);
    sources.extend(witness.map(|path| words(&[("--module", path)])).unwrap_or_default());
    sources
}

/// A module that differs from its sibling: alone it is accepted; with the sibling, or a map that
/// has it, it is refused with these words.
#[track_caller]
fn unlike(machine: &Machine, witness: &[u8], wrong: &Patched, says: &[&str]) {
    let bench = Sandbox::new();
    let (witness, module) = (bench.file(WITNESS, witness), bench.file("m.ko", &wrong.bytes));
    let alone = check(&module, sources(machine, None));
    assert!(alone.done().stderr.contains(": loads, tried at "), "{}", alone.stderr);
    let with_witness = sources(machine, Some(&witness));
    check(&module, with_witness.clone()).refused(says);
    check(&module, given(&build(&bench, "map", &with_witness))).refused(says);
}

fn target(machine: &Machine) -> Patched {
    Patched::new(machine.read("klp_target_a.ko"))
}

#[test]
fn a_struct_module_of_another_size_is_refused() {
    let says = "m: .gnu.linkonce.this_module section size must match the kernel's built struct \
                module size at run time (-ENOEXEC, 8)";
    for machine in machines() {
        let smaller = |by| {
            target(&machine).section(THIS_MODULE, |section, endian| {
                let size = section.sh_size.get(endian);
                section.sh_size.set(endian, size - by);
            })
        };
        let larger = target(&machine).append(THIS_MODULE, &[0; 64]);
        for wrong in [smaller(64), smaller(8), larger] {
            let says = says.replacen("m:", "the kernel says: module klp_target_a:", 1);
            unlike(&machine, &machine.read(WITNESS), &wrong, &[&says, PROOF, "the kernel's has"]);
        }
    }
}

#[test]
fn every_word_of_vermagic_is_compared_with_the_kernels() {
    for machine in machines() {
        for (word, other) in [("SMP", "smp"), ("preempt", "prempt_"), ("mod_unload", "mod_unlaod")]
        {
            let [old, new] = [word, other].map(|word| format!(" {word} "));
            let wrong = target(&machine).replace(old.as_bytes(), new.as_bytes());
            let lacks = format!("its vermagic lacks '{word}'; the kernel's lacks '{other}'");
            let says = ["klp_target_a: version magic '7.2.13 ", "' should be '7.2.13 SMP preempt"];
            unlike(&machine, &machine.read(WITNESS), &wrong, &[&lacks, says[0], says[1], PROOF]);
        }
    }
}

#[test]
fn pointers_elsewhere_in_struct_module_are_never_called() {
    for machine in machines() {
        let table = ".rela.gnu.linkonce.this_module";
        let moved = |entry, by| {
            target(&machine).relocation(table, entry, |rela, endian| {
                let offset = rela.r_offset.get(endian);
                rela.r_offset.set(endian, offset - by);
            })
        };
        let wrong = "would load incorrectly";
        let witness = machine.read(WITNESS);
        unlike(
            &machine,
            &witness,
            &moved(0, 8),
            &["pointer to its init function at 0x128", "0x130", wrong],
        );
        unlike(
            &machine,
            &witness,
            &moved(1, 16),
            &["pointer to its exit function at ", wrong, PROOF],
        );
    }
}

#[test]
fn exports_without_flags_are_refused_where_the_kernel_has_them() {
    for machine in machines() {
        let wrong = target(&machine).rename_section("__kflagstab", "__kflagsta_");
        let bench = Sandbox::new();
        let module = bench.file("m.ko", &wrong.bytes);
        let says = "klp_target_a: no flags for exported symbols (-ENOEXEC, 8)";
        check(&module, sources(&machine, None)).refused(&[says, "no section '__kflagstab'"]);
        // A sibling without flags proves that the kernel needs none.
        let like =
            bench.file("like.ko", &wrong.clone().replace(b"klp_target_a", b"klp_target_z").bytes);
        let beside = check(&module, sources(&machine, Some(&like)));
        assert!(!beside.stderr.contains("no flags"), "{}", beside.stderr);
        // A module without exports needs none.
        let right = machine.path("klp_target_a.ko");
        assert!(check(&right, sources(&machine, None)).done().stderr.contains(": loads"));
    }
}

/// BTF of one integer, named by the string at this offset, with these strings of its own.
fn btf(machine: &Machine, name: u32, strings: &[u8]) -> Vec<u8> {
    let size = u32::try_from(strings.len()).unwrap();
    let words = [24, 0, 16, 16, size, name, 1 << 24, 4, 32];
    let big = machine.name == "s390x";
    let bytes = |word: u32| if big { word.to_be_bytes() } else { word.to_le_bytes() };
    let magic = if big { [0xeb, 0x9f] } else { [0x9f, 0xeb] };
    [&magic, &[1, 0][..], &words.map(bytes).concat(), strings].concat()
}

fn with_btf(module: Vec<u8>, btf: &[u8]) -> Patched {
    let mut patched = Patched::new(module);
    let start = patched.bytes.len();
    patched.bytes.extend(btf);
    let patched = patched.section(".comment", |section, endian| {
        section.sh_offset.set(endian, start as u64);
        section.sh_size.set(endian, btf.len() as u64);
    });
    patched.rename_section(".comment", ".BTF")
}

#[test]
fn btf_that_the_kernel_rejects_is_refused() {
    for machine in machines() {
        let witness = with_btf(machine.read(WITNESS), &btf(&machine, 5000, b"own\0")).bytes;
        let wrong = |btf: &[u8]| with_btf(machine.read("klp_target_a.ko"), btf);
        let says = "failed to validate module [klp_target_a] BTF: -22 (-EINVAL, 22)";
        let another = btf(&machine, 4000, b"own\0");
        let strings = "a vmlinux whose BTF has 4000 bytes of strings, this kernel's has 5000";
        unlike(&machine, &witness, &wrong(&another), &[says, strings, PROOF]);
        let right = btf(&machine, 5000, b"own\0");
        let cases: [(Vec<u8>, &str); 5] = [
            (right[..right.len() - 1].to_vec(), "Total section length too long"),
            (right[..20].to_vec(), "btf_header not found"),
            ([&right[..], b"x"].concat(), "Unsupported section found"),
            ([&[0, 0][..], &right[2..]].concat(), "Invalid magic"),
            ([&right[..right.len() - 1], b"x"].concat(), "Invalid string section"),
        ];
        for (btf, why) in cases {
            unlike(
                &machine,
                &witness,
                &wrong(&btf),
                &[says, &format!("the kernel says: BPF: {why}")],
            );
        }
        // Without strings of its own it does not reveal its base, but names must be in range.
        unlike(&machine, &witness, &wrong(&btf(&machine, 5000, b"")), &[says, PROOF]);
        let bench = Sandbox::new();
        let witness = bench.file(WITNESS, &witness);
        for btf in [right, btf(&machine, 4999, b""), btf(&machine, 5000, b"run\0")] {
            let module = bench.file("m.ko", &wrong(&btf).bytes);
            let ended = check(&module, sources(&machine, Some(&witness)));
            assert!(ended.done().stderr.contains(": loads, tried at "), "{}", ended.stderr);
        }
    }
}

#[test]
fn a_kernel_whose_modules_have_no_btf_does_not_check_it() {
    for machine in machines() {
        let bench = Sandbox::new();
        let module = with_btf(machine.read("klp_target_a.ko"), b"no BTF").bytes;
        let module = bench.file("m.ko", &module);
        let ended = check(&module, sources(&machine, Some(&machine.path(WITNESS))));
        assert!(ended.done().stderr.contains(": loads, tried at "), "{}", ended.stderr);
    }
}

/// A map of these modules, and the warnings about them.
fn built(bench: &Sandbox, machine: &Machine, modules: &[PathBuf]) -> (String, PathBuf) {
    let map = bench.path("map");
    let _ = std::fs::remove_file(&map);
    let mut words = sources(machine, None);
    words.extend(modules.iter().flat_map(|path| ["--module".into(), path.clone().into()]));
    let run = symbols(&["build", "-o"], [map.clone().into()].into_iter().chain(words));
    (run.done().stderr.clone(), map)
}

#[test]
fn contradicting_modules_are_named_and_the_map_is_built() {
    for machine in machines() {
        let bench = Sandbox::new();
        let witness = machine.path(WITNESS);
        let smaller = target(&machine).section(THIS_MODULE, |section, endian| {
            let size = section.sh_size.get(endian);
            section.sh_size.set(endian, size - 64);
        });
        let smaller = smaller.replace(b"klp_target_a", b"klp_target_z");
        let odd = bench.file("odd.ko", &smaller.bytes);
        let right = machine.path("klp_target_a.ko");
        let (said, map) = built(&bench, &machine, &[right.clone(), witness.clone(), odd.clone()]);
        let proof = "proven by 2 modules of this kernel, such as 'klp_target_a'";
        for word in ["warning[KLP-W0730]: ", "odd.ko: size of struct module: ", proof] {
            assert!(said.contains(word), "no '{word}' in {said}");
        }
        assert_eq!(said.matches("warning[").count(), 1, "{said}");
        check(&odd, given(&map)).refused(&["section size must match", proof]);
        let first = std::fs::read(&map).unwrap();
        let (_, map) = built(&bench, &machine, &[odd.clone(), witness.clone(), right]);
        assert!(std::fs::read(map).unwrap() == first, "the order of the options matters");
        // One against one: neither is used.
        let (said, map) = built(&bench, &machine, &[witness, odd.clone()]);
        assert!(said.contains("the modules are evenly split"), "{said}");
        assert!(check(&odd, given(&map)).done().stderr.contains(": loads"));
    }
}

#[test]
fn links_to_modules_of_another_release_are_accepted_and_prove_nothing() {
    let machine = machines().remove(0);
    let bench = Sandbox::new();
    let tree = bench.path("modules");
    for folder in ["kernel", "weak-updates"] {
        std::fs::create_dir_all(tree.join(folder)).unwrap();
    }
    std::fs::write(tree.join("kernel/klp_target_b.ko"), machine.read(WITNESS)).unwrap();
    let old = target(&machine).replace(b"vermagic=7.2.13 SMP", b"vermagic=7.2.12 smp");
    std::fs::write(tree.join("weak-updates/klp_target_a.ko"), &old.bytes).unwrap();
    let (said, map) = built(&bench, &machine, std::slice::from_ref(&tree));
    let warning = "weak-updates/klp_target_a.ko: built for '7.2.12'";
    assert!(said.contains("warning[KLP-W0731]: ") && said.contains(warning), "{said}");
    assert_eq!(said.matches("warning[").count(), 1, "{said}");
    let info = symbols(&["info"], given(&map));
    let info = &info.done().stdout;
    assert!(info.starts_with("kernel 7.2.13 (x86_64), vmlinux and 2 modules"), "{info}");
    assert!(info.contains("vermagic: '7.2.13 SMP preempt mod_unload ', proven by 'klp_target_b'"));
    // Anywhere else it is a mistake.
    std::fs::rename(tree.join("weak-updates"), tree.join("extra")).unwrap();
    let words = sources(&machine, Some(&tree));
    let run = symbols(&["build", "-o"], [bench.path("no").into()].into_iter().chain(words));
    run.refused(&["KLP-E0502", "release"]);
}

#[test]
fn info_prints_what_the_modules_prove_and_a_map_of_vmlinux_alone_proves_nothing() {
    for machine in machines() {
        let bench = Sandbox::new();
        let (_, map) = built(&bench, &machine, &[machine.path(WITNESS)]);
        let info = symbols(&["info"], given(&map));
        for word in ["size of struct module: ", "offset of init in struct module: 0x130, ", PROOF] {
            assert!(info.done().stdout.contains(word), "{}", info.stdout);
        }
        let json = symbols(&["info", "--format", "json"], given(&map)).done().json();
        assert_eq!(json["siblings"]["init"]["value"], 0x130);
        assert_eq!(json["siblings"]["init"]["first"], "klp_target_b");
        let (_, map) = built(&bench, &machine, &[]);
        assert!(!symbols(&["info"], given(&map)).done().stdout.contains("proven"));
    }
}

#[test]
fn a_symvers_with_two_versions_of_one_export_contradicts_itself() {
    let bench = Sandbox::new();
    let line = |crc, kind, namespace| format!("{crc}\tiput\tvmlinux\t{kind}\t{namespace}\n");
    let usual = line("0x00000001", "EXPORT_SYMBOL", "");
    let others = [
        (line("0x00000002", "EXPORT_SYMBOL", ""), "with CRC 0x00000002 here, with CRC 0x00000001"),
        (line("0x00000001", "EXPORT_SYMBOL_GPL", ""), "for GPL modules only here, for all modules"),
        (line("0x00000000", "EXPORT_SYMBOL_GPL", ""), "for GPL modules only here, for all modules"),
    ];
    let build = |text: String| {
        let file = bench.file("joined.symvers", text.as_bytes());
        let words = words(&[("--symvers", &file), ("-o", &bench.path("map"))]);
        symbols(&["build"], words)
    };
    for (other, says) in others {
        let says = ["error[KLP-E0502]", "joined.symvers: 'iput' of 'vmlinux' is exported ", says];
        build(usual.clone() + &other).refused(&says);
    }
    let spaces =
        line("0x00000001", "EXPORT_SYMBOL", "A") + &line("0x00000001", "EXPORT_SYMBOL", "B");
    build(spaces)
        .refused(&["error[KLP-E0502]", "in namespace 'B' here, in namespace 'A' elsewhere"]);
    let spaced = line("0x00000001", "EXPORT_SYMBOL", "A");
    for (text, says) in [
        (spaced.clone() + &usual, "in no namespace here, in namespace 'A' elsewhere"),
        (usual.clone() + &spaced, "in namespace 'A' here, in no namespace elsewhere"),
    ] {
        build(text).refused(&["error[KLP-E0502]", says]);
    }
    // A duplicate, and a line without a CRC or namespace column, do not contradict it.
    let unknown = "0x00000000\tiput\tvmlinux\tEXPORT_SYMBOL\n";
    for known in [&usual, &spaced] {
        build(known.clone() + unknown + known).done();
        build(unknown.to_owned() + known).done();
    }
}
