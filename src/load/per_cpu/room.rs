//! Room for a module's per-CPU variables (`percpu_modalloc`).
//!
//! Most machines reserve a few kilobytes for all modules together. How much is left depends on the
//! modules loaded, so only what never fits is an error. Sources: `kernel/module/main.c`,
//! `mm/percpu.c:pcpu_alloc_noprof`, `pcpu_setup_first_chunk`.

use klp_arch::{Errno, KernelError};

use crate::findings::{Finding, Stage};
use crate::load::TargetKernel;

/// Largest allocation in bytes (`PCPU_MIN_UNIT_SIZE`), unless a page is larger.
const UNIT: u64 = 32 << 10;
/// Smallest size and alignment of one (`PCPU_MIN_ALLOC_SIZE`).
const LEAST: u64 = 4;

/// Whether a template of `size` bytes with this alignment can be copied to every CPU. Alignment is
/// capped at a page; the kernel logs that.
pub(in crate::load) fn allocate(
    name: &str,
    size: u64,
    align: u64,
    kernel: &TargetKernel,
) -> Result<(), Finding> {
    let align = align.clamp(LEAST, kernel.page_size.max(LEAST));
    if size == 0 || fits(size, align, kernel) {
        return Ok(());
    }
    let message = format!("{name}: Could not allocate {size} bytes percpu data");
    Err(Finding::refused(Stage::Layout, KernelError { errno: Errno::ENOMEM, message }))
}

fn fits(size: u64, align: u64, kernel: &TargetKernel) -> bool {
    if size > UNIT.max(kernel.page_size) || !align.is_power_of_two() {
        return false;
    }
    let Some(reserve) = kernel.percpu_reserve else { return true };
    // The reserve starts at the end of vmlinux's own variables, which start on a page. If that end
    // is unknown, it may be aligned.
    let start = kernel.percpu_static.map_or(0, |bytes| bytes.next_multiple_of(LEAST));
    let first = start.next_multiple_of(align);
    first.saturating_add(size.next_multiple_of(LEAST)) <= start.saturating_add(reserve)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(change: impl FnOnce(&mut TargetKernel)) -> TargetKernel {
        let mut kernel = TargetKernel::newest(klp_arch::machines()[0]);
        (kernel.percpu_reserve, kernel.percpu_static, kernel.page_size) = (Some(8192), None, 4096);
        change(&mut kernel);
        kernel
    }

    fn refused(size: u64, align: u64, change: impl FnOnce(&mut TargetKernel)) -> bool {
        let refusal = allocate("m", size, align, &kernel(change)).err();
        let text = format!("m: Could not allocate {size} bytes percpu data -ENOMEM");
        refusal.is_some_and(|refusal| {
            assert_eq!(crate::load::Refused::from(refusal).to_string(), text);
            true
        })
    }

    #[test]
    fn all_modules_share_the_reserve() {
        assert!(!refused(8192, 64, |_| {}) && refused(8193, 64, |_| {}));
        assert!(refused(12288, 4096, |_| {}) && !refused(0, 1, |_| {}));
        assert!(!refused(32768, 8, |k| k.percpu_reserve = None));
        assert!(refused(32769, 8, |k| k.percpu_reserve = None));
        assert!(!refused(40000, 8, |k| (k.percpu_reserve, k.page_size) = (None, 65536)));
    }

    #[test]
    fn the_start_of_the_reserve_counts_if_it_is_known() {
        assert!(!refused(8192, 64, |k| k.percpu_static = Some(640)));
        assert!(refused(8192, 64, |k| k.percpu_static = Some(648)));
        assert!(!refused(4096, 4096, |k| k.percpu_static = Some(4096 + 8)));
        assert!(refused(4112, 4096, |k| k.percpu_static = Some(4096 + 8)));
        // A larger alignment than a page is cut to a page.
        assert!(!refused(4096, 1 << 20, |k| k.percpu_static = Some(4096 + 8)));
    }

    #[test]
    fn an_alignment_that_is_not_a_power_of_two_is_refused() {
        assert!(refused(8, 640, |_| {}) && refused(8, 24, |k| k.percpu_reserve = None));
        // Smaller ones are raised, larger ones cut.
        assert!(!refused(8, 3, |_| {}) && !refused(8, 5000, |_| {}));
    }
}
