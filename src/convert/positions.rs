//! Positions of replaced functions, found by selectors and written to the tables.

use super::plan::{Named, PlannedPosition};
use crate::annotation::{Annotations, FunctionSelector};
use crate::elf::Module;
use crate::findings::Refusal;
use crate::patch::{Replaced, TableFunction, Tables};
use crate::resolve::{Query, Request, Resolution, Resolve};

/// The positions that selectors found, and the functions without one.
#[derive(Debug, Default)]
pub(super) struct Positions<'t> {
    pub(super) planned: Vec<PlannedPosition>,
    pub(super) refusals: Vec<Refusal>,
    unknown: Vec<&'t TableFunction<'t>>,
}

impl<'t> Positions<'t> {
    /// Resolves the selectors of a module's functions.
    pub(super) fn find(
        module: &Module<'_>,
        annotations: &Annotations,
        tables: &'t Tables<'t>,
        resolve: &dyn Resolve,
    ) -> Self {
        let mut positions = Self::default();
        for selector in &annotations.functions {
            positions.select(module, selector, tables, resolve);
        }
        positions
    }

    fn select(
        &mut self,
        module: &Module<'_>,
        selector: &FunctionSelector,
        tables: &'t Tables<'t>,
        resolve: &dyn Resolve,
    ) {
        let FunctionSelector { object, name, new_func, which, location } = selector;
        let objects = tables.objects().iter().filter(|o| o.object().as_ref() == Some(object));
        let functions = objects.flat_map(|object| &object.functions).filter(|function| {
            function.new_func == Some(*new_func)
                && function.old_name == Some(name.as_str().as_bytes())
        });
        let functions: Vec<_> = functions.collect();
        let named = || name.as_str().to_owned();
        if functions.is_empty() {
            let (location, object, name) = (location.clone(), object.clone(), name.clone());
            self.refusals.push(Refusal::SelectedNotReplaced { location, object, name });
            return;
        }
        let annotation = Request { owner: object.clone(), gate: None, which: which.clone() };
        let query = Query {
            name: name.as_str(),
            weak: false,
            loader: false,
            annotation: Some(&annotation),
        };
        let found = match resolve.resolve(&query) {
            Ok(Resolution::Klp(klp)) => u64::from(klp.symbol.position.number()),
            Ok(_) => return,
            Err(reason) => {
                let position = functions.first().map_or(0, |function| function.old_sympos);
                let function = Replaced { object: object.clone(), name: named(), position };
                let reason = Box::new(reason);
                self.refusals.push(Refusal::NotReplaced { function, reason });
                self.unknown.extend(functions);
                return;
            }
        };
        for function in functions {
            let written = function.old_sympos;
            // If the name is unique, 1 means the same as 0.
            if written != 0 && written != found.max(1) {
                let function =
                    Replaced { object: object.clone(), name: named(), position: written };
                let location = location.clone();
                self.refusals.push(Refusal::SelectedElsewhere { location, function, found });
            } else if written == 0 && found != 0 {
                let at = function.sympos_at;
                let section = module.section(at.section).map_or(&[][..], |section| section.name);
                let section = String::from_utf8_lossy(section).into_owned();
                self.planned.push(PlannedPosition {
                    section: Named { index: at.section, name: section },
                    offset: at.offset,
                    function: Replaced { object: object.clone(), name: named(), position: found },
                    written,
                });
            }
        }
    }

    /// The position that a function will have; `None` if its selector found none.
    pub(super) fn of(&self, function: &TableFunction<'_>) -> Option<u64> {
        let at = function.sympos_at;
        if self.unknown.iter().any(|unknown| unknown.sympos_at == at) {
            return None;
        }
        let planned = self
            .planned
            .iter()
            .find(|planned| planned.section.index == at.section && planned.offset == at.offset);
        Some(planned.map_or(function.old_sympos, |planned| planned.function.position))
    }
}
