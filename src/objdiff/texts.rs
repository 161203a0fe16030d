//! Texts and constants in sections whose equal entries may be merged.
//!
//! Many references may lead into one long text, each to another place. Comparing each to the end would take the square of
//! time, so what was compared is remembered: by section and distance, from where to where two texts are equal, and where not.

use std::cell::RefCell;
use std::ops::Range;

use rustc_hash::FxHashMap;

use super::class::Class;
use super::object::Object;
use super::reference::of_slot;

/// Where the texts of a section end, and what was compared.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// By object (whether it is the old one), section, and place in a character: the ends, sorted.
    ends: RefCell<FxHashMap<(bool, usize, usize), Vec<usize>>>,
    /// By section of the old and the new object, and the distance between places.
    compared: RefCell<FxHashMap<(usize, usize, i64), Compared>>,
}

/// What is known about two sections at one distance, in offsets of the old one.
#[derive(Debug, Default)]
struct Compared {
    equal: Range<usize>,
    differs: Option<usize>,
}

impl Texts {
    /// Whether two references mean the same bytes.
    pub(super) fn are_equal(
        &self,
        (old, a, offset): (&Object<'_>, usize, i64),
        (new, b, other): (&Object<'_>, usize, i64),
    ) -> bool {
        let extents = (self.extent(old, true, a, offset), self.extent(new, false, b, other));
        let (own, theirs) = match extents {
            (Some(own), Some(theirs)) => (own, theirs),
            // Past the end of both, or before the start.
            (None, None) => return offset == other,
            _ => return false,
        };
        if own.len() != theirs.len() {
            return false;
        }
        let mut compared = self.compared.borrow_mut();
        let known = compared.entry((a, b, offset.wrapping_sub(other))).or_default();
        if known.equal.contains(&own.start) && own.end <= known.equal.end || own.is_empty() {
            return true;
        }
        if known.differs.is_some_and(|at| own.contains(&at)) {
            return false;
        }
        let left = bytes(old, a, &own);
        let right = bytes(new, b, &theirs);
        // The last one: it is in every text that ends here.
        match left.iter().zip(right).rev().position(|(a, b)| a != b) {
            Some(back) => {
                known.differs = own.end.checked_sub(back.saturating_add(1));
                false
            }
            None => {
                known.equal = own;
                true
            }
        }
    }

    /// What a reference means, in offsets of its section; `None`: nothing in the section.
    fn extent(
        &self,
        object: &Object<'_>,
        old: bool,
        section: usize,
        offset: i64,
    ) -> Option<Range<usize>> {
        let Some(Class::Merged { strings, width }) = object.classes.get(section).copied() else {
            return None;
        };
        let body = object.module.body(of_slot(section));
        let start = usize::try_from(offset).ok().filter(|start| *start < body.len())?;
        if !strings {
            let length = width.checked_sub(start % width)?;
            return Some(start..start.saturating_add(length).min(body.len()));
        }
        let phase = start % width;
        let mut ends = self.ends.borrow_mut();
        let ends = ends.entry((old, section, phase)).or_insert_with(|| {
            let characters = body.get(phase..).unwrap_or_default().chunks(width);
            let zero = characters.enumerate().filter(|(_, c)| c.iter().all(|byte| *byte == 0));
            zero.map(|(index, _)| phase.saturating_add(index.saturating_mul(width))).collect()
        });
        let end = ends.get(ends.partition_point(|end| *end < start)).copied();
        Some(start..end.unwrap_or(body.len()))
    }
}

fn bytes<'data>(object: &Object<'data>, section: usize, extent: &Range<usize>) -> &'data [u8] {
    object.module.body(of_slot(section)).get(extent.clone()).unwrap_or_default()
}
