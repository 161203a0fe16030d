//! Codes of refusals and warnings, and what to do about each.

use super::refusal::Refusal;
use super::remedy;
use super::section::{Misplaced, PassedOver, Unapplied, Unfinished};
use super::warning::{StillNamed, Warning};
use crate::annotation::AnnotationError;
use crate::diagnostic::Code;
use crate::intermediate::{RecordError, RecordFault};
use crate::patch::Unpatchable;
use crate::resolve::Unresolved;
use crate::site::Site;

impl Refusal {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Annotation(AnnotationError::Conflict { .. }) => Code::ConflictingAnnotations,
            Self::Annotation(_) => Code::MalformedAnnotation,
            Self::AnnotationNeeded => Code::AnnotationNeeded,
            Self::AnnotationUnused { .. } => Code::UnusedAnnotation,
            Self::NotUtf8 { .. } => Code::BadName,
            Self::Record(_) => Code::MalformedRecord,
            Self::Unfinished(Unfinished::KlpBuild { .. }) => Code::UnfinishedKlpBuild,
            Self::Unfinished(Unfinished::Kpatch { .. }) => Code::UnfinishedKpatch,
            Self::Unresolved { reason, .. } => match **reason {
                Unresolved::Name(_) => Code::BadName,
                Unresolved::Ambiguous { .. } => Code::Ambiguous,
                Unresolved::AnnotatedNotUnique { .. } => Code::NotUnique,
                Unresolved::AnnotatedNoSuchPosition { .. } => Code::NoSuchPosition,
                Unresolved::ObjectUnknown { .. } | Unresolved::VmlinuxUnknown { .. } => {
                    Code::UnknownObject
                }
                Unresolved::SelectedNone { .. } | Unresolved::SelectedSeveral { .. } => {
                    Code::NotSingledOut
                }
                Unresolved::FilesUnknown { .. } => Code::FilesUnknown,
                Unresolved::NeighbourFileUnknown { .. } => Code::NeighbourFileUnknown,
                Unresolved::InitMemory { .. } => Code::InitMemory,
                Unresolved::NotFound { .. } => Code::NotFound,
            },
            Self::NotConverted { .. } => Code::KernelRule,
            Self::GatedVmlinuxSymbol { .. } => Code::GatedVmlinuxSymbol,
            Self::GateNotPatched { .. } => Code::GateNotPatched,
            Self::Misplaced { reason: Misplaced::Consumed(_), .. } => Code::ConsumedSection,
            Self::Misplaced { .. } => Code::UnwritableSection,
            Self::UnknownRelocation => Code::UnknownRelocation,
            Self::Place(_) => Code::Place,
            Self::GateUndecided { .. } => Code::GateUndecided,
            Self::ModuleSymbolInVmlinux { .. } => Code::ModuleSymbolInVmlinux,
            Self::UndeclaredDependency { .. } => Code::UndeclaredDependency,
            Self::NotReplaced { reason, .. } => match **reason {
                Unresolved::AnnotatedNotUnique { .. } => Code::ReplacedAmbiguous,
                Unresolved::AnnotatedNoSuchPosition { .. } => Code::ReplacedNoSuchPosition,
                _ => Code::ReplacedNotFound,
            },
            Self::Unpatchable { .. } => Code::Unpatchable,
            Self::NoOldName { .. }
            | Self::NoFunctions { .. }
            | Self::ObjectTwice { .. }
            | Self::TablesUnwritable { .. }
            | Self::NoSuchObject { .. } => Code::MalformedTables,
            Self::SelectedNotReplaced { .. } | Self::SelectedElsewhere { .. } => {
                Code::SelectorNotInTables
            }
            Self::PassedOver(_) => Code::PassedOver,
        }
    }

    /// What to do about it; `site`: the relocation concerned.
    pub(super) fn help(&self, site: Option<&Site>) -> Vec<String> {
        match self {
            Self::Annotation(AnnotationError::Conflict { first, second }) => {
                remedy::conflict(first, second)
            }
            Self::AnnotationUnused { .. } => vec!["remove the annotation".into()],
            Self::Unfinished(Unfinished::KlpBuild { .. }) => {
                vec![
                    "finish it: klp-convert post-link FILE, or objtool klp post-link FILE".into(),
                    "if post-link itself says this, the sections __klp_relocs are lost: link the module again".into(),
                ]
            }
            Self::Unfinished(Unfinished::Kpatch { .. }) => {
                vec!["finish it: klp-convert create-klp-module IN OUT, or kpatch's create-klp-module".into()]
            }
            Self::Record(RecordError { fault: RecordFault::KernelUnknown, .. }) => vec![
                "Linux before 5.8: --target-kernel VERSION; any other: --no-klp-arch-sections"
                    .into(),
            ],
            Self::NotConverted { name } => {
                vec![format!("convert the module: '{name}' must become a klp symbol")]
            }
            Self::Unresolved { reason, gate, .. } => remedy::unresolved(reason, gate.as_ref()),
            Self::GatedVmlinuxSymbol { .. } => {
                vec!["give vmlinux as the gate: its symbols are always available".into()]
            }
            Self::GateNotPatched { gate, .. } => {
                vec![format!("add a klp_object for '{gate}' to the patch; its funcs may be empty")]
            }
            Self::GateUndecided { klp, users, .. } => remedy::undecided(klp, users),
            Self::ModuleSymbolInVmlinux { klp, .. } => remedy::in_vmlinux(klp),
            Self::UndeclaredDependency { gate, owner, .. } => remedy::undeclared(gate, owner),
            Self::NotReplaced { function, reason } => remedy::replaced(function, reason),
            Self::Unpatchable { why: Unpatchable::Untraceable, .. } => {
                vec!["it is assembly or notrace, as inline functions are: patch its callers".into()]
            }
            Self::NoFunctions { .. } => {
                vec![
                    "give it a table, which may be empty: static struct klp_func none[] = { { } };"
                        .into(),
                ]
            }
            Self::TablesUnwritable { .. } => {
                vec!["make them plain static data: not const, __ro_after_init or __initdata".into()]
            }
            Self::NoSuchObject { name } => remedy::object_name(name),
            Self::SelectedElsewhere { .. } => {
                vec!["leave .old_sympos out: the selector fills it in".into()]
            }
            Self::PassedOver(PassedOver { reason: Unapplied::Target(_), .. }) => {
                vec![
                    "link again: sh_info of a relocation section must name the section that it \
                     applies to"
                        .into(),
                ]
            }
            Self::PassedOver(_) => {
                vec!["make tables with addends (SHT_RELA): no --crel, and no tool that rewrites them".into()]
            }
            Self::Misplaced { reason, name, gate } => remedy::misplaced(
                *reason,
                site.map_or("", |site| &site.section),
                name.as_str(),
                gate,
            ),
            Self::UnknownRelocation => {
                vec!["compile with kbuild's flags: no -fPIC, no other code model".into()]
            }
            Self::Place(fault) => remedy::fault(fault).map(str::to_owned).into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

impl Warning {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::PositionUnproven { .. } => Code::PositionUnproven,
            Self::PositionDrifts { .. } => Code::PositionDrifts,
            Self::OwnerNotAwaited { .. } => Code::OwnerNotAwaited,
            Self::InitMemory { .. } => Code::AnnotatedInitMemory,
            Self::FileUnproven { .. } => Code::FileUnproven,
            Self::OwnerUnknown { .. } => Code::OwnerUnknown,
            Self::DependsOnOwner { .. } => Code::DependsOnOwner,
            Self::UnusedImport { .. } => Code::UnusedImport,
            Self::NoLandingPad { .. } => Code::NoLandingPad,
            Self::TablesAtRunTime => Code::TablesAtRunTime,
            Self::ReplacedUnchecked { .. } => Code::ReplacedUnchecked,
            Self::DependencyUnknown { .. } => Code::DependencyUnknown,
            Self::LoadsOnlyWith { .. } => Code::LoadsOnlyWith,
            Self::ReplacedDrifts { .. } => Code::ReplacedDrifts,
            Self::ReplacementNameless { .. } => Code::ReplacementNameless,
            Self::NotLinked => Code::NotLinked,
            Self::UnusedKlpSymbol { .. } => Code::UnusedKlpSymbol,
            Self::Irregular(_) => Code::Irregular,
            Self::ExportedTwice { .. } => Code::ExportedTwice,
            Self::ExportsUnknown { .. } => Code::ExportsUnknown,
            Self::Incompressible(_) => Code::Incompressible,
        }
    }

    /// What to do about it.
    pub(super) fn help(&self) -> Vec<String> {
        match self {
            Self::PositionUnproven { klp } => {
                let owner = &klp.owner;
                let source = if owner.is_vmlinux() {
                    "--image vmlinuz, or --vmlinux vmlinux".to_owned()
                } else {
                    format!("--module {owner}.ko")
                };
                vec![format!("a source with addresses can prove it: {source}")]
            }
            Self::FileUnproven { klp, known, .. } => vec![format!(
                "'{}' has several files of that name; if no other can be meant, select by what is known: \
                 \"{known}\"",
                klp.owner
            )],
            Self::OwnerUnknown { klp } => {
                vec![format!("a source that has it can prove it: --module {}.ko", klp.owner)]
            }
            Self::DependsOnOwner { why, .. } => vec![
                match why {
                    StillNamed::Import(_) => "convert without --keep-module-exports",
                    StillNamed::Unknown => "give the exports: a map, or --symvers Module.symvers",
                    StillNamed::Depends | StillNamed::Version(_) => {
                        "convert kbuild's module again: the conversion removes this"
                    }
                }
                .into(),
            ],
            Self::UnusedImport { .. } => {
                vec!["link without the code that used it, or strip the symbol".into()]
            }
            Self::NoLandingPad { .. } => vec![
                "compile it with kbuild's flags (-fcf-protection=branch), and let objtool see the \
                 address being taken"
                    .into(),
            ],
            Self::OwnerNotAwaited { klp } => {
                let owner = &klp.owner;
                vec![format!("give the patched object as the gate, '{owner}' or another")]
            }
            Self::TablesAtRunTime => {
                vec!["make them static, or say what is patched: --object NAME".into()]
            }
            Self::ReplacedUnchecked { object } => {
                vec![format!("add a source that has it: --module {object}.ko")]
            }
            Self::DependencyUnknown { gate, .. } => vec![format!(
                "add the module's file, which says what it depends on: --module {gate}.ko"
            )],
            Self::LoadsOnlyWith { owner } => vec![format!(
                "load '{owner}' before it, or let the relocation wait for '{owner}'"
            )],
            Self::ReplacedDrifts { function } => vec![format!(
                "load the livepatch before '{}', or patch another function",
                function.object
            )],
            Self::ReplacementNameless { .. } => {
                vec!["strip nothing but debug information: strip --strip-debug".into()]
            }
            Self::InitMemory { .. } => {
                vec!["use it only for its address, or choose another symbol".into()]
            }
            Self::NotLinked => {
                vec!["linkers keep no klp relocations: link it first, and convert the module".into()]
            }
            Self::UnusedKlpSymbol { .. } => {
                vec!["drop the declaration, or find out where its relocations went".into()]
            }
            Self::Irregular(_) => vec!["link it again; convert refuses such a file".into()],
            Self::ExportedTwice { .. } => vec!["load only one of the two".into()],
            Self::ExportsUnknown { .. } => vec![
                "add a source that has it: --symvers Module.symvers of this kernel, --image vmlinuz, \
                 or --vmlinux vmlinux"
                    .into(),
            ],
            Self::Incompressible(_) => vec![
                "compress as the kernel's make does (xz --check=crc32, zstd, gzip), or not at all; \
                 if the kernel does not decompress modules itself, kmod does, and accepts it"
                    .into(),
            ],
            Self::PositionDrifts { .. } => {
                vec!["load the livepatch before the module, or choose another symbol".into()]
            }
        }
    }
}
