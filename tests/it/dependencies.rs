//! What a converted livepatch records about the modules that it needs, for the kernel, depmod and
//! people.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use klp_convert::convert::convert;
use klp_convert::elf::{
    Edits, Module, NewBody, NewSection, SectionFlags, SectionIndex, SymbolSection, rewrite,
};
use klp_convert::findings::{StillNamed, Warning};
use klp_convert::options::Options;
use klp_convert::symbols::Sources;
use object::elf::SHT_PROGBITS;

use crate::gates::{converted, sources};
use crate::machine::{Machine, Map, machines};
use crate::tool::{Sandbox, run};

/// A livepatch that uses exports of module A, which modpost has written into `depends=`.
const NAME: &str = "lp_module_symbols.ko";
const EXPORTS: [&str; 2] = ["klp_target_a_exported", "klp_target_a_exported_value"];

/// Gives a module other sections besides its own.
pub(crate) fn with_sections(bytes: &[u8], sections: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let module = Module::parse(bytes).unwrap();
    let mut edits = Edits::new();
    for (name, body) in sections {
        edits.add_section(NewSection {
            name: name.as_bytes().to_vec(),
            sh_type: SHT_PROGBITS,
            sh_flags: SectionFlags::ALLOC,
            link: SectionIndex::NULL,
            info: SectionIndex::NULL,
            sh_addralign: 32,
            sh_entsize: 0,
            body: NewBody::Bytes(body.clone()),
        });
    }
    rewrite(&module, &edits).unwrap().into_owned()
}

/// The tables of versions as modpost writes them; one name is too long for the first.
pub(crate) fn versions(machine: &Machine, names: &[&str]) -> Vec<(&'static str, Vec<u8>)> {
    let (mut plain, mut crcs, mut strings) = (Vec::new(), Vec::new(), Vec::new());
    for (crc, name) in (0x0102_0304_u32..).zip(names) {
        let big = machine.name == "s390x";
        crcs.extend(if big { crc.to_be_bytes() } else { crc.to_le_bytes() });
        strings.extend([name.as_bytes(), b"\0"].concat());
        if name.len() < 56 {
            let crc = u64::from(crc);
            plain.extend(if big { crc.to_be_bytes() } else { crc.to_le_bytes() });
            plain.extend([name.as_bytes(), &vec![0; 56 - name.len()]].concat());
        }
    }
    // The compiler adds the last NUL.
    strings.push(0);
    vec![("__versions", plain), ("__version_ext_crcs", crcs), ("__version_ext_names", strings)]
}

/// The entries of a table of versions: raw CRC by name.
fn read(bytes: &[u8]) -> (Vec<String>, BTreeMap<String, Vec<u8>>) {
    let module = Module::parse(bytes).unwrap();
    let body = |name: &[u8]| module.body(module.sections_named(name).next().unwrap().index);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let until_nul = |bytes: &[u8]| text(bytes.split(|&byte| byte == 0).next().unwrap());
    let plain = body(b"__versions").chunks(64).map(|entry| until_nul(&entry[8..])).collect();
    let crcs = body(b"__version_ext_crcs").chunks(4);
    let names = body(b"__version_ext_names").split(|&byte| byte == 0).map(text);
    (plain, names.zip(crcs.map(<[u8]>::to_vec)).collect())
}

fn modinfo(bytes: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let module = Module::parse(bytes).unwrap();
    module.modinfo().map(|(key, value)| (text(key), text(value))).collect()
}

/// The module with another `depends=`.
fn depending(bytes: &[u8], list: &str) -> Vec<u8> {
    let module = Module::parse(bytes).unwrap();
    let section = module.sections_named(b".modinfo").next().unwrap().index;
    let entries = module.body(section).split_inclusive(|&byte| byte == 0);
    let other = format!("depends={list}\0").into_bytes();
    let body = entries.flat_map(|entry| {
        let depends = entry.starts_with(b"depends=");
        if depends { other.clone() } else { entry.to_vec() }
    });
    let mut edits = Edits::new();
    edits.set_body(section, body.collect());
    rewrite(&module, &edits).unwrap().into_owned()
}

