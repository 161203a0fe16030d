//! Names similar to one that was not found, for advice only.
//!
//! Out of every name of every source, it keeps the few best: the compiler's own variants of the
//! name first, then those at a small edit distance. Invariant: what is kept does not depend on the
//! order of offers.

use crate::name::ObjectName;

/// How many similar names are kept for one name.
const KEPT: usize = 5;
/// How many names are searched for in one pass; the rest get no advice.
const SEARCHES_MAX: usize = 32;
/// Largest edit distance that still looks like the same name mistyped.
const DISTANCE: usize = 2;
/// Bytes of the longest name of a kernel (`KSYM_NAME_LEN`); longer ones are similar to none.
const NAME_MAX: usize = 512;

/// A name in some object, similar to one that was searched for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Suggestion {
    /// Edit distance, 0 for a compiler's variant.
    pub distance: usize,
    /// The name as the object has it.
    pub name: String,
    /// The object.
    pub object: ObjectName,
}

impl Suggestion {
    /// Whether it is the searched name with another compiler suffix (`.isra.0`, `.cold`).
    #[must_use]
    pub fn is_variant(&self) -> bool {
        self.distance == 0
    }
}

/// The names that were not found, and what is similar to each.
#[derive(Debug, Default)]
pub struct Suggestions {
    asked: Vec<Search>,
}

#[derive(Debug)]
struct Search {
    name: String,
    stem: String,
    letters: u64,
    found: Vec<Suggestion>,
}

impl Suggestions {
    /// Starts a search for these names; only the first 32 different ones are searched for.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut asked: Vec<Search> = Vec::new();
        for name in names {
            if asked.len() == SEARCHES_MAX {
                break;
            }
            if name.len() <= NAME_MAX && asked.iter().all(|a| a.name != name) {
                let letters = letters(name.as_bytes());
                let (name, stem) = (name.into(), stem(name).into());
                asked.push(Search { name, stem, letters, found: Vec::new() });
            }
        }
        Self { asked }
    }

    /// Whether there is nothing to search for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// Whether a name is similar to one that is searched for.
    #[must_use]
    pub fn considers(&self, name: &[u8]) -> bool {
        let Ok(name) = std::str::from_utf8(name) else {
            return false;
        };
        let letters = letters(name.as_bytes());
        self.asked.iter().any(|asked| asked.distance(name, letters).is_some())
    }

    /// Considers a name that an object has.
    pub fn offer(&mut self, object: &ObjectName, name: &[u8]) {
        let Ok(name) = std::str::from_utf8(name) else {
            return;
        };
        let letters = letters(name.as_bytes());
        for asked in &mut self.asked {
            if let Some(distance) = asked.distance(name, letters) {
                asked.keep(Suggestion { distance, name: name.into(), object: object.clone() });
            }
        }
    }

    /// The nearest names found, best first, at most five.
    #[must_use]
    pub fn found(&self, name: &str) -> &[Suggestion] {
        self.asked.iter().find(|a| a.name == name).map_or(&[], |a| a.found.as_slice())
    }
}

impl Search {
    /// How far a name is from the searched one; `None` if it is not similar.
    fn distance(&self, name: &str, letters: u64) -> Option<usize> {
        if name == self.name || name.len() > NAME_MAX {
            return None;
        }
        if name.starts_with(&self.stem) && stem(name) == self.stem {
            return Some(0);
        }
        // One edit changes at most two letters of the set, so this avoids nearly every comparison.
        let limit = DISTANCE.min(self.name.len() / 3);
        let differing =
            usize::try_from((letters ^ self.letters).count_ones()).unwrap_or(usize::MAX);
        if name.len().abs_diff(self.name.len()) > limit || differing > 2 * limit {
            return None;
        }
        distance(name.as_bytes(), self.name.as_bytes(), limit)
    }

    fn keep(&mut self, near: Suggestion) {
        if let Err(index) = self.found.binary_search(&near) {
            self.found.insert(index, near);
            self.found.truncate(KEPT);
        }
    }
}

