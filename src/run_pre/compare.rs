//! The bytes of an object's part, as the linker would write them, and those in the kernel.

use klp_arch::{Calc, LinkEdit, Operands, Row, apply};

use super::mismatch::{Mismatch, Unknown};
use super::parts::Part;
use super::placed::Placed;
use super::references::{Reference, Target, Unit};
use crate::objdiff::Class;

/// The longest jump in bytes.
const JUMP: usize = 6;

/// What came of a part.
#[derive(Debug, Clone)]
pub(super) enum Comparison {
    Equal,
    Differs(Mismatch),
    Unknown(Unknown),
}

/// What came of filling in a reference.
enum Filled {
    /// It is as the kernel has it.
    Equal,
    /// It cannot be told.
    Unknown(Unknown),
    /// It leads elsewhere.
    Different(Mismatch),
}

impl Placed<'_, '_> {
    /// The first difference of a part from what is in the kernel, if its section is at an address.
    pub(super) fn compare(&self, part: &Part, base: u64) -> Comparison {
        let own = self.object.bytes(part);
        let address = base.wrapping_add(part.span.start);
        let Some(linked) = self.kernel.memory.from(base) else {
            return Comparison::Differs(Mismatch::NotThere);
        };
        let Some(there) = self.kernel.memory.slice(address, own.len()) else {
            return Comparison::Differs(Mismatch::NotThere);
        };
        let mut expected = own.to_vec();
        let mut first: Option<Mismatch> = None;
        let mut unknown = None;
        for reference in self.object.references_of(part) {
            let edit = self.object.edit(reference, linked);
            let offset = reference.offset.saturating_sub(part.span.start);
            let Ok(at) = usize::try_from(offset) else { continue };
            if let Some(edit) = edit
                && let Some(code) =
                    at.checked_sub(edit.before).and_then(|at| expected.get_mut(at..))
            {
                edit.apply(code);
            }
            match self.fill(reference, edit, (base, at), &mut expected, there) {
                Filled::Equal => {}
                Filled::Unknown(why) => {
                    unknown.get_or_insert(why);
                }
                Filled::Different(mismatch) => {
                    first.get_or_insert(mismatch);
                }
            }
        }
        self.fill_resolved(part, base, &mut expected, there);
        for (offset, edit) in self.object.jumps_taken_out(part, linked) {
            if let Some(mismatch) = self.jump_differs(part, base, offset, edit) {
                first.get_or_insert(mismatch);
            }
            let at = usize::try_from(offset.saturating_sub(part.span.start)).ok();
            edit.apply(at.and_then(|at| expected.get_mut(at..)).unwrap_or_default());
        }
        let byte = expected.iter().zip(there).position(|(a, b)| a != b);
        let byte = byte.and_then(|byte| u64::try_from(byte).ok());
        let first = match (byte, first) {
            (None, first) => first,
            (Some(byte), Some(first)) if first.at().is_some_and(|at| at <= byte) => Some(first),
            (Some(byte), _) => Some(self.bytes_differ(part, byte, own, there)),
        };
        match (first, unknown) {
            (Some(mismatch), _) => Comparison::Differs(mismatch),
            (None, Some(why)) => Comparison::Unknown(why),
            (None, None) => Comparison::Equal,
        }
    }

