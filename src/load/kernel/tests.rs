use std::num::NonZeroU32;

use super::*;
use crate::symbols::{Candidate, Kind, Order};
use klp_arch::Features;

/// A fixture with words of its vermagic replaced by others, of the same length.
fn fixture(machine: &str, words: &[(&str, &str)]) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/{machine}/klp_target_a.ko", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = std::fs::read(path).unwrap();
    for (old, new) in words {
        assert_eq!(old.len(), new.len());
        let at = bytes.windows(old.len()).position(|window| window == old.as_bytes()).unwrap();
        bytes[at..at + old.len()].copy_from_slice(new.as_bytes());
    }
    bytes
}

fn of(machine: &str, target: &str, words: &[(&str, &str)]) -> Kernel {
    let bytes = fixture(machine, words);
    let backend = klp_arch::by_name(machine).unwrap();
    let target = target.parse().unwrap_or_default();
    Kernel::of(backend, target, &Module::parse(&bytes).unwrap(), None)
}

/// What sources say of a vmlinux that has these symbols, at 0x1000, 0x2000, ...
fn vmlinux(names: &[&'static str]) -> Answer {
    let mut answer = Answer::default();
    answer.note();
    answer.object(&ObjectName::vmlinux());
    for (name, address) in names.iter().zip((0x1000..).step_by(0x1000)) {
        answer.candidate(Candidate {
            object: ObjectName::vmlinux(),
            name: (*name).into(),
            position: NonZeroU32::MIN,
            homonyms: 0,
            live_position: Some(NonZeroU32::MIN),
            address: Some(address),
            size: None,
            file: None,
            unit: None,
            section: None,
            binding: None,
            kind: Some(Kind::Function),
            letter: Some(b'T'),
            init: false,
            untraceable: false,
            order: Order::Proven,
        });
    }
    answer
}

fn learnt(backend: &dyn Backend, names: &[&'static str]) -> Kernel {
    let mut kernel = Kernel::newest(backend);
    kernel.learn(backend, &vmlinux(names));
    kernel
}

#[test]
fn vermagic_says_which_version_and_whether_there_are_processors_and_unloading() {
    for backend in klp_arch::backends() {
        let stays =
            |kernel: &Kernel| kernel.configuration.features.contains(Features::EXIT_IS_INIT);
        let kernel = of(backend.name(), "", &[]);
        assert_eq!((kernel.version, kernel.smp, stays(&kernel)), ((7, 2), true, false));
        let kernel = of(backend.name(), "", &[("vermagic=7.2.", "vermagic=6.1.")]);
        assert_eq!((kernel.version, kernel.layouts), ((6, 1), Layouts::Blocks));
        assert!(!kernel.livepatching.clears && !kernel.one_modinfo);
        let kernel = of(backend.name(), "", &[(" SMP ", " smp ")]);
        assert_eq!((kernel.smp, stays(&kernel)), (false, false));
        let kernel = of(backend.name(), "", &[(" mod_unload ", " modxunload ")]);
        assert_eq!((kernel.smp, stays(&kernel)), (true, true));
    }
}

#[test]
fn the_version_that_is_asked_for_goes_before_the_one_of_vermagic() {
    let machine = klp_arch::backends()[0].name();
    let kernel = of(machine, "6.12", &[("vermagic=7.2.", "vermagic=6.1.")]);
    assert_eq!((kernel.version, kernel.layouts), ((6, 12), Layouts::Regions));
    let kernel = of(machine, "", &[("vermagic=7.2.", "vermagic=none")]);
    assert_eq!(kernel.version, NEWEST);
}

#[test]
fn a_witness_that_is_there_sets_features_and_one_that_is_not_clears_them() {
    let mut witnesses = 0;
    for backend in klp_arch::backends() {
        let none = learnt(*backend, &["f"]).configuration.features;
        for Witness { symbol, features } in backend.witnesses() {
            witnesses += 1;
            let with = learnt(*backend, &["f", symbol]).configuration.features;
            assert!(!none.intersects(*features) && with == none | *features, "{symbol}");
        }
    }
    assert!(witnesses > 2);
}

#[test]
fn symbols_of_vmlinux_tell_image_pages_and_addresses() {
    for backend in klp_arch::backends() {
        let usual = Kernel::newest(*backend);
        // One end is no image.
        assert_eq!(learnt(*backend, &["_text"]).image, usual.image);
        assert_eq!(learnt(*backend, &["_text", "_end"]).image, 0x1000..0x2000);
        assert_eq!(learnt(*backend, &["f"]).page_size, usual.page_size);
        for (symbol, bytes) in backend.page_sizes() {
            assert_eq!(learnt(*backend, &[symbol]).page_size, *bytes);
        }
        for symbol in backend.kernel_symbols() {
            let symbols = learnt(*backend, &["f", symbol]).configuration.symbols;
            assert_eq!(symbols.into_iter().collect::<Vec<_>>(), [(*symbol, 0x2000)]);
        }
    }
}

#[test]
fn the_function_tells_whether_relocations_are_taken_back_and_without_it_the_version() {
    for backend in klp_arch::backends() {
        for version in [(6, 1), (7, 2)] {
            let clears = |names: &[&'static str]| {
                let mut kernel = Kernel::of_version(*backend, version);
                kernel.learn(*backend, &vmlinux(names));
                kernel.livepatching.clears
            };
            let [function, livepatching] = CLEARS;
            assert!(clears(&["f", function]) && clears(&[livepatching, function]));
            assert!(!clears(&[livepatching]));
            // Not all symbols are known.
            assert_eq!(clears(&["f"]), version == (7, 2));
        }
    }
}

#[test]
fn per_cpu_variables_of_modules_follow_those_of_vmlinux() {
    for backend in klp_arch::backends() {
        let kernel = learnt(*backend, &["_text", "__per_cpu_start", "__per_cpu_end", "_end"]);
        assert_eq!(kernel.per_cpu, 0x2000..0x3000);
        assert_eq!(kernel.module_per_cpu(), 0x3000..0x5000);
        // They are a part of vmlinux.
        let kernel = learnt(*backend, &["_text", "_end", "__per_cpu_start"]);
        assert_eq!(kernel.per_cpu, 0x1000..0x2000);
        let usual = crate::load::Placement::usual(*backend, &kernel);
        let base = usual.bases.get(&RegionKind::Percpu).copied().unwrap();
        assert!(base.is_multiple_of(kernel.page_size) && base - 0x2000 < kernel.page_size);
    }
}

#[test]
fn without_vmlinux_nothing_is_learnt_and_without_data_nothing_of_profiling() {
    for backend in klp_arch::backends() {
        let usual = Kernel::newest(*backend);
        let mut kernel = usual.clone();
        kernel.learn(*backend, &Answer::default());
        assert_eq!(kernel.configuration.features, usual.configuration.features);
        assert!(kernel.codetags_apart);
        assert!(!learnt(*backend, &["f"]).codetags_apart);
        assert!(learnt(*backend, &[PROFILING]).codetags_apart);
        assert!(
            !learnt(*backend, &["f"]).reads_btf
                && learnt(*backend, &["btf_module_notify"]).reads_btf
        );
        let mut functions_only = Kernel { kallsyms_all: false, ..usual };
        functions_only.learn(*backend, &vmlinux(&["f"]));
        assert!(functions_only.codetags_apart);
    }
}
