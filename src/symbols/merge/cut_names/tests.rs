use super::*;
use crate::symbols::{Answer, Map, ProcKallsyms, Sources, SymbolSource as _, SystemMap, Wanted};

const TABLE: &str = "10 T _text\n20 t promoted.llvm.76\n30 t twin\n40 t twin.llvm.119\n\
                     50 t plain\n60 t plain._entry\n70 t b.llvm.1.cold\n80 T .llvm.9\n";

fn answer(release: &str, names: &[&str]) -> Answer {
    let mut sources = Sources::new();
    sources.push(SystemMap::from_bytes(format!("System.map-{release}"), TABLE));
    sources.answer(&Wanted::new(names.iter().copied())).unwrap()
}

/// The addresses of the symbols of a name, in the order of positions.
fn at(answer: &Answer, name: &str) -> Vec<u64> {
    answer.candidates(name).iter().map(|c| c.address.unwrap()).collect()
}

#[test]
fn what_a_kernel_compares_depends_on_its_release() {
    let of = |release: &str| Compares::of(release.parse().unwrap());
    for (release, compares) in [
        ("5.15.0", Compares::Whole),
        ("6.1.176", Compares::Whole),
        ("6.2.0", Compares::BeforeDot),
        ("6.4.6", Compares::BeforeDot),
        ("6.5.0", Compares::BeforeMark),
        ("6.6.30", Compares::BeforeMark),
        ("6.10.6", Compares::BeforeMark),
        ("6.10.7-1-amd64", Compares::Whole),
        ("6.10.14", Compares::Whole),
        ("6.11.0", Compares::Whole),
        ("6.12.117", Compares::Whole),
        ("7.3.4", Compares::Whole),
    ] {
        assert_eq!(of(release), compares, "{release}");
    }
    assert_eq!(Compares::of(KernelVersion::NEWEST), Compares::Whole);
}

