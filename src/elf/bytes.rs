//! The bytes of a section, and tables of entries in them.

use object::elf::{SHT_NOBITS, SHT_NULL};
use object::pod;

use super::section::Section;

/// The entries of a table, as the kernel counts them: an incomplete one at the end is ignored.
pub(super) fn entries<T: pod::Pod>(bytes: &[u8]) -> &[T] {
    let count = bytes.len().checked_div(size_of::<T>()).unwrap_or(0);
    pod::slice_from_bytes(bytes, count).map_or(&[], |(entries, _)| entries)
}

/// The bytes of a section in the file; empty if it has none or they are out of range. Of the type the kernel asks
/// only whether it is `SHT_NOBITS` (`move_module`); for anyone else a section of type `SHT_NULL` has no name.
pub(super) fn body<'data>(data: &'data [u8], section: &Section<'_>) -> &'data [u8] {
    let unused = section.sh_type == SHT_NULL && section.name.is_empty();
    if unused || section.sh_type == SHT_NOBITS {
        return &[];
    }
    in_file(data, section)
}

/// The bytes of a section in the file, whatever its type says; empty if they are out of range.
pub(super) fn in_file<'data>(data: &'data [u8], section: &Section<'_>) -> &'data [u8] {
    let range = usize::try_from(section.sh_offset).ok().zip(usize::try_from(section.sh_size).ok());
    let tail = range.and_then(|(offset, size)| data.get(offset..)?.get(..size));
    tail.unwrap_or_default()
}
