//! Real selectors in both byte orders, and arbitrary damage to them.

use super::*;
use object::Endianness;
use object::elf::{FileHeader64, SectionHeader64};
use object::read::elf::{FileHeader, SectionHeader};
use proptest::prelude::*;

const LITTLE: &[u8] = include_bytes!("../../../tests/fixtures/x86_64/lp_selector_file.ko");
const BIG: &[u8] = include_bytes!("../../../tests/fixtures/s390x/lp_selector_file.ko");

/// The range of a module's selectors in its file.
fn body(data: &[u8]) -> std::ops::Range<usize> {
    let header = FileHeader64::<Endianness>::parse(data).unwrap();
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, data).unwrap();
    let (_, section): (_, &SectionHeader64<_>) =
        sections.section_by_name(endian, SELECTORS.as_bytes()).unwrap();
    let (start, size) = section.file_range(endian).unwrap();
    let start = usize::try_from(start).unwrap();
    start..start + usize::try_from(size).unwrap()
}

fn read_all(data: &[u8]) -> Result<Vec<Annotation>, Vec<AnnotationError>> {
    let annotations = Annotations::read(&Module::parse(data).unwrap())?;
    Ok(annotations.iter().cloned().collect())
}

#[test]
fn a_record_is_read_alike_in_either_byte_order() {
    let said = |data| {
        let all = read_all(data).unwrap();
        let shown = |a: &Annotation| (a.name.to_string(), a.owner.to_string(), a.which.clone());
        let mut shown: Vec<_> = all.iter().map(shown).collect();
        shown.sort_by_key(|(name, _, which)| (name.clone(), which.to_string()));
        shown
    };
    let expected = [
        ("set_is_seen", "kernel/pid.c"),
        ("set_is_seen", "kernel/ucount.c"),
        ("set_root", "ucount.c"),
    ]
    .map(|(name, file)| {
        (name.to_owned(), "vmlinux".to_owned(), Selector::InFile(file.parse().unwrap()))
    });
    assert_eq!(said(LITTLE), expected);
    assert_eq!(said(BIG), expected);
}

#[test]
fn every_field_is_where_the_format_says() {
    let mut record = vec![0; 1152];
    record[13] = NEXT_TO;
    for (at, text) in [(16, "owner"), (72, "gate"), (128, "name"), (640, "text")] {
        record[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    let fields = Fields::of(&record).unwrap();
    assert_eq!(fields.kind, NEXT_TO);
    let texts = (fields.owner, fields.patched, fields.name, fields.text);
    assert_eq!(texts, ("owner", "gate", "name", "text"));
    for size in [0, 15, 16, 1144, 1160] {
        let fault = Fields::of(&vec![0; size]).err();
        assert_eq!(fault, Some(SelectorFault::Size(u32::try_from(size).unwrap())));
    }
}

proptest! {
    #[test]
    fn any_bytes_give_annotations_or_errors(
        big in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        heads in any::<bool>(),
    ) {
        let mut data = if big { BIG } else { LITTLE }.to_vec();
        let body = body(&data);
        for (at, byte) in changes {
            // Sizes, versions and kinds, or anything else.
            let within = if heads { at.index(3) * 1152 + at.index(16) } else { at.index(body.len()) };
            data[body.start + within] = byte;
        }
        match read_all(&data) {
            Ok(all) => prop_assert!(!all.is_empty()),
            Err(errors) => prop_assert!(!errors.is_empty()),
        }
    }
}
