//! A machine as a value: what its module loader does, as data wherever possible.
//!
//! The core looks up rows and applies them through a [`Machine`]; it never tests which machine it
//! has. What needs code is in two traits: [`ModuleLoader`] and [`InstructionSet`]. All
//! methods are pure functions.
//! Source: `apply_relocate_add`, `clear_relocate_add` and `module_frob_arch_sections` of
//! `arch/*/kernel/module*.c`.

use core::ops::Range;

use scroll::Endian;

use crate::apply::{Conditions, Operands, Patch};
use crate::boot::BootImage;
use crate::call_sites::CallSites;
use crate::config_probe::ConfigProbe;
use crate::fault::Fault;
use crate::field::outside;
use crate::instructions::InstructionSet;
use crate::landing::LandingPad;
use crate::link::LinkModel;
use crate::linkage::Configuration;
use crate::loader::ModuleLoader;
use crate::loader_symbol::LoaderSymbol;
use crate::object_table::{self, ObjectTable};
use crate::placeholder::Placeholder;
use crate::row::{Features, Row};
use crate::row_index::RowIndex;
use crate::special::{self, SpecialSection};
use crate::version::{KernelVersion, VersionRange};

/// One machine.
#[derive(Debug)]
pub struct Machine {
    /// Its name, as distributions spell it (`ppc64le`).
    pub name: &'static str,
    /// The values of `e_machine` that the kernel accepts (`elf_check_arch`), the usual one first.
    pub e_machines: &'static [u16],
    /// The bits of `e_flags` that the loader checks, and what they must be
    /// (`module_elf_check_arch`).
    pub e_flags: (u32, u32),
    /// The byte order.
    pub endian: Endian,
    /// Every relocation type that the loader knows, sorted by number.
    pub rows: &'static [Row],
    /// Where each of them is.
    pub row_index: RowIndex,
    /// Types that the ABI has and the loader does not know: lines of number and name.
    pub other_names: &'static str,
    /// What its loader does that data cannot express.
    pub loader: &'static dyn ModuleLoader,
    /// What its instructions refer to.
    pub instructions: &'static dyn InstructionSet,

    /// Names that the loader treats specially.
    pub loader_symbols: &'static [LoaderSymbol],
    /// Sections without which the loader refuses a module.
    pub required_sections: &'static [&'static str],
    /// Sections that the kernel itself reads or rewrites, or whose entries name what it changes,
    /// besides those of every machine: see [`Self::special_sections`].
    pub special: &'static [SpecialSection],
    /// Tables in compiler output, besides those of every machine: see [`Self::object_tables`].
    pub(crate) object_tables: &'static [ObjectTable],
    /// Names of sections that `module_finalize` looks for in all headers, and first in that of section 0
    /// (`find_section`).
    pub from_section_0: &'static [&'static str],
    /// How its objects become a kernel.
    pub link: &'static LinkModel,
    /// Where modules list the places that ftrace can hook.
    pub call_sites: CallSites,
    /// What the target of an indirect branch must start with, on processors that check it.
    pub landing_pad: Option<&'static LandingPad>,
    /// What a runtime constant is until the kernel fills it in, if it has any.
    pub runtime_constant: Option<&'static Placeholder>,
    /// Whether sections called `.init…` are freed once the module's init function has run
    /// (`module_init_section`).
    pub frees_init_sections: bool,

    /// Whether the place must be untouched when a relocation is written: then no two
    /// relocations can share one.
    pub needs_untouched_place: bool,
    /// Power of two that the place of a late write must be a multiple of.
    pub late_alignment: u64,
    /// Whether relocations are cleared when their gate object is unloaded (`clear_relocate_add`).
    pub clears_relocations: bool,
    /// Kernels that read special sections of a livepatch from `.klp.arch.OBJECT.SECTION`, once the relocations for
    /// that object are written (`arch_klp_init_object_loaded`).
    pub arch_sections: Option<VersionRange>,

    /// Names of the vmlinux symbols whose addresses the loader writes into modules.
    pub kernel_symbols: &'static [&'static str],
    /// Loader-relevant features of distribution kernels, by version.
    pub features: &'static [(VersionRange, Features)],
    /// Symbols of vmlinux that reveal a kernel's features.
    pub config_probes: &'static [ConfigProbe],
    /// [`Configuration::kernel_toc`] of distribution kernels.
    pub kernel_toc: Option<u16>,

    /// How to recognise the machine's boot images and find the kernel inside.
    pub boot_image: BootImage,
    /// Approximate link range (`_text`..`_end`), used when vmlinux's symbols are unknown.
    pub kernel_image: Range<u64>,
    /// An address of the temporary copy of a file that is being loaded, from which sections are moved
    /// (`VMALLOC_START` of a kernel that is not at a random place, or a little above). Symbols of
    /// sections that are not moved have theirs there.
    pub temporary_copy: u64,
    /// Before this version per-CPU variables are linked at these addresses of their own
    /// and not inside the image: see [`Self::per_cpu`].
    pub old_per_cpu: Option<(KernelVersion, Range<u64>)>,
    /// Bytes that modules share for their per-CPU variables (`PERCPU_MODULE_RESERVE`, where
    /// `setup_per_cpu_areas` sets them aside); `None` where they are taken from all of the per-CPU
    /// memory.
    pub percpu_reserve: Option<u64>,
    /// Bytes in a page of memory (`PAGE_SIZE`), as distributions configure it.
    pub page_size: u64,
    /// Symbols of vmlinux, each of which implies a page size, in bytes; the first one present
    /// counts.
    pub page_sizes: &'static [(&'static str, u64)],
}

