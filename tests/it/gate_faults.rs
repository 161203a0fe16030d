//! Converted livepatches made wrong: the kernel's messages, and what it does not notice.

use klp_convert::elf::Module;
use klp_convert::findings::Consequence;
use klp_convert::load::{Record, Refused, SimulatedKernel};
use klp_convert::name::ObjectName;

use object::elf;

use crate::gates::{answer, converted, load};
use crate::machine::{Machine, machines};
use crate::patch::Patched;

const NAME: &str = "lp_module_symbols.ko";

fn gate() -> ObjectName {
    "klp_target_a".parse().unwrap()
}

/// The first klp section of the livepatch and the index of its first symbol.
fn first_klp(bytes: &[u8]) -> (String, usize) {
    let module = Module::parse(bytes).unwrap();
    let klp = module.sections().find(|s| s.name.starts_with(b".klp.rela.klp_target_a."));
    let klp = klp.expect("a klp section");
    let rela = module.relocations(klp.index).next().unwrap();
    let name = String::from_utf8(klp.name.to_vec()).unwrap();
    (name, usize::try_from(rela.symbol.get()).unwrap())
}

/// Loads the wrong livepatch, with the addresses of the right one, and lets its gate arrive.
fn arrive(machine: &Machine, right: &[u8], wrong: &[u8], freed: bool) -> Result<(), Refused> {
    let answer = answer(machine, &Module::parse(right).unwrap());
    let known = SimulatedKernel::new(&answer);
    let module = Module::parse(wrong).unwrap();
    let mut loaded = load(machine, &module, &known, Record::Nothing)?;
    if freed {
        loaded.free_init();
    }
    loaded.gate_arrives(&gate(), &known)
}

/// Makes the livepatch of each machine wrong, and checks the outcome.
fn each(change: impl Fn(Patched, &str, usize) -> Patched, claim: impl Fn(&str, &Refused)) {
    for machine in machines() {
        let right = converted(&machine, NAME);
        let (section, symbol) = first_klp(&right);
        let wrong = change(Patched::new(right.clone()), &section, symbol).bytes;
        let refused = arrive(&machine, &right, &wrong, true).expect_err(machine.name);
        claim(&refused.to_string(), &refused);
    }
}

#[test]
fn an_unmarked_symbol_is_reported_with_its_location() {
    each(
        |patched, _, symbol| {
            patched.symbol(symbol, |s, e| s.st_shndx.set(e, elf::SymbolSection(0xfff1)))
        },
        |text, refused| {
            assert!(text.contains("livepatch: symbol .klp.sym.klp_target_a."), "{text}");
            assert!(text.contains("is not marked as a livepatch symbol"), "{text}");
            assert!(text.contains(" at rela sec "), "{text}");
            assert!(text.contains("refusing to load module 'klp_target_a'"), "{text}");
            assert_eq!(refused.errno().map(klp_arch::Errno::number), Some(22));
        },
    );
}

#[test]
fn a_malformed_section_name_fails_the_load_before_its_gate_arrives() {
    for machine in machines() {
        let right = converted(&machine, NAME);
        let (section, _) = first_klp(&right);
        let wrong = section.replacen("klp_target_a", ".lp_target_a", 1);
        let wrong = Patched::new(right.clone()).replace(section.as_bytes(), wrong.as_bytes()).bytes;
        let answer = answer(&machine, &Module::parse(&right).unwrap());
        let module = Module::parse(&wrong).unwrap();
        let refused =
            load(&machine, &module, &SimulatedKernel::new(&answer), Record::Nothing).unwrap_err();
        let text = refused.to_string();
        let says = "has an incorrectly formatted name -EINVAL";
        assert!(text.starts_with("livepatch: section .klp.rela..lp_target_a."), "{text}");
        assert!(text.contains(says), "{text}");
    }
}

#[test]
fn a_module_gated_section_may_not_use_symbols_of_vmlinux() {
    let (module, vmlinux) = (b".klp.sym.klp_target_a.", b".klp.sym.vmlinux.aaaa.");
    each(
        |patched, _, _| patched.replace(module, vmlinux),
        |text, _| {
            assert!(text.contains("livepatch: invalid access to vmlinux symbol 'aaaa."), "{text}");
            let says = "from module-specific livepatch relocation section -EINVAL";
            assert!(text.replace('\n', " ").contains(&says[..says.len() - 8]), "{text}");
        },
    );
}

#[test]
fn a_module_without_the_marker_is_refused_when_enabled_and_never_applied() {
    for machine in machines() {
        let right = converted(&machine, NAME);
        let wrong = Patched::new(right.clone()).replace(b"\0livepatch=", b"\0livepatcx=").bytes;
        let refused = arrive(&machine, &right, &wrong, false).unwrap_err();
        let text =
            "livepatch: module lp_module_symbols is not marked as a livepatch module -EINVAL";
        assert_eq!(refused.to_string(), text);
        let answer = answer(&machine, &Module::parse(&right).unwrap());
        let module = Module::parse(&wrong).unwrap();
        let loaded =
            load(&machine, &module, &SimulatedKernel::new(&answer), Record::Nothing).unwrap();
        assert!(!loaded.unnoticed().is_empty());
    }
}

#[test]
fn a_late_table_that_is_not_loaded_is_read_from_freed_memory() {
    each(
        |patched, section, _| {
            patched.section(section, |s, e| {
                s.sh_flags.set(e, elf::SectionFlags(s.sh_flags.get(e).0 & !2));
            })
        },
        |text, refused| {
            assert!(
                text.contains("the kernel reads memory that it has freed [corrupted]"),
                "{text}"
            );
            assert_eq!(refused.0[0].consequence, Some(Consequence::Corrupted));
            assert_eq!(refused.errno(), None);
        },
    );
}

