use std::num::NonZeroU32;

use super::*;
use crate::symbols::{Candidate, Kind, Order};
use klp_arch::Features;

/// A fixture with words of its vermagic replaced by others of the same length.
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

fn of(machine: &str, target: &str, words: &[(&str, &str)]) -> TargetKernel {
    let bytes = fixture(machine, words);
    let machine = klp_arch::by_name(machine).unwrap();
    let target = target.parse().ok();
    TargetKernel::of(machine, target, &Module::parse(&bytes).unwrap(), None)
}

/// What sources answer for a vmlinux with these symbols, at 0x1000, 0x2000, ...
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
            beside: std::sync::OnceLock::new(),
        });
    }
    answer
}

fn learnt(machine: &Machine, names: &[&'static str]) -> TargetKernel {
    let mut kernel = TargetKernel::newest(machine);
    kernel.learn(machine, &vmlinux(names));
    kernel
}

#[test]
fn vermagic_says_which_version_and_whether_there_are_processors_and_unloading() {
    let version = |text: &str| text.parse::<KernelVersion>().unwrap();
    for machine in klp_arch::machines() {
        let stays =
            |kernel: &TargetKernel| kernel.configuration.features.contains(Features::EXIT_IS_INIT);
        let kernel = of(machine.name, "", &[]);
        assert_eq!((kernel.version, kernel.smp, stays(&kernel)), (version("7.2.13"), true, false));
        let kernel = of(machine.name, "", &[("vermagic=7.2.", "vermagic=6.1.")]);
        assert_eq!((kernel.version, kernel.layouts), (version("6.1.13"), MemoryModel::Blocks));
        assert!(!kernel.livepatching.clears && !kernel.rejects_second_modinfo);
        let kernel = of(machine.name, "", &[(" SMP ", " smp ")]);
        assert_eq!((kernel.smp, stays(&kernel)), (false, false));
        let kernel = of(machine.name, "", &[(" mod_unload ", " modxunload ")]);
        assert_eq!((kernel.smp, stays(&kernel)), (true, true));
    }
}

#[test]
fn the_version_of_the_option_overrides_that_of_vermagic() {
    let machine = klp_arch::machines()[0].name;
    let kernel = of(machine, "6.12", &[("vermagic=7.2.", "vermagic=6.1.")]);
    assert_eq!((kernel.version, kernel.layouts), (KernelVersion::new(6, 12), MemoryModel::Regions));
    let kernel = of(machine, "", &[("vermagic=7.2.", "vermagic=none")]);
    assert_eq!(kernel.version, KernelVersion::NEWEST);
}

#[test]
fn a_config_probe_sets_features_if_present_and_clears_them_if_absent() {
    let mut witnesses = 0;
    for machine in klp_arch::machines() {
        let none = learnt(machine, &["f"]).configuration.features;
        for ConfigProbe { symbol, features } in machine.config_probes {
            witnesses += 1;
            let with = learnt(machine, &["f", symbol]).configuration.features;
            assert!(!none.intersects(*features) && with == none | *features, "{symbol}");
        }
    }
    assert!(witnesses > 2);
}

#[test]
fn symbols_of_vmlinux_give_image_page_size_and_addresses() {
    for machine in klp_arch::machines() {
        let usual = TargetKernel::newest(machine);
        // One end alone is not enough.
        assert_eq!(learnt(machine, &["_text"]).image, usual.image);
        assert_eq!(learnt(machine, &["_text", "_end"]).image, 0x1000..0x2000);
        assert_eq!(learnt(machine, &["f"]).page_size, usual.page_size);
        for (symbol, bytes) in machine.page_sizes {
            assert_eq!(learnt(machine, &[symbol]).page_size, *bytes);
        }
        for symbol in machine.kernel_symbols {
            let symbols = learnt(machine, &["f", symbol]).configuration.symbols;
            assert_eq!(symbols.into_iter().collect::<Vec<_>>(), [(*symbol, 0x2000)]);
        }
    }
}

#[test]
fn a_function_shows_whether_relocations_are_cleared_and_without_symbols_the_version() {
    for machine in klp_arch::machines() {
        for version in ["6.1", "7.2"] {
            let clears = |names: &[&'static str]| {
                let mut kernel = TargetKernel::of_version(machine, version.parse().unwrap());
                kernel.learn(machine, &vmlinux(names));
                kernel.livepatching.clears
            };
            let [function, livepatching] = CLEARS;
            assert!(clears(&["f", function]) && clears(&[livepatching, function]));
            assert!(!clears(&[livepatching]));
            // Not all symbols are known.
            assert_eq!(clears(&["f"]), version == "7.2");
        }
    }
}

#[test]
fn per_cpu_variables_of_modules_follow_those_of_vmlinux() {
    for machine in klp_arch::machines() {
        let kernel = learnt(machine, &["_text", "__per_cpu_start", "__per_cpu_end", "_end"]);
        assert_eq!(kernel.per_cpu, 0x2000..0x3000);
        assert_eq!(kernel.module_per_cpu(), 0x3000..0x5000);
        // Without both ends: somewhere in vmlinux.
        let kernel = learnt(machine, &["_text", "_end", "__per_cpu_start"]);
        assert_eq!(kernel.per_cpu, 0x1000..0x2000);
        let usual = crate::load::Placement::usual(machine, &kernel);
        let base = usual.bases.get(&RegionKind::Percpu).copied().unwrap();
        assert!(base.is_multiple_of(kernel.page_size) && base - 0x2000 < kernel.page_size);
    }
}

#[test]
fn without_vmlinux_nothing_is_learnt_and_without_data_nothing_about_profiling() {
    for machine in klp_arch::machines() {
        let usual = TargetKernel::newest(machine);
        let mut kernel = usual.clone();
        kernel.learn(machine, &Answer::default());
        assert_eq!(kernel.configuration.features, usual.configuration.features);
        assert!(kernel.separate_codetags);
        assert!(!learnt(machine, &["f"]).separate_codetags);
        assert!(learnt(machine, &[PROFILING]).separate_codetags);
        assert!(
            !learnt(machine, &["f"]).reads_btf && learnt(machine, &["btf_module_notify"]).reads_btf
        );
        let mut functions_only = TargetKernel { kallsyms_all: false, ..usual };
        functions_only.learn(machine, &vmlinux(&["f"]));
        assert!(functions_only.separate_codetags);
    }
}

/// The decisions of the generic loader that differ between kernels.
fn decisions(version: &str) -> Vec<&'static str> {
    let kernel = TargetKernel::of_version(klp_arch::machines()[0], version.parse().unwrap());
    let decided = [
        (kernel.layouts == MemoryModel::Regions, "regions"),
        (kernel.checks_machine_flags, "machine flags"),
        (kernel.checks_this_module, "struct module"),
        (kernel.rejects_second_modinfo, "one .modinfo"),
        (kernel.checks_headers_first, "headers first"),
        (kernel.refuses_section_twins, "section twins"),
        (kernel.separate_codetags, "codetags"),
        (kernel.imports.quoted_namespaces, "namespaces"),
        (kernel.relocates_percpu, "percpu"),
        (kernel.marks_all_ro_after_init && kernel.static_call_sites_read_only, "ro after init"),
        (kernel.flags_apart, "flags"),
        (kernel.livepatching.clears, "clears"),
        (kernel.livepatching.names_relocation, "names relocation"),
        (kernel.livepatching.sympos_saturates, "sympos_saturates"),
    ];
    decided.into_iter().filter_map(|(is, what)| is.then_some(what)).collect()
}