impl Machine {
    /// The row of a relocation type, whichever kernels know it.
    #[must_use]
    #[inline]
    pub fn row(&self, number: u32) -> Option<&'static Row> {
        self.rows.get(self.row_index.find(number)?)
    }

    /// The row of a relocation type for a linker, which knows more of them than the loader.
    #[must_use]
    pub fn linker_row(&self, number: u32) -> Option<&'static Row> {
        self.row(number).or_else(|| self.link.rows.iter().find(|row| row.number == number))
    }

    /// Whether the loader passes over relocations of type 0 (`R_*_NONE`).
    #[must_use]
    pub fn has_none(&self) -> bool {
        self.row(0).is_some_and(|row| row.field.size() == 0)
    }

    /// The row of a relocation type on the target kernel.
    ///
    /// # Errors
    /// [`Fault::UnknownType`] and [`Fault::NotOnThisKernel`].
    pub fn known_row(
        &self,
        number: u32,
        conditions: &Conditions<'_>,
    ) -> Result<&'static Row, Fault> {
        let row = self.row(number).ok_or(Fault::UnknownType { number })?;
        check_row(row, conditions)?;
        Ok(row)
    }

    /// The ABI's name of a relocation type, whether the loader knows it or not.
    #[must_use]
    pub fn relocation_name(&self, number: u32) -> Option<&'static str> {
        let named = |line: &'static str| {
            let (digits, name) = line.split_once(' ')?;
            (digits.parse() == Ok(number)).then_some(name)
        };
        let other = || self.other_names.lines().find_map(named);
        self.row(number).map(|row| row.name).or_else(other)
    }

    /// How the loader treats a name, if specially.
    #[must_use]
    pub fn loader_symbol(&self, name: &[u8]) -> Option<LoaderSymbol> {
        self.loader_symbols.iter().copied().find(|symbol| symbol.name.as_bytes() == name)
    }

    /// Whether the loader accepts the processor flags of the ELF header.
    ///
    /// # Errors
    /// [`Fault::WrongAbi`].
    pub fn check_header(&self, e_flags: u32) -> Result<(), Fault> {
        let (mask, value) = self.e_flags;
        if e_flags & mask == value { Ok(()) } else { Err(Fault::WrongAbi { flags: e_flags }) }
    }

    /// Checks what can be checked without addresses: whether the place is inside the section
    /// and the loader accepts what it finds there.
    ///
    /// # Errors
    /// The first requirement that is not met.
    pub fn check_site(
        &self,
        row: &Row,
        conditions: &Conditions<'_>,
        section: &[u8],
        offset: u64,
    ) -> Result<(), Fault> {
        check_row(row, conditions)?;
        let needed = row.field.size();
        let start = usize::try_from(offset).map_err(|_| outside(needed, 0))?;
        let site = section.get(start..).ok_or_else(|| outside(needed, 0))?;
        check_room(row, site)?;
        check_late(row, conditions, offset, self.late_alignment)?;
        self.loader.check_bytes(row, conditions, site)
    }

    /// Writes a relocation over the bytes at the place, as the loader does.
    ///
    /// # Errors
    /// What the loader refuses, or an address that is missing; nothing is written in that case.
    pub fn apply(
        &self,
        row: &Row,
        conditions: &Conditions<'_>,
        operands: &Operands,
        site: &mut [u8],
    ) -> Result<(), Fault> {
        check_row(row, conditions)?;
        write(self.loader, row, conditions, operands, site).map(|_| ())
    }

    /// Sections that the kernel itself reads or rewrites: those of all machines, then its own.
    pub fn special_sections(&self) -> impl Iterator<Item = &'static SpecialSection> + use<> {
        special::COMMON.iter().chain(self.special)
    }

    /// Tables in compiler output whose entries belong to functions, or that say nothing about them: those of all
    /// machines, then its own.
    pub fn object_tables(&self) -> impl Iterator<Item = &'static ObjectTable> + use<> {
        object_table::COMMON.iter().chain(self.object_tables)
    }

    /// Loader-relevant features of distribution kernels of this version.
    #[must_use]
    pub fn features(&self, version: KernelVersion) -> Features {
        let there = self.features.iter().filter(|(versions, _)| versions.contains(version));
        there.fold(Features::empty(), |all, (_, features)| all | *features)
    }

    /// Everything that is known about distribution kernels of this version; addresses of symbols
    /// are not.
    #[must_use]
    pub fn configuration(&self, version: KernelVersion) -> Configuration {
        let (features, kernel_toc) = (self.features(version), self.kernel_toc);
        Configuration { features, kernel_toc, ..Configuration::default() }
    }

    /// The link range of the per-CPU variables of a kernel of this version, loaded at `image`
    /// (`__per_cpu_start`, `__per_cpu_end`), used when vmlinux's symbols are unknown. Per-CPU
    /// pointers are distances from it. Where it is not separate, it is all of `image`.
    #[must_use]
    pub fn per_cpu(&self, image: &Range<u64>, version: KernelVersion) -> Range<u64> {
        match &self.old_per_cpu {
            Some((first, old)) if version < *first => old.clone(),
            _ => image.clone(),
        }
    }
}

