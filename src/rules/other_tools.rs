//! What other makers of livepatches leave in a module, and whether they have finished it.
//!
//! Both record relocations first, and make klp sections of the records after the module has been
//! linked. `objtool klp diff` records them in `__klp_relocs.GATE` (Linux 6.19 to 7.1: one
//! `__klp_relocs`) against weak undefined `.klp.sym.*`, while the original relocations name weak
//! undefined `.klp.tombstone.*`; `objtool klp post-link` marks both kinds of symbols
//! `SHN_LIVEPATCH` and leaves the records where they are. kpatch's `create-diff-object` records them
//! in `.kpatch.relocations` and `.kpatch.symbols`, which `create-klp-module` removes.
//! Sources: `tools/objtool/klp-diff.c`, `tools/objtool/klp-post-link.c`, `scripts/livepatch/init.c`;
//! kpatch's `kpatch-build/create-klp-module.c`.

use bstr::ByteSlice;

use crate::elf::{Module, Section, SectionFlags, SectionIndex, Symbol, SymbolSection};
use crate::findings::Unfinished;
use crate::name::KLP_SYM_PREFIX;

/// How objtool calls what an original relocation names until post-link disables it.
const TOMBSTONE: &[u8] = b".klp.tombstone.";
/// Where objtool records relocations: this name, or it with `.GATE` after it.
const OBJTOOL_RECORDS: &[u8] = b"__klp_relocs";
/// Where kpatch records relocations, and the symbols that they name.
const KPATCH_RECORDS: [&[u8]; 2] = [b".kpatch.relocations", b".kpatch.symbols"];

/// What is still to be done to a module; `None` where it is finished, or no other tool made it.
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

/// Whether post-link would mark an undefined symbol `SHN_LIVEPATCH`. Names of annotations start
/// alike; they are the author's, and a conversion reads them.
pub(crate) fn awaits_post_link(symbol: &Symbol<'_>) -> bool {
    let klp = symbol.name.starts_with(KLP_SYM_PREFIX.as_bytes())
        && !symbol.name.starts_with(crate::annotation::NAME_PREFIX.as_bytes());
    klp || is_tombstone(symbol)
}

/// Whether objtool made a symbol to carry an original relocation through the link. Nothing resolves
/// it.
pub(crate) fn is_tombstone(symbol: &Symbol<'_>) -> bool {
    symbol.name.starts_with(TOMBSTONE)
}

fn is_objtool_record(section: &Section<'_>) -> bool {
    section.name.strip_prefix(OBJTOOL_RECORDS).is_some_and(|rest| matches!(rest, [] | [b'.', ..]))
}

/// Whether a section holds objtool's records and nothing reads them: the kernel knows no section of
/// this name, and no relocation that it applies refers to this one. What is written there does not
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

/// What a section of another tool is for, in a few words; `None` for all others.
#[must_use]
pub(crate) fn purpose(section: &Section<'_>) -> Option<&'static str> {
    Some(match section.name {
        _ if is_objtool_record(section) => {
            "klp-build: relocations as recorded before linking; the kernel reads none of it"
        }
        b".init.klp_objects" | b"__klp_objects" => {
            "klp-build: the objects that are patched, for its init function"
        }
        b".init.klp_funcs" | b"__klp_funcs" => {
            "klp-build: the functions that are replaced, for its init function"
        }
        b".kpatch.relocations" => "kpatch: relocations that create-klp-module is to make",
        b".kpatch.symbols" => "kpatch: the symbols of these relocations",
        b".kpatch.funcs" => "kpatch: the functions that are replaced, for its init function",
        b".kpatch.strings" => "kpatch: names of functions, objects and symbols",
        b".kpatch.arch" => "kpatch: what create-klp-module is to make .klp.arch sections of",
        name if name.starts_with(b".kpatch.callbacks.") => "kpatch: callbacks of the patch",
        name if name.starts_with(b".klp.arch.") => {
            "kpatch: for kernels from 4.9 to 5.7; later ones do not read it"
        }
        _ => return None,
    })
}
