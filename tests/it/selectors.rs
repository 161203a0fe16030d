//! A selector is one source for many kernels: the position is found in each.

use std::path::{Path, PathBuf};

use crate::image::Image;
use crate::machine::{Machine, Map, machines};
use crate::patch::Patched;
use crate::tool::{Sandbox, run};

/// The klp symbol that the relocations of one use now have.
fn meaning(before: &[u8], after: &[u8], name: &str) -> String {
    let (before, after) = (Image::read(before), Image::read(after));
    for section in before.sections.iter().filter(|s| !s.name.starts_with(".rela.klp.")) {
        let used = section.relocations.iter().find(|r| before.symbol_of(r) == name);
        let Some(used) = used else { continue };
        let target = section.name.strip_prefix(".rela").unwrap();
        let klp = after.section(&format!(".klp.rela.vmlinux.{target}"));
        let moved = klp.relocations.iter().find(|r| r.offset == used.offset).unwrap();
        return after.symbol_of(moved).to_owned();
    }
    panic!("nothing uses {name}")
}

/// The position of the symbol of a file, counted by address as the kernel counts.
fn counted(vmlinux: &Image, name: &str, wanted: &str) -> usize {
    let (mut file, mut homonyms) = ("", Vec::new());
    for symbol in &vmlinux.symbols {
        match symbol.info & 15 {
            4 => file = &symbol.name,
            _ if symbol.name == name => homonyms.push((symbol.value, file)),
            _ => {}
        }
    }
    homonyms.sort_unstable();
    1 + homonyms.iter().position(|(_, file)| *file == wanted).unwrap()
}