/// Writes a relocation whose row the target kernel is known to have; returns what was written.
///
/// # Errors
/// What the loader refuses, or an address that is missing; nothing is written in that case.
#[inline]
pub(crate) fn write<L: ModuleLoader + ?Sized>(
    loader: &L,
    row: &Row,
    conditions: &Conditions<'_>,
    operands: &Operands,
    site: &mut [u8],
) -> Result<Option<Patch>, Fault> {
    let machine = loader.machine();
    check_room(row, site)?;
    check_late(row, conditions, operands.p, machine.late_alignment)?;
    let patch = loader.plan(row, conditions, operands, site)?;
    loader.check_bytes(row, conditions, site)?;
    if let Some(Patch { field, value }) = patch {
        field.store(site, value, machine.endian)?;
    }
    Ok(patch)
}

/// Whether the target kernel knows the row.
fn check_row(row: &Row, conditions: &Conditions<'_>) -> Result<(), Fault> {
    let here = row.when.holds(conditions.features);
    if here { Ok(()) } else { Err(Fault::NotOnThisKernel { number: row.number }) }
}

/// Whether the field is inside the section.
fn check_room(row: &Row, site: &[u8]) -> Result<(), Fault> {
    let needed = row.field.size();
    if site.len() < needed { Err(outside(needed, site.len())) } else { Ok(()) }
}

/// Whether the late writer would skip the place (an address, or an offset in an aligned section).
fn check_late(row: &Row, conditions: &Conditions<'_>, place: u64, align: u64) -> Result<(), Fault> {
    let skipped = conditions.late && row.field.size() != 0 && place & (align - 1) != 0;
    if skipped { Err(Fault::MisalignedPlace { place, align }) } else { Ok(()) }
}
