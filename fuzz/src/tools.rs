//! Intermediate and finished modules of objtool and kpatch, generated from the bytes: what is not finished is never said
//! to load, what is finished is an ordinary module, and a conversion keeps its promises either way.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "modules are made here, a surprise stops the run"
)]

use klp_arch::machines;
use klp_convert::check::{Conclusion, check};
use klp_convert::comparison::compare;
use klp_convert::convert::convert;
use klp_convert::elf::Module;
use klp_convert::inspect::inspect;
use klp_convert::options::Options;
use klp_convert::symbols::{Sources, TextList};

use crate::choices::Choices;
use crate::skeleton::{self, CODE, DATA, LIST, NAMES, OBJECTS, READ_ONLY};

/// `SHN_LIVEPATCH`: a symbol that post-link has marked.
const LIVEPATCH: u32 = 0xff20;
/// Sections of the tools with a purpose of their own, with nothing that must be done to them.
const OTHERS: [&str; 7] = [
    ".init.klp_funcs",
    "__klp_funcs",
    ".kpatch.funcs",
    ".kpatch.strings",
    ".kpatch.arch",
    ".kpatch.callbacks.pre_patch",
    ".klp.arch.vmlinux..altinstructions",
];

/// Sections that klp relocations cannot patch, or can.
const TARGETS: [(&str, u64); 6] = [
    (".init.text", CODE),
    (".data..percpu", DATA),
    (".comment", 0),
    ("__bug_table", DATA),
    (".altinstructions", DATA),
    (".text.other", CODE),
];

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let machine = choices.pick(machines());
    let mut builder = skeleton::module(machine, b"name=generated\0license=GPL\0livepatch=Y\0");
    skeleton::tables(&mut builder, machine, &mut choices);
    let code = skeleton::section(&mut builder, ".text", CODE, skeleton::calls(machine, 32));
    let targets = TARGETS.map(|(name, flags)| {
        (name, skeleton::section(&mut builder, name, flags, skeleton::calls(machine, 32)))
    });
    let (mut unfinished, mut uses) = (false, Vec::new());
    let mut at = 0;
    for _ in 0..8 {
        if choices.is_empty() {
            break;
        }
        let (object, name) = (choices.pick(&OBJECTS), choices.pick(&NAMES));
        match choices.byte() % 5 {
            // Recorded by objtool: the relocation names a tombstone, the record a weak klp symbol.
            kind @ 0..2 => {
                let marked = choices.byte() & 1 == 1;
                let section = if marked { LIVEPATCH } else { 0 };
                let position = choices.byte() % 3;
                let names = [
                    format!(".klp.tombstone.{name}"),
                    format!(".klp.sym.{object}.{name},{position}"),
                ];
                let [tombstone, symbol] = names.map(|name| {
                    let symbol = builder.symbol(&name, section, 0);
                    let last = builder.symbols.last_mut().unwrap();
                    (last.info, last.reserved) = (0x20, marked);
                    symbol
                });
                unfinished |= !marked;
                let used = if kind == 0 { tombstone } else { symbol };
                uses.push((at, used, skeleton::call(machine), 0));
                at += 16;
                let records = if choices.byte() & 1 == 0 {
                    "__klp_relocs".to_owned()
                } else {
                    format!("__klp_relocs.{object}")
                };
                let flags = if choices.seldom() { READ_ONLY } else { 0 };
                let body = vec![0; 24];
                let records = (skeleton::section(&mut builder, &records, flags, body), records);
                let pointer = skeleton::pointer(machine);
                builder.rela(&format!(".rela{}", records.1), records.0, &[(8, symbol, pointer, 0)]);
            }
            2 => {
                let section = choices.pick(&[".kpatch.relocations", ".kpatch.symbols"]);
                let body = vec![0; choices.below(64)];
                unfinished |= !body.is_empty();
                skeleton::section(&mut builder, section, DATA, body);
            }
            3 => {
                let section = choices.pick(&OTHERS);
                skeleton::section(&mut builder, section, DATA, vec![0; 32]);
            }
            // What a finished module has, or something like it.
            _ => {
                let symbol = format!(".klp.sym.{object}.{name},{}", choices.byte() % 3);
                let symbol = match choices.byte() {
                    0xf0.. => builder.symbol(&symbol, code, 0),
                    0xe0..0xf0 => builder.reserved_symbol(name, LIVEPATCH),
                    0xd0..0xe0 => builder.reserved_symbol(&format!("{symbol}x"), LIVEPATCH),
                    _ => builder.reserved_symbol(&symbol, LIVEPATCH),
                };
                builder.symbols.last_mut().unwrap().value = 0;
                let (target, section) = match choices.byte() {
                    odd @ 0xc0.. => targets[usize::from(odd) % targets.len()],
                    _ => (".text", code),
                };
                let row = machine.rows[choices.below(machine.rows.len())].number;
                let kind = if choices.byte() & 1 == 0 { row } else { skeleton::call(machine) };
                let entry = (at + 256, symbol, kind, 0);
                let gated = match choices.byte() {
                    0xf0.. => format!(".klp.rela.{object}"),
                    0xe0..0xf0 => format!(".klp.rela..{target}"),
                    0xd0..0xe0 => format!(".klp.rela{target}"),
                    _ => format!(".klp.rela.{object}.{target}"),
                };
                builder.rela(&gated, section, &[entry]);
                let last = builder.sections.last_mut().unwrap();
                (last.flags, last.info) = match choices.byte() {
                    0xf8.. => (0x10_0040, section),
                    0xf0..0xf8 => (0x42, section),
                    0xe8..0xf0 => (0x10_0042, 9999),
                    0xe0..0xe8 => {
                        last.sh_type = 1;
                        (0x10_0042, section)
                    }
                    _ => (0x10_0042, section),
                };
                at += 16;
            }
        }
    }
    if !uses.is_empty() {
        builder.rela(".rela.text", code, &uses);
    }
    let file = skeleton::file(&builder, machine);
    // It takes as long as everything else.
    if data.len().is_multiple_of(4) {
        crate::load::check(&file, false);
    }
    crate::convert::run(&[&file, LIST.as_bytes()].concat());
    // A table for no section is no table to a rewriter.
    if Module::parse(&file).is_err() {
        return;
    }
    assert!(compare(&file, &file).is_ok_and(|same| same.is_empty()) || unfinished);
    assert!(inspect(&file).is_ok_and(|inspection| !inspection.to_string().is_empty()));
    let mut sources = Sources::new();
    sources.push(TextList::from_bytes("list", LIST.as_bytes()));
    let options = Options::default();
    if let Ok(converted) = convert(&file, &sources, &options) {
        assert_eq!(
            inspect(&converted.bytes).unwrap().unfinished,
            None,
            "converted, but not finished"
        );
    }
    match check(&file, &sources, &options).map(|verdict| verdict.conclusion()) {
        Ok(conclusion) => {
            assert!(
                !unfinished || conclusion != Conclusion::Loads,
                "{conclusion} before its tool is done"
            );
        }
        Err(failure) => assert!(!failure.diagnostics("input").is_empty(), "refused without a word"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_property_holds_for_every_seed() {
        crate::replay("tools", super::run);
    }
}