    /// Writes what the linker writes into a reference's field.
    fn fill(
        &self,
        reference: &Reference,
        edit: Option<&'static LinkEdit>,
        (base, at): (u64, usize),
        expected: &mut [u8],
        there: &[u8],
    ) -> Filled {
        let is_mark = self.object.machine.link.marks.contains(&reference.kind);
        if edit.is_some_and(|edit| edit.then.is_none()) || is_mark && self.kernel.is_module() {
            return Filled::Equal;
        }
        let offset = u64::try_from(at).unwrap_or(u64::MAX);
        let Some((unit, addend, row)) = self.meant(reference, edit) else {
            return Filled::Unknown(Unknown::Relocation { at: offset, kind: reference.kind });
        };
        let endian = self.object.machine.endian;
        let place = base.wrapping_add(reference.offset);
        let size = row.field.size();
        let Some(field) = at.checked_add(size).and_then(|end| there.get(at..end)) else {
            return Filled::Different(Mismatch::NotThere);
        };
        let copy = |expected: &mut [u8]| {
            if let Some(own) = at.checked_add(size).and_then(|end| expected.get_mut(at..end)) {
                let value = row.field.load(field, row.check.is_signed(), endian).unwrap_or(0);
                let _ = row.field.store(own, value, endian);
            }
        };
        let meant = match reference.means {
            Target::Section { offset, .. } if unit == reference.unit => offset,
            _ => addend,
        };
        let Some(address) = self.address(unit, meant) else {
            copy(expected);
            return Filled::Unknown(Unknown::Address { at: offset, of: self.object.shown(unit) });
        };
        if let Unit::Entry(section, start) = unit
            && !self.is_entry(section, start, address)
        {
            copy(expected);
            return Filled::Different(self.leads(offset, unit, addend, address));
        }
        let entered = self.entered(row, reference, unit, address);
        let operands = Operands {
            s: entered,
            a: addend,
            p: place,
            toc: self.toc,
            got_slot: None,
            ..Operands::default()
        };
        if row.calc == Calc::Absolute
            && size == 8
            && let Some(pointer) = self.kernel.memory.late_pointer(place)
        {
            copy(expected);
            return match pointer == operands.sum() {
                true => Filled::Equal,
                false => Filled::Different(self.leads_to(offset, unit, addend, pointer)),
            };
        }
        if row.calc == Calc::SlotRelative {
            let value = row.field.load(field, row.check.is_signed(), endian).unwrap_or(0);
            let slot = place
                .wrapping_add_signed(value.wrapping_shl(row.shift.into()))
                .wrapping_add_signed(addend.wrapping_neg());
            copy(expected);
            return match self.kernel.pointer(slot) {
                Some(pointer) if pointer == address => Filled::Equal,
                Some(pointer) => Filled::Different(self.leads_to(offset, unit, 0, pointer)),
                None => Filled::Different(self.leads(offset, unit, addend, address)),
            };
        }
        let value = apply::compute(row, &operands).and_then(|value| apply::fit(row, value));
        let Ok(patch) = value else {
            copy(expected);
            return Filled::Different(self.leads(offset, unit, addend, address));
        };
        let own = expected.get_mut(at..).unwrap_or_default();
        let _ = patch.field.store(own, patch.value, endian);
        let own = own.get(..size).unwrap_or_default();
        if own == field {
            return Filled::Equal;
        }
        let found = row.field.load(field, row.check.is_signed(), endian).unwrap_or(0);
        let wanted = row.field.load(own, row.check.is_signed(), endian).unwrap_or(0);
        if found == wanted {
            // The bits around the field differ, which the bytes tell.
            return Filled::Equal;
        }
        let found = super::clue::Clue::of(row, found, place, self.toc);
        let found = found.and_then(|clue| clue.minus(addend).address());
        copy(expected);
        Filled::Different(match found {
            Some(found) => self.leads_to(offset, unit, addend, found.wrapping_add_signed(addend)),
            None => self.leads(offset, unit, addend, address),
        })
    }

    /// Distances that the assembler has filled in, to functions that are elsewhere than in the object: where they lead to the
    /// same function, they count as equal.
    fn fill_resolved(&self, part: &Part, base: u64, expected: &mut [u8], there: &[u8]) {
        if !part.is_function || !self.is_split(part.section) {
            return;
        }
        let decode = |code: &[u8]| self.object.machine.instructions.references(code);
        let (Some(own), Some(theirs)) = (decode(expected), decode(there)) else { return };
        let start = base.wrapping_add(part.span.start);
        for branch in own {
            let offset = part.span.start.wrapping_add_signed(branch.target);
            let Some(target) = self.base_at(part.section, offset) else { continue };
            let target = target.wrapping_add(offset);
            let same = theirs.iter().find(|other| {
                (other.field, other.mask) == (branch.field, branch.mask)
                    && start.wrapping_add_signed(other.target) == target
            });
            if same.is_some() && !part.span.contains(&offset) {
                let fields = expected.iter_mut().zip(there).skip(branch.field).zip(branch.mask);
                for ((own, there), mask) in fields {
                    *own = *own & !mask | there & mask;
                }
            }
        }
    }

