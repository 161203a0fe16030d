//! Which kernel function reads a section before relocations that wait for another object are written.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use klp_arch::{Features, Machine, by_name, machines};

fn reader(machine: &Machine, section: &str) -> Option<&'static str> {
    let mut rows = machine.special_sections();
    rows.find(|row| row.read && row.is_named(section.as_bytes())).map(|row| row.by)
}

#[test]
fn every_machine_reads_what_all_machines_share() {
    let shared = [
        ("__jump_table", "jump_label_add_module"),
        (".static_call_sites", "static_call_add_module"),
        ("__ex_table", "sort_extable"),
        ("__mcount_loc", "ftrace_process_locs"),
        ("__patchable_function_entries", "ftrace_process_locs"),
        ("__ksymtab_gpl", "simplify_symbols of other modules"),
        (".init_array.1", "do_mod_ctors"),
        (".ctors", "do_mod_ctors"),
        ("__param", "parse_args"),
        ("_ftrace_events", "trace_module_add_events"),
        ("__tracepoints_ptrs", "tracepoint_module_coming"),
        (".gnu.linkonce.this_module", "layout_and_allocate"),
    ];
    for machine in machines() {
        for (section, by) in shared {
            assert_eq!(reader(machine, section), Some(by), "{} {section}", machine.name);
        }
        for section in [".text", ".data", "__bug_table", "__dyndbg", "__tracepoints", "__paramx"] {
            assert_eq!(reader(machine, section), None, "{} {section}", machine.name);
        }
    }
}

#[test]
fn a_machine_reads_what_its_own_module_finalize_reads() {
    let own = [
        ("x86_64", ".altinstructions", "apply_alternatives"),
        ("x86_64", ".altinstr_replacement", "apply_alternatives"),
        ("x86_64", ".parainstructions", "apply_paravirt"),
        ("x86_64", ".retpoline_sites", "apply_retpolines"),
        ("x86_64", ".return_sites", "apply_returns"),
        ("x86_64", ".call_sites", "callthunks_patch_module_calls"),
        ("x86_64", ".cfi_sites", "apply_fineibt"),
        ("x86_64", ".ibt_endbr_seal", "apply_seal_endbr"),
        ("x86_64", ".smp_locks", "alternatives_smp_module_add"),
        ("x86_64", ".orc_unwind", "unwind_module_init"),
        ("x86_64", ".orc_unwind_ip", "unwind_module_init"),
        ("arm64", ".altinstructions", "apply_alternatives_module"),
        ("arm64", ".altinstr_replacement", "apply_alternatives_module"),
        ("arm64", ".init.eh_frame", "scs_patch"),
        ("s390x", ".altinstructions", "apply_alternatives"),
        ("s390x", ".altinstr_replacement", "apply_alternatives"),
        ("s390x", ".s390_indirect_call", "nospec_revert"),
        ("s390x", ".s390_return_mem", "nospec_revert"),
        ("s390x", "__stack_protector_loc", "stack_protector_apply"),
        ("ppc64le", "__ftr_fixup", "do_feature_fixups"),
        ("ppc64le", "__ftr_alt_97", "do_feature_fixups"),
        ("ppc64le", "__mmu_ftr_fixup", "do_feature_fixups"),
        ("ppc64le", "__fw_ftr_fixup", "do_feature_fixups"),
        ("ppc64le", "__spec_barrier_fixup", "do_barrier_nospec_fixups_range"),
        ("ppc64le", "__lwsync_fixup", "do_lwsync_fixups"),
    ];
    for (machine, section, by) in own {
        assert_eq!(reader(by_name(machine).unwrap(), section), Some(by), "{machine} {section}");
    }
    assert_eq!(reader(by_name("arm64").unwrap(), ".text.ftrace_trampoline"), None);
    assert_eq!(reader(by_name("ppc64le").unwrap(), ".altinstructions"), None);
}

/// No two rows say the same: a function changes, or rewrites, a section once.
#[test]
fn no_kernel_has_two_rows_for_one_thing() {
    for machine in machines() {
        for features in [Features::empty(), Features::all()] {
            let here = || machine.special_sections().filter(|row| row.when.holds(features));
            for (index, row) in here().enumerate() {
                let others = || here().skip(index + 1).filter(|other| other.name == row.name);
                let again = others().any(|other| {
                    row.rewritten && other.rewritten
                        || !row.targets.is_empty() && !other.targets.is_empty()
                });
                assert!(!again, "{} {}", machine.name, row.name);
            }
        }
    }
}
