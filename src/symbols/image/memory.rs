//! The mapping from a kernel's addresses to its bytes.
//!
//! An ELF file records it. A raw kernel starts with `_text`, or with the base of its addresses.
//! Invariant: an address outside of the kernel's bytes is `None`.

use std::ops::Range;

use super::blob::Blob;
use super::layout::Base;
use super::program::Program;

/// An unpacked kernel, by address.
#[derive(Debug)]
pub(super) struct Memory<'a> {
    pub(super) blob: Blob<'a>,
    pub(super) program: Option<Program<'a>>,
    /// The address of the first byte of a raw kernel, if the table is relative to it.
    pub(super) counted: Option<u64>,
    /// That address, or that of `_text`, which a raw kernel starts with.
    first: Option<u64>,
}

impl<'a> Memory<'a> {
    /// `base`: what addresses are relative to, and its address; `text`: the address of `_text`.
    pub(super) fn new(blob: Blob<'a>, base: (Base, u64), text: Option<u64>) -> Self {
        let counted = matches!(base.0, Base::File { .. }).then_some(base.1);
        Self { blob, program: Program::parse(blob.bytes), counted, first: counted.or(text) }
    }

    /// The offset of an address in the kernel's bytes.
    pub(super) fn offset_of(&self, address: u64) -> Option<usize> {
        let offset = match &self.program {
            Some(program) => program.offset_of(address)?,
            None => address.checked_sub(self.first?)?,
        };
        usize::try_from(offset).ok().filter(|&offset| offset < self.blob.bytes.len())
    }

    /// The offsets of everything between two addresses.
    pub(super) fn range(&self, start: u64, end: u64) -> Option<Range<usize>> {
        let size = usize::try_from(end.checked_sub(start)?).ok()?;
        let start = self.offset_of(start)?;
        let end = start.checked_add(size).filter(|&end| end <= self.blob.bytes.len())?;
        Some(start..end)
    }
}
