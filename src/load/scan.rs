//! Names of klp sections and symbols as the kernel's `sscanf` reads them.
//!
//! [`crate::name::KlpSymbol`] is what such a name should be; this is how the kernel reads any
//! bytes: it truncates long object names, skips white space before a position and garbage after it,
//! and lets numbers wrap or saturate. Sources: `lib/vsprintf.c:vsscanf`, and the formats in
//! `kernel/livepatch/core.c` (`klp_write_section_relocs`, `klp_resolve_symbols`).

use crate::name::{
    KLP_RELA_PREFIX, KLP_SYM_PREFIX, KlpSymbol, OBJECT_NAME_MAX, ObjectName, Position,
    SYMBOL_NAME_MAX,
};

/// `%N[^end]`: 1 to `width` bytes other than `end` and NUL; returns them and the rest.
fn bytes(text: &[u8], width: usize, end: u8) -> Option<(&[u8], &[u8])> {
    let stop = text.iter().position(|&byte| byte == end || byte == 0).unwrap_or(text.len());
    (stop != 0).then(|| text.split_at(stop.min(width)))
}

/// `isspace` of `include/linux/ctype.h`, which knows Latin-1.
fn is_space(byte: u8) -> bool {
    matches!(byte, 9..=13 | 32 | 0xa0)
}

/// `%lu`: white space, then at least one decimal digit; the rest is ignored. Also returns whether
/// it overflowed 64 bits and wrapped.
fn number(text: &[u8]) -> Option<(u64, bool)> {
    let start = text.iter().position(|&byte| !is_space(byte))?;
    let digits = text.iter().skip(start).map_while(|&byte| char::from(byte).to_digit(10));
    let next = |(sum, over): (u64, bool), digit| {
        let (tens, far) = sum.overflowing_mul(10);
        let (sum, farther) = tens.overflowing_add(u64::from(digit));
        (sum, over || far || farther)
    };
    digits.fold(None, |sum, digit| Some(next(sum.unwrap_or_default(), digit)))
}

/// The object that a klp section waits for, its name truncated as in the kernel.
pub(super) fn gate(section: &[u8]) -> Option<&[u8]> {
    let rest = section.strip_prefix(KLP_RELA_PREFIX.as_bytes())?;
    bytes(rest, OBJECT_NAME_MAX, b'.').map(|(gate, _)| gate)
}

/// A klp symbol's name, split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scanned<'a> {
    /// `sym_objname`.
    pub(super) owner: &'a [u8],
    /// `sym_name`.
    pub(super) name: &'a [u8],
    /// `sympos`.
    pub(super) position: u64,
    /// Whether the position overflowed 64 bits.
    over: bool,
}

impl<'a> Scanned<'a> {
    /// Splits a name; `None` if the kernel calls it incorrectly formatted.
    pub(super) fn symbol(name: &'a [u8]) -> Option<Self> {
        let rest = name.strip_prefix(KLP_SYM_PREFIX.as_bytes())?;
        let (owner, rest) = bytes(rest, OBJECT_NAME_MAX, b'.')?;
        let (name, rest) = bytes(rest.strip_prefix(b".")?, SYMBOL_NAME_MAX, b',')?;
        let (position, over) = number(rest.strip_prefix(b",")?)?;
        Some(Self { owner, name, position, over })
    }

    /// As read by a kernel where positions saturate instead of wrapping (`_parse_integer_limit`).
    pub(super) fn saturated(self) -> Self {
        let position = if self.over { u64::MAX } else { self.position };
        Self { position, ..self }
    }

    /// What is looked up. `None` if no module or no symbol can have such a name.
    pub(super) fn lookup(&self) -> Option<KlpSymbol> {
        // A position out of reach stays out of reach.
        let position = Position::from(u32::try_from(self.position).unwrap_or(u32::MAX));
        let symbol = std::str::from_utf8(self.name).ok()?.parse().ok()?;
        Some(KlpSymbol { owner: object(self.owner)?, symbol, position })
    }
}

/// The name that the kernel looks up for a klp symbol, in whatever object.
pub(crate) fn looked_for(symbol: &[u8]) -> Option<&str> {
    std::str::from_utf8(Scanned::symbol(symbol)?.name).ok()
}

