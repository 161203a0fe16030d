//! What assemblers and compilers put between functions. Sources: *Intel 64 and IA-32 Architectures Software Developer's
//! Manual*, volume 2, table of multi-byte NOPs; `gas/config/tc-i386.c`, which puts prefixes before them.

/// Bytes of the `nop` or `int3` that code starts with, or of the jump over all that follows, with which long filler begins; 0
/// for anything else.
pub(super) fn filler(code: &[u8]) -> usize {
    let over = |length: usize, distance: Option<usize>| {
        let all = distance.is_some_and(|distance| length + distance == code.len());
        if all { length } else { 0 }
    };
    match *code {
        // int3, or nothing.
        [0xcc | 0, ..] => return 1,
        [0xeb, distance, ..] => return over(2, Some(distance.into())),
        [0xe9, a, b, c, d, ..] => {
            return over(5, u32::from_le_bytes([a, b, c, d]).try_into().ok());
        }
        _ => {}
    }
    let prefixes = code.iter().take_while(|byte| matches!(byte, 0x66 | 0x2e)).count();
    let rest = code.get(prefixes..).unwrap_or_default();
    let length = match *rest {
        [0x90, ..] => 1,
        // nopw with an operand, whose form follows.
        [0x0f, 0x1f, modrm, ..] => match (modrm >> 6, modrm & 7) {
            (0, 4) => 4,
            (0, 5) => 7,
            (0, _) | (3, _) => 3,
            (1, 4) => 5,
            (1, _) => 4,
            (_, 4) => 8,
            _ => 7,
        },
        _ => return 0,
    };
    if rest.len() < length { 0 } else { prefixes + length }
}

#[cfg(test)]
mod tests {
    use super::filler;

    /// As GNU as fills, and what objdump calls `nop`.
    #[test]
    fn nops_of_every_length_are_filler() {
        let nops: [&[u8]; 10] = [
            &[0x90],
            &[0x66, 0x90],
            &[0x0f, 0x1f, 0x00],
            &[0x0f, 0x1f, 0x40, 0x00],
            &[0x0f, 0x1f, 0x44, 0x00, 0x00],
            &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
            &[0x0f, 0x1f, 0x80, 0, 0, 0, 0],
            &[0x0f, 0x1f, 0x84, 0x00, 0, 0, 0, 0],
            &[0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0, 0, 0, 0],
            &[0xcc],
        ];
        for nop in nops {
            assert_eq!(filler(nop), nop.len(), "{nop:02x?}");
            for end in 0..nop.len() {
                assert!(filler(&nop[..end]) <= end);
            }
        }
        assert_eq!(filler(&[0xeb, 2, 0x66, 0x90]), 2); // jmp to the end
        assert_eq!(filler(&[0xeb, 1, 0x66, 0x90]), 0);
        assert_eq!(filler(&[0xe9, 1, 0, 0, 0, 0x90]), 5);
        assert_eq!(filler(&[0xf3, 0x90]), 0); // pause
        assert_eq!(filler(&[0x0f, 0x0b]), 0); // ud2
        assert_eq!(filler(&[0xc3]), 0); // ret
        assert_eq!(filler(&[]), 0);
    }
}
