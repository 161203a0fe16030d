//! What is written is read back, and any other bytes are an error.

use super::*;
use crate::symbols::data::{Object, Symbol};
use crate::symbols::{
    Answer, Binding, BuildId, Evidence, Export, Kind, Merged, ModuleBtf, Order, Wanted,
};
use proptest::prelude::*;
use scroll::Endian;

mod changed;
mod first_version;

/// Names with common prefixes, and names that the kernel derives from others.
const NAMES: [&str; 9] =
    ["f", "fo", "foo", "__pfx_foo", "__ksymtab_foo", "foo.isra.0", "bar", "__pfx_", "__"];

fn object(name: &str, symbols: &[(usize, u64, u8)]) -> Object {
    let mut object = Object::new(name.parse().unwrap(), Path::new("source"), Order::Proven);
    object.build_id = Some(BuildId(vec![7; 20]));
    for file in ["a.c", "b.c", "a.c"] {
        let span = object.keep(file.as_bytes()).unwrap();
        object.units.push(span);
    }
    let section = object.keep(b".text");
    for (name, address, bits) in symbols {
        let name = object.keep(NAMES[name % NAMES.len()].as_bytes()).unwrap();
        let has = |bit: u8| bits >> bit & 1 == 1;
        object.symbols.push(Symbol {
            name,
            address: has(0).then_some(*address),
            size: has(1).then_some(address >> 3),
            section: section.filter(|_| has(2)),
            unit: has(3).then_some(u32::from(bits % 3)),
            binding: has(4).then_some(if has(5) { Binding::Weak } else { Binding::Local }),
            kind: has(5).then_some(if has(4) { Kind::Object } else { Kind::Function }),
            letter: has(6).then_some(b't'),
            init: has(7),
            untraceable: has(2) && has(6),
            stays: !has(7),
        });
    }
    object
}

fn data(objects: Vec<Object>) -> SymbolData {
    let kernel = KernelIdentity {
        release: Some("7.2.13".into()),
        machine: Some(22),
        endian: Some(Endian::Big),
        kallsyms_all: Some(true),
    };
    let export = Export {
        owner: "m".parse().unwrap(),
        gpl: Some(true),
        namespace: Some("NS".into()),
        crc: Some(0x1234_5678),
    };
    let other = Export::by("only_exports".parse().unwrap());
    let no_namespace = Export { namespace: Some(String::new()), ..other.clone() };
    let exports =
        vec![("foo".into(), export), ("gone".into(), other), ("all".into(), no_namespace)];
    SymbolData { kernel, objects, exports, ..SymbolData::default() }
}

fn merged(data: SymbolData) -> Merged {
    let mut merged = Merged::default();
    merged.add(data, Path::new("source")).unwrap();
    merged
}

fn map(objects: Vec<Object>) -> Map {
    Map::from_bytes("map", build(&merged(data(objects))).unwrap()).unwrap()
}

fn two() -> Vec<Object> {
    let vmlinux = [(2, 0xffff_8000, 0x7f), (3, 0xffff_7ff0, 0x5f), (6, 0xffff_9000, 0x10)];
    let mut module = object("m", &[(2, 0x40, 0x7f), (2, 0x10, 0xff), (5, 0, 1)]);
    module.evidence = Some(evidence());
    module.depends = Some(vec!["unread".parse().unwrap(), "only_exports".parse().unwrap()]);
    vec![object("vmlinux", &vmlinux), module]
}

fn evidence() -> Evidence {
    Evidence {
        vermagic: Some("7.2.13 SMP preempt mod_unload ".into()),
        in_tree: true,
        module_size: Some(0x500),
        init: Some(0x130),
        exit: None,
        has_versions: true,
        has_flags: Some(false),
        btf: ModuleBtf::Split(2_000_000),
    }
}

fn answer(data: SymbolData) -> Answer {
    Answer::new(merged(data)).unwrap()
}

