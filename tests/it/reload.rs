//! Reloads of an object that a livepatch patches: the livepatch loads, and one warning says what
//! happens on which reload.

use klp_convert::check::{self, Conclusion, Verdict};
use klp_convert::elf::Module;
use klp_convert::findings::{Aftermath, Reload};
use klp_convert::load::{Loader, Placement, Record, SimulatedKernel, TargetKernel};
use klp_convert::name::ObjectName;
use klp_convert::options::Options;
use serde_json::Value;

use crate::gates::{answer, backend, converted, sources};
use crate::image::Image;
use crate::machine::{Machine, Map, machines};
use crate::patch::Patched;
use crate::tool::{Run, Sandbox, run};

const A: &str = "klp_target_a";
const ADVICE: &str = "remove the livepatch, and load it again afterwards";

fn machine(name: &str) -> Machine {
    machines().into_iter().find(|machine| machine.name == name).unwrap()
}

/// Checks a livepatch on a kernel of this version.
fn check(machine: &Machine, module: &[u8], version: &str, format: &str) -> Run {
    let bench = Sandbox::new();
    let module = bench.file("lp.ko", module);
    let words = [
        "check",
        // The modules that lp_cross_module needs are always loaded here.
        "--allow-undeclared-dependency",
        "--target-kernel",
        version,
        "--format",
        format,
    ]
    .map(Into::into);
    run(words.into_iter().chain([module.into_os_string()]).chain(machine.map(Map::Elf)))
}

fn verdict(machine: &Machine, module: &[u8]) -> Verdict {
    let options = Options { allow_undeclared_dependency: true, ..Options::default() };
    check::check(module, &sources(machine), &options).unwrap()
}

/// The livepatch loads, and the one warning about reloads has all of these words.
#[track_caller]
fn warned(run: &Run, words: &[&str]) {
    let said = &run.done().stderr;
    assert!(said.contains(": loads, tried at "), "{said}");
    assert_eq!(said.matches("KLP-W0814").count(), 1, "{said}");
    for word in words.iter().chain(&[ADVICE]) {
        assert!(said.contains(word), "no '{word}' in {said}");
    }
}

#[test]
fn a_reload_that_old_kernels_refuse_is_a_warning_with_their_message() {
    let cases = [
        ("x86_64", "existing value is nonzero for type"),
        ("ppc64le", "Expected nop after call, got e8410018 at lp_show+0x"),
    ];
    for (name, says) in cases {
        let machine = machine(name);
        for module in ["lp_module_symbols.ko", "lp_cross_module.ko"] {
            let module = converted(&machine, module);
            let refusing = format!("refusing to load module '{A}' (-ENOEXEC, 8)");
            let first = format!("the first reload of '{A}' is refused");
            warned(&check(&machine, &module, "6.1", "text"), &[&first, says, &refusing]);
        }
    }
}

#[test]
fn kernels_that_clear_or_overwrite_relocations_have_no_warning() {
    for (name, version) in [("x86_64", "6.3"), ("x86_64", "7.2"), ("arm64", "7.2")] {
        let machine = machine(name);
        for module in machine.convertible() {
            let ended = check(&machine, &converted(&machine, &module), version, "text");
            assert!(!ended.done().stderr.contains("KLP-W0814"), "{}", ended.stderr);
        }
    }
}

#[test]
fn a_livepatch_of_vmlinux_alone_has_no_warning() {
    for machine in machines() {
        let module = converted(&machine, "lp_vmlinux_inferred.ko");
        let ended = check(&machine, &module, "6.1", "text");
        assert!(!ended.done().stderr.contains("KLP-W0814"), "{}", ended.stderr);
    }
}

#[test]
fn slots_that_keep_old_addresses_are_one_warning_that_names_the_symbols() {
    let machine = machine("s390x");
    for (module, symbols) in [
        ("lp_dotted_names.ko", "2 symbols"),
        ("lp_module_symbols.ko", "3 symbols"),
        ("lp_cross_module.ko", "1 symbol\n"),
    ] {
        let leaves =
            format!("the first reload of '{A}' leaves code with the old address of {symbols}");
        warned(&check(&machine, &converted(&machine, module), "7.2", "text"), &[&leaves]);
    }
    let ended = check(&machine, &converted(&machine, "lp_dotted_names.ko"), "7.2", "text");
    assert!(ended.stderr.contains("klp_string.12345, klp_string.67890"), "{}", ended.stderr);
}

