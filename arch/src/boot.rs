//! How to recognise a machine's boot images and find the kernel inside, as data.
//!
//! The reader of boot images tries every machine; it knows the formats that all machines share (ELF,
//! compressed streams, EFI's own wrapper) and nothing machine-specific. Numbers are offsets in bytes
//! from the start of the file. Sources: the `head.S` and `header.S` of `arch/*/boot` and
//! `arch/*/kernel`, and each machine's boot protocol in `Documentation/arch`.

/// Bytes at a fixed offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Magic {
    /// Their offset.
    pub offset: usize,
    /// The bytes.
    pub bytes: &'static [u8],
}

/// Where the kernel is in a boot image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// The file is the kernel's memory.
    Whole,
    /// Somewhere after the decompressor; no field says where.
    AfterDecompressor,
    /// After the setup code, at an offset given by little-endian numbers in its header.
    Setup {
        /// The byte that counts the sectors of 512 bytes after the first one; 0 means 4.
        sectors: usize,
        /// The 32-bit offset from the end of the setup code.
        offset: usize,
        /// The 32-bit size.
        size: usize,
    },
}

/// A machine's boot images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootImage {
    /// The bytes that identify them. `None`: they are ELF files.
    pub magic: Option<Magic>,
    /// Where the kernel is.
    pub payload: Payload,
    /// The relocation type by which a relocatable kernel adds its load offset to a word
    /// (`R_*_RELATIVE`).
    pub relative: u32,
}
