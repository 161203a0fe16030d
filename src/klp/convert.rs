//! The conversion from bytes to bytes: parse, ask, plan, rewrite, prove.

use std::borrow::Cow;

use bstr::ByteSlice;
use klp_arch::Backend;

use super::verify::{self, Unfaithful};
use super::{
    Patched, Plan, Refusal, Tables, Target, Warning, passed_over, planner, rewrite, rules,
};
use crate::elf::{ElfError, Module};
use crate::resolve::{self, Resolver};
use crate::symbols::{Answer, Kernel, Sources, SymbolError, Wanted};

/// How to convert.
#[derive(Debug, Default, Clone)]
pub struct Options {
    /// The objects that the livepatch patches.
    pub patched: Patched,
    /// Leave symbols that modules export as ordinary relocations.
    pub keep_module_exports: bool,
    /// Drop an appended module signature, which a conversion invalidates.
    pub strip_signature: bool,
    /// The kernel that the livepatch is for.
    pub target: Target,
    /// Take the sources although they are of another release than the module's vermagic.
    pub allow_stale_map: bool,
    /// Let relocations need a module that the object which they wait for does not depend on.
    pub allow_undeclared_dependency: bool,
    /// Do not check the result against the kernel's rules.
    pub no_check: bool,
}

/// A converted module.
#[derive(Debug)]
pub struct Conversion<'data> {
    /// What was done.
    pub plan: Plan,
    /// What its reader should know.
    pub warnings: Vec<Warning>,
    /// The module's new bytes; the input's own where nothing was to be done.
    pub bytes: Cow<'data, [u8]>,
}

/// Why a module was not converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The file is no well-formed module.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// There is no back end for the machine.
    #[error("e_machine {0} is none of {list}", list = machine_names())]
    Machine(u16),
    /// The module is for another machine than the kernel.
    #[error("the module is for {module}, its kernel's symbols are of {kernel}")]
    OtherMachine {
        /// The module's machine.
        module: &'static str,
        /// The machine of the sources.
        kernel: String,
    },
    /// The module was built for another release than the sources are of.
    #[error("the module is built for '{module}', the symbols are of '{kernel}'")]
    OtherRelease {
        /// The release in the module's vermagic.
        module: String,
        /// The release of the sources.
        kernel: String,
    },
    /// The kernel cannot load livepatches.
    #[error("the kernel is built without CONFIG_KALLSYMS_ALL, so it cannot have CONFIG_LIVEPATCH")]
    NoLivepatching,
    /// The module is signed.
    #[error(
        "the module carries an appended signature of {0} bytes, which a conversion invalidates"
    )]
    Signed(usize),
    /// A symbol map cannot be read.
    #[error(transparent)]
    Symbols(#[from] SymbolError),
    /// Symbols or places stand against it.
    #[error("{} refusals", .0.len())]
    Refused(Vec<Refusal>),
    /// The result is not what was planned.
    #[error(transparent)]
    Unfaithful(#[from] Unfaithful),
}

fn machine_names() -> String {
    klp_arch::backends().iter().map(|b| b.name()).collect::<Vec<_>>().join(", ")
}

/// The back end for a module's machine.
///
/// # Errors
/// [`Failure::Machine`] where there is none.
pub fn backend(module: &Module<'_>) -> Result<&'static dyn Backend, Failure> {
    let machine = module.machine();
    let backend = klp_arch::for_machine(machine).filter(|b| b.endian() == module.endian());
    backend.ok_or(Failure::Machine(machine))
}

/// The release that the module is built for, as its vermagic says.
pub fn built_for<'m>(module: &Module<'m>) -> Option<&'m str> {
    let vermagic = module.modinfo().find(|(key, _)| *key == b"vermagic");
    vermagic.and_then(|(_, value)| value.fields().next()?.to_str().ok())
}

