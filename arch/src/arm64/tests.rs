//! Claims about what arm64 rows, entries and messages come to.

use super::entry::Entry;
use super::*;
use crate::fault::Anchor;
use crate::linkage::Relocation;
use crate::memory::{Extent, Memory, Region};
use crate::object::{Rela, SHF_ALLOC, SHF_EXECINSTR, SHT_RELA, SHT_SYMTAB, Section, Symbol};
use proptest::prelude::*;
use std::boxed::Box;
use std::vec::Vec;

fn applied(number: u32, features: Features, operands: &Operands, word: u32) -> Result<u32, Fault> {
    let conditions = Conditions { features, ..Conditions::default() };
    let mut site = word.to_le_bytes();
    ARM64.apply(ARM64.row(number).unwrap(), &conditions, operands, &mut site)?;
    Ok(u32::from_le_bytes(site))
}

#[test]
fn a_branch_out_of_reach_goes_through_its_plt_slot() {
    let none = Features::empty();
    let far = Operands { s: 0x1000_0000, p: 0x1000, plt: Some(0x2000), ..Operands::default() };
    assert_eq!(applied(283, none, &far, 0x9400_0000), Ok(0x9400_0400));
    let without = Operands { plt: None, ..far };
    assert_eq!(applied(283, none, &without, 0), Err(Fault::Missing(Anchor::Plt)));
    let near = Operands { s: 0x1ff0, ..without };
    assert_eq!(applied(283, none, &near, 0x9400_0000), Ok(0x9400_03fc));
}

#[test]
fn a_late_branch_must_reach_its_target() {
    let row = ARM64.row(283).unwrap();
    let late = Conditions { late: true, ..Conditions::default() };
    let far = Operands { s: 0x1000_0000, p: 0x1000, plt: Some(0x2000), ..Operands::default() };
    assert_eq!(ARM64.apply(row, &late, &far, &mut [0; 4]), Err(Fault::ReadOnly));
    let near = Operands { s: 0x2000, ..far };
    assert_eq!(ARM64.apply(row, &late, &near, &mut [0; 4]), Ok(()));
}

#[test]
fn an_adrp_at_the_end_of_a_page_becomes_adr_or_branch() {
    let on = Features::ERRATUM_843419;
    let adrp = 0x9000_0001;
    let near = Operands { s: 0x2_3456, p: 0x2_1ff8, ..Operands::default() };
    assert_eq!(applied(275, on, &near, adrp), Ok(0x1000_8041));
    assert_eq!(applied(275, on, &Operands { p: 0x2_1ff4, ..near }, adrp), Ok(0xd000_0001));
    assert_eq!(applied(275, Features::empty(), &near, adrp), Ok(0xd000_0001));
    let far = Operands { s: 0x4000_0000, plt: Some(0x2_2ff8), ..near };
    assert_eq!(applied(275, on, &far, adrp), Ok(0x1400_0400));
    let without = Operands { plt: None, ..far };
    assert_eq!(applied(275, on, &without, adrp), Err(Fault::Missing(Anchor::Plt)));
}

#[test]
fn a_late_write_to_an_unaligned_place_would_be_skipped() {
    let row = ARM64.row(257).unwrap();
    let late = Conditions { late: true, ..Conditions::default() };
    let fault = Fault::MisalignedPlace { place: 2, align: 4 };
    assert_eq!(ARM64.check_site(row, &late, &[0; 16], 2), Err(fault));
    assert_eq!(ARM64.check_site(row, &late, &[0; 16], 8), Ok(()));
    assert_eq!(ARM64.check_site(row, &Conditions::default(), &[0; 16], 2), Ok(()));
    let operands = Operands { p: 0x1002, ..Operands::default() };
    let fault = Fault::MisalignedPlace { place: 0x1002, align: 4 };
    assert_eq!(ARM64.apply(row, &late, &operands, &mut [0; 16]), Err(fault));
}

const PLT: u64 = 0xffff_8000_7a00_1000;
const TEXT: u64 = 0xffff_8000_7a00_0000;

