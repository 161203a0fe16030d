//! Sources that agree, that know different things, and that contradict each other.

use super::*;
use crate::symbols::{
    Answer, Binding, BuildId, Contradiction, Order, Scope, Sources, Span, Suggestions, Symbol,
    SymbolSource, Wanted,
};
use proptest::prelude::*;
use scroll::Endian;
use std::path::PathBuf;

mod namespaces;

fn export(owner: &str, gpl: Option<bool>, namespace: Option<&str>) -> Export {
    let namespace = namespace.map(str::to_owned);
    Export { gpl, namespace, ..Export::by(owner.parse().unwrap()) }
}

fn merged(exports: &[Export]) -> Answer {
    let mut merged = Merged::default();
    for export in exports {
        let exports = vec![("f".to_owned(), export.clone())];
        merged.add(SymbolData { exports, ..SymbolData::default() }, Path::new("f")).unwrap();
    }
    Answer::new(merged).unwrap()
}

#[test]
fn two_descriptions_of_one_export_are_joined() {
    let read = [
        export("m", None, None),
        export("m", Some(true), Some("NS")),
        export("m", Some(true), None),
    ];
    assert_eq!(merged(&read).export("f"), Some(&export("m", Some(true), Some("NS"))));
}

#[test]
fn two_different_descriptions_of_one_export_are_a_contradiction() {
    let crc = |crc| Export { crc: Some(crc), ..export("m", None, None) };
    let pairs = [
        (export("m", Some(true), None), export("m", Some(false), None), "for all modules here"),
        (export("m", None, Some("A")), export("m", None, Some("B")), "in namespace 'B' here"),
        (
            export("m", None, Some("A")),
            export("m", None, Some("")),
            "in no namespace here, in namespace 'A'",
        ),
        (crc(1), crc(2), "with CRC 0x00000002 here, with CRC 0x00000001 elsewhere"),
    ];
    for (one, other, says) in pairs {
        let read = |exports: &[&Export]| {
            let exports = exports.iter().map(|&export| ("f".to_owned(), export.clone()));
            SymbolData { exports: exports.collect(), ..SymbolData::default() }
        };
        let mut merged = Merged::default();
        merged.add(read(&[&one]), Path::new("a")).unwrap();
        let error = merged.add(read(&[&other]), Path::new("b")).unwrap_err();
        assert!(error.to_string().starts_with("b: 'f' of 'm' is exported "), "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(merged.exports().collect::<Vec<_>>(), [("f", &one)], "nothing was added");
        // One file may contradict itself, even with a line in between that has no information.
        let nothing = export("m", None, None);
        for data in [read(&[&one, &other]), read(&[&nothing, &one, &nothing, &other])] {
            assert!(Merged::default().add(data, Path::new("c")).is_err());
        }
        // Another owner may export the name differently.
        let elsewhere = Export { owner: "n".parse().unwrap(), ..other };
        merged.add(read(&[&elsewhere]), Path::new("d")).unwrap();
    }
}

#[test]
fn of_several_owners_vmlinux_comes_first_and_the_others_are_sorted() {
    let [z, a] = ["z", "a"].map(|owner| export(owner, None, None));
    let vmlinux = export("vmlinux", None, None);
    assert_eq!(merged(&[z.clone(), a.clone()]).export("f").unwrap().owner.as_str(), "a");
    assert!(merged(&[z, a, vmlinux]).export("f").unwrap().owner.is_vmlinux());
}

#[test]
fn what_is_known_about_the_kernel_is_kept() {
    let mut merged = Merged::default();
    let mut note =
        |kernel| merged.add(SymbolData { kernel, ..SymbolData::default() }, Path::new("f"));
    note(KernelIdentity {
        release: Some("7.2".into()),
        machine: Some(22),
        ..KernelIdentity::default()
    })
    .unwrap();
    note(KernelIdentity { endian: Some(Endian::Big), ..KernelIdentity::default() }).unwrap();
    assert!(
        note(KernelIdentity { endian: Some(Endian::Little), ..KernelIdentity::default() }).is_err()
    );
    let known = Answer::new(merged).unwrap().kernel().clone();
    assert_eq!((known.machine, known.endian), (Some(22), Some(Endian::Big)));
    assert_eq!(known.release.as_deref(), Some("7.2"));
}

/// A source of some symbols of vmlinux.
#[derive(Debug, Clone)]
struct Fake {
    path: PathBuf,
    order: Order,
    symbols: Vec<(&'static str, Option<u64>, Option<u64>)>,
    shift: Option<u64>,
    build_id: Option<BuildId>,
}

impl SymbolSource for Fake {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read(&self, _: Scope<'_>) -> Result<SymbolData, SymbolError> {
        let mut object = Object::new(ObjectName::vmlinux(), self.path.as_path(), self.order);
        object.build_id = self.build_id.clone();
        object.moved = self.shift.is_some();
        for (name, address, size) in &self.symbols {
            let name = object.keep(name.as_bytes()).unwrap();
            let address = address.map(|a| a + self.shift.unwrap_or(0));
            let symbol = Symbol { address, size: *size, ..Symbol::named(name) };
            object.symbols.push(symbol);
        }
        Ok(SymbolData { objects: vec![object], ..SymbolData::default() })
    }
}

fn fake(path: &str, order: Order, symbols: &[(&'static str, u64)]) -> Fake {
    let symbols = symbols.iter().map(|(name, address)| (*name, Some(*address), None)).collect();
    Fake { path: path.into(), order, symbols, shift: None, build_id: None }
}

fn ask(fakes: &[Fake]) -> Result<Answer, SymbolError> {
    let mut sources = Sources::new();
    fakes.iter().for_each(|fake| sources.push(fake.clone()));
    sources.answer(&Wanted::new(["f"]))
}

fn contradiction(one: &Fake, other: &Fake) -> String {
    match ask(&[one.clone(), other.clone()]).unwrap_err().kind {
        SymbolErrorKind::Contradiction { what, .. } => what.to_string(),
        kind => panic!("{kind}"),
    }
}

#[test]
fn a_proven_order_wins_whichever_source_comes_first() {
    let list = fake("list", Order::Alphabetical, &[("f", 1), ("f", 1), ("g", 2)]);
    let elf = fake("vmlinux", Order::Proven, &[("f", 1)]);
    for both in [[list.clone(), elf.clone()], [elf, list]] {
        let answer = ask(&both).unwrap();
        let orders: Vec<_> = answer.candidates("f").iter().map(|c| c.order).collect();
        assert_eq!(orders, [Order::Proven]);
    }
}

#[test]
fn descriptions_that_agree_fill_in_what_the_other_lacks() {
    let image = fake("image", Order::Proven, &[("f", 1), ("g", 2), ("f", 3)]);
    let mut sized = image.clone();
    sized.symbols[2].2 = Some(64);
    let mut bare = image.clone();
    bare.symbols.iter_mut().for_each(|symbol| symbol.1 = None);
    for both in [[&image, &sized], [&sized, &image], [&bare, &image], [&image, &bare]] {
        let answer = ask(&both.map(Fake::clone)).unwrap();
        let known: Vec<_> =
            answer.candidates("f").iter().map(|c| (c.address, c.position.get())).collect();
        assert_eq!(known, [(Some(1), 1), (Some(3), 2)]);
    }
    let answer = ask(&[image, sized]).unwrap();
    assert_eq!(answer.candidates("f")[1].size, Some(64));
}

#[test]
fn a_missing_homonym_is_a_contradiction() {
    let (one, other) =
        (fake("a", Order::Proven, &[("f", 1), ("f", 2)]), fake("b", Order::Proven, &[("f", 1)]));
    assert_eq!(contradiction(&one, &other), "'f' occurs 1 times here, 2 times there");
    let other = fake("b", Order::Proven, &[("f", 1), ("f", 2), ("g", 3)]);
    assert_eq!(contradiction(&one, &other), "'g' occurs 1 times here, 0 times there");
}

#[test]
fn a_different_order_of_addresses_is_a_contradiction() {
    let (one, other) = (
        fake("a", Order::Proven, &[("f", 1), ("f", 2)]),
        fake("b", Order::Proven, &[("f", 1), ("f", 3)]),
    );
    let text = contradiction(&one, &other);
    assert_eq!(text, "'f', position 2, is at 0x3 here, at 0x2 there");
}

#[test]
fn a_running_kernel_may_be_shifted_by_one_constant_only() {
    let file = fake("vmlinux", Order::Proven, &[("f", 0x1000), ("f", 0x2000)]);
    let mut running = file.clone();
    running.shift = Some(0x10_0000);
    for both in [[&file, &running], [&running, &file]] {
        let answer = ask(&both.map(Fake::clone)).unwrap();
        let addresses: Vec<_> = answer.candidates("f").iter().map(|c| c.address).collect();
        assert_eq!(addresses, [Some(0x1000), Some(0x2000)]);
    }
    running.symbols[1].1 = Some(0x2008);
    assert!(contradiction(&file, &running).contains("position 2"));
}

#[test]
fn a_loaded_module_is_compared_with_what_stays_of_its_file() {
    let module = |order, symbols: &[(&[u8], bool)]| {
        let path = format!("{order:?}");
        let mut object = Object::new("m".parse().unwrap(), Path::new(&path), order);
        for (n, (name, stays)) in (1..).zip(symbols) {
            let name = object.keep(name).unwrap();
            let address = Some(n << if order == Order::Loaded { 32 } else { 4 });
            let size = (order == Order::Proven).then_some(n);
            let init = !stays;
            let symbol = Symbol { stays: *stays, init, address, size, ..Symbol::named(name) };
            object.symbols.push(symbol);
        }
        object
    };
    let add = |objects: [Object; 2]| {
        let mut merged = Merged::default();
        for object in objects {
            let path = object.by.clone();
            merged.add(SymbolData { objects: vec![object], ..SymbolData::default() }, &path)?;
        }
        Ok::<_, SymbolError>(merged)
    };
    let file = module(Order::Proven, &[(b"f", true), (b"f", false), (b"f", true)]);
    let running = module(Order::Loaded, &[(b"f", true), (b"f", true)]);
    for both in [[file.clone(), running.clone()], [running, file.clone()]] {
        let merged = add(both).unwrap();
        let object = merged.objects().next().unwrap();
        let known: Vec<_> = object.symbols.iter().map(|s| (s.address, s.size)).collect();
        let expected = [1, 2, 3].map(|n| (Some(n << 4), Some(n)));
        assert_eq!((object.order, known), (Order::Proven, expected.to_vec()));
    }
    let still_loading = module(Order::Loaded, &[(b"f", true), (b"f", true), (b"f", true)]);
    let error = add([file, still_loading]).unwrap_err();
    assert!(error.to_string().contains("'f' occurs 3 times here, 2 times there"), "{error}");
}

#[test]
fn a_contradicting_source_leaves_the_others_unchanged() {
    let mut merged = Merged::default();
    let object = |name: &str, address, id| {
        let mut object = object_with(&[(0, address, None)], "source");
        object.name = name.parse().unwrap();
        object.build_id = Some(BuildId(vec![id]));
        object
    };
    let add = |merged: &mut Merged, objects, release: &str| {
        let kernel = KernelIdentity { release: Some(release.into()), ..KernelIdentity::default() };
        let exports = vec![(release.to_owned(), export("m", None, None))];
        merged
            .add(SymbolData { kernel, objects, exports, ..SymbolData::default() }, Path::new("x"))
            .is_ok()
    };
    assert!(add(&mut merged, vec![object("a", 1, 1)], "7.2"));
    assert!(!add(&mut merged, vec![object("c", 3, 1), object("a", 1, 2)], "7.2"), "build-id");
    assert!(!add(&mut merged, vec![object("c", 3, 1), object("a", 2, 1)], "7.2"), "address");
    assert!(!add(&mut merged, vec![object("c", 3, 1)], "7.3"), "release");
    assert!(add(&mut merged, vec![object("b", 1, 1)], "7.2"));
    let names: Vec<_> = merged.objects().map(|object| object.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(merged.exports().count(), 1);
    assert_eq!(merged.kernel().release.as_deref(), Some("7.2"));
    assert_eq!(merged.objects().next().unwrap().symbols.len(), 1);
}

#[test]
fn different_builds_are_a_contradiction() {
    let mut one = fake("a", Order::Proven, &[("f", 1)]);
    let mut other = one.clone();
    one.build_id = Some(BuildId(vec![1]));
    other.build_id = Some(BuildId(vec![2]));
    assert_eq!(contradiction(&one, &other), "build-id 02 here, 01 there");
    let what = Contradiction::BuildId(BuildId(vec![2]), BuildId(vec![1]));
    assert_eq!(what.to_string(), "build-id 02 here, 01 there");
}

#[test]
fn no_sources_give_an_empty_answer() {
    let sources = Sources::new();
    assert!(sources.is_empty());
    assert!(!sources.answer(&Wanted::new(["f"])).unwrap().has_sources());
}

#[test]
fn similar_names_are_gathered_from_every_source() {
    let mut near = Suggestions::new(["long_nane"]);
    let mut sources = Sources::new();
    sources.push(fake("a", Order::Proven, &[("long_name", 1)]));
    sources.similar(&mut near).unwrap();
    assert_eq!(near.found("long_nane").len(), 1);
}

fn object_with(symbols: &[(u8, u64, Option<u64>)], path: &str) -> Object {
    let mut object = Object::new(ObjectName::vmlinux(), Path::new(path), Order::Proven);
    for (name, address, size) in symbols {
        let name = object.keep(&[b'a' + name % 3]).unwrap();
        let binding = size.map(|_| Binding::Local);
        let address = Some(*address);
        object.symbols.push(Symbol { address, size: *size, binding, ..Symbol::named(name) });
    }
    object
}

proptest! {
    #[test]
    fn the_result_does_not_depend_on_the_order_of_adding(
        symbols in proptest::collection::vec((any::<u8>(), 0_u64..4, any::<Option<u64>>()), 0..8),
        strip in any::<[bool; 3]>(),
        damage in any::<Option<(u8, u64)>>(),
    ) {
        let tellers: Vec<Object> = strip.iter().enumerate().map(|(n, strip)| {
            let mut symbols = symbols.clone();
            if *strip {
                symbols.iter_mut().for_each(|symbol| symbol.2 = None);
            }
            if n == 1 && let Some((at, address)) = damage
                && let Some(symbol) = symbols.get_mut(usize::from(at)) {
                symbol.1 = address;
            }
            object_with(&symbols, &format!("{n}"))
        }).collect();
        let all = |order: [usize; 3]| {
            let mut merged = Merged::default();
            for n in order {
                let objects = vec![tellers[n].clone()];
                merged.add(SymbolData { objects, ..SymbolData::default() }, Path::new("x")).ok()?;
            }
            let object = merged.objects.into_values().next()?;
            let show = |s: &Symbol| {
                let name: Span = s.name;
                (object.text(name).to_vec(), s.address, s.size, s.binding)
            };
            Some(object.symbols.iter().map(show).collect::<Vec<_>>())
        };
        let first = all([0, 1, 2]);
        for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            prop_assert_eq!(&first, &all(order));
        }
    }
}
