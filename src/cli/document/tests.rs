//! Every key and word of the documents, in order: programs rely on them.

use std::num::NonZeroU32;

use scroll::Endian;
use serde::Serialize;

use super::*;
use crate::convert::{self, Named};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::elf::{Rela, SectionIndex, SymbolIndex};
use crate::inspect::{self, Meaning, NameUse, OtherToolsSection};
use crate::intermediate;
use crate::name::ObjectName;
use crate::patch::Replaced;
use crate::resolve::Basis;
use crate::site;
use crate::symbols::{self, Binding, Fact, KernelIdentity, Kind, Order, Siblings};

/// A document is this text, whose lines are there for people.
#[track_caller]
fn is(document: &impl Serialize, text: &str) {
    let text: String = text.lines().map(str::trim).collect();
    assert_eq!(serde_json::to_string(document).unwrap(), text);
}

fn object(name: &str) -> ObjectName {
    name.parse().unwrap()
}

/// Knows nothing that it need not.
fn candidate() -> symbols::Candidate {
    symbols::Candidate {
        object: object("m"),
        name: "f".into(),
        position: NonZeroU32::MIN,
        homonyms: 2,
        live_position: None,
        address: None,
        size: None,
        file: None,
        unit: None,
        section: None,
        binding: None,
        kind: None,
        letter: None,
        init: true,
        untraceable: false,
        order: Order::Loaded,
        beside: std::sync::OnceLock::new(),
    }
}

const CANDIDATE: &str = r#"{
    "object":"m","name":"f","position":1,"homonyms":2,"live_position":null,"address":null,
    "size":null,"file":null,"unit":null,"section":null,"binding":null,"kind":null,
    "letter":null,"init":true,"untraceable":false,"order":"loaded","beside":null
}"#;

#[test]
fn a_diagnostic_has_other_places_and_a_count_of_more_only_where_there_are_any() {
    #[derive(Serialize)]
    struct Told(#[serde(serialize_with = "diagnostics")] Vec<Diagnostic>);
    is(&Told(Vec::new()), "[]");
    let error = Diagnostic {
        severity: Severity::Error,
        code: Code::Read,
        file: "a.ko".into(),
        message: "gone".into(),
        help: vec!["look".into(), "again".into()],
        also: vec!["b".into()],
        more: 7,
    };
    let (severity, code) = (Severity::Warning, Code::UnlikeSiblings);
    let warning =
        Diagnostic { severity, code, help: Vec::new(), also: Vec::new(), more: 0, ..error.clone() };
    is(
        &Told(vec![error, warning]),
        r#"[{
            "severity":"error","code":"KLP-E0601","file":"a.ko","message":"gone",
            "help":["look","again"],"also":["b"],"more":7
        },{
            "severity":"warning","code":"KLP-W0730","file":"a.ko","message":"gone","help":[]
        }]"#,
    );
}

#[test]
fn a_symbol_has_all_keys_whatever_is_known_of_it() {
    is(&Candidate::from(&candidate()), CANDIDATE);
    let known = symbols::Candidate {
        live_position: NonZeroU32::new(3),
        address: Some(4096),
        size: Some(8),
        file: Some("f.c".into()),
        unit: Some(5),
        section: Some(".text".into()),
        binding: Some(Binding::Global),
        kind: Some(Kind::Function),
        letter: Some(b'T'),
        init: false,
        untraceable: true,
        order: Order::Proven,
        ..candidate()
    };
    is(
        &Candidate::from(&known),
        r#"{
            "object":"m","name":"f","position":1,"homonyms":2,"live_position":3,"address":4096,
            "size":8,"file":"f.c","unit":5,"section":".text","binding":"global","kind":"function",
            "letter":"T","init":false,"untraceable":true,"order":"proven","beside":null
        }"#,
    );
}

#[test]
fn each_binding_type_and_order_has_a_word() {
    let word = |candidate: symbols::Candidate, key: &str| {
        let document = serde_json::to_value(Candidate::from(&candidate)).unwrap();
        document[key].as_str().unwrap().to_owned()
    };
    for (binding, programs) in [
        (Binding::Local, "local"),
        (Binding::Global, "global"),
        (Binding::Weak, "weak"),
        (Binding::Other, "other"),
    ] {
        let binding = Some(binding);
        assert_eq!(word(symbols::Candidate { binding, ..candidate() }, "binding"), programs);
    }
    for (kind, programs) in [
        (Kind::Function, "function"),
        (Kind::Object, "object"),
        (Kind::Label, "label"),
        (Kind::Marker, "marker"),
        (Kind::Other, "other"),
    ] {
        let kind = Some(kind);
        assert_eq!(word(symbols::Candidate { kind, ..candidate() }, "kind"), programs);
    }
    for (order, programs) in [
        (Order::Alphabetical, "alphabetical"),
        (Order::Loaded, "loaded"),
        (Order::Proven, "proven"),
    ] {
        assert_eq!(word(symbols::Candidate { order, ..candidate() }, "order"), programs);
    }
}

