//! The three historical uses, exports, weak names, and every refusal.

use std::num::NonZeroU32;

use super::*;
use crate::symbols::{Answer, Binding, Kind, Sources, TextList};

const BASE: u64 = 0xffff_ffff_8100_0000;

fn object(name: &str) -> ObjectName {
    name.parse().unwrap()
}

/// An answer about `vmlinux` and `kvm_intel`, with this order.
fn map(order: Order, symbols: &[(&str, &str)]) -> Answer {
    let mut answer = Answer::default();
    answer.note();
    for name in ["vmlinux", "kvm_intel"] {
        answer.object(&object(name));
    }
    for (n, (owner, name)) in symbols.iter().enumerate() {
        let same = |entry: &&(&str, &str)| **entry == (*owner, *name);
        let before = symbols[..n].iter().filter(same).count();
        let homonyms = symbols.iter().filter(same).count();
        let position = NonZeroU32::new(u32::try_from(before + 1).unwrap()).unwrap();
        answer.candidate(Candidate {
            object: object(owner),
            name: (*name).into(),
            position,
            homonyms: u32::try_from(homonyms).unwrap(),
            live_position: Some(position),
            address: Some(BASE + u64::try_from(n).unwrap()),
            size: Some(8),
            file: Some(format!("{n}.c")),
            unit: u32::try_from(n).ok(),
            section: None,
            binding: Some(Binding::Local),
            kind: Some(Kind::Function),
            letter: None,
            init: *name == "setup",
            untraceable: false,
            order,
            beside: std::sync::OnceLock::new(),
        });
    }
    answer
}

const SYMBOLS: &[(&str, &str)] = &[
    ("vmlinux", "unique"),
    ("vmlinux", "show"),
    ("vmlinux", "show"),
    ("vmlinux", "both"),
    ("kvm_intel", "both"),
    ("kvm_intel", "vmx_only"),
    ("vmlinux", "setup"),
    ("vmlinux", "exported"),
    ("kvm_intel", "vmx_exported"),
];

fn proven() -> Answer {
    let mut answer = map(Order::Proven, SYMBOLS);
    for (name, owner, namespace) in [
        ("exported", "vmlinux", None),
        ("vmx_exported", "kvm_intel", None),
        ("unique", "vmlinux", Some("module:kvm")),
        ("remote", "ext4", None),
    ] {
        let namespace = namespace.map(str::to_owned);
        answer.exported(name, Export { namespace, ..Export::by(object(owner)) });
    }
    answer
}

fn annotation(owner: &str, gate: Option<&str>, position: u32) -> Request {
    let which = Position::from(position).into();
    Request { owner: object(owner), gate: gate.map(object), which }
}

fn ask(
    answer: &Answer,
    name: &str,
    annotation: Option<&Request>,
) -> Result<Resolution, Unresolved> {
    Resolver::new(answer).resolve(&Query { name, weak: false, loader: false, annotation })
}

/// The klp symbol, its annotated gate, and its basis.
fn klp(answer: &Answer, name: &str, annotation: Option<&Request>) -> (String, String, Basis) {
    match ask(answer, name, annotation).unwrap() {
        Resolution::Klp(klp) => {
            let gate = klp.gate.map_or_else(String::new, |gate| gate.to_string());
            (klp.symbol.to_string(), gate, klp.basis)
        }
        other => panic!("{other:?}"),
    }
}

fn text(name: &str, gate: &str, basis: Basis) -> (String, String, Basis) {
    (name.into(), gate.into(), basis)
}

#[test]
fn a_name_that_is_unique_over_all_objects_is_inferred() {
    let answer = map(Order::Proven, SYMBOLS);
    let unique = text(".klp.sym.vmlinux.unique,0", "", Basis::Inferred);
    assert_eq!(klp(&answer, "unique", None), unique);
    let module = text(".klp.sym.kvm_intel.vmx_only,0", "", Basis::Inferred);
    assert_eq!(klp(&answer, "vmx_only", None), module);
}

#[test]
fn an_ambiguous_name_is_the_one_that_the_author_selects() {
    let answer = proven();
    for n in [1, 2] {
        let said = annotation("vmlinux", None, n);
        let expected = format!(".klp.sym.vmlinux.show,{n}");
        assert_eq!(klp(&answer, "show", Some(&said)), text(&expected, "", Basis::Annotated));
    }
    let said = annotation("kvm_intel", None, 0);
    let expected = text(".klp.sym.kvm_intel.both,0", "", Basis::Annotated);
    assert_eq!(klp(&answer, "both", Some(&said)), expected);
}

