//! A conversion changes only what is in its plan.
//!
//! The plan of `convert --dry-run --format json` is applied to the input independently; the written
//! file must be exactly that.

use std::collections::BTreeSet;

use object::elf::FileFlags;
use serde_json::Value;

use crate::image::{ALLOC, INFO_LINK, Image, RELA, RELA_LIVEPATCH, SHN_LIVEPATCH, Section};
use crate::machine::{Machine, Map, machines};
use crate::patch::{Patched, signature};
use crate::tool::{Sandbox, run, undeclared};

/// The plan for a fixture.
pub(crate) fn plan(machine: &Machine, input: &std::path::Path) -> Value {
    let words = ["convert", "--dry-run", "--format", "json"].map(Into::into);
    let words = words.into_iter().chain([input.as_os_str().to_owned()]).chain(undeclared(input));
    run(words.chain(machine.map(Map::Elf))).done().json()["plan"].clone()
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().expect("a number")).unwrap()
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// Name of a planned klp symbol.
pub(crate) fn klp_symbol(symbol: &Value) -> String {
    let klp = &symbol["klp"];
    format!(".klp.sym.{}.{},{}", text(&klp["owner"]), text(&klp["symbol"]), klp["position"])
}

/// Name of a planned klp section.
pub(crate) fn klp_section(section: &Value) -> String {
    format!(".klp.rela.{}.{}", text(&section["to"]["gate"]), text(&section["to"]["section"]))
}

/// The file after its plan, without the tables of names and symbols.
fn planned(before: &Image, plan: &Value) -> Image {
    let mut image = before.clone();
    let indices = |key: &str| list(&plan[key]).iter().map(|v| number(&v["index"]));
    let gone_sections: BTreeSet<_> = indices("removed_sections").collect();
    let mut gone_symbols: BTreeSet<_> = indices("removed_symbols").collect();
    for symbol in list(&plan["symbols"]) {
        assert_eq!(symbol["same_as"], Value::Null, "no fixture has a klp symbol twice");
        let named = &mut image.symbols[number(&symbol["index"])];
        assert_eq!(named.name, text(&symbol["name"]));
        named.name = klp_symbol(symbol);
        (named.section, named.value) = (SHN_LIVEPATCH, 0);
    }
    let symtab = image.sections.iter().position(|s| s.name == ".symtab").unwrap();
    for section in list(&plan["sections"]) {
        assert_eq!(section["existing"], Value::Null, "no fixture has klp sections yet");
        let from = number(&section["from"]["index"]);
        let moved = list(&section["entries"]).iter();
        let moved = moved.map(|e| before.sections[from].relocations[number(&e["entry"])]);
        let moved: Vec<_> = moved.collect();
        image.sections[from].relocations.retain(|r| !moved.contains(r));
        image.sections.push(Section {
            name: klp_section(section),
            kind: RELA,
            flags: ALLOC | INFO_LINK | RELA_LIVEPATCH,
            address: 0,
            align: 8,
            entry_size: 24,
            link: u32::try_from(symtab).unwrap(),
            info: u32::try_from(number(&section["target"])).unwrap(),
            size: 0,
            body: Vec::new(),
            relocations: moved,
        });
    }
    if let (Some(from), Some(to)) =
        (plan["depends"]["from"].as_str(), plan["depends"]["to"].as_str())
    {
        let body = &mut image.sections[number(&plan["depends"]["section"])].body;
        let (from, to) = (format!("depends={from}\0"), format!("depends={to}\0"));
        let at = body.windows(from.len()).position(|bytes| bytes == from.as_bytes()).unwrap();
        let shorter = [to.as_bytes(), &vec![0; from.len() - to.len()]].concat();
        body[at..at + from.len()].copy_from_slice(&shorter);
    }
    assert!(list(&plan["versions"]).is_empty(), "no fixture has versions of symbols");
    gone_symbols.retain(|&s| s != 0);
    remove(&mut image, &gone_sections, &gone_symbols);
    image
}

/// Removes sections and symbols and adjusts every index.
fn remove(image: &mut Image, sections: &BTreeSet<usize>, symbols: &BTreeSet<usize>) {
    let after = |gone: &BTreeSet<usize>, index: u32| {
        index - u32::try_from(gone.range(..index as usize).count()).unwrap()
    };
    let mut index = 0..;
    image.symbols.retain(|_| !symbols.contains(&index.next().unwrap()));
    for symbol in &mut image.symbols {
        if (1..0xff00).contains(&symbol.section) {
            symbol.section = u16::try_from(after(sections, symbol.section.into())).unwrap();
        }
    }
    let mut index = 0..;
    image.sections.retain(|_| !sections.contains(&index.next().unwrap()));
    for section in &mut image.sections {
        section.link = after(sections, section.link);
        if section.kind == RELA {
            section.info = after(sections, section.info);
        } else if section.name == ".symtab" {
            section.info = after(symbols, section.info);
        }
        for relocation in &mut section.relocations {
            relocation.symbol = after(symbols, relocation.symbol);
        }
    }
}

/// Removes what follows from the rest: bodies that hold indices or names, and their sizes.
fn without_tables(mut image: Image) -> Image {
    for section in &mut image.sections {
        let table = [".symtab", ".strtab", ".shstrtab"].contains(&section.name.as_str());
        if table || section.kind == RELA {
            section.body.clear();
            section.size = 0;
        }
    }
    image
}

