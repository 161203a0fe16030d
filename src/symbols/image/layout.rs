//! The tables around the names: their layout, and the base of the addresses.
//!
//! | kernel | order of tables |
//! |---|---|
//! | to 6.1 | offsets, relative_base, num_syms, names, markers, token_table, token_index |
//! | 6.2, 6.3, and 6.1 with stable patches | the same with seqs_of_names after the markers |
//! | 6.4 on | num_syms, names, markers, token_table, token_index, offsets, relative_base, seqs_of_names |
//! | 7 | the same without relative_base: each offset is relative to its own address |
//!
//! Until 6.10 a kernel may have 64-bit `kallsyms_addresses` instead of offsets and base. With
//! `CONFIG_KALLSYMS_ABSOLUTE_PERCPU`, removed in 6.15, nonnegative offsets are addresses of per-CPU
//! data, and others are the complement of an offset. Invariant: a layout is verified: addresses
//! ascend, and the order by name is a permutation in which names ascend. Sources:
//! `scripts/kallsyms.c` and `kallsyms_sym_address` in `kernel/kallsyms.c` of these kernels.

use super::ImageError;
use super::blob::Blob;
use super::names::{Name, NameTable, Names, SEQ};
use super::tokens::{INDEX_SIZE, Tokens};
use crate::symbols::data::promoted::Compares;

/// Size of `kallsyms_relative_base`.
const BASE: usize = 8;
/// What addresses are relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// Nothing: they are addresses.
    Zero,
    /// This address.
    Stored(u64),
    /// `kallsyms_relative_base`, which this image leaves to be filled in at boot.
    Unwritten,
    /// The first byte of the unpacked file.
    File {
        /// Where `kallsyms_offsets` is in it.
        table: usize,
    },
}

/// The addresses of all symbols.
#[derive(Debug)]
pub(super) struct Addresses {
    pub(super) base: Base,
    /// How many at the start are already addresses.
    pub(super) absolute: usize,
    /// In the order of the table.
    pub(super) offsets: Vec<i64>,
    /// Which part of a name the kernel compares, if the order of the names reveals it.
    pub(super) compares: Option<Compares>,
}

/// Finds the layout, and reads the addresses.
pub(super) fn read(
    kernel: &Blob<'_>,
    tokens: &Tokens<'_>,
    name_table: &NameTable,
    names: &Names,
) -> Result<Addresses, ImageError> {
    let after = (tokens.index + INDEX_SIZE).next_multiple_of(name_table.align);
    if name_table.align == 4 {
        let seqs = after + 4 * name_table.count;
        let compares = check_seqs(kernel, seqs, names)?;
        let found = self_relative(kernel, after, name_table.count)?;
        return Ok(Addresses { compares, ..found });
    }
    let seqs = name_table.markers_end.next_multiple_of(name_table.align);
    if seqs + SEQ * name_table.count <= tokens.table {
        let compares = check_seqs(kernel, seqs, names)?;
        return Ok(Addresses { compares, ..in_front(kernel, name_table)? });
    }
    let base = (after + 4 * name_table.count).next_multiple_of(BASE);
    let wide = after + BASE * name_table.count;
    let mut error = ImageError::Inconsistent("");
    for (seqs, is_wide) in [(base + BASE, false), (wide, true)] {
        match check_seqs(kernel, seqs, names) {
            Ok(compares) => {
                let found = match is_wide {
                    true => addresses(kernel, after, name_table.count)?,
                    false => from_base(kernel, after, base, name_table.count)?,
                };
                return Ok(Addresses { compares, ..found });
            }
            Err(inconsistent) if !is_wide => error = inconsistent,
            Err(_) => {}
        }
    }
    // The oldest layout has no order by name to verify.
    in_front(kernel, name_table).map_err(|_| error)
}

/// Addresses in front of the names: offsets and base, or addresses.
fn in_front(kernel: &Blob<'_>, name_table: &NameTable) -> Result<Addresses, ImageError> {
    let inconsistent = || ImageError::Inconsistent("no kallsyms_offsets before the names");
    let base = name_table.number.checked_sub(BASE).ok_or_else(inconsistent)?;
    let offsets =
        base.checked_sub((4 * name_table.count).next_multiple_of(BASE)).ok_or_else(inconsistent)?;
    from_base(kernel, offsets, base, name_table.count).or_else(|error| {
        let start = name_table.number.checked_sub(BASE * name_table.count);
        start.and_then(|start| addresses(kernel, start, name_table.count).ok()).ok_or(error)
    })
}

/// Offsets, each relative to its own address.
fn self_relative(kernel: &Blob<'_>, table: usize, count: usize) -> Result<Addresses, ImageError> {
    let entries = (table..).step_by(4).take(count);
    let offset = |at: usize| Some(i64::try_from(at).ok()? + i64::from(kernel.i32(at)?));
    let offsets: Option<Vec<_>> = entries.map(offset).collect();
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
    // Without per-CPU addresses, offsets are unsigned; the first is that of the base.
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
    // A negative one here is an address after an offset.
    if relative.first().is_some_and(|&first| first < 0) || (!plain && relative.is_empty()) {
        return Err(ImageError::Inconsistent("kallsyms_offsets do not ascend"));
    }
    Ok(Addresses { base, absolute, offsets, compares: None })
}

/// 64-bit addresses.
fn addresses(kernel: &Blob<'_>, table: usize, count: usize) -> Result<Addresses, ImageError> {
    let entries = (table..).step_by(BASE).take(count);
    let stored: Option<Vec<_>> = entries.map(|at| kernel.u64(at)).collect();
    let stored = stored.ok_or(ImageError::Truncated("kallsyms_addresses"))?;
    if !stored.is_sorted() {
        return Err(ImageError::Inconsistent("kallsyms_addresses do not ascend"));
    }
    if stored.last() == Some(&0) {
        return Err(ImageError::NoBase);
    }
    let offsets = stored.into_iter().map(u64::cast_signed).collect();
    Ok(Addresses { base: Base::Zero, absolute: 0, offsets, compares: None })
}

fn ascending(offsets: &[i64]) -> Result<(), ImageError> {
    let inconsistent = ImageError::Inconsistent("kallsyms_offsets do not ascend");
    if offsets.is_sorted() { Ok(()) } else { Err(inconsistent) }
}

/// Checks that `kallsyms_seqs_of_names` has every symbol once, ordered by name, then by position in the
/// table. Some kernels ignore what Clang's link-time optimisation appends
/// (`compare_names` in `scripts/kallsyms.c`): returns which part they compare, if only one fits.
fn check_seqs(kernel: &Blob<'_>, at: usize, names: &Names) -> Result<Option<Compares>, ImageError> {
    let inconsistent =
        ImageError::Inconsistent("kallsyms_seqs_of_names is not the order of the names");
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
            return Err(inconsistent);
        };
        *unseen = true;
        if let Some(last) = last {
            let sorted = |order: &Compares| (order.key(last.0), last.1) <= (order.key(name), index);
            orders.retain(sorted);
        }
        last = Some((name, index));
    }
    // As many entries as symbols, none twice.
    match &orders[..] {
        _ if table.len() != SEQ * names.all.len() => Err(inconsistent),
        [] => Err(inconsistent),
        [only] => Ok(Some(*only)),
        _ => Ok(None),
    }
}
