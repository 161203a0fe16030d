//! What to do where only a compiler's variant of a function is left.

/// How a compiler has changed a function, told by the first suffix that it gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Changed {
    /// Other arguments: `.isra`, `.constprop`.
    Arguments,
    /// A part of it, whose rest is in its callers: `.part`.
    Split,
    /// The unlikely part of it: `.cold`.
    Cold,
    /// The same function, whose name Clang's LTO made unique: `.llvm`.
    Renamed,
}

impl Changed {
    fn of(variant: &str, name: &str) -> Option<Self> {
        let suffix = variant.strip_prefix(name)?.strip_prefix('.')?;
        match suffix.split('.').next()? {
            "isra" | "constprop" => Some(Self::Arguments),
            "part" => Some(Self::Split),
            "cold" => Some(Self::Cold),
            "llvm" => Some(Self::Renamed),
            _ => None,
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Arguments => {
                "the compiler changed its arguments (.isra, .constprop), so that no function of the source \
                 takes its place or calls it: patch its callers, with a copy of it in the livepatch"
            }
            Self::Split => {
                "the compiler split it, and inlined the rest into its callers (.part): patch these, or, if \
                 the fix is in that part alone, the variant, where it has one position"
            }
            Self::Cold => {
                "only its unlikely part is left (.cold), the rest was inlined: patch its callers, with a copy \
                 of it in the livepatch"
            }
            Self::Renamed => {
                "it is the same function, whose name Clang's LTO made unique (.llvm): use that name, where \
                 it has one position"
            }
        }
    }
}

/// Advice for a name of which these variants are there: a line for each way in which it was changed.
pub(super) fn advice<'a>(
    name: &str,
    variants: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = String> {
    let mut ways: Vec<_> = variants.filter_map(|variant| Changed::of(variant, name)).collect();
    ways.sort_unstable();
    ways.dedup();
    // That a part of a changed function is elsewhere tells nothing more.
    if ways.len() > 1 {
        ways.retain(|way| *way != Changed::Cold);
    }
    ways.into_iter().map(|way| way.advice().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str, variants: &[&str]) -> Vec<String> {
        advice(name, variants.iter().copied()).collect()
    }

    #[test]
    fn each_way_of_changing_a_function_has_its_advice_once() {
        let words = |variants: &[&str], expected: &[&str]| {
            let lines = said("f", variants);
            assert_eq!(lines.len(), expected.len(), "{lines:?}");
            for (line, word) in lines.iter().zip(expected) {
                assert!(line.contains(word), "{line}");
            }
        };
        words(&["f.isra.0", "f.constprop.1"], &["changed its arguments"]);
        words(&["f.part.0"], &["split it"]);
        words(&["f.cold"], &["only its unlikely part"]);
        words(&["f.llvm.123"], &["the same function"]);
        words(&["f.cold", "f.isra.0.cold", "f.part.0"], &["changed its arguments", "split it"]);
    }

    #[test]
    fn other_names_have_no_advice() {
        for (name, other) in
            [("f", "f"), ("f", "f.1"), ("f", "fisra"), ("f", "ff.isra.0"), ("f.isra.0", "f")]
        {
            assert!(said(name, &[other]).is_empty(), "{name} {other}");
        }
    }
}