#[test]
fn the_written_file_is_the_input_with_its_plan_applied_and_nothing_else() {
    for machine in machines() {
        for name in machine.convertible() {
            let bench = Sandbox::new();
            let input = machine.path(&name);
            bench.convert(&input, &machine, Map::Elf).done();
            let before = Image::read(&machine.read(&name));
            let after = Image::read(&bench.written());
            let expected = planned(&before, &plan(&machine, &input));
            assert_ne!(before, after);
            assert_eq!(without_tables(after), without_tables(expected), "{} {name}", machine.name);
        }
    }
}

#[test]
fn where_nothing_is_removed_every_index_stays() {
    for machine in machines() {
        let bench = Sandbox::new();
        let name = "lp_vmlinux_inferred.ko";
        bench.convert(&machine.path(name), &machine, Map::Elf).done();
        let before = Image::read(&machine.read(name));
        let after = Image::read(&bench.written());
        let names =
            |image: &Image| image.sections.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
        let (old, new) = (names(&before), names(&after));
        assert_eq!(new[..old.len()], old[..], "{}", machine.name);
        assert_eq!(before.symbols.len(), after.symbols.len());
        for (before, after) in before.symbols.iter().zip(&after.symbols) {
            let renamed = after.name == format!(".klp.sym.vmlinux.{},0", before.name);
            assert!(before == after || renamed, "{before:?} {after:?}");
        }
    }
}

/// klp-convert v7 and minimal v3 kept an addend in an `int`: rewriting any relocation section
/// truncated every addend in it to 32 bits.
#[test]
fn addends_of_64_bits_survive_in_moved_and_in_other_relocations() {
    let extremes =
        [i64::MIN, i64::MAX, 1 << 31, -(1 << 31) - 1, 1 << 32, -1, 0x1234_5678_9abc_def0];
    for machine in machines() {
        let name = "lp_data_pointers.ko";
        let before = Image::read(&machine.read(name));
        let mut patched = Patched::new(machine.read(name));
        let mut addend = extremes.into_iter().cycle();
        for section in before.sections.iter().filter(|s| s.kind == RELA) {
            for entry in 0..section.relocations.len() {
                let addend = addend.next().unwrap();
                let section = &section.name;
                patched = patched.relocation(section, entry, |r, e| r.r_addend.set(e, addend));
            }
        }
        let before = Image::read(&patched.bytes);
        let bench = Sandbox::new();
        let input = bench.file("in.ko", &patched.bytes);
        bench.convert(&input, &machine, Map::Elf).done();
        let after = Image::read(&bench.written());
        let expected = planned(&before, &plan(&machine, &input));
        let beyond = |s: &Section| s.relocations.iter().any(|r| i32::try_from(r.addend).is_err());
        assert!(after.klp_sections().any(beyond), "{}", machine.name);
        assert_eq!(without_tables(after), without_tables(expected), "{}", machine.name);
    }
}

#[test]
fn flags_of_the_file_header_stay() {
    for machine in machines() {
        let bench = Sandbox::new();
        // A bit that no ABI defines must not be dropped.
        let patched = Patched::new(machine.read("lp_vmlinux_inferred.ko"));
        let flags = Image::read(&patched.bytes).flags | 0x4000_0000;
        let input =
            bench.file("in.ko", &patched.header(|h, e| h.e_flags.set(e, FileFlags(flags))).bytes);
        bench.convert_with(&input, [vec!["--no-check".into()], machine.map(Map::Elf)].concat());
        assert_eq!(Image::read(&bench.written()).flags, flags, "{}", machine.name);
    }
}

#[test]
fn a_module_with_nothing_to_convert_is_copied_byte_for_byte_with_its_signature() {
    for machine in machines() {
        for signed in [false, true] {
            let bench = Sandbox::new();
            let mut bytes = machine.read("klp_target_a.ko");
            bytes.extend(if signed { signature() } else { Vec::new() });
            let input = bench.file("in.ko", &bytes);
            let kernel = ["--vmlinux".into(), machine.path("vmlinux.cut").into_os_string()];
            let exports = ["--symvers".into(), machine.path("Module.symvers").into_os_string()];
            bench.convert_with(&input, kernel.into_iter().chain(exports)).done();
            assert!(bench.written() == bytes, "{} signed: {signed}", machine.name);
        }
    }
}

#[test]
fn a_second_conversion_changes_nothing() {
    for machine in machines() {
        for name in machine.convertible() {
            let bench = Sandbox::new();
            bench.convert(&machine.path(&name), &machine, Map::Elf).done();
            let first = bench.file("first.ko", &bench.written());
            bench.convert(&first, &machine, Map::Elf).done();
            assert!(bench.written() == std::fs::read(&first).unwrap(), "{} {name}", machine.name);
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for machine in machines() {
        let name = "lp_dotted_names.ko";
        let convert = || {
            let bench = Sandbox::new();
            bench.convert(&machine.path(name), &machine, Map::Elf).done();
            bench.written()
        };
        assert!(convert() == convert(), "{}", machine.name);
    }
}
