//! What the kernel still changes in a loaded module: the bytes in which memory may differ from ours.
//!
//! Tables of the module name code that is patched behind relocation; they are read out of our own
//! memory, where they are relocated. Invariant: a range lies in one region, and what a table names
//! outside of the module is left out. Rows: [`klp_arch::patched`]; the order is that of the sections.

use klp_arch::Memory;
use klp_arch::patched::{COMMON, Moment, Named, PatchedSection, Span, Target};
use scroll::Endian;

use super::Loaded;

/// Bytes that may change, and who changes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patched {
    /// Address of the first byte.
    pub address: u64,
    /// How many bytes.
    pub size: u64,
    /// When.
    pub moment: Moment,
    /// The kernel function.
    pub by: &'static str,
    /// Index of the section that makes it do so.
    pub section: usize,
}

impl Loaded<'_> {
    /// The bytes that the kernel may still change, by itself, and those that depend on where its
    /// temporary copy was. What the module's own code writes is not among them.
    #[must_use]
    pub fn patched_later(&self) -> Vec<Patched> {
        let object = &self.temporary.object;
        let features = self.kernel.configuration.features;
        let rows = || COMMON.iter().chain(self.backend.patched_sections());
        let reader = Reader { memory: &self.memory, endian: object.endian() };
        let mut found = self.unknowable();
        for (index, section) in object.sections.iter().enumerate() {
            let Some(extent) = section.extent else { continue };
            let table = self.memory.bytes(&extent);
            for row in rows().filter(|row| row.matches(section.name, features)) {
                let patched = |(address, size)| Patched {
                    address,
                    size,
                    moment: row.moment,
                    by: row.by,
                    section: index,
                };
                if row.itself && !table.is_empty() {
                    let size = u64::try_from(table.len()).unwrap_or(u64::MAX);
                    found.push(patched((extent.address, size)));
                }
                found.extend(reader.named(row, extent.address, table).map(patched));
            }
        }
        found
    }
}

/// Reads tables in memory.
struct Reader<'m> {
    memory: &'m Memory,
    endian: Endian,
}

impl Reader<'_> {
    /// Addresses and sizes of what the entries of a table name; an entry that is cut off names nothing.
    fn named<'t>(
        &'t self,
        row: &'static PatchedSection,
        address: u64,
        table: &'t [u8],
    ) -> impl Iterator<Item = (u64, u64)> + 't {
        let entries = table.chunks_exact(row.entry.max(1));
        let width = u64::try_from(row.entry).unwrap_or(0);
        let entries = entries.zip((0_u64..).map(move |i| address.wrapping_add(i * width)));
        entries.flat_map(move |(entry, at)| {
            row.targets.iter().filter_map(move |target| self.target(target, at, entry))
        })
    }

    fn target(&self, target: &Target, entry_at: u64, entry: &[u8]) -> Option<(u64, u64)> {
        let code = self.address(target.named, target.at, entry_at, entry)?;
        let start = code.wrapping_sub(target.before);
        // A table may have empty entries.
        let room = u64::try_from(self.memory.at(start)?.len()).ok()?;
        let size = match target.span {
            Span::Bytes(bytes) => bytes,
            Span::Field(at) => u64::from(*entry.get(at)?),
            Span::Until(at) => {
                self.address(target.named, at, entry_at, entry)?.checked_sub(code)?
            }
            Span::Opcode { first, then, otherwise } => {
                let opcode = self.memory.at(code)?.first()?;
                if first.contains(opcode) { then } else { otherwise }
            }
        };
        let size = size.saturating_add(target.before).min(room);
        (size != 0).then_some((start, size))
    }

    /// The address that an entry names.
    fn address(&self, named: Named, at: usize, entry_at: u64, entry: &[u8]) -> Option<u64> {
        let field = entry.get(at..)?;
        let here = entry_at.wrapping_add(u64::try_from(at).ok()?);
        let long = |field: &[u8]| {
            let bytes = *field.first_chunk()?;
            Some(match self.endian {
                Endian::Little => u64::from_le_bytes(bytes),
                Endian::Big => u64::from_be_bytes(bytes),
            })
        };
        match named {
            Named::Absolute64 => long(field).filter(|address| *address != 0),
            Named::Relative64 => Some(here.wrapping_add(long(field)?)),
            Named::FromEntry64 => Some(entry_at.wrapping_add(long(field)?)),
            Named::Relative32 => {
                let bytes = *field.first_chunk()?;
                let offset = match self.endian {
                    Endian::Little => i32::from_le_bytes(bytes),
                    Endian::Big => i32::from_be_bytes(bytes),
                };
                Some(here.wrapping_add_signed(offset.into()))
            }
        }
    }
}