#[test]
fn an_ambiguous_name_without_annotation_is_refused_with_every_candidate() {
    let error = ask(&proven(), "show", None).unwrap_err();
    assert_eq!(error.to_string(), "'show' has 2 candidates in 'vmlinux'");
    let Unresolved::Ambiguous { candidates, .. } = error else { panic!("{error:?}") };
    let line = |c: &Candidate| {
        KlpSympos { owner: &c.object, name: &c.name, position: c.klp_position() }.to_string()
    };
    let lines: Vec<_> = candidates.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "KLP_MODULE_RELOC(vmlinux) klp_vmlinux_show[] = { KLP_SYMPOS(show, 1) };",
            "KLP_MODULE_RELOC(vmlinux) klp_vmlinux_show[] = { KLP_SYMPOS(show, 2) };",
        ]
    );
    assert_eq!(candidates[1].file.as_deref(), Some("2.c"));
}

#[test]
fn a_name_in_two_objects_is_ambiguous_though_unique_in_each() {
    let error = ask(&proven(), "both", None).unwrap_err();
    assert_eq!(error.to_string(), "'both' has 2 candidates in 'vmlinux', 'kvm_intel'");
    let Unresolved::Ambiguous { candidates, .. } = error else { panic!("{error:?}") };
    let gate = object("kvm_intel");
    let line = |c: &Candidate| {
        let (owner, name, position) = (&c.object, c.name.as_str(), c.klp_position());
        KlpRelocSymbol { gate: &gate, owner, name, alias: name, position }.to_string()
    };
    let lines: Vec<_> = candidates.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "extern typeof(both) both KLP_RELOC_SYMBOL_POS(kvm_intel, vmlinux, both, 0);",
            "extern typeof(both) both KLP_RELOC_SYMBOL_POS(kvm_intel, kvm_intel, both, 0);",
        ]
    );
}

#[test]
fn the_suggested_line_when_pasted_selects_its_candidate() {
    let answer = proven();
    for name in ["show", "both"] {
        for candidate in answer.candidates(name) {
            let said = Request {
                owner: candidate.object.clone(),
                gate: None,
                which: candidate.klp_position().into(),
            };
            let Ok(Resolution::Klp(klp)) = ask(&answer, name, Some(&said)) else {
                panic!("{name}")
            };
            assert_eq!(klp.candidate.as_ref(), Some(candidate));
        }
    }
}

#[test]
fn names_that_are_not_c_identifiers_are_declared_under_another_name() {
    let can = pasteable;
    assert_eq!((can("f.isra.0"), can("_f1"), can("1f")), (false, true, false));
    let (gate, owner, name) = (&object("kvm_intel"), &ObjectName::vmlinux(), "f.isra.0");
    let line = KlpRelocSymbol { gate, owner, name, alias: name, position: Position::Unique };
    assert_eq!(
        line.to_string(),
        "extern TYPE f_isra_0 KLP_RELOC_SYMBOL_POS(kvm_intel, vmlinux, f.isra.0, 0);"
    );
}

#[test]
fn position_0_must_be_unique_and_position_n_must_exist() {
    let answer = proven();
    let wrong = |owner, position| {
        let said = annotation(owner, None, position);
        ask(&answer, "show", Some(&said)).unwrap_err()
    };
    let error = wrong("vmlinux", 0);
    assert!(matches!(error, Unresolved::AnnotatedNotUnique { .. }));
    assert_eq!(
        error.to_string(),
        "'show' is annotated with position 0 (unique), but 'vmlinux' has 2 of them"
    );
    let error = wrong("vmlinux", 3);
    assert_eq!(
        error.to_string(),
        "'show' is annotated with position 3, but 'vmlinux' has 2 of them"
    );
    let Unresolved::NotFound { causes, .. } = wrong("kvm_intel", 1) else { panic!() };
    assert_eq!(causes, [Cause::OtherObject(ObjectName::vmlinux())]);
}

