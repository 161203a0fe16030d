//! Livepatches of vmlinux that print what their klp relocations lead to.

use std::sync::Arc;

use klp_arch::KernelVersion;

use super::text::filled;
use super::{CMDLINE, fits};
use crate::case::Case;
use crate::failure::Failure;
use crate::kernel::{Machine, Release, TestKernel};
use crate::session::Session;

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    VALUES.iter().map(|value| Arc::new(value) as _).collect()
}

/// A livepatch and the output of the patched function.
struct Value {
    name: &'static str,
    shows: &'static str,
    livepatch: &'static str,
    says: &'static str,
    /// Its output in Linux 6.1, where homonyms have another order.
    said: Option<&'static str>,
    unfit: fn(&TestKernel) -> Option<String>,
}

/// The files are those of the newest kernel, and boot images do not have files.
fn files(kernel: &TestKernel) -> Option<String> {
    let image = "a boot image does not record source files";
    let others = "the homonyms are from other files in this kernel";
    let why = if kernel.modules.is_some() { image } else { others };
    (kernel.version < KernelVersion::new(6, 13)).then(|| why.into())
}

fn key_off(kernel: &TestKernel) -> Option<String> {
    if kernel.version < KernelVersion::new(6, 3) {
        return Some("vmlinux has no key check_pages_enabled".into());
    }
    (kernel.release == Release::Debian612)
        .then(|| "check_pages_enabled is on: init_on_alloc".into())
}

fn key_on(kernel: &TestKernel) -> Option<String> {
    let here = kernel.release == Release::Debian612;
    (!here).then(|| "no such key, or check_pages_enabled is off".into())
}

fn toc(kernel: &TestKernel) -> Option<String> {
    (kernel.machine != Machine::Ppc64le)
        .then(|| "modules of ppc64le only have .toc sections".into())
}

/// Some kernels from 6.2 to 6.10 look names up without the suffix of Clang's LTO.
fn promoted(kernel: &TestKernel) -> Option<String> {
    match kernel.release {
        Release::Lto if kernel.cuts_names() => None,
        Release::Lto => {
            Some("names that Clang's LTO makes are compared whole in this kernel".into())
        }
        _ => Some("it is not built with Clang's LTO".into()),
    }
}

