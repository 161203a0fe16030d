//! How to recognise a machine's boot images and find the kernel inside, as data.
//!
//! The reader of boot images asks every machine; it knows formats that all machines share (ELF,
//! compressed streams, EFI's own wrapper) and nothing of a machine. Numbers are offsets in bytes
//! from the start of the file. Sources: the `head.S` and `header.S` of `arch/*/boot` and
//! `arch/*/kernel`, and each machine's boot protocol in `Documentation/arch`.

/// Bytes at a fixed place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Magic {
    /// Where they are.
    pub offset: usize,
    /// The bytes.
    pub bytes: &'static [u8],
}

/// Where the kernel is in a boot image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// The file is the kernel's memory.
    Whole,
    /// Somewhere after the code that unpacks it; nothing says where.
    Behind,
    /// After the setup code, as little-endian numbers in its header say.
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
    /// The relocation type by which a kernel that can move adds its place to a word
    /// (`R_*_RELATIVE`).
    pub relative: u32,
}
