//! Configuration read off vmlinux's symbols, except what concerns the machine.
//!
//! Invariant: only used on a vmlinux whose symbols are known, so a missing symbol means the option
//! is off.

use klp_arch::VersionRange;

use super::TargetKernel;
use crate::name::ObjectName;
use crate::symbols::Answer;

/// Start and end (exclusive) of vmlinux's per-CPU variables.
pub(super) const PER_CPU: [&str; 2] = ["__per_cpu_start", "__per_cpu_end"];

/// A symbol of every kernel with `CONFIG_MEM_ALLOC_PROFILING`, and of no other.
pub(super) const PROFILING: &str = "mem_alloc_profiling_key";

/// Sets what follows from an option being on or off.
type Switch = fn(&mut TargetKernel, bool);

/// Functions of vmlinux that exist exactly if an option is on, and what follows from it.
const SWITCHES: [(&str, Switch); 4] = [
    ("is_module_sig_enforced", |kernel, on| kernel.checks_signatures = on),
    ("module_decompress", |kernel, on| kernel.decompresses = Some(on)),
    ("btf_module_notify", |kernel, on| kernel.reads_btf = on),
    ("klp_enable_patch", |kernel, on| kernel.livepatches = on),
];

/// A symbol of every kernel with `CONFIG_CONSTRUCTORS`, and of no other.
const CONSTRUCTORS: &str = "__ctors_start";

/// Kernels that set aside more for modules where memory allocations are profiled, and how many bytes.
const PERCPU_PROFILED: (VersionRange, u64) =
    (VersionRange::since(6, 10).and_before(6, 16), 64 << 10);

/// The names to look up in the sources.
pub(super) fn wanted() -> impl Iterator<Item = &'static str> {
    let switches = SWITCHES.iter().map(|(symbol, _)| *symbol);
    switches.chain([CONSTRUCTORS]).chain(PER_CPU)
}

/// Sets the kernel's configuration from its symbols.
pub(super) fn learn(kernel: &mut TargetKernel, answer: &Answer) {
    let vmlinux = ObjectName::vmlinux();
    let has = |name: &str| answer.candidates_in(name, &vmlinux).next().is_some();
    for (symbol, learn) in SWITCHES {
        let exported = answer.export(symbol).is_some_and(|export| export.owner.is_vmlinux());
        learn(kernel, exported || has(symbol));
    }
    let address = |name| answer.candidates_in(name, &vmlinux).find_map(|found| found.address);
    if let Some((start, end)) = address(PER_CPU[0]).zip(address(PER_CPU[1])) {
        kernel.percpu_static = end.checked_sub(start);
    }
    // These are data symbols: a table of functions only proves nothing.
    if kernel.kallsyms_all {
        kernel.constructors = has(CONSTRUCTORS);
        let (versions, bytes) = PERCPU_PROFILED;
        let profiled = has(PROFILING) && versions.contains(kernel.version);
        if profiled && kernel.percpu_reserve.is_some() {
            kernel.percpu_reserve = Some(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::symbols::{Candidate, Order};

    /// A kernel whose vmlinux has these symbols, at 0x1000, 0x2000, ...
    fn learnt(version: &str, names: &[&str]) -> TargetKernel {
        let mut answer = Answer::default();
        answer.note();
        answer.object(&ObjectName::vmlinux());
        for (name, address) in names.iter().zip((0x1000..).step_by(0x1000)) {
            answer.candidate(Candidate {
                object: ObjectName::vmlinux(),
                name: (*name).into(),
                position: NonZeroU32::MIN,
                homonyms: 1,
                live_position: Some(NonZeroU32::MIN),
                address: Some(address),
                size: None,
                file: None,
                unit: None,
                section: None,
                binding: None,
                kind: None,
                letter: Some(b'T'),
                init: false,
                untraceable: false,
                order: Order::Proven,
                beside: std::sync::OnceLock::new(),
            });
        }
        let mut kernel =
            TargetKernel::of_version(klp_arch::machines()[0], version.parse().unwrap());
        kernel.percpu_reserve = Some(8192);
        learn(&mut kernel, &answer);
        kernel
    }

    #[test]
    fn functions_of_vmlinux_show_what_is_configured() {
        let usual = TargetKernel::newest(klp_arch::machines()[0]);
        assert!(usual.checks_signatures && usual.livepatches && usual.decompresses.is_none());
        let on = learnt("7.2", &SWITCHES.map(|(symbol, _)| symbol));
        assert!(on.checks_signatures && on.livepatches && on.decompresses == Some(true));
        let off = learnt("7.2", &["f"]);
        assert!(!off.checks_signatures && !off.livepatches && off.decompresses == Some(false));
        assert!(!off.constructors && learnt("7.2", &[CONSTRUCTORS]).constructors);
    }

    #[test]
    fn per_cpu_memory_depends_on_symbols_and_on_profiling() {
        assert_eq!(learnt("7.2", &["f"]).percpu_static, None);
        assert_eq!(learnt("7.2", &PER_CPU).percpu_static, Some(0x1000));
        let reserve = |version, names: &[&str]| learnt(version, names).percpu_reserve;
        assert_eq!(reserve("6.12", &[PROFILING]), Some(64 << 10));
        for (version, names) in [("6.12", "f"), ("6.1", PROFILING), ("7.2", PROFILING)] {
            assert_eq!(reserve(version, &[names]), Some(8 << 10));
        }
    }
}
