//! Where the bits of a value go: one table for store, load and mask.
//!
//! A [`Field`] is one or two words of the section and the [`Part`]s of a value in them. A store
//! replaces the bits of the mask and never ORs: a second store of the same value changes
//! nothing, and bits outside of the mask survive. Byte order is handled here and nowhere
//! else. Whether a value fits is the row's check; here high bits are truncated.
//! Source: the `write` and `WRITE_PLACE` statements of `arch/*/kernel/module*.c`.

use scroll::Endian;

use crate::fault::Fault;

/// A run of value bits in a word. Bit 0 is the least significant bit of value and word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Lowest bit of the value.
    pub from: u8,
    /// Number of bits.
    pub width: u8,
    /// Index of the word, in order of address.
    pub word: u8,
    /// Lowest bit in the word.
    pub to: u8,
}

/// How a value becomes the bits of the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Two's complement.
    Plain,
    /// A negative value is inverted. The two bits above the value select the instruction: 0b00 inverted
    /// (move-not), 0b10 unchanged (move-zero).
    OnesComplement,
}

/// The bits of a section that one relocation owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Bytes in a word: 1, 2, 4 or 8.
    pub word: u8,
    /// Number of words: 0 (nothing is written), 1 or 2.
    pub words: u8,
    /// How a value becomes bits.
    pub form: Form,
    /// The value's bits, without gap or overlap in value or words.
    pub parts: &'static [Part],
}

/// The lowest `width` bits.
pub(crate) const fn ones(width: u8) -> u64 {
    if width >= 64 { u64::MAX } else { (1 << width) - 1 }
}

const fn part(from: u8, width: u8, word: u8, to: u8) -> Part {
    Part { from, width, word, to }
}

impl Field {
    /// No bits: the loader accepts the relocation and writes nothing.
    pub const NOTHING: Self = Self::plain(4, 0, &[]);
    /// A byte.
    pub const BITS8: Self = Self::plain(1, 1, &[part(0, 8, 0, 0)]);
    /// A half-word.
    pub const BITS16: Self = Self::plain(2, 1, &[part(0, 16, 0, 0)]);
    /// A word.
    pub const BITS32: Self = Self::plain(4, 1, &[part(0, 32, 0, 0)]);
    /// A double-word.
    pub const BITS64: Self = Self::plain(8, 1, &[part(0, 64, 0, 0)]);

    /// A field in two's complement of `words` words with `word` bytes each.
    #[must_use]
    pub const fn plain(word: u8, words: u8, parts: &'static [Part]) -> Self {
        Self { word, words, form: Form::Plain, parts }
    }

    /// Bytes from the place to the end of the last word.
    #[must_use]
    pub fn size(&self) -> usize {
        usize::from(self.word) * usize::from(self.words)
    }

    /// Number of bits that the parts hold, opcode bits of [`Form::OnesComplement`] included.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.parts.iter().map(|part| u32::from(part.width)).sum()
    }

    /// The bits that a store replaces in the word of that index, as a number.
    #[must_use]
    pub fn mask(&self, word: u8) -> u64 {
        let parts = self.parts.iter().filter(|part| part.word == word);
        parts.fold(0, |mask, part| mask | ones(part.width) << part.to)
    }

    /// Writes the low bits of `value` over the field at the start of `site`.
    ///
    /// # Errors
    /// [`Fault::PlaceOutside`] when `site` is shorter than the field; nothing is written then.
    #[inline]
    pub fn store(&self, site: &mut [u8], value: i64, endian: Endian) -> Result<(), Fault> {
        let (needed, available) = (self.size(), site.len());
        let site = site.get_mut(..needed).ok_or_else(|| outside(needed, available))?;
        if self.is_whole() {
            write_word(site, value.cast_unsigned(), endian);
            return Ok(());
        }
        self.store_parts(site, value, endian);
        Ok(())
    }

    /// Whether the field is one whole word, with no bit kept.
    #[inline]
    pub(crate) const fn is_whole(&self) -> bool {
        matches!(self.parts, [Part { from: 0, width, word: 0, to: 0 }]
            if *width == self.word * 8 && self.words == 1 && matches!(self.form, Form::Plain))
    }

    /// Replaces the bits of each part.
    fn store_parts(&self, site: &mut [u8], value: i64, endian: Endian) {
        let pattern = self.pattern(value);
        for (index, word) in (0u8..).zip(site.chunks_exact_mut(usize::from(self.word))) {
            let kept = read_word(word, endian) & !self.mask(index);
            let parts = self.parts.iter().filter(|part| part.word == index);
            let bits = parts.fold(kept, |bits, part| {
                bits | (pattern >> part.from & ones(part.width)) << part.to
            });
            write_word(word, bits, endian);
        }
    }

    /// Reads the value that the field at the start of `site` holds, extended by its top bit if
    /// `signed`.
    ///
    /// # Errors
    /// [`Fault::PlaceOutside`] when `site` is shorter than the field.
    pub fn load(&self, site: &[u8], signed: bool, endian: Endian) -> Result<i64, Fault> {
        let (needed, available) = (self.size(), site.len());
        let site = site.get(..needed).ok_or_else(|| outside(needed, available))?;
        let mut pattern = 0;
        for (index, word) in (0u8..).zip(site.chunks_exact(usize::from(self.word))) {
            let word = read_word(word, endian);
            for part in self.parts.iter().filter(|part| part.word == index) {
                pattern |= (word >> part.to & ones(part.width)) << part.from;
            }
        }
        Ok(self.value(pattern, signed))
    }

    /// The bits that represent a value.
    fn pattern(&self, value: i64) -> u64 {
        match self.form {
            Form::Plain => value.cast_unsigned(),
            Form::OnesComplement => {
                let (bits, opcode) = if value < 0 { (!value, 0b00) } else { (value, 0b10) };
                let width = self.width().saturating_sub(2);
                let magnitude = bits.cast_unsigned() & !u64::MAX.unbounded_shl(width);
                magnitude | u64::unbounded_shl(opcode, width)
            }
        }
    }

    /// The value that the bits represent: the inverse of [`Self::pattern`].
    fn value(&self, pattern: u64, signed: bool) -> i64 {
        match self.form {
            Form::Plain if signed => {
                let unused = 64u32.saturating_sub(self.width());
                pattern.unbounded_shl(unused).cast_signed().unbounded_shr(unused)
            }
            Form::Plain => pattern.cast_signed(),
            Form::OnesComplement => {
                let width = self.width().saturating_sub(2);
                let magnitude = (pattern & !u64::MAX.unbounded_shl(width)).cast_signed();
                if pattern.unbounded_shr(width) == 0 { !magnitude } else { magnitude }
            }
        }
    }
}

