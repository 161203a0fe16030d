//! `inspect` with a map: what each name of a module resolves to in that kernel.

use std::ffi::OsString;
use std::path::Path;

use crate::machine::{Map, machines};
use crate::patch::Patched;
use crate::symbols::{build, given};
use crate::tool::{Run, Sandbox, run};

fn inspect<S: Into<OsString>>(module: &Path, further: impl IntoIterator<Item = S>) -> Run {
    let words = ["inspect".into(), OsString::from(module)];
    run(words.into_iter().chain(further.into_iter().map(Into::into)))
}

fn json(module: &Path, further: impl IntoIterator<Item = OsString>) -> serde_json::Value {
    let further = ["--format".into(), "json".into()].into_iter().chain(further);
    inspect(module, further).done().json()
}

#[test]
fn without_a_map_only_the_module_is_shown() {
    for machine in machines() {
        let module = machine.path("lp_two_owners.ko");
        let bare = inspect(&module, [""; 0]).done().stdout.clone();
        assert!(!bare.contains("in the kernel"), "{bare}");
        assert!(json(&module, [])["meanings"].is_null());
        let full = inspect(&module, machine.map(Map::Elf)).done().stdout.clone();
        assert!(full.starts_with(&bare) && full[bare.len()..].starts_with("in the kernel ("));
    }
}

#[test]
fn every_name_is_shown_with_its_symbol_address_and_file() {
    for machine in machines() {
        let bench = Sandbox::new();
        let map = build(&bench, "map", &machine.map(Map::Elf));
        let module = machine.path("lp_selector_file.ko");
        let text = inspect(&module, given(&map)).done().stdout.clone();
        assert_eq!(text, inspect(&module, machine.map(Map::Elf)).done().stdout);
        for (line, file) in [
            ("  set_is_seen → .klp.sym.vmlinux.set_is_seen,1 (annotated), 0x", ", pid.c\n"),
            ("  seen_of_ucount → .klp.sym.vmlinux.set_is_seen,2 (annotated), 0x", ", ucount.c\n"),
            ("  klp_enable_patch → export of vmlinux", "\n"),
        ] {
            let found =
                text.lines().find(|l| l.starts_with(line)).unwrap_or_else(|| panic!("{text}"));
            assert!(format!("{found}\n").ends_with(file), "{text}");
        }
        let document = json(&module, given(&map));
        let meanings = document["meanings"].as_array().unwrap();
        let of = |name: &str| meanings.iter().find(|m| m["name"] == name).unwrap();
        let second = of("seen_of_ucount");
        // Its gate follows from the code that uses it.
        assert_eq!((&second["means"], &second["gate"]), (&"klp".into(), &serde_json::Value::Null));
        assert_eq!(second["candidate"]["file"], "ucount.c");
        assert!(second["candidate"]["address"].is_u64());
        assert_eq!(of("klp_enable_patch")["means"], "export");
        assert_eq!(of("klp_enable_patch")["owner"], "vmlinux");
    }
}

#[test]
fn what_a_conversion_would_refuse_is_shown_with_advice() {
    for machine in machines() {
        let bench = Sandbox::new();
        let map = build(&bench, "map", &machine.map(Map::Elf));
        let text = inspect(&machine.path("lp_homonym_unannotated.ko"), given(&map));
        for said in [
            "set_is_seen → KLP-E0102: 'set_is_seen' has 2 candidates in 'vmlinux'\n",
            "from pid.c\n",
            "KLP_SYMBOL_IN(vmlinux, set_is_seen, \"ucount.c\");\n",
        ] {
            assert!(text.done().stdout.contains(said), "{}", text.stdout);
        }
        let bytes = machine.read("lp_vmlinux_inferred.ko");
        let index = crate::image::Image::read(&bytes);
        let index = index.symbols.iter().position(|s| s.name == "nr_processes").unwrap();
        let patched = Patched::new(bytes).rename(index, "nr_processe");
        let module = bench.file("in.ko", &patched.bytes);
        let text = inspect(&module, given(&map)).done().stdout.clone();
        assert!(text.contains("nr_processe → KLP-E0101: 'nr_processe' is not found\n"), "{text}");
        assert!(text.contains("did you mean 'nr_processes' of vmlinux?"), "{text}");
        let document = json(&module, given(&map));
        let missing = document["meanings"].as_array().unwrap();
        let missing = missing.iter().find(|m| m["name"] == "nr_processe").unwrap();
        assert_eq!(
            (&missing["means"], &missing["code"]),
            (&"unresolved".into(), &"KLP-E0101".into())
        );
    }
}

#[test]
fn klp_symbols_of_a_converted_module_are_looked_up() {
    for machine in machines() {
        let bench = Sandbox::new();
        let map = build(&bench, "map", &machine.map(Map::Elf));
        bench.convert_with(&machine.path("lp_two_owners.ko"), given(&map)).done();
        let shown = |bytes: Vec<u8>| {
            let module = bench.file("converted.ko", &bytes);
            inspect(&module, given(&map)).done().stdout.clone()
        };
        let text = shown(bench.written());
        assert!(text.contains("\n  .klp.sym.vmlinux.klp_root_kobj,0, 0x"), "{text}");
        assert!(text.contains("\n  .klp.sym.klp_target_a.klp_root_kobj,0, 0x"), "{text}");
        let name = b".klp.sym.vmlinux.klp_root_kobj,";
        let [old, new] = [b'0', b'7'].map(|n| [&name[..], &[n]].concat());
        let text = shown(Patched::new(bench.written()).replace(&old, &new).bytes);
        assert!(
            text.contains("→ KLP-E0104: 'klp_root_kobj' is annotated with position 7"),
            "{text}"
        );
    }
}

#[test]
fn a_map_of_another_machine_or_a_bad_one_is_refused() {
    let (bench, machines) = (Sandbox::new(), machines());
    let map = build(&bench, "map", &machines[0].map(Map::Elf));
    let module = machines[1].path("lp_two_owners.ko");
    inspect(&module, given(&map)).refused(&["error[KLP-E0004]", "is for ppc64le"]);
    let cut = bench.file("cut", &std::fs::read(&map).unwrap()[..99]);
    inspect(&module, given(&cut)).refused(&["error[KLP-E0501]", "cut"]);
    inspect(&module, given(&bench.path("none"))).usage_or_io(&["error[KLP-E0601]", "none"]);
    let other = Patched::new(machines[0].read("lp_two_owners.ko"));
    let other = bench.file("in.ko", &other.replace(b"vermagic=7.2.13", b"vermagic=7.2.14").bytes);
    inspect(&other, given(&map)).refused(&["error[KLP-E0005]", "'7.2.14'"]);
    let allowed = [&["--allow-stale-map".into()], &given(&map)[..]].concat();
    inspect(&other, allowed).done();
}