/// The expected conversion of the fixture with this kernel.
fn expected(vmlinux: &Path) -> [(&'static str, String); 3] {
    let vmlinux = Image::read(&std::fs::read(vmlinux).unwrap());
    [
        ("set_is_seen", "set_is_seen", "pid.c"),
        ("seen_of_ucount", "set_is_seen", "ucount.c"),
        ("set_root", "set_root", "ucount.c"),
    ]
    .map(|(used, name, file)| {
        (used, format!(".klp.sym.vmlinux.{name},{}", counted(&vmlinux, name, file)))
    })
}

/// Converts the fixture with a kernel; returns the klp symbols of its three uses.
fn converted(machine: &Machine, vmlinux: &Path) -> [(&'static str, String); 3] {
    let bench = Sandbox::new();
    let input = machine.path("lp_selector_file.ko");
    let symvers = machine.path("Module.symvers");
    let map = ["--vmlinux".as_ref(), vmlinux.as_os_str(), "--symvers".as_ref(), symvers.as_ref()];
    bench.convert_with(&input, map).done();
    let (before, after) = (std::fs::read(input).unwrap(), bench.written());
    ["set_is_seen", "seen_of_ucount", "set_root"].map(|name| (name, meaning(&before, &after, name)))
}

#[test]
fn one_livepatch_gets_other_positions_in_a_kernel_of_another_order() {
    for machine in machines() {
        let bench = Sandbox::new();
        let kernel = machine.path("vmlinux.cut");
        let image = Image::read(&machine.read("vmlinux.cut"));
        let homonyms: Vec<_> =
            (0..image.symbols.len()).filter(|&n| image.symbols[n].name == "set_is_seen").collect();
        let [first, second] = homonyms[..] else { panic!("{}: {homonyms:?}", machine.name) };
        let (low, high) = (image.symbols[first].value, image.symbols[second].value);
        assert_ne!(low, high);
        let swapped = Patched::new(machine.read("vmlinux.cut"))
            .symbol(first, |s, e| s.st_value.set(e, high))
            .symbol(second, |s, e| s.st_value.set(e, low));
        let other = bench.file("vmlinux", &swapped.bytes);
        let (here, there) = (converted(&machine, &kernel), converted(&machine, &other));
        assert_eq!((&here, &there), (&expected(&kernel), &expected(&other)), "{}", machine.name);
        assert_eq!(here[0].1, ".klp.sym.vmlinux.set_is_seen,1");
        assert_eq!(here[1].1, ".klp.sym.vmlinux.set_is_seen,2");
        assert_eq!(there[0].1, ".klp.sym.vmlinux.set_is_seen,2");
        assert_eq!(there[1].1, ".klp.sym.vmlinux.set_is_seen,1");
        assert_eq!(here[2], there[2]);
    }
}

/// `KLP_KERNELS` is two `vmlinux` of one machine, with a colon between them.
#[test]
#[ignore = "needs two builds of a kernel: KLP_KERNELS"]
fn one_livepatch_gets_other_positions_in_two_kernels_that_were_built() {
    let kernels = std::env::var("KLP_KERNELS").expect("KLP_KERNELS=VMLINUX:VMLINUX");
    let kernels: Vec<_> = kernels.split(':').map(PathBuf::from).collect();
    let [first, second] = &kernels[..] else { panic!("two kernels, not {kernels:?}") };
    let of = Image::read(&std::fs::read(first).unwrap()).machine;
    let same = |m: &Machine| Image::read(&m.read("lp_selector_file.ko")).machine == of;
    let machine = machines().into_iter().find(same).expect("fixtures of the kernels' machine");
    let (here, there) = (converted(&machine, first), converted(&machine, second));
    assert_eq!((&here, &there), (&expected(first), &expected(second)));
    assert_ne!(here[0], there[0], "both kernels have the same order");
    assert_ne!(here[1], there[1]);
}

#[test]
fn an_ambiguous_name_is_refused_with_the_selectors_to_paste() {
    for machine in machines() {
        let bench = Sandbox::new();
        let input = machine.path("lp_homonym_unannotated.ko");
        bench.convert(&input, &machine, Map::Elf).refused(&[
            "error[KLP-E0102]",
            "KLP_SYMBOL_IN(vmlinux, set_is_seen, \"pid.c\");",
            "KLP_SYMBOL_IN(vmlinux, set_is_seen, \"ucount.c\");",
            "KLP_SYMPOS(set_is_seen, 2)",
        ]);
        let ended = bench.convert(&input, &machine, Map::List);
        ended.refused(&["error[KLP-E0102]", "KLP_SYMPOS(set_is_seen, 2)"]);
        assert!(!ended.stderr.contains("KLP_SYMBOL_IN"), "{}", ended.stderr);
    }
}

#[test]
fn a_path_known_only_by_its_end_is_used_with_a_warning_where_others_have_that_end() {
    let module = "lp_selector_file.ko";
    for machine in machines() {
        let bench = Sandbox::new();
        let ended = bench.convert(&machine.path(module), &machine, Map::Elf);
        assert!(!ended.done().stderr.contains("warning"), "{}", ended.stderr);
        let converted = bench.written();
        // A second file of the name, without the symbol.
        let kernel = Image::read(&machine.read("vmlinux.cut"));
        let core = |s: &crate::image::Symbol| s.info & 15 == 4 && s.name == "core.c";
        let core = kernel.symbols.iter().position(core).unwrap();
        let twin = Patched::new(machine.read("vmlinux.cut")).rename(core, "pid.c");
        let twin = bench.file("vmlinux", &twin.bytes);
        let mut sources = machine.map(Map::Elf);
        sources[1] = twin.into();
        let map = bench.path("map");
        let words = ["symbols".into(), "build".into(), "-o".into(), map.clone().into_os_string()];
        run(words.into_iter().chain(sources.clone())).done();
        for sources in [sources, vec!["-s".into(), map.into()]] {
            let ended = bench.convert_with(&machine.path(module), sources);
            let warnings = ended.done().stderr.matches("warning[KLP-W0707]").count();
            assert_eq!(warnings, 1, "{}", ended.stderr);
            assert!(
                ended.stderr.contains("known only as 'pid.c', which may not be 'kernel/pid.c'")
            );
            assert!(ended.stderr.contains("help: 'vmlinux' has several files of that name; "));
            assert!(bench.written() == converted, "{}", machine.name);
        }
        let ended = bench.convert(&machine.path("lp_selector_neighbour.ko"), &machine, Map::Elf);
        assert!(!ended.done().stderr.contains("warning"), "{}", ended.stderr);
    }
}

#[test]
fn selectors_are_shown_as_written_and_fail_the_check() {
    for machine in machines() {
        let file = machine.path("lp_selector_neighbour.ko");
        let shown = run([Path::new("inspect"), &file]).done().stdout.clone();
        for line in [
            "'set_is_seen' of vmlinux, next to 'set_root'",
            "'klp_homonym' of klp_target_a, next to 'klp_string.67890', gate klp_target_a",
        ] {
            assert!(shown.contains(line), "{shown}");
        }
        let file = machine.path("lp_selector_file.ko");
        let shown = run([Path::new("inspect"), &file]).done().stdout.clone();
        assert!(shown.contains("'set_is_seen' of vmlinux, from 'kernel/ucount.c'"), "{shown}");
        run([Path::new("check"), &file]).refused(&["'.klp.selectors' is an annotation"]);
    }
}