#[test]
fn an_answer_from_the_map_is_that_of_its_sources() {
    let map = map(two());
    for name in NAMES {
        let wanted = Wanted::new([name]);
        let direct = answer(data(two()));
        let mapped = answer(map.read(Scope::Names(&wanted)).unwrap());
        assert_eq!(direct.candidates(name), mapped.candidates(name), "{name}");
        assert_eq!(direct.export(name), mapped.export(name), "{name}");
        assert_eq!(direct.kernel(), mapped.kernel());
    }
}

#[test]
fn evidence_and_dependencies_are_read_in_every_scope() {
    let map = map(two());
    let name = |name: &str| name.parse().unwrap();
    let scopes = [Scope::All, Scope::Names(&Wanted::new([]))];
    for answer in scopes.map(|scope| answer(map.read(scope).unwrap())) {
        let depends = answer.depends(&name("m")).unwrap();
        assert_eq!(depends, [name("only_exports"), name("unread")]);
        assert_eq!(answer.depends(&name("vmlinux")), None, "vmlinux has no module file");
        assert_eq!(answer.depends(&name("only_exports")), None);
        let siblings = answer.siblings();
        let size = siblings.module_size.as_ref().unwrap();
        assert_eq!((size.value, size.modules, size.first.as_str()), (0x500, 1, "m"));
        assert_eq!(siblings.init.as_ref().unwrap().value, 0x130);
        assert_eq!(siblings.exit, None);
        assert!(siblings.has_versions.as_ref().unwrap().value);
        assert!(!siblings.has_flags.as_ref().unwrap().value);
        assert_eq!(siblings.btf_strings.as_ref().unwrap().value, 2_000_000);
        assert_eq!(siblings.vermagic.as_ref().map(|f| &f.value), evidence().vermagic.as_ref());
    }
}

#[test]
fn objects_without_a_wanted_name_are_still_known() {
    let map = map(two());
    let wanted = Wanted::new(["bar"]);
    let mapped = answer(map.read(Scope::Names(&wanted)).unwrap());
    let knows = |name: &str| mapped.knows_object(&name.parse().unwrap());
    assert!(knows("m") && knows("vmlinux") && !knows("n"));
    assert!(!knows("only_exports"), "an object that only exports has no symbols");
    let objects: Vec<_> = mapped.objects().map(|o| o.to_string()).collect();
    assert_eq!(objects, ["m", "vmlinux"]);
}

#[test]
fn a_source_with_a_symbol_that_the_map_lacks_contradicts_it() {
    let map = map(two());
    let wanted = Wanted::new(["bar"]);
    let mut merged = Merged::default();
    merged.add(map.read(Scope::Names(&wanted)).unwrap(), Path::new("map")).unwrap();
    let mut other = object("m", &[(6, 1, 1)]);
    other.by = Path::new("m.ko").into();
    let other = SymbolData { objects: vec![other], ..SymbolData::default() };
    merged.add(other, Path::new("m.ko")).unwrap();
    let error = Answer::new(merged).unwrap_err();
    assert!(matches!(error.kind, SymbolErrorKind::Contradiction { .. }), "{error}");
}

#[test]
fn two_maps_and_a_source_that_agree_answer_together() {
    let (first, second) = (map(two()), map(two()));
    let wanted = Wanted::new(["foo"]);
    let mut merged = Merged::default();
    merged.add(first.read(Scope::Names(&wanted)).unwrap(), Path::new("first")).unwrap();
    merged.add(second.read(Scope::Names(&wanted)).unwrap(), Path::new("second")).unwrap();
    let mut module = two().remove(1);
    module.by = Path::new("m.ko").into();
    // Only the names in scope.
    module.symbols.truncate(2);
    let module = SymbolData { objects: vec![module], ..SymbolData::default() };
    merged.add(module, Path::new("m.ko")).unwrap();
    let answer = Answer::new(merged).unwrap();
    assert_eq!(answer.candidates("foo").len(), 3);
}

