//! Landing pads: what a processor requires at the target of an indirect branch.
//!
//! Calling a function without a pad through a pointer crashes a kernel on a processor that enforces
//! pads. The loader does not check; objtool does, at link time, but not for functions that come
//! from elsewhere.
//! Source: `arch/x86/include/asm/ibt.h`, `tools/objtool/check.c:validate_ibt`.

/// A machine's landing pad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LandingPad {
    /// The instruction, at the start of a function.
    pub bytes: &'static [u8],
    /// Section of modules built with it: places where the loader removes it.
    pub marker: &'static str,
    /// Its common name.
    pub name: &'static str,
    /// The bytes before the field of an instruction that takes an address, each with the
    /// mask of the bits that count; the bytes before a call's or a jump's field match none of these.
    pub takes: &'static [&'static [(u8, u8)]],
}

impl LandingPad {
    /// Whether an instruction whose field has these bytes before it takes an address, relative to
    /// the place.
    #[must_use]
    pub fn is_taken_by(&self, before: &[u8]) -> bool {
        self.takes.iter().any(|pattern| {
            let tail = before.len().checked_sub(pattern.len()).and_then(|at| before.get(at..));
            tail.is_some_and(|tail| {
                tail.iter().zip(*pattern).all(|(byte, (value, mask))| byte & mask == *value)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::by_name;

    #[test]
    fn a_lea_takes_an_address_and_a_call_does_not() {
        let pad = by_name("x86_64").unwrap().landing_pad.unwrap();
        for lea in [[0x48, 0x8d, 0x05], [0x48, 0x8d, 0x3d], [0x4c, 0x8d, 0x25]] {
            assert!(pad.is_taken_by(&lea) && pad.is_taken_by(&[&[0x90][..], &lea].concat()));
        }
        for other in [&[0xe8][..], &[0x90, 0x0f, 0x84], &[0x48, 0x8b, 0x05], &[0x48, 0x8d, 0x45]] {
            assert!(!pad.is_taken_by(other), "{other:x?}");
        }
        assert!(!pad.is_taken_by(&[0x8d, 0x05]) && !pad.is_taken_by(&[]));
    }
}
