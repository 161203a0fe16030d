//! Positions of replaced functions, found by selectors and written to the tables.

use std::collections::BTreeMap;

use bstr::ByteSlice;

use super::plan::{Named, PlannedPosition};
use crate::annotation::{Annotations, FunctionSelector, Selector};
use crate::elf::{Location, Module};
use crate::findings::Refusal;
use crate::name::ObjectName;
use crate::patch::{Replaced, TableFunction, Tables};
use crate::resolve::{Query, Request, Resolution, Resolve};

/// The positions that selectors found, and the functions without one.
#[derive(Debug, Default)]
pub(super) struct Positions {
    pub(super) planned: Vec<PlannedPosition>,
    /// By the place of a function's `old_sympos`: the position that its selector found.
    selected: BTreeMap<Location, Option<u64>>,
}

/// The functions that are replaced, by object, name and replacement.
type Functions<'t> = BTreeMap<(ObjectName, &'t [u8], Location), Vec<&'t TableFunction<'t>>>;

/// What selectors are resolved with.
struct Selection<'t, 's> {
    module: &'s Module<'t>,
    functions: Functions<'t>,
    resolve: &'s dyn Resolve,
    positions: Positions,
    refusals: Vec<Refusal>,
}

impl Positions {
    /// Resolves the selectors of a module's functions.
    pub(super) fn find(
        module: &Module<'_>,
        annotations: &Annotations,
        tables: &Tables<'_>,
        resolve: &dyn Resolve,
    ) -> (Self, Vec<Refusal>) {
        let mut functions = Functions::new();
        for table in tables.objects().iter().filter(|_| !annotations.functions.is_empty()) {
            let Some(object) = table.object() else { continue };
            for function in &table.functions {
                let Some((name, at)) = function.old_name.zip(function.new_func) else { continue };
                functions.entry((object.clone(), name, at)).or_default().push(function);
            }
        }
        let (positions, refusals) = (Self::default(), Vec::new());
        let mut selection = Selection { module, functions, resolve, positions, refusals };
        annotations.functions.iter().for_each(|selector| selection.select(selector));
        if resolve.is_for_another_kernel() {
            selection.move_all(tables);
        }
        (selection.positions, selection.refusals)
    }

    /// The position that a function will have; `None` if its selector found none.
    pub(super) fn of(&self, function: &TableFunction<'_>) -> Option<u64> {
        self.selected.get(&function.sympos_at).copied().unwrap_or(Some(function.old_sympos))
    }
}

impl Selection<'_, '_> {
    /// Finds the positions again that tables have for another kernel.
    fn move_all(&mut self, tables: &Tables<'_>) {
        for table in tables.objects() {
            let Some(object) = table.object() else { continue };
            for function in &table.functions {
                let written = function.old_sympos;
                let name = function.old_name.and_then(|name| name.to_str().ok());
                let (Some(name), Ok(position)) = (name, u32::try_from(written)) else { continue };
                if self.positions.selected.contains_key(&function.sympos_at) {
                    continue;
                }
                let which = Selector::Position(position.into());
                let request = Request { owner: object.clone(), gate: None, which };
                let annotation = Some(&request);
                let query = Query { name, weak: false, loader: false, annotation };
                let named =
                    |position| Replaced { object: object.clone(), name: name.to_owned(), position };
                let at = function.sympos_at;
                match self.resolve.resolve_recorded(&query) {
                    Ok(Resolution::Klp(klp)) => {
                        let found = u64::from(klp.symbol.position.number());
                        // If the name is unique, 1 means the same as 0.
                        if found != written && (found, written) != (0, 1) {
                            self.positions.selected.insert(at, Some(found));
                            self.plan(at, named(found), written);
                        }
                    }
                    Ok(_) => {}
                    Err(reason) => {
                        let (function, reason) = (named(written), Box::new(reason));
                        self.refusals.push(Refusal::NotReplaced { function, reason });
                        self.positions.selected.insert(at, None);
                    }
                }
            }
        }
    }

    fn plan(&mut self, at: Location, function: Replaced, written: u64) {
        let section = self.module.section(at.section).map_or(&[][..], |s| s.name);
        let section = String::from_utf8_lossy(section).into_owned();
        self.positions.planned.push(PlannedPosition {
            section: Named { index: at.section, name: section },
            offset: at.offset,
            function,
            written,
        });
    }

    fn select(&mut self, selector: &FunctionSelector) {
        let FunctionSelector { object, name, new_func, which, location } = selector;
        let key = (object.clone(), name.as_str().as_bytes(), *new_func);
        let named = || name.as_str().to_owned();
        let Some(functions) = self.functions.get(&key) else {
            let (location, object, name) = (location.clone(), object.clone(), name.clone());
            self.refusals.push(Refusal::SelectedNotReplaced { location, object, name });
            return;
        };
        let annotation = Request { owner: object.clone(), gate: None, which: which.clone() };
        let query = Query {
            name: name.as_str(),
            weak: false,
            loader: false,
            annotation: Some(&annotation),
        };
        let found = match self.resolve.resolve(&query) {
            Ok(Resolution::Klp(klp)) => u64::from(klp.symbol.position.number()),
            Ok(_) => return,
            Err(reason) => {
                let position = functions.first().map_or(0, |function| function.old_sympos);
                let function = Replaced { object: object.clone(), name: named(), position };
                let reason = Box::new(reason);
                self.refusals.push(Refusal::NotReplaced { function, reason });
                let unknown = functions.iter().map(|function| (function.sympos_at, None));
                self.positions.selected.extend(unknown);
                return;
            }
        };
        let mut moved = Vec::new();
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
                self.positions.selected.entry(at).or_insert(Some(found));
                let function = Replaced { object: object.clone(), name: named(), position: found };
                moved.push((at, function, written));
            }
        }
        moved.into_iter().for_each(|(at, function, written)| self.plan(at, function, written));
    }
}