#[test]
fn the_gate_may_differ_from_the_owner() {
    let said = annotation("kvm_intel", Some("vmlinux"), 0);
    let expected = text(".klp.sym.kvm_intel.vmx_only,0", "vmlinux", Basis::Annotated);
    assert_eq!(klp(&proven(), "vmx_only", Some(&said)), expected);
}

#[test]
fn an_annotation_for_an_object_that_no_source_has_is_refused() {
    let said = annotation("ext4", None, 0);
    let error = ask(&proven(), "ext4_find", Some(&said)).unwrap_err();
    let Unresolved::ObjectUnknown { owner, .. } = &error else { panic!("{error:?}") };
    assert_eq!(owner.as_str(), "ext4");
}

#[test]
fn an_export_of_an_undescribed_module_is_a_candidate_beside_a_static_symbol() {
    let mut answer = proven();
    let name = "setup";
    answer.exported(name, Export::by("other_mod".parse().unwrap()));
    let error = ask(&answer, name, None).unwrap_err();
    let said = error.to_string();
    let Unresolved::Ambiguous { candidates, exporter, .. } = error else { panic!("{error:?}") };
    assert_eq!((candidates.len(), exporter.unwrap().as_str()), (1, "other_mod"));
    assert_eq!(said, format!("'{name}' has 2 candidates in 'vmlinux', 'other_mod'"));
}

#[test]
fn without_sources_annotations_are_trusted_and_the_rest_stays() {
    let answer = Sources::new().answer(&crate::symbols::Wanted::new(["f"])).unwrap();
    let said = annotation("ext4", Some("vmlinux"), 7);
    let expected = text(".klp.sym.ext4.f,7", "vmlinux", Basis::Unverified);
    assert_eq!(klp(&answer, "f", Some(&said)), expected);
    assert_eq!(ask(&answer, "f", None), Ok(Resolution::NoSource));
}

#[test]
fn positions_from_an_alphabetical_list_are_unproven_and_position_0_is_not() {
    let answer = map(Order::Alphabetical, SYMBOLS);
    let unproven = |name, position| {
        let said = annotation("vmlinux", None, position);
        match ask(&answer, name, Some(&said)).unwrap() {
            Resolution::Klp(klp) => klp.order_unproven(),
            other => panic!("{other:?}"),
        }
    };
    assert!(unproven("show", 2));
    assert!(!unproven("unique", 0));
}

#[test]
fn exports_of_vmlinux_stay_ordinary_unless_they_are_for_named_modules() {
    let answer = proven();
    assert!(matches!(ask(&answer, "exported", None), Ok(Resolution::Export(_))));
    let expected = text(".klp.sym.vmlinux.unique,0", "", Basis::Exported);
    assert_eq!(klp(&answer, "unique", None), expected);
}

#[test]
fn exports_of_modules_become_klp_symbols_unless_they_are_to_be_kept() {
    let answer = proven();
    let expected = text(".klp.sym.kvm_intel.vmx_exported,0", "", Basis::Exported);
    assert_eq!(klp(&answer, "vmx_exported", None), expected);
    // No source lists the symbols of ext4, but an exported name is unique by modpost's rule.
    let expected = text(".klp.sym.ext4.remote,0", "", Basis::Exported);
    assert_eq!(klp(&answer, "remote", None), expected);
    let keep = Resolver { keep_module_exports: true, ..Resolver::new(&answer) };
    let query = Query { name: "vmx_exported", weak: false, loader: false, annotation: None };
    assert!(matches!(keep.resolve(&query), Ok(Resolution::Export(_))));
}

#[test]
fn of_several_symbols_of_an_exported_name_the_global_one_is_selected() {
    let mut answer = map(Order::Proven, &[("kvm_intel", "f"), ("kvm_intel", "f")]);
    answer.exported("f", Export::by(object("kvm_intel")));
    assert!(matches!(ask(&answer, "f", None), Err(Unresolved::Ambiguous { .. })));
    let global = Candidate {
        binding: Some(Binding::Global),
        position: NonZeroU32::new(3).unwrap(),
        homonyms: 3,
        ..answer.candidates("f")[0].clone()
    };
    answer.candidate(global);
    assert_eq!(klp(&answer, "f", None).0, ".klp.sym.kvm_intel.f,3");
}

#[test]
fn an_export_that_its_own_object_does_not_define_is_not_found() {
    let mut answer = map(Order::Proven, &[]);
    answer.exported("f", Export::by(object("kvm_intel")));
    let error = ask(&answer, "f", None).unwrap_err();
    assert_eq!(error.to_string(), "'f' is not found in 'kvm_intel'");
}

