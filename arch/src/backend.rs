//! The seam between machines and the rest: what a machine's module loader does, as a trait.
//!
//! The core asks for rows and applies them through this trait only; it never tests which machine
//! it has. A back end gives its table and a handful of facts, and overrides a method only where
//! its loader does something that a row cannot say. All methods are pure functions.
//! Source: `apply_relocate_add`, `clear_relocate_add` and `module_frob_arch_sections` of
//! `arch/*/kernel/module*.c`.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::ops::Range;

use scroll::Endian;

use crate::apply::{self, Facts, Inputs, Patch};
use crate::boot::BootImage;
use crate::branch::Branch;
use crate::call_sites::{CallSites, MCOUNT};
use crate::consumed::ConsumedSection;
use crate::fault::Fault;
use crate::field::outside;
use crate::landing::LandingPad;
use crate::linkage::{Configuration, Direct, Linkage};
use crate::loader_symbol::LoaderSymbol;
use crate::memory::Memory;
use crate::object::Object;
use crate::patched::PatchedSection;
use crate::refusal::{At, Errno, KernelError};
use crate::relocate::{Stopped, Table, Turn, Watch, relocate};
use crate::row::{Features, Row};
use crate::uses::{AddressUse, FunctionCode};
use crate::witness::Witness;

/// One machine's module loader.
pub trait Backend: Debug + Sync {
    /// The machine's name, as distributions spell it (`ppc64le`).
    fn name(&self) -> &'static str;

    /// The values of `e_machine` that the kernel accepts (`elf_check_arch`), usual one first.
    fn machines(&self) -> &'static [u16];

    /// The byte order of the machine.
    fn endian(&self) -> Endian;

    /// How the machine's boot images are told and where the kernel is in them.
    fn boot_image(&self) -> BootImage;

    /// Every relocation type that the loader knows, sorted by number.
    fn rows(&self) -> &'static [Row];

    /// Names of types that the ABI has and the loader does not know: lines of number and name.
    fn other_names(&self) -> &'static str;

