//! Annotations do not reach the output: what is removed with them, and what rules that out.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use super::super::plan::Named;
use super::Planner;
use crate::findings::Refusal;

impl Planner<'_, '_> {
    /// Plans the removal of all annotations, and refuses annotations that nothing uses.
    pub(super) fn remove_annotations(&mut self) {
        let module = self.module;
        for annotation in self.annotations.iter() {
            let unused = self.klp.get(&annotation.symbol).is_some_and(|klp| !klp.used.get());
            if unused {
                let (name, location) = (annotation.name.clone(), annotation.location.clone());
                self.found.push(Refusal::AnnotationUnused { name, location }.into());
            }
        }
        let name = |name: &[u8]| name.to_str_lossy().into_owned();
        for &index in &self.annotations.sections {
            let name = module.section(index).map_or_else(String::new, |s| name(s.name));
            self.plan.removed_sections.push(Named { index, name });
        }
        for &index in &self.annotations.symbols {
            let name = module.symbol(index).map_or_else(String::new, |s| name(s.name));
            self.plan.removed_symbols.push(Named { index, name });
        }
        self.remove_uses_of_annotations();
    }

    /// Removes debug information about the annotations, and refuses other uses of them.
    fn remove_uses_of_annotations(&mut self) {
        if self.annotations.symbols.is_empty() {
            return;
        }
        let module = self.module;
        let gone: BTreeSet<_> = self.annotations.symbols.iter().copied().collect();
        for section in module.relocation_sections() {
            if self.annotations.sections.contains(&section.index) {
                continue;
            }
            let loaded = self.loaded_target(section).is_some();
            for (entry, rela) in module.relocations(section.index).enumerate() {
                if !gone.contains(&rela.symbol) {
                    continue;
                }
                if loaded {
                    let site = || self.sites.describe(section.index, entry, rela);
                    self.found.push_at(Refusal::AnnotationNeeded.into(), site);
                } else {
                    self.plan.removed_relocations.push((section.index, entry));
                }
            }
        }
    }
}
