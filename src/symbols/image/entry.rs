//! Whether the tables belong to the kernel that an image starts.
//!
//! An image may contain a second kernel: before its own, or in a built-in initramfs. An ELF file
//! starts the kernel that contains its entry; a raw kernel starts with `_text`.
//! Invariant: if neither is known, there is no other kernel in the image.

use std::ops::RangeInclusive;

use super::compression::KERNEL_MAX;
use super::memory::Memory;
use super::unpack::{self, UnpackedKernel};
use super::{ImageError, identity, is_kernel};

/// Refuses the tables of a kernel that is not at the image's entry. `text`: from `_text` to
/// the last symbol; `banner`: `linux_banner`.
pub(super) fn check(
    kernel: &UnpackedKernel<'_>,
    memory: &Memory<'_>,
    text: Option<&RangeInclusive<u64>>,
    banner: Option<u64>,
) -> Result<(), ImageError> {
    let bytes = memory.blob.bytes;
    let is_banner = |at: usize| identity::release_at(bytes, at).is_some();
    let has_banner = banner.map(|banner| memory.offset_of(banner).is_some_and(is_banner));
    let starts = match &memory.program {
        Some(program) => program.entry().zip(text).map(|(entry, text)| text.contains(&entry)),
        // The kernel may be anywhere in it.
        None if unpack::is_wrapper(kernel) => None,
        None => memory.counted.zip(text).map(|(first, text)| first == *text.start()).or(has_banner),
    };
    if starts == Some(false) || has_banner == Some(false) {
        return Err(ImageError::Several("the one with a table of symbols is not at the entry"));
    }
    if starts.is_some() {
        return Ok(());
    }
    let mut left = KERNEL_MAX;
    match unpack::search(bytes, &is_kernel, &mut left) {
        Ok(_) | Err(ImageError::Several(_)) => {
            Err(ImageError::Several("one as it is, another compressed"))
        }
        Err(_) => Ok(()),
    }
}
