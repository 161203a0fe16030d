//! Variable-length numbers (LEB128), and length-prefixed strings.
//!
//! Below the map file's other parts. Invariant: reading never goes past the slice, and
//! [`Reader::number`] reads back what [`put`] writes.

use super::MapError;

/// Appends a number, seven bits per byte, the lowest first.
pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let [byte, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            out.push(byte & 0x7f);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// Appends a number that may be negative; small ones of either sign are short.
pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Appends a string after its length.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // A slice is shorter than 2^64.
    put(out, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(bytes);
}

/// The rest to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, MapError> {
        match self.0 {
            // Most are.
            [short @ 0..0x80, rest @ ..] => {
                self.0 = rest;
                Ok(u64::from(*short))
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Result<u64, MapError> {
        let mut number = 0;
        let mut shift = 0;
        loop {
            let (byte, rest) = self.0.split_first().ok_or(CUT)?;
            self.0 = rest;
            if shift == 63 && *byte > 1 {
                return Err(MapError::Damaged("number"));
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
            shift += 7;
        }
    }

    /// Passes over a number, signed or not.
    #[inline]
    pub(super) fn skip_number(&mut self) -> Result<(), MapError> {
        let last = self.0.iter().take(NUMBER_MAX).position(|byte| byte & 0x80 == 0);
        let rest = last.and_then(|last| self.0.get(last + 1..));
        self.0 = rest.ok_or(CUT)?;
        Ok(())
    }

    pub(super) fn signed(&mut self) -> Result<i64, MapError> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// A number that counts or indexes something in memory.
    pub(super) fn index(&mut self) -> Result<usize, MapError> {
        usize::try_from(self.number()?).map_err(|_| CUT)
    }

    pub(super) fn number32(&mut self) -> Result<u32, MapError> {
        u32::try_from(self.number()?).map_err(|_| MapError::Damaged("number"))
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], MapError> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(CUT)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], MapError> {
        let length = self.index()?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, MapError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| MapError::Damaged("text"))
    }
}

/// Bytes of the longest number.
const NUMBER_MAX: usize = 10;

const CUT: MapError = MapError::Damaged("entry that ends early");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_is_read_back(number: u64, signed: i64, bytes: Vec<u8>) {
            let mut out = Vec::new();
            put(&mut out, number);
            put_signed(&mut out, signed);
            put_bytes(&mut out, &bytes);
            let mut reader = Reader(&out);
            prop_assert_eq!(reader.number().unwrap(), number);
            prop_assert_eq!(reader.signed().unwrap(), signed);
            prop_assert_eq!(reader.bytes().unwrap(), &bytes);
            prop_assert!(reader.0.is_empty() && reader.number().is_err());
        }

        #[test]
        fn any_bytes_are_a_number_or_an_error(bytes: Vec<u8>) {
            let mut reader = Reader(&bytes);
            let _ = reader.number();
            prop_assert!(reader.0.len() <= bytes.len());
        }
    }

    #[test]
    fn small_numbers_are_short_and_overlong_ones_refused() {
        let length = |number| {
            let mut out = Vec::new();
            put(&mut out, number);
            out.len()
        };
        assert_eq!([0, 127, 128, 1 << 14, u64::MAX].map(length), [1, 1, 2, 3, 10]);
        assert!(Reader(&[0xff; 11]).number().is_err());
        assert!(Reader(&[0x80, 0x80]).number().is_err());
    }
}