#[test]
fn the_last_of_several_errors_is_what_insmod_sees() {
    for machine in machines() {
        let right = converted(&machine, NAME);
        let module = Module::parse(&right).unwrap();
        let count = module.symbol_count();
        let wrong = Patched::new(right.clone())
            .symbol(1, |s, e| s.st_shndx.set(e, elf::SymbolSection(0xfff2)))
            .symbol(2, |s, e| s.st_shndx.set(e, elf::SymbolSection(0xfe00)))
            .bytes;
        let known = answer(&machine, &module);
        let wrong = Module::parse(&wrong);
        // Some such files are refused before they are loaded.
        let Ok(wrong) = wrong else { continue };
        let refused =
            load(&machine, &wrong, &SimulatedKernel::new(&known), Record::Nothing).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains("please compile with -fno-common -ENOEXEC"), "{text}");
        assert!(text.contains("has an invalid section index 65024 (max "), "{text}");
        assert!(count > 2 && refused.0.len() == 2, "{text}");
    }
}

/// Points the first klp section at another, changed target; its gate then arrives late.
fn each_target(
    target: &str,
    change: impl Fn(Patched) -> Patched,
    freed: bool,
    claim: impl Fn(&Machine, Result<(), Refused>),
) {
    for machine in machines() {
        let right = converted(&machine, NAME);
        let (section, _) = first_klp(&right);
        let module = Module::parse(&right).unwrap();
        let named = |s: &&klp_convert::elf::Section<'_>| s.name == target.as_bytes();
        let index = module.sections().find(named).unwrap().index.get();
        let wrong = Patched::new(right.clone()).section(&section, |s, e| s.sh_info.set(e, index));
        claim(&machine, arrive(&machine, &right, &change(wrong).bytes, freed));
    }
}

/// Claims that the kernel corrupts memory without noticing, and how.
fn corrupts(arrived: Result<(), Refused>, says: &str) {
    let refused = arrived.unwrap_err();
    let text = refused.to_string();
    assert!(text.contains(says) && text.ends_with(" [corrupted]"), "{text}");
    assert_eq!(refused.errno(), None);
    assert_eq!(refused.0[0].consequence, Some(Consequence::Corrupted));
}

#[test]
fn a_target_that_was_freed_after_init_is_still_written() {
    let says = "its target '.init.text' has been freed after init, and the kernel writes there";
    each_target(
        ".init.text",
        |patched| patched,
        true,
        |machine, arrived| {
            if crate::gates::backend(machine).frees_init_sections {
                corrupts(arrived, says);
            } else {
                let freed = arrived.err().map(|refused| refused.to_string());
                assert!(!freed.unwrap_or_default().contains("freed after init"));
            }
        },
    );
    // Nothing is freed before init has run.
    each_target(
        ".init.text",
        |patched| patched,
        false,
        |_, arrived| {
            let text = arrived.err().map(|refused| refused.to_string()).unwrap_or_default();
            assert!(!text.contains("its target"), "{text}");
        },
    );
}

#[test]
fn the_percpu_template_and_unloaded_targets_are_freed_memory() {
    let percpu = |patched: Patched| patched.rename_section(".exit.data", ".data..percpu");
    each_target(".exit.data", percpu, true, |_, arrived| {
        corrupts(arrived, "its target '.data..percpu' has been copied to every processor");
    });
    each_target(
        ".comment",
        |patched| patched,
        true,
        |_, arrived| {
            corrupts(arrived, "its target '.comment' is not loaded");
        },
    );
}

#[test]
fn gates_that_no_module_can_be_called_are_reported_as_never_applied() {
    let long = "m".repeat(56);
    let cut = format!("the kernel truncates its gate to 55 bytes, '{}'", &long[1..]);
    let cases = [(&*long, &*cut), ("klp-target-a", "no module is called 'klp-target-a'")];
    for machine in machines() {
        let right = converted(&machine, NAME);
        let (section, _) = first_klp(&right);
        let answer = answer(&machine, &Module::parse(&right).unwrap());
        let known = SimulatedKernel::new(&answer);
        for (gate, why) in cases {
            let name = format!(".klp.rela.{gate}..text");
            let wrong = Patched::new(right.clone()).rename_section(&section, &name).bytes;
            let module = Module::parse(&wrong).unwrap();
            let loaded = load(&machine, &module, &known, Record::Nothing).unwrap();
            let ignored = loaded.unnoticed();
            assert_eq!(ignored.len(), 1, "{ignored:?}");
            let text = ignored[0].to_string();
            assert!(text.contains(&format!("'{name}' is never applied: {why}")), "{text}");
            assert_eq!(ignored[0].consequence, Some(Consequence::Ignored));
        }
    }
}

#[test]
fn a_late_call_without_nop_is_reported_with_its_function() {
    let machine = machines().into_iter().find(|machine| machine.name == "ppc64le").unwrap();
    let right = converted(&machine, NAME);
    let (section, _) = first_klp(&right);
    let module = Module::parse(&right).unwrap();
    let klp = module.sections_named(section.as_bytes()).next().unwrap();
    let call = module.relocations(klp.index).find(|rela| rela.kind == 10).unwrap();
    let function = module.symbols().find(|symbol| symbol.name == b"lp_show").unwrap();
    let nop = usize::try_from(call.offset).unwrap() + 4;
    let wrong = Patched::new(right.clone()).contents(".text", |text| text[nop..][..4].fill(0));
    let text = arrive(&machine, &right, &wrong.bytes, true).unwrap_err().to_string();
    let (offset, size) = (call.offset + 4 - function.st_value, function.st_size);
    let says = format!("got 00000000 at lp_show+{offset:#x}/{size:#x} [lp_module_symbols]\n");
    assert!(text.contains(&says), "{says}: {text}");
}
