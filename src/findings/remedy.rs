//! What to do about a refusal: candidates, causes, and the lines to paste.

use klp_arch::{Fault, KernelError};

use super::section::Misplaced;
use super::variant;
use crate::annotation::{Annotation, Selector, SourceFile};
use crate::name::{KlpSymbol, ObjectName, Position};
use crate::patch::Replaced;
use crate::resolve::{KlpRelocSymbol, KlpSymbolIn, KlpSympos, Unresolved, pasteable};
use crate::symbols::{Candidate, Candidates};

/// How many candidates are listed; a kernel has hundreds of symbols called `__func__.0`.
const LISTED: usize = 20;

/// Why a source file is not known.
/// What has source files where distributions strip them. `--kernel` looks below `usr/lib/debug`.
const DEBUG_PACKAGES: &str = "or install the kernel's debug package, whose files --kernel finds (Debian: \
     linux-image-RELEASE-dbg, Ubuntu: -dbgsym, Fedora: kernel-debuginfo, SUSE: kernel-default-debuginfo)";
const GLOBAL: &str = "a symbol table has source files for static symbols only";

/// Advice for a name without similar ones.
const ELSEWHERE: &str =
    "if a module has it, add the module: --module FILE.ko; else the compiler may have inlined it";

/// The kernel's message and errno.
pub(super) fn says(error: &KernelError) -> String {
    let (errno, number) = (error.errno, error.errno.number());
    if error.message.is_empty() {
        format!("the kernel logs nothing and returns -{errno} ({number})")
    } else {
        format!("the kernel says: {} (-{errno}, {number})", error.message)
    }
}

/// Advice for a fault of the machine's loader at a relocation.
pub(super) fn fault(fault: &Fault) -> Option<&'static str> {
    Some(match fault {
        Fault::NoNopAfterCall { .. } => {
            "a call to a function that was static has no nop after it: declare it so that the \
             compiler treats it as external, and avoid a tail call"
        }
        Fault::Overflow { .. } | Fault::MisalignedValue { .. } => {
            "compile with kbuild's flags: their code model reaches the whole module area"
        }
        Fault::ReadOnly => "keep the reference in writable data: a pointer that is not const",
        Fault::MisalignedPlace { .. } => "keep the reference aligned: no packed structure",
        Fault::SiteNotZero { .. } | Fault::SiteChanged { .. } => {
            "the loader writes once only: link from the original objects again"
        }
        Fault::NoRoom { .. } => {
            "the kernel reserves too little room for late relocations: use fewer symbols that \
             wait for this object, or load the object before the livepatch"
        }
        Fault::UnknownType { .. } | Fault::NotOnThisKernel { .. } => {
            "compile with kbuild's flags: no -fPIC, no other code model"
        }
        _ => return None,
    })
}

