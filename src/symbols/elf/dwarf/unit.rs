//! The first entry of a compilation unit: its name, its folder and the ranges of its code.
//!
//! Below [`super`]. Of the unit's abbreviation table only that entry's is parsed; the
//! table is scanned up to it. Invariant: a unit other than DWARF 2 to 5 gives
//! nothing.

use gimli::{
    AttributeValue, DebugAbbrev, DebugAbbrevOffset, DebugInfo, DebugRanges, DebugRngLists,
    DebuggingInformationEntry, Encoding, EndianSlice, RangeLists, RangeListsOffset,
    RawRngListEntry, Reader, RunTimeEndian, UnitHeader, UnitType, constants,
};
use scroll::{Endian, Pread};

type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

/// The sections that are read as a whole.
pub(super) struct Sections {
    pub(super) endian: RunTimeEndian,
    pub(super) abbrev: Vec<u8>,
    pub(super) ranges: Vec<u8>,
    pub(super) rnglists: Vec<u8>,
    pub(super) bases: Bases,
    /// Bytes of abbreviations that may still be read.
    pub(super) abbrev_work: usize,
    /// Range list entries that may still be read.
    pub(super) range_work: usize,
}

/// Where a text is.
#[derive(Debug, Clone)]
pub(crate) enum Text {
    Here(Vec<u8>),
    /// In `.debug_str`.
    Str(usize),
    /// In `.debug_line_str`.
    LineStr(usize),
}

/// The contents of the first entry.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) name: Text,
    pub(crate) folder: Text,
    pub(crate) ranges: Vec<(u64, u64)>,
}

/// The sections into which DWARF 5 points by index.
pub(crate) struct Bases {
    pub(crate) endian: Endian,
    pub(crate) addr: Vec<u8>,
    pub(crate) str_offsets: Vec<u8>,
}

impl Bases {
    fn address(&self, base: usize, index: usize) -> Option<u64> {
        let at = base.checked_add(index.checked_mul(8)?)?;
        self.addr.pread_with(at, self.endian).ok()
    }

    /// A number of 4 or 8 bytes.
    fn word(&self, bytes: &[u8], at: usize, size: u8) -> Option<usize> {
        match size {
            4 => bytes.pread_with::<u32>(at, self.endian).ok()?.try_into().ok(),
            _ => bytes.pread_with::<u64>(at, self.endian).ok()?.try_into().ok(),
        }
    }
}

/// The unit that starts with these bytes.
pub(super) fn read(start: &[u8], sections: &mut Sections) -> Option<Unit> {
    let info = DebugInfo::from(EndianSlice::new(start, sections.endian));
    let header = info.units().next().ok()??;
    if header.type_() != UnitType::Compilation || header.address_size() != 8 {
        return None;
    }
    let abbreviation = abbreviation(&header, sections)?;
    let abbreviation = EndianSlice::new(&abbreviation, sections.endian);
    let abbreviations = DebugAbbrev::from(abbreviation).abbreviations(DebugAbbrevOffset(0)).ok()?;
    let mut entry = DebuggingInformationEntry::null();
    header.entries_raw(&abbreviations, None).ok()?.read_entry(&mut entry).ok()?;
    if entry.tag() != constants::DW_TAG_compile_unit {
        return None;
    }
    let entry = Entry { entry: &entry, encoding: header.encoding() };
    Some(Unit {
        name: entry.text(constants::DW_AT_name, &sections.bases)?,
        folder: entry
            .text(constants::DW_AT_comp_dir, &sections.bases)
            .unwrap_or(Text::Here(Vec::new())),
        ranges: entry.ranges(sections).unwrap_or_default(),
    })
}

/// The declaration of the first entry's abbreviation, as a table of one.
fn abbreviation(header: &UnitHeader<Slice<'_>>, sections: &mut Sections) -> Option<Vec<u8>> {
    let mut entries = header.range_from(header.root_offset()..).ok()?;
    let wanted = entries.read_uleb128().ok()?;
    let table = sections.abbrev.get(header.debug_abbrev_offset().0..)?;
    let mut rest = EndianSlice::new(table, sections.endian);
    loop {
        let left = rest;
        let code = rest.read_uleb128().ok().filter(|code| *code != 0)?;
        rest.read_uleb128().ok()?;
        rest.read_u8().ok()?;
        loop {
            let (name, form) = (rest.read_uleb128().ok()?, rest.read_uleb128().ok()?);
            if form == u64::from(constants::DW_FORM_implicit_const.0) {
                rest.read_sleb128().ok()?;
            }
            if (name, form) == (0, 0) {
                break;
            }
        }
        let length = left.len().checked_sub(rest.len())?;
        sections.abbrev_work = sections.abbrev_work.checked_sub(length)?;
        if code == wanted {
            let declaration = left.slice().get(..length)?;
            return Some([declaration, &[0]].concat());
        }
    }
}