#[test]
fn init_memory_is_never_inferred() {
    let error = ask(&proven(), "setup", None).unwrap_err();
    assert!(matches!(error, Unresolved::InitMemory { .. }));
    assert!(error.to_string().contains("init memory of 'vmlinux'"));
    let said = annotation("vmlinux", None, 0);
    let Ok(Resolution::Klp(klp)) = ask(&proven(), "setup", Some(&said)) else { panic!() };
    assert!(klp.candidate.unwrap().init, "an author who insists is taken at their word");
}

#[test]
fn weak_names_may_be_missing_and_others_may_not() {
    let answer = proven();
    let resolver = Resolver::new(&answer);
    let weak = |name| Query { name, weak: true, loader: false, annotation: None };
    assert_eq!(resolver.resolve(&weak("absent")), Ok(Resolution::WeakMissing));
    assert!(matches!(resolver.resolve(&weak("vmx_only")), Ok(Resolution::Klp(_))));
    assert!(matches!(ask(&answer, "absent", None), Err(Unresolved::NotFound { .. })));
}

#[test]
fn what_the_loader_defines_needs_no_source() {
    let answer = proven();
    let query = Query { name: ".TOC.", weak: false, loader: true, annotation: None };
    assert_eq!(Resolver::new(&answer).resolve(&query), Ok(Resolution::Loader));
}

#[test]
fn names_that_do_not_fit_into_a_klp_symbol_are_refused() {
    let said = annotation("vmlinux", None, 0);
    for name in ["a,b", "", &"x".repeat(512)] {
        let error = ask(&proven(), name, Some(&said)).unwrap_err();
        assert!(matches!(error, Unresolved::Name(_)), "{name}");
    }
}

#[test]
fn similar_names_and_variants_explain_what_is_not_found() {
    let path = std::env::temp_dir().join(format!("klp-near-{}.klp", std::process::id()));
    let list = "klp-convert-symbol-data.0.1\n*vmlinux\ncmdline_show.isra.0\ncmdline_shew\nfar\n";
    std::fs::write(&path, list).unwrap();
    let mut sources = Sources::new();
    sources.push(TextList::new(&path));
    let answer = sources.answer(&crate::symbols::Wanted::new(["cmdline_show"])).unwrap();
    let mut error = ask(&answer, "cmdline_show", None).unwrap_err();
    suggest(&sources, &mut [&mut error]).unwrap();
    std::fs::remove_file(&path).unwrap();
    let Unresolved::NotFound { causes, similar, .. } = &error else { panic!("{error:?}") };
    assert_eq!(
        causes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["the compiler renamed it: 'cmdline_show.isra.0' in 'vmlinux'"]
    );
    let names: Vec<_> = similar.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["cmdline_show.isra.0", "cmdline_shew"]);
}

#[test]
fn a_module_export_with_a_homonym_elsewhere_is_not_guessed() {
    let mut answer = proven();
    let export = Export::by(object("kvm_intel"));
    answer.exported("both", export.clone());
    let error = ask(&answer, "both", None).unwrap_err();
    assert!(matches!(error, Unresolved::Ambiguous { candidates, .. } if candidates.len() == 2));
    // A list includes what an object uses as if it defined it, so there the export decides.
    let mut answer = map(Order::Alphabetical, SYMBOLS);
    answer.exported("both", export);
    let (name, gate, basis) = klp(&answer, "both", None);
    assert_eq!((name.as_str(), gate.as_str()), (".klp.sym.kvm_intel.both,0", ""));
    assert_eq!(basis, Basis::Exported);
}

#[test]
fn a_name_that_one_module_has_is_not_inferred_while_vmlinux_is_unknown() {
    let mut answer = Answer::default();
    let owner = object("kvm_intel");
    answer.note();
    answer.object(&owner);
    let candidate = proven().candidates("vmx_only")[0].clone();
    answer.candidate(candidate);
    let error = ask(&answer, "vmx_only", None).unwrap_err();
    assert!(matches!(&error, Unresolved::VmlinuxUnknown { .. }), "{error}");
    let said = annotation("kvm_intel", None, 0);
    assert_eq!(klp(&answer, "vmx_only", Some(&said)).2, Basis::Annotated);
}