/// The fault of a place that needs `needed` bytes where the section has only `available` left.
pub(crate) fn outside(needed: usize, available: usize) -> Fault {
    let count = |bytes| u64::try_from(bytes).unwrap_or(u64::MAX);
    Fault::PlaceOutside { needed: count(needed), available: count(available) }
}

/// Up to eight bytes as a number. The usual sizes are single loads.
#[inline]
pub(crate) fn read_word(bytes: &[u8], endian: Endian) -> u64 {
    let append = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
    match (bytes, endian) {
        (&[a, b], Endian::Little) => u64::from(u16::from_le_bytes([a, b])),
        (&[a, b, c, d], Endian::Little) => u64::from(u32::from_le_bytes([a, b, c, d])),
        (&[a, b, c, d, e, f, g, h], Endian::Little) => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        (&[a, b, c, d], Endian::Big) => u64::from(u32::from_be_bytes([a, b, c, d])),
        (&[a, b, c, d, e, f, g, h], Endian::Big) => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        (_, Endian::Little) => bytes.iter().rev().fold(0, append),
        (_, Endian::Big) => bytes.iter().fold(0, append),
    }
}

/// The low bytes of a number, as many as there is room for. The usual sizes are single stores.
#[inline]
fn write_word(bytes: &mut [u8], word: u64, endian: Endian) {
    let low_first = word.to_le_bytes();
    let [a, b, c, d, e, f, g, h] = low_first;
    if let Ok(bytes) = <&mut [u8; 4]>::try_from(&mut *bytes) {
        *bytes = if endian == Endian::Little { [a, b, c, d] } else { [d, c, b, a] };
        return;
    }
    if let Ok(bytes) = <&mut [u8; 8]>::try_from(&mut *bytes) {
        *bytes = if endian == Endian::Little { low_first } else { [h, g, f, e, d, c, b, a] };
        return;
    }
    if let Ok(bytes) = <&mut [u8; 2]>::try_from(&mut *bytes) {
        *bytes = if endian == Endian::Little { [a, b] } else { [b, a] };
        return;
    }
    match endian {
        Endian::Little => bytes.iter_mut().zip(low_first).for_each(|(to, from)| *to = from),
        Endian::Big => bytes.iter_mut().rev().zip(low_first).for_each(|(to, from)| *to = from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPLIT: Field = Field::plain(4, 1, &[part(0, 2, 0, 29), part(2, 19, 0, 5)]);
    const MOVE: Field = Field {
        word: 4,
        words: 1,
        form: Form::OnesComplement,
        parts: &[part(0, 16, 0, 5), part(16, 2, 0, 29)],
    };

    #[test]
    fn a_store_replaces_what_was_there() {
        let mut site = [0xff; 4];
        SPLIT.store(&mut site, 0, Endian::Little).unwrap();
        assert_eq!(u32::from_le_bytes(site), 0x9f00_001f);
        SPLIT.store(&mut site, -1, Endian::Little).unwrap();
        assert_eq!(u32::from_le_bytes(site), 0xffff_ffff);
    }

    #[test]
    fn byte_order_is_the_machines() {
        let mut site = [0; 3];
        Field::BITS16.store(&mut site, 0x1234, Endian::Big).unwrap();
        assert_eq!(site, [0x12, 0x34, 0]);
        Field::BITS16.store(&mut site, 0x1234, Endian::Little).unwrap();
        assert_eq!(site, [0x34, 0x12, 0]);
    }

    #[test]
    fn a_negative_move_is_inverted_and_becomes_move_not() {
        let mut site = 0xf280_0003u32.to_le_bytes();
        MOVE.store(&mut site, -2, Endian::Little).unwrap();
        assert_eq!(u32::from_le_bytes(site), 0x9280_0023);
        assert_eq!(MOVE.load(&site, true, Endian::Little).unwrap(), -2);
        MOVE.store(&mut site, 0xffff, Endian::Little).unwrap();
        assert_eq!(u32::from_le_bytes(site), 0xd29f_ffe3);
        assert_eq!(MOVE.load(&site, true, Endian::Little).unwrap(), 0xffff);
    }

    #[test]
    fn a_short_site_is_refused_and_unchanged() {
        let mut site = [7; 3];
        let fault = SPLIT.store(&mut site, 1, Endian::Little).unwrap_err();
        assert_eq!(fault, Fault::PlaceOutside { needed: 4, available: 3 });
        assert_eq!(site, [7; 3]);
        assert!(SPLIT.load(&site, true, Endian::Little).is_err());
    }
}