#[test]
fn long_term_kernels_and_the_newest_decide_as_their_sources_do() {
    let added = |old: &str, new: &str| -> Vec<&str> {
        let before = decisions(old);
        assert!(
            before.iter().all(|what| decisions(new).contains(what)),
            "nothing is dropped: {new}"
        );
        decisions(new).into_iter().filter(|what| !before.contains(what)).collect()
    };
    assert_eq!(decisions("6.1"), [""; 0]);
    let closer = ["regions", "machine flags", "struct module", "one .modinfo", "clears"];
    assert_eq!(added("6.1", "6.6"), closer);
    assert_eq!(added("6.6", "6.12"), ["section twins"]);
    let newer = ["headers first", "codetags", "namespaces", "percpu", "ro after init"];
    assert_eq!(added("6.12", "6.18"), newer);
    assert_eq!(added("6.18", "7.2"), ["flags", "names relocation", "sympos_saturates"]);
    assert_eq!(added("7.2", "7.3"), [""; 0]);
    assert_eq!(added(&KernelVersion::NEWEST.to_string(), "99.0"), [""; 0]);
}

#[test]
fn a_stable_release_has_what_was_backported_to_it() {
    let headers_first = |release: &str| of("x86_64", release, &[]).checks_headers_first;
    assert!(!headers_first("6.12.95+deb12-amd64") && headers_first("6.12.117+deb13-amd64"));
    assert!(!headers_first("6.11.117") && headers_first("6.13.0"));
}

#[test]
fn each_bound_lies_between_the_two_releases_that_were_read() {
    let first = |what: &str, old, new| {
        assert!(!decisions(old).contains(&what), "{what} in {old}");
        assert!(decisions(new).contains(&what), "{what} not in {new}");
    };
    first("machine flags", "6.1", "6.2");
    first("clears", "6.2", "6.3");
    for what in ["regions", "struct module", "one .modinfo"] {
        first(what, "6.3", "6.4");
    }
    first("section twins", "6.11", "6.12");
    for what in ["headers first", "codetags", "namespaces"] {
        first(what, "6.12", "6.13");
    }
    // 6.15 to 6.17 were not read.
    for what in ["percpu", "ro after init"] {
        first(what, "6.14", "6.18");
    }
    first("names relocation", "6.18", "6.19");
    first("flags", "7.0", "7.1");
    first("sympos_saturates", "7.1", "7.2");
}