    /// Whether a jump that objtool has taken out leads elsewhere than the kernel's table says.
    fn jump_differs(
        &self,
        part: &Part,
        base: u64,
        offset: u64,
        edit: &LinkEdit,
    ) -> Option<Mismatch> {
        let field = offset.saturating_add(u64::try_from(edit.before).unwrap_or(0));
        let relocated =
            self.object.references_of(part).iter().find(|reference| reference.offset == field);
        let target = match relocated {
            Some(reference) => {
                let bias = self.object.machine.instructions.code_bias(reference.row?);
                let meant = reference.addend.wrapping_add(bias);
                self.address(reference.unit, meant)?.wrapping_add_signed(meant)
            }
            None => {
                let code = self.object.body(part.section, offset);
                let code = code.get(..JUMP).unwrap_or(code);
                let jump = self.object.machine.instructions.branches(code).into_iter().next()?;
                base.wrapping_add(offset).wrapping_add_signed(jump.target)
            }
        };
        let found = self.kernel.jump(base.wrapping_add(offset));
        if found == Some(target) {
            return None;
        }
        let kernel =
            found.map_or_else(|| "nothing".to_owned(), |found| self.kernel.listing.place(found));
        Some(Mismatch::Reference {
            at: offset.saturating_sub(part.span.start),
            object: self.kernel.listing.place(target),
            kernel,
        })
    }

    /// Where a call of a function arrives.
    fn entered(&self, row: &Row, reference: &Reference, unit: Unit, address: u64) -> u64 {
        if row.calc != Calc::Branch || !matches!(unit, Unit::Symbol(_) | Unit::Section(_)) {
            return address;
        }
        let target = address.wrapping_add_signed(match unit {
            Unit::Section(_) => reference.addend,
            _ => 0,
        });
        let function = self.kernel.memory.from(target).unwrap_or_default();
        address.wrapping_add(self.object.machine.link.preamble(function))
    }

    /// Whether what a reference to a mergeable entry means is at an address.
    fn is_entry(&self, section: usize, start: u64, address: u64) -> bool {
        let Some(Class::Merged { strings, width }) = self.object.classes.get(section).copied()
        else {
            return false;
        };
        let body = self.object.body(section, start);
        let end = if strings {
            let end = body.chunks(width).position(|character| character.iter().all(|b| *b == 0));
            end.map(|characters| characters.saturating_add(1).saturating_mul(width))
        } else {
            let inside = usize::try_from(start).ok().map(|start| start % width);
            inside.and_then(|inside| width.checked_sub(inside))
        };
        let entry = end.and_then(|end| body.get(..end));
        entry.is_some_and(|entry| self.kernel.memory.slice(address, entry.len()) == Some(entry))
    }

    /// A reference that leads elsewhere than it should.
    fn leads_to(&self, at: u64, unit: Unit, addend: i64, found: u64) -> Mismatch {
        Mismatch::Reference {
            at,
            object: self.in_words(unit, addend),
            kernel: self.kernel.listing.place(found),
        }
    }

    fn leads(&self, at: u64, unit: Unit, addend: i64, address: u64) -> Mismatch {
        let expected = self.kernel.listing.place(address.wrapping_add_signed(addend));
        Mismatch::Reference {
            at,
            object: format!("{} ({expected})", self.in_words(unit, addend)),
            kernel: "something else".to_owned(),
        }
    }

    fn in_words(&self, unit: Unit, addend: i64) -> String {
        let name = self.object.shown(unit);
        match addend {
            0 => name,
            _ if addend < 0 => format!("{name}-{:#x}", addend.unsigned_abs()),
            _ => format!("{name}+{addend:#x}"),
        }
    }

    /// The instruction, or the first bytes, that differ.
    fn bytes_differ(&self, part: &Part, byte: u64, own: &[u8], there: &[u8]) -> Mismatch {
        let at = usize::try_from(byte).unwrap_or(usize::MAX);
        let length = |code: &[u8]| self.object.machine.instructions.length(code);
        let (mut start, mut lengths) = (at, (8, 8));
        if part.is_function {
            let mut next = 0;
            while let Some(size) = own.get(next..).and_then(length) {
                if next.saturating_add(size) > at {
                    let other = there.get(next..).and_then(length).unwrap_or(size);
                    (start, lengths) = (next, (size, other));
                    break;
                }
                next = next.saturating_add(size);
            }
        }
        let bytes = |all: &[u8], length: usize| {
            let rest = all.get(start..).unwrap_or_default();
            rest.get(..length).unwrap_or(rest).to_vec()
        };
        Mismatch::Bytes {
            at: u64::try_from(start).unwrap_or(u64::MAX),
            object: bytes(own, lengths.0),
            kernel: bytes(there, lengths.1),
        }
    }
}
