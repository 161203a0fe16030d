//! GNU as and ld as judges: for every row, sites near and far are assembled with `.reloc`, linked
//! at fixed and at random addresses, and their bytes compared with ours.
//!
//! The linker judges arithmetic and bit fields. It does not judge what the kernel refuses: values
//! are chosen inside the row's range. A machine whose tools are not installed is skipped,
//! and the package is named; where `CI` is set, that is a failure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise, and prints what it skips"
)]

mod machine;
#[path = "../solve/mod.rs"]
mod solve;
mod toolchain;

use std::fmt::Write;

use klp_arch::{Calc, Check, Conditions, Features, Field, Form, Operands, Row, When, by_name};
use machine::Machine;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use solve::{grain, operands_for, representable};
use toolchain::{Refusal, Toolchain};

/// Bytes from one site to the next.
const STRIDE: usize = 16;
/// Links of random sites for each machine.
const CASES: u32 = 60;
/// What values are derived from: none, near, far, and close to both ends of most fields.
const RAW: [i64; 9] =
    [0, 0x10, 0x1230, -0x1240, 0x5123_4567_89ab_cdf0, -0x2fed_cba9_8765_4320, -1, 0x7fff, -0x8000];

/// What the linker reports of its layout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Anchors {
    toc: u64,
    got: u64,
    slot: u64,
}

/// One relocation.
struct Site {
    row: &'static Row,
    operands: Operands,
    before: Vec<u8>,
}

/// A value for the row that the linker also accepts.
fn value(row: &Row, raw: i64) -> i64 {
    // Where nothing is checked and low bits are meant, anything goes.
    if row.check == Check::Low { raw & -grain(row) } else { representable(row, raw) }
}

/// Operands as the linker has them.
fn operands(row: &Row, raw: i64, a: i64, p: u64, anchors: Anchors) -> Operands {
    let base = Operands {
        a,
        p,
        toc: Some(anchors.toc),
        got: Some(anchors.got),
        got_slot: Some(anchors.got.wrapping_add(anchors.slot)),
        ..Operands::default()
    };
    let value = value(row, raw);
    match row.calc {
        // The layout is the linker's: only the addend is ours.
        Calc::Slot | Calc::SlotRelative => Operands { a: raw.rem_euclid(0x100) & !1, ..base },
        Calc::GotDistance => {
            let distance = anchors.got.wrapping_sub(p).cast_signed();
            Operands { a: value.wrapping_sub(distance), ..base }
        }
        Calc::Toc | Calc::TocDistance | Calc::SlotOfSum => Operands { a: 0, ..base },
        _ => operands_for(row, value, &base),
    }
}

/// What sites are made from: the address of the text, and pairs of what a value is derived from and
/// the addend. Each row has a site for each pair.
#[derive(Debug, Clone)]
struct Combination {
    text: u64,
    pairs: Vec<(i64, i64)>,
}

impl Combination {
    fn with_addend(text: u64, a: i64) -> Self {
        Self { text, pairs: RAW.map(|raw| (raw, a)).to_vec() }
    }
}

