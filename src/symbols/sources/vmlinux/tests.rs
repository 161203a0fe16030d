//! Fixtures in which the order of the table, of the addresses and of the names all disagree.

use super::*;
use crate::symbols::fixture::{
    ABS, ALLOC, EXEC, FILE, GLOBAL, Image, LOCAL, SECTION, UNDEF, UNIQUE, WEAK, WRITE,
};
use crate::symbols::{Answer, Binding, Merged, Wanted};
use proptest::prelude::*;
use scroll::Endian;
use std::io::Cursor;

const BASE: u64 = 0xffff_ffff_8100_0000;

fn kernel(endian: Endian) -> (Image, u16) {
    let mut image = Image::new(endian, elf::ET_EXEC);
    let text = image.section(".text", ALLOC | EXEC, BASE, &[0; 64]);
    (image, text)
}

fn answer<R: Read + Seek>(
    table: &mut ElfTable<R>,
    names: &[&str],
) -> Result<Answer, SymbolErrorKind> {
    let wanted = Wanted::new(names.iter().copied());
    let source = Vmlinux::new("vmlinux");
    let data = source.read_from(table, Scope::Names(&wanted))?;
    let mut merged = Merged::default();
    merged.add(data, source.path()).map_err(|error| error.kind)?;
    Answer::new(merged).map_err(|error| error.kind)
}

fn ask(image: &Image, names: &[&str]) -> Result<Answer, SymbolErrorKind> {
    answer(&mut image.table(), names)
}

/// Addresses in the order of positions, relative to the text.
fn order(image: &Image, name: &str) -> Vec<u64> {
    let answer = ask(image, &[name]).unwrap();
    let all = answer.candidates(name);
    for (n, candidate) in (1..).zip(all) {
        assert_eq!(candidate.position.get(), n);
        assert_eq!(usize::try_from(candidate.homonyms), Ok(all.len()));
    }
    all.iter().map(|c| c.address.unwrap() - BASE).collect()
}

#[test]
fn positions_follow_the_final_address_and_not_the_table() {
    for endian in [Endian::Little, Endian::Big] {
        let (mut image, text) = kernel(endian);
        for offset in [0x30, 0x10, 0x20] {
            image.symbol("show", LOCAL, text, BASE + offset);
        }
        assert_eq!(order(&image, "show"), [0x10, 0x20, 0x30]);
    }
}

#[test]
fn of_equal_addresses_the_weak_symbol_is_the_last() {
    let (mut image, text) = kernel(Endian::Little);
    image.symbol("f", WEAK, text, BASE);
    image.symbol("f", GLOBAL, text, BASE);
    image.symbol("f", LOCAL, text, BASE);
    let answer = ask(&image, &["f"]).unwrap();
    let bindings: Vec<_> = answer.candidates("f").iter().map(|c| c.binding.unwrap()).collect();
    assert_eq!(bindings, [Binding::Global, Binding::Local, Binding::Weak]);
}

#[test]
fn a_weak_object_is_not_sorted_after_others() {
    let (mut image, text) = kernel(Endian::Little);
    let (weak_object, object) = (0x21, 0x11);
    image.symbol("f", weak_object, text, BASE);
    image.symbol("f", object, text, BASE);
    let answer = ask(&image, &["f"]).unwrap();
    let bindings: Vec<_> = answer.candidates("f").iter().map(|c| c.binding.unwrap()).collect();
    assert_eq!(bindings, [Binding::Weak, Binding::Global]);
}

#[test]
fn symbols_that_nm_or_kallsyms_omit_have_no_position() {
    let (mut image, text) = kernel(Endian::Big);
    let debug = image.section(".debug_str", 0, 0, &[0; 8]);
    let debug_writable = image.section(".debug_x", WRITE, 0, &[0; 8]);
    let comment = image.section(".comment", 0, 0, &[0; 8]);
    for hidden in [(LOCAL, UNDEF), (WEAK, UNDEF), (LOCAL, ABS), (GLOBAL, ABS), (UNIQUE, text)] {
        image.symbol("f", hidden.0, hidden.1, BASE + 1);
    }
    for hidden in [(SECTION, text), (FILE, ABS)] {
        image.symbol("f", hidden.0, hidden.1, BASE + 2);
    }
    for section in [debug, debug_writable, comment] {
        image.symbol("f", LOCAL, section, BASE + 3);
        image.symbol("f", GLOBAL, section, BASE + 3);
    }
    assert!(order(&image, "f").is_empty());
    image.symbol("f", LOCAL, text, BASE + 4);
    assert_eq!(order(&image, "f"), [4]);
}