fn depends(bytes: &[u8]) -> String {
    let found = modinfo(bytes).into_iter().find(|(key, _)| key == "depends");
    found.expect("the key stays").1
}

#[test]
fn the_owner_of_converted_exports_is_removed_from_depends_and_nothing_else_changes() {
    for machine in machines() {
        let before = machine.read(NAME);
        assert_eq!(depends(&before), "klp_target_a", "{}: the premise", machine.name);
        let after = converted(&machine, NAME);
        let expected = modinfo(&before).into_iter().map(|(key, value)| match key.as_str() {
            "depends" => (key, String::new()),
            _ => (key, value),
        });
        assert_eq!(modinfo(&after), expected.collect::<Vec<_>>(), "{}", machine.name);
        let body = |bytes: &[u8]| {
            let module = Module::parse(bytes).unwrap();
            let section = module.sections_named(b".modinfo").next().unwrap();
            (module.body(section.index).to_vec(), section.sh_addralign, section.sh_flags)
        };
        let (old, new) = (body(&before), body(&after));
        // Symbols have the offset of each string.
        let at = old.0.windows(8).position(|bytes| bytes == b"depends=").unwrap() + 8;
        let end = at + "klp_target_a".len();
        assert!(new.0[at..end].iter().all(|&byte| byte == 0));
        assert_eq!((&new.0[..at], &new.0[end..]), (&old.0[..at], &old.0[end..]));
        assert_eq!((old.1, old.2), (new.1, new.2));
    }
}

#[test]
fn modules_that_are_still_needed_stay_in_depends_in_their_order() {
    for machine in machines() {
        for (list, expected) in [
            ("other,klp_target_a,snd-pcm", "other,snd-pcm"),
            ("klp-target-a,other", "other"),
            ("klp_target_a_two,klp_target_a", "klp_target_a_two"),
            ("other", "other"),
            ("", ""),
        ] {
            let input = depending(&machine.read(NAME), list);
            let output = convert(&input, &sources(&machine), &Options::default()).unwrap();
            assert_eq!(depends(&output.bytes), expected, "{}", machine.name);
            let planned = output.plan.depends.map(|depends| (depends.from, depends.to));
            let planned = planned.unwrap_or_else(|| (expected.into(), expected.into()));
            assert_eq!(planned, (list.into(), expected.into()));
        }
    }
}

#[test]
fn entries_of_converted_exports_are_removed_from_the_tables_of_versions_and_others_stay() {
    let long = "a_name_that_is_too_long_for_the_first_table_but_not_for_the_others";
    let names = ["module_layout", EXPORTS[0], "klp_enable_patch", long, EXPORTS[1], "seq_printf"];
    let kept = ["module_layout", "klp_enable_patch", long, "seq_printf"];
    for machine in machines() {
        let input = with_sections(&machine.read(NAME), &versions(&machine, &names));
        let output = convert(&input, &sources(&machine), &Options::default()).unwrap();
        let (plain, extended) = read(&output.bytes);
        assert_eq!(plain, [kept[0], kept[1], kept[3]], "{}", machine.name);
        let (_, before) = read(&input);
        let of = |name: &&str| ((*name).to_owned(), before[*name].clone());
        assert_eq!(extended, kept.iter().map(of).collect());
        let module = Module::parse(&output.bytes).unwrap();
        for name in [&b"__versions"[..], b"__version_ext_crcs", b"__version_ext_names"] {
            let section = module.sections_named(name).next().unwrap();
            assert_eq!((section.sh_addralign, section.sh_flags), (32, SectionFlags::ALLOC));
        }
        let plan = output.plan.to_string();
        let line = format!(
            "section __versions: remove 2 of 5 entries: '{}', '{}'\n",
            EXPORTS[0], EXPORTS[1]
        );
        assert!(plan.contains(&line), "{plan}");
        assert!(plan.contains("section __version_ext_names: remove 2 of 6 entries: "), "{plan}");
        assert!(plan.contains("section .modinfo: depends 'klp_target_a' → ''\n"), "{plan}");
        assert_eq!(output.plan.versions[0].removed[0].name, EXPORTS[0]);
        assert_eq!(output.plan.depends.unwrap().from, "klp_target_a");
        // There is nothing left to do.
        let again = convert(&output.bytes, &sources(&machine), &Options::default()).unwrap();
        assert!(again.plan.is_empty());
        assert_eq!(again.bytes, output.bytes);
    }
}

