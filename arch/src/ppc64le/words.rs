//! Instructions as words: where one ends, and those that do nothing. Source: *Power ISA*, version 3.1, book I.

/// Bytes of an instruction: a prefix (section 1.6) is a word before the rest.
pub(super) fn length(code: &[u8]) -> Option<usize> {
    let prefixed = u32::from_le_bytes(*code.first_chunk()?) >> 26 == 1;
    let length = if prefixed { 8 } else { 4 };
    code.get(..length).map(<[u8]>::len)
}

/// Bytes of `ori` of a register with itself and 0, of which `nop` is one, of nothing, or of the branch over all that follows,
/// with which long filler begins; 0 for anything else.
pub(super) fn filler(code: &[u8]) -> usize {
    let Some(word) = code.first_chunk().map(|word| u32::from_le_bytes(*word)) else { return 0 };
    let register = word >> 16 & 0x1f;
    let nop = word == 0 || word == 0x6000_0000 | register << 21 | register << 16;
    let over = u32::try_from(code.len()).is_ok_and(|length| word == 0x4800_0000 | length);
    if nop || over { 4 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::filler;

    #[test]
    fn a_word_that_does_nothing_is_filler() {
        // nop; ori r2,r2,0
        for word in [0x6000_0000, 0x6042_0000, 0_u32] {
            assert_eq!(filler(&word.to_le_bytes()), 4);
        }
        // ori r3,r2,0; ori r2,r2,1; blr
        for word in [0x6043_0000, 0x6042_0001, 0x4e80_0020_u32] {
            assert_eq!(filler(&word.to_le_bytes()), 0);
        }
        // b .+8
        assert_eq!(filler(&[8, 0, 0, 0x48, 0, 0, 0, 0x60]), 4);
        assert_eq!(filler(&[8, 0, 0, 0x48]), 0);
        assert_eq!(filler(&[0, 0, 0]), 0);
    }
}