#[test]
fn symbols_of_unusual_types_that_nm_does_list_are_counted() {
    let (mut image, _) = kernel(Endian::Little);
    let notes = image.section(".odd", WRITE, 0, &[0; 8]);
    let bss = image.any_section((".odd.bss", elf::SHT_NOBITS, 0, 0, vec![]));
    image.symbol("f", LOCAL, notes, BASE + 1);
    image.symbol("f", LOCAL, bss, BASE + 2);
    image.symbol("f", WEAK, ABS, BASE + 3);
    image.symbol("__kernel_sigtramp", GLOBAL, ABS, BASE + 4);
    assert_eq!(order(&image, "f"), [1, 2, 3]);
    assert_eq!(order(&image, "__kernel_sigtramp"), [4]);
}

#[test]
fn names_that_the_kernel_cannot_hold_have_no_position() {
    let (mut image, text) = kernel(Endian::Little);
    let (fits, long) = ("x".repeat(511), "x".repeat(512));
    image.symbol(&fits, LOCAL, text, BASE);
    image.symbol(&long, LOCAL, text, BASE);
    assert_eq!(order(&image, &fits).len(), 1);
    assert!(order(&image, &long).is_empty());
}

#[test]
fn only_local_symbols_have_a_source_file() {
    let (mut image, text) = kernel(Endian::Big);
    image.symbol("base.c", FILE, ABS, 0);
    image.symbol("f", LOCAL, text, BASE);
    image.symbol("", FILE, ABS, 0);
    image.symbol("f", LOCAL, text, BASE + 1);
    image.symbol("mm.c", FILE, ABS, 0);
    image.symbol("f", GLOBAL, text, BASE + 2);
    let answer = ask(&image, &["f"]).unwrap();
    let files: Vec<_> = answer.candidates("f").iter().map(|c| c.file.as_deref()).collect();
    assert_eq!(files, [Some("base.c"), None, None]);
}

#[test]
fn globals_that_the_linker_made_local_have_no_source_file() {
    let (mut image, text) = kernel(Endian::Little);
    image.symbol("last.c", FILE, ABS, 0);
    for (at, visibility) in
        [elf::STV_DEFAULT, elf::STV_HIDDEN, elf::STV_INTERNAL, elf::STV_PROTECTED]
            .iter()
            .enumerate()
    {
        image.symbol("f", LOCAL, text, BASE + at as u64);
        image.other(visibility.0);
    }
    let answer = ask(&image, &["f"]).unwrap();
    let found = answer.candidates("f").iter();
    let files: Vec<_> = found.map(|c| (c.file.as_deref(), c.unit)).collect();
    assert_eq!(files, [(Some("last.c"), Some(0)), (None, None), (None, None), (None, None)]);
}

#[test]
fn local_symbols_belong_to_the_unit_whose_file_symbol_they_follow() {
    for endian in [Endian::Little, Endian::Big] {
        let (mut image, text) = kernel(endian);
        image.symbol("f", LOCAL, text, 0);
        for n in 1..3 {
            image.symbol("stat.c", FILE, ABS, 0);
            image.symbol("f", LOCAL, text, n);
            image.symbol("g", LOCAL, text, n);
        }
        image.symbol("", FILE, ABS, 0);
        image.symbol("f", LOCAL, text, 3);
        image.symbol("stat.c", FILE, ABS, 0);
        image.symbol("f", LOCAL, text, 4);
        image.symbol("f", GLOBAL, text, 5);
        let answer = ask(&image, &["f", "g"]).unwrap();
        let units = |name| answer.candidates(name).iter().map(|c| c.unit).collect::<Vec<_>>();
        assert_eq!(units("f"), [None, Some(0), Some(1), None, Some(3), None]);
        assert_eq!(units("g"), [Some(0), Some(1)]);
    }
}

#[test]
fn freed_memory_is_recognised_by_section_or_by_range_except_per_cpu() {
    let (mut image, text) = kernel(Endian::Little);
    let init = image.section(".init.text", ALLOC | EXEC, BASE + 0x100, &[0; 16]);
    let exit = image.section(".exit.text", ALLOC | EXEC, BASE + 0x200, &[0; 16]);
    let percpu = image.section(".data..percpu", ALLOC | WRITE, BASE + 0x300, &[0; 16]);
    image.symbol("a", LOCAL, text, BASE);
    image.symbol("b", LOCAL, init, BASE + 0x100);
    image.symbol("c", LOCAL, exit, BASE + 0x200);
    image.symbol("d", LOCAL, percpu, BASE + 0x300);
    let init_flags = |image: &Image| {
        let answer = ask(image, &["a", "b", "c", "d"]).unwrap();
        ["a", "b", "c", "d"].map(|name| answer.candidates(name)[0].init)
    };
    assert_eq!(init_flags(&image), [false, true, false, false]);
    image.symbol("__init_begin", GLOBAL, init, BASE + 0x100);
    image.symbol("__init_end", GLOBAL, percpu, BASE + 0x400);
    image.symbol("__per_cpu_start", GLOBAL, percpu, BASE + 0x300);
    image.symbol("__per_cpu_end", GLOBAL, percpu, BASE + 0x310);
    assert_eq!(init_flags(&image), [false, true, true, false]);
}