#[test]
fn the_symbol_of_a_table_has_the_size_of_the_table() {
    for machine in machines() {
        let names = ["module_layout", EXPORTS[0]];
        let input = with_sections(&machine.read(NAME), &versions(&machine, &names)[..1]);
        let module = Module::parse(&input).unwrap();
        let table = module.sections_named(b"__versions").next().unwrap();
        let zero = module.symbols().find(|s| s.kind.0 == 1 && s.st_value == 0 && s.st_size > 0);
        let symbol = zero.unwrap();
        let place = |size| {
            let mut edits = Edits::new();
            edits.set_symbol_section(symbol.index, SymbolSection::Defined(table.index));
            edits.resize_symbol(symbol.index, size);
            rewrite(&module, &edits).unwrap().into_owned()
        };
        let output = |input: &[u8]| {
            let output = convert(input, &sources(&machine), &Options::default()).unwrap();
            let module = Module::parse(&output.bytes).unwrap();
            let section = module.sections_named(b"__versions").next().unwrap();
            let found = module.symbols().find(|found| found.name == symbol.name).unwrap();
            (section.sh_size, found.st_size)
        };
        assert_eq!(output(&place(128)), (64, 64), "{}", machine.name);
        // Entries that something else refers to stay.
        assert_eq!(output(&place(100)), (128, 100), "{}", machine.name);
    }
}

#[test]
fn tables_that_do_not_fit_together_are_left_alone() {
    for machine in machines() {
        let mut tables = versions(&machine, &[EXPORTS[0], EXPORTS[1]]);
        tables[2].1.truncate(EXPORTS[0].len() + 1);
        let input = with_sections(&machine.read(NAME), &tables);
        let output = convert(&input, &sources(&machine), &Options::default());
        // The kernel refuses it, and the plain table is in order.
        let output = output.unwrap();
        let module = Module::parse(&output.bytes).unwrap();
        let size = |name: &[u8]| module.sections_named(name).next().unwrap().sh_size;
        assert_eq!((size(b"__versions"), size(b"__version_ext_crcs")), (0, 8), "{}", machine.name);
    }
}

#[test]
fn an_ordinary_import_keeps_the_dependency_with_a_warning() {
    for machine in machines() {
        let bench = Sandbox::new();
        let input = with_sections(&machine.read(NAME), &versions(&machine, &EXPORTS));
        let path = bench.file("in.ko", &input);
        let keep = machine.map(Map::Elf).into_iter().chain(["--keep-module-exports".into()]);
        let said = bench.convert_with(&path, keep);
        for word in [
            "warning[KLP-W0706]",
            "stays an ordinary symbol, so 'klp_target_a' must be loaded first",
            "help: convert without --keep-module-exports",
        ] {
            assert!(said.done().stderr.contains(word), "{}", said.stderr);
        }
        assert_eq!(depends(&bench.written()), "klp_target_a");
        assert_eq!(read(&bench.written()), read(&input), "{}", machine.name);
        // Without it there is nothing to warn about.
        let said = bench.convert(&path, &machine, Map::Elf);
        assert!(!said.done().stderr.contains("KLP-W0706"), "{}", said.stderr);
    }
}

#[test]
fn without_a_source_of_exports_a_dependency_stays_and_is_pointed_out() {
    for machine in machines() {
        let input = depending(&machine.read("lp_two_owners.ko"), "klp_target_a");
        let output = convert(&input, &Sources::new(), &Options::default());
        let output = match output {
            Ok(output) => output,
            Err(error) => panic!("{}: {error}", machine.name),
        };
        assert_eq!(depends(&output.bytes), "klp_target_a");
        let object = "klp_target_a".parse().unwrap();
        let expected = Warning::DependsOnOwner { object, why: StillNamed::Unknown }.into();
        assert!(output.warnings.contains(&expected), "{:?}", output.warnings);
    }
}