#[test]
fn a_literal_of_the_plt_keeps_an_old_address_like_a_slot_of_the_got() {
    let machine = machine("s390x");
    let good = Patched::new(converted(&machine, "lp_dotted_names.ko"));
    let section = format!(".klp.rela.{A}..text");
    let count = Image::read(&good.bytes).section(&section).relocations.len();
    // R_390_PLT32DBL is direct where its symbol is near; R_390_PLTOFF32 is the address of the entry.
    for (kind, symbols) in [(20, 0), (35, 2)] {
        let changed = (0..count).fold(good.clone(), |module, entry| {
            module.relocation(&section, entry, |r, e| {
                let symbol = r.r_sym(e, false);
                let kind = object::elf::RelocationType(kind);
                r.r_info = object::elf::Rela64::r_info(e, false, symbol, kind);
                r.r_addend.set(e, 0);
            })
        });
        let verdict = verdict(&machine, &changed.bytes);
        assert_eq!(verdict.conclusion(), Conclusion::Loads, "{:?}", verdict.findings);
        let stale: Vec<usize> = verdict
            .reloads()
            .map(|reload| match &reload.then {
                Aftermath::Stale(symbols) => symbols.len(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(stale, if symbols == 0 { vec![] } else { vec![symbols] });
    }
}

/// How many reloads, each at new addresses in the module area, a simulated load survives.
fn survived(machine: &Machine, bytes: &[u8]) -> u64 {
    let module = Module::parse(bytes).unwrap();
    let backend = backend(machine);
    let (answer, kernel) = (answer(machine, &module), TargetKernel::newest(backend));
    let placement = Placement::usual(backend, &kernel);
    let record = Record::Nothing;
    let loader = Loader { machine: backend, kernel: &kernel, placement: &placement, record };
    let area = Placement::area(backend, &kernel);
    let known = |turn: u64| {
        SimulatedKernel::new(&answer).modules_in(area.start + turn * 0x123_0000..area.end)
    };
    let mut loaded = loader.load(&module, &known(0)).unwrap();
    let gate: ObjectName = A.parse().unwrap();
    loaded.free_init();
    loaded.gate_arrives(&gate, &known(0)).unwrap();
    for turn in 1.. {
        loaded.gate_leaves(&gate).unwrap();
        if let Err(refused) = loaded.gate_arrives(&gate, &known(turn)) {
            let says = refused.to_string();
            assert!(says.contains("WARNING: ") && says.contains("stub_for_addr"), "{says}");
            assert!(says.ends_with("-ENOENT"), "{says}");
            return turn - 1;
        }
    }
    unreachable!()
}

#[test]
fn stubs_that_are_never_freed_are_counted() {
    let machine = machine("ppc64le");
    let mut counts = Vec::new();
    for name in machine.convertible() {
        let module = converted(&machine, &name);
        let verdict = verdict(&machine, &module);
        assert_eq!(verdict.conclusion(), Conclusion::Loads, "{name}");
        let reloads: Vec<_> = verdict.reloads().collect();
        let [Reload { object, survives, then }] = &reloads[..] else {
            assert!(reloads.is_empty(), "{name}");
            continue;
        };
        assert_eq!((object.as_str(), *survives), (A, survived(&machine, &module)), "{name}");
        let (Aftermath::Refused(kernel) | Aftermath::WritesBeyond(kernel)) = then else {
            panic!("{then:?}")
        };
        assert_eq!(kernel.errno, klp_arch::Errno::ENOENT);
        assert!(kernel.message.ends_with("refusing to load module 'klp_target_a'"));
        counts.push(*survives);
    }
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 2]);
    let survives = "'klp_target_a' survives 1 reload at new addresses, and the next is refused";
    let module = converted(&machine, "lp_module_symbols.ko");
    warned(&check(&machine, &module, "7.2", "text"), &[survives, "stub_for_addr", "(-ENOENT, 2)"]);
}

#[test]
fn the_warning_is_in_the_json() {
    for (name, version) in [("x86_64", "6.1"), ("ppc64le", "7.2"), ("s390x", "7.2")] {
        let machine = machine(name);
        let module = converted(&machine, "lp_cross_module.ko");
        let line = check(&machine, &module, version, "json").done().json()[0].clone();
        assert_eq!((&line["accepted"], &line["conclusion"]), (&true.into(), &"loads".into()));
        let warnings = line["diagnostics"].as_array().unwrap().iter();
        let warnings: Vec<&Value> =
            warnings.filter(|warnings| warnings["code"] == "KLP-W0814").collect();
        assert_eq!(warnings.len(), 1, "{name}: {line}");
        assert_eq!(warnings[0]["severity"], "warning");
        assert!(warnings[0]["message"].as_str().unwrap().contains(A));
    }
}

#[test]
fn what_fails_at_an_objects_first_load_stays_an_error() {
    let machine = machine("ppc64le");
    let good = Patched::new(converted(&machine, "lp_module_symbols.ko"));
    let image = Image::read(&good.bytes);
    let calls = &image.section(&format!(".klp.rela.{A}..text")).relocations;
    let call = calls.iter().find(|relocation| relocation.kind == 10).unwrap();
    let after = usize::try_from(call.offset).unwrap() + 4;
    let broken = good.contents(".text", |text| text[after..after + 4].fill(0));
    let ended = check(&machine, &broken.bytes, "7.2", "text");
    ended.refused(&["error[KLP-", "the kernel says: ", "Expected nop after call", "(-ENOEXEC, 8)"]);
    assert!(!ended.stderr.contains("KLP-W0814"), "{}", ended.stderr);
}
