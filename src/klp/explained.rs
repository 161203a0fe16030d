//! Codes and advice for everything that can stand against a conversion.

use klp_arch::Fault;

use super::placement::Misplaced;
use super::{Failure, ObjectName, Refusal, Warning};
use crate::annotation::AnnotationError;
use crate::diagnostic::{Code, Diagnostic, Explained};
use crate::resolve::{KlpRelocSymbol, KlpSympos, Unresolved, pasteable};
use crate::symbols::{Candidate, SymbolErrorKind};

impl Failure {
    /// Everything it says, as diagnostics about the module named `file`.
    #[must_use]
    pub fn diagnostics(&self, file: &str) -> Vec<Diagnostic> {
        match self {
            Self::Refused(refusals) => {
                refusals.iter().map(|refusal| Diagnostic::error(file, refusal)).collect()
            }
            _ => vec![Diagnostic::error(file, self)],
        }
    }

    /// Whether a file could not be read, rather than its contents refused.
    #[must_use]
    pub fn is_io(&self) -> bool {
        matches!(self, Self::Symbols(error) if matches!(error.kind, SymbolErrorKind::Io(_)))
    }
}

impl Explained for Failure {
    fn code(&self) -> Code {
        match self {
            Self::Elf(_) => Code::MalformedElf,
            Self::Machine(_) => Code::UnknownMachine,
            Self::OtherMachine { .. } => Code::OtherMachine,
            Self::Signed(_) => Code::Signed,
            Self::Symbols(error) => match error.kind {
                SymbolErrorKind::Io(_) => Code::Read,
                SymbolErrorKind::ObjectTwice { .. } | SymbolErrorKind::Disagree { .. } => {
                    Code::ConflictingMaps
                }
                _ => Code::MalformedMap,
            },
            Self::Refused(_) => Code::KernelRule,
            Self::Unfaithful(_) => Code::Unfaithful,
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::Signed(_) => {
                vec!["convert before signing, or pass --strip-signature and sign again".into()]
            }
            Self::Unfaithful(_) => vec!["please report this with the module".into()],
            _ => Vec::new(),
        }
    }
}

impl Explained for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::Annotation(AnnotationError::Conflict { .. }) => Code::ConflictingAnnotations,
            Self::Annotation(_) => Code::MalformedAnnotation,
            Self::AnnotationUnused { .. } => Code::UnusedAnnotation,
            Self::NotUtf8 { .. } => Code::BadName,
            Self::UnfinishedKlpSymbol { .. } => Code::UnfinishedKlpSymbol,
            Self::Unresolved { reason, .. } => match **reason {
                Unresolved::Name(_) => Code::BadName,
                Unresolved::Ambiguous { .. } => Code::Ambiguous,
                Unresolved::AnnotatedNotUnique { .. } => Code::NotUnique,
                Unresolved::AnnotatedNoSuchPosition { .. } => Code::NoSuchPosition,
                Unresolved::ObjectUnknown { .. } => Code::UnknownObject,
                Unresolved::InitMemory { .. } => Code::InitMemory,
                Unresolved::NotFound { .. } => Code::NotFound,
            },
            Self::NotConverted { .. } | Self::Rule(_) => Code::KernelRule,
            Self::VmlinuxSymbolBehindModule { .. } => Code::VmlinuxBehindModule,
            Self::GateNotPatched { .. } => Code::GateNotPatched,
            Self::Misplaced { reason: Misplaced::Consumed(_), .. } => Code::ConsumedSection,
            Self::Misplaced { .. } => Code::UnwritableSection,
            Self::UnknownRelocation { .. } => Code::UnknownRelocation,
            Self::Place { .. } => Code::Place,
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::Annotation(AnnotationError::Conflict { first, second }) => {
                let (owner, name) = (&second.owner, &second.name);
                let gate = first.gate.as_ref().unwrap_or(owner);
                vec![
                    "one C name means one symbol; declare the other under a name of its own:".into(),
                    format!(
                        "extern typeof({name}) other_{name} KLP_RELOC_SYMBOL_POS({gate}, {owner}, {name}, {});",
                        second.position
                    ),
                ]
            }
            Self::AnnotationUnused { .. } => vec!["remove the annotation".into()],
            Self::UnfinishedKlpSymbol { .. } => {
                vec!["finish it with the tool that made it: objtool klp post-link".into()]
            }
            Self::NotConverted { name } => {
                vec![format!("convert the module first: '{name}' must become a klp symbol")]
            }
            Self::Unresolved { reason, .. } => unresolved(reason),
            Self::VmlinuxSymbolBehindModule { .. } => {
                vec!["give vmlinux as the gate: its symbols are always there".into()]
            }
            Self::GateNotPatched { gate, .. } => vec![format!(
                "add a klp_object for '{gate}' to the patch, and --object {gate} here"
            )],
            Self::Misplaced { reason, site, gate } => {
                misplaced(*reason, &site.section, &site.symbol, gate)
            }
            Self::Place { fault: Fault::NoNopAfterCall { .. }, .. } => vec![
                "a call to a function that was static has no nop behind it: declare the function so \
                 that the compiler takes it for external, and keep the call from being a tail call"
                    .into(),
            ],
            _ => Vec::new(),
        }
    }
}

