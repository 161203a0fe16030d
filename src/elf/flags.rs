//! Section flags (`sh_flags`).
//!
//! Bits without a name here are kept as they are: build with `from_bits_retain`. Source: the gABI,
//! and `include/uapi/linux/elf.h` for the livepatch bit.

bitflags::bitflags! {
    /// The bits of `sh_flags`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct SectionFlags: u64 {
        /// `SHF_WRITE`: writable while the code runs.
        const WRITE = 0x1;
        /// `SHF_ALLOC`: occupies memory while the code runs.
        const ALLOC = 0x2;
        /// `SHF_EXECINSTR`: holds instructions.
        const EXECINSTR = 0x4;
        /// `SHF_MERGE`: equal entries may be merged.
        const MERGE = 0x10;
        /// `SHF_STRINGS`: holds NUL-terminated strings.
        const STRINGS = 0x20;
        /// `SHF_INFO_LINK`: `sh_info` is a section index.
        const INFO_LINK = 0x40;
        /// `SHF_LINK_ORDER`: laid out in the order of the section in `sh_link`.
        const LINK_ORDER = 0x80;
        /// `SHF_GROUP`: member of a section group.
        const GROUP = 0x200;
        /// `SHF_TLS`: thread-local storage.
        const TLS = 0x400;
        /// `SHF_COMPRESSED`: the body starts with a compression header.
        const COMPRESSED = 0x800;
        /// `SHF_RELA_LIVEPATCH`: relocations that the livepatch core writes.
        const RELA_LIVEPATCH = 0x10_0000;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_without_a_name_survive() {
        let flags = SectionFlags::from_bits_retain(0x8020_0002);
        assert!(flags.contains(SectionFlags::ALLOC));
        assert_eq!(flags.bits(), 0x8020_0002);
    }
}