#[test]
fn leftovers_of_another_tool_are_a_warning_of_check() {
    for machine in machines() {
        let bench = Sandbox::new();
        let check = |bytes: &[u8]| {
            let path = bench.file("in.ko", bytes).into_os_string();
            let ended = run(["check".into(), path].into_iter().chain(machine.map(Map::Elf)));
            ended.done().stderr.clone()
        };
        let right = converted(&machine, NAME);
        assert!(!check(&right).contains("KLP-W0706"));
        let said = check(&depending(&right, "klp_target_a"));
        assert!(said.contains("warning[KLP-W0706]"), "{said}");
        assert!(said.contains("'depends' still names 'klp_target_a', of which only"), "{said}");
        let left = with_sections(&right, &versions(&machine, &["seq_printf", EXPORTS[1]]));
        let said = check(&left);
        let words = format!("still has '{}', so depmod considers 'klp_target_a'", EXPORTS[1]);
        assert_eq!(said.matches(&words).count(), 1, "{said}");
    }
}

/// A program of kmod; `None` if it is missing, which fails in CI.
fn kmod(program: &str) -> Option<Command> {
    let found = ["/usr/sbin", "/sbin", "/usr/bin"].map(|folder| Path::new(folder).join(program));
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{program} is missing: apt install kmod");
        eprintln!("skipped, {program} is missing: apt install kmod");
    }
    found.map(Command::new)
}

/// The livepatch's line of `modules.dep` when depmod runs on it and the module that it patches.
fn depmod(owner: &[u8], livepatch: &[u8]) -> Option<String> {
    let mut depmod = kmod("depmod")?;
    let bench = Sandbox::new();
    let folder = bench.path("lib/modules/7.2.0");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("klp_target_a.ko"), owner).unwrap();
    std::fs::write(folder.join("lp.ko"), livepatch).unwrap();
    let output = depmod.arg("-n").arg("-b").arg(bench.path("")).arg("7.2.0").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    Some(said.lines().find(|line| line.starts_with("lp.ko:")).expect("its line").to_owned())
}

#[test]
fn depmod_sees_no_dependency_of_a_converted_livepatch() {
    for machine in machines() {
        let owner = machine.read("klp_target_a.ko");
        let tables = &versions(&machine, &["seq_printf", EXPORTS[0], EXPORTS[1]])[..1];
        let input = with_sections(&machine.read(NAME), tables);
        let Some(before) = depmod(&owner, &input) else { return };
        assert_eq!(before, "lp.ko: klp_target_a.ko", "{}", machine.name);
        let output = convert(&input, &sources(&machine), &Options::default()).unwrap();
        assert_eq!(depmod(&owner, &output.bytes).unwrap(), "lp.ko:", "{}", machine.name);
        // The tables alone are enough for it.
        let left = with_sections(&converted(&machine, NAME), tables);
        assert_eq!(depmod(&owner, &left).unwrap(), before, "{}", machine.name);
    }
}

#[test]
fn modinfo_reads_what_is_left_of_the_list() {
    for machine in machines() {
        let Some(mut modinfo) = kmod("modinfo") else { return };
        let input = depending(&machine.read(NAME), "other,klp_target_a");
        let output = convert(&input, &sources(&machine), &Options::default()).unwrap();
        let bench = Sandbox::new();
        let path = bench.file("lp.ko", &output.bytes);
        let shown = modinfo.arg(&path).output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        let line = |key: &str| {
            let line = shown.lines().find_map(|line| line.strip_prefix(key));
            line.map(|value| value.trim_start_matches([':', ' ']).to_owned())
        };
        assert_eq!(line("depends").as_deref(), Some("other"), "{shown}");
        let keys = |bytes: &[u8]| {
            let module = Module::parse(bytes).unwrap();
            module.modinfo().count()
        };
        assert_eq!(keys(&output.bytes), keys(&input));
        assert_eq!(line("livepatch").as_deref(), Some("Y"), "{shown}");
    }
}
