//! Traces of other livepatch tools in a module, and whether they have finished it.
//!
//! What they have recorded for their last step is read by [`crate::intermediate`]. objtool's records stay in a finished
//! module; kpatch's do not.

use bstr::ByteSlice;

use crate::elf::{Module, Section, SectionFlags, SectionIndex, Symbol, SymbolSection};
use crate::findings::Unfinished;
use crate::intermediate::{awaits_post_link, is_kpatch_record, is_objtool_record};

/// What remains to be done to a module; `None` if it is finished or not made by another tool.
#[must_use]
pub(crate) fn unfinished(module: &Module<'_>) -> Option<Unfinished> {
    let mut sections = module.sections();
    let records = sections.find(|section| is_kpatch_record(section) && section.sh_size > 0);
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
