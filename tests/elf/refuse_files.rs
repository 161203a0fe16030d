//! Every way in which a file is refused.

use klp_convert::elf::{ElfError, Module, SectionIndex};

use crate::builder::{self, Builder, GROUP, NOBITS, REL, SYMTAB, SYMTAB_SHNDX, Section};

/// `.text` 1, `.rela.text` 2, `.group` 3, `.bss` 4, `.modinfo` 5, then `.symtab` 6, `.strtab` 7
/// and `.shstrtab` 8; symbols `f` 1 in `.text`, `u` 2 undefined.
pub(crate) fn sample(big: bool) -> (Builder, Vec<u8>) {
    let mut builder = Builder::new(big);
    let text = builder.progbits(".text", &[0x90; 16]);
    let function = builder.symbol("f", text, 4);
    let undefined = builder.symbol("u", 0, 0);
    builder.rela(".rela.text", text, &[(1, undefined, 2, -4), (9, function, 4, 1 << 40)]);
    builder.group(function, &[text]);
    builder.section(Section {
        name: ".bss".to_owned(),
        sh_type: NOBITS,
        align: 8,
        size: 1 << 40,
        ..Section::default()
    });
    builder.progbits(".modinfo", b"name=x\0depends=\0\0livepatch=Y\0");
    let file = builder.build();
    (builder, file)
}

/// Where a section's header is in the file.
pub(crate) fn header_at(file: &[u8], section: usize) -> usize {
    let module = Module::parse(file).unwrap();
    file.len() - 64 * (module.sections().len() - section)
}

pub(crate) fn body_at(file: &[u8], section: u32) -> usize {
    let module = Module::parse(file).unwrap();
    let section = module.section(SectionIndex::new(section)).unwrap();
    usize::try_from(section.sh_offset).unwrap()
}

pub(crate) fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The error after a change at an offset within a section's header, on both byte orders.
pub(crate) fn refused_header(section: usize, field: usize, value: u64, width: usize) -> ElfError {
    let errors = [false, true].map(|big| {
        let (builder, mut file) = sample(big);
        let at = header_at(&file, section) + field;
        match width {
            4 => put(&mut file, at, &builder.u32(u32::try_from(value).unwrap())),
            _ => put(&mut file, at, &builder.u64(value)),
        }
        Module::parse(&file).unwrap_err()
    });
    let [little, big] = errors;
    assert_eq!(little, big);
    little
}

/// The error after a change at an offset within a section's body.
pub(crate) fn refused_body(section: u32, offset: usize, value: u32) -> ElfError {
    let (builder, mut file) = sample(true);
    let at = body_at(&file, section) + offset;
    put(&mut file, at, &builder.u32(value));
    Module::parse(&file).unwrap_err()
}

/// The error after a change of bytes of the file header.
pub(crate) fn refused_start(at: usize, bytes: &[u8]) -> ElfError {
    let (_, mut file) = sample(false);
    put(&mut file, at, bytes);
    Module::parse(&file).unwrap_err()
}

const TYPE: usize = 4;
const OFFSET: usize = 24;
const SIZE: usize = 32;
const LINK: usize = 40;
const INFO: usize = 44;
const ALIGN: usize = 48;
const ENTSIZE: usize = 56;

#[test]
fn what_is_not_elf_64_is_refused() {
    assert_eq!(Module::parse(b"\x7fELF").unwrap_err(), ElfError::TooShort(4));
    assert!(matches!(refused_start(0, b"MZ"), ElfError::Magic(_)));
    assert_eq!(refused_start(4, &[1]), ElfError::Class(1));
    assert_eq!(refused_start(5, &[3]), ElfError::ByteOrder(3));
    assert_eq!(refused_start(6, &[0]), ElfError::Version(0));
    assert_eq!(refused_start(20, &[7]), ElfError::Version(7));
    assert_eq!(refused_start(52, &[52, 0]), ElfError::HeaderSize { field: "e_ehsize", size: 52 });
    assert!(matches!(
        refused_start(58, &[40, 0]),
        ElfError::HeaderSize { field: "e_shentsize", .. }
    ));
}