/// Whether the sources, as far as they tell, speak of the kernel that the module is for.
///
/// # Errors
/// [`Failure::OtherMachine`] and [`Failure::OtherRelease`] where they do not, and
/// [`Failure::NoLivepatching`].
pub(crate) fn same_kernel(
    module: &Module<'_>,
    backend: &dyn Backend,
    answer: &Answer,
    options: &Options,
) -> Result<(), Failure> {
    let Kernel { machine, endian, release, kallsyms_all } = answer.kernel();
    if *kallsyms_all == Some(false) {
        return Err(Failure::NoLivepatching);
    }
    let differs = machine.is_some_and(|machine| machine != module.machine())
        || endian.is_some_and(|endian| endian != module.endian());
    if differs {
        let known = machine.and_then(klp_arch::for_machine);
        let known = known.filter(|b| endian.is_none_or(|endian| b.endian() == endian));
        let kernel = known.map_or("an unknown machine", |b| b.name()).to_owned();
        return Err(Failure::OtherMachine { module: backend.name(), kernel });
    }
    match (built_for(module), release) {
        (Some(module), Some(kernel)) if module != kernel && !options.allow_stale_map => {
            let module = module.to_owned();
            Err(Failure::OtherRelease { module, kernel: kernel.clone() })
        }
        _ => Ok(()),
    }
}

/// Converts a module with what the sources know of its kernel.
///
/// # Errors
/// [`Failure`]: nothing is half done, there is no output.
pub fn convert<'data>(
    data: &'data [u8],
    sources: &Sources,
    options: &Options,
) -> Result<Conversion<'data>, Failure> {
    let module = Module::parse_as_kernel(data)?;
    let passed_over: Vec<_> = passed_over::tables(&module).map(Refusal::PassedOver).collect();
    if !passed_over.is_empty() {
        return Err(Failure::Refused(passed_over));
    }
    if let Some(fault) = module.irregularities().first() {
        return Err(fault.clone().into());
    }
    let backend = backend(&module)?;
    let tables = Tables::of(&module, backend);
    let answer = ask(&module, &tables, sources)?;
    same_kernel(&module, backend, &answer, options)?;
    let resolver =
        Resolver { keep_module_exports: options.keep_module_exports, ..Resolver::new(&answer) };
    let planned = planner::plan(&module, backend, &tables, &resolver, options)
        .or_else(|refusals| Err(advise(refusals, sources)?))?;
    let bytes = if planned.plan.is_empty() {
        Cow::Borrowed(data)
    } else {
        if let Some(signature) = module.signature()
            && !options.strip_signature
        {
            return Err(Failure::Signed(signature.len()));
        }
        let bytes = rewrite::rewrite(&module, &planned.plan)?;
        let written = Module::parse(&bytes)?;
        verify::verify(&module, &planned.plan, &written)?;
        if !options.no_check {
            let violations = rules::check(&written, backend, options.target);
            if !violations.is_empty() {
                let refusals = violations.into_iter().map(Refusal::Rule).collect();
                return Err(Failure::Refused(refusals));
            }
        }
        Cow::Owned(bytes)
    };
    Ok(Conversion { plan: planned.plan, warnings: planned.warnings, bytes })
}

/// Asks the sources about every name that the module leaves undefined, about every neighbour, and about
/// what it replaces.
///
/// # Errors
/// [`SymbolError`] when a source cannot be read.
pub fn ask(
    module: &Module<'_>,
    tables: &Tables<'_>,
    sources: &Sources,
) -> Result<Answer, SymbolError> {
    let names = super::wanted::names(module, tables);
    let wanted = Wanted::new(names.iter().map(String::as_str));
    sources.answer(&wanted.of_release(built_for(module)))
}

/// Adds near names to what was not found; they cost another pass over the sources.
pub(super) fn advise(
    mut refusals: Vec<Refusal>,
    sources: &Sources,
) -> Result<Failure, SymbolError> {
    let mut unresolved: Vec<_> = refusals.iter_mut().filter_map(Refusal::unresolved_mut).collect();
    resolve::suggest(sources, &mut unresolved)?;
    Ok(Failure::Refused(refusals))
}
