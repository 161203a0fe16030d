//! What the kernel does not check in a file, and what then changes what it reads.
//!
//! Sources: `kernel/module/main.c:elf_validity_cache_secstrings`, `rewrite_section_headers`, `simplify_symbols`;
//! `find_section` of a machine.

use super::Loaded;
use crate::elf::{ElfError, Module};
use crate::findings::{Consequence, Finding, Stage};

/// A section without a type and with a name outside of the table, which is compared with others (`module_finalize`);
/// a symbol, also the null symbol, of a section that is not there (`elf_type`);
/// a section whose bytes are the kernel's own: section headers, which get addresses, and symbols, which get values.
pub(crate) fn misread(module: &Module<'_>) -> Option<Finding> {
    let symtab = module.symtab();
    let why = module.irregularities().iter().find_map(|fault| match fault {
        ElfError::SectionName { .. } => Some(format!("{fault}: the kernel reads other memory")),
        ElfError::SymbolSection { section, count, .. } => {
            let outside = usize::try_from(*section).is_ok_and(|section| section >= *count);
            outside.then(|| format!("{fault}: the kernel reads other memory"))
        }
        ElfError::OverlapsHeaders { table: true, .. } => {
            Some(format!("{fault}, to which the kernel writes"))
        }
        ElfError::Overlap { section, other, .. } => {
            let symbols = section.index == symtab || other.index == symtab;
            symbols.then(|| format!("{fault}: the kernel writes to its symbols"))
        }
        _ => None,
    })?;
    Some(Finding::unnoticed(Stage::Form, Consequence::Corrupted, why))
}

impl Loaded<'_> {
    /// Section 0, which has no address, under a name by which the kernel looks for another one.
    pub(super) fn found_section_0(&self) -> Option<Finding> {
        let name = self.module.name_of_section_0();
        let name = self.machine.from_section_0.iter().find(|wanted| wanted.as_bytes() == name)?;
        let why = format!("section 0 is called '{name}': the kernel takes it for that section");
        Some(Finding::unnoticed(Stage::Finish, Consequence::Corrupted, why))
    }
}
