//! A kernel's identity: its release and its build-id.
//!
//! The release is in `linux_banner`; a kernel also has the format string of that text, and may have
//! strings that look like it. The
//! build-id is an ELF note; a kernel also has those of its vDSOs, each in an ELF file of its own.
//! Invariant: a build-id is given only if no other note could be meant. Sources: `init/version.c`;
//! gABI, "Note Section".

use memchr::memmem::Finder;
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, elf};

use super::ImageError;
use super::blob::Blob;
use super::program::Program;

const BANNER: &[u8] = b"Linux version ";
/// Longest release (`__NEW_UTS_LEN`).
const RELEASE_MAX: usize = 64;
/// Owner of the note, with its NUL.
const OWNER: &[u8] = b"GNU\0";
/// Sizes of build-ids: MD5, SHA-1, SHA-256.
const SIZES: [u32; 3] = [20, 16, 32];
/// Embedded ELF files, and notes, that are read.
const TRIES: usize = 4096;

/// `uname -r`. `banner`: where `linux_banner` is, if the kernel has the symbol. Without it all strings
/// of this form must agree.
pub(super) fn release(kernel: &[u8], banner: Option<usize>) -> Result<Option<String>, ImageError> {
    if let Some(said) = banner.and_then(|at| release_at(kernel, at)) {
        return Ok(Some(said.to_owned()));
    }
    let finder = Finder::new(BANNER);
    let mut all = finder.find_iter(kernel).filter_map(|at| release_at(kernel, at));
    let Some(first) = all.next() else { return Ok(None) };
    match all.find(|other| *other != first) {
        Some(other) => Err(ImageError::Banners([first.to_owned(), other.to_owned()])),
        None => Ok(Some(first.to_owned())),
    }
}

/// The release in the banner at `at`.
pub(super) fn release_at(kernel: &[u8], at: usize) -> Option<&str> {
    let rest = kernel.get(at..)?.strip_prefix(BANNER)?;
    let rest = rest.get(..=RELEASE_MAX).unwrap_or(rest);
    let release = rest.get(..memchr::memchr(b' ', rest)?)?;
    let real = release.first()?.is_ascii_digit() && release.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(release).ok().filter(|_| real)
}

/// The build-id. `notes`: where the kernel's own notes are, if it has the symbols.
pub(super) fn build_id(kernel: &Blob<'_>, notes: Option<(usize, usize)>) -> Option<Vec<u8>> {
    let program = Program::parse(kernel.bytes);
    let segment = program.and_then(|program| range(program.segments(elf::PT_NOTE).next()?, 0));
    if let Some((start, end)) = notes.or(segment) {
        let inside = kernel.bytes.get(start..end)?;
        return found(&Blob { bytes: inside, ..*kernel }).map(|(_, id)| id).next();
    }
    let embedded = embedded(kernel.bytes);
    let own = |at: usize| !embedded.iter().any(|&(start, end)| (start..end).contains(&at));
    let mut ids = found(kernel).filter(|&(at, _)| own(at)).map(|(_, id)| id);
    let only = ids.next()?;
    ids.all(|other| other == only).then_some(only)
}

/// Every build-id note: its offset and its contents.
fn found(notes: &Blob<'_>) -> impl Iterator<Item = (usize, Vec<u8>)> {
    let finder = Finder::new(OWNER);
    let owners: Vec<_> = finder.find_iter(notes.bytes).take(TRIES).collect();
    owners.into_iter().filter_map(|owner| {
        let start = owner.checked_sub(12).filter(|start| start % 4 == 0)?;
        let owner_size = notes.u32(start)?;
        let size = notes.u32(start + 4).filter(|size| SIZES.contains(size))?;
        let right = owner_size == 4 && notes.u32(start + 8)? == elf::NT_GNU_BUILD_ID.0;
        let id = notes.slice(owner + OWNER.len(), usize::try_from(size).ok()?)?;
        right.then(|| (start, id.to_vec()))
    })
}

/// The notes of every ELF file inside the kernel. Some are 32-bit.
fn embedded(kernel: &[u8]) -> Vec<(usize, usize)> {
    let finder = Finder::new(&elf::ELFMAG);
    let files = finder.find_iter(kernel).take(TRIES);
    let notes = files.filter_map(|at| {
        let file = kernel.get(at..)?;
        let notes = notes_of::<elf::FileHeader64<Endianness>>(file);
        let notes = notes.or_else(|| notes_of::<elf::FileHeader32<Endianness>>(file))?;
        Some(notes.into_iter().filter_map(move |notes| range(notes, at)))
    });
    notes.flatten().collect()
}

/// Offset and size of the notes of one ELF file.
fn notes_of<File: FileHeader<Endian = Endianness>>(file: &[u8]) -> Option<Vec<(u64, u64)>> {
    let header = File::parse(file).ok()?;
    let order = header.endian().ok()?;
    let segments = header.program_headers(order, file).ok()?.iter();
    let notes = segments.filter(|segment| segment.p_type(order) == elf::PT_NOTE);
    Some(notes.map(|notes| notes.file_range(order)).collect())
}

/// A segment, as a range in the kernel.
fn range((offset, size): (u64, u64), file: usize) -> Option<(usize, usize)> {
    let start = usize::try_from(offset).ok()?.checked_add(file)?;
    Some((start, start.checked_add(usize::try_from(size).ok()?)?))
}
