//! Names that no source of a livepatch has: compilers, macros and modpost make them.
//!
//! They change with every build, and mean nothing to a livepatch that is carried from one kernel to the
//! next. A variant of a function with other arguments (`foo.isra.0`) is not one of them: a table of
//! functions may have it.

use memchr::memmem;

/// How they start. Static calls and tracepoints are not here: livepatches use them.
const STARTS: [&[u8]; 32] = [
    // Labels of compilers and mapping symbols of assemblers.
    b".L",
    b"$",
    // Beside a function: `scripts/Makefile.lib`, `include/linux/cfi_types.h`.
    b"__pfx_",
    b"__cfi_",
    // Of C itself.
    b"__func__",
    b"__FUNCTION__",
    b"__PRETTY_FUNCTION__",
    b"__compound_literal",
    // `include/linux/compiler.h`, `export.h`, `moduleparam.h`, `init.h`, `once.h`, `printk.h`, `elfnote.h`.
    b"__UNIQUE_ID_",
    b"__addressable_",
    b"__export_symbol_",
    b"__ksymtab_",
    b"__kstrtab_",
    b"__kstrtabns_",
    b"__kcrctab_",
    b"__kflagstab_",
    b"__crc_",
    b"__param_",
    b"__mod_",
    b"__initcall_",
    b"__already_done",
    b"_entry.",
    b"_entry_ptr.",
    b"_note_",
    // `include/linux/btf_ids.h`.
    b"__BTF_ID__",
    // `include/trace/`: what describes a tracepoint, not what calls it.
    b"__TRACE_SYSTEM_",
    b"TRACE_SYSTEM_",
    b"__tpstrtab_",
    b"__bpf_trace_",
    b"__event_",
    b"event_class_",
    b"print_fmt_",
];

/// Whole names, which `scripts/mod/modpost.c` gives to every module.
const WHOLE: [&[u8]; 2] = [b"__this_module", b"____versions"];

/// Suffixes of functions that compilers have changed: the number after them tells variants apart.
const VARIANTS: [&[u8]; 3] = [b".isra", b".constprop", b".part"];

/// Whether compilers, macros or modpost have made a name.
#[must_use]
pub fn is_generated(name: &str) -> bool {
    let name = name.as_bytes();
    WHOLE.contains(&name)
        || STARTS.iter().any(|start| name.starts_with(start))
        || is_cold(name)
        || is_numbered(name)
}

/// The unlikely part of a function (`foo.cold`), which nobody calls by itself.
fn is_cold(name: &[u8]) -> bool {
    memmem::find(name, b".cold").is_some_and(|at| matches!(name.get(at + 5), None | Some(b'.')))
}

/// A static variable of a function (`lock.1`), but no variant of a function.
fn is_numbered(name: &[u8]) -> bool {
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let stem = name.len().checked_sub(digits + 1).and_then(|at| name.split_at_checked(at));
    digits > 0
        && stem.is_some_and(|(stem, rest)| {
            !stem.is_empty()
                && rest.first() == Some(&b'.')
                && !VARIANTS.iter().any(|variant| stem.ends_with(variant))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compilers_macros_and_modpost_make_names() {
        for name in [
            ".LC12",
            "$d",
            "__pfx_schedule",
            "__UNIQUE_ID___addressable_init_module123",
            "__func__.17",
            "__compound_literal.0",
            "__ksymtab_printk",
            "__kstrtabns_printk",
            "_note_9",
            "_entry_ptr.4",
            "__this_module",
            "lock.1",
            "__key.12345",
            "schedule.cold",
            "schedule.cold.3",
            "schedule.isra.0.cold",
            "__bpf_trace_sched_switch",
        ] {
            assert!(is_generated(name), "{name}");
        }
    }

    #[test]
    fn what_a_source_says_is_not_made_nor_is_a_variant_of_a_function() {
        for name in [
            "schedule",
            "__schedule",
            "schedule.isra.0",
            "schedule.constprop.12",
            "schedule.part.0",
            "schedule.llvm",
            "__tracepoint_sched_switch",
            "__SCK__tp_func_sched_switch",
            "init_module",
            "cold",
            "x.coldest",
            "ipv4",
            "v1",
            ".1",
            ".TOC.",
            "f.",
            "1",
            "",
            "__this_module_too",
        ] {
            assert!(!is_generated(name), "{name}");
        }
    }
}
