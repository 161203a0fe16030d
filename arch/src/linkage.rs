//! What a machine's loader adds to a module so that its references reach: GOT, PLT, stubs, veneers.
//!
//! Three steps, those of the kernel. [`ModuleLoader::reserve`] looks at the file and reserves room
//! (`module_frob_arch_sections`). Once everything has an address, [`Linkage::settle`] is called with
//! the layout. While relocations are applied, [`Linkage::provide`] gives each the slot or stub that it
//! goes through, and writes it for the first relocation that uses it. Invariant: a linkage never writes
//! outside of what was reserved; where the kernel would, that is a [`Fault`].
//!
//! [`ModuleLoader::reserve`]: crate::ModuleLoader::reserve

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::ops::Range;

use crate::apply::{Conditions, Operands};
use crate::fault::Fault;
use crate::memory::Memory;
use crate::object::{Object, Rela};
use crate::row::{Features, Row};

/// What a kernel's version, configuration and processor imply for the machine's loader.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    /// What the kernel has.
    pub features: Features,
    /// Addresses of the vmlinux symbols that [`Machine::kernel_symbols`] names, where known.
    ///
    /// [`Machine::kernel_symbols`]: crate::Machine::kernel_symbols
    pub symbols: BTreeMap<&'static str, u64>,
    /// Offset in per-processor data (`struct paca_struct`) of the address that stubs for ftrace
    /// compute their target from, where a machine has that: `kernel_toc`, or `kernelbase` in a kernel
    /// without a TOC.
    pub kernel_toc: Option<u16>,
}

/// The addresses that all relocations of a module share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Anchors {
    /// The module's TOC pointer.
    pub toc: Option<u64>,
    /// The module's global offset table.
    pub got: Option<u64>,
}

/// A relocation that may go through a slot, an entry or a stub.
#[derive(Debug)]
pub struct Relocation<'a> {
    /// What it means.
    pub row: &'a Row,
    /// What is known about it.
    pub conditions: &'a Conditions<'a>,
    /// The relocation.
    pub rela: Rela,
    /// Whether the place is freed once the module's init function has run (`within_module_init`).
    pub init: bool,
}

/// What a machine's loader keeps for one module (`struct mod_arch_specific`).
pub trait Linkage: Debug + Send + Sync {
    /// Takes the layout, after `move_module` and before the first relocation. The loader
    /// may set values of symbols.
    ///
    /// # Errors
    /// Whatever makes the loader refuse the module.
    fn settle(&mut self, object: &mut Object<'_>, memory: &Memory) -> Result<(), Fault> {
        let _ = (object, memory);
        Ok(())
    }

    /// The addresses that all relocations share, once settled.
    fn anchors(&self) -> Anchors {
        Anchors::default()
    }

    /// Puts the addresses that the relocation goes through into `operands`, and writes the slot,
    /// entry or stub if it is new. Called only for rows whose calculation may need it.
    ///
    /// # Errors
    /// Whatever makes the loader refuse the module, or corrupt memory.
    fn provide(
        &mut self,
        relocation: &Relocation<'_>,
        operands: &mut Operands,
        memory: &mut Memory,
    ) -> Result<(), Fault> {
        let _ = (relocation, operands, memory);
        Ok(())
    }

    /// What takes the place of S in a relocation of this row at P, if [`provide`](Self::provide) would change nothing:
    /// the symbol's slot or its entry, or S itself where a branch reaches it; of S + A, a stub.
    fn reuse(&self, row: &Row, rela: &Rela, s: u64, p: u64) -> Option<u64> {
        let _ = (row, rela, s, p);
        None
    }

    /// Writes what `module_finalize` adds to the reserved room after all relocations are applied.
    ///
    /// # Errors
    /// Whatever makes the loader refuse the module, or corrupt memory.
    fn finish(&mut self, object: &Object<'_>, memory: &mut Memory) -> Result<(), Fault> {
        let _ = (object, memory);
        Ok(())
    }

    /// Index of the section from whose address code computes others, in a register that no relocation shows: the
    /// TOC.
    fn base_section(&self) -> Option<usize> {
        None
    }

    /// Addresses of bytes that the loader has written and whose values are unknown, because the
    /// configuration lacks what they depend on. What memory holds there means nothing.
    fn indeterminate(&self) -> Vec<Range<u64>> {
        Vec::new()
    }

    /// Indices of symbols whose slot does not hold the address that the last relocation through it
    /// needed: the loader fills a slot only once, and does not notice.
    fn stale(&self) -> Vec<u32> {
        Vec::new()
    }

    /// How many more stubs are left for relocations that are written late, when a gate object is loaded;
    /// none is freed when it is unloaded. `None` where such relocations need none.
    fn stubs_left(&self) -> Option<u64> {
        None
    }

    /// A copy.
    fn boxed_clone(&self) -> Box<dyn Linkage>;
}

/// Linkage for machines without GOT, PLT or stubs.
#[derive(Debug, Clone, Copy)]
pub struct NoLinkage;

impl Linkage for NoLinkage {
    fn boxed_clone(&self) -> Box<dyn Linkage> {
        Box::new(*self)
    }
}