/// Advice for a name that is not resolved; `gate`: as its author named it, if so.
pub(super) fn unresolved(reason: &Unresolved, gate: Option<&ObjectName>) -> Vec<String> {
    match reason {
        Unresolved::Ambiguous { name, candidates, exporter } => {
            let mut lines = list(candidates, gate);
            if let Some(owner) = exporter {
                lines.push(format!(
                    "{owner}: {name}, exported; its other symbols are not known: --module \
                     {owner}.ko"
                ));
                lines.push(line(owner, name, Position::Unique, gate));
            }
            lines
        }
        Unresolved::AnnotatedNotUnique { candidates, .. }
        | Unresolved::AnnotatedNoSuchPosition { candidates, .. } => list(candidates, gate),
        Unresolved::SelectedNone { which, candidates, .. } => {
            let mut lines = list(candidates, gate);
            if candidates.iter().any(|c| c.file.is_none()) {
                lines.insert(0, GLOBAL.into());
            }
            if let Selector::NextTo(neighbour) = &**which {
                lines.insert(
                    0,
                    format!("none of these is from the same source file as '{neighbour}':"),
                );
            }
            lines
        }
        Unresolved::SelectedSeveral { which, candidates, .. } => {
            let mut lines = list(candidates, gate);
            lines.insert(
                0,
                match &**which {
                    Selector::NextTo(neighbour) => {
                        format!("'{neighbour}' is in several source files, name another; or:")
                    }
                    _ => "select by a neighbour: KLP_SYMBOL_NEXT_TO; or:".into(),
                },
            );
            lines
        }
        Unresolved::FilesUnknown { owner, candidates, .. } => {
            let source = if owner.is_vmlinux() {
                "--vmlinux vmlinux".to_owned()
            } else {
                format!("--module {owner}.ko, unstripped")
            };
            let mut lines = vec![format!("add a source that has them: {source}")];
            lines.push(DEBUG_PACKAGES.into());
            if owner.is_vmlinux() {
                lines.push(
                    "or build the map from the boot image and objects of the kernel: symbols build --image VMLINUZ --match TREE"
                        .into(),
                );
            }
            lines.extend(list(candidates, gate));
            lines
        }
        Unresolved::NeighbourFileUnknown { neighbours, .. } => {
            let mut lines = vec![GLOBAL.into()];
            lines.push("name a static function or variable as the neighbour, or the file:".into());
            lines.extend(neighbours.iter().take(LISTED).map(describe));
            lines
        }
        Unresolved::NotFound { name, causes, similar, .. } => {
            let causes = causes.iter().map(ToString::to_string);
            let variants = similar.iter().filter(|near| near.is_variant());
            let changed = variant::advice(name, variants.map(|variant| variant.name.as_str()));
            let near = similar.iter().filter(|near| !near.is_variant());
            let near = near.map(|near| format!("did you mean '{}' of {}?", near.name, near.object));
            let lines: Vec<_> = causes.chain(changed).chain(near).collect();
            if lines.is_empty() { vec![ELSEWHERE.into()] } else { lines }
        }
        Unresolved::ObjectUnknown { owner, similar, .. } => {
            let mut lines = vec![format!("add a source that has it: --module {owner}.ko")];
            let similar: Vec<_> = similar.iter().map(|object| format!("'{object}'")).collect();
            if !similar.is_empty() {
                lines.push(format!("or is one of these meant: {}?", similar.join(", ")));
            }
            lines
        }
        Unresolved::VmlinuxUnknown { candidate, .. } => {
            let mut lines = vec!["add a source for vmlinux: --vmlinux, or -s; or annotate:".into()];
            lines.extend([describe(candidate), paste(candidate, gate)]);
            lines
        }
        Unresolved::InitMemory { candidate, .. } => vec![describe(candidate)],
        Unresolved::Name(_) => Vec::new(),
    }
}

fn list(candidates: &Candidates, gate: Option<&ObjectName>) -> Vec<String> {
    let listed = candidates.iter().take(LISTED);
    let mut lines: Vec<_> = listed
        .flat_map(|c| {
            let selector = if gate.is_none() { select(c, candidates) } else { None };
            [Some(describe(c)), selector, Some(paste(c, gate))].into_iter().flatten()
        })
        .collect();
    if gate.is_some() {
        lines.insert(0, "annotate the declaration with one of these instead:".into());
    }
    if let Some(more) = candidates.count().checked_sub(LISTED).filter(|&more| more > 0) {
        lines.push(format!("and {more} more"));
    }
    lines
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
    if let Some(beside) = candidate.beside.get() {
        text += &format!(", {beside}");
    }
    if candidate.init {
        text += ", in init memory, which is freed";
    }
    text
}

/// The selector to paste for a candidate, if its file distinguishes it from the others.
fn select(candidate: &Candidate, all: &[Candidate]) -> Option<String> {
    let file: SourceFile = candidate.file.as_ref()?.parse().ok()?;
    KlpSymbolIn::of(candidate, &file, all).map(|selector| format!("  {selector}"))
}

/// The line to paste for a candidate, in the author's dialect.
fn paste(candidate: &Candidate, gate: Option<&ObjectName>) -> String {
    let Candidate { object, name, .. } = candidate;
    line(object, name, candidate.klp_position(), gate)
}

/// The line to paste for a symbol.
fn line(owner: &ObjectName, name: &str, position: Position, gate: Option<&ObjectName>) -> String {
    match gate {
        // The declaration exists already.
        Some(gate) => format!("  KLP_RELOC_SYMBOL_POS({gate}, {owner}, {name}, {position})"),
        None if pasteable(name) => format!("  {}", KlpSympos { owner, name, position }),
        None => format!("  {}", KlpRelocSymbol { gate: owner, owner, name, alias: name, position }),
    }
}

/// Advice for one symbol with two meanings: give the second its own C name.
pub(super) fn conflict(first: &Annotation, second: &Annotation) -> Vec<String> {
    let Annotation { owner, which, .. } = second;
    let gate = second.gate.as_ref().or(first.gate.as_ref()).unwrap_or(owner);
    let name = second.name.as_str();
    let alias = format!("other_{name}");
    let line = match which {
        Selector::Position(position) => {
            let position = *position;
            KlpRelocSymbol { gate, owner, name, alias: &alias, position }.to_string()
        }
        Selector::InFile(_) | Selector::NextTo(_) => {
            format!("extern typeof({name}) {alias}; and in its selector, .name = \"{name}\"")
        }
    };
    vec![
        "one C name means one symbol; declare the other under a name of its own:".into(),
        format!("  {line}"),
    ]
}

