//! What a machine's module loader does that data cannot express (`include/linux/moduleloader.h`).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::ops::Range;

use crate::apply::{self, Conditions, Operands, Patch};
use crate::fast_path::Direct;
use crate::fault::Fault;
use crate::linkage::{Configuration, Linkage, NoLinkage};
use crate::machine::Machine;
use crate::memory::Memory;
use crate::object::Object;
use crate::refusal::{KernelError, RelocationContext};
use crate::relocate::{self, FailedRelocation, Observer, Operation, RelocationTable};
use crate::row::Row;
use crate::version::KernelVersion;

/// The code of one machine's module loader. A machine overrides a method only where its loader does
/// something that a row cannot express.
pub trait ModuleLoader: Debug + Sync {
    /// Its machine.
    fn machine(&self) -> &'static Machine;

    /// Checks what the loader requires of the bytes at the place before it writes.
    ///
    /// # Errors
    /// The requirement that they do not meet.
    fn check_bytes(
        &self,
        row: &Row,
        conditions: &Conditions<'_>,
        site: &[u8],
    ) -> Result<(), Fault> {
        let _ = (row, conditions, site);
        Ok(())
    }

    /// Which relocations of a row are written as [`apply::plan`] says under these conditions of a table, without
    /// [`Linkage::provide`] and [`check_bytes`](Self::check_bytes), but for what
    /// [`Machine::needs_untouched_place`] says. The others take longer.
    fn direct(&self, row: &Row, conditions: &Conditions<'_>) -> Direct {
        let _ = conditions;
        if row.calc.may_detour() { Direct::Never } else { Direct::Always }
    }

    /// Distance in bytes from a function's address to its entry point for calls within the module.
    fn local_entry(&self, st_other: u8) -> u64 {
        let _ = st_other;
        0
    }

    /// Changes what is after a call that is about to go through a stub, where a loader does that; returns whether the
    /// loader accepts the call.
    fn complete_call(&self, row: &Row, conditions: &Conditions<'_>, site: &mut [u8]) -> bool {
        let _ = (row, conditions, site);
        true
    }

    /// What the loader is going to write, given the bytes at the place. `None`: nothing.
    ///
    /// # Errors
    /// A value that the loader refuses, or an address that is missing.
    fn plan(
        &self,
        row: &Row,
        conditions: &Conditions<'_>,
        operands: &Operands,
        site: &[u8],
    ) -> Result<Option<Patch>, Fault> {
        let _ = (conditions, site);
        apply::plan(row, operands)
    }

    /// Clears a relocation when its gate object is unloaded, as the loader does. Most loaders leave
    /// the bytes alone: `clear_relocate_add` is weak and empty.
    ///
    /// # Errors
    /// What the loader refuses, or an address that is missing; nothing is written in that case.
    fn clear(
        &self,
        row: &Row,
        conditions: &Conditions<'_>,
        operands: &Operands,
        site: &mut [u8],
    ) -> Result<(), Fault> {
        let _ = (row, conditions, operands, site);
        Ok(())
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
        Ok(Box::new(NoLinkage))
    }

    /// Applies a whole relocation table to memory, or clears it, in order; stops at the first
    /// fault. Never overridden: as a method, the loop is compiled for each machine.
    ///
    /// # Errors
    /// The entry and what is wrong with it; the entries before it have been written.
    fn relocate(
        &self,
        table: &RelocationTable<'_, '_>,
        operation: Operation,
        linkage: &mut dyn Linkage,
        memory: &mut Memory,
        observer: Option<Observer<'_>>,
    ) -> Result<(), Box<FailedRelocation>> {
        relocate::relocate(self, table, operation, linkage, memory, observer)
    }

    /// What the kernel logs and returns when it stops at a relocation.
    fn kernel_error(&self, at: &RelocationContext<'_>, fault: &Fault) -> KernelError;

    /// How far a kernel of this version moves when it boots, without KASLR, if its `_text` is at `text`:
    /// where vmlinux is linked, or where a running kernel has it.
    fn boot_offset(&self, text: u64, version: KernelVersion) -> u64 {
        let _ = (text, version);
        0
    }

    /// Where a kernel of this version, loaded at `image`, puts modules: ranges of
    /// addresses, the usual one first. All regions of a module are in one range. Sums wrap.
    fn module_areas(&self, image: &Range<u64>, version: KernelVersion) -> Vec<Range<u64>>;
}
