//! The table of names: found before the tokens, and proven by its markers.
//!
//! `kallsyms_num_syms`, `kallsyms_names` and `kallsyms_markers` come in this order, followed in kernels
//! 6.2 and 6.3 (and older ones with backports) by `kallsyms_seqs_of_names`, before the tokens.
//! No symbol marks where any of them starts. So each zero before the tokens that could be the first
//! marker is tried: it gives the number of markers, the last marker gives the start of the names, and
//! the number before these must agree. Invariant: every marker is the offset of
//! the 256th name from the one before it. Source: `scripts/kallsyms.c`.

use std::cell::Cell;

use super::ImageError;
use super::blob::Blob;
use super::tokens::Tokens;

/// Names between two markers.
const STRIDE: usize = 256;
/// Most symbols of a kernel; those of distributions have 300,000.
const SYMBOLS_MAX: usize = 1 << 21;
/// `KSYM_NAME_LEN` of the newest kernels, plus the letter.
const NAME_MAX: usize = 512 + 1;
/// Most bytes of all names together.
const NAMES_MAX: usize = 1 << 28;
/// First markers that are tried.
const TRIES: usize = 64;
/// Most places that look like names by chance.
const REFUSED_MAX: usize = 4;
/// Names that are walked for each byte of the kernel. A wrong start is found out at its first marker.
const WORK: usize = 4;
/// Size of an entry of `kallsyms_seqs_of_names`.
pub(super) const SEQ: usize = 3;

/// Where the names are.
#[derive(Debug, Clone, Copy)]
pub(super) struct NameTable {
    /// How many.
    pub(super) count: usize,
    /// Alignment of the tables: 8 before Linux 7, 4 since.
    pub(super) align: usize,
    /// Where `kallsyms_num_syms` starts.
    pub(super) number: usize,
    names: usize,
    markers: usize,
    /// Where `kallsyms_markers` ends.
    pub(super) markers_end: usize,
}

/// One name, in the buffer of [`Names`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Name {
    start: u32,
    end: u32,
    pub(super) letter: u8,
}

/// All names, decoded, in the order of the table.
#[derive(Debug, Default)]
pub(super) struct Names {
    text: Vec<u8>,
    pub(super) all: Vec<Name>,
}

impl Names {
    pub(super) fn get(&self, name: Name) -> &[u8] {
        let range = usize::try_from(name.start).ok().zip(usize::try_from(name.end).ok());
        range.and_then(|(start, end)| self.text.get(start..end)).unwrap_or_default()
    }
}

/// Finds the names that belong to the tokens, and returns the result of `accept`. In a kernel with few
/// symbols other bytes may look like names by chance, so the search continues where it refuses.
pub(super) fn find<T>(
    kernel: &Blob<'_>,
    tokens: &Tokens<'_>,
    mut accept: impl FnMut(&NameTable) -> Result<T, ImageError>,
) -> Result<T, ImageError> {
    let table = tokens.table;
    // With the order by name, the first marker is three bytes per symbol further away.
    let farthest = (SEQ + 1) * SYMBOLS_MAX;
    let mut run = 0_usize;
    let mut later = 0;
    let mut tries = 0;
    let mut refused = Vec::new();
    let work = Cell::new(kernel.bytes.len().saturating_mul(WORK));
    let mut error = ImageError::Inconsistent("no number of symbols agrees with kallsyms_markers");
    for markers in (table.saturating_sub(farthest)..table).rev().filter(|at| at % 4 == 0) {
        let Some(value) = kernel.u32(markers) else { continue };
        run = if value < later { run + 1 } else { 1 };
        later = value;
        if value != 0 || tries >= TRIES {
            continue;
        }
        let ends = marker_counts(table - markers).filter(|&count| count <= run);
        for markers_end in ends.map(|count| markers + 4 * count) {
            tries += 1;
            match before(kernel, markers, markers_end, &work) {
                Ok(Some(table)) => match accept(&table) {
                    Ok(accepted) => return Ok(accepted),
                    Err(inconsistent) => refused.push(inconsistent),
                },
                Ok(None) => {}
                Err(inconsistent) => error = inconsistent,
            }
            if refused.len() == REFUSED_MAX {
                tries = TRIES;
                break;
            }
        }
    }
    Err(refused.into_iter().next().unwrap_or(error))
}

/// How many markers there may be, if the first one is `distance` bytes before the tokens.
fn marker_counts(distance: usize) -> impl Iterator<Item = usize> {
    // Nothing but padding follows.
    let alone = [distance / 4, (distance / 4).saturating_sub(1)];
    // 4 bytes per 256 symbols and 3 per symbol, with padding after both.
    let about = distance / (4 + SEQ * STRIDE);
    let followed = about.saturating_sub(1)..=about + 1;
    let fits = move |&count: &usize| {
        let symbols = distance.saturating_sub(4 * count) / SEQ;
        symbols.div_ceil(STRIDE).abs_diff(count) <= 1
    };
    alone.into_iter().chain(followed.filter(fits)).filter(|&count| count > 0)
}

