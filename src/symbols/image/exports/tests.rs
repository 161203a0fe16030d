//! Small kernels with exports, and every way in which their tables are not what they seem.

use crate::symbols::image::fixture::{BASE, Built, Crcs, Gpl, LAYOUTS, Layout, Sample, Tables};
use crate::symbols::image::{Kallsyms, read};

type SymbolData = (String, Option<bool>, Option<String>, Option<u32>);

fn found(kernel: &Kallsyms) -> Vec<SymbolData> {
    let mut found: Vec<_> = kernel
        .exports()
        .map(|export| {
            let name = String::from_utf8(export.name.to_vec()).unwrap();
            (name, export.gpl, export.namespace.map(str::to_owned), export.crc)
        })
        .collect();
    found.sort();
    found
}

fn expected(tables: &Tables) -> Vec<SymbolData> {
    let export = |(name, gpl, namespace, crc): &(String, bool, String, u32)| {
        let namespace = Some(namespace.clone());
        let crc = Some(*crc).filter(|&crc| crc != 0 && tables.crcs == Crcs::Values);
        (name.clone(), Some(*gpl), namespace, crc)
    };
    tables.exports.iter().map(export).collect()
}

fn build(tables: &Tables) -> Built {
    Sample { exports: Some(tables.clone()), ..Sample::new(Layout::SelfRelative, false) }.build()
}

/// The exports of a kernel after changing the bytes of one table.
fn with(tables: &Tables, table: &str, change: impl Fn(&mut [u8])) -> Vec<SymbolData> {
    let built = build(tables);
    let mut bytes = built.bytes.clone();
    change(&mut bytes[built.table(table)]);
    found(&read(&bytes).unwrap())
}

/// The exports, with only their names known and, if the section gives it, `gpl`.
fn unknown(tables: &Tables, is_unknown: impl Fn(&SymbolData) -> bool) -> Vec<SymbolData> {
    let mut exports = expected(tables);
    for export in exports.iter_mut().filter(|export| is_unknown(export)) {
        let gpl = export.1.filter(|_| tables.gpl == Gpl::Sections);
        *export = (export.0.clone(), gpl, None, None);
    }
    exports
}

fn all() -> impl Iterator<Item = Tables> {
    [true, false].into_iter().flat_map(|relative| {
        [Gpl::Sections, Gpl::Flags].into_iter().flat_map(move |gpl| {
            [Crcs::None, Crcs::Values].map(|crcs| Tables::new(relative, gpl, crcs))
        })
    })
}

#[test]
fn exports_are_read_from_every_kind_of_kernel() {
    for tables in all() {
        for layout in LAYOUTS {
            for (big, raw) in [(false, false), (true, false), (false, true)] {
                let exports = Some(tables.clone());
                let sample = Sample { raw, exports, ..Sample::new(layout, big) };
                let kernel = read(&sample.build().bytes).unwrap();
                assert_eq!(found(&kernel), expected(&tables), "{sample:?}");
            }
        }
    }
}

#[test]
fn a_kernel_without_bounds_of_the_tables_gives_only_names() {
    let symbols = vec![(8, b'r', "__ksymtab_f".to_owned())];
    let built = Sample { symbols, ..Sample::new(Layout::SelfRelative, false) }.build();
    assert_eq!(found(&read(&built.bytes).unwrap()), [("f".to_owned(), None, None, None)]);
}

#[test]
fn pointers_that_only_a_running_kernel_has_give_nothing() {
    for tables in all() {
        let left = with(&tables, "ksymtab", |bytes| bytes.fill(0));
        let one_table = tables.gpl == Gpl::Flags;
        assert_eq!(left, unknown(&tables, |export| one_table || export.1 == Some(false)));
    }
}

#[test]
fn one_entry_that_points_to_another_name_makes_its_table_unknown() {
    for tables in all() {
        let left = with(&tables, "ksymtab_strings", |bytes| bytes[0] = b'z');
        let one_table = tables.gpl == Gpl::Flags;
        assert_eq!(left, unknown(&tables, |export| one_table || export.1 == Some(false)));
    }
}

#[test]
fn a_namespace_that_is_not_text_makes_its_table_unknown() {
    for tables in all() {
        for byte in [0xff, b'\n'] {
            let left = with(&tables, "ksymtab_strings", |bytes| {
                let at = bytes.windows(5).position(|text| text == b"SPACE").unwrap();
                bytes[at] = byte;
            });
            let one_table = tables.gpl == Gpl::Flags;
            assert_eq!(left, unknown(&tables, |export| one_table || export.1 == Some(false)));
        }
    }
}

#[test]
fn tables_with_one_element_too_few_are_not_read() {
    for relative in [true, false] {
        let tables = Tables::new(relative, Gpl::TooFewFlags, Crcs::Values);
        let without_gpl =
            expected(&tables).into_iter().map(|(name, _, ns, crc)| (name, None, ns, crc));
        assert_eq!(found(&read(&build(&tables).bytes).unwrap()), without_gpl.collect::<Vec<_>>());
        for gpl in [Gpl::Sections, Gpl::Flags] {
            let tables = Tables::new(relative, gpl, Crcs::TooFew);
            assert_eq!(found(&read(&build(&tables).bytes).unwrap()), expected(&tables));
        }
    }
}

#[test]
fn distances_to_crcs_are_not_mistaken_for_crcs() {
    let tables = Tables::new(true, Gpl::Sections, Crcs::Distances);
    assert_eq!(found(&read(&build(&tables).bytes).unwrap()), expected(&tables));
}

#[test]
fn references_to_the_ends_of_memory_do_not_panic() {
    for tables in all() {
        for value in [u64::MAX, u64::from(u32::MAX) << 31, BASE, BASE - 1] {
            for at in (0..72).step_by(4) {
                let left = with(&tables, "ksymtab", |bytes| {
                    let end = bytes.len().min(at + 8);
                    if at < end {
                        bytes[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
                    }
                });
                assert_eq!(left.len(), tables.exports.len());
            }
        }
    }
}
