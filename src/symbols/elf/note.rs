//! ELF notes, for the build-id in them.
//!
//! A note is name size, descriptor size and type, each a 32-bit word, then name and descriptor, each
//! padded to four bytes (gABI, "Note Section"). Below the sources that read kernels.

use scroll::{Endian, Pread};

use crate::symbols::BuildId;

const NT_GNU_BUILD_ID: u32 = 3;
/// The longest build-id; linkers make 8 to 20 bytes, `--build-id=0x…` any number.
const LENGTH_MAX: usize = 64;

/// The build-id among the notes of a section.
pub(crate) fn build_id(notes: &[u8], endian: Endian) -> Option<BuildId> {
    let mut at = 0_usize;
    loop {
        let word = |offset: usize| notes.pread_with::<u32>(at.checked_add(offset)?, endian).ok();
        let (name, size, kind) = (word(0)?, word(4)?, word(8)?);
        let (name, size) = (usize::try_from(name).ok()?, usize::try_from(size).ok()?);
        let name_at = at.checked_add(12)?;
        let name_end = name_at.checked_add(name)?;
        let content = name_end.checked_next_multiple_of(4)?;
        let end = content.checked_add(size)?;
        if kind == NT_GNU_BUILD_ID && notes.get(name_at..name_end)? == b"GNU\0" {
            let id = notes.get(content..end)?;
            return (1..=LENGTH_MAX).contains(&id.len()).then(|| BuildId(id.to_vec()));
        }
        at = end.checked_next_multiple_of(4)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scroll::Pwrite;

    fn note(name: &[u8], kind: u32, content: &[u8], endian: Endian) -> Vec<u8> {
        let mut bytes = vec![0; 12];
        bytes.pwrite_with(u32::try_from(name.len()).unwrap(), 0, endian).unwrap();
        bytes.pwrite_with(u32::try_from(content.len()).unwrap(), 4, endian).unwrap();
        bytes.pwrite_with(kind, 8, endian).unwrap();
        for part in [name, content] {
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn the_build_id_is_found_after_other_notes() {
        for endian in [Endian::Little, Endian::Big] {
            let mut notes = note(b"Linux\0", 0x101, b"abcde", endian);
            notes.extend(note(b"GNU\0", 5, &[9; 7], endian));
            notes.extend(note(b"GNU\0", 3, &[0xab; 20], endian));
            assert_eq!(build_id(&notes, endian).unwrap().to_string(), "ab".repeat(20));
        }
    }

    #[test]
    fn truncated_or_wrong_notes_have_none() {
        let notes = note(b"GNU\0", 3, &[1; 20], Endian::Little);
        for length in 0..notes.len() {
            assert_eq!(build_id(&notes[..length], Endian::Little), None);
        }
        assert_eq!(build_id(&[0xff; 64], Endian::Little), None);
        assert_eq!(build_id(&note(b"GNU\0", 3, &[], Endian::Little), Endian::Little), None);
    }
}