#[test]
fn linked_files_are_no_modules() {
    let (_, mut file) = sample(false);
    put(&mut file, 16, &[3]);
    assert_eq!(Module::parse(&file).unwrap_err(), ElfError::FileType(3));
    assert_eq!(refused_start(56, &[1, 0]), ElfError::ProgramHeaders(1));
}

#[test]
fn a_section_table_beyond_the_file_is_refused() {
    let far = 0x7fff_ffff_ffff_ff00_u64.to_le_bytes();
    assert!(matches!(refused_start(40, &far), ElfError::SectionTable { .. }));
    assert!(matches!(refused_start(60, &[200, 0]), ElfError::SectionTable { count: 200, .. }));
    assert_eq!(refused_start(40, &[0; 8]), ElfError::NoSections);
    // With e_shnum 0 the count is in section 0.
    assert_eq!(refused_start(60, &[0, 0]), ElfError::NoSections);
    assert!(matches!(refused_start(62, &[9, 0]), ElfError::SectionNames { index: 9, count: 9 }));
    assert!(matches!(refused_start(62, &[0, 0]), ElfError::SectionNames { index: 0, .. }));
    assert_eq!(refused_header(0, TYPE, 1, 4), ElfError::SectionZero(1));
}

#[test]
fn malformed_section_headers_are_refused_by_name() {
    let error = refused_header(1, OFFSET, u64::MAX - 3, 8);
    assert!(matches!(&error, ElfError::Body { section, .. } if section.name == ".text"));
    assert!(matches!(refused_header(1, SIZE, 1 << 32, 8), ElfError::Body { .. }));
    let error = refused_header(1, ALIGN, 24, 8);
    assert_eq!(error.to_string(), "section 1 '.text': alignment 24 is not a power of two");
    let error = refused_header(1, LINK, 9, 4);
    assert_eq!(error.to_string(), "section 1 '.text': sh_link names section 9 of 9");
    assert!(matches!(refused_header(2, INFO, 9, 4), ElfError::Link { field: "sh_info", .. }));
    assert!(matches!(refused_header(1, 0, 4000, 4), ElfError::SectionName { .. }));
}

#[test]
fn overlapping_bodies_are_refused() {
    let (_, file) = sample(false);
    let text = u64::try_from(body_at(&file, 1)).unwrap();
    let error = refused_header(5, OFFSET, text + 8, 8);
    assert!(matches!(&error, ElfError::Overlap { section, other, .. }
        if section.name == ".modinfo" && other.name == ".text"));
    assert!(matches!(
        refused_header(1, OFFSET, 16, 8),
        ElfError::OverlapsHeaders { table: false, .. }
    ));
    let table = u64::try_from(header_at(&file, 3)).unwrap();
    assert!(matches!(
        refused_header(1, OFFSET, table, 8),
        ElfError::OverlapsHeaders { table: true, .. }
    ));
}

#[test]
fn sections_without_bytes_overlap_nothing() {
    let (builder, mut file) = sample(false);
    let text = u64::try_from(body_at(&file, 1)).unwrap();
    let at = header_at(&file, 4) + OFFSET;
    put(&mut file, at, &builder.u64(text + 1));
    assert!(Module::parse(&file).is_ok());
}

#[test]
fn malformed_string_tables_are_refused() {
    let fault = |error: ElfError| match error {
        ElfError::StringTable { section, fault } => (section.index.get(), fault.to_string()),
        other => panic!("{other}"),
    };
    assert_eq!(fault(refused_header(7, TYPE, 1, 4)).1, "has type 0x1, not SHT_STRTAB");
    assert_eq!(fault(refused_header(7, SIZE, 0, 8)), (7, "is empty".into()));
    assert_eq!(fault(refused_header(8, SIZE, 3, 8)).1, "does not end with NUL");
    let (_, mut file) = sample(false);
    let at = body_at(&file, 7);
    put(&mut file, at, b"x");
    assert_eq!(fault(Module::parse(&file).unwrap_err()).1, "does not start with NUL");
}

#[test]
fn a_name_table_beyond_the_file_is_refused_as_such() {
    let error = refused_header(8, OFFSET, 1 << 40, 8);
    assert!(
        matches!(&error, ElfError::Body { section, .. } if section.index.get() == 8),
        "{error}"
    );
}

