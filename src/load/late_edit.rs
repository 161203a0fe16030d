//! Bytes of a loaded module that the kernel edits after relocation, where memory may differ from
//! ours.
//!
//! Tables of the module name the code; they are read from our own memory, after relocation.
//! Invariant: a range lies in one region, and addresses outside the module are left out. Rows:
//! [`klp_arch::special`]; the order is that of the sections.

use klp_arch::Memory;
use klp_arch::special::{AddressForm, Moment, Span, SpecialSection, Target};
use scroll::Endian;

use super::Loaded;
use super::code::Code;
use crate::findings::{Consequence, Finding, Stage};
use crate::name::shown;

/// Bytes that may change, and the kernel function that changes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateEdit {
    /// Address of the first byte.
    pub address: u64,
    /// How many bytes.
    pub size: u64,
    /// When.
    pub moment: Moment,
    /// The kernel function.
    pub by: &'static str,
    /// Index of the section that causes it.
    pub section: usize,
}

impl Loaded<'_> {
    /// The bytes that the kernel may still edit, and those that depend on the address of its
    /// temporary copy. Writes by the module's own code are not included.
    #[must_use]
    pub fn patched_later(&self) -> Vec<LateEdit> {
        let reader = Reader { memory: &self.memory, endian: self.info.object.endian() };
        let mut found = self.indeterminate();
        for (index, section, row) in self.special_sections() {
            let Some(extent) = section.extent else { continue };
            let table = self.memory.bytes(&extent);
            let patched = |(address, size)| LateEdit {
                address,
                size,
                moment: row.moment,
                by: row.by,
                section: index,
            };
            if row.rewritten && !table.is_empty() {
                let size = u64::try_from(table.len()).unwrap_or(u64::MAX);
                found.push(patched((extent.address, size)));
            }
            found.extend(reader.named(row, extent.address, table).map(patched));
        }
        found
    }
}

impl Loaded<'_> {
    /// The first place that the kernel would change through a table, and that is not code of the module. Those of
    /// ftrace it looks at before ([`stops_ftrace`](Self::stops_ftrace)).
    pub(super) fn edits_elsewhere(&self) -> Option<Finding> {
        let reader = Reader { memory: &self.memory, endian: self.info.object.endian() };
        let code = Code::of(self);
        let mut special =
            self.special_sections().filter(|(_, _, row)| row.moment != Moment::Ftrace);
        special.find_map(|(_, section, row)| {
            let extent = section.extent?;
            let mut places = reader.places(row, extent.address, self.memory.bytes(&extent));
            let place = places.find(|place| !code.is_at(*place))?;
            let why = format!(
                "an entry of '{}' names {place:#x}{}, which is not code of the module: {} would change it",
                shown(section.name),
                self.place_of(place),
                row.by
            );
            Some(Finding::unnoticed(Stage::Finish, Consequence::Corrupted, why))
        })
    }
}

/// Reads the tables from memory.
struct Reader<'m> {
    memory: &'m Memory,
    endian: Endian,
}

