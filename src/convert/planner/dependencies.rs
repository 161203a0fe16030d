//! The module's dependencies after its symbols have become klp symbols.

use std::collections::BTreeSet;

use super::super::dependencies;
use super::Planner;
use crate::findings::{StillNamed, Warning};

impl Planner<'_, '_> {
    /// Warns about klp symbols without relocations; unused annotations are refused.
    pub(super) fn check_uses(&mut self) {
        for symbol in &self.plan.symbols {
            let used = self.klp.get(&symbol.index).is_none_or(|klp| klp.used.get());
            if !used && self.annotations.get(symbol.index).is_none() {
                self.found.push(Warning::UnusedKlpSymbol { klp: symbol.klp.clone() }.into());
            }
        }
    }

    /// Plans the removal of dependencies on modules of which only klp symbols are used, and warns
    /// about those that remain.
    pub(super) fn remove_dependencies(&mut self) {
        let ordinary: BTreeSet<_> = self.plan.exported.iter().map(|e| e.name.as_str()).collect();
        let klp = self.plan.symbols.iter().map(|symbol| symbol.name.as_str());
        let klp = klp.chain(self.plan.removed_symbols.iter().map(|removed| removed.name.as_str()));
        let klp = klp.filter(|name| !ordinary.contains(name)).map(str::as_bytes).collect();
        let versions = dependencies::plan_versions(self.module, &klp);
        let owners: BTreeSet<_> = self.klp.values().map(|klp| &klp.symbol.owner).collect();
        let mut gone = BTreeSet::new();
        for object in dependencies::depends(self.module).filter(|o| owners.contains(o)) {
            let import = self.plan.exported.iter().find(|exported| exported.owner == object);
            let why = match import {
                Some(import) => StillNamed::Import(import.name.clone()),
                None if self.exports_unknown => StillNamed::Unknown,
                None => {
                    gone.insert(object);
                    continue;
                }
            };
            self.found.push(Warning::DependsOnOwner { object, why }.into());
        }
        self.plan.depends = dependencies::plan_depends(self.module, &gone);
        self.plan.versions = versions;
    }
}
