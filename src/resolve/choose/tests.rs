//! Selectors: one symbol is selected, or every candidate is shown.

use std::num::NonZeroU32;

use super::*;
use crate::resolve::{
    Basis, KlpSymbolIn, Query, Request, Resolution, Resolve, Resolver, Unresolved,
};
use crate::symbols::{Binding, Kind, Order, Sources, Wanted};

fn object(name: &str) -> ObjectName {
    name.parse().unwrap()
}

/// Name, source file, unit. No file: a global symbol, whose unit is also unknown.
type Row = (&'static str, Option<(&'static str, u32)>);

/// An answer about vmlinux and `kvm_intel`, with the same symbols in each.
fn map(rows: &[Row]) -> Answer {
    let mut answer = Answer::default();
    answer.note();
    for owner in ["vmlinux", "kvm_intel"] {
        let object = object(owner);
        answer.object(&object);
        for (n, (name, from)) in rows.iter().enumerate() {
            let before = rows[..n].iter().filter(|row| row.0 == *name).count();
            let homonyms = rows.iter().filter(|row| row.0 == *name).count();
            let position = NonZeroU32::new(u32::try_from(before + 1).unwrap()).unwrap();
            let binding = if from.is_some() { Binding::Local } else { Binding::Global };
            answer.candidate(Candidate {
                object: object.clone(),
                name: (*name).into(),
                position,
                homonyms: u32::try_from(homonyms).unwrap(),
                live_position: Some(position),
                address: Some(0x1000 + u64::try_from(n).unwrap()),
                size: Some(8),
                file: from.map(|(file, _)| file.into()),
                unit: from.map(|(_, unit)| unit),
                section: None,
                binding: Some(binding),
                kind: Some(if *name == "marker" { Kind::Marker } else { Kind::Function }),
                letter: None,
                init: false,
                untraceable: false,
                order: Order::Proven,
                beside: std::sync::OnceLock::new(),
            });
        }
    }
    answer
}

fn kernel() -> Answer {
    map(&[
        ("show", Some(("stat.c", 1))),
        ("show", Some(("stat.c", 2))),
        ("show", Some(("pid.c", 3))),
        ("show", None),
        ("lone", Some(("stat.c", 1))),
        ("global", None),
        ("only_in_1", Some(("stat.c", 1))),
        ("in_1_and_9", Some(("stat.c", 1))),
        ("in_1_and_9", Some(("other.c", 9))),
        ("in_1_and_2", Some(("stat.c", 1))),
        ("in_1_and_2", Some(("stat.c", 2))),
        ("in_9", Some(("other.c", 9))),
        ("in_3_and_global", Some(("pid.c", 3))),
        ("in_3_and_global", None),
        ("full", Some(("fs/proc/stat.c", 5))),
        ("full", Some(("fs/stat.c", 6))),
        ("marker", Some(("pid.c", 3))),
    ])
}

fn in_file(file: &str) -> Selector {
    Selector::InFile(file.parse().unwrap())
}

fn next_to(neighbour: &str) -> Selector {
    Selector::NextTo(neighbour.parse().unwrap())
}

fn ask(
    answer: &Answer,
    name: &str,
    owner: &str,
    which: Selector,
) -> Result<Resolution, Unresolved> {
    let said = Request { owner: object(owner), gate: None, which };
    let query = Query { name, weak: false, loader: false, annotation: Some(&said) };
    Resolver::new(answer).resolve(&query)
}

fn chosen(name: &str, which: &Selector) -> String {
    let answer = kernel();
    for owner in ["vmlinux", "kvm_intel"] {
        let Ok(Resolution::Klp(klp)) = ask(&answer, name, owner, which.clone()) else {
            panic!("{owner} {name} {which}")
        };
        assert_eq!((klp.gate, klp.basis), (None, Basis::Annotated));
        assert_eq!(klp.symbol.owner.as_str(), owner);
        let position = klp.candidate.unwrap().klp_position();
        assert_eq!(klp.symbol.position, position);
    }
    match ask(&answer, name, "vmlinux", which.clone()).unwrap() {
        Resolution::Klp(klp) => klp.symbol.to_string(),
        other => panic!("{other:?}"),
    }
}

