//! Wrappers of boot loaders: the unified kernel image of systemd, and U-Boot's legacy image.
//!
//! A unified image is a PE file whose section `.linux` is the boot image. A legacy image starts with a
//! big-endian header of 64 bytes. Invariant: what the wrapper does not declare a kernel is not taken for
//! one, and several kernels are an error. Sources: the UAPI Group's "Unified Kernel Image"; "PE Format" by
//! Microsoft; `include/image.h` of U-Boot.

use super::ImageError;
use super::blob::Blob;

/// The section that the kernel of a unified image is in.
const LINUX: &[u8] = b".linux\0\0";
/// Size of a section header.
const SECTION: usize = 40;
/// Start of a legacy image.
const LEGACY: &[u8] = b"\x27\x05\x19\x56";
const LEGACY_HEADER: usize = 64;
/// Offsets of the size of its contents, the system and the type.
const LEGACY_SIZE: usize = 12;
const LEGACY_SYSTEM: usize = 28;
const LEGACY_TYPE: usize = 30;
const IH_OS_LINUX: u8 = 5;
const IH_TYPE_KERNEL: u8 = 2;
const IH_TYPE_MULTI: u8 = 4;
const IH_TYPE_KERNEL_NOLOAD: u8 = 14;

/// The boot image in a unified one; `None` if this is not one.
pub(super) fn unified<'a>(image: &Blob<'a>) -> Result<Option<&'a [u8]>, ImageError> {
    let mut kernels =
        sections(image).into_iter().flatten().filter(|s| image.slice(*s, 8) == Some(LINUX));
    let Some(section) = kernels.next() else { return Ok(None) };
    if kernels.next().is_some() {
        return Err(ImageError::Several("two sections '.linux'"));
    }
    let cut = || ImageError::Truncated("the section '.linux' is past the end of the file");
    let size = |at: usize| image.size(section + at).ok_or_else(cut);
    // In the file it is padded to the file alignment.
    let length = size(8)?.min(size(16)?);
    image.slice(size(20)?, length).ok_or_else(cut).map(Some)
}

/// Whether a section in the header of a PE file is past the end of the file.
pub(super) fn is_cut(image: &Blob<'_>) -> bool {
    let Some(mut sections) = sections(image) else { return false };
    sections.any(|section| {
        let end = image.size(section + 20).zip(image.size(section + 16));
        let end = end.and_then(|(start, size)| start.checked_add(size));
        // A section header that is itself past the end.
        end.is_none_or(|end| end > image.bytes.len())
    })
}

/// Offsets of the section headers of a PE file. `None`: it is not one.
fn sections(image: &Blob<'_>) -> Option<impl Iterator<Item = usize> + use<>> {
    if !image.bytes.starts_with(b"MZ") {
        return None;
    }
    let header = image.size(0x3c)?;
    if image.slice(header, 4)? != b"PE\0\0" {
        return None;
    }
    let count = usize::from(image.u16(header + 6)?);
    let first = header + 24 + usize::from(image.u16(header + 20)?);
    Some((first..).step_by(SECTION).take(count))
}

/// The boot image in a legacy one; `None` if this is not one.
pub(super) fn uimage(image: &[u8]) -> Result<Option<&[u8]>, ImageError> {
    if !image.starts_with(LEGACY) {
        return Ok(None);
    }
    let cut = || ImageError::Truncated("the header of U-Boot describes more than the file has");
    let image = Blob::big(image);
    let (system, kind) = image.u8(LEGACY_SYSTEM).zip(image.u8(LEGACY_TYPE)).ok_or_else(cut)?;
    if system != IH_OS_LINUX {
        return Err(ImageError::NotKernel(format!("U-Boot's image of system {system}, not Linux")));
    }
    let size = image.size(LEGACY_SIZE).ok_or_else(cut)?;
    let contents = image.slice(LEGACY_HEADER, size).ok_or_else(cut)?;
    match kind {
        IH_TYPE_KERNEL | IH_TYPE_KERNEL_NOLOAD => Ok(Some(contents)),
        // Sizes up to a zero, then the parts; the kernel is the first.
        IH_TYPE_MULTI => {
            let parts = Blob::big(contents);
            let sizes = (0..contents.len()).step_by(4).take_while(|at| parts.u32(*at) != Some(0));
            let first = parts.size(0).filter(|size| *size > 0).ok_or_else(cut)?;
            parts.slice(4 * (sizes.count() + 1), first).ok_or_else(cut).map(Some)
        }
        _ => Err(ImageError::NotKernel(format!("U-Boot's image of type {kind}, not a kernel"))),
    }
}
