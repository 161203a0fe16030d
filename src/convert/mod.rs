//! The conversion from bytes to bytes: parse, resolve, plan, rewrite, verify.

mod dependencies;
mod plan;
mod planner;
mod positions;
mod replaced;
mod rewrite;
mod verify;
mod wanted;

pub(crate) use dependencies::{recorded, version_entries, versions};
pub use plan::{
    Exported, Named, Plan, PlannedDepends, PlannedEntry, PlannedPosition, PlannedSection,
    PlannedSymbol, PlannedVersions,
};
pub use planner::{Planned, plan};
pub(crate) use replaced::check as check_replaced;
pub use rewrite::rewrite;
pub use verify::verify;
pub(crate) use wanted::names;
pub use wanted::{explain_not_found, wanted_names};

use std::borrow::Cow;

use klp_arch::Machine;

use crate::annotation::Annotations;
use crate::elf::Module;
use crate::findings::{Collector, Error, Finding, Refusal, Warning};
use crate::intermediate::Intermediate;
use crate::kmod;
use crate::options::Options;
use crate::patch::Tables;
use crate::resolve::{self, Resolver};
use crate::rules;
use crate::symbols::{Answer, Sources, SymbolError, Wanted};
use crate::target::{built_for, machine, same_kernel};

/// A converted module.
#[derive(Debug)]
pub struct Conversion<'data> {
    /// What was done.
    pub plan: Plan,
    /// What the user should know.
    pub warnings: Vec<Finding>,
    /// The module's new bytes, or the input's if nothing had to be done.
    pub bytes: Cow<'data, [u8]>,
}

/// Converts a module, using what the sources know about its kernel.
///
/// # Errors
/// [`Error`]: there is no partial output.
pub fn convert<'data>(
    data: &'data [u8],
    sources: &Sources,
    options: &Options,
) -> Result<Conversion<'data>, Error> {
    let module = Module::parse_as_kernel(data)?;
    let passed_over = rules::passed_over(&module).map(Refusal::PassedOver);
    let mut found = Collector::new(options.all);
    found.extend(passed_over.map(Finding::from));
    let passed_over = found.into_vec();
    if !passed_over.is_empty() {
        return Err(Error::Refused(passed_over));
    }
    if let Some(fault) = module.irregularities().first() {
        return Err(fault.clone().into());
    }
    let machine = machine(&module)?;
    let tables = Tables::of(&module, machine);
    let answer = ask(&module, machine, &tables, sources)?;
    same_kernel(&module, machine, &answer, options)?;
    let old = options.recorded_for.as_ref().map(|old| ask(&module, machine, &tables, old));
    let old = old.transpose()?;
    let resolver = Resolver {
        keep_module_exports: options.keep_module_exports,
        recorded_for: old.as_ref(),
        ..Resolver::new(&answer)
    };
    let mut planned = planner::plan(&module, machine, &tables, &resolver, options)
        .or_else(|refusals| Err(advise(refusals, sources)?))?;
    let bytes = if planned.plan.is_empty() {
        Cow::Borrowed(data)
    } else {
        if let Some(signature) = module.signature()
            && !options.strip_signature
        {
            return Err(Error::Signed(signature.len()));
        }
        let bytes = rewrite::rewrite(&module, &planned.plan)?;
        let written = Module::parse(&bytes)?;
        verify::verify(&module, &planned.plan, &written)?;
        if !options.no_check {
            let mut broken = Collector::new(options.all);
            let recorded = planned.plan.sections.iter().any(|section| section.recorded);
            if recorded && module.sections_named(kmod::THIS_MODULE).next().is_none() {
                planned.warnings.push(Warning::NotLinked.into());
                rules::collect_of_object(&written, machine, options.target, &mut broken);
            } else {
                rules::collect(&written, machine, options.target, &mut broken);
            }
            let broken = broken.into_vec();
            if !broken.is_empty() {
                return Err(Error::Refused(broken));
            }
        }
        Cow::Owned(bytes)
    };
    Ok(Conversion { plan: planned.plan, warnings: planned.warnings, bytes })
}

/// Looks up in the sources every undefined name of the module, every neighbour, and the functions
/// that it replaces.
///
/// # Errors
/// [`SymbolError`] when a source cannot be read.
pub fn ask(
    module: &Module<'_>,
    machine: &Machine,
    tables: &Tables<'_>,
    sources: &Sources,
) -> Result<Answer, SymbolError> {
    let annotations = Annotations::read(module).unwrap_or_default();
    // What cannot be read is refused when it is planned.
    let recorded = Intermediate::read(module, machine).ok().flatten();
    let names = wanted::names(module, &annotations, recorded.as_ref(), tables);
    let wanted = Wanted::new(names);
    sources.answer(&wanted.of_release(built_for(module)))
}

/// Adds similar names to names that were not found; this takes another pass over the sources.
pub(super) fn advise(mut refusals: Vec<Finding>, sources: &Sources) -> Result<Error, SymbolError> {
    let mut unresolved: Vec<_> = refusals.iter_mut().filter_map(Finding::unresolved_mut).collect();
    resolve::suggest(sources, &mut unresolved)?;
    Ok(Error::Refused(refusals))
}
