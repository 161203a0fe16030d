//! Objects in which an entry of a table, such as `__ex_table`, is changed are not what the kernel has.

use std::collections::BTreeMap;

use klp_convert::elf::{Module, SectionIndex};
use klp_convert::run_pre::{MatchVerdict, match_object};

use crate::each_built;
use crate::flips::Numbers;

/// Changes of each kind for each kernel.
const CHANGES: usize = 500;

/// Tables that compilers make, and that each kernel here has some of.
const TABLES: [&[u8]; 6] = [
    b"__ex_table",
    b".altinstructions",
    b"__bug_table",
    b"__jump_table",
    b"__ftr_fixup",
    b".smp_locks",
];

/// A table in an object's file.
struct Table {
    name: String,
    start: usize,
    size: usize,
    /// Offset in the file of its header.
    header: usize,
    /// Of the header of its relocation section.
    relocated_by: usize,
    /// Offsets in the table, and of the entries in the file.
    relocations: Vec<(usize, usize)>,
}

fn tables(bytes: &[u8]) -> Vec<Table> {
    let module = Module::parse(bytes).unwrap();
    let size = |number: u64| usize::try_from(number).unwrap();
    let word = |at: usize| {
        let word: [u8; 8] = bytes[at..at + 8].try_into().unwrap();
        size(if bytes[5] == 2 { u64::from_be_bytes(word) } else { u64::from_le_bytes(word) })
    };
    let header = |index: SectionIndex| word(40) + 64 * size(u64::from(index.get()));
    let mut found = Vec::new();
    for section in module.sections().filter(|section| TABLES.contains(&section.name)) {
        let mut own = module
            .relocation_sections()
            .filter(|table| SectionIndex::new(table.sh_info) == section.index);
        let Some(relocated_by) = own.next() else { continue };
        let entry = |(number, rela): (usize, klp_convert::elf::Rela)| {
            (size(rela.offset), size(relocated_by.sh_offset) + 24 * number)
        };
        found.push(Table {
            name: String::from_utf8_lossy(section.name).into_owned(),
            start: size(section.sh_offset),
            size: size(section.sh_size),
            header: header(section.index),
            relocated_by: header(relocated_by.index),
            relocations: module.relocations(relocated_by.index).enumerate().map(entry).collect(),
        });
    }
    found
}

fn add(bytes: &mut [u8], at: usize, by: i64) {
    let is_big = bytes[5] == 2;
    let field: &mut [u8; 8] = (&mut bytes[at..at + 8]).try_into().unwrap();
    *field = match is_big {
        true => i64::from_be_bytes(*field).wrapping_add(by).to_be_bytes(),
        false => i64::from_le_bytes(*field).wrapping_add(by).to_le_bytes(),
    };
}

/// Whether an object is of a C source, and the kernel is said to have every function of it.
///
/// In others, code need not be in a function.
fn is_all_equal(kernel: &klp_convert::run_pre::ShippedKernel, bytes: &[u8]) -> bool {
    let found = match_object(kernel, bytes).unwrap();
    let is_c = found.source.as_deref().is_some_and(|source| source.ends_with(".c"));
    is_c && found.functions.iter().all(|function| function.verdict == MatchVerdict::Equal)
}

/// Whether an entry of `.altinstructions` replaces code with nothing: its last byte is a length.
fn is_empty(bytes: &[u8], table: &Table, offset: usize) -> bool {
    // Each has two relocations.
    let stride = table.relocations.get(2).map_or(table.size, |(second, _)| *second);
    bytes[table.start + offset / stride * stride + stride - 1] == 0
}

/// Changes one thing in a table; says what.
fn changed(bytes: &[u8], table: &Table, numbers: &mut Numbers) -> Option<(String, Vec<u8>)> {
    let mut changed = bytes.to_vec();
    let (offset, entry) = table.relocations[numbers.below(table.relocations.len())];
    match numbers.below(3) {
        // What replaces code with nothing may be anywhere.
        0 if table.name == ".altinstructions" && is_empty(bytes, table, offset) => None,
        0 => {
            // Less than an instruction, because the next may be the same.
            add(&mut changed, entry + 16, 2);
            Some((format!("what {offset:#x} refers to"), changed))
        }
        1 => {
            let at = numbers.below(table.size);
            let is_field = |(field, _): &(usize, usize)| (*field..*field + 8).contains(&at);
            if table.relocations.iter().any(is_field) {
                return None;
            }
            changed[table.start + at] ^= 1 << numbers.below(8);
            Some((format!("byte {at:#x}"), changed))
        }
        // Without its last entry.
        _ if table.name == "__ex_table" => {
            let size = match Module::parse(bytes).unwrap().machine() {
                21 => 8,
                _ => 12,
            };
            let kept = table.size - size;
            let gone = table.relocations.iter().filter(|(offset, _)| *offset >= kept).count();
            add(&mut changed, table.header + 32, -i64::try_from(size).unwrap());
            add(&mut changed, table.relocated_by + 32, -i64::try_from(24 * gone).unwrap());
            Some(("no last entry".to_owned(), changed))
        }
        _ => None,
    }
}

#[test]
#[ignore = "needs KLP_MATCH, kernels and the trees that they were built in; .ci/run makes them"]
fn an_entry_of_a_table_that_is_changed_is_seen() {
    each_built(|built| {
        let kernel = built.kernel();
        let mut numbers = Numbers(17);
        let all: Vec<(&str, &[u8], Table)> = built
            .objects
            .iter()
            .flat_map(|(path, bytes)| {
                tables(bytes).into_iter().map(move |table| (&**path, &**bytes, table))
            })
            .collect();
        let (mut tried, mut unseen): (BTreeMap<&str, usize>, _) = (BTreeMap::new(), Vec::new());
        let mut left = CHANGES;
        while left > 0 {
            let (path, bytes, table) = &all[numbers.below(all.len())];
            // What is overridden is not compared.
            if !is_all_equal(&kernel, bytes) {
                continue;
            }
            let Some((what, changed)) = changed(bytes, table, &mut numbers) else { continue };
            if is_all_equal(&kernel, &changed) {
                unseen.push(format!("{path}: {}: {what}", table.name));
            }
            *tried.entry(&table.name).or_default() += 1;
            left -= 1;
        }
        println!("{}: {tried:?}, {} not seen", built.name, unseen.len());
        unseen.iter().take(40).for_each(|one| println!("  {one}"));
        assert!(unseen.is_empty(), "{}: {}", built.name, unseen.len());
    });
}
