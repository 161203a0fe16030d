//! The bytes of an input as decisions; where they end, each is the first one.

/// Bytes that are not used yet.
#[derive(Debug, Clone)]
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// One of 256, so that few bytes decide that something odd happens.
    pub(crate) fn seldom(&mut self) -> bool {
        self.byte() == 0xff
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()).checked_rem(end).unwrap_or(0)
    }

    /// # Panics
    /// If there is nothing to pick.
    pub(crate) fn pick<'t, T: ?Sized>(&mut self, all: &[&'t T]) -> &'t T {
        let at = self.below(all.len());
        #[allow(clippy::indexing_slicing, reason = "the panic is what its caller is told")]
        all[at]
    }

    /// All 64 bits, near 0, near a power of two, or near the end.
    pub(crate) fn word(&mut self) -> u64 {
        let kind = self.byte();
        match kind % 4 {
            0 => u64::from(self.byte()),
            1 => u64::from_le_bytes(self.bytes()),
            2 => (1 << (kind / 4)) + u64::from(self.byte()) - 128 * u64::from(kind / 4 > 7),
            _ => u64::MAX - u64::from(self.byte()),
        }
    }
}