#[test]
fn the_summary_of_a_map_matches_its_contents() {
    let map = map(two());
    assert_eq!((map.symbols(), map.exports()), (6, 3));
    let objects = map.objects().unwrap();
    let names: Vec<_> = objects.iter().map(|o| (o.name.as_str(), o.order, o.units)).collect();
    let proven = Some(Order::Proven);
    assert_eq!(names, [("m", proven, 3), ("only_exports", None, 0), ("vmlinux", proven, 3)]);
    assert_eq!(objects[0].build_id, Some(BuildId(vec![7; 20])));
    map.verify().unwrap();
}

#[test]
fn similar_names_are_found_in_the_map() {
    let mut near = Suggestions::new(["foo.isra.1", "foos"]);
    map(two()).similar(&mut near).unwrap();
    let names: Vec<_> = near.found("foo.isra.1").iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["foo", "foo", "foo.isra.0"], "of both objects");
    assert!(near.found("foos").iter().any(|n| n.name == "foo" && n.object.as_str() == "m"));
}

#[test]
fn equal_sources_give_equal_bytes_in_any_order() {
    let mut other = two();
    other.reverse();
    assert_eq!(bytes_of(&map(two())), bytes_of(&map(other)));
}

#[test]
fn names_that_no_livepatch_can_use_are_omitted() {
    let mut vmlinux = object("vmlinux", &[(0, 1, 1)]);
    for length in [511, 512] {
        let name = vmlinux.keep(&vec![b'x'; length]).unwrap();
        vmlinux.symbols.push(Symbol::named(name));
    }
    assert_eq!(map(vec![vmlinux]).symbols(), 2);
}

#[test]
fn long_texts_are_truncated_and_long_names_omitted() {
    let mut vmlinux = object("vmlinux", &[(2, 1, 0)]);
    let [file, name] = [5000, 512].map(|length| vmlinux.keep(&vec![b'x'; length]).unwrap());
    vmlinux.units.push(file);
    let mut symbol = vmlinux.symbols[0];
    symbol.unit = Some(3);
    vmlinux.symbols = vec![symbol, Symbol { name, ..symbol }];
    let map = map(vec![vmlinux]);
    let data = map.read(Scope::All).unwrap();
    let object = &data.objects[0];
    assert_eq!(object.symbols.len(), 1);
    assert_eq!(object.file(&object.symbols[0]).unwrap().len(), 4096);
}

#[test]
fn a_map_of_a_map_is_that_map() {
    let first = map(two());
    let mut merged = Merged::default();
    merged.add(first.read(Scope::All).unwrap(), Path::new("map")).unwrap();
    assert!(build(&merged).unwrap() == bytes_of(&first));
}

#[test]
fn many_names_are_found_across_blocks() {
    let mut vmlinux = object("vmlinux", &[]);
    let names: Vec<String> = (0..1000).map(|n| format!("symbol_{}", n * n % 997)).collect();
    for name in &names {
        let name = vmlinux.keep(name.as_bytes()).unwrap();
        vmlinux.symbols.push(Symbol::named(name));
    }
    let map = map(vec![vmlinux]);
    for name in &names {
        let count = names.iter().filter(|n| *n == name).count();
        assert_eq!(map.0.find(name.as_bytes()).unwrap().len(), count, "{name}");
    }
    for absent in ["", "a", "symbol_", "symbol_x", "zzz", "symbol_99x"] {
        assert!(map.0.find(absent.as_bytes()).unwrap().is_empty(), "{absent}");
    }
}

fn bytes_of(map: &Map) -> Vec<u8> {
    map.bytes().unwrap().into_owned()
}

