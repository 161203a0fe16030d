//! The symbol map and resolution on real kernels of four machines, through the public interface.
//!
//! `tests/fixtures` has for each machine a vmlinux that is cut down to its symbol table, two modules,
//! `Module.symvers` and a text list, and `claims.txt` says by hand which source file's symbol a
//! position means. `build` there checked the positions against the kernel's own `System.map`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

use std::path::{Path, PathBuf};

use klp_convert::name::{ObjectName, Position};
use klp_convert::resolve::{Query, Request, Resolution, Resolve, Resolver, Unresolved};
use klp_convert::symbols::{
    Answer, ModuleFile, Order, Sources, SymbolErrorKind, Symvers, TextList, Vmlinux, Wanted,
};

const MACHINES: [&str; 4] = ["x86_64", "ppc64le", "s390x", "arm64"];

fn fixture(machine: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(machine).join(name)
}

/// One line of `claims.txt` about a symbol.
struct Claim {
    owner: ObjectName,
    symbol: String,
    position: u32,
    file: Option<String>,
}

fn claims() -> Vec<Claim> {
    let text = std::fs::read_to_string(fixture("", "claims.txt")).unwrap();
    let claim = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.get(1) == Some(&"klp")).then(|| Claim {
            owner: words[3].parse().unwrap(),
            symbol: words[4].into(),
            position: words[5].parse().unwrap(),
            file: (words[6] != "-").then(|| words[6].into()),
        })
    };
    let claims: Vec<_> = text.lines().filter_map(claim).collect();
    assert!(claims.len() > 20 && claims.iter().any(|c| c.file.is_some()));
    claims
}

fn elf(machine: &str) -> Sources {
    let mut sources = Sources::new();
    sources.push(Vmlinux::new(fixture(machine, "vmlinux.cut")));
    for module in ["klp_target_a.ko", "klp_target_b.ko"] {
        sources.push(ModuleFile::new(fixture(machine, module)));
    }
    sources.push(Symvers::new(fixture(machine, "Module.symvers")));
    sources
}

fn list(machine: &str) -> Sources {
    let mut sources = Sources::new();
    sources.push(TextList::new(fixture(machine, "symbols.klp")));
    sources
}

fn ask(sources: &Sources, names: &[&str]) -> Answer {
    sources.answer(&Wanted::new(names.iter().copied())).unwrap()
}

#[test]
fn the_position_that_a_claim_gives_is_that_of_the_source_file_that_it_names() {
    let claims = claims();
    let names: Vec<&str> = claims.iter().map(|c| c.symbol.as_str()).collect();
    for machine in MACHINES {
        let answer = ask(&elf(machine), &names);
        for Claim { owner, symbol, position, file } in &claims {
            let homonyms: Vec<_> = answer.candidates_in(symbol, owner).collect();
            let place = format!("{machine}: {owner}.{symbol},{position}");
            let Some(index) = position.checked_sub(1) else {
                assert_eq!(homonyms.len(), 1, "{place}");
                continue;
            };
            assert!(homonyms.len() > 1, "{place} is no homonym");
            let meant = homonyms[usize::try_from(index).unwrap()];
            assert_eq!((meant.position.get(), &meant.file), (*position, file), "{place}");
            let same_file = homonyms.iter().filter(|c| c.file == *file).count();
            assert_eq!(same_file, 1, "{place}: the file tells the homonyms apart");
        }
    }
}

#[test]
fn the_position_that_a_claim_gives_is_accepted_as_an_annotation() {
    let claims = claims();
    let names: Vec<&str> = claims.iter().map(|c| c.symbol.as_str()).collect();
    for machine in MACHINES {
        for (sources, order) in
            [(elf(machine), Order::Proven), (list(machine), Order::Alphabetical)]
        {
            let answer = ask(&sources, &names);
            for Claim { owner, symbol, position, .. } in &claims {
                let position = Position::from(*position);
                let annotation =
                    Request { owner: owner.clone(), gate: None, which: position.into() };
                let annotation = Some(&annotation);
                let query = Query { name: symbol, weak: false, loader: false, annotation };
                let resolution = Resolver::new(&answer).resolve(&query);
                let Ok(Resolution::Klp(klp)) = resolution else { panic!("{machine}: {symbol}") };
                assert_eq!(klp.candidate.as_ref().map(|c| c.order), Some(order));
                let unproven = order == Order::Alphabetical && position.number() > 0;
                assert_eq!(klp.order_unproven(), unproven, "{machine}: {symbol}");
            }
        }
    }
}