/// The names before the markers.
fn before(
    kernel: &Blob<'_>,
    markers: usize,
    end: usize,
    work: &Cell<usize>,
) -> Result<Option<NameTable>, ImageError> {
    let count = (end - markers) / 4;
    let Some(last) = kernel.size(end - 4) else { return Ok(None) };
    let Some(newest) = markers.checked_sub(last) else { return Ok(None) };
    let oldest = newest.saturating_sub(STRIDE * (NAME_MAX + 2) + 8);
    let mut found = Err(());
    for names in (oldest..=newest).rev().filter(|at| at % 4 == 0) {
        for align in [4, 8].into_iter().filter(|align| names % align == 0) {
            let Some(number) = names.checked_sub(align) else { continue };
            let Some(symbols) = kernel.size(number).filter(|&n| n <= SYMBOLS_MAX) else { continue };
            if symbols.div_ceil(STRIDE) != count || (align == 8 && kernel.u32(names - 4) != Some(0))
            {
                continue;
            }
            let table =
                NameTable { count: symbols, align, number, names, markers, markers_end: end };
            let walked = table.walk(kernel, |_, _| {
                work.set(work.get().checked_sub(1)?);
                Some(())
            });
            if work.get() == 0 {
                let many = "too many places look like the start of its names";
                return Err(ImageError::Inconsistent(many));
            }
            match walked {
                Ok(()) => return Ok(Some(table)),
                Err(markers_agreed) if markers_agreed > 1 => found = Ok(()),
                Err(_) => {}
            }
        }
    }
    match found {
        Ok(()) => Err(ImageError::Inconsistent("kallsyms_markers are not where the names are")),
        Err(()) => Ok(None),
    }
}

impl NameTable {
    /// Passes each name, still compressed, with its index to `visit`. Fails with the number of correct
    /// markers, or when `visit` returns `None`.
    fn walk<'a>(
        &self,
        kernel: &Blob<'a>,
        mut visit: impl FnMut(usize, &'a [u8]) -> Option<()>,
    ) -> Result<(), usize> {
        let mut at = self.names;
        let mut agreed = 0;
        for index in 0..self.count {
            if index % STRIDE == 0 {
                let marker = kernel.size(self.markers + index / STRIDE * 4).ok_or(agreed)?;
                if self.names.checked_add(marker) != Some(at) {
                    return Err(agreed);
                }
                agreed += 1;
            }
            let (length, size) = length(kernel, at).ok_or(agreed)?;
            let name = kernel.slice(at + size, length).ok_or(agreed)?;
            at += size + length;
            if at > self.markers || name.is_empty() {
                return Err(agreed);
            }
            visit(index, name).ok_or(agreed)?;
        }
        let padding = kernel.slice(at, self.markers - at).ok_or(agreed)?;
        let ends = padding.len() < self.align && padding.iter().all(|&byte| byte == 0);
        if ends { Ok(()) } else { Err(agreed) }
    }

    /// Decodes every name.
    pub(super) fn decode(
        &self,
        kernel: &Blob<'_>,
        tokens: &Tokens<'_>,
    ) -> Result<Names, ImageError> {
        let mut names = Names::default();
        names.all.reserve(self.count);
        // Compressed names have half the length.
        names.text.reserve(2 * (self.markers - self.names));
        let walked = self.walk(kernel, |_, compressed| {
            let start = names.text.len();
            for &byte in compressed {
                names.text.extend_from_slice(tokens.get(byte));
            }
            let letter = *names.text.get(start)?;
            let length = names.text.len() - start;
            let fits = (2..=NAME_MAX).contains(&length) && names.text.len() <= NAMES_MAX;
            if !fits {
                return None;
            }
            names.all.push(Name {
                start: u32::try_from(start + 1).ok()?,
                end: u32::try_from(names.text.len()).ok()?,
                letter,
            });
            Some(())
        });
        walked.map_err(|_| ImageError::Inconsistent("a name is empty or too long"))?;
        let letters = names.all.iter().all(|name| name.letter.is_ascii_graphic());
        if letters {
            Ok(names)
        } else {
            Err(ImageError::Inconsistent("a symbol's type is not a letter"))
        }
    }
}

/// The length of a compressed name, and the size of that field: ULEB128 since Linux 6.1, before which
/// no name had 128 bytes.
fn length(kernel: &Blob<'_>, at: usize) -> Option<(usize, usize)> {
    let low = kernel.u8(at)?;
    if low < 0x80 {
        return Some((low.into(), 1));
    }
    let high = kernel.u8(at + 1)?;
    Some((usize::from(low & 0x7f) | usize::from(high) << 7, 2))
}
