//! What goes wrong in a load and the kernel does not notice at once.

use super::Loaded;
use super::misread::misread;
use crate::findings::Finding;

impl Loaded<'_> {
    /// What the kernel does not notice when the module comes: relocations that it never applies, references and
    /// tables that lead out of the module, functions that are not code. Of each kind but the first one finding.
    #[must_use]
    pub fn unnoticed(&self) -> Vec<Finding> {
        let mut unnoticed = self.ignored();
        unnoticed.extend(self.relocated_tables());
        unnoticed.extend(misread(self.module));
        unnoticed.extend(self.found_section_0());
        unnoticed.extend(self.dangling());
        unnoticed.extend(self.without_base());
        unnoticed.extend(self.edits_elsewhere());
        unnoticed.extend(self.nameless_export());
        unnoticed.extend(self.uneven());
        unnoticed.extend(self.read_only_init());
        unnoticed.extend(self.read_only_table());
        unnoticed.extend(self.astray());
        unnoticed.extend(self.wrong_permissions());
        unnoticed.extend(self.without_code());
        unnoticed.extend(self.without_init());
        unnoticed.extend(self.frees_exit());
        unnoticed.extend(self.frees_callback());
        unnoticed.extend(self.zero_address());
        unnoticed.extend(self.unusable_structure());
        unnoticed.extend(self.stopped_ftrace());
        unnoticed
    }
}
