//! Livepatch: the names the kernel scans, the conversion that writes them, and the kernel's rules.
//!
//! [`planner`] asks about every undefined symbol and makes a [`Plan`]; [`rewrite`] carries it out;
//! [`verify`] reads the result back; [`rules`] holds it against the kernel. [`convert()`] is all of
//! it, from bytes to bytes.

mod advice;
mod convert;
mod dependencies;
mod explained;
mod gates;
mod inspect;
mod meaning;
mod name;
mod other_tools;
pub mod passed_over;
mod patched;
pub mod placement;
mod plan;
pub mod planner;
mod positions;
mod refusal;
mod replaced;
pub mod rewrite;
pub mod rules;
mod site;
mod tables;
mod target;
mod users;
pub mod verify;
mod wanted;
mod warning;

pub(crate) use convert::same_kernel;
pub use convert::{Conversion, Failure, Options, ask, backend, built_for, convert};
pub(crate) use dependencies::{recorded, versions};
pub use inspect::{InspectedSection, Inspection, OtherToolsSection, inspect};
pub use meaning::{Meaning, Means, meanings};
pub use name::{
    KLP_RELA_PREFIX, KLP_SYM_PREFIX, KlpSection, KlpSymbol, NameError, OBJECT_NAME_MAX, ObjectName,
    Position, SYMBOL_NAME_MAX, SymbolName, VMLINUX,
};
pub use other_tools::Unfinished;
pub(crate) use other_tools::awaits_post_link;
pub use patched::Patched;
pub use plan::{
    Exported, Named, Plan, PlannedDepends, PlannedEntry, PlannedPosition, PlannedSection,
    PlannedSymbol, PlannedVersions,
};
pub use planner::{Planned, plan};
pub use refusal::Refusal;
pub use replaced::{Replaced, Unpatchable};
pub(crate) use replaced::{check as check_replaced, names as replaced_names, unpatchable};
pub use rules::{Consequence, Rule, Violation};
pub use site::{Site, Sites};
pub use tables::{Place, TableFunction, TableObject, Tables};
pub use target::{NotAVersion, Target};
pub use wanted::{explain_not_found, wanted_names};
pub use warning::{StillNamed, UntoldOfExports, Warning};