static VALUES: [Value; 14] = [
    Value {
        name: "vmlinux/inferred",
        shows: "symbols that occur once in vmlinux need no annotation",
        livepatch: "lp_vmlinux_inferred",
        says: "lp_vmlinux_inferred: 1 {/proc/cmdline}\n",
        said: None,
        unfit: fits,
    },
    Value {
        name: "vmlinux/annotated-array",
        shows: "a variable and a function annotated with an array",
        livepatch: "lp_vmlinux_annotated_array",
        says: "lp_vmlinux_annotated_array: 1 {/proc/cmdline}\n",
        said: None,
        unfit: fits,
    },
    Value {
        name: "vmlinux/annotated-name",
        shows: "a variable and a function annotated by name",
        livepatch: "lp_vmlinux_annotated_name",
        says: "lp_vmlinux_annotated_name: 1 {/proc/cmdline}\n",
        said: None,
        unfit: fits,
    },
    Value {
        name: "vmlinux/homonyms",
        shows: "the first of two functions and the second of a function and a variable",
        livepatch: "lp_homonyms_annotated",
        says: "lp_homonyms_annotated: set_is_seen {vmlinux.set_is_seen,1} 0 \
               set_root {vmlinux.set_root,2}\n",
        said: Some(
            "lp_homonyms_annotated: set_is_seen {vmlinux.set_is_seen,1} 1 \
             set_root {vmlinux.set_root,2}\n",
        ),
        unfit: fits,
    },
    Value {
        name: "vmlinux/two-positions",
        shows: "both functions of one name called from one file, with different results",
        livepatch: "lp_two_positions",
        says: "lp_two_positions: {vmlinux.set_is_seen,1} 0 {vmlinux.set_is_seen,2} 1\n",
        said: Some("lp_two_positions: {vmlinux.set_is_seen,1} 1 {vmlinux.set_is_seen,2} 0\n"),
        unfit: fits,
    },
    Value {
        name: "vmlinux/selector-file",
        shows: "homonyms chosen by their source files",
        livepatch: "lp_selector_file",
        says: "lp_selector_file: {vmlinux.set_is_seen,1} 0 {vmlinux.set_is_seen,2} 1 \
               {vmlinux.set_root,2}\n",
        said: None,
        unfit: files,
    },
    Value {
        name: "vmlinux/function-pointers",
        shows: "functions called through pointers in .data, constant data and a register",
        livepatch: "lp_function_pointers",
        says: "lp_function_pointers: {vmlinux.nr_processes,1} {vmlinux.nr_processes,1} \
               {vmlinux.cmdline_proc_show,1} 1\n{/proc/version}\n",
        said: None,
        unfit: fits,
    },
    Value {
        name: "vmlinux/data-pointers",
        shows: "references from .data, constant data and __ro_after_init",
        livepatch: "lp_data_pointers",
        says: "lp_data_pointers: 1 1 1\n",
        said: None,
        unfit: fits,
    },
    Value {
        name: "vmlinux/many-sections",
        shows: "references from several text sections, one of them named without a dot",
        livepatch: "lp_many_sections",
        says: "lp_many_sections: 1\n",
        said: None,
        unfit: fits,
    },
    Value {
        name: "vmlinux/many-objects",
        shows: "references from three object files, two of them with annotations",
        livepatch: "lp_many_objects",
        says: "lp_many_objects 1: {/proc/cmdline} 1 {vmlinux.set_root,2}\n\
               lp_many_objects 2: {/proc/cmdline} {vmlinux.set_root,2}\n\
               lp_many_objects 3: {/proc/cmdline} 1\n",
        said: Some(
            "lp_many_objects 1: {/proc/cmdline} 0 {vmlinux.set_root,2}\n\
             lp_many_objects 2: {/proc/cmdline} {vmlinux.set_root,2}\n\
             lp_many_objects 3: {/proc/cmdline} 0\n",
        ),
        unfit: fits,
    },
    Value {
        name: "vmlinux/static-key",
        shows: "a static branch on a key of vmlinux that is off",
        livepatch: "lp_static_key_vmlinux",
        says: "lp_static_key_vmlinux: off\n",
        said: None,
        unfit: key_off,
    },
    Value {
        name: "vmlinux/static-key-on",
        shows: "a static branch on a key of vmlinux that is on",
        livepatch: "lp_static_key_vmlinux",
        says: "lp_static_key_vmlinux: on\n",
        said: None,
        unfit: key_on,
    },
    Value {
        name: "vmlinux/without-toc",
        shows: "a module without .toc section",
        livepatch: "lp_without_toc",
        says: "lp_without_toc: 1\n",
        said: None,
        unfit: toc,
    },
    Value {
        name: "vmlinux/promoted",
        shows: "static functions renamed by Clang's LTO, by their names in the source",
        livepatch: "lp_promoted",
        says: "lp_promoted: {vmlinux.show_trace_log_lvl,1} {vmlinux.m_show,1} {vmlinux.m_show,2}\n",
        said: None,
        unfit: promoted,
    },
];

impl Case for &'static Value {
    fn name(&self) -> String {
        self.name.into()
    }

    fn shows(&self) -> String {
        self.shows.into()
    }

    fn unfit(&self, kernel: &TestKernel) -> Option<String> {
        (self.unfit)(kernel)
    }

    /// Patched, disabled, unloaded, and the same again.
    fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let before = session.read(CMDLINE)?;
        let old = session.workshop.kernel.version < KernelVersion::new(6, 13);
        let says = self.said.filter(|_| old).unwrap_or(self.says);
        let says = filled(says, session)?;
        for _ in 0..2 {
            session.patch(self.livepatch)?;
            session.reads(CMDLINE, &says)?;
            session.disable(self.livepatch)?;
            session.reads(CMDLINE, &before)?;
            session.rmmod(self.livepatch)?;
            session.reads(CMDLINE, &before)?;
        }
        Ok(())
    }
}
