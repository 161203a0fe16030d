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
    /// Something else, which is known.
    #[error("no kernel is read from this: {0}")]
    Foreign(&'static str),
    /// The kernel in the image is compressed in a way that no kernel's `make` does.
    #[error("the kernel in the image has an unknown compression: it starts with {seen}")]
    UnknownCompression {
        /// Its first bytes, in hexadecimal, and what the image calls it.
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
        /// How it is compressed.
        compression: Compression,
        /// Why.
        reason: &'static str,
    },
    /// The kernel in the image is larger than any kernel.
    #[error("the kernel in the image has more than {0} bytes")]
    TooLarge(u64),
    /// No compressed kernel inside of the image, and no tables either.
    #[error("the image has no kernel that can be found (truncated?)")]
    NoKernel,
    /// The kernel has no table of its symbols.
    #[error(
        "the kernel has no table of its symbols (truncated, or built without CONFIG_KALLSYMS?)"
    )]
    NoTables,
    /// More than one kernel, of which nothing says that it is the one that starts.
    #[error("the image has several kernels ({0}); give the one that starts alone")]
    Several(&'static str),
    /// Texts in the kernel name several releases, and no symbol says which of them is its banner.
    #[error(
        "the kernel has two banners, 'Linux version {}' and 'Linux version {}', and no symbol that \
         says which is its own",
        .0[0],
        .0[1]
    )]
    Banners([String; 2]),
    /// A wrapper holds something else than a kernel.
    #[error("the image has no kernel: {0}")]
    NotKernel(String),
    /// The tables of symbols contradict each other.
    #[error("the kernel's table of symbols contradicts itself: {0}")]
    Lies(&'static str),
    /// Addresses are told relative to a base that is known only where the kernel runs.
    #[error("the address that the kernel's table of symbols counts from is not in the image")]
    NoBase,
}