#[test]
fn a_truncated_or_longer_map_is_refused() {
    let bytes = bytes_of(&map(two()));
    for length in 0..bytes.len() {
        assert!(Map::from_bytes("map", bytes[..length].to_vec()).is_err(), "{length}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    let error = Map::from_bytes("map", longer).unwrap_err();
    assert_eq!(error.to_string(), "map: a truncated map; build it again");
}

#[test]
fn every_damaged_byte_is_noticed() {
    let bytes = bytes_of(&map(two()));
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x41;
        let noticed = Map::from_bytes("map", damaged).and_then(|map| map.verify());
        assert!(noticed.is_err(), "{at}");
    }
}

#[test]
fn other_files_and_other_versions_are_distinguished() {
    let refused = |bytes: &[u8]| Map::from_bytes("m", bytes.to_vec()).unwrap_err().to_string();
    assert!(refused(b"\x7fELF").contains("not a map"));
    assert!(refused(b"").contains("not a map"));
    assert!(refused(b"KLPMAP\n\x01\0\0\0").contains("copied as text"));
    let mut bytes = bytes_of(&map(two()));
    bytes[8] = 3;
    assert!(refused(&bytes).contains("version 3, only 1 and 2 are supported"));
    let error = Map::open("/nonexistent/map").unwrap_err();
    assert!(error.is_io() && error.to_string().starts_with("/nonexistent/map: "));
}

/// Corrects the checksums of a damaged map, to let the reader reach the damage itself.
fn forge(bytes: &mut [u8]) {
    use scroll::{LE, Pread, Pwrite};
    let sections: Vec<(usize, usize)> = (0..8)
        .filter_map(|n| {
            let (offset, length): (u64, u64) =
                (bytes.pread_with(24 + n * 24, LE).ok()?, bytes.pread_with(32 + n * 24, LE).ok()?);
            let (offset, length) = (usize::try_from(offset).ok()?, usize::try_from(length).ok()?);
            bytes.get(offset..offset.checked_add(length)?).map(|_| (offset, length))
        })
        .collect();
    if sections.len() == 8 {
        // One block.
        let (offset, length) = sections[5];
        if length > 4 {
            let crc = layout::checksum(&bytes[offset + 4..offset + length]);
            bytes.pwrite_with(crc, offset, LE).unwrap();
        }
        for (n, (offset, length)) in sections.iter().enumerate().filter(|(n, _)| *n != 5) {
            let crc = layout::checksum(&bytes[*offset..offset + length]);
            bytes.pwrite_with(crc, 40 + n * 24, LE).unwrap();
        }
    }
    let crc = layout::checksum(&bytes[16..24 + 8 * 24]);
    bytes.pwrite_with(crc, 12, LE).unwrap();
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        first in proptest::collection::vec((0_usize..9, any::<u64>(), any::<u8>()), 0..40),
        second in proptest::collection::vec((0_usize..9, 0_u64..0x1000, any::<u8>()), 0..40),
    ) {
        let objects = || vec![object("vmlinux", &first), object("m", &second)];
        let map = map(objects());
        let direct = answer(data(objects()));
        let whole = answer(map.read(Scope::All).unwrap());
        let wanted = Wanted::new(NAMES);
        let some = answer(map.read(Scope::Names(&wanted)).unwrap());
        for name in NAMES {
            prop_assert_eq!(direct.candidates(name), whole.candidates(name));
            prop_assert_eq!(direct.candidates(name), some.candidates(name));
            prop_assert_eq!(direct.export(name), some.export(name));
        }
        prop_assert_eq!(map.symbols(), u64::try_from(first.len() + second.len()).unwrap());
    }

    #[test]
    fn damage_with_correct_checksums_gives_an_answer_or_an_error(
        damage in proptest::collection::vec((0_usize..1000, any::<u8>()), 1..6),
    ) {
        let mut bytes = bytes_of(&map(two()));
        for (at, byte) in damage {
            let at = 16 + at % (bytes.len() - 16);
            bytes[at] = byte;
        }
        forge(&mut bytes);
        if let Ok(map) = Map::from_bytes("map", bytes) {
            let _ = map.verify();
            let _ = map.read(Scope::All);
            let _ = map.objects();
            for name in NAMES {
                let _ = map.read(Scope::Names(&Wanted::new([name])));
            }
            let _ = map.similar(&mut Suggestions::new(["foo.isra.1"]));
        }
    }
}
