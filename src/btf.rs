//! BTF: the module loader's checks, and evidence of the vmlinux that it was made against.
//!
//! A module's BTF is *split*: its types and strings continue those of vmlinux, so offsets of names
//! reveal how long the strings of vmlinux are. Used by [`crate::symbols`], for what a module's file
//! proves about its kernel, and by [`crate::load`]. Invariant: nothing is read outside of the
//! section, and each type is read once. Sources: `kernel/bpf/btf.c` (`btf_parse_module`,
//! `btf_parse_hdr`, `btf_check_sec_info`, `btf_parse_str_sec`, `btf_check_all_metas`),
//! `include/uapi/linux/btf.h`.

use scroll::{Endian, Pread};

/// `BTF_MAGIC`.
const MAGIC: u16 = 0xeb9f;
/// `BTF_VERSION`.
const VERSION: u8 = 1;
/// `sizeof(struct btf_header)`; 24 bytes before there was a layout section.
const HEADER: usize = 32;
/// `sizeof(struct btf_type)`.
const TYPE: usize = 12;
/// `BTF_MAX_NAME_OFFSET`.
const NAME_OFFSET_MAX: u32 = 0x00ff_ffff;

/// Why the kernel rejects a module's BTF: what its verifier logs after `BPF: `.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Invalid(pub(crate) &'static str);

/// A split BTF with a valid header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    endian: Endian,
}

/// The name of a type or of a member.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    /// Its offset in the strings of vmlinux and, after them, those of the module.
    pub(crate) offset: u32,
    /// Whether the kernel checks the offset: it does not for parameters.
    pub(crate) is_checked: bool,
}

impl<'a> Btf<'a> {
    /// Checks header and lengths as `btf_parse_hdr` and `btf_parse_str_sec` do.
    ///
    /// # Errors
    /// The kernel's objection.
    pub(crate) fn parse(bytes: &'a [u8], endian: Endian) -> Result<Self, Invalid> {
        let word = |at: usize| bytes.pread_with::<u32>(at, endian).unwrap_or(0);
        if bytes.len() < 8 {
            return Err(Invalid("hdr_len not found"));
        }
        let length = usize::try_from(word(4)).unwrap_or(usize::MAX);
        let Some(data) = bytes.get(length..) else {
            return Err(Invalid("btf_header not found"));
        };
        if bytes.get(HEADER..length).is_some_and(|rest| rest.iter().any(|byte| *byte != 0)) {
            return Err(Invalid("Unsupported btf_header"));
        }
        // Fields beyond a short header are 0.
        let field = |at: usize| if at + 4 <= length { word(at) } else { 0 };
        if length < 2 || bytes.pread_with::<u16>(0, endian).ok() != Some(MAGIC) {
            return Err(Invalid("Invalid magic"));
        }
        if bytes.get(2).filter(|_| length > 2) != Some(&VERSION) {
            return Err(Invalid("Unsupported version"));
        }
        if bytes.get(3).filter(|_| length > 3).is_some_and(|flags| *flags != 0) {
            return Err(Invalid("Unsupported flags"));
        }
        let section = |at| (field(at), field(at + 4));
        let (types, strings, layout) = (section(8), section(16), section(24));
        let mut sections = vec![types, strings];
        let has_layout = length >= HEADER && layout.1 != 0;
        sections.extend(has_layout.then_some(layout));
        contiguous(&mut sections, data.len())?;
        let part = |(offset, size): (u32, u32)| {
            let offset = usize::try_from(offset).ok()?;
            data.get(offset..offset.checked_add(usize::try_from(size).ok()?)?)
        };
        let outside = Invalid("Total section length too long");
        let (types, strings) = part(types).zip(part(strings)).ok_or(outside)?;
        if length < HEADER && !std::ptr::eq(strings.as_ptr_range().end, data.as_ptr_range().end) {
            return Err(Invalid("String section is not at the end"));
        }
        let long = u32::try_from(strings.len()).is_ok_and(|size| size > NAME_OFFSET_MAX);
        if long || strings.last().is_some_and(|last| *last != 0) {
            return Err(Invalid("Invalid string section"));
        }
        Ok(Self { types, strings, endian })
    }

    /// Bytes of the module's own strings.
    pub(crate) fn strings(&self) -> u32 {
        u32::try_from(self.strings.len()).unwrap_or(u32::MAX)
    }