/// `.text` with one table, `.plt` and `.init.plt`, laid out and settled.
fn settled(
    configuration: &Configuration,
    relas: &[Rela],
) -> (Object<'static>, Box<dyn Linkage>, Memory) {
    let named = |name: &'static [u8], sh_type, sh_flags| Section {
        name,
        sh_type,
        sh_flags,
        ..Section::default()
    };
    let body = relas.iter().flat_map(|rela| rela.write(Endian::Little)).collect();
    let mut object = Object {
        sections: std::vec![
            Section::default(),
            named(b".text", 1, SHF_ALLOC | SHF_EXECINSTR),
            named(b".plt", 1, 0),
            named(b".init.plt", 1, 0),
            named(b".symtab", SHT_SYMTAB, 0),
            Section { sh_info: 1, body, ..named(b".rela.text", SHT_RELA, 0) },
            named(b".text.ftrace_trampoline", 1, 0),
            named(b".init.text.ftrace_trampoline", 1, 0),
        ],
        // Symbol 3 is in the patched section.
        symbols: (0..5)
            .map(|i| Symbol { st_shndx: u16::from(i == 3), ..Symbol::default() })
            .collect(),
        ..Object::default()
    };
    let mut linkage = ARM64.loader.reserve(&mut object, configuration).unwrap();
    let mut offset = 0x1000;
    for index in [2, 3, 6, 7] {
        let size = usize::try_from(object.sections[index].sh_size).unwrap();
        let address = TEXT + u64::try_from(offset).unwrap();
        object.sections[index].extent = Some(Extent { region: 0, offset, size, address });
        offset += size.next_multiple_of(64) + 64;
    }
    let bytes = std::vec![0x55; offset];
    let memory = Memory { regions: std::vec![Region { base: TEXT, bytes }] };
    linkage.settle(&mut object, &memory).unwrap();
    (object, linkage, memory)
}

fn with(features: Features) -> Configuration {
    Configuration { features, ..Configuration::default() }
}

fn call(symbol: u32, addend: i64) -> Rela {
    Rela { offset: 0x10, symbol, kind: 283, addend }
}

fn provided(
    linkage: &mut dyn Linkage,
    memory: &mut Memory,
    rela: Rela,
    s: u64,
) -> Result<Option<u64>, Fault> {
    let conditions = Conditions::default();
    let row = ARM64.row(rela.kind).unwrap();
    let mut operands = Operands { s, a: rela.addend, p: TEXT + rela.offset, ..Operands::default() };
    let relocation = Relocation { row, conditions: &conditions, rela, init: false };
    linkage.provide(&relocation, &mut operands, memory).map(|()| operands.plt)
}

#[test]
fn a_missing_plt_section_is_refused() {
    let error =
        ARM64.loader.reserve(&mut Object::default(), &Configuration::default()).unwrap_err();
    assert_eq!(error.message, ": module PLT section(s) missing");
}

// The words are those of GNU as and ld, two pages and 0x45 pages on.
#[test]
fn entries_are_the_kernels_instructions() {
    let words = |entry: Entry| [entry.adrp, entry.add, entry.branch];
    assert_eq!(words(Entry::to(0x4_6678, 0x1000)), [0xb000_0230, 0x9119_e210, 0xd61f_0200]);
    let veneer = Entry::veneer(0x4_6000, 0x100c, 3, 0xf0c);
    assert_eq!(words(veneer), [0xb000_0223, 0x9100_0063, 0x17ff_ffbe]);
    assert_eq!(Entry::to(0x2_0000_0000, 0x1000).adrp, 0xd420_2000);
    assert_eq!(Entry::read(&veneer.bytes()), veneer);
}

#[test]
fn a_duplicate_stays_in_memory_after_the_entry_that_is_used() {
    let far = 0xffff_8000_9000_0678;
    let relas = [call(1, 0), call(2, 0)];
    let (object, mut linkage, mut memory) = settled(&with(Features::empty()), &relas);
    assert_eq!(object.sections[2].sh_size, 3 * 12);
    let mut ask = |s| provided(&mut *linkage, &mut memory, call(1, 0), s);
    assert_eq!(ask(TEXT + 0x100), Ok(None));
    assert_eq!(ask(far), Ok(Some(PLT)));
    assert_eq!(ask(far), Ok(Some(PLT)));
    assert_eq!(ask(far + 4), Ok(Some(PLT + 12)));
    // Only neighbours are compared.
    assert_eq!(ask(far), Err(Fault::NoRoom { reserved: 2 }));
    assert_eq!(memory.at(PLT).unwrap()[24..36], Entry::to(far, PLT + 24).bytes());
}

#[test]
fn one_branch_may_stay_unsorted_and_is_counted() {
    let nop = Rela { kind: 257, ..call(1, 0) };
    let (object, ..) = settled(&with(Features::empty()), &[call(2, 0), nop, call(1, 0)]);
    let order: Vec<_> = object.relas(5).collect();
    assert_eq!(order, [call(1, 0), call(2, 0), nop]);
    let (object, ..) = settled(&with(Features::empty()), &[call(2, 0), call(1, 0)]);
    let order: Vec<_> = object.relas(5).collect();
    assert_eq!(order, [call(2, 0), call(1, 0)]);
    assert_eq!(object.sections[2].sh_size, (2 + 1) * 12);
    let (object, ..) = settled(&with(Features::empty()), &[call(1, 4), call(1, 4), call(3, 0)]);
    assert_eq!(object.sections[2].sh_size, (2 + 1) * 12);
}