    /// The row of a relocation type, on whatever kernel it is known.
    fn row(&self, number: u32) -> Option<&'static Row> {
        let index = self.rows().binary_search_by_key(&number, |row| row.number).ok()?;
        self.rows().get(index)
    }

    /// The row of a relocation type on the target kernel.
    ///
    /// # Errors
    /// [`Fault::UnknownType`] and [`Fault::NotOnThisKernel`].
    fn known_row(&self, number: u32, facts: &Facts<'_>) -> Result<&'static Row, Fault> {
        let row = self.row(number).ok_or(Fault::UnknownType { number })?;
        let here = row.when.holds(facts.features);
        if here { Ok(row) } else { Err(Fault::NotOnThisKernel { number }) }
    }

    /// The ABI's name of a relocation type, whether the loader knows it or not.
    fn relocation_name(&self, number: u32) -> Option<&'static str> {
        let named = |line: &'static str| {
            let (digits, name) = line.split_once(' ')?;
            (digits.parse() == Ok(number)).then_some(name)
        };
        let other = || self.other_names().lines().find_map(named);
        self.row(number).map(|row| row.name).or_else(other)
    }

    /// What the loader makes of a name, if anything.
    fn loader_symbol(&self, name: &[u8]) -> Option<LoaderSymbol> {
        let _ = name;
        None
    }

    /// Whether the loader accepts the processor flags of the ELF header.
    ///
    /// # Errors
    /// [`Fault::WrongAbi`].
    fn check_header(&self, e_flags: u32) -> Result<(), Fault> {
        let _ = e_flags;
        Ok(())
    }

    /// Sections without which the loader refuses a module.
    fn required_sections(&self) -> &'static [&'static str] {
        &[]
    }

    /// Sections that the loader's `module_finalize` reads or rewrites, on top of what the kernel
    /// does on every machine.
    fn consumed_sections(&self) -> &'static [ConsumedSection] {
        &[]
    }

    /// Sections that name what the kernel changes once relocations are applied, on top of
    /// [`COMMON`](crate::patched::COMMON).
    fn patched_sections(&self) -> &'static [PatchedSection] {
        &[]
    }

    /// Where modules list the places that ftrace can hook.
    fn call_sites(&self) -> CallSites {
        CallSites { sections: &[MCOUNT], before: 0 }
    }

    /// Whether sections called `.init…` are freed once the module's init function has run
    /// (`module_init_section`).
    fn frees_init_sections(&self) -> bool {
        true
    }

    /// Whether the place must be untouched when a relocation is written, so that no two
    /// relocations can share one.
    fn needs_untouched_place(&self) -> bool {
        false
    }

    /// Power of two that the place of a late write must be a multiple of.
    fn late_alignment(&self) -> u64 {
        1
    }

    /// What the loader demands of the bytes from the place on before it writes.
    ///
    /// # Errors
    /// The demand that they do not meet.
    fn check_bytes(&self, row: &Row, facts: &Facts<'_>, site: &[u8]) -> Result<(), Fault> {
        let _ = (row, facts, site);
        Ok(())
    }

    /// What the loader is going to write, given the bytes from the place on. `None`: nothing.
    ///
    /// # Errors
    /// A value that the loader refuses, or an address that is missing.
    fn plan(
        &self,
        row: &Row,
        facts: &Facts<'_>,
        inputs: &Inputs,
        site: &[u8],
    ) -> Result<Option<Patch>, Fault> {
        let _ = (facts, site);
        apply::plan(row, inputs)
    }

    /// Everything that can be said about a relocation without addresses: whether the place is
    /// inside of the section and the loader accepts what it finds there.
    ///
    /// # Errors
    /// The first demand that is not met.
    fn check_site(
        &self,
        row: &Row,
        facts: &Facts<'_>,
        section: &[u8],
        offset: u64,
    ) -> Result<(), Fault> {
        check_row(row, facts)?;
        let needed = row.field.size();
        let start = usize::try_from(offset).map_err(|_| outside(needed, 0))?;
        let site = section.get(start..).ok_or_else(|| outside(needed, 0))?;
        check_room(row, site)?;
        check_late(row, facts, offset, self.late_alignment())?;
        self.check_bytes(row, facts, site)
    }

    /// Writes a relocation over the bytes from the place on, as the loader does.
    ///
    /// # Errors
    /// What the loader refuses, or an address that is missing; nothing is written then.
    fn apply(
        &self,
        row: &Row,
        facts: &Facts<'_>,
        inputs: &Inputs,
        site: &mut [u8],
    ) -> Result<(), Fault> {
        check_row(row, facts)?;
        self.write(row, facts, inputs, site).map(|_| ())
    }

    /// [`Self::apply`] for a row that is known to be of the target kernel; gives what was written.
    ///
    /// # Errors
    /// What the loader refuses, or an address that is missing; nothing is written then.
    #[inline]
    fn write(
        &self,
        row: &Row,
        facts: &Facts<'_>,
        inputs: &Inputs,
        site: &mut [u8],
    ) -> Result<Option<Patch>, Fault> {
        check_room(row, site)?;
        check_late(row, facts, inputs.p, self.late_alignment())?;
        let patch = self.plan(row, facts, inputs, site)?;
        self.check_bytes(row, facts, site)?;
        if let Some(Patch { field, value }) = patch {
            field.store(site, value, self.endian())?;
        }
        Ok(patch)
    }

    /// Sizes what the loader adds to a module and edits the temporary copy
    /// (`module_frob_arch_sections`).
    ///
    /// # Errors
    /// The kernel's refusal.
    fn reserve(
        &self,
        object: &mut Object<'_>,
        configuration: &Configuration,
    ) -> Result<Box<dyn Linkage>, KernelError> {
        let _ = (object, configuration);
        Ok(Box::new(Direct))
    }

    /// Applies a whole relocation table to memory, or takes it back, in its order; stops at the
    /// first fault.
    ///
    /// # Errors
    /// The entry and what is wrong with it; what stands before it has been written.
    fn relocate(
        &self,
        table: &Table<'_, '_>,
        turn: Turn,
        linkage: &mut dyn Linkage,
        memory: &mut Memory,
        watch: Watch<'_>,
    ) -> Result<(), Box<Stopped>> {
        relocate(self, table, turn, linkage, memory, watch)
    }

    /// What the kernel logs and returns when it stops at a relocation.
    fn kernel_error(&self, at: &At<'_>, fault: &Fault) -> KernelError {
        let message = format!("{}: {fault}", at.module);
        KernelError { errno: Errno::ENOEXEC, message }
    }

    /// Names of the vmlinux symbols whose addresses the loader writes into modules.
    fn kernel_symbols(&self) -> &'static [&'static str] {
        &[]
    }

    /// What must stand where an indirect branch lands, on processors that look.
    fn landing_pad(&self) -> Option<&'static LandingPad> {
        None
    }

    /// What distributions' kernels of this version (major, minor) have, as far as it changes what
    /// the machine's loader does.
    fn features(&self, version: (u32, u32)) -> Features {
        let _ = version;
        Features::empty()
    }

    /// Everything that is known of distributions' kernels of this version (major, minor); addresses
    /// of symbols are not.
    fn configuration(&self, version: (u32, u32)) -> Configuration {
        Configuration { features: self.features(version), ..Configuration::default() }
    }

    /// Symbols of vmlinux that tell what a kernel has.
    fn witnesses(&self) -> &'static [Witness] {
        &[]
    }

    /// Bytes that modules share for their per-CPU variables (`PERCPU_MODULE_RESERVE`, where
    /// `setup_per_cpu_areas` sets them aside); `None` where they are taken from all of the per-CPU memory.
    fn percpu_reserve(&self) -> Option<u64> {
        Some(8 << 10)
    }

    /// Symbols of vmlinux, each of which tells the size of a page, in bytes; the first that is there
    /// counts.
    fn page_sizes(&self) -> &'static [(&'static str, u64)] {
        &[]
    }

    /// Where vmlinux is linked to lie (`_text`, `_end`), roughly: where its symbols are not known.
    fn kernel_image(&self) -> Range<u64>;

    /// Where a kernel of this version (major, minor), lying at `image`, puts modules: ranges of
    /// addresses, the usual one first. All regions of a module lie in one range. Sums wrap.
    fn module_areas(&self, image: &Range<u64>, version: (u32, u32)) -> Vec<Range<u64>>;

    /// Where the per-CPU variables of a kernel of this version (major, minor) are linked to lie
    /// (`__per_cpu_start`, `__per_cpu_end`), which per-CPU pointers are distances from: used when
    /// vmlinux's symbols are unknown. It lies at `image`, and they are a part of it.
    fn per_cpu(&self, image: &Range<u64>, version: (u32, u32)) -> Range<u64> {
        let _ = version;
        image.clone()
    }

    /// Bytes in a page of memory (`PAGE_SIZE`), as distributions configure it.
    fn page_size(&self) -> u64 {
        4096
    }

    /// Whether relocations are taken back when their gate object goes (`clear_relocate_add`).
    fn clears_relocations(&self) -> bool {
        false
    }

    /// Takes a relocation back when its gate object goes, as the loader does. Most loaders leave
    /// the bytes alone: `clear_relocate_add` is weak and empty.
    ///
    /// # Errors
    /// What the loader refuses, or an address that is missing; nothing is written then.
    fn clear(
        &self,
        row: &Row,
        facts: &Facts<'_>,
        inputs: &Inputs,
        site: &mut [u8],
    ) -> Result<(), Fault> {
        let _ = (row, facts, inputs, site);
        Ok(())
    }

    /// What a relocation of this row in code means beside `S + A`, in bytes: a distance is from the
    /// next instruction, or from the start of its own, and the addend makes up for that.
    fn code_bias(&self, row: &Row) -> i64 {
        let _ = row;
        0
    }

    /// The references in code that the assembler has filled in, and perhaps bytes that look like one.
    fn branches(&self, code: &[u8]) -> Vec<Branch>;

    /// What a function does with the addresses that its relocations name.
    fn uses(&self, function: FunctionCode<'_>) -> Vec<AddressUse>;

    /// The value that the bytes from the place on hold: see [`apply::read_back`].
    ///
    /// # Errors
    /// [`Fault::PlaceOutside`] when `site` is shorter than the field.
    fn read_back(&self, row: &Row, site: &[u8]) -> Result<i64, Fault> {
        apply::read_back(row, site, self.endian())
    }
}

/// Whether the target kernel knows the row.
fn check_row(row: &Row, facts: &Facts<'_>) -> Result<(), Fault> {
    let here = row.when.holds(facts.features);
    if here { Ok(()) } else { Err(Fault::NotOnThisKernel { number: row.number }) }
}

/// Whether the field lies inside of the section.
fn check_room(row: &Row, site: &[u8]) -> Result<(), Fault> {
    let needed = row.field.size();
    if site.len() < needed { Err(outside(needed, site.len())) } else { Ok(()) }
}

/// Whether the late writer would skip the place (an address, or an offset in an aligned section).
fn check_late(row: &Row, facts: &Facts<'_>, place: u64, align: u64) -> Result<(), Fault> {
    let skipped = facts.late && row.field.size() != 0 && place & (align - 1) != 0;
    if skipped { Err(Fault::MisalignedPlace { place, align }) } else { Ok(()) }
}
