//! What a machine's module loader does that no data can say (`include/linux/moduleloader.h`).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::ops::Range;

use crate::apply::{self, Facts, Inputs, Patch};
use crate::fault::Fault;
use crate::linkage::{Configuration, Direct, Linkage};
use crate::machine::Machine;
use crate::memory::Memory;
use crate::object::Object;
use crate::refusal::{At, KernelError};
use crate::relocate::{self, Stopped, Table, Turn, Watch};
use crate::row::Row;

/// The code of one machine's module loader. A machine overrides a method only where its loader does
/// something that a row cannot say.
pub trait ModuleLoader: Debug + Sync {
    /// The machine that it belongs to.
    fn machine(&self) -> &'static Machine;

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
    /// first fault. Never overridden: it is a method so that the loop is compiled for each machine.
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
        relocate::relocate(self, table, turn, linkage, memory, watch)
    }

    /// What the kernel logs and returns when it stops at a relocation.
    fn kernel_error(&self, at: &At<'_>, fault: &Fault) -> KernelError;

    /// Where a kernel of this version (major, minor), lying at `image`, puts modules: ranges of
    /// addresses, the usual one first. All regions of a module lie in one range. Sums wrap.
    fn module_areas(&self, image: &Range<u64>, version: (u32, u32)) -> Vec<Range<u64>>;
}