#[test]
fn an_elf_file_and_a_text_list_count_the_same_homonyms() {
    let names = ["set_is_seen", "set_root", "klp_homonym", "lock.1", "nr_processes"];
    for machine in MACHINES {
        let (elf, list) = (ask(&elf(machine), &names), ask(&list(machine), &names));
        for name in names {
            let objects = |answer: &Answer| -> Vec<_> {
                let mut all: Vec<_> =
                    answer.candidates(name).iter().map(|c| c.object.clone()).collect();
                all.sort();
                all
            };
            assert!(!objects(&elf).is_empty());
            assert_eq!(objects(&elf), objects(&list), "{machine}: {name}");
        }
    }
}

#[test]
fn homonyms_that_nobody_annotated_are_refused_on_every_machine() {
    for machine in MACHINES {
        let answer = ask(&elf(machine), &["set_is_seen"]);
        let query = Query { name: "set_is_seen", weak: false, loader: false, annotation: None };
        let error = Resolver::new(&answer).resolve(&query).unwrap_err();
        let Unresolved::Ambiguous { candidates, .. } = error else { panic!("{machine}: {error}") };
        assert!(candidates.iter().all(|c| c.file.is_some() && c.address.is_some()));
        assert!(candidates.is_sorted_by_key(|c| c.address), "{machine}: by address");
    }
}

#[test]
fn exports_are_told_alike_by_the_module_and_by_module_symvers() {
    for machine in MACHINES {
        let names = ["klp_target_a_exported", "klp_enable_patch"];
        let mut symvers = Sources::new();
        symvers.push(Symvers::new(fixture(machine, "Module.symvers")));
        let mut module = Sources::new();
        module.push(ModuleFile::new(fixture(machine, "klp_target_a.ko")));
        let owner = |sources: &Sources, name| {
            ask(sources, &names).export(name).map(|export| export.owner.to_string())
        };
        let target = Some("klp_target_a".to_owned());
        assert_eq!(owner(&symvers, names[0]), target, "{machine}");
        assert_eq!(owner(&module, names[0]), target, "{machine}");
        assert_eq!(owner(&symvers, names[1]).as_deref(), Some("vmlinux"), "{machine}");
        assert_eq!(owner(&module, names[1]), None, "{machine}");
    }
}

#[test]
fn files_of_two_machines_are_not_one_kernel() {
    let mut sources = Sources::new();
    sources.push(Vmlinux::new(fixture("x86_64", "vmlinux.cut")));
    sources.push(ModuleFile::new(fixture("s390x", "klp_target_a.ko")));
    let error = sources.answer(&Wanted::new([])).unwrap_err();
    assert!(matches!(error.kind, SymbolErrorKind::Disagree { .. }), "{error}");
    assert!(error.path.ends_with("s390x/klp_target_a.ko"));
}

#[test]
fn files_that_were_mistaken_for_each_other_are_refused_with_what_they_are() {
    let vmlinux = fixture("s390x", "vmlinux.cut");
    let module = fixture("s390x", "klp_target_a.ko");
    let text = fixture("s390x", "symbols.klp");
    let refusal = |sources: Sources| sources.answer(&Wanted::new([])).unwrap_err().kind;
    let mut sources = Sources::new();
    sources.push(Vmlinux::new(&module));
    assert!(matches!(refusal(sources), SymbolErrorKind::NotLinked));
    let mut sources = Sources::new();
    sources.push(ModuleFile::new(&vmlinux));
    assert!(matches!(refusal(sources), SymbolErrorKind::NotModule));
    let mut sources = Sources::new();
    sources.push(ModuleFile::new(&text));
    assert!(matches!(refusal(sources), SymbolErrorKind::NotElf));
    let mut sources = Sources::new();
    sources.push(TextList::new(&module));
    assert!(matches!(refusal(sources), SymbolErrorKind::Junk(_) | SymbolErrorKind::NoHeader));
    let mut sources = Sources::new();
    sources.push(Symvers::new(&text));
    assert!(matches!(refusal(sources), SymbolErrorKind::Symvers(_)));
}
