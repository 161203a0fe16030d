//! The kernel in a boot image: unwrapped and decompressed until its tables are found.
//!
//! An image is a raw kernel, an ELF file, a compressed one of these, EFI's wrapper of these, a boot
//! loader's wrapper ([`super::wrapper`]), or a machine's own, which its back end describes. Invariant:
//! at most [`DEPTH`] layers and [`TRIES`] offsets are tried, all of which together have at most [`KERNEL_MAX`] bytes,
//! and several kernels are an error.
//! Sources: `drivers/firmware/efi/libstub/zboot-header.S` and [`klp_arch::BootImage`].

use std::borrow::Cow;

use klp_arch::{Machine, Payload};
use memchr::memmem::Finder;
use object::elf;
use strum::IntoEnumIterator;

use super::blob::Blob;
use super::compression::{Compression, KERNEL_MAX};
use super::program::Program;
use super::{ImageError, foreign, wrapper};

/// Nested layers: a boot loader's wrapper, EFI's, a compressed stream, a machine's
/// wrapper, the kernel; the file itself may also be compressed.
const DEPTH: usize = 6;
/// Offsets in an image that look like the start of a compressed kernel.
const TRIES: usize = 256;
/// A stream that decompresses to more than this and then fails was the kernel.
const LIKELY: usize = 1 << 20;
/// EFI's wrapper: offsets of its name, of the kernel's offset and size, and of its compression.
const EFI: (usize, &[u8]) = (4, b"zimg");
const EFI_PAYLOAD: (usize, usize) = (8, 12);
const EFI_COMPRESSION: (usize, usize) = (24, 32);

/// A raw kernel, or one in an ELF file.
#[derive(Debug)]
pub(super) struct UnpackedKernel<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// The back end, if a wrapper or the kernel itself identifies it.
    pub(super) machine: Option<&'static Machine>,
}

/// Finds the kernel. `is_kernel` decides whether bytes contain a kernel's tables.
pub(super) fn unpack<'a>(
    image: &'a [u8],
    is_kernel: &dyn Fn(&[u8]) -> bool,
) -> Result<UnpackedKernel<'a>, ImageError> {
    let mut kernel = UnpackedKernel { bytes: Cow::Borrowed(image), machine: None };
    let mut left = KERNEL_MAX;
    for _ in 0..DEPTH {
        kernel.machine = identify(&kernel.bytes).or(kernel.machine);
        let Some(inner) = inner(&kernel, is_kernel, &mut left)? else {
            return Ok(kernel);
        };
        kernel.bytes = Cow::Owned(inner);
    }
    Err(ImageError::NoKernel)
}

/// The contents of a wrapper; `None` if the image is the kernel.
fn inner(
    kernel: &UnpackedKernel<'_>,
    is_kernel: &dyn Fn(&[u8]) -> bool,
    left: &mut u64,
) -> Result<Option<Vec<u8>>, ImageError> {
    let image = Blob::little(&kernel.bytes);
    if let Some(compression) = Compression::of(image.bytes) {
        return unpacked(compression, image.bytes, left).map(Some);
    }
    if image.slice(EFI.0, EFI.1.len()) == Some(EFI.1) {
        return efi(&image, left).map(Some);
    }
    if let Some(kernel) = wrapper::uimage(image.bytes)? {
        return Ok(Some(kernel.to_vec()));
    }
    let program = Program::parse(image.bytes);
    if program.as_ref().is_some_and(|program| program.is_cut) || wrapper::is_cut(&image) {
        return Err(ImageError::Truncated("the file's headers describe more than it has"));
    }
    if let Some(kernel) = wrapper::unified(&image)? {
        return Ok(Some(kernel.to_vec()));
    }
    let elf = program.is_some();
    let payload = kernel.machine.filter(|_| !elf).map(|machine| machine.boot_image.payload);
    match payload {
        Some(Payload::Setup { sectors, offset, size }) => {
            setup(&image, [sectors, offset, size], left).map(Some)
        }
        _ if is_kernel(image.bytes) => Ok(None),
        Some(Payload::AfterDecompressor) => search(image.bytes, is_kernel, left).map(Some),
        _ if elf => search(image.bytes, is_kernel, left).map(Some).or_else(|error| match error {
            ImageError::NoKernel => Ok(None),
            error => Err(error),
        }),
        Some(Payload::Whole) => Ok(None),
        None => Err(foreign::kind(&image).map_or_else(
            || ImageError::Unknown { seen: first_bytes(image.bytes) },
            ImageError::Foreign,
        )),
    }
}

/// The back end that this boot image or ELF file belongs to.
fn identify(image: &[u8]) -> Option<&'static Machine> {
    if let Some(kernel) = Program::parse(image) {
        return klp_arch::for_machine(kernel.machine);
    }
    let blob = Blob::little(image);
    klp_arch::machines().iter().copied().find(|machine| {
        let magic = machine.boot_image.magic;
        magic.is_some_and(|m| blob.slice(m.offset, m.bytes.len()) == Some(m.bytes))
    })
}

