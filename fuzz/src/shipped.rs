//! An object against a module: against itself, and with a byte of a function's code changed, which is never equal. Other
//! bytes of it are changed as well, and only have to give a verdict.
#![allow(clippy::panic, reason = "a property that does not hold has to stop the run")]

use klp_convert::elf::{Module, Symbol};
use klp_convert::run_pre::{MatchVerdict, ObjectMatch, ShippedKernel, match_object};

use crate::pairs::place;

/// Bytes of an edit: an offset, and what to change there.
const EDIT: usize = 5;
/// Bytes of the largest field of a relocation.
const FIELD: u64 = 8;

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let split = data.len().saturating_sub(2 * EDIT);
    let (object, edits) = data.split_at(split);
    let Ok(shipped) = ShippedKernel::module(object) else { return };
    let Ok(same) = match_object(&shipped, object) else { return };
    in_words(&same);
    let mut other = object.to_vec();
    for edit in edits.chunks_exact(EDIT) {
        let [a, b, c, d, change] = *edit else { continue };
        let offset = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(0);
        if let Some(byte) = offset.checked_rem(other.len()).and_then(|offset| other.get_mut(offset))
        {
            *byte ^= change;
        }
    }
    if let Ok(other) = match_object(&shipped, &other) {
        in_words(&other);
    }
    flipped(&shipped, object, &same, edits);
}

/// What is shown of verdicts.
fn in_words(found: &ObjectMatch) {
    for function in &found.functions {
        match &function.verdict {
            MatchVerdict::Differs(mismatch) => assert!(!mismatch.to_string().is_empty()),
            MatchVerdict::Unknown(why) => assert!(!why.to_string().is_empty()),
            _ => {}
        }
        assert!(function.position.is_none_or(|position| position > 0));
    }
}

/// Changes a byte of a function that is equal in its own place: it no longer is.
fn flipped(shipped: &ShippedKernel, object: &[u8], same: &ObjectMatch, edits: &[u8]) {
    let Ok(module) = Module::parse(object) else { return };
    let is_once = |symbol: &Symbol<'_>| {
        module.symbols().filter(|other| other.name == symbol.name).count() == 1
    };
    let equal: Vec<Symbol<'_>> = module
        .symbols()
        .filter(|symbol| {
            let mut own = same.functions.iter().filter(|f| f.name.as_bytes() == symbol.name);
            own.any(|f| f.verdict == MatchVerdict::Equal && f.position == Some(1))
                && is_once(symbol)
        })
        .collect();
    let (Some(which), Some(&at)) = (edits.first(), edits.get(1)) else { return };
    let picked = usize::from(*which).checked_rem(equal.len()).and_then(|index| equal.get(index));
    let Some((symbol, range)) = picked.and_then(|one| Some((one, place(&module, one)?))) else {
        return;
    };
    let Some(inside) = usize::from(at).checked_rem(range.len()) else { return };
    let place = symbol.st_value.saturating_add(u64::try_from(inside).unwrap_or(0));
    let is_field = module.relocation_sections().any(|table| {
        let mut fields = module.relocations(table.index);
        fields.any(|rela| place.checked_sub(rela.offset).is_some_and(|within| within < FIELD))
    });
    let mut other = object.to_vec();
    let Some(byte) = other.get_mut(range.start.saturating_add(inside)).filter(|_| !is_field) else {
        return;
    };
    *byte ^= 0x41;
    let Ok(other) = match_object(shipped, &other) else { return };
    let now = other.functions.iter().find(|function| function.name.as_bytes() == symbol.name);
    let is_equal = now.is_some_and(|function| function.verdict == MatchVerdict::Equal);
    assert!(!is_equal, "a change of code is not seen");
}
