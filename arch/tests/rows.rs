//! The tables of every machine are consistent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

use klp_arch::{Calc, Features, Field, Machine, Row, by_name, for_machine, machines};

fn every_row() -> impl Iterator<Item = (&'static Machine, &'static Row)> {
    machines().iter().flat_map(|&machine| machine.rows.iter().map(move |row| (machine, row)))
}

fn other_names(machine: &Machine) -> Vec<(u32, &'static str)> {
    let split = |line: &'static str| line.split_once(' ').expect("a number and a name");
    let named = |(digits, name): (&str, &'static str)| (digits.parse().expect("a number"), name);
    machine.other_names.lines().map(split).map(named).collect()
}

#[test]
fn rows_are_sorted_and_unique() {
    for machine in machines() {
        let rows = machine.rows;
        assert!(rows.is_sorted_by(|a, b| a.number < b.number), "{}", machine.name);
        for row in rows {
            assert_eq!(machine.row(row.number), Some(row));
            assert_eq!(machine.relocation_name(row.number), Some(row.name));
        }
    }
}

#[test]
fn every_row_cites_a_function_of_its_machines_loader() {
    for (machine, row) in every_row() {
        let tree = match machine.name {
            "x86_64" => "x86",
            "ppc64le" => "powerpc",
            "s390x" => "s390",
            other => other,
        };
        let (file, function) = row.source.split_once(':').expect("file:function");
        assert!(file.starts_with(&format!("arch/{tree}/kernel/module")), "{}", row.name);
        assert!(file.ends_with(".c") && !function.is_empty(), "{}", row.name);
    }
}

#[test]
fn the_parts_of_a_field_cover_its_value_once_and_stay_in_their_words() {
    for (_, row) in every_row() {
        let Field { word, words, parts, .. } = row.field;
        let mut value = 0u128;
        for part in parts {
            let bits = ((1u128 << part.width) - 1) << part.from;
            assert_eq!(value & bits, 0, "{}: value bits twice", row.name);
            value |= bits;
            assert!(part.to + part.width <= word * 8 && part.word < words, "{}", row.name);
        }
        let width = row.field.width();
        assert_eq!(value, (1u128 << width) - 1, "{}: value bits left out", row.name);
        let masks: u32 = (0..words).map(|index| row.field.mask(index).count_ones()).sum();
        assert_eq!(masks, width, "{}: parts overlap in a word", row.name);
    }
}

#[test]
fn a_row_writes_if_and_only_if_it_computes() {
    for (_, row) in every_row() {
        assert_eq!(row.calc == Calc::Nothing, row.field.size() == 0, "{}", row.name);
        assert!(row.align.is_power_of_two(), "{}", row.name);
    }
}

#[test]
fn a_checked_value_fits_into_its_field() {
    for (_, row) in every_row() {
        let Some((min, max)) = row.check.range() else { continue };
        let shifted = |value: i64| value >> row.shift;
        let mut site = [0; 8];
        for value in [shifted(min), shifted(max)] {
            row.field.store(&mut site, value, scroll::Endian::Little).unwrap();
            let loaded = row.field.load(&site, min < 0, scroll::Endian::Little);
            assert_eq!(loaded, Ok(value), "{}", row.name);
        }
    }
}

#[test]
fn names_of_refused_types_are_sorted_and_have_no_rows() {
    for machine in machines() {
        let names = other_names(machine);
        assert!(names.is_sorted_by(|a, b| a.0 < b.0), "{}", machine.name);
        for (number, name) in names {
            assert_eq!(machine.row(number), None, "{name}");
            assert_eq!(machine.relocation_name(number), Some(name));
        }
    }
}

#[test]
fn refused_types_have_names_and_unassigned_ones_have_none() {
    let named = |machine: &str, number| by_name(machine).unwrap().relocation_name(number);
    assert_eq!(named("x86_64", 42), Some("R_X86_64_REX_GOTPCRELX"));
    assert_eq!(named("ppc64le", 0), Some("R_PPC64_NONE"));
    assert_eq!(named("s390x", 9), Some("R_390_COPY"));
    assert_eq!(named("arm64", 311), Some("R_AARCH64_ADR_GOT_PAGE"));
    assert_eq!(named("x86_64", 200), None);
    assert_eq!(named("arm64", u32::MAX), None);
}

#[test]
fn a_machine_is_found_by_each_of_its_numbers_and_by_name() {
    for (number, name) in
        [(62, "x86_64"), (21, "ppc64le"), (22, "s390x"), (0xa390, "s390x"), (183, "arm64")]
    {
        assert_eq!(for_machine(number).unwrap().name, name);
        assert_eq!(by_name(name).unwrap().name, name);
    }
    assert!(for_machine(243).is_none());
    assert!(by_name("riscv64").is_none());
}

#[test]
fn only_ppc64le_depends_on_how_the_kernel_is_configured() {
    for (machine, row) in every_row() {
        let both = [Features::empty(), Features::PCREL].map(|features| row.when.holds(features));
        assert!(both[0] || both[1], "{}: known nowhere", row.name);
        assert!(both[0] == both[1] || machine.name == "ppc64le", "{}", row.name);
    }
}

#[test]
fn loaders_know_their_own_names_only() {
    let rule = |machine: &str, name: &str| {
        by_name(machine).unwrap().loader_symbol(name.as_bytes()).map(|symbol| symbol.rule)
    };
    use klp_arch::NameRule::{Defined, Ignored, KnownByName};
    assert_eq!(rule("ppc64le", ".TOC."), Some(Defined));
    assert_eq!(rule("ppc64le", "TOC."), Some(Defined));
    assert_eq!(rule("ppc64le", "_mcount"), Some(KnownByName));
    assert_eq!(rule("ppc64le", "ftrace_caller"), Some(KnownByName));
    assert_eq!(rule("ppc64le", "ftrace_regs_caller"), Some(KnownByName));
    assert_eq!(rule("s390x", "_GLOBAL_OFFSET_TABLE_"), Some(Defined));
    assert_eq!(rule("x86_64", "_GLOBAL_OFFSET_TABLE_"), Some(Ignored));
    assert_eq!(rule("arm64", "_mcount"), None);
    assert_eq!(rule("x86_64", ".TOC."), None);
    assert_eq!(rule("ppc64le", "_GLOBAL_OFFSET_TABLE_"), None);
}