/// The object of exactly this name, if one can have it: the kernel does not treat `-` as `_` here.
pub(super) fn object(name: &[u8]) -> Option<ObjectName> {
    let text = std::str::from_utf8(name).ok()?;
    text.parse().ok().filter(|object: &ObjectName| object.as_str() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn position(name: &str) -> Option<u64> {
        Scanned::symbol(name.as_bytes()).map(|scanned| scanned.position)
    }

    #[test]
    fn what_follows_the_gate_in_a_section_name_is_ignored() {
        assert_eq!(gate(b".klp.rela.ext4..text"), Some(&b"ext4"[..]));
        assert_eq!(gate(b".klp.rela.ext4"), Some(&b"ext4"[..]));
        assert_eq!(gate(b".klp.rela.ext4."), Some(&b"ext4"[..]));
        assert_eq!(gate(b".klp.rela.a,b c.x"), Some(&b"a,b c"[..]));
    }

    #[test]
    fn a_section_without_gate_is_malformed() {
        for name in [".klp.rela.", ".klp.rela..text", ".klp.rela", ".rela.text", "", ".klp.relx.a."]
        {
            assert_eq!(gate(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn a_long_gate_is_truncated_and_a_long_owner_is_malformed() {
        let long = "m".repeat(56);
        let section = format!(".klp.rela.{long}.text");
        assert_eq!(gate(section.as_bytes()), Some(&section.as_bytes()[10..65]));
        assert_eq!(position(&format!(".klp.sym.{long}.f,0")), None);
        assert_eq!(position(&format!(".klp.sym.{}.f,0", &long[1..])), Some(0));
    }

    #[test]
    fn a_symbol_name_ends_at_the_first_comma_and_may_contain_anything_else() {
        let scanned = Scanned::symbol(b".klp.sym.vmlinux.a.b c,2").unwrap();
        assert_eq!((scanned.owner, scanned.name), (&b"vmlinux"[..], &b"a.b c"[..]));
        assert_eq!(position(".klp.sym.vmlinux.f,g,1"), None);
        assert_eq!(position(".klp.sym.vmlinux.,1"), None);
        assert_eq!(position(".klp.sym..f,1"), None);
        assert_eq!(position(&format!(".klp.sym.m.{},1", "f".repeat(511))), Some(1));
        assert_eq!(position(&format!(".klp.sym.m.{},1", "f".repeat(512))), None);
    }

    #[test]
    fn a_position_may_follow_white_space_and_precede_anything() {
        for name in ["1", " \t1", "1x", "1,2", "01", "1 ", "\u{b}1.5"] {
            assert_eq!(position(&format!(".klp.sym.m.f,{name}")), Some(1), "{name}");
        }
        assert_eq!(Scanned::symbol(b".klp.sym.m.f,\xa07").unwrap().position, 7);
        for name in ["", " ", "x", "-1", "+1"] {
            assert_eq!(position(&format!(".klp.sym.m.f,{name}")), None, "{name}");
        }
    }

    #[test]
    fn a_position_wraps_at_64_bits_or_saturates() {
        assert_eq!(position(".klp.sym.m.f,18446744073709551617"), Some(1));
        assert_eq!(position(".klp.sym.m.f,18446744073709551616"), Some(0));
        for (digits, position) in [
            ("18446744073709551615", u64::MAX),
            ("18446744073709551616", u64::MAX),
            ("99999999999999999999999", u64::MAX),
            ("18446744073709551614", u64::MAX - 1),
        ] {
            let name = format!(".klp.sym.m.f,{digits}");
            let scanned = Scanned::symbol(name.as_bytes()).unwrap().saturated();
            assert_eq!(scanned.position, position, "{digits}");
        }
        let far = Scanned::symbol(b".klp.sym.m.f,4294967297").unwrap();
        assert_eq!(far.lookup().unwrap().position.number(), u32::MAX);
    }

    #[test]
    fn a_name_that_no_module_has_is_looked_up_nowhere() {
        for name in [".klp.sym.kvm-intel.f,0", ".klp.sym.a b.f,0", ".klp.sym.m.f\n,0"] {
            assert_eq!(Scanned::symbol(name.as_bytes()).unwrap().lookup(), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_a_klp_symbol_is_scanned_to_itself(
            owner in "[a-z_]{1,55}", symbol in "[a-zA-Z0-9_.$ ]{1,40}", position: u32,
        ) {
            let name = format!(".klp.sym.{owner}.{symbol},{position}");
            let klp: KlpSymbol = name.parse().unwrap();
            let scanned = Scanned::symbol(name.as_bytes()).unwrap();
            prop_assert_eq!(scanned.lookup(), Some(klp));
        }

        #[test]
        fn any_bytes_are_scanned_or_refused(name: Vec<u8>) {
            let symbol = [b".klp.sym.".to_vec(), name.clone()].concat();
            let _ = Scanned::symbol(&symbol).and_then(|scanned| scanned.lookup());
            let section = [b".klp.rela.".to_vec(), name].concat();
            prop_assert!(gate(&section).is_none_or(|gate| gate.len() <= OBJECT_NAME_MAX));
        }
    }
}
