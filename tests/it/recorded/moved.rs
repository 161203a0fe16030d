//! Positions that were recorded for another kernel than the one that the livepatch is for.

use std::ffi::OsString;

use super::{Generation, is_big, kpatch, objtool};
use crate::gates::converted;
use crate::image::{Image, SHN_LIVEPATCH};
use crate::machine::{Machine, Map, machines};
use crate::patch::Patched;
use crate::tool::{Sandbox, run};

const NAME: &str = "lp_selector_file.ko";

/// The same kernel with the homonyms of a name in the other order.
fn swapped(machine: &Machine) -> Vec<u8> {
    let bytes = machine.read("vmlinux.cut");
    let image = Image::read(&bytes);
    let named = (0..image.symbols.len()).filter(|&n| image.symbols[n].name == "set_is_seen");
    let [first, second] = named.collect::<Vec<_>>()[..] else { panic!("{}", machine.name) };
    let (low, high) = (image.symbols[first].value, image.symbols[second].value);
    Patched::new(bytes)
        .symbol(first, |s, e| s.st_value.set(e, high))
        .symbol(second, |s, e| s.st_value.set(e, low))
        .bytes
}

/// Each klp relocation's location and symbol.
fn klp(bytes: &[u8]) -> Vec<(u64, String)> {
    let image = Image::read(bytes);
    let relocations = image.klp_sections().flat_map(|section| &section.relocations);
    let mut all: Vec<_> =
        relocations.map(|rela| (rela.offset, image.symbol_of(rela).to_owned())).collect();
    all.sort();
    all
}

#[test]
fn positions_follow_the_source_file_into_another_kernel() {
    for machine in machines() {
        let bench = Sandbox::new();
        let here = converted(&machine, NAME);
        let vmlinux = bench.file("vmlinux", &swapped(&machine));
        let other = ["--vmlinux".into(), vmlinux.into_os_string(), "--symvers".into()];
        let other: Vec<OsString> =
            other.into_iter().chain([machine.path("Module.symvers").into()]).collect();
        bench.convert_with(&machine.path(NAME), other.clone()).done();
        let there = bench.written();
        assert_ne!(klp(&here), klp(&there), "the premise");
        let old = bench.path("old.map");
        let build = ["symbols".into(), "build".into(), "-o".into(), old.clone().into_os_string()];
        run(build.into_iter().chain(machine.map(Map::Elf))).done();
        for intermediate in [
            objtool(&machine, &here, Generation::Gate, is_big(&machine)),
            kpatch(&machine, &here, is_big(&machine)),
        ] {
            let input = bench.file("in.ko", &intermediate);
            bench.convert_with(&input, other.clone()).done();
            assert_eq!(klp(&bench.written()), klp(&here), "as recorded");
            let from = ["--positions-from".into(), old.clone().into_os_string()];
            let further: Vec<_> = other.clone().into_iter().chain(from.clone()).collect();
            bench.convert_with(&input, further.clone()).done();
            assert_eq!(klp(&bench.written()), klp(&there), "{}", machine.name);
            let words = ["post-link".into(), input.clone().into_os_string()];
            run(words.into_iter().chain(further)).done();
            if Image::read(&intermediate).find(".kpatch.symbols").is_none() {
                assert_eq!(klp(&std::fs::read(&input).unwrap()), klp(&there));
            }
        }
    }
}

#[test]
fn a_position_that_the_other_kernel_does_not_have_is_refused() {
    let machine = machines().remove(0);
    let here = converted(&machine, NAME);
    let image = Image::read(&here);
    let is = |s: &crate::image::Symbol| s.section == SHN_LIVEPATCH && s.name.ends_with(",2");
    let symbol = image.symbols.iter().position(is).unwrap();
    let name = image.symbols[symbol].name.replace(",2", ",7");
    let wrong = Patched::new(here).rename(symbol, &name).bytes;
    let bench = Sandbox::new();
    let input = bench.file("in.ko", &objtool(&machine, &wrong, Generation::Gate, false));
    let from = [OsString::from("--positions-from"), machine.path("symbols.klp").into()];
    let further: Vec<_> = machine.map(Map::Elf).into_iter().chain(from).collect();
    bench.refuses(&input, further, &["error[KLP-E0104]"]);
}
