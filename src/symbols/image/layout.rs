//! The tables around the names: which layout, and what the addresses count from.
//!
//! | kernel | order of tables |
//! |---|---|
//! | to 6.1 | offsets, relative_base, num_syms, names, markers, token_table, token_index |
//! | 6.2, 6.3, and 6.1 with stable patches | the same with seqs_of_names behind the markers |
//! | 6.4 on | num_syms, names, markers, token_table, token_index, offsets, relative_base, seqs_of_names |
//! | 7 | the same without relative_base: each offset counts from its own place |
//!
//! Until 6.10 a kernel may have `kallsyms_addresses` of 64 bits in place of offsets and base. With
//! `CONFIG_KALLSYMS_ABSOLUTE_PERCPU`, gone in 6.15, offsets from 0 up are addresses of per-CPU data,
//! and others are the complement of an offset. Invariant: what a layout says was checked: addresses
//! ascend, and the order by name is a permutation in which names ascend. Sources:
//! `scripts/kallsyms.c` and `kallsyms_sym_address` in `kernel/kallsyms.c` of these kernels.

use super::ImageError;
use super::blob::Blob;
use super::names::{Name, Names, Place, SEQ};
use super::tokens::{INDEX_SIZE, Tokens};
use crate::symbols::data::promoted::Compares;

/// Size of `kallsyms_relative_base`.
const BASE: usize = 8;
/// What addresses count from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// They are addresses.
    Zero,
    /// This address.
    Stored(u64),
    /// `kallsyms_relative_base`, which this image leaves to be written where the kernel starts.
    Unwritten,
    /// The first byte of the file that was unpacked.
    File {
        /// Where `kallsyms_offsets` is in it.
        table: usize,
    },
}

/// The addresses of all symbols.
#[derive(Debug)]
pub(super) struct Addresses {
    pub(super) base: Base,
    /// So many at the start are addresses already.
    pub(super) absolute: usize,
    /// In the order of the table.
    pub(super) offsets: Vec<i64>,
    /// What the kernel compares of a name, where the order of the names shows it.
    pub(super) compares: Option<Compares>,
}

/// Finds the layout, and reads the addresses.
pub(super) fn read(
    kernel: &Blob<'_>,
    tokens: &Tokens<'_>,
    place: &Place,
    names: &Names,
) -> Result<Addresses, ImageError> {
    let behind = (tokens.index + INDEX_SIZE).next_multiple_of(place.align);
    if place.align == 4 {
        let seqs = behind + 4 * place.count;
        let compares = check_seqs(kernel, seqs, names)?;
        let found = from_own_place(kernel, behind, place.count)?;
        return Ok(Addresses { compares, ..found });
    }
    let seqs = place.markers_end.next_multiple_of(place.align);
    if seqs + SEQ * place.count <= tokens.table {
        let compares = check_seqs(kernel, seqs, names)?;
        return Ok(Addresses { compares, ..in_front(kernel, place)? });
    }
    let base = (behind + 4 * place.count).next_multiple_of(BASE);
    let wide = behind + BASE * place.count;
    let mut error = ImageError::Lies("");
    for (seqs, is_wide) in [(base + BASE, false), (wide, true)] {
        match check_seqs(kernel, seqs, names) {
            Ok(compares) => {
                let found = match is_wide {
                    true => addresses(kernel, behind, place.count)?,
                    false => from_base(kernel, behind, base, place.count)?,
                };
                return Ok(Addresses { compares, ..found });
            }
            Err(lie) if !is_wide => error = lie,
            Err(_) => {}
        }
    }
    // The oldest layout has no order by name that could prove it.
    in_front(kernel, place).map_err(|_| error)
}

/// Addresses in front of the names: offsets and base, or addresses.
fn in_front(kernel: &Blob<'_>, place: &Place) -> Result<Addresses, ImageError> {
    let lie = || ImageError::Lies("no kallsyms_offsets before the names");
    let base = place.number.checked_sub(BASE).ok_or_else(lie)?;
    let offsets = base.checked_sub((4 * place.count).next_multiple_of(BASE)).ok_or_else(lie)?;
    from_base(kernel, offsets, base, place.count).or_else(|error| {
        let start = place.number.checked_sub(BASE * place.count);
        start.and_then(|start| addresses(kernel, start, place.count).ok()).ok_or(error)
    })
}

