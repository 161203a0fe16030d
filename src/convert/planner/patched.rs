//! Checks that depend on the patched objects: replaced functions, gates of relocations, and modules
//! that must be loaded then.

use super::super::positions::Positions;
use super::super::replaced;
use super::{Klp, Planner};
use crate::elf::{Location, Rela, Section};
use crate::findings::{Finding, Refusal, Warning};
use crate::name::ObjectName;
use crate::patch::{TableFunction, Tables, Undecided};
use crate::site::{Site, Sites};

impl Planner<'_, '_> {
    /// Finds the positions of replaced functions, and checks all of them against the kernel.
    pub(super) fn check_tables(&mut self) {
        let Self { module, machine, tables, resolve, .. } = *self;
        let (positions, refusals) = Positions::find(module, &self.annotations, tables, resolve);
        self.found.extend(refusals.into_iter().map(Finding::from));
        let position = |function: &TableFunction<'_>| positions.of(function);
        replaced::check(module, machine, tables, &position, resolve, &mut self.found);
        // An author will see to it that it is filled in.
        if matches!(tables, Tables::Incomplete(_)) {
            self.found.push(Warning::TablesAtRunTime.into());
        }
        self.plan.positions = positions.planned;
    }

    /// The gate of a relocation: the object that its author gives, or the one whose code uses it.
    pub(super) fn gate(
        &self,
        target: &Section<'_>,
        rela: Rela,
        klp: &Klp,
    ) -> Result<ObjectName, Refusal> {
        if let Some(gate) = &klp.gate {
            return Ok(gate.clone());
        }
        let owner = &klp.symbol.owner;
        let depends = |object: &ObjectName, on: &ObjectName| self.resolve.depends(object, on);
        let location = Location { section: target.index, offset: rela.offset };
        self.gates.decide(owner, location, &depends).map_err(|undecided| {
            let klp = klp.symbol.clone();
            match undecided {
                Undecided::InVmlinux => Refusal::ModuleSymbolInVmlinux { klp },
                Undecided::Several(users) => Refusal::GateUndecided { klp, users },
            }
        })
    }

    /// Whether a symbol's owner is loaded whenever the object is whose relocation uses it. The livepatch may need the
    /// owner itself, which is known once all symbols are resolved.
    pub(super) fn check_dependency(
        &mut self,
        gate: ObjectName,
        owner: ObjectName,
        site: &dyn Fn(&Sites<'_, '_>) -> Site,
    ) {
        let exported = &self.plan.exported;
        let needed = self.needed.get_or_init(|| exported.iter().map(|e| e.owner.clone()).collect());
        let needed = needed.contains(&owner);
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
                let (waits, needs) = (gate.clone(), owner.clone());
                let warning = Warning::DependencyUnknown { gate: waits, owner: needs };
                if self.unknown_dependencies.insert((gate, owner)) {
                    self.found.push(warning.into());
                }
            }
        }
    }
}