struct Entry<'e, 'a> {
    entry: &'e DebuggingInformationEntry<Slice<'a>>,
    encoding: Encoding,
}

impl<'a> Entry<'_, 'a> {
    fn value(&self, name: constants::DwAt) -> Option<AttributeValue<Slice<'a>>> {
        self.entry.attr_value(name)
    }

    fn text(&self, name: constants::DwAt, bases: &Bases) -> Option<Text> {
        match self.value(name)? {
            AttributeValue::String(text) => Some(Text::Here(text.slice().to_vec())),
            AttributeValue::DebugStrRef(offset) => Some(Text::Str(offset.0)),
            AttributeValue::DebugLineStrRef(offset) => Some(Text::LineStr(offset.0)),
            AttributeValue::DebugStrOffsetsIndex(index) => {
                let base = match self.value(constants::DW_AT_str_offsets_base)? {
                    AttributeValue::DebugStrOffsetsBase(base) => base.0,
                    _ => return None,
                };
                let size = self.encoding.format.word_size();
                let at = base.checked_add(index.0.checked_mul(size.into())?)?;
                bases.word(&bases.str_offsets, at, size).map(Text::Str)
            }
            _ => None,
        }
    }

    fn address(&self, value: AttributeValue<Slice<'_>>, bases: &Bases) -> Option<u64> {
        match value {
            AttributeValue::Addr(address) => Some(address),
            AttributeValue::DebugAddrIndex(index) => self.indexed(index.0, bases),
            _ => None,
        }
    }

    fn indexed(&self, index: usize, bases: &Bases) -> Option<u64> {
        match self.value(constants::DW_AT_addr_base)? {
            AttributeValue::DebugAddrBase(base) => bases.address(base.0, index),
            _ => None,
        }
    }

    /// The ranges of code; those at 0 belong to discarded sections.
    fn ranges(&self, sections: &mut Sections) -> Option<Vec<(u64, u64)>> {
        let low = self.value(constants::DW_AT_low_pc);
        let low = low.and_then(|low| self.address(low, &sections.bases));
        let Some(list) = self.value(constants::DW_AT_ranges) else {
            let high = self.value(constants::DW_AT_high_pc)?;
            let high = match high.udata_value() {
                Some(length) => low?.checked_add(length)?,
                None => self.address(high, &sections.bases)?,
            };
            sections.range_work = sections.range_work.checked_sub(1)?;
            return Some([(low?, high)].into_iter().filter(|(s, e)| *s != 0 && s < e).collect());
        };
        let offset = match list {
            AttributeValue::RangeListsRef(offset) => offset.0,
            AttributeValue::SecOffset(offset) => offset,
            AttributeValue::DebugRngListsIndex(index) => {
                let base = match self.value(constants::DW_AT_rnglists_base)? {
                    AttributeValue::DebugRngListsBase(base) => base.0,
                    _ => return None,
                };
                let size = self.encoding.format.word_size();
                let at = base.checked_add(index.0.checked_mul(size.into())?)?;
                base.checked_add(sections.bases.word(&sections.rnglists, at, size)?)?
            }
            _ => return None,
        };
        self.list(offset, low, sections)
    }

    fn list(
        &self,
        offset: usize,
        mut base: Option<u64>,
        sections: &mut Sections,
    ) -> Option<Vec<(u64, u64)>> {
        let lists = RangeLists::new(
            DebugRanges::from(EndianSlice::new(&sections.ranges, sections.endian)),
            DebugRngLists::from(EndianSlice::new(&sections.rnglists, sections.endian)),
        );
        let mut entries = lists.raw_ranges(RangeListsOffset(offset), self.encoding).ok()?;
        let indexed = |index| self.indexed(index, &sections.bases);
        let mut ranges = Vec::new();
        while let Some(entry) = entries.next().ok()? {
            sections.range_work = sections.range_work.checked_sub(1)?;
            let (start, end) = match entry {
                RawRngListEntry::BaseAddress { addr } => {
                    base = Some(addr);
                    continue;
                }
                RawRngListEntry::BaseAddressx { addr } => {
                    base = indexed(addr.0);
                    continue;
                }
                RawRngListEntry::AddressOrOffsetPair { begin, end }
                | RawRngListEntry::OffsetPair { begin, end } => {
                    let base = base.unwrap_or(0);
                    (base.wrapping_add(begin), base.wrapping_add(end))
                }
                RawRngListEntry::StartEnd { begin, end } => (begin, end),
                RawRngListEntry::StartLength { begin, length } => {
                    (begin, begin.wrapping_add(length))
                }
                RawRngListEntry::StartxEndx { begin, end } => (indexed(begin.0)?, indexed(end.0)?),
                RawRngListEntry::StartxLength { begin, length } => {
                    let begin = indexed(begin.0)?;
                    (begin, begin.wrapping_add(length))
                }
            };
            if start != 0 && start < end {
                ranges.push((start, end));
            }
        }
        Some(ranges)
    }
}
