//! What is patched decides: functions that are replaced, what relocations wait for, and who else must
//! be there then.

use super::super::positions::Positions;
use super::super::replaced;
use super::{Klp, Planner};
use crate::elf::{Location, Rela, Section};
use crate::findings::{Finding, Refusal, Warning};
use crate::name::ObjectName;
use crate::patch::{TableFunction, Undecided};
use crate::site::{Site, Sites};

impl Planner<'_, '_> {
    /// Finds positions of what is replaced, and holds all of it against the kernel.
    pub(super) fn look_at_tables(&mut self) {
        let positions = Positions::find(self.module, &self.annotations, self.tables, self.resolve);
        let position = |function: &TableFunction<'_>| positions.of(function);
        let found =
            replaced::check(self.module, self.backend, self.tables, &position, self.resolve);
        let Positions { planned, refusals, .. } = positions;
        self.plan.positions = planned;
        self.found.extend(refusals.into_iter().map(Finding::from));
        self.found.extend(found);
    }

    /// What a relocation waits for: the object that its author says, or that uses it.
    pub(super) fn gate(
        &self,
        section: &Section<'_>,
        target: &Section<'_>,
        entry: usize,
        rela: Rela,
        klp: &Klp,
    ) -> Result<ObjectName, Finding> {
        if let Some(gate) = &klp.gate {
            return Ok(gate.clone());
        }
        let owner = &klp.symbol.owner;
        let depends = |object: &ObjectName, on: &ObjectName| self.resolve.depends(object, on);
        let place = Location { section: target.index, offset: rela.offset };
        self.gates.decide(owner, place, &depends).map_err(|undecided| {
            let klp = klp.symbol.clone();
            let refusal = match undecided {
                Undecided::InVmlinux => Refusal::ModuleSymbolInVmlinux { klp },
                Undecided::Several(users) => Refusal::GateUndecided { klp, users },
            };
            Finding::from(refusal).at(self.sites.describe(section.index, entry, rela))
        })
    }

    /// Whether the owner of a symbol is there whenever the object is that it is written for. The
    /// livepatch may need the owner itself.
    pub(super) fn look_at_dependency(
        &mut self,
        gate: ObjectName,
        owner: ObjectName,
        site: &dyn Fn(&Sites<'_, '_>) -> Site,
    ) {
        let needed = self.plan.exported.iter().any(|exported| exported.owner == owner);
        if gate.is_vmlinux() || needed || self.allow_undeclared {
            return;
        }
        match self.resolve.depends(&gate, &owner) {
            Some(true) => {}
            Some(false) => {
                let refusal = Refusal::UndeclaredDependency { gate, owner };
                self.found.push(Finding::from(refusal).at(site(&self.sites)));
            }
            None => {
                let warning = Warning::DependencyUntold { gate, owner };
                if !self.found.iter().any(|found| found.warning() == Some(&warning)) {
                    self.found.push(warning.into());
                }
            }
        }
    }
}
