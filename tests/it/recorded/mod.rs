//! Intermediate modules of objtool and kpatch, on four machines: what their last step makes, and nothing else.

mod against_objtool;
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
