//! Files that are taken for boot images and are not read: told by name, with what to do.

use super::blob::Blob;

/// How each kind starts, what it is, and how to get at a kernel in it.
const KINDS: [(&[u8], &str); 4] = [
    (
        b"\xd0\x0d\xfe\xed",
        "a device tree or U-Boot's FIT image, not supported; take the kernel out of it \
         (dumpimage -T flat_dt -p 0 -o KERNEL FILE)",
    ),
    (
        b"ANDROID!",
        "an Android boot image, not supported; take the kernel out of it (unpack_bootimg)",
    ),
    (b"0707", "a cpio archive, as an initramfs is"),
    (b"MZ", "an EFI program without a section '.linux', so no unified kernel image"),
];

/// What a file is that is no boot image.
pub(super) fn kind(image: &Blob<'_>) -> Option<&'static str> {
    let starts = |start: &[u8]| image.slice(0, start.len()) == Some(start);
    KINDS.iter().find(|(start, _)| starts(start)).map(|(_, what)| *what)
}