#[test]
fn a_kernel_is_told_with_what_proves_it() {
    #[derive(Serialize)]
    struct Told {
        #[serde(serialize_with = "kernel")]
        kernel: KernelIdentity,
        #[serde(serialize_with = "siblings")]
        siblings: Siblings,
    }
    fn fact<T>(value: T) -> Option<Fact<T>> {
        Some(Fact { value, modules: 9, first: object("ext4") })
    }
    is(
        &Told { kernel: KernelIdentity::default(), siblings: Siblings::default() },
        r#"{
            "kernel":{"release":null,"machine":null,"endian":null,"kallsyms_all":null},
            "siblings":{"vermagic":null,"module_size":null,"init":null,"exit":null,
            "has_versions":null,"has_flags":null,"has_btf":null,"btf_strings":null,
            "contested":[]}
        }"#,
    );
    let of = |endian| KernelIdentity {
        release: Some("7.2".into()),
        machine: Some(22),
        endian: Some(endian),
        kallsyms_all: Some(true),
    };
    let siblings = Siblings {
        vermagic: fact("7.2 SMP ".into()),
        module_size: fact(1280),
        init: fact(304),
        exit: fact(1136),
        has_versions: fact(true),
        has_flags: fact(false),
        has_btf: fact(true),
        btf_strings: fact(1000),
        contested: vec!["vermagic"],
    };
    is(
        &Told { kernel: of(Endian::Big), siblings },
        r#"{
            "kernel":{"release":"7.2","machine":22,"endian":"big","kallsyms_all":true},
            "siblings":{
            "vermagic":{"value":"7.2 SMP ","modules":9,"first":"ext4"},
            "module_size":{"value":1280,"modules":9,"first":"ext4"},
            "init":{"value":304,"modules":9,"first":"ext4"},
            "exit":{"value":1136,"modules":9,"first":"ext4"},
            "has_versions":{"value":true,"modules":9,"first":"ext4"},
            "has_flags":{"value":false,"modules":9,"first":"ext4"},
            "has_btf":{"value":true,"modules":9,"first":"ext4"},
            "btf_strings":{"value":1000,"modules":9,"first":"ext4"},
            "contested":["vermagic"]}
        }"#,
    );
    let told = Told { kernel: of(Endian::Little), siblings: Siblings::default() };
    assert_eq!(serde_json::to_value(told).unwrap()["kernel"]["endian"], "little");
}

#[test]
fn a_plan_says_everything_that_is_done() {
    fn named<I>(index: I, name: &str) -> Named<I> {
        Named { index, name: name.into() }
    }
    let (section, symbol) = (SectionIndex::new, SymbolIndex::new);
    let planned = convert::PlannedSymbol {
        index: symbol(1),
        name: "f".into(),
        klp: ".klp.sym.m.f,2".parse().unwrap(),
        same_as: Some(symbol(3)),
        basis: Basis::Annotated,
        new: None,
    };
    let entry = convert::PlannedEntry {
        entry: 4,
        rela: Rela { offset: 5, symbol: symbol(6), kind: 1, addend: 0 },
        relocation: "R_ABS".into(),
    };
    let moved = convert::PlannedSection {
        from: named(section(7), ".rela.text"),
        recorded: false,
        target: section(8),
        to: ".klp.rela.m..text".parse().unwrap(),
        existing: None,
        entries: vec![entry],
    };
    let function = Replaced { object: object("m"), name: "g".into(), position: 9 };
    let plan = convert::Plan {
        symbols: vec![planned],
        sections: vec![moved],
        arch_sections: vec![intermediate::ArchSection {
            object: object("m"),
            section: ".altinstructions",
            pieces: vec![intermediate::ArchPiece {
                section: section(24),
                table: Some(section(25)),
                offset: 26,
            }],
            size: 27,
        }],
        removed_sections: vec![named(section(10), ".klp.module_relocs.m")],
        removed_symbols: vec![named(symbol(11), "gone")],
        removed_relocations: vec![(section(12), 13)],
        disabled_relocations: vec![(section(21), 22)],
        disabled_symbols: vec![named(symbol(23), "off")],
        positions: vec![convert::PlannedPosition {
            section: named(section(14), ".data"),
            offset: 15,
            function,
            written: 16,
        }],
        exported: vec![convert::Exported { name: "printk".into(), owner: object("vmlinux") }],
        versions: vec![convert::PlannedVersions {
            section: named(section(17), "__versions"),
            of: 18,
            removed: vec![named(19, "f")],
        }],
        depends: Some(convert::PlannedDepends {
            section: section(20),
            from: "m,n".into(),
            to: "n".into(),
            removed: [object("m")].into(),
        }),
    };
    is(
        &Plan::from(&plan),
        r#"{
            "symbols":[{"index":1,"name":"f","klp":{"owner":"m","symbol":"f","position":2},
            "same_as":3,"basis":"annotated","added":false}],
            "sections":[{"from":{"index":7,"name":".rela.text"},"recorded":false,"target":8,
            "to":{"gate":"m","section":".text"},"existing":null,
            "entries":[{"entry":4,"offset":5,"relocation":"R_ABS","symbol":6}]}],
            "arch_sections":[{"name":".klp.arch.m..altinstructions",
            "pieces":[{"section":24,"offset":26}]}],
            "removed_sections":[{"index":10,"name":".klp.module_relocs.m"}],
            "removed_symbols":[{"index":11,"name":"gone"}],
            "removed_relocations":[[12,13]],"disabled_relocations":[[21,22]],
            "disabled_symbols":[{"index":23,"name":"off"}],
            "positions":[{"section":{"index":14,"name":".data"},"offset":15,
            "function":{"object":"m","name":"g","position":9},"written":16}],
            "exported":[{"name":"printk","owner":"vmlinux"}],
            "versions":[{"section":{"index":17,"name":"__versions"},"of":18,
            "removed":[{"index":19,"name":"f"}]}],
            "depends":{"section":20,"from":"m,n","to":"n","removed":["m"]}
        }"#,
    );
    is(
        &Plan::from(&convert::Plan::default()),
        r#"{
            "symbols":[],"sections":[],"arch_sections":[],"removed_sections":[],"removed_symbols":[],
            "removed_relocations":[],"disabled_relocations":[],"disabled_symbols":[],
            "positions":[],"exported":[],"versions":[],"depends":null
        }"#,
    );
}

