//! Contents in sixteen bytes, so that a module's parts need not be kept.

use std::hash::{DefaultHasher, Hasher};

/// Equal for equal contents, and only for those. It is of no use in another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fingerprint([u64; 2]);

/// Contents on their way into a [`Fingerprint`].
#[derive(Debug)]
pub(super) struct Contents([DefaultHasher; 2]);

impl Contents {
    pub(super) fn new() -> Self {
        let mut hashers = [DefaultHasher::new(), DefaultHasher::new()];
        let [_, second] = &mut hashers;
        second.write_u8(1);
        Self(hashers)
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        for hasher in &mut self.0 {
            hasher.write(bytes);
            hasher.write_usize(bytes.len());
        }
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let [first, second] = &self.0;
        Fingerprint([first.finish(), second.finish()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[&[u8]]) -> Fingerprint {
        let mut contents = Contents::new();
        parts.iter().for_each(|part| contents.add(part));
        contents.fingerprint()
    }

    #[test]
    fn only_equal_contents_have_one_fingerprint() {
        assert_eq!(of(&[b"ab", b"c"]), of(&[b"ab", b"c"]));
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b"ab"]), of(&[b"ab", b""]));
    }
}