fn misplaced(reason: Misplaced, section: &str, symbol: &str, gate: &ObjectName) -> Vec<String> {
    match reason {
        Misplaced::Consumed(_) if section == "__jump_table" => vec![format!(
            "use static_key_enabled(&{symbol}) instead of static_branch_*(): it needs no jump label"
        )],
        Misplaced::Consumed(_) if section == ".static_call_sites" => {
            vec![format!(
                "call through the static call's pointer instead: KLP_STATIC_CALL({symbol})"
            )]
        }
        Misplaced::Consumed(_) => {
            vec![format!("only vmlinux symbols can be used here, not those of '{gate}'")]
        }
        Misplaced::Init => vec!["move the code out of __init, the data out of __initdata".into()],
        Misplaced::Percpu => vec!["set the pointer at run time, in a callback of the patch".into()],
        Misplaced::NotLoaded => Vec::new(),
    }
}

fn unresolved(reason: &Unresolved) -> Vec<String> {
    match reason {
        Unresolved::Ambiguous { candidates, .. }
        | Unresolved::AnnotatedNotUnique { candidates, .. }
        | Unresolved::AnnotatedNoSuchPosition { candidates, .. } => {
            candidates.iter().flat_map(|c| [describe(c), paste(c)]).collect()
        }
        Unresolved::NotFound { causes, similar, .. } => {
            let causes = causes.iter().map(ToString::to_string);
            let near = similar.iter().filter(|near| !near.is_variant());
            let near = near.map(|near| format!("did you mean '{}' of {}?", near.name, near.object));
            causes.chain(near).collect()
        }
        Unresolved::ObjectUnknown { owner, known, .. } => {
            let known: Vec<_> = known.iter().map(ToString::to_string).collect();
            vec![
                format!("add a source that has it: --module {owner}.ko"),
                format!("known objects: {}", known.join(", ")),
            ]
        }
        Unresolved::InitMemory { candidate, .. } => vec![describe(candidate)],
        Unresolved::Name(_) => Vec::new(),
    }
}

/// One candidate, on one line: object, position, address, size, source file.
fn describe(candidate: &Candidate) -> String {
    let Candidate { object, name, position, address, size, file, .. } = candidate;
    let mut text = format!("{object}: {name}, position {position}");
    if let Some(address) = address {
        text += &format!(", at {address:#x}");
    }
    if let Some(size) = size {
        text += &format!(", {size} bytes");
    }
    if let Some(file) = file {
        text += &format!(", from {file}");
    }
    text
}

/// The line to paste for a candidate.
fn paste(candidate: &Candidate) -> String {
    if pasteable(candidate) {
        format!("  {}", KlpSympos(candidate))
    } else {
        let gate = &candidate.object;
        format!("  {}", KlpRelocSymbol { candidate, gate })
    }
}

impl Explained for Warning {
    fn code(&self) -> Code {
        match self {
            Self::PositionUnproven { .. } => Code::PositionUnproven,
            Self::PositionDrifts { .. } => Code::PositionDrifts,
            Self::OwnerNotAwaited { .. } => Code::OwnerNotAwaited,
            Self::InitMemory { .. } => Code::AnnotatedInitMemory,
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::PositionUnproven { klp } => {
                let owner = &klp.owner;
                let source = if owner.is_vmlinux() {
                    "--vmlinux vmlinux".to_owned()
                } else {
                    format!("--module {owner}.ko")
                };
                vec![format!("a source with addresses can prove it: {source}")]
            }
            Self::OwnerNotAwaited { klp } => {
                let owner = &klp.owner;
                vec![format!("give the object that is patched as the gate, '{owner}' or another")]
            }
            Self::InitMemory { .. } => {
                vec!["use it only for its address, or choose another symbol".into()]
            }
            Self::PositionDrifts { .. } => {
                vec!["load the livepatch before the module, or choose another symbol".into()]
            }
        }
    }
}