#[test]
fn an_inspection_says_what_each_name_is() {
    let klp = NameUse::Klp {
        symbol: ".klp.sym.m.f,0".parse().unwrap(),
        gate: Some(object("n")),
        basis: Basis::Inferred,
        candidate: Some(Box::new(candidate())),
    };
    let export =
        symbols::Export { gpl: Some(true), crc: Some(7), ..symbols::Export::by(object("m")) };
    let unresolved = |more| NameUse::Unresolved {
        code: Code::NotFound,
        message: "not found".into(),
        help: vec!["look".into()],
        more,
    };
    let (loader, missing) = (NameUse::Loader, NameUse::WeakMissing);
    let means = [klp, NameUse::Export(export), loader, missing, unresolved(0), unresolved(9)];
    let meanings = means.map(|means| Meaning { name: "s".into(), means });
    let bytes = std::fs::read("tests/fixtures/x86_64/klp_target_a.ko").unwrap();
    let inspection = inspect::Inspection {
        name: Some("lp".into()),
        livepatch: true,
        signature: Some(4),
        klp_symbols: vec!["a".into()],
        tombstones: vec!["b".into()],
        other_tools: vec![OtherToolsSection { name: "c".into(), purpose: "d" }],
        unfinished: Some("e".into()),
        record_errors: vec!["i".into()],
        annotations: vec!["f".into()],
        annotation_errors: vec!["g".into()],
        undefined: vec!["h".into()],
        meanings: Some(meanings.into()),
        ..inspect::inspect(&bytes).unwrap()
    };
    let text = r#"{
        "machine":"x86_64","name":"lp","livepatch":true,"signature":4,"klp_sections":[],
        "klp_symbols":["a"],"tombstones":["b"],"other_tools":[{"name":"c","purpose":"d"}],
        "unfinished":"e","recorded":[],"record_errors":["i"],"annotations":["f"],"annotation_errors":["g"],"undefined":["h"],
        "meanings":[
        {"name":"s","means":"klp","symbol":{"owner":"m","symbol":"f","position":0},"gate":"n",
        "basis":"inferred","candidate":CANDIDATE},
        {"name":"s","means":"export","owner":"m","gpl":true,"namespace":null,"crc":7},
        {"name":"s","means":"loader"},
        {"name":"s","means":"weak-missing"},
        {"name":"s","means":"unresolved","code":"KLP-E0101","message":"not found",
        "help":["look"]},
        {"name":"s","means":"unresolved","code":"KLP-E0101","message":"not found",
        "help":["look"],"more":9}]
    }"#;
    is(&Inspection::from(&inspection), &text.replace("CANDIDATE", CANDIDATE));
}

#[test]
fn a_relocation_has_its_place_and_what_it_is_inside() {
    let site = site::Site {
        rela_section: ".klp.rela.m..text".into(),
        entry: 1,
        section: ".text".into(),
        offset: 2,
        inside: Some(("f".into(), 3)),
        relocation: "R_ABS".into(),
        symbol: "s".into(),
    };
    is(
        &inspection::Site::from(&site),
        r#"{"rela_section":".klp.rela.m..text","entry":1,"section":".text","offset":2,
        "inside":["f",3],"relocation":"R_ABS","symbol":"s"}"#,
    );
    is(
        &inspection::Site::from(&site::Site { inside: None, ..site }),
        r#"{"rela_section":".klp.rela.m..text","entry":1,"section":".text","offset":2,
        "inside":null,"relocation":"R_ABS","symbol":"s"}"#,
    );
}
