//! Files that are mistaken for boot images: their kinds, with what to do instead.

use super::blob::Blob;

/// How each kind starts, what it is, and how to extract its kernel.
const KINDS: [(&[u8], &str); 4] = [
    (
        b"\xd0\x0d\xfe\xed",
        "a device tree or U-Boot's FIT image, not supported; extract the kernel \
         (dumpimage -T flat_dt -p 0 -o KERNEL FILE)",
    ),
    (b"ANDROID!", "an Android boot image, not supported; extract the kernel (unpack_bootimg)"),
    (b"0707", "a cpio archive, such as an initramfs"),
    (b"MZ", "an EFI program without a section '.linux', so not a unified kernel image"),
];

/// What a file is that is not a boot image.
pub(super) fn kind(image: &Blob<'_>) -> Option<&'static str> {
    let starts = |start: &[u8]| image.slice(0, start.len()) == Some(start);
    KINDS.iter().find(|(start, _)| starts(start)).map(|(_, what)| *what)
}
