//! The base address of a kernel's symbol table.
//!
//! An ELF file records the addresses of its bytes. A raw kernel does not, but it has pointers to its own
//! symbols: in the head of an empty list, which points to itself, and in the relocations by which a
//! kernel relocates itself. Each such pointer votes for the bases that would make it point to a symbol,
//! and the right one wins by far. Invariant: no base without a clear majority. A kernel is linked at a
//! multiple of at least 64 KiB on all machines, and starts at a page boundary of the file.

use klp_arch::Machine;
use memchr::memmem::Finder;
use rustc_hash::FxHashMap;

use super::ImageError;
use super::blob::Blob;
use super::layout::{Addresses, Base};
use super::program::Program;

/// Every base is a multiple of this,
const ALIGN: u64 = 1 << 16;
/// less what precedes the kernel in the file, which is a multiple of this.
const PAGE: u64 = 1 << 12;
/// Fewest consecutive relocations that count as a table.
const TABLE_MIN: usize = 64;
/// Relocations that vote.
const SAMPLES: usize = 1024;
/// Size of a relocation: offset, type, addend.
const RELA: usize = 24;
/// Most symbols whose addresses have the same low part; real kernels have 50.
const ALIKE: usize = 1024;
/// Fewest votes of empty lists.
const LISTS_MIN: usize = 8;

/// The base of addresses in a kernel.
pub(super) fn find(
    kernel: &Blob<'_>,
    machine: Option<&Machine>,
    addresses: &Addresses,
) -> Result<u64, ImageError> {
    match addresses.base {
        Base::Zero => return Ok(0),
        Base::Stored(base) => return Ok(base),
        Base::File { table } => {
            if let Some(program) = Program::parse(kernel.bytes) {
                let table = u64::try_from(table).unwrap_or(u64::MAX);
                return program.shift_at(table).ok_or(ImageError::NoBase);
            }
            if let Some(base) = of_lists(kernel, addresses) {
                return Ok(base);
            }
        }
        Base::Unwritten => {}
    }
    let relative = machine.map(|machine| machine.boot_image.relative);
    relative.and_then(|kind| of_relocations(kernel, kind, addresses)).ok_or(ImageError::NoBase)
}

/// Votes, by base.
#[derive(Debug, Default)]
struct Votes(FxHashMap<u64, usize>);

impl Votes {
    fn add(&mut self, base: u64) {
        *self.0.entry(base).or_default() += 1;
    }

    /// The base with as many votes as `least`, and twice as many as any other.
    fn winner(self, least: usize) -> Option<u64> {
        let (&base, &votes) = self.0.iter().max_by_key(|&(_, votes)| votes)?;
        let second = self.0.iter().filter(|&(&b, _)| b != base).map(|(_, &votes)| votes).max();
        (votes >= least && votes >= 2 * second.unwrap_or(0)).then_some(base)
    }
}

/// By list heads that point to themselves, if offsets count from the start of the file.
fn of_lists(kernel: &Blob<'_>, addresses: &Addresses) -> Option<u64> {
    let mut votes = Votes::default();
    let mut last = None;
    for &offset in addresses.offsets.iter().filter(|&&offset| offset % 8 == 0) {
        let Ok(at) = usize::try_from(offset) else { continue };
        let (Some(next), Some(previous)) = (kernel.u64(at), kernel.u64(at + 8)) else { continue };
        let base = next.wrapping_sub(offset.cast_unsigned());
        if next == previous && base % PAGE == 0 && last != Some(at) {
            votes.add(base);
        }
        last = Some(at);
    }
    votes.winner(LISTS_MIN)
}

/// By the relocations of type `R_*_RELATIVE`.
fn of_relocations(kernel: &Blob<'_>, kind: u32, addresses: &Addresses) -> Option<u64> {
    let (table, count) = relocations(kernel, kind)?;
    let low = |value: u64| value % ALIGN;
    // The symbols by the part of their addresses that the base does not change.
    let mut symbols: FxHashMap<u64, Vec<u64>> = FxHashMap::default();
    let mut last = None;
    for &offset in addresses.offsets.iter().skip(addresses.absolute) {
        if last != Some(offset) {
            let offset = offset.cast_unsigned();
            let alike = symbols.entry(low(offset)).or_default();
            if alike.len() < ALIKE {
                alike.push(offset);
            }
        }
        last = Some(offset);
    }
    let mut votes = Votes::default();
    let samples = count.min(SAMPLES);
    for sample in 0..samples {
        let addend = kernel.u64(table + RELA * (sample * count / samples) + 16)?;
        for &offset in symbols.get(&low(addend)).into_iter().flatten() {
            votes.add(addend.wrapping_sub(offset));
        }
    }
    votes.winner(samples / 8)
}

/// The longest table of relocations of one type, and how many it has.
pub(super) fn relocations(kernel: &Blob<'_>, kind: u32) -> Option<(usize, usize)> {
    let info = match kernel.endian {
        scroll::Endian::Little => u64::from(kind).to_le_bytes(),
        scroll::Endian::Big => u64::from(kind).to_be_bytes(),
    };
    let finder = Finder::new(&info);
    let mut best = (0, 0);
    let mut at = 0;
    while let Some(found) = kernel.bytes.get(at..).and_then(|rest| finder.find(rest)) {
        let first = at + found;
        at = first + 1;
        if first % 8 != 0 || first < 8 {
            continue;
        }
        let same = |at: &usize| kernel.slice(*at, info.len()) == Some(&info);
        let count = (first..).step_by(RELA).take_while(same).count();
        if count > best.1 {
            best = (first - 8, count);
        }
        // The next occurrence is not one of these.
        at = first + RELA * (count - 1) + 1;
    }
    (best.1 >= TABLE_MIN).then_some(best)
}
