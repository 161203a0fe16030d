//! Intermediate modules of objtool and kpatch, on four machines: what their last step makes, and nothing else.

mod against_kpatch;
mod against_objtool;
mod arch_sections;
mod calls;

pub(crate) mod generator;
mod malformed;
mod moved;
mod tables;

use klp_convert::convert::{Conversion, convert};
use klp_convert::options::Options;
use klp_convert::symbols::Sources;

use crate::gates::{backend, converted, sources};
use crate::image::{Image, SHN_LIVEPATCH};
use crate::machine::{Machine, machines};
use crate::patch::Patched;

use generator::Generation;

/// A form of the intermediate modules.
type Form = (&'static str, fn(&Machine, &[u8]) -> Vec<u8>);

const FORMS: [Form; 5] = [
    ("objtool", |machine, bytes| objtool(machine, bytes, Generation::Gate, is_big(machine))),
    ("objtool, other host", |machine, bytes| {
        objtool(machine, bytes, Generation::Gate, !is_big(machine))
    }),
    ("objtool of Linux 6.19", |machine, bytes| {
        objtool(machine, bytes, Generation::Owner, is_big(machine))
    }),
    ("kpatch", |machine, bytes| kpatch(machine, bytes, is_big(machine))),
    ("kpatch, other host", |machine, bytes| kpatch(machine, bytes, !is_big(machine))),
];

fn objtool(machine: &Machine, finished: &[u8], generation: Generation, big: bool) -> Vec<u8> {
    generator::objtool(backend(machine), finished, generation, big)
}

fn kpatch(machine: &Machine, finished: &[u8], big: bool) -> Vec<u8> {
    generator::kpatch(backend(machine), finished, big)
}

fn is_big(machine: &Machine) -> bool {
    machine.name == "s390x"
}

fn options() -> Options {
    Options { allow_undeclared_dependency: true, ..Options::default() }
}

/// What loaders read of a module: sections that are kept, and relocations with the names of their symbols.
fn meaning(bytes: &[u8]) -> Vec<String> {
    let image = Image::read(bytes);
    let symbol = |index: u32| {
        let symbol = &image.symbols[index as usize];
        match symbol.name.as_str() {
            "" => format!("section {}", image.sections[usize::from(symbol.section)].name),
            name => name.to_owned(),
        }
    };
    let mut lines = Vec::new();
    for section in &image.sections {
        let tables = [".symtab", ".strtab", ".shstrtab", ".kpatch.strings", ""];
        if tables.contains(&section.name.as_str()) {
            continue;
        }
        if section.kind != 4 {
            lines.push(format!("{} {:x} {:?}", section.name, section.flags, section.body));
        }
        let mut relocations: Vec<_> = section
            .relocations
            .iter()
            .map(|rela| {
                (
                    rela.offset,
                    format!(
                        "{} {:x}: {:x} {} {} {}",
                        section.name,
                        section.flags,
                        rela.offset,
                        rela.kind,
                        symbol(rela.symbol),
                        rela.addend
                    ),
                )
            })
            .collect();
        relocations.sort();
        lines.extend(relocations.into_iter().map(|(_, line)| line));
    }
    for symbol in &image.symbols {
        // Section symbols and strings are the generator's.
        if symbol.info & 15 != 3 {
            let livepatch = symbol.section == SHN_LIVEPATCH;
            let bind = if livepatch { 0 } else { symbol.info };
            lines.push(format!("{} {bind} {:x} {}", symbol.name, symbol.value, symbol.section));
        }
    }
    lines.sort();
    lines
}

#[test]
fn the_records_of_every_fixture_become_the_klp_relocations_that_they_were_made_from() {
    for machine in machines() {
        for name in machine.convertible() {
            let finished = converted(&machine, &name);
            for (form, make) in FORMS {
                let gates_are_owners = form != "objtool of Linux 6.19";
                if !gates_are_owners && name == "lp_cross_module.ko" {
                    continue;
                }
                let intermediate = make(&machine, &finished);
                let made = |sources: &Sources| {
                    convert(&intermediate, sources, &options())
                        .unwrap_or_else(|e| panic!("{} {name} {form}: {e}", machine.name))
                };
                let Conversion { bytes, .. } = made(&sources(&machine));
                assert_eq!(meaning(&bytes), meaning(&finished), "{} {name} {form}", machine.name);
                let without_map = made(&Sources::new());
                assert_eq!(without_map.bytes, bytes, "{} {name} {form}", machine.name);
                let again = convert(&bytes, &sources(&machine), &options()).unwrap();
                assert!(again.plan.is_empty() && again.bytes == bytes, "{form}: twice is once");
            }
        }
    }
}

/// A module with kpatch's records in the opposite order.
fn backwards(forth: &[u8]) -> Vec<u8> {
    let image = Image::read(forth);
    let (records, table) = (".kpatch.relocations", ".rela.kpatch.relocations");
    let count = image.section(records).size / 40;
    let back = Patched::new(forth.to_vec()).contents(records, |bytes| {
        let records: Vec<_> = bytes.chunks(40).rev().flatten().copied().collect();
        bytes.copy_from_slice(&records);
    });
    let entries = 0..image.section(table).relocations.len();
    let moved = entries.fold(back, |back, entry| {
        back.relocation(table, entry, |r, e| {
            let (record, field) = (r.r_offset.get(e) / 40, r.r_offset.get(e) % 40);
            r.r_offset.set(e, (count - 1 - record) * 40 + field);
        })
    });
    moved.bytes
}

#[test]
fn klp_sections_come_in_the_order_of_their_records() {
    for machine in machines() {
        let order = |bytes: &[u8]| -> Vec<_> {
            let made = convert(bytes, &sources(&machine), &options()).unwrap().bytes;
            Image::read(&made).klp_sections().map(|section| section.name.clone()).collect()
        };
        let mut several = 0;
        for name in machine.convertible() {
            let forth = kpatch(&machine, &converted(&machine, &name), is_big(&machine));
            let (back, forth) = (order(&backwards(&forth)), order(&forth));
            assert!(back.iter().rev().eq(&forth), "{} {name}: {back:?}", machine.name);
            several += usize::from(forth.len() > 1);
        }
        assert!(several > 0, "the premise");
    }
}