#[test]
fn names_that_would_take_quadratic_time_are_refused() {
    let mut builder = Builder::new(false);
    builder.symbol(&"x".repeat(0xffff), 0, 0);
    assert!(Module::parse(&builder.build()).is_ok());
    builder.symbol(&"y".repeat(0x1_0000), 0, 0);
    let error = Module::parse(&builder.build()).unwrap_err();
    assert_eq!(error.to_string(), "section 2 '.strtab' has a string longer than 65535 bytes");
}

#[test]
fn malformed_symbol_tables_are_refused() {
    assert_eq!(refused_header(6, TYPE, 1, 4), ElfError::NoSymbolTable);
    assert!(matches!(
        refused_header(1, TYPE, u64::from(SYMTAB), 4),
        ElfError::TwoSymbolTables { .. }
    ));
    assert!(matches!(refused_header(6, ENTSIZE, 16, 8), ElfError::EntrySize { expected: 24, .. }));
    assert!(matches!(refused_header(6, SIZE, 50, 8), ElfError::Entries { size: 50, .. }));
    assert!(matches!(refused_header(6, INFO, 4, 4), ElfError::FirstGlobal { value: 4, .. }));
    let error = refused_body(6, 24, 700);
    assert!(matches!(error, ElfError::SymbolName { offset: 700, .. }));
    // info, other, then the section.
    let error = refused_body(6, 24 + 4, 0x1000_0009);
    assert_eq!(error.to_string(), "symbol 1 'f' is in section 9 of 9");
    let error = refused_body(6, 24 + 4, 0x1000_ffff);
    assert!(matches!(error, ElfError::NoExtendedTable { .. }));
}

#[test]
fn malformed_relocations_are_refused() {
    assert!(matches!(refused_header(2, TYPE, u64::from(REL), 4), ElfError::Rel(_)));
    assert!(matches!(refused_header(2, ENTSIZE, 0, 8), ElfError::EntrySize { .. }));
    assert!(matches!(refused_header(2, SIZE, 25, 8), ElfError::Entries { .. }));
    assert!(matches!(refused_header(2, LINK, 1, 4), ElfError::NotLinkedToSymbols { link: 1, .. }));
    assert!(matches!(
        refused_body(2, 24 + 8, 3),
        ElfError::RelocationSymbol { entry: 1, count: 3, .. }
    ));
    let error = refused_body(2, 24 + 8, 991);
    assert_eq!(error.to_string(), "section 2 '.rela.text': relocation 1 names symbol 991 of 3");
}

#[test]
fn cyclic_sections_are_refused() {
    assert!(matches!(refused_header(2, INFO, 2, 4), ElfError::RelocationTarget { target: 2, .. }));
    assert!(matches!(refused_header(2, INFO, 0, 4), ElfError::RelocationTarget { target: 0, .. }));
    assert!(matches!(refused_header(1, LINK, 1, 4), ElfError::LinkCycle { .. }));
    assert!(matches!(refused_header(7, LINK, 6, 4), ElfError::LinkCycle { .. }));
    let mut builder = Builder::new(false);
    let first = builder.rela(".rela.a", 2, &[]);
    builder.rela(".rela.b", first, &[]);
    let error = Module::parse(&builder.build()).unwrap_err();
    assert!(matches!(error, ElfError::RelocationTarget { .. }));
}

#[test]
fn malformed_groups_are_refused() {
    assert!(matches!(refused_header(3, SIZE, 0, 8), ElfError::GroupSize { .. }));
    assert!(matches!(refused_header(3, SIZE, 6, 8), ElfError::GroupSize { .. }));
    assert!(matches!(refused_header(3, INFO, 3, 4), ElfError::GroupSymbol { .. }));
    assert!(matches!(
        refused_header(5, TYPE, u64::from(GROUP), 4),
        ElfError::NotLinkedToSymbols { .. }
    ));
    for member in [0, 3, 9] {
        let error = refused_body(3, 4, member);
        assert!(matches!(error, ElfError::GroupMember { member: 0, value, .. } if value == member));
    }
}

