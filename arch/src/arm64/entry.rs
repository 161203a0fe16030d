//! The three instructions of a PLT entry, of a veneer, and of a slot for ftrace.
//!
//! `adrp x16, page; add x16, x16, offset; br x16` reaches 4 GiB in both directions. Beyond
//! that the generator returns a breakpoint, and the loader writes it.
//! Source: `arch/arm64/kernel/module-plts.c` (`get_plt_entry`, `plt_entries_equal`),
//! `arch/arm64/lib/insn.c`.

/// `AARCH64_BREAK_FAULT`: what a generator returns for what it cannot encode.
const BREAK_FAULT: u32 = 0xd420_2000;
/// `br x16`.
const BR_X16: u32 = 0xd61f_0200;

/// The instructions (`struct plt_entry`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) adrp: u32,
    pub(super) add: u32,
    pub(super) branch: u32,
}

impl Entry {
    /// Bytes of an entry.
    pub(super) const SIZE: u64 = 12;

    /// The entry at `pc` that jumps to `target`.
    pub(super) fn to(target: u64, pc: u64) -> Self {
        let (adrp, add) = address(target, pc, 16);
        Self { adrp, add, branch: BR_X16 }
    }

    /// The veneer at `pc` that computes a page into a register and continues at `back`.
    pub(super) fn veneer(page: u64, pc: u64, register: u32, back: u64) -> Self {
        let (adrp, add) = address(page, pc, register);
        let distance = back.wrapping_sub(pc.wrapping_add(8)).cast_signed();
        let near = (-0x800_0000..0x800_0000).contains(&distance) && distance & 3 == 0;
        let branch = if near { 0x1400_0000 | low(distance >> 2, 0x3ff_ffff) } else { BREAK_FAULT };
        Self { adrp, add, branch }
    }

    pub(super) fn bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let words = [self.adrp, self.add, self.branch];
        let chunks = bytes.as_chunks_mut::<4>().0;
        chunks.iter_mut().zip(words).for_each(|(to, word)| *to = word.to_le_bytes());
        bytes
    }

    pub(super) fn read(bytes: &[u8; 12]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
        let word = u32::from_le_bytes;
        Self { adrp: word([a, b, c, d]), add: word([e, f, g, h]), branch: word([i, j, k, l]) }
    }

    /// Whether two entries at these addresses go to the same target, as the kernel compares them.
    ///
    /// `None`: the kernel hits a `BUG`, because a breakpoint is not an ADRP.
    pub(super) fn equals(self, at: u64, other: Self, other_at: u64) -> Option<bool> {
        if self.add != other.add || self.branch != other.branch {
            return Some(false);
        }
        let (page, other_page) = (at & !0xfff, other_at & !0xfff);
        if self.adrp == other.adrp && page == other_page {
            return Some(true);
        }
        let target = page.wrapping_add_signed(adrp_offset(self.adrp)?);
        Some(target == other_page.wrapping_add_signed(adrp_offset(other.adrp)?))
    }
}

/// ADRP and ADD (`__get_adrp_add_pair`).
fn address(target: u64, pc: u64, register: u32) -> (u32, u32) {
    // The generator uses an unsigned shift and keeps 32 bits.
    let [.., a, b, c, d] = (target.wrapping_sub(pc & !0xfff) >> 12).to_be_bytes();
    let pages = i32::from_be_bytes([a, b, c, d]);
    let adrp = if (-0x10_0000..0x10_0000).contains(&pages) {
        let pages = i64::from(pages);
        0x9000_0000 | low(pages, 3) << 29 | low(pages >> 2, 0x7_ffff) << 5 | register
    } else {
        BREAK_FAULT
    };
    let offset = low(target.cast_signed(), 0xfff);
    (adrp, 0x9100_0000 | offset << 10 | register << 5 | register)
}

/// The bits of a number that a mask of at most 32 bits keeps.
fn low(value: i64, mask: u32) -> u32 {
    let [.., a, b, c, d] = value.to_be_bytes();
    u32::from_be_bytes([a, b, c, d]) & mask
}

/// What an ADRP adds to its page, truncated to 32 bits (`aarch64_insn_adrp_get_offset`).
fn adrp_offset(word: u32) -> Option<i64> {
    if word & 0x9f00_0000 != 0x9000_0000 {
        return None;
    }
    let pages = (word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3;
    Some(i64::from((pages << 12).cast_signed()))
}