/// Whether a kernel that is not an ELF file may be anywhere in the image.
pub(super) fn is_wrapper(kernel: &UnpackedKernel<'_>) -> bool {
    identify(&kernel.bytes)
        .is_some_and(|machine| machine.boot_image.payload == Payload::AfterDecompressor)
}

/// The kernel in EFI's wrapper, which has its offset, size and compression.
fn efi(image: &Blob<'_>, left: &mut u64) -> Result<Vec<u8>, ImageError> {
    let cut = || ImageError::Truncated("EFI's wrapper has its kernel past the end of the file");
    let offset = image.size(EFI_PAYLOAD.0).ok_or_else(cut)?;
    let size = image.size(EFI_PAYLOAD.1).ok_or_else(cut)?;
    let stream = image.slice(offset, size).ok_or_else(cut)?;
    let name = image.slice(EFI_COMPRESSION.0, EFI_COMPRESSION.1).unwrap_or_default();
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    stream_in(stream, &format!(", called '{}'", name.escape_ascii()), left)
}

/// The kernel after a machine's setup code.
fn setup(
    image: &Blob<'_>,
    [sectors, offset, size]: [usize; 3],
    left: &mut u64,
) -> Result<Vec<u8>, ImageError> {
    let cut = || ImageError::Truncated("the kernel is past the end of the file");
    let sectors = image.u8(sectors).ok_or_else(cut)?;
    let sectors = if sectors == 0 { 4 } else { usize::from(sectors) };
    let offset = image.size(offset).ok_or_else(cut)?;
    let size = image.size(size).ok_or_else(cut)?;
    let start = offset.saturating_add((sectors + 1) * 512);
    stream_in(image.slice(start, size).ok_or_else(cut)?, "", left)
}

/// Decompresses a stream that a header identifies as the kernel.
fn stream_in(stream: &[u8], called: &str, left: &mut u64) -> Result<Vec<u8>, ImageError> {
    // Not compressed.
    if stream.starts_with(&elf::ELFMAG) {
        return Ok(stream.to_vec());
    }
    let compression = Compression::of(stream).ok_or_else(|| ImageError::UnknownCompression {
        seen: format!("{}{called}", first_bytes(stream)),
    })?;
    unpacked(compression, stream, left)
}

/// Decompresses a stream, of what is left for all layers.
fn unpacked(
    compression: Compression,
    stream: &[u8],
    left: &mut u64,
) -> Result<Vec<u8>, ImageError> {
    let mut kernel = Vec::new();
    let done = compression.decompress_into(stream, &mut kernel, *left);
    *left = left.saturating_sub(u64::try_from(kernel.len()).unwrap_or(u64::MAX));
    match done {
        Ok(()) => Ok(kernel),
        Err(ImageError::TooLarge(_)) => Err(ImageError::TooLarge(KERNEL_MAX)),
        Err(error) => Err(error),
    }
}

/// The kernel somewhere in an image: the only stream that has a kernel's tables. If not everything was
/// tried, there may be another.
pub(super) fn search(
    image: &[u8],
    is_kernel: &dyn Fn(&[u8]) -> bool,
    left: &mut u64,
) -> Result<Vec<u8>, ImageError> {
    let mut starts = Vec::new();
    for compression in Compression::iter() {
        let finder = Finder::new(compression.magic());
        let starts_one = |at: &usize| image.get(*at..).is_some_and(|s| compression.may_start(s));
        let offsets = finder.find_iter(image).filter(starts_one).take(TRIES);
        starts.extend(offsets.map(|at| (at, compression)));
    }
    starts.sort_by_key(|&(at, _)| at);
    let all = starts.len() < TRIES;
    let unlooked = || ImageError::Several("too many offsets look like a compressed one");
    let mut error = ImageError::NoKernel;
    let mut found: Option<Vec<u8>> = None;
    for (at, compression) in starts.into_iter().take(TRIES) {
        let stream = image.get(at..).unwrap_or_default();
        let mut kernel = Vec::new();
        match compression.decompress_into(stream, &mut kernel, *left) {
            Ok(()) if is_kernel(&kernel) => {
                if found.as_ref().is_some_and(|other| *other != kernel) {
                    return Err(ImageError::Several("two compressed ones"));
                }
                *left = left.saturating_sub(u64::try_from(kernel.len()).unwrap_or(u64::MAX));
                found = Some(kernel);
                continue;
            }
            Ok(()) if kernel.len() > LIKELY => error = ImageError::NoTables,
            Ok(()) => {}
            Err(ImageError::TooLarge(_)) if found.is_some() => return Err(unlooked()),
            Err(ImageError::TooLarge(_)) => return Err(ImageError::TooLarge(KERNEL_MAX)),
            // Among what looks like a stream, only the kernel extends to the end of the file.
            Err(cut @ ImageError::CutStream(_)) if kernel.len() > LIKELY => error = cut,
            Err(_) => {}
        }
        *left = left.saturating_sub(u64::try_from(kernel.len()).unwrap_or(u64::MAX));
    }
    if all { found.ok_or(error) } else { Err(unlooked()) }
}

/// The first bytes, for a message.
fn first_bytes(bytes: &[u8]) -> String {
    let shown: Vec<_> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    if shown.is_empty() { "nothing".into() } else { shown.join(" ") }
}
