//! Two objects: one against itself shows no change, whatever it is; another with some bytes changed shows the same from both
//! sides, and every change of a function's code is seen.
#![allow(clippy::panic, reason = "a property that does not hold has to stop the run")]

use klp_convert::elf::{Module, SectionFlags, Symbol, SymbolSection};
use klp_convert::objdiff::{ObjectDiff, Verdict, diff};
use object::elf::STT_FUNC;

/// Bytes of an edit: an offset, and what to change there.
const EDIT: usize = 5;

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let split = data.len().saturating_sub(2 * EDIT);
    let (object, edits) = data.split_at(split);
    let Ok(same) = diff(object, object) else { return };
    assert_eq!(same.changes, [], "an object is not like itself");
    let mut other = object.to_vec();
    for edit in edits.chunks_exact(EDIT) {
        let [a, b, c, d, change] = *edit else { continue };
        let offset = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(0);
        if let Some(byte) = offset.checked_rem(other.len()).and_then(|offset| other.get_mut(offset))
        {
            *byte ^= change;
        }
    }
    both_ways(object, &other);
    flipped(object, edits);
}

/// Compares two objects, and the other way round.
fn both_ways(old: &[u8], new: &[u8]) {
    let (Ok(there), Ok(back)) = (diff(old, new), diff(new, old)) else { return };
    assert_eq!(there.changes.is_empty(), back.changes.is_empty(), "it depends on the side");
    let count = |diff: &ObjectDiff, verdict| {
        diff.changes.iter().filter(|change| change.verdict == verdict).count()
    };
    assert_eq!(count(&there, Verdict::New), count(&back, Verdict::Gone));
    for change in there.changes.iter().filter_map(|change| change.difference.as_ref()) {
        assert!(!change.to_string().is_empty());
    }
    for refusal in &there.refusals {
        assert!(!refusal.to_string().is_empty());
    }
}

/// Changes a byte of a function: it is no longer the same.
fn flipped(object: &[u8], edits: &[u8]) {
    let Ok(module) = Module::parse(object) else { return };
    let functions: Vec<_> = module.symbols().filter_map(|symbol| place(&module, &symbol)).collect();
    let (Some(which), Some(&at)) = (edits.first(), edits.get(1)) else { return };
    let picked =
        usize::from(*which).checked_rem(functions.len()).and_then(|index| functions.get(index));
    let Some(range) = picked else { return };
    let mut other = object.to_vec();
    let offset =
        usize::from(at).checked_rem(range.len()).map(|offset| range.start.saturating_add(offset));
    let Some(byte) = offset.and_then(|offset| other.get_mut(offset)) else { return };
    *byte ^= 0x41;
    if let Ok(diff) = diff(object, &other) {
        assert!(!diff.changes.is_empty(), "a change of code is not seen");
    }
}

/// Where in the file a function's code is, if nothing says that it is something else.
pub(crate) fn place(module: &Module<'_>, symbol: &Symbol<'_>) -> Option<std::ops::Range<usize>> {
    let SymbolSection::Defined(section) = symbol.section else { return None };
    let section = module.section(section)?;
    let is_code = section.name.starts_with(b".text")
        && section.has_body()
        && section.sh_flags.contains(SectionFlags::ALLOC | SectionFlags::EXECINSTR);
    if symbol.kind != STT_FUNC || !is_code {
        return None;
    }
    let end = symbol.st_value.checked_add(symbol.st_size).filter(|end| *end <= section.sh_size)?;
    let at = |offset: u64| usize::try_from(section.sh_offset.checked_add(offset)?).ok();
    Some(at(symbol.st_value)?..at(end)?)
}