/// Offsets of which each counts from its own place.
fn from_own_place(kernel: &Blob<'_>, table: usize, count: usize) -> Result<Addresses, ImageError> {
    let places = (table..).step_by(4).take(count);
    let offset = |at: usize| Some(i64::try_from(at).ok()? + i64::from(kernel.i32(at)?));
    let offsets: Option<Vec<_>> = places.map(offset).collect();
    let offsets = offsets.ok_or(ImageError::Truncated("kallsyms_offsets"))?;
    ascending(&offsets)?;
    Ok(Addresses { base: Base::File { table }, absolute: 0, offsets, compares: None })
}

/// Offsets from one base.
fn from_base(
    kernel: &Blob<'_>,
    table: usize,
    base: usize,
    count: usize,
) -> Result<Addresses, ImageError> {
    let stored: Option<Vec<_>> =
        (table..).step_by(4).take(count).map(|at| kernel.i32(at)).collect();
    let (stored, base) =
        stored.zip(kernel.u64(base)).ok_or(ImageError::Truncated("kallsyms_offsets"))?;
    let base = if base == 0 { Base::Unwritten } else { Base::Stored(base) };
    // Without per-CPU addresses, offsets are unsigned; they start with the base's own.
    let plain = stored.first() == Some(&0) && stored.is_sorted_by_key(|&n| n.cast_unsigned());
    let absolute = if plain { 0 } else { stored.iter().take_while(|&&n| n >= 0).count() };
    let mut offsets = Vec::with_capacity(count);
    for (index, &offset) in stored.iter().enumerate() {
        let value = if plain || index < absolute {
            i64::from(offset.cast_unsigned())
        } else {
            -1 - i64::from(offset)
        };
        offsets.push(value);
    }
    let (percpu, relative) = offsets.split_at_checked(absolute).unwrap_or_default();
    ascending(percpu)?;
    ascending(relative)?;
    // A negative one here was an address behind an offset.
    if relative.first().is_some_and(|&first| first < 0) || (!plain && relative.is_empty()) {
        return Err(ImageError::Lies("kallsyms_offsets do not ascend"));
    }
    Ok(Addresses { base, absolute, offsets, compares: None })
}

/// Addresses of 64 bits.
fn addresses(kernel: &Blob<'_>, table: usize, count: usize) -> Result<Addresses, ImageError> {
    let places = (table..).step_by(BASE).take(count);
    let stored: Option<Vec<_>> = places.map(|at| kernel.u64(at)).collect();
    let stored = stored.ok_or(ImageError::Truncated("kallsyms_addresses"))?;
    if !stored.is_sorted() {
        return Err(ImageError::Lies("kallsyms_addresses do not ascend"));
    }
    if stored.last() == Some(&0) {
        return Err(ImageError::NoBase);
    }
    let offsets = stored.into_iter().map(u64::cast_signed).collect();
    Ok(Addresses { base: Base::Zero, absolute: 0, offsets, compares: None })
}

fn ascending(offsets: &[i64]) -> Result<(), ImageError> {
    let lie = ImageError::Lies("kallsyms_offsets do not ascend");
    if offsets.is_sorted() { Ok(()) } else { Err(lie) }
}

/// Whether `kallsyms_seqs_of_names` has every symbol once, in the order of their names, and of the
/// table where these are equal. Some kernels leave out what Clang's link-time optimisation appends
/// (`compare_names` in `scripts/kallsyms.c`): says which, where only one order fits.
fn check_seqs(kernel: &Blob<'_>, at: usize, names: &Names) -> Result<Option<Compares>, ImageError> {
    let lie = ImageError::Lies("kallsyms_seqs_of_names is not the order of the names");
    let table = kernel.slice(at, SEQ * names.all.len()).unwrap_or_default();
    let mut seen = vec![false; names.all.len()];
    let mut last: Option<(&[u8], usize)> = None;
    let mut orders = vec![Compares::Whole, Compares::BeforeMark, Compares::BeforeDot];
    // Most significant byte first, on all machines.
    for entry in table.as_chunks::<SEQ>().0 {
        let [high, middle, low] = entry.map(usize::from);
        let index = high << 16 | middle << 8 | low;
        let name = names.all.get(index).map(|&name: &Name| names.get(name));
        let (Some(name), Some(unseen @ false)) = (name, seen.get_mut(index)) else {
            return Err(lie);
        };
        *unseen = true;
        if let Some(last) = last {
            let sorted = |order: &Compares| (order.key(last.0), last.1) <= (order.key(name), index);
            orders.retain(sorted);
        }
        last = Some((name, index));
    }
    // As many entries as symbols, none of them twice.
    match &orders[..] {
        _ if table.len() != SEQ * names.all.len() => Err(lie),
        [] => Err(lie),
        [only] => Ok(Some(*only)),
        _ => Ok(None),
    }
}
