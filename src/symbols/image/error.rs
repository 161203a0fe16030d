//! Why a boot image cannot be read.

use super::compression::Compression;

/// What is wrong with a boot image, or with the tables in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// Neither a boot image nor a compressed file nor an ELF file.
    #[error("not a boot image: it starts with {seen}")]
    Unknown {
        /// The first bytes, in hexadecimal.
        seen: String,
    },
    /// Another known kind of file.
    #[error("cannot read a kernel from this: {0}")]
    Foreign(&'static str),
    /// The kernel in the image has a compression that no kernel's `make` uses.
    #[error("the kernel in the image has an unknown compression: it starts with {seen}")]
    UnknownCompression {
        /// Its first bytes, in hexadecimal, and its name in the image.
        seen: String,
    },
    /// The file ends before the kernel in it does.
    #[error("truncated: {0}")]
    Truncated(&'static str),
    /// The compressed kernel ends too early.
    #[error("truncated: the {0} data end too early")]
    CutStream(Compression),
    /// The compressed kernel cannot be decompressed.
    #[error("malformed {compression} data: {reason}")]
    Corrupt {
        /// The compression.
        compression: Compression,
        /// Why.
        reason: &'static str,
    },
    /// The kernel in the image is larger than any kernel.
    #[error("the kernel in the image has more than {0} bytes")]
    TooLarge(u64),
    /// The image has neither a compressed kernel nor tables.
    #[error("no kernel found in the image (truncated?)")]
    NoKernel,
    /// The kernel has no symbol table.
    #[error("the kernel has no symbol table (truncated, or built without CONFIG_KALLSYMS?)")]
    NoTables,
    /// More than one kernel, and nothing decides which one starts.
    #[error("the image has several kernels ({0}); give only the one that starts")]
    Several(&'static str),
    /// Strings in the kernel name several releases, and no symbol decides which of them is its banner.
    #[error(
        "the kernel has two banners, 'Linux version {}' and 'Linux version {}', and no symbol that \
         marks its own",
        .0[0],
        .0[1]
    )]
    Banners([String; 2]),
    /// A wrapper contains something other than a kernel.
    #[error("the image has no kernel: {0}")]
    NotKernel(String),
    /// The symbol tables contradict each other.
    #[error("the kernel's symbol table contradicts itself: {0}")]
    Inconsistent(&'static str),
    /// Addresses are relative to a base that is known only at run time.
    #[error("the base address of the kernel's symbol table is not in the image")]
    NoBase,
}
