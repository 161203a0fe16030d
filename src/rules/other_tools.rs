//! Traces of other livepatch tools in a module, and whether they have finished it.
//!
//! Both record relocations first and turn the records into klp sections after linking. `objtool klp
//! diff` records them in `__klp_relocs.GATE` (Linux 6.19 to 7.1: one `__klp_relocs`) against weak
//! undefined `.klp.sym.*`, while the original relocations name weak undefined `.klp.tombstone.*`;
//! `objtool klp post-link` marks both kinds of symbols `SHN_LIVEPATCH` and keeps the records.
//! kpatch's `create-diff-object` records them in `.kpatch.relocations` and `.kpatch.symbols`, which
//! `create-klp-module` removes. Sources: `tools/objtool/klp-diff.c`,
//! `tools/objtool/klp-post-link.c`, `scripts/livepatch/init.c`; kpatch's
//! `kpatch-build/create-klp-module.c`.

use bstr::ByteSlice;

use crate::elf::{Module, Section, SectionFlags, SectionIndex, Symbol, SymbolSection};
use crate::findings::Unfinished;
use crate::name::KLP_SYM_PREFIX;

/// objtool's prefix for the symbols of original relocations until post-link disables those.
const TOMBSTONE: &[u8] = b".klp.tombstone.";
/// Sections where objtool records relocations: this name, or this name and `.GATE`.
const OBJTOOL_RECORDS: &[u8] = b"__klp_relocs";
/// Sections where kpatch records relocations, and their symbols.
const KPATCH_RECORDS: [&[u8]; 2] = [b".kpatch.relocations", b".kpatch.symbols"];

/// What remains to be done to a module; `None` if it is finished or not made by another tool.
#[must_use]
pub(crate) fn unfinished(module: &Module<'_>) -> Option<Unfinished> {
    let records = module
        .sections()
        .find(|section| KPATCH_RECORDS.contains(&section.name) && section.sh_size > 0);
    if let Some(Section { index, name, .. }) = records {
        return Some(Unfinished::Kpatch {
            index: *index,
            section: name.to_str_lossy().into_owned(),
        });
    }
    let mut waiting = module.symbols_in(SymbolSection::Undefined).filter(awaits_post_link);
    let first = waiting.next()?;
    let first = first.name.to_str_lossy().into_owned();
    Some(Unfinished::KlpBuild { count: waiting.count().saturating_add(1), first })
}

/// Whether post-link would mark an undefined symbol `SHN_LIVEPATCH`. Names of annotations start the
/// same; the author wrote them, and a conversion reads them.
pub(crate) fn awaits_post_link(symbol: &Symbol<'_>) -> bool {
    let klp = symbol.name.starts_with(KLP_SYM_PREFIX.as_bytes())
        && !symbol.name.starts_with(crate::annotation::NAME_PREFIX.as_bytes());
    klp || is_tombstone(symbol)
}

/// Whether objtool made a symbol to carry an original relocation through the link. It is never
/// resolved.
pub(crate) fn is_tombstone(symbol: &Symbol<'_>) -> bool {
    symbol.name.starts_with(TOMBSTONE)
}

fn is_objtool_record(section: &Section<'_>) -> bool {
    section.name.strip_prefix(OBJTOOL_RECORDS).is_some_and(|rest| matches!(rest, [] | [b'.', ..]))
}

/// Whether a section holds objtool's records and nothing reads them: the kernel does not know the
/// name, and no relocation that it applies refers to the section. What is written there does not
/// matter.
pub(crate) fn is_unread(module: &Module<'_>, section: &Section<'_>) -> bool {
    let loaded = |index: u32| {
        let target = module.section(SectionIndex::new(index));
        target.is_some_and(|target| target.sh_flags.contains(SectionFlags::ALLOC))
    };
    let inside = |symbol: Symbol<'_>| symbol.section == SymbolSection::Defined(section.index);
    is_objtool_record(section)
        && !module
            .relocation_sections()
            .filter(|table| loaded(table.sh_info))
            .flat_map(|table| module.relocations(table.index))
            .any(|rela| module.symbol(rela.symbol).is_some_and(inside))
}

/// The purpose of another tool's section, in a few words; `None` for all other sections.
#[must_use]
pub(crate) fn purpose(section: &Section<'_>) -> Option<&'static str> {
    Some(match section.name {
        _ if is_objtool_record(section) => {
            "klp-build: relocations recorded before linking; the kernel does not read them"
        }
        b".init.klp_objects" | b"__klp_objects" => {
            "klp-build: the objects that are patched, for its init function"
        }
        b".init.klp_funcs" | b"__klp_funcs" => {
            "klp-build: the functions that are replaced, for its init function"
        }
        b".kpatch.relocations" => "kpatch: relocations for create-klp-module to write",
        b".kpatch.symbols" => "kpatch: the symbols of these relocations",
        b".kpatch.funcs" => "kpatch: the functions that are replaced, for its init function",
        b".kpatch.strings" => "kpatch: names of functions, objects and symbols",
        b".kpatch.arch" => "kpatch: input from which create-klp-module makes .klp.arch sections",
        name if name.starts_with(b".kpatch.callbacks.") => "kpatch: callbacks of the patch",
        name if name.starts_with(b".klp.arch.") => {
            "kpatch: for kernels from 4.9 to 5.7; later ones do not read it"
        }
        _ => return None,
    })
}
