//! The token table that names are compressed with: found by its shape.
//!
//! `kallsyms_token_table` has 256 NUL-terminated strings. Those of characters that occur in names
//! are the character itself: the digits are there in a row, followed by
//! a valid `kallsyms_token_index`, and nowhere else. Invariant: the index has exactly the start of
//! each string.
//! Source: `write_src` in `scripts/kallsyms.c`.

use memchr::memchr;
use memchr::memmem::Finder;
use scroll::Endian;

use super::blob::Blob;

/// The tokens of the digits.
const DIGITS: &[u8] = b"0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0";
const TOKENS: usize = 256;
/// Size of `kallsyms_token_index`.
pub(super) const INDEX_SIZE: usize = 2 * TOKENS;
/// Longest token: `KSYM_NAME_LEN` of the newest kernels.
const TOKEN_MAX: usize = 512;

/// The tokens, and where their tables are.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    pub(super) endian: Endian,
    /// Where `kallsyms_token_table` starts.
    pub(super) table: usize,
    /// Where `kallsyms_token_index` starts.
    pub(super) index: usize,
    strings: Vec<&'a [u8]>,
}

impl<'a> Tokens<'a> {
    /// The token of a byte.
    pub(super) fn get(&self, byte: u8) -> &'a [u8] {
        self.strings.get(usize::from(byte)).copied().unwrap_or_default()
    }

    /// Every table of tokens in a kernel: usually one.
    pub(super) fn find_all(kernel: &'a [u8]) -> impl Iterator<Item = Self> {
        let digits: Vec<_> = Finder::new(DIGITS).find_iter(kernel).collect();
        digits.into_iter().filter_map(move |at| Self::around(kernel, at))
    }

    /// The table whose tokens of the digits are at `digits`.
    fn around(kernel: &'a [u8], digits: usize) -> Option<Self> {
        let mut end = digits;
        for _ in usize::from(b'0')..TOKENS {
            end += token(kernel, end)?.len() + 1;
        }
        let orders = [Endian::Little, Endian::Big];
        let candidates = [4, 8].map(|align: usize| end.next_multiple_of(align));
        orders.iter().find_map(|&endian| {
            let blob = Blob { bytes: kernel, endian };
            candidates.iter().find_map(|&index| Self::check(&blob, digits, index, end))
        })
    }

    /// The table, if its index is at `index` and correct.
    fn check(blob: &Blob<'a>, digits: usize, index: usize, end: usize) -> Option<Self> {
        let before = blob.u16(index + 2 * usize::from(b'0'))?;
        let table = digits.checked_sub(before.into())?;
        let mut strings = Vec::with_capacity(TOKENS);
        let mut at = table;
        for entry in (index..).step_by(2).take(TOKENS) {
            if table.checked_add(blob.u16(entry)?.into()) != Some(at) {
                return None;
            }
            let string = token(blob.bytes, at)?;
            at += string.len() + 1;
            strings.push(string);
        }
        (at == end).then_some(Self { endian: blob.endian, table, index, strings })
    }
}

/// The string at `at`.
fn token(kernel: &[u8], at: usize) -> Option<&[u8]> {
    let rest = kernel.get(at..)?;
    let rest = rest.get(..=TOKEN_MAX).unwrap_or(rest);
    rest.get(..memchr(0, rest)?)
}