/// Every site of the rows, in the order of the text.
fn sites(
    machine: &Machine,
    library: &klp_arch::Machine,
    rows: &[&'static Row],
    Combination { text, pairs }: &Combination,
    anchors: Anchors,
) -> Vec<Site> {
    let cases = rows.iter().flat_map(|row| pairs.iter().map(|pair| (*row, *pair)));
    let site = |(index, (row, (raw, a))): (usize, (&'static Row, (i64, i64)))| {
        let p = text + u64::try_from(index * STRIDE).unwrap();
        // A symbol between two units is refused, whatever the addend.
        let operands = operands(row, raw, a & -i64::from(row.align), p, anchors);
        let words = (machine.template)(row.name);
        let mut before: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        before.resize(STRIDE, 0);
        // Bits that were there must not show through.
        let fixed = row.field.form == Form::OnesComplement || row.calc == Calc::TocDistance;
        if index % 2 == 1 && library.name != "x86_64" && !fixed {
            row.field.store(&mut before, -1, library.endian).unwrap();
        }
        Site { row, operands, before }
    };
    cases.enumerate().map(site).collect()
}

/// The sites as assembly.
fn assembly(machine: &Machine, sites: &[Site]) -> String {
    let mut source = String::from(".text\n");
    for (index, Site { row, operands, before }) in sites.iter().enumerate() {
        let symbol = match row.calc {
            Calc::Slot | Calc::SlotRelative | Calc::SlotOfSum => "gotsym".into(),
            _ => format!("sym{index}"),
        };
        let bytes: Vec<_> = before.iter().map(ToString::to_string).collect();
        let (name, a, bytes) = (row.name, operands.a, bytes.join(","));
        writeln!(source, ".Ls{index}: .reloc .Ls{index}, {name}, {symbol}+({a})").unwrap();
        writeln!(source, ".byte {bytes}").unwrap();
    }
    source + machine.anchors + "\n"
}

/// The sites' symbols as a linker script.
fn symbols(sites: &[Site]) -> String {
    let mut script = String::from("gotsym = 0x12345678;\n");
    for (index, site) in sites.iter().enumerate() {
        writeln!(script, "sym{index} = {:#x};", site.operands.s).unwrap();
    }
    script
}

/// The anchors after the sites.
fn anchors(library: &klp_arch::Machine, text: &[u8], sites: usize) -> Anchors {
    let read = |index: usize| {
        let bytes = &text[sites * STRIDE + index * 8..];
        Field::BITS64.load(bytes, false, library.endian).unwrap().cast_unsigned()
    };
    // The slot may be before the anchor.
    let slot = (read(2) << 48).cast_signed() >> 48;
    Anchors { toc: read(0), got: read(1), slot: slot.cast_unsigned() }
}

/// The first row that the assembler knows under another number.
fn misnumbered(sites: &[Site], numbers: &[u32]) -> Option<String> {
    if numbers.len() < sites.len() {
        return Some(format!("{} sites have {} relocations", sites.len(), numbers.len()));
    }
    // Types that do nothing may have several numbers.
    let wrong = |(site, number): &(&Site, &u32)| {
        site.row.calc != Calc::Nothing && site.row.number != **number
    };
    let (site, number) = sites.iter().zip(numbers).find(wrong)?;
    Some(format!("{} is {number}, not {}", site.row.name, site.row.number))
}

/// Compares the linker's bytes with ours, and returns every difference.
fn compare(
    machine: &Machine,
    tools: &Toolchain,
    rows: &[&'static Row],
    combination: &Combination,
) -> Result<Vec<String>, Refusal> {
    let library = by_name(machine.name).unwrap();
    let mut known = Anchors::default();
    // Where the linker puts its tables depends on the sites, and some sites on the tables.
    for _ in 0..4 {
        let sites = sites(machine, library, rows, combination, known);
        tools.assemble(&assembly(machine, &sites))?;
        if let Some(wrong) = misnumbered(&sites, &tools.numbers()?) {
            return Ok(vec![wrong]);
        }
        let (text, complaint) = tools.link(combination.text, &symbols(&sites))?;
        let found = anchors(library, &text, sites.len());
        if found == known {
            let differences = differences(library, &sites, &text);
            return Ok(complaint.into_iter().chain(differences).collect());
        }
        known = found;
    }
    Err(Refusal::Complaint("the linker's layout does not settle".into()))
}

/// Sites where the linker's bytes differ from ours, or we refuse.
fn differences(library: &klp_arch::Machine, sites: &[Site], text: &[u8]) -> Vec<String> {
    let judged = sites.iter().zip(text.chunks(STRIDE)).filter_map(|(site, linked)| {
        let Site { row, operands, before } = site;
        let features = if let When::With(needed) = row.when { needed } else { Features::empty() };
        let conditions = Conditions { features, ..Conditions::default() };
        let mut ours = before.clone();
        let result = library.apply(row, &conditions, operands, &mut ours);
        (result.is_err() || ours != linked).then(|| {
            format!("{}: {operands:x?}\n  before {before:02x?}\n  ours   {ours:02x?} {result:?}\n  linker {linked:02x?}", row.name)
        })
    });
    judged.collect()
}

/// The rows of the machine that the linker can judge, and those that it cannot.
fn rows(machine: &Machine) -> (Vec<&'static Row>, Vec<&'static Row>) {
    let excepted = |row: &Row| machine.exceptions.iter().any(|(name, _)| *name == row.name);
    by_name(machine.name).unwrap().rows.iter().partition(|row| !excepted(row))
}

/// Whether there is a verdict; without the tools there is none, which is a failure if `CI` is
/// set.
fn agrees(machine: &Machine, verdict: Result<Vec<String>, Refusal>) -> Result<bool, String> {
    match verdict {
        Ok(found) if found.is_empty() => Ok(true),
        Ok(found) => Err(found.join("\n")),
        Err(Refusal::Missing(tool)) => {
            let package = machine.package;
            assert!(std::env::var_os("CI").is_none(), "{tool}: install {package}");
            eprintln!("skipped: {tool} is missing, install {package}");
            Ok(false)
        }
        Err(Refusal::Complaint(said)) => Err(said),
    }
}

/// Every row of the machine, at any address, with any addends, near and far.
fn judge_at_random(machine: &Machine) {
    let tools = Toolchain::new(machine.prefix, machine.link_options);
    let (judged, _) = rows(machine);
    let far = any::<i64>().prop_map(|raw| raw >> 1);
    let near = -0x1_0000_i64..0x1_0000;
    let raw = prop_oneof![near.clone(), -0x8000_0000_i64..0x8000_0000, far];
    let addend = prop_oneof![near, -0x8000_0000_i64..0x8000_0000];
    let pairs = proptest::collection::vec((raw, addend), 4..10);
    let text = (0..2_usize, 0..0x1_0000_u64);
    let combination = (text, pairs).prop_map(|((base, pages), pairs)| {
        // Any page above the machine's usual addresses.
        Combination { text: (machine.texts[base] & !0xfff) + ((pages + 1) << 12), pairs }
    });
    let failure_persistence = None;
    let config =
        proptest::test_runner::Config { cases: CASES, failure_persistence, ..Default::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&combination, |combination| {
        let verdict = compare(machine, &tools, &judged, &combination);
        agrees(machine, verdict).map(|_| ()).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// Every row of the machine, at each of its addresses, with several addends.
fn judge(machine: &Machine) {
    let tools = Toolchain::new(machine.prefix, machine.link_options);
    let (judged, excepted) = rows(machine);
    assert_eq!(excepted.len(), machine.exceptions.len(), "an exception does not name a row");
    for text in machine.texts {
        for a in [0, -4, 0x1234_5678] {
            let combination = Combination::with_addend(text, a);
            match agrees(machine, compare(machine, &tools, &judged, &combination)) {
                Ok(true) => {}
                Ok(false) => return,
                Err(said) => panic!("{text:#x} {a}:\n{said}"),
            }
        }
    }
    for row in excepted {
        let combination = |text| Combination::with_addend(text, 0);
        let verdicts =
            machine.texts.map(|text| compare(machine, &tools, &[row], &combination(text)));
        let stale = verdicts.iter().all(|verdict| matches!(verdict, Ok(none) if none.is_empty()));
        assert!(!stale, "{}: the linker agrees, remove the exception", row.name);
    }
}

#[test]
fn gnu_ld_agrees_on_x86_64() {
    judge(&machine::X86_64);
}

#[test]
fn gnu_ld_agrees_on_x86_64_anywhere() {
    judge_at_random(&machine::X86_64);
}

#[test]
fn gnu_ld_agrees_on_arm64() {
    judge(&machine::ARM64);
}

#[test]
fn gnu_ld_agrees_on_arm64_anywhere() {
    judge_at_random(&machine::ARM64);
}

#[test]
fn gnu_ld_agrees_on_ppc64le() {
    judge(&machine::PPC64LE);
}

#[test]
fn gnu_ld_agrees_on_ppc64le_anywhere() {
    judge_at_random(&machine::PPC64LE);
}

#[test]
fn gnu_ld_agrees_on_s390x() {
    judge(&machine::S390X);
}

#[test]
fn gnu_ld_agrees_on_s390x_anywhere() {
    judge_at_random(&machine::S390X);
}