impl Reader<'_> {
    /// Addresses and sizes that the entries of a table name; a truncated entry names nothing.
    fn named<'t>(
        &'t self,
        row: &'static SpecialSection,
        address: u64,
        table: &'t [u8],
    ) -> impl Iterator<Item = (u64, u64)> + 't {
        entries(row, address, table).flat_map(move |(entry, at)| {
            row.targets.iter().filter_map(move |target| self.target(target, at, entry))
        })
    }

    /// The addresses that the entries of a table name, wherever they are.
    fn places<'t>(
        &'t self,
        row: &'static SpecialSection,
        address: u64,
        table: &'t [u8],
    ) -> impl Iterator<Item = u64> + 't {
        let named = move |(entry, at): (&'t [u8], u64)| {
            row.targets.iter().filter_map(move |t| self.address(t.named, t.at, at, entry))
        };
        entries(row, address, table).flat_map(named)
    }

    fn target(&self, target: &Target, entry_at: u64, entry: &[u8]) -> Option<(u64, u64)> {
        let code = self.address(target.named, target.at, entry_at, entry)?;
        let start = code.wrapping_sub(target.before);
        // Entries may be empty.
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
    fn address(&self, named: AddressForm, at: usize, entry_at: u64, entry: &[u8]) -> Option<u64> {
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
            AddressForm::Absolute64 => long(field).filter(|address| *address != 0),
            AddressForm::Relative64 => Some(here.wrapping_add(long(field)?)),
            AddressForm::FromEntry64 => Some(entry_at.wrapping_add(long(field)?)),
            AddressForm::Relative32 => {
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

/// The entries of a table, each with its address.
fn entries<'t>(
    row: &SpecialSection,
    address: u64,
    table: &'t [u8],
) -> impl Iterator<Item = (&'t [u8], u64)> + use<'t> {
    let width = u64::try_from(row.entry).unwrap_or(0);
    let addresses = (0_u64..).map(move |index| address.wrapping_add(index * width));
    table.chunks_exact(row.entry.max(1)).zip(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use klp_arch::Region;

    const CODE: u64 = 0x4000;
    const TABLE: u64 = 0x9000;

    fn named(row: &'static SpecialSection, code: &[u8], table: &[u8]) -> Vec<(u64, u64)> {
        let region = |base, bytes: &[u8]| Region { base, bytes: bytes.to_vec() };
        let memory = Memory { regions: vec![region(CODE, code), region(TABLE, table)] };
        let reader = Reader { memory: &memory, endian: Endian::Little };
        reader.named(row, TABLE, table).collect()
    }

    /// The row of a machine for a section.
    fn row(machine: &str, section: &str) -> &'static SpecialSection {
        let rows = klp_arch::by_name(machine).unwrap().special;
        rows.iter().find(|row| row.name == section).unwrap()
    }

    fn relative(from: u64, to: u64) -> [u8; 4] {
        i32::try_from(to.wrapping_sub(from).cast_signed()).unwrap().to_le_bytes()
    }

    #[test]
    fn an_entry_gives_the_number_of_bytes_that_an_alternative_replaces() {
        let mut table = [0; 28];
        table[..4].copy_from_slice(&relative(TABLE, CODE + 3));
        table[12] = 7;
        // The second reaches to the end of the region.
        table[14..18].copy_from_slice(&relative(TABLE + 14, CODE + 30));
        table[26] = 255;
        let row = row("x86_64", ".altinstructions");
        assert_eq!(named(row, &[0; 32], &table), [(CODE + 3, 7), (CODE + 30, 2)]);
        // A truncated entry names nothing.
        assert_eq!(named(row, &[0; 32], &table[..27]), [(CODE + 3, 7)]);
    }

    #[test]
    fn the_length_of_a_jump_is_read_from_the_code() {
        let mut code = [0x90; 32];
        (code[0], code[8]) = (0xeb, 0xe9);
        let mut table = [0; 32];
        table[..4].copy_from_slice(&relative(TABLE, CODE));
        table[16..20].copy_from_slice(&relative(TABLE + 16, CODE + 8));
        assert_eq!(named(row("x86_64", "__jump_table"), &code, &table), [(CODE, 2), (CODE + 8, 5)]);
    }

    #[test]
    fn a_feature_section_goes_from_start_to_end_and_never_backwards() {
        let mut table = [0; 48];
        table[16..24].copy_from_slice(&(CODE.wrapping_sub(TABLE)).to_le_bytes());
        table[24..32].copy_from_slice(&(CODE + 12).wrapping_sub(TABLE).to_le_bytes());
        let row = row("ppc64le", "__ftr_fixup");
        assert_eq!(named(row, &[0; 32], &table), [(CODE, 12)]);
        table[24..32].copy_from_slice(&(CODE - 4).wrapping_sub(TABLE).to_le_bytes());
        assert_eq!(named(row, &[0; 32], &table), []);
    }

    #[test]
    fn a_traced_call_includes_the_instruction_before_it() {
        let row = row("ppc64le", "__mcount_loc");
        assert_eq!(named(row, &[0; 32], &(CODE + 8).to_le_bytes()), [(CODE + 4, 8)]);
    }

    #[test]
    fn empty_entries_and_addresses_outside_the_module_name_nothing() {
        let row = row("arm64", "__patchable_function_entries");
        for address in [0, CODE - 1, CODE + 32, u64::MAX] {
            assert_eq!(named(row, &[0; 32], &address.to_le_bytes()), []);
        }
        assert_eq!(named(row, &[0; 32], &(CODE + 8).to_le_bytes()), [(CODE + 8, 8)]);
    }

    #[test]
    fn no_table_makes_a_range_that_leaves_its_region() {
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            state.to_le_bytes()[7]
        };
        let mut found = 0;
        for row in klp_arch::machines().iter().flat_map(|machine| machine.special) {
            for _ in 0..100 {
                let mut table: Vec<u8> = (0..row.entry * 4 + 3).map(|_| random()).collect();
                // Some name code.
                let near = |at: u64| relative(TABLE + at, CODE + 8);
                table.get_mut(..4).unwrap().copy_from_slice(&near(0));
                for (start, size) in named(row, &[0x0f; 64], &table) {
                    found += 1;
                    let length = u64::try_from(table.len()).unwrap();
                    let code = CODE <= start && start + size <= CODE + 64;
                    let itself = TABLE <= start && start + size <= TABLE + length;
                    assert!(size != 0 && (code || itself), "{row:?}: {start:#x} {size}");
                }
            }
        }
        assert!(found > 500, "{found}");
    }
}
