//! Names that the kernel derives from other names: the prefix before the stem.
//!
//! Every function `f` of a kernel with call padding has a symbol `__pfx_f`, every export a symbol
//! `__ksymtab_f`, and so on: half of all names. The map keeps them under the stem, with a number for
//! the prefix. Invariant: prefix and stem give the original name, and a name is split in one way.

/// The prefixes, by their number in the map. The list may only grow at its end: a
/// reader that does not know a number refuses the file.
const PREFIXES: [&[u8]; 12] = [
    b"",
    b"__pfx_",
    b"__ksymtab_",
    b"__kstrtab_",
    b"__kstrtabns_",
    b"__crc_",
    b"__export_symbol_",
    b"__SCT__",
    b"__SCK__",
    b"__tracepoint_",
    b"__traceiter_",
    b"__probestub_",
];

/// Number of the prefix and the stem of a name. A stem is never empty unless the name is.
pub(super) fn split(name: &[u8]) -> (u8, &[u8]) {
    if name.starts_with(b"__") {
        for (number, prefix) in (0_u8..).zip(&PREFIXES).skip(1) {
            match name.strip_prefix(*prefix) {
                Some([]) | None => {}
                Some(stem) => return (number, stem),
            }
        }
    }
    (0, name)
}

/// The prefix with a number.
pub(super) fn prefix(number: u8) -> Option<&'static [u8]> {
    PREFIXES.get(usize::from(number)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn derived_names_are_kept_under_the_stem() {
        assert_eq!(split(b"__pfx_schedule"), (1, &b"schedule"[..]));
        assert_eq!(split(b"__kstrtabns_kfree"), (4, &b"kfree"[..]));
        assert_eq!(split(b"__pfx_"), (0, &b"__pfx_"[..]));
        assert_eq!(split(b"__pfx___pfx_f"), (1, &b"__pfx_f"[..]));
        assert_eq!(prefix(12), None);
    }

    proptest! {
        #[test]
        fn prefix_and_stem_give_the_name_back(start in 0_u8..14, rest in "[a-z_]{0,8}") {
            let name = [prefix(start).unwrap_or(b"__"), rest.as_bytes()].concat();
            let (number, stem) = split(&name);
            prop_assert_eq!([prefix(number).unwrap(), stem].concat(), name);
        }
    }
}