fn refused(name: &str, which: Selector) -> Unresolved {
    ask(&kernel(), name, "vmlinux", which).unwrap_err()
}

#[test]
fn the_source_file_gives_the_position() {
    for file in ["pid.c", "kernel/pid.c"] {
        assert_eq!(chosen("show", &in_file(file)), ".klp.sym.vmlinux.show,3");
    }
    assert_eq!(chosen("full", &in_file("proc/stat.c")), ".klp.sym.vmlinux.full,1");
    assert_eq!(chosen("full", &in_file("fs/stat.c")), ".klp.sym.vmlinux.full,2");
}

#[test]
fn a_unique_name_has_position_0_if_it_is_from_that_file() {
    assert_eq!(chosen("lone", &in_file("fs/proc/stat.c")), ".klp.sym.vmlinux.lone,0");
    let error = refused("lone", in_file("kernel/pid.c"));
    assert_eq!(
        error.to_string(),
        "'lone' is selected from 'kernel/pid.c', but none of 1 in 'vmlinux' is known to be from there"
    );
}

#[test]
fn a_file_with_several_symbols_of_the_name_is_refused_with_those() {
    let error = refused("show", in_file("fs/proc/stat.c"));
    assert_eq!(
        error.to_string(),
        "'show' is selected from 'fs/proc/stat.c', but 'vmlinux' has 2 of them that fit"
    );
    let Unresolved::SelectedSeveral { candidates, .. } = error else { panic!("{error:?}") };
    let positions: Vec<_> = candidates.iter().map(|c| c.position.get()).collect();
    assert_eq!(positions, [1, 2]);
}

#[test]
fn a_file_without_a_symbol_of_the_name_is_refused_with_all() {
    let Unresolved::SelectedNone { candidates, .. } = refused("show", in_file("exit.c")) else {
        panic!()
    };
    assert_eq!(candidates.len(), 4);
    assert!(matches!(refused("global", in_file("a.c")), Unresolved::SelectedNone { .. }));
}

#[test]
fn a_name_that_does_not_exist_is_not_found() {
    for which in [in_file("stat.c"), next_to("lone")] {
        let error = refused("absent", which);
        assert_eq!(error.to_string(), "'absent' is not found in 'vmlinux'");
    }
    let error = ask(&kernel(), "show", "ext4", in_file("stat.c")).unwrap_err();
    assert!(matches!(error, Unresolved::ObjectUnknown { .. }));
}

#[test]
fn markers_of_a_table_are_not_symbols() {
    for which in [in_file("pid.c"), next_to("in_9")] {
        assert!(matches!(refused("marker", which), Unresolved::NotFound { .. }));
    }
    assert!(matches!(refused("show", next_to("marker")), Unresolved::NotFound { .. }));
}

#[test]
fn a_neighbour_distinguishes_files_of_one_name() {
    assert_eq!(chosen("show", &next_to("only_in_1")), ".klp.sym.vmlinux.show,1");
    assert_eq!(chosen("lone", &next_to("only_in_1")), ".klp.sym.vmlinux.lone,0");
}

#[test]
fn an_ambiguous_neighbour_suffices_if_only_one_symbol_is_next_to_any() {
    assert_eq!(chosen("show", &next_to("in_1_and_9")), ".klp.sym.vmlinux.show,1");
    let error = refused("show", next_to("in_1_and_2"));
    assert_eq!(
        error.to_string(),
        "'show' is selected next to 'in_1_and_2', but 'vmlinux' has 2 of them that fit"
    );
}

