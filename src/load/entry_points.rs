//! Where the kernel jumps to in a module: its init and exit functions, and the replacements and callbacks of a patch.
//!
//! The kernel does not look whether there is code. Source: `kernel/module/main.c:do_init_module`,
//! `module_enable_nx`, `kernel/livepatch/patch.c:klp_ftrace_handler`, `kernel/livepatch/core.h:klp_pre_patch_callback`.

use super::Loaded;
use super::code::Code;
use crate::elf::Location;
use crate::findings::{Consequence, Finding, Stage};

impl Loaded<'_> {
    /// The first function that the kernel would call and that is not code of the module. A function of another
    /// object is none of this.
    pub(super) fn without_code(&self) -> Option<Finding> {
        let own = self.entry_points().map(|address| ("init or exit", address));
        let of_patch = self.tables.objects().iter().flat_map(|object| {
            let new = object.functions.iter().filter_map(|function| function.new_func);
            let new = new.map(|location| ("new_func", location));
            new.chain(object.callbacks.into_iter().flatten().map(|at| ("callback", at)))
        });
        let of_patch = of_patch.filter_map(|(what, at)| Some((what, self.address(at)?)));
        let code = Code::of(self);
        let (what, address) = own.chain(of_patch).find(|(_, address)| !code.is_at(*address))?;
        let why = format!(
            "the kernel would jump to {address:#x}{}, its {what}, where it has no code",
            self.place_of(address)
        );
        Some(Finding::unnoticed(Stage::Form, Consequence::Corrupted, why))
    }

    /// A callback that is freed before the kernel calls it: all but `pre_patch` of the kernel itself, as the transition
    /// may end after the module's init function.
    pub(super) fn frees_callback(&self) -> Option<Finding> {
        let names = ["pre_patch", "post_patch", "pre_unpatch", "post_unpatch"];
        let late = self.tables.objects().iter().flat_map(|object| {
            let callbacks = names.into_iter().zip(object.callbacks);
            callbacks.skip(usize::from(object.name.is_none()))
        });
        let is_freed = |at: &Location| {
            usize::try_from(at.section.get()).is_ok_and(|section| self.is_init(section))
        };
        let (name, at) =
            late.filter_map(|(name, at)| Some((name, at?))).find(|(_, at)| is_freed(at))?;
        let address = self.address(at)?;
        let why = format!(
            "its callback {name} is at {address:#x}{}, in memory that is freed after init",
            self.place_of(address)
        );
        Some(Finding::unnoticed(Stage::Form, Consequence::Corrupted, why))
    }
}
