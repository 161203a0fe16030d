//! Where the kernel jumps to in a module: its init and exit functions, and the replacements of a patch.
//!
//! The kernel does not look whether there is code. Source: `kernel/module/main.c:do_init_module`,
//! `module_enable_nx`, `kernel/livepatch/patch.c:klp_ftrace_handler`.

use super::Loaded;
use super::code::Code;
use crate::findings::{Consequence, Finding, Stage};

impl Loaded<'_> {
    /// The first function that the kernel would call and that is not code of the module. A replacement in another
    /// object is none of this.
    pub(super) fn without_code(&self) -> Option<Finding> {
        let own = self.entry_points().map(|address| ("init or exit", address));
        let functions = self.tables.objects().iter().flat_map(|object| &object.functions);
        let new = functions.filter_map(|function| Some(("new_func", self.address(function)?)));
        let code = Code::of(self);
        let (what, address) = own.chain(new).find(|(_, address)| !code.is_at(*address))?;
        let why = format!(
            "the kernel would jump to {address:#x}{}, its {what}, where it has no code",
            self.place_of(address)
        );
        Some(Finding::unnoticed(Stage::Form, Consequence::Corrupted, why))
    }
}
