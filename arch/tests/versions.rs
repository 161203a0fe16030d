//! What each machine's loader is assumed to do on which kernel, from its sources: `docs/kernels.md`.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use klp_arch::Features;

#[test]
fn machines_match_the_sources_of_each_long_term_kernel() {
    let features = |machine: &str, version: &str| {
        klp_arch::by_name(machine).unwrap().features(version.parse().unwrap())
    };
    let has = |machine: &str, feature: Features| -> Vec<bool> {
        let versions = ["6.1", "6.6", "6.12", "6.18", "7.2", "7.3"];
        versions.map(|version| features(machine, version).contains(feature)).to_vec()
    };
    let since = |count: usize| (0..6).map(|n| n >= count).collect::<Vec<_>>();
    let until = |count: usize| (0..6).map(|n| n < count).collect::<Vec<_>>();
    assert_eq!(has("x86_64", Features::CHECKS_PLACE_FIRST), until(1));
    assert_eq!(has("x86_64", Features::SHORT_ALTERNATIVES), until(1));
    assert_eq!(has("x86_64", Features::TERSE_MESSAGES), until(4));
    assert_eq!(has("s390x", Features::SHORT_ALTERNATIVES), until(2));
    assert_eq!(has("arm64", Features::DYNAMIC_FTRACE_WITH_REGS), until(1));
    assert_eq!(has("arm64", Features::INIT_TRAMPOLINE), since(3));
    assert_eq!(has("ppc64le", Features::RESTORES_R2_ONCE), until(1));
    assert_eq!(has("ppc64le", Features::STUB_TERMINATOR), until(3));
    assert_eq!(has("ppc64le", Features::FTRACE_OUT_OF_LINE), since(3));
    for machine in ["ppc64le", "arm64"] {
        assert_eq!(has(machine, Features::OLD_SORT), until(2));
        let middle = |version| features(machine, version).contains(Features::MIDDLE_SORT);
        assert_eq!(["6.8", "6.9", "6.10", "6.11"].map(middle), [false, true, true, false]);
    }
    let bounds = [
        ("x86_64", Features::CHECKS_PLACE_FIRST, "6.2", "6.3"),
        ("x86_64", Features::SHORT_ALTERNATIVES, "6.2", "6.3"),
        ("x86_64", Features::TERSE_MESSAGES, "6.18", "6.19"),
        ("s390x", Features::SHORT_ALTERNATIVES, "6.10", "6.11"),
        ("arm64", Features::DYNAMIC_FTRACE_WITH_REGS, "6.1", "6.2"),
        ("arm64", Features::OLD_SORT, "6.8", "6.9"),
        ("ppc64le", Features::OLD_SORT, "6.8", "6.9"),
        ("ppc64le", Features::RESTORES_R2_ONCE, "6.2", "6.3"),
        ("ppc64le", Features::STUB_TERMINATOR, "6.14", "6.18"),
    ];
    for (machine, feature, last, first) in bounds {
        let with = |version| features(machine, version).contains(feature);
        assert!(with(last) && !with(first), "{machine} {feature:?}");
    }
    assert!(!features("ppc64le", "6.12").contains(Features::FTRACE_OUT_OF_LINE));
    assert!(features("ppc64le", "6.13").contains(Features::FTRACE_OUT_OF_LINE));
}

#[test]
fn a_kernel_of_s390x_moves_when_it_boots_since_its_addresses_are_virtual() {
    let s390x = klp_arch::by_name("s390x").unwrap().loader;
    let offset = |text, version: &str| s390x.boot_offset(text, version.parse().unwrap());
    let base = 0x3ff_e000_0000;
    assert_eq!([offset(0x10_0000, "6.9"), offset(0x10_0000, "6.10")], [0, base]);
    // One that runs, and one with KASLR.
    assert_eq!([offset(base + 0x10_0000, "7.2"), offset(0x3fe_1234_c000, "7.2")], [0, 0]);
    let area = |start, version: &str| {
        let image = start..start + 0x100_0000;
        s390x.module_areas(&image, version.parse().unwrap()).remove(0)
    };
    assert_eq!(area(base + 0x10_0000, "7.2"), base - 0x8000_0000..base);
    assert_eq!(area(base + 0x10_c000, "7.2"), base - 0x8000_0000..base);
    assert_eq!(area(0x10_0000, "6.9"), 0x3ff_8000_0000..0x400_0000_0000);
    for machine in klp_arch::machines().iter().filter(|machine| machine.name != "s390x") {
        assert_eq!(machine.loader.boot_offset(0x10_0000, "7.2".parse().unwrap()), 0);
    }
}