/// Advice for a symbol used by code of several objects.
pub(super) fn undecided(klp: &KlpSymbol, users: &[ObjectName]) -> Vec<String> {
    let KlpSymbol { owner, symbol, position } = klp;
    let mut lines = vec!["declare it for the code of each object under a name of its own:".into()];
    for gate in users.iter().filter(|user| !user.is_vmlinux()).take(LISTED) {
        let name = symbol.as_str();
        let alias = format!("{name}_for_{gate}");
        let line = KlpRelocSymbol { gate, owner, name, alias: &alias, position: *position };
        lines.push(format!("  {line}"));
    }
    lines
}

/// Advice for a module's symbol in code of vmlinux.
pub(super) fn in_vmlinux(klp: &KlpSymbol) -> Vec<String> {
    let KlpSymbol { owner, symbol, position } = klp;
    let (gate, name) = (&ObjectName::vmlinux(), symbol.as_str());
    let line = KlpRelocSymbol { gate, owner, name, alias: name, position: *position };
    vec![
        format!(
            "add a klp_object for '{owner}' to the patch, with empty funcs: the relocation is \
             written when"
        ),
        format!(
            "  '{owner}' is loaded, and must not be used before; or load only while it is loaded:"
        ),
        format!("  {line}"),
    ]
}

/// Advice for a module that the patched object does not depend on.
pub(super) fn undeclared(gate: &ObjectName, owner: &ObjectName) -> Vec<String> {
    vec![
        format!("while '{owner}' is not loaded, the kernel refuses to load '{gate}'"),
        "use what vmlinux or a module that it depends on has, or, if the owner is always loaded \
         first: --allow-undeclared-dependency"
            .into(),
    ]
}

/// Advice for a function to replace that is not found or not unique.
pub(super) fn replaced(function: &Replaced, reason: &Unresolved) -> Vec<String> {
    let (Unresolved::AnnotatedNotUnique { candidates, .. }
    | Unresolved::AnnotatedNoSuchPosition { candidates, .. }) = reason
    else {
        return unresolved(reason, None);
    };
    let Replaced { object, name, .. } = function;
    let lines = candidates.iter().take(LISTED).flat_map(|candidate| {
        let file = candidate.file.as_ref().and_then(|file| file.parse::<SourceFile>().ok());
        let file = file.filter(|file| KlpSymbolIn::of(candidate, file, candidates).is_some());
        let selector =
            file.map(|file| format!("  KLP_FUNC_IN({object}, {name}, NEW_FUNC, \"{file}\");"));
        let position = format!("  .old_sympos = {}", candidate.klp_position());
        [Some(describe(candidate)), selector, Some(position)].into_iter().flatten()
    });
    let mut lines: Vec<_> = lines.collect();
    if let Some(more) = candidates.len().checked_sub(LISTED).filter(|&more| more > 0) {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// Advice for an object name that no module can have.
pub(super) fn object_name(name: &str) -> Vec<String> {
    vec![match name.parse::<ObjectName>() {
        Ok(object) if object.is_vmlinux() => {
            "the kernel itself has no name: leave .name out".to_owned()
        }
        Ok(object) => format!("the kernel compares names verbatim: \"{object}\""),
        Err(error) => error.to_string(),
    }]
}

/// Advice for a relocation that cannot wait for a gate.
pub(super) fn misplaced(
    reason: Misplaced,
    section: &str,
    symbol: &str,
    gate: &ObjectName,
) -> Vec<String> {
    let tracepoint = symbol.starts_with("__tracepoint_") || symbol.starts_with("__SCK__tp_func_");
    vec![match reason {
        Misplaced::Consumed(_) if tracepoint => {
            format!("leave out the trace call: tracepoints of '{gate}' cannot be used")
        }
        Misplaced::Consumed(_) if section == "__jump_table" => format!(
            "use static_key_enabled(&{symbol}) instead of static_branch_*(): it needs no jump label"
        ),
        Misplaced::Consumed(_) if section == ".static_call_sites" => {
            let call = ["__SCK__", "__SCT__"].iter().find_map(|p| symbol.strip_prefix(p));
            let call = call.unwrap_or(symbol);
            format!("use KLP_STATIC_CALL({call})(…) instead of static_call({call})(…)")
        }
        Misplaced::Consumed(_) => {
            format!("only vmlinux symbols can be used here, not those of '{gate}'")
        }
        Misplaced::Init => "move the code out of __init, the data out of __initdata".into(),
        Misplaced::Percpu => "set the pointer at run time, in a callback of the patch".into(),
        Misplaced::NotLoaded => "the kernel loads only sections with SHF_ALLOC".into(),
    }]
}