#[test]
fn names_are_truncated_at_the_mark_and_counted_together() {
    let names = ["promoted", "promoted.llvm.76", "twin", "twin.llvm.119", "plain", "b"];
    let answer = answer("6.6.30", &names);
    assert_eq!(at(&answer, "promoted"), [0x20]);
    assert!(at(&answer, "promoted.llvm.76").is_empty());
    assert_eq!(at(&answer, "twin"), [0x30, 0x40]);
    assert!(at(&answer, "twin.llvm.119").is_empty());
    assert_eq!((at(&answer, "plain"), at(&answer, "b")), (vec![0x50], vec![0x70]));
    let positions: Vec<_> =
        answer.candidates("twin").iter().map(crate::symbols::Candidate::klp_position).collect();
    assert_eq!(positions.iter().map(ToString::to_string).collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn the_oldest_such_kernels_truncate_at_the_first_dot() {
    let answer = answer("6.3.8", &["plain", "plain._entry", "twin"]);
    assert_eq!((at(&answer, "plain"), at(&answer, "plain._entry")), (vec![0x50, 0x60], vec![]));
    assert_eq!(at(&answer, "twin"), [0x30, 0x40]);
}

#[test]
fn other_kernels_know_the_whole_name_only() {
    for release in ["6.1.176", "6.11.0", "7.3.4"] {
        let answer = answer(release, &["promoted", "promoted.llvm.76", "twin", "plain"]);
        assert!(at(&answer, "promoted").is_empty(), "{release}");
        assert_eq!(at(&answer, "promoted.llvm.76"), [0x20], "{release}");
        assert_eq!(
            (at(&answer, "twin"), at(&answer, "plain")),
            (vec![0x30], vec![0x50]),
            "{release}"
        );
    }
}

#[test]
fn without_a_promoted_name_nothing_is_truncated() {
    let mut sources = Sources::new();
    let text = "10 t f\n20 t f.isra.0\n30 t f.llvm\n";
    sources.push(SystemMap::from_bytes("System.map-6.3.8", text));
    let answer = sources.answer(&Wanted::new(["f", "f.isra.0"])).unwrap();
    assert_eq!((at(&answer, "f"), at(&answer, "f.isra.0")), (vec![0x10], vec![0x20]));
}

#[test]
fn a_promoted_name_out_of_scope_affects_the_others() {
    let mut sources = Sources::new();
    let text = "10 t f\n20 t f.123\n30 t g.llvm.1\n";
    sources.push(SystemMap::from_bytes("System.map-6.3.8", text));
    let answer = sources.answer(&Wanted::new(["f"])).unwrap();
    assert_eq!(at(&answer, "f"), [0x10, 0x20]);
}

#[test]
fn a_map_gives_the_answer_of_its_sources() {
    let mut sources = Sources::new();
    sources.push(SystemMap::from_bytes("System.map-6.6.30", TABLE));
    let (merged, errors) = sources.gather(Scope::All, |_, _| ());
    assert!(errors.is_empty());
    let map = || Map::from_bytes("a.map", crate::symbols::map::build(&merged).unwrap()).unwrap();
    let names = ["promoted", "promoted.llvm.76", "twin", "plain"];
    for beside in [false, true] {
        let mut sources = Sources::new();
        sources.push(map());
        if beside {
            // In full, and without a release of its own.
            sources.push(ProcKallsyms::from_bytes("kallsyms", TABLE));
        }
        let answer = sources.answer(&Wanted::new(names)).unwrap();
        assert_eq!(at(&answer, "promoted"), [0x20], "{beside}");
        assert_eq!(
            (at(&answer, "promoted.llvm.76"), at(&answer, "twin")),
            (vec![], vec![0x30, 0x40])
        );
    }
}

#[test]
fn the_order_of_sources_does_not_matter() {
    let full = || ProcKallsyms::from_bytes("kallsyms", TABLE);
    let named = || SystemMap::from_bytes("System.map-6.6.30", TABLE);
    for first in [true, false] {
        let mut sources = Sources::new();
        if first {
            sources.push(named());
        }
        sources.push(full());
        if !first {
            sources.push(named());
        }
        let answer = sources.answer(&Wanted::new(["twin", "promoted"])).unwrap();
        assert_eq!((at(&answer, "twin"), at(&answer, "promoted")), (vec![0x30, 0x40], vec![0x20]));
    }
}

#[test]
fn truncating_twice_changes_nothing() {
    for compares in [Compares::BeforeDot, Compares::BeforeMark] {
        for name in ["f.llvm.1", "f", "f.a.llvm.2.llvm.3", ".llvm.1", "", "."] {
            let once = &name.as_bytes()[..compares.length(name.as_bytes())];
            assert_eq!(compares.length(once), once.len(), "{compares:?} {name}");
        }
    }
}

#[test]
fn without_a_release_in_the_sources_that_of_the_module_counts() {
    for (release, promoted, whole) in [
        (Some("6.6.30"), vec![0x20], vec![]),
        (Some("6.12.1"), vec![], vec![0x20]),
        (None, vec![], vec![0x20]),
    ] {
        let mut sources = Sources::new();
        sources.push(SystemMap::from_bytes("map", TABLE));
        let wanted = Wanted::new(["promoted", "promoted.llvm.76"]).of_release(release);
        let answer = sources.answer(&wanted).unwrap();
        assert_eq!((at(&answer, "promoted"), at(&answer, "promoted.llvm.76")), (promoted, whole));
    }
}

#[test]
fn the_boot_image_overrides_the_release() {
    for (release, shown, cut) in [
        ("6.8.12", None, true),
        // A vendor kernel with the change of 6.11 backported.
        ("6.8.12", Some(Compares::Whole), false),
        ("6.8.12", Some(Compares::BeforeMark), true),
        // The livepatch core of 6.1 walks the table, whatever its order by name.
        ("6.1.176", Some(Compares::BeforeDot), false),
        ("6.12.117", Some(Compares::BeforeMark), false),
    ] {
        let map = SystemMap::from_bytes(format!("System.map-{release}"), TABLE);
        let mut data = map.read(Scope::All).unwrap();
        data.objects[0].compares = shown;
        settle([&mut data].into_iter(), Scope::All);
        let object = &data.objects[0];
        let whole = object.symbols.iter().any(|s| s.name.of(&object.text) == b"promoted.llvm.76");
        assert_eq!(whole, !cut, "{release} {shown:?}");
    }
}