    /// Passes every name to `see` (`btf_check_all_metas`).
    ///
    /// # Errors
    /// The kernel's objection to a type.
    pub(crate) fn names(&self, mut see: impl FnMut(Name)) -> Result<(), Invalid> {
        let mut rest = self.types;
        while !rest.is_empty() {
            let Some((head, after)) = rest.split_first_chunk::<TYPE>() else {
                return Err(Invalid("meta_left is less than meta_needed"));
            };
            let word = |at| head.pread_with::<u32>(at, self.endian).unwrap_or(0);
            let info = word(4);
            let Some((each, has_names)) = Kind::of(info >> 24 & 0x7f) else {
                return Err(Invalid("Invalid kind"));
            };
            see(Name { offset: word(0), is_checked: true });
            let (count, size) = match each {
                Kind::Once(size) => (1, size),
                Kind::Each(size) => (usize::try_from(info & 0x00ff_ffff).unwrap_or(0), size),
            };
            let size = size.checked_mul(count).and_then(|size| after.split_at_checked(size));
            let Some((members, next)) = size else {
                return Err(Invalid("meta_left is less than meta_needed"));
            };
            if let (Kind::Each(size), Some(is_checked)) = (each, has_names) {
                for member in members.chunks_exact(size) {
                    let offset = member.pread_with(0, self.endian).unwrap_or(0);
                    see(Name { offset, is_checked });
                }
            }
            rest = next;
        }
        Ok(())
    }

    /// Bytes of the strings of the vmlinux that this was made against; `None` if that cannot be
    /// determined.
    ///
    /// The last string of the module is the one with the greatest offset. This is trusted only if
    /// all own names are at starts of strings and most strings are names: tools that make BTF keep
    /// few unused strings.
    pub(crate) fn base_strings(&self) -> Option<u32> {
        let text = self.strings.split_last()?.1;
        let last = memchr::memrchr(0, text).map_or(0, |end| end + 1);
        let mut greatest = 0;
        self.names(|name| greatest = name.offset.max(greatest)).ok()?;
        let base = greatest.checked_sub(u32::try_from(last).ok()?)?;
        // For each byte: whether a string starts here, and whether it is a name.
        let mut starts = vec![false; self.strings.len()];
        let mut whole = true;
        self.names(|name| {
            let Some(own) = name.offset.checked_sub(base).and_then(|at| usize::try_from(at).ok())
            else {
                return;
            };
            let before = own.checked_sub(1).map_or(Some(&0), |at| self.strings.get(at));
            match starts.get_mut(own) {
                Some(start) if before == Some(&0) => *start = true,
                _ => whole = false,
            }
        })
        .ok()?;
        let all = self.strings.iter().filter(|byte| **byte == 0).count();
        let used = starts.iter().filter(|start| **start).count();
        (whole && used * 2 > all).then_some(base)
    }
}

/// Bytes that follow a type.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// This many, once.
    Once(usize),
    /// This many for each member, parameter or value.
    Each(usize),
}

impl Kind {
    /// What follows a type of this kind and, if that starts with names, whether the kernel checks
    /// their offsets.
    fn of(kind: u32) -> Option<(Self, Option<bool>)> {
        Some(match kind {
            // Integers, variables, tags of declarations.
            1 | 14 | 17 => (Self::Once(4), None),
            // Pointers, forwards, typedefs, qualifiers, functions, floats, tags of types.
            2 | 7..=12 | 16 | 18 => (Self::Once(0), None),
            // Arrays.
            3 => (Self::Once(12), None),
            // Structures, unions, enumerations of 64 bits.
            4 | 5 | 19 => (Self::Each(12), Some(true)),
            // Enumerations.
            6 => (Self::Each(8), Some(true)),
            // Parameters.
            13 => (Self::Each(8), Some(false)),
            // Sections.
            15 => (Self::Each(12), None),
            _ => return None,
        })
    }
}

/// Whether sections follow one another without gaps and end where the data ends
/// (`btf_check_sec_info`).
fn contiguous(sections: &mut [(u32, u32)], size: usize) -> Result<(), Invalid> {
    sections.sort_unstable();
    let expected = u64::try_from(size).unwrap_or(u64::MAX);
    let mut total = 0;
    for (offset, length) in sections.iter().map(|(a, b)| (u64::from(*a), u64::from(*b))) {
        if expected < offset {
            return Err(Invalid("Invalid section offset"));
        }
        if total < offset {
            return Err(Invalid("Unsupported section found"));
        }
        if total > offset {
            return Err(Invalid("Section overlap found"));
        }
        if expected - total < length {
            return Err(Invalid("Total section length too long"));
        }
        total += length;
    }
    if total == expected { Ok(()) } else { Err(Invalid("Unsupported section found")) }
}

#[cfg(test)]
mod tests;