#[test]
fn exports_have_their_namespace() {
    let (mut image, text) = kernel(Endian::Big);
    let table = image.section("__ksymtab", ALLOC, BASE + 0x1000, &[0; 36]);
    let strings = b"\0a\0CRYPTO\0module:kvm,kvm-intel\0";
    let strings = image.section("__ksymtab_strings", ALLOC, BASE + 0x2000, strings);
    for (name, namespace) in [("plain", 0), ("spaced", 3), ("kvm_only", 10)] {
        image.symbol(name, GLOBAL, text, BASE);
        image.symbol(&format!("__ksymtab_{name}"), LOCAL, table, BASE + 0x1000);
        image.symbol(&format!("__kstrtabns_{name}"), LOCAL, strings, BASE + 0x2000 + namespace);
    }
    image.symbol("secret", LOCAL, text, BASE);
    let answer = ask(&image, &["plain", "spaced", "kvm_only", "secret"]).unwrap();
    let export = |name| answer.export(name).unwrap();
    assert_eq!(export("plain").namespace.as_deref(), Some(""), "it is known to have none");
    assert_eq!(export("spaced").namespace.as_deref(), Some("CRYPTO"));
    assert!(export("kvm_only").for_modules_only() && !export("spaced").for_modules_only());
    assert_eq!(answer.export("secret"), None);
}

#[test]
fn the_release_is_read_from_the_banner() {
    let (mut image, _) = kernel(Endian::Big);
    let banner = b"....Linux version 7.2.13-s390x (a@b) #1\n\0";
    let rodata = image.section(".rodata", ALLOC, BASE + 0x1000, banner);
    image.symbol("linux_banner", GLOBAL, rodata, BASE + 0x1004);
    let answer = ask(&image, &[]).unwrap();
    assert_eq!(answer.kernel().release.as_deref(), Some("7.2.13-s390x"));
    assert_eq!(answer.kernel().endian, Some(Endian::Big));
    assert!(answer.knows_object(&ObjectName::vmlinux()));
}

#[test]
fn vmlinux_o_is_refused_because_its_order_differs() {
    let (mut image, _) = kernel(Endian::Little);
    image.file_type = elf::ET_REL;
    let error = ask(&image, &[]).unwrap_err();
    assert!(matches!(error, SymbolErrorKind::NotLinked));
    image.file_type = elf::ET_CORE;
    assert!(matches!(ask(&image, &[]).unwrap_err(), SymbolErrorKind::Elf(_)));
}

#[test]
fn a_symbol_in_a_section_beyond_the_16_bit_indices_is_found() {
    for endian in [Endian::Little, Endian::Big] {
        let (mut image, text) = kernel(endian);
        image.extended = true;
        image.indexed_symbol("f", LOCAL, crate::symbols::fixture::XINDEX, BASE, u32::from(text));
        let answer = ask(&image, &["f"]).unwrap();
        assert_eq!(answer.candidates("f")[0].section.as_deref(), Some(".text"));
    }
}

#[test]
fn two_symbol_tables_are_refused() {
    let (mut image, _) = kernel(Endian::Little);
    image.any_section((".symtab2", elf::SHT_SYMTAB, 0, 0, vec![]));
    assert!(matches!(ask(&image, &[]).unwrap_err(), SymbolErrorKind::Elf(_)));
}

fn rich() -> Vec<u8> {
    let (mut image, text) = kernel(Endian::Little);
    let rodata = image.section(".rodata", ALLOC, BASE + 0x1000, b"Linux version 7.2 (a)\0");
    image.symbol("linux_banner", GLOBAL, rodata, BASE + 0x1000);
    image.symbol("f", LOCAL, text, BASE);
    image.symbol("__ksymtab_f", LOCAL, rodata, BASE + 0x1000);
    image.symbol("__kstrtabns_f", LOCAL, rodata, BASE + 0x1000);
    image.bytes()
}

fn read(bytes: Vec<u8>) -> Result<Answer, SymbolErrorKind> {
    answer(&mut ElfTable::read(Cursor::new(bytes))?, &["f"])
}

#[test]
fn a_file_truncated_anywhere_is_refused() {
    let bytes = rich();
    assert_eq!(read(bytes.clone()).unwrap().candidates("f").len(), 1);
    for length in 0..bytes.len() {
        assert!(read(bytes[..length].to_vec()).is_err(), "{length}");
    }
}

proptest! {
    #[test]
    fn damaged_files_give_an_answer_or_an_error(
        damage in proptest::collection::vec((0usize..1200, any::<u8>()), 1..8),
    ) {
        let mut bytes = rich();
        for (at, byte) in damage {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Ok(answer) = read(bytes) {
            prop_assert!(answer.candidates("f").len() <= 5);
        }
    }
}