/// The edit distance of two names, if it is within a small limit: linear in their length.
fn distance(one: &[u8], other: &[u8], limit: usize) -> Option<usize> {
    let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (one.get(same..)?, other.get(same..)?);
    let (Some((_, one_rest)), Some((_, other_rest))) = (one.split_first(), other.split_first())
    else {
        let rest = one.len().max(other.len());
        return (rest <= limit).then_some(rest);
    };
    let less = limit.checked_sub(1)?;
    let edits = [(one_rest, other_rest), (one_rest, other), (one, other_rest)];
    let distances = edits.into_iter().filter_map(|(one, other)| distance(one, other, less));
    distances.min().map(|distance| distance + 1)
}

/// The set of letters of a name, folded into 64 bits.
fn letters(name: &[u8]) -> u64 {
    name.iter().fold(0, |set, byte| set | 1 << (byte & 63))
}

/// The name as it is in the source: without what GCC and Clang append to copies, parts and static
/// locals (`.isra.0`, `.constprop.0`, `.part.0`, `.cold`, `.llvm.123`, `.45`).
pub(crate) fn stem(name: &str) -> &str {
    let mut dots = name.match_indices('.').filter(|(at, _)| *at > 0);
    let suffix = dots.find(|(at, _)| {
        let rest = name.get(at + 1..).unwrap_or("");
        let word = rest.split('.').next().unwrap_or(rest);
        matches!(word, "isra" | "constprop" | "part" | "cold" | "llvm")
            || !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit())
    });
    suffix.and_then(|(at, _)| name.get(..at)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(asked: &str, offers: &[&str]) -> Vec<String> {
        let mut near = Suggestions::new([asked]);
        for name in offers {
            near.offer(&ObjectName::vmlinux(), name.as_bytes());
        }
        near.found(asked).iter().map(|n| n.name.clone()).collect()
    }

    #[test]
    fn compiler_variants_come_before_mistyped_names() {
        let offers = ["cmdline_proc_shew", "cmdline_proc_show.isra.0", "cmdline_proc_show.cold"];
        let found = nearest("cmdline_proc_show", &offers);
        assert_eq!(found, ["cmdline_proc_show.cold", "cmdline_proc_show.isra.0", offers[0]]);
    }

    #[test]
    fn a_variant_leads_back_to_the_plain_name_and_to_other_variants() {
        assert_eq!(nearest("foo_bar.isra.0", &["foo_bar", "foo_bar.isra.1"]).len(), 2);
        assert_eq!(nearest("__key.1234", &["__key.77", "__keyring"]), ["__key.77"]);
    }

    #[test]
    fn the_order_of_offers_does_not_matter() {
        let mut offers = vec!["abcdef1", "abcdef2", "abcdef3", "abcdef4", "abcdef5", "abcdef6"];
        let found = nearest("abcdef0", &offers);
        offers.reverse();
        assert_eq!(found, nearest("abcdef0", &offers));
        assert_eq!(found, ["abcdef1", "abcdef2", "abcdef3", "abcdef4", "abcdef5"]);
    }

    #[test]
    fn different_names_and_the_name_itself_are_not_similar() {
        assert!(nearest("schedule", &["schedule", "reschedule_all", "printk"]).is_empty());
        assert!(nearest("ab", &["cd", "ac"]).is_empty(), "two letters are too short to mistype");
    }

    proptest::proptest! {
        #[test]
        fn a_distance_within_the_limit_is_levenshteins(one in "[ab]{0,8}", other in "[ab]{0,8}") {
            let expected = strsim::levenshtein(&one, &other);
            let found = distance(one.as_bytes(), other.as_bytes(), DISTANCE);
            proptest::prop_assert_eq!(found, Some(expected).filter(|found| *found <= DISTANCE));
        }
    }

    #[test]
    fn names_that_no_kernel_has_are_not_compared() {
        let long = "x".repeat(NAME_MAX + 1);
        assert!(Suggestions::new([long.as_str()]).is_empty());
        let longest = "x".repeat(NAME_MAX);
        assert!(nearest(&longest, &[&long]).is_empty());
        assert_eq!(nearest(&longest, &[&long[2..]]), [&long[2..]]);
    }

    #[test]
    fn stems_end_at_the_first_compiler_suffix() {
        for (name, expected) in [
            ("foo.isra.0.cold", "foo"),
            ("foo.llvm.123", "foo"),
            ("foo.bar", "foo.bar"),
            ("foo.bar.part.2", "foo.bar"),
            (".TOC.", ".TOC."),
            ("x.5", "x"),
            ("", ""),
        ] {
            assert_eq!(stem(name), expected);
        }
    }
}
