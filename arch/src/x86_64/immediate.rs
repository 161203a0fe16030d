//! Operands after a distance: `movb $1, there(%rip)`.
//!
//! Source: Intel SDM, volume 2, appendix A.

/// ModRM with a 32-bit distance from the next instruction.
const DISTANCE: u8 = 0x05;
const MODRM_OF_DISTANCE: u8 = 0xc7;
const OPERAND_SIZE: u8 = 0x66;
const TWO_BYTES: u8 = 0x0f;

/// Bytes of the immediate operand after a distance, by the bytes of the instruction before that.
pub(super) fn after_distance(before: &[u8]) -> i64 {
    let [rest @ .., opcode, modrm] = before else { return 0 };
    if modrm & MODRM_OF_DISTANCE != DISTANCE {
        return 0;
    }
    if rest.last() == Some(&TWO_BYTES) {
        // Bit tests, shifts of two registers, comparisons and shuffles of vectors.
        return i64::from(matches!(opcode, 0xba | 0xa4 | 0xac | 0xc2 | 0xc6 | 0x70));
    }
    let without_rex = match rest {
        [rest @ .., 0x40..=0x4f] => rest,
        rest => rest,
    };
    let word = if without_rex.last() == Some(&OPERAND_SIZE) { 2 } else { 4 };
    let tests = modrm >> 3 & 7 < 2;
    match opcode {
        0x80 | 0x83 | 0xc6 | 0xc0 | 0xc1 | 0x6b => 1,
        0x81 | 0xc7 | 0x69 => word,
        0xf6 if tests => 1,
        0xf7 if tests => word,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::after_distance;

    /// What GNU as makes of each, up to the distance.
    #[test]
    fn immediates_have_the_size_that_the_opcode_says() {
        for (before, bytes) in [
            (&[0xc6, 0x05][..], 1),               // movb $1, x(%rip)
            (&[0xc7, 0x05], 4),                   // movl $1, x(%rip)
            (&[0x48, 0xc7, 0x05], 4),             // movq $1, x(%rip)
            (&[0x66, 0xc7, 0x05], 2),             // movw $1, x(%rip)
            (&[0x80, 0x3d], 1),                   // cmpb $1, x(%rip)
            (&[0x83, 0x05], 1),                   // addl $1, x(%rip)
            (&[0x81, 0x25], 4),                   // andl $0x12345, x(%rip)
            (&[0xf6, 0x05], 1),                   // testb $1, x(%rip)
            (&[0xf7, 0x05], 4),                   // testl $1, x(%rip)
            (&[0xf7, 0x1d], 0),                   // negl x(%rip)
            (&[0xf0, 0x48, 0x0f, 0xba, 0x2d], 1), // lock btsq $1, x(%rip)
            (&[0x48, 0x8b, 0x05], 0),             // mov x(%rip), %rax
            (&[0x48, 0x8d, 0x3d], 0),             // lea x(%rip), %rdi
            (&[0xe8], 0),                         // call x
            (&[], 0),
        ] {
            assert_eq!(after_distance(before), bytes, "{before:02x?}");
        }
    }
}
