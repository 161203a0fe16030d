//! Runtime constants: values that instructions hold, and that the kernel fills in when it boots, in itself only.
//!
//! Until then a pointer is 0x0123456789abcdef. A module is never changed, so the compiler refuses them in one; but what is
//! copied out of vmlinux's objects has them. Source: `arch/*/include/asm/runtime-const.h`.

/// The instructions of a pointer that is not filled in.
#[derive(Debug)]
pub struct Placeholder {
    /// Each byte, with the mask of the bits that count.
    pub bytes: &'static [(u8, u8)],
    /// Some of them that count whole, and the offset of the first: what to search for.
    pub core: (usize, &'static [u8]),
    /// Instructions start at multiples of this, in bytes.
    pub alignment: usize,
}

impl Placeholder {
    /// The offset of the instructions in code whose `core` is at this one, if they are there.
    #[must_use]
    pub fn around(&self, code: &[u8], core: usize) -> Option<usize> {
        let start = core.checked_sub(self.core.0)?;
        let window = code.get(start..start.checked_add(self.bytes.len())?)?;
        let is = window.iter().zip(self.bytes).all(|(byte, (value, mask))| byte & mask == *value);
        (is && start.is_multiple_of(self.alignment.max(1))).then_some(start)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use crate::by_name;

    /// What GNU as makes of each machine's `runtime_const_ptr`, with registers 0 and 11 or so.
    const ASSEMBLED: [(&str, &[u8]); 6] = [
        ("x86_64", &[0x48, 0xb8, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01]),
        ("x86_64", &[0x49, 0xbb, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01]),
        (
            "arm64",
            &[
                0xe0, 0xbd, 0x99, 0xd2, 0x60, 0x35, 0xb1, 0xf2, 0xe0, 0xac, 0xc8, 0xf2, 0x60, 0x24,
                0xe0, 0xf2,
            ],
        ),
        (
            "arm64",
            &[
                0xeb, 0xbd, 0x99, 0xd2, 0x6b, 0x35, 0xb1, 0xf2, 0xeb, 0xac, 0xc8, 0xf2, 0x6b, 0x24,
                0xe0, 0xf2,
            ],
        ),
        ("s390x", &[0xc0, 0x08, 0x01, 0x23, 0x45, 0x67, 0xc0, 0x09, 0x89, 0xab, 0xcd, 0xef]),
        ("s390x", &[0xc0, 0xb8, 0x01, 0x23, 0x45, 0x67, 0xc0, 0xb9, 0x89, 0xab, 0xcd, 0xef]),
    ];

    #[test]
    fn a_pointer_that_is_not_filled_in_is_found_where_it_is() {
        for (machine, bytes) in ASSEMBLED {
            let placeholder = by_name(machine).unwrap().runtime_constant.unwrap();
            let mut code = alloc::vec![0; placeholder.alignment * 3];
            code.extend(bytes);
            code.extend(bytes);
            let second = code.len() - bytes.len();
            let (at, core) = placeholder.core;
            let expected: Vec<_> = core.iter().map(|byte| (*byte, 0xff)).collect();
            assert_eq!(placeholder.bytes[at..at + core.len()], expected, "{machine}");
            let find = |code: &[u8]| {
                let cores = (0..code.len()).filter(|&at| code[at..].starts_with(core));
                cores.filter_map(|at| placeholder.around(code, at)).collect::<Vec<_>>()
            };
            let found = find(&code);
            assert_eq!(found, [placeholder.alignment * 3, second], "{machine}");
            for at in 0..bytes.len() {
                let mut other = bytes.to_vec();
                let mask = placeholder.bytes[at].1;
                other[at] ^= mask & mask.wrapping_neg();
                assert_eq!(find(&other), [], "{machine} {at}");
            }
            assert_eq!(find(&bytes[1..]), []);
        }
        assert!(by_name("ppc64le").unwrap().runtime_constant.is_none());
    }
}