#[test]
fn a_neighbour_in_another_file_is_refused() {
    let error = refused("show", next_to("in_9"));
    assert!(matches!(&error, Unresolved::SelectedNone { candidates, .. } if candidates.len() == 4));
}

#[test]
fn a_neighbour_of_unknown_file_is_refused_even_if_another_has_one() {
    for neighbour in ["global", "in_3_and_global"] {
        let error = refused("show", next_to(neighbour));
        assert_eq!(
            error.to_string(),
            format!(
                "'show' is selected next to '{neighbour}', whose source file in 'vmlinux' is not known"
            )
        );
    }
}

#[test]
fn a_missing_neighbour_is_reported_with_the_symbol_it_selects() {
    let error = refused("show", next_to("absent"));
    assert_eq!(error.to_string(), "'absent' is not found in 'vmlinux'");
    let Unresolved::NotFound { causes, .. } = error else { panic!() };
    assert_eq!(causes.last().unwrap().to_string(), "'show' is selected next to it");
}

#[test]
fn a_neighbour_of_another_object_does_not_count() {
    let mut answer = kernel();
    let elsewhere = Candidate {
        name: "of_kvm".into(),
        object: object("kvm_intel"),
        ..answer.candidates("lone")[0].clone()
    };
    answer.candidate(elsewhere);
    let error = ask(&answer, "show", "vmlinux", next_to("of_kvm")).unwrap_err();
    let Unresolved::NotFound { causes, .. } = error else { panic!("{error:?}") };
    assert_eq!(causes[0], Cause::OtherObject(object("kvm_intel")));
}

#[test]
fn sources_without_files_and_no_sources_cannot_select() {
    let mut answer = kernel();
    for position in [1, 2] {
        answer.candidate(Candidate {
            name: "listed".into(),
            file: None,
            unit: None,
            binding: None,
            position: NonZeroU32::new(position).unwrap(),
            homonyms: 2,
            order: Order::Alphabetical,
            ..answer.candidates("lone")[0].clone()
        });
    }
    let nothing = Sources::new().answer(&Wanted::new(["listed"])).unwrap();
    for which in [in_file("stat.c"), next_to("lone"), next_to("listed")] {
        for (answer, known) in [(&answer, 2), (&nothing, 0)] {
            let error = ask(answer, "listed", "vmlinux", which.clone()).unwrap_err();
            let Unresolved::FilesUnknown { candidates, .. } = error else { panic!("{error:?}") };
            assert_eq!(candidates.len(), known, "{which}");
        }
    }
}

#[test]
fn a_selector_is_suggested_only_where_it_selects_the_candidate() {
    let answer = kernel();
    for name in ["show", "full", "lone"] {
        let here: Vec<_> = answer.candidates_in(name, &ObjectName::vmlinux()).cloned().collect();
        for candidate in &here {
            let Some(known) = candidate.file.as_ref() else { continue };
            let file: SourceFile = known.parse().unwrap();
            let line = KlpSymbolIn::of(candidate, &file, answer.candidates(name));
            match ask(&answer, name, "vmlinux", Selector::InFile(file.clone())) {
                Ok(Resolution::Klp(klp)) => {
                    assert_eq!(klp.candidate.as_ref(), Some(candidate));
                    let expected = format!("KLP_SYMBOL_IN(vmlinux, {name}, \"{known}\");");
                    assert_eq!(line.unwrap().to_string(), expected);
                }
                _ => assert!(line.is_none(), "{name} {known}"),
            }
        }
    }
}

#[test]
fn the_selector_of_a_name_that_is_not_a_c_identifier_gives_it_separately() {
    let (owner, file) = (&ObjectName::vmlinux(), &"mm/shmem.c".parse().unwrap());
    assert_eq!(
        KlpSymbolIn { owner, name: "lock.1", file }.to_string(),
        "extern TYPE lock_1; KLP_SYMBOL_IN(vmlinux, lock_1, \"mm/shmem.c\", .name = \"lock.1\");"
    );
}
