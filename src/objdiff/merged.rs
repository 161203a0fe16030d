//! The bytes that a reference to a section of mergeable entries means.

use super::class::Class;
use super::reference::of_slot;
use crate::elf::Module;

/// The first bytes that a reference to a section of mergeable entries means, at most so many: of a text up to its end, or of
/// a constant. `None`: the place is not in the section.
pub(super) fn start<'data>(
    module: &Module<'data>,
    class: Class,
    section: usize,
    offset: i64,
    most: usize,
) -> Option<&'data [u8]> {
    let Class::Merged { strings, width } = class else { return None };
    let offset = usize::try_from(offset).ok()?;
    let tail = module.body(of_slot(section)).get(offset..)?;
    let tail = tail.get(..most).unwrap_or(tail);
    let end = if strings { length(tail, width) } else { width.checked_sub(offset % width)? };
    Some(tail.get(..end).unwrap_or(tail))
}

/// Bytes before the first character of this width that is 0, or of all.
fn length(tail: &[u8], width: usize) -> usize {
    let end = match width {
        1 => memchr::memchr(0, tail),
        _ => tail
            .chunks(width)
            .position(|character| character.iter().all(|byte| *byte == 0))
            .map(|characters| characters.saturating_mul(width)),
    };
    end.unwrap_or(tail.len())
}