#[test]
fn malformed_extended_indices_are_refused() {
    let with = |tables: &[usize]| {
        let mut builder = Builder::new(false);
        builder.symbol("s", 0, 0);
        for &words in tables {
            builder.section(Section {
                name: "x".to_owned(),
                sh_type: SYMTAB_SHNDX,
                link: builder::LINK_SYMTAB,
                align: 4,
                entsize: 4,
                body: vec![0; words * 4],
                ..Section::default()
            });
        }
        Module::parse(&builder.build()).map(|_| ())
    };
    assert_eq!(with(&[2]), Ok(()));
    assert!(matches!(with(&[3]), Err(ElfError::ExtendedCount { entries: 3, symbols: 2, .. })));
    assert!(matches!(with(&[2, 2]), Err(ElfError::TwoExtendedTables(_))));
}

/// A file after a change at an offset within a section's header.
fn changed_header(section: usize, field: usize, value: u64, width: usize) -> Vec<u8> {
    let (builder, mut file) = sample(false);
    let at = header_at(&file, section) + field;
    match width {
        4 => put(&mut file, at, &builder.u32(u32::try_from(value).unwrap())),
        _ => put(&mut file, at, &builder.u64(value)),
    }
    file
}

#[test]
fn what_the_kernel_does_not_look_at_is_read_all_the_same() {
    let (_, whole) = sample(false);
    let text = u64::try_from(body_at(&whole, 1)).unwrap();
    let unnoticed = [
        (1, ALIGN, 640, 8),
        (1, LINK, 9, 4),
        (1, LINK, 1, 4),
        (2, INFO, 9, 4),
        (2, INFO, 0, 4),
        (2, TYPE, u64::from(REL), 4),
        (2, ENTSIZE, 0, 8),
        (2, SIZE, 25, 8),
        (2, LINK, 1, 4),
        (3, SIZE, 6, 8),
        (3, INFO, 3, 4),
        (5, OFFSET, text + 8, 8),
        (6, ENTSIZE, 16, 8),
        (6, SIZE, 50, 8),
        (6, INFO, 4, 4),
    ];
    for (section, field, value, width) in unnoticed {
        let file = changed_header(section, field, value, width);
        let error = Module::parse(&file).unwrap_err();
        let module = Module::parse_as_kernel(&file).unwrap_or_else(|e| panic!("{error}: {e}"));
        assert!(module.irregularities().contains(&error), "{error}");
    }
    assert!(Module::parse_as_kernel(&whole).unwrap().irregularities().is_empty());
    let noticed = [
        (0, TYPE, 1, 4),
        (1, OFFSET, u64::MAX - 3, 8),
        (1, 0, 4000, 4),
        (6, TYPE, 1, 4),
        (7, TYPE, 1, 4),
        (7, SIZE, 0, 8),
        (8, SIZE, 3, 8),
    ];
    for (section, field, value, width) in noticed {
        let file = changed_header(section, field, value, width);
        let error = Module::parse(&file).unwrap_err();
        assert_eq!(Module::parse_as_kernel(&file).unwrap_err(), error);
    }
}

#[test]
fn irregularities_without_number_are_told_a_few_times_and_shared_bytes_not_without_end() {
    let mut builder = Builder::new(false);
    let text = builder.progbits(".text", &[0; 4096]);
    for _ in 0..40 {
        builder.progbits(".x", &[0; 4096]);
    }
    let mut file = builder.build();
    let at = body_at(&file, 1) as u64;
    for section in 2..42 {
        let header = file.len() - 64 * (sections_of(&file) - section);
        put(&mut file, header + ALIGN, &builder.u64(3));
    }
    let module = Module::parse_as_kernel(&file).unwrap();
    assert!((1..40).contains(&module.irregularities().len()));
    for section in 2..42 {
        let header = file.len() - 64 * (sections_of(&file) - section);
        put(&mut file, header + OFFSET, &builder.u64(at));
    }
    // Forty times four kilobytes in a file of as many: that is still one time on average.
    assert!(Module::parse_as_kernel(&file).is_ok());
    assert_eq!(text, 1);
    for section in 2..42 {
        let header = file.len() - 64 * (sections_of(&file) - section);
        put(&mut file, header + SIZE, &builder.u64(120_000));
    }
    assert!(matches!(Module::parse_as_kernel(&file), Err(ElfError::Overlap { .. })));
}

fn sections_of(file: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([file[60], file[61]]))
}
