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

    /// Where bytes are: addresses and the offset of each run of them, by address.
    pub(super) fn runs(&self) -> Vec<(Range<u64>, usize)> {
        let offset = |offset: u64| usize::try_from(offset).ok();
        let mut runs: Vec<(Range<u64>, usize)> = match &self.program {
            Some(program) => program
                .loads()
                .filter_map(|(start, size, at)| Some((at..at.checked_add(size)?, offset(start)?)))
                .collect(),
            None => {
                let size = u64::try_from(self.blob.bytes.len()).unwrap_or(0);
                let end = self.first.and_then(|first| first.checked_add(size));
                self.first.zip(end).map(|(first, end)| (first..end, 0)).into_iter().collect()
            }
        };
        runs.sort_unstable_by_key(|(addresses, _)| addresses.start);
        runs
    }

    /// The offsets of everything between two addresses.
    pub(super) fn range(&self, start: u64, end: u64) -> Option<Range<usize>> {
        let size = usize::try_from(end.checked_sub(start)?).ok()?;
        let start = self.offset_of(start)?;
        let end = start.checked_add(size).filter(|&end| end <= self.blob.bytes.len())?;
        Some(start..end)
    }
}
