//! Livepatches of klp-build and kpatch: finished ones load, `check` refuses unfinished ones.

use klp_convert::elf::{
    Edits, Module, NewBody, NewSection, Rela, SHT_RELA, SectionFlags, SectionIndex, SymbolSection,
    rewrite,
};
use object::elf::SHT_PROGBITS;

use crate::gates::converted;
use crate::image::{Image, SHN_LIVEPATCH};
use crate::machine::{Machine, Map, machines};
use crate::patch::Patched;
use crate::tool::{Sandbox, run};

const NAME: &str = "lp_module_symbols.ko";

/// The type of a 64-bit absolute relocation.
fn absolute(machine: &Machine) -> u32 {
    match machine.name {
        "x86_64" => 1,
        "ppc64le" => 38,
        "s390x" => 22,
        _ => 257,
    }
}

/// Adds a section of records as objtool leaves it: one for each klp relocation, with its location
/// and symbol.
fn with_records(machine: &Machine, bytes: &[u8], name: &str) -> Vec<u8> {
    let module = Module::parse(bytes).unwrap();
    let klp = module
        .relocation_sections()
        .filter(|s| s.sh_flags.contains(SectionFlags::RELA_LIVEPATCH))
        .flat_map(|s| module.relocations(s.index).map(|rela| (SectionIndex::new(s.sh_info), rela)));
    let (mut body, mut relocations) = (Vec::new(), Vec::new());
    for (target, rela) in klp {
        let offset = body.len() as u64;
        let place = module.symbols().find(|s| s.section == SymbolSection::Defined(target)).unwrap();
        let (symbol, addend, kind) = (place.index, rela.addend, absolute(machine));
        relocations.push(Rela { offset, symbol, kind, addend: rela.offset.cast_signed() });
        relocations.push(Rela { offset: offset + 8, symbol: rela.symbol, kind, addend });
        body.extend([0; 24]);
    }
    assert!(!body.is_empty(), "the premise");
    let section = |name: String, sh_type, body| NewSection {
        name: name.into_bytes(),
        sh_type,
        sh_flags: SectionFlags::default(),
        link: SectionIndex::NULL,
        info: SectionIndex::NULL,
        sh_addralign: 8,
        sh_entsize: 0,
        body,
    };
    let mut edits = Edits::new();
    edits.add_section(NewSection {
        sh_flags: SectionFlags::ALLOC,
        ..section(name.into(), SHT_PROGBITS, NewBody::Bytes(body))
    });
    let bytes = rewrite(&module, &edits).unwrap().into_owned();
    let module = Module::parse(&bytes).unwrap();
    let mut edits = Edits::new();
    edits.add_section(NewSection {
        link: module.symtab(),
        info: module.sections_named(name.as_bytes()).next().unwrap().index,
        sh_flags: SectionFlags::INFO_LINK,
        sh_entsize: 24,
        ..section(format!(".rela{name}"), SHT_RELA, NewBody::Relocations(relocations))
    });
    rewrite(&module, &edits).unwrap().into_owned()
}

/// Exit code and output of a check with a machine's sources.
fn check(machine: &Machine, bytes: &[u8]) -> (i32, String) {
    let bench = Sandbox::new();
    let path = bench.file("in.ko", bytes).into_os_string();
    let ended = run(["check".into(), path].into_iter().chain(machine.map(Map::Elf)));
    (ended.code, ended.stderr)
}

#[test]
fn objtools_records_in_a_finished_module_are_harmless() {
    for machine in machines() {
        let right = converted(&machine, NAME);
        for name in ["__klp_relocs.klp_target_a", "__klp_relocs.vmlinux", "__klp_relocs"] {
            let (code, said) = check(&machine, &with_records(&machine, &right, name));
            assert_eq!(code, 0, "{} {name}: {said}", machine.name);
            assert!(said.contains(": loads, tried at ") && !said.contains("error["), "{said}");
        }
        // In another section they may be read.
        for name in [".data.klp_relocs", "__klp_relocs_of_mine", ".klp_relocs"] {
            let (code, said) = check(&machine, &with_records(&machine, &right, name));
            assert_eq!(code, 1, "{} {name}: {said}", machine.name);
            assert!(said.contains("plain-relocation, corrupted"), "{said}");
        }
    }
}

