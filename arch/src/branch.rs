//! References inside code that the assembler has resolved and no loader sees.
//!
//! A call to a function of the same section has no relocation. What code reaches shows only in
//! its instructions: each machine scans its code for the forms that compilers
//! use to call, jump to or take the address of a function. A scan does not know where instructions
//! of varying length start and may see a reference where there is none; it never misses one.

/// A reference encoded in the code, without a relocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branch {
    /// Offset in the code of the field that holds the distance, in bytes: where a relocation would
    /// be.
    pub field: usize,
    /// The bits of the bytes from `field` on that hold the distance.
    pub mask: [u8; 4],
    /// Offset in the code of what is referred to; may be outside of it.
    pub target: i64,
}

impl Branch {
    /// The reference of a field that holds a distance from `origin`; all in bytes.
    pub(crate) fn new(field: usize, mask: [u8; 4], origin: usize, distance: i64) -> Option<Self> {
        let target = i64::try_from(origin).ok()?.checked_add(distance)?;
        Some(Self { field, mask, target })
    }
}

/// The low `bits` of a word as a signed number.
pub(crate) fn signed(word: u32, bits: u32) -> i64 {
    let up = 32_u32.saturating_sub(bits);
    i64::from((word << up).cast_signed() >> up)
}

/// The branches of a machine whose instructions are little-endian words of four bytes: `distance`
/// gives that of one instruction from itself, in bytes, and the bits that hold it.
pub(crate) fn of_words(
    code: &[u8],
    distance: impl Fn(u32) -> Option<(u32, i64)>,
) -> alloc::vec::Vec<Branch> {
    let words = code.as_chunks::<4>().0.iter().enumerate();
    let branch = |(index, word): (usize, &[u8; 4])| {
        let at = index * 4;
        let (mask, distance) = distance(u32::from_le_bytes(*word))?;
        Branch::new(at, mask.to_le_bytes(), at, distance)
    };
    words.filter_map(branch).collect()
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use crate::by_name;

    fn targets(machine: &str, code: &[u8]) -> Vec<(usize, i64)> {
        let branches = by_name(machine).unwrap().instructions.branches(code);
        branches.into_iter().map(|branch| (branch.field, branch.target)).collect()
    }

    /// Each line was assembled by GNU as 2.40; the target is what objdump shows.
    #[test]
    fn calls_jumps_and_addresses_that_the_assembler_resolved_are_seen() {
        let x86 = |code: &[u8]| targets("x86_64", code);
        assert_eq!(x86(&[0xe8, 0x10, 0, 0, 0]), [(1, 0x15)]); // call .+0x15
        assert_eq!(x86(&[0xe9, 0xf6, 0xff, 0xff, 0xff]), [(1, -5)]); // jmp
        assert_eq!(x86(&[0x0f, 0x84, 0x10, 0, 0, 0]), [(2, 0x16)]); // je
        assert_eq!(x86(&[0x48, 0x8d, 0x3d, 0x10, 0, 0, 0]), [(3, 0x17)]); // lea 0x10(%rip),%rdi
        assert_eq!(x86(&[0xeb, 0xfe]), [(1, 0)]); // jmp .
        assert_eq!(x86(&[0x75, 0x10]), [(1, 0x12)]); // jne
        assert_eq!(x86(&[0xb8, 0x10, 0, 0, 0]), []); // mov $0x10,%eax
        let arm64 = |word: u32| targets("arm64", &word.to_le_bytes());
        assert_eq!(arm64(0x9400_0004), [(0, 0x10)]); // bl
        assert_eq!(arm64(0x17ff_ffff), [(0, -4)]); // b
        assert_eq!(arm64(0x5400_0080), [(0, 0x10)]); // b.eq
        assert_eq!(arm64(0xb500_0080), [(0, 0x10)]); // cbnz x0
        assert_eq!(arm64(0x3700_0080), [(0, 0x10)]); // tbnz w0, #0
        assert_eq!(arm64(0x1000_0080), [(0, 0x10)]); // adr x0
        assert_eq!(arm64(0xd503_201f), []); // nop
        let ppc64le = |word: u32| targets("ppc64le", &word.to_le_bytes());
        assert_eq!(ppc64le(0x4800_0011), [(0, 0x10)]); // bl
        assert_eq!(ppc64le(0x4bff_fffc), [(0, -4)]); // b
        assert_eq!(ppc64le(0x4082_0010), [(0, 0x10)]); // bne
        assert_eq!(ppc64le(0x4800_0012), []); // ba: to an address
        let s390x = |code: &[u8]| targets("s390x", code);
        assert_eq!(s390x(&[0xc0, 0xe5, 0, 0, 0, 8]), [(2, 0x10)]); // brasl %r14
        assert_eq!(s390x(&[0xc0, 0xf4, 0xff, 0xff, 0xff, 0xfe]), [(2, -4)]); // jg
        assert_eq!(s390x(&[0xc0, 0x20, 0, 0, 0, 8]), [(2, 0x10)]); // larl %r2
        assert_eq!(s390x(&[0xa7, 0xf4, 0, 8]), [(2, 0x10)]); // j
        assert_eq!(s390x(&[0x07, 0xfe]), []); // br %r14
    }

    #[test]
    fn references_start_at_an_instruction() {
        let references = |machine: &str, code: &[u8]| {
            let branches = by_name(machine).unwrap().instructions.references(code)?;
            Some(branches.into_iter().map(|branch| (branch.field, branch.target)).collect())
        };
        let some = |found: &[(usize, i64)]| Some(found.to_vec());
        // mov $0xe8,%al; mov $0xfeeb,%ecx
        let x86 = &[0xb0, 0xe8, 0xb9, 0xeb, 0xfe, 0, 0];
        assert_eq!(targets("x86_64", x86), [(2, 0xfe_ebbf), (4, 3)]);
        assert_eq!(references("x86_64", x86), some(&[]));
        // bl; 4-byte words are always instructions.
        let arm64 = &0x9400_0004_u32.to_le_bytes();
        assert_eq!(references("arm64", arm64), some(&[(0, 0x10)]));
        // A prefix, and a word that is bl without one; bl.
        let ppc64le: Vec<u8> = [0x0410_0000, 0x4800_0011, 0x4800_0011_u32]
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .collect();
        assert_eq!(references("ppc64le", &ppc64le), some(&[(8, 0x18)]));
        // iilf %r2,0xa7f40008; j .+0x10
        let s390x = &[0xc0, 0x29, 0xa7, 0xf4, 0, 8, 0xa7, 0xf4, 0, 8];
        assert_eq!(targets("s390x", s390x), [(4, 0x12), (8, 0x16)]);
        assert_eq!(references("s390x", s390x), some(&[(8, 0x16)]));
    }

    #[test]
    fn code_that_ends_within_an_instruction_has_no_references() {
        for (machine, code) in [
            ("arm64", &[0x04, 0, 0][..]),
            ("ppc64le", &[0, 0, 0, 0x04]),
            ("s390x", &[0xc0, 0xe5, 0, 0]),
            ("x86_64", &[0x90, 0xe8, 0, 0]),
        ] {
            let instructions = by_name(machine).unwrap().instructions;
            assert_eq!(instructions.references(code), None, "{machine}");
            assert_eq!(instructions.references(&[]), Some(Vec::new()));
        }
    }

    #[test]
    fn any_bytes_are_scanned_to_their_end() {
        for machine in crate::machines() {
            for length in 0..16 {
                for byte in [0, 0x48, 0xc0, 0xe8, 0xeb, 0xff] {
                    let code = std::vec![byte; length];
                    assert!(
                        machine
                            .instructions
                            .branches(&code)
                            .iter()
                            .all(|branch| branch.field < length)
                    );
                }
            }
        }
    }
}