#[test]
fn an_adrp_raises_the_alignment_or_reserves_a_veneer() {
    let at = |offset| Rela { offset, kind: 275, ..call(1, 0) };
    let on = with(Features::ERRATUM_843419);
    let (object, ..) = settled(&on, &[at(0x3f8)]);
    assert_eq!((object.sections[1].sh_addralign, object.sections[2].sh_size), (0x800, 12));
    let (object, ..) = settled(&on, &[at(0xffc)]);
    assert_eq!((object.sections[1].sh_addralign, object.sections[2].sh_size), (0, 36));
}

#[test]
fn slots_for_ftrace_are_unknown_without_its_address() {
    let (object, mut linkage, mut memory) = settled(&with(Features::DYNAMIC_FTRACE), &[]);
    linkage.finish(&object, &mut memory).unwrap();
    let at = |index: usize| object.sections[index].address();
    assert_eq!(linkage.indeterminate(), [at(6)..at(6) + 8, at(7)..at(7) + 8]);
    let mut known = with(Features::DYNAMIC_FTRACE);
    known.symbols.insert("ftrace_caller", TEXT + 0x10_0678);
    let (object, mut linkage, mut memory) = settled(&known, &[]);
    linkage.finish(&object, &mut memory).unwrap();
    assert!(linkage.indeterminate().is_empty());
    let entry = Entry::to(TEXT + 0x10_0678, at(6));
    assert_eq!(memory.at(object.sections[6].address()).unwrap()[..12], entry.bytes());
}

proptest! {
    #[test]
    fn sorted_branches_have_room_and_write_nothing_else(
        erratum: bool,
        uses in prop::collection::vec(
            (1_u32..5, prop::sample::select(std::vec![257_u32, 275, 276, 282, 283]), -2_i64..3,
             0_u64..0x400), 0..60),
    ) {
        let relas: Vec<_> = uses
            .iter()
            .map(|&(symbol, kind, addend, word)| Rela { offset: word * 4, symbol, kind, addend: addend * 4 })
            .collect();
        let features = if erratum { Features::ERRATUM_843419 } else { Features::empty() };
        let (object, mut linkage, mut memory) = settled(&with(features), &relas);
        // An independent model: what leaves the section, each sum once for each type.
        let leaves = |rela: &&Rela| rela.kind > 281 && rela.symbol != 3;
        let zero = |rela: &&&Rela| rela.addend == 0;
        let direct: Vec<_> = relas.iter().filter(leaves).collect();
        let distinct: std::collections::BTreeSet<_> =
            direct.iter().filter(zero).map(|rela| (rela.kind, rela.symbol)).collect();
        let least = distinct.len() + direct.iter().filter(|rela| rela.addend != 0).count();
        let max = object.sections[2].sh_size / 12 - 1;
        if !erratum {
            // One may stay unsorted after the others.
            let least = u64::try_from(least).unwrap();
            prop_assert!((least..=least + 1).contains(&max), "{} of {}", max, least);
        }
        let mut entries: Vec<_> = object.relas(5).collect();
        for rela in &entries {
            let s = if rela.symbol == 3 { TEXT } else { 0xffff_8000_9000_0000 + u64::from(rela.symbol) * 0x1000 };
            prop_assert!(provided(&mut *linkage, &mut memory, *rela, s).is_ok());
        }
        let plt = object.sections[2].extent.unwrap();
        let outside = |index: &usize| !(plt.offset..plt.offset + plt.size).contains(index);
        let bytes = &memory.regions[0].bytes;
        prop_assert!((0..bytes.len()).filter(outside).all(|index| bytes[index] == 0x55));
        let mut before = relas.clone();
        let order = |rela: &Rela| (rela.offset, rela.symbol, rela.kind, rela.addend);
        entries.sort_by_key(order);
        before.sort_by_key(order);
        prop_assert_eq!(entries, before);
    }
}

#[test]
fn branches_of_exit_code_have_their_room_where_that_code_is() {
    let section = |name, sh_flags| Section { name, sh_type: 1, sh_flags, ..Section::default() };
    let call = Rela { offset: 0, symbol: 1, kind: 283, addend: 0 };
    let sizes = |features| {
        let mut object = Object::default();
        object.sections.push(Section::default());
        object.sections.push(section(b".exit.text", 6));
        object.sections.push(Section {
            sh_type: SHT_RELA,
            sh_info: 1,
            body: call.write(scroll::Endian::Little).to_vec().into(),
            ..section(b".rela.exit.text", 0)
        });
        object.sections.extend([section(b".plt", 6), section(b".init.plt", 6)]);
        object.sections.push(Section { sh_type: SHT_SYMTAB, ..section(b".symtab", 0) });
        object.symbols = std::vec![Symbol::default(); 2];
        let configuration = Configuration { features, ..Configuration::default() };
        ARM64.loader.reserve(&mut object, &configuration).unwrap();
        [3, 4].map(|index: usize| object.sections[index].sh_size)
    };
    // Two entries where there is a branch, else the one that is always there.
    assert_eq!(sizes(Features::empty()), [24, 12]);
    assert_eq!(sizes(Features::EXIT_IS_INIT), [12, 24]);
}