#[test]
fn records_that_the_module_reads_are_ordinary_data() {
    for machine in machines() {
        let bytes = with_records(&machine, &converted(&machine, NAME), "__klp_relocs.vmlinux");
        // struct module points to it.
        let image = Image::read(&bytes);
        let records = image.sections.iter().position(|s| s.name == "__klp_relocs.vmlinux").unwrap();
        let records = object::elf::SymbolSection(u16::try_from(records).unwrap());
        let init = image.symbols.iter().position(|s| s.name == "init_module").unwrap();
        let patched = Patched::new(bytes).symbol(init, |s, e| s.st_shndx.set(e, records));
        let (code, said) = check(&machine, &patched.bytes);
        assert_eq!(code, 1, "{}: {said}", machine.name);
        assert!(said.contains("plain-relocation, corrupted"), "{said}");
    }
}

/// A module in which post-link has not been run: its klp symbols are weak and undefined.
fn unfinished(machine: &Machine, weak: bool) -> Patched {
    let mut patched = Patched::new(converted(machine, NAME));
    let image = Image::read(&patched.bytes);
    for (index, _) in image.symbols.iter().enumerate().filter(|(_, s)| s.section == SHN_LIVEPATCH) {
        patched = patched.symbol(index, |s, e| {
            s.st_shndx.set(e, object::elf::SymbolSection(0));
            s.st_info = object::elf::SymbolInfo(if weak { 0x20 } else { 0x10 });
        });
    }
    for section in image.klp_sections() {
        let plain = section.name.replace(".klp.rela.klp_target_a", ".rela");
        let clear = |flags: u64| object::elf::SectionFlags(flags & !0x0010_0002);
        patched = patched
            .section(&section.name, |s, e| s.sh_flags.set(e, clear(s.sh_flags.get(e).0)))
            .rename_section(&section.name, &plain);
    }
    patched
}

#[test]
fn an_unfinished_klp_build_livepatch_is_refused_with_its_own_code_and_once() {
    for machine in machines() {
        let bench = Sandbox::new();
        let said =
            ["error[KLP-E0108]", "an unfinished klp-build livepatch", "objtool klp post-link"];
        let input = bench.file("in.ko", &unfinished(&machine, true).bytes);
        bench.refuses(&input, machine.map(Map::Elf), &said);
        let words = ["check".into(), input.into_os_string()];
        for further in [Vec::new(), machine.map(Map::Elf), machine.map(Map::ListAlone)] {
            let ended = run(words.iter().cloned().chain(further));
            ended.refused(&said);
            assert_eq!(ended.stderr.matches("KLP-E0108").count(), 1, "{}", ended.stderr);
            // The kernel silently binds weak symbols to 0; for arm64's loader that is too far.
            let silent = ended.stderr.contains("would load incorrectly");
            assert_eq!(silent, !ended.stderr.contains("KLP-E0801"), "{}", ended.stderr);
            assert!(silent || machine.name == "arm64", "{}", ended.stderr);
        }
    }
}

#[test]
fn the_kernel_also_refuses_undefined_klp_symbols_that_are_not_weak() {
    for machine in machines() {
        let (code, said) = check(&machine, &unfinished(&machine, false).bytes);
        assert_eq!(code, 1);
        assert!(
            said.contains("KLP-E0108")
                && said.contains("klp.sym.klp_target_a.klp_homonym,2 (err -2)"),
            "{said}"
        );
        assert!(said.contains("would be refused"), "{said}");
    }
}

#[test]
fn a_tombstone_that_is_undefined_shows_that_post_link_has_not_been_run() {
    for machine in machines() {
        let right = converted(&machine, NAME);
        let image = Image::read(&right);
        let weak = image.symbols.iter().position(|s| s.section == 0 && s.info >> 4 == 1).unwrap();
        let patched = Patched::new(right).rename(weak, ".klp.tombstone.counter");
        let (code, said) = check(&machine, &patched.bytes);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("KLP-E0108"), "{said}");
        // A marked one is normal in a finished module, and nothing looks it up.
        let marked = patched
            .symbol(weak, |s, e| s.st_shndx.set(e, object::elf::SymbolSection(SHN_LIVEPATCH)));
        let (_, said) = check(&machine, &marked.bytes);
        assert!(!said.contains("KLP-E0108") && !said.contains("symbol-name"), "{said}");
    }
}

#[test]
fn an_unfinished_kpatch_livepatch_is_refused_with_its_own_code() {
    for machine in machines() {
        for section in [".kpatch.relocations", ".kpatch.symbols"] {
            let right = Patched::new(machine.read("lp_vmlinux_inferred.ko"));
            let bytes = right.rename_section(".comment", section).bytes;
            let bench = Sandbox::new();
            let input = bench.file("in.ko", &bytes);
            // What is in there is no record.
            bench.refuses(&input, machine.map(Map::Elf), &["error[KLP-E0121]", section]);
            let said = ["error[KLP-E0120]", section, "create-klp-module"];
            let (code, checked) = check(&machine, &bytes);
            assert!(code == 1 && said.iter().all(|word| checked.contains(word)), "{checked}");
            let bare = run(["check".into(), input.into_os_string()]);
            bare.refused(&said);
        }
    }
}

#[test]
fn sections_that_a_finished_kpatch_livepatch_keeps_are_accepted() {
    for machine in machines() {
        for section in [".kpatch.funcs", ".kpatch.strings", ".kpatch.callbacks.pre_patch"] {
            let right = Patched::new(converted(&machine, NAME));
            let (code, said) = check(&machine, &right.rename_section(".comment", section).bytes);
            assert_eq!(code, 0, "{}: {said}", machine.name);
        }
        // Nothing in it is unfinished.
        let empty = Patched::new(converted(&machine, NAME))
            .rename_section(".comment", ".kpatch.relocations")
            .section(".kpatch.relocations", |s, e| s.sh_size.set(e, 0));
        let (code, said) = check(&machine, &empty.bytes);
        assert_eq!(code, 0, "{}: {said}", machine.name);
    }
}

#[test]
fn copies_of_special_sections_are_wrong_for_kernels_that_do_not_read_them() {
    for machine in machines() {
        let bench = Sandbox::new();
        let check = |section: &str, version: &str| {
            let right = Patched::new(converted(&machine, NAME));
            let file = bench.file("in.ko", &right.rename_section(".comment", section).bytes);
            let words = ["check".into(), "--target-kernel".into(), version.into()];
            run(words.into_iter().chain([file.into_os_string()]))
        };
        for version in ["4.12", "5.7", "5.8", "7.2"] {
            let ended = check(".klp.arch.vmlinux..altinstructions", version);
            let reads = machine.name == "x86_64" && ["4.12", "5.7"].contains(&version);
            // ppc64le has no such section that would be missed.
            if reads || machine.name == "ppc64le" {
                ended.done();
            } else {
                let words = format!("Linux {version} reads '.altinstructions' only");
                ended.refused(&["would load incorrectly", "[arch-section, ignored]", &words]);
            }
            for other in [".klp.arch.vmlinux.other", ".klp.arch.altinstructions"] {
                check(other, version).done();
            }
        }
    }
}

#[test]
fn sections_and_symbols_of_other_tools_are_listed_as_such() {
    for machine in machines() {
        let bench = Sandbox::new();
        let right = with_records(&machine, &converted(&machine, NAME), "__klp_relocs.klp_target_a");
        let image = Image::read(&right);
        let symbol = image.symbols.iter().position(|s| s.section == SHN_LIVEPATCH).unwrap();
        let other = image.symbols.iter().position(|s| s.section == 0 && s.info >> 4 == 1).unwrap();
        let patched = Patched::new(right)
            .rename(other, ".klp.tombstone.counter")
            .symbol(other, |s, e| s.st_shndx.set(e, object::elf::SymbolSection(SHN_LIVEPATCH)));
        let path = bench.file("in.ko", &patched.bytes);
        let words = ["inspect".into(), path.into_os_string()];
        let shown = run(words.clone()).done().stdout.clone();
        for said in [
            "tombstones of objtool (1)\n  .klp.tombstone.counter\n",
            "sections of other tools (1)\n  __klp_relocs.klp_target_a: klp-build: ",
        ] {
            assert!(shown.contains(said), "{shown}");
        }
        assert!(!shown.contains("not finished"), "{shown}");
        let json = ["--format", "json"].map(Into::into);
        let document = run(words.into_iter().chain(json)).done().json();
        assert_eq!(document["tombstones"][0], ".klp.tombstone.counter");
        assert_eq!(document["other_tools"][0]["name"], "__klp_relocs.klp_target_a");
        let klp = document["klp_symbols"].as_array().unwrap();
        assert!(klp.contains(&image.symbols[symbol].name.clone().into()));
        assert!(document["unfinished"].is_null());
        let path = bench.file("in.ko", &unfinished(&machine, true).bytes);
        let shown = run(["inspect".into(), path.into_os_string()]).done().stdout.clone();
        assert!(shown.contains("not finished: an unfinished klp-build livepatch"), "{shown}");
    }
}

#[test]
fn a_finished_klp_build_livepatch_is_converted_into_itself() {
    for machine in machines() {
        let bytes = with_records(&machine, &converted(&machine, NAME), "__klp_relocs.klp_target_a");
        let bench = Sandbox::new();
        let input = bench.file("in.ko", &bytes);
        bench.convert(&input, &machine, Map::Elf).done();
        assert_eq!(bench.written(), bytes, "{}", machine.name);
    }
}
