//! One relocation table, applied to memory in order: the loop of `apply_relocate_add`.
//!
//! The loop stops at the first fault, as the kernel does.

use alloc::boxed::Box;

use crate::apply::{Conditions, Operands, Patch};
use crate::fault::Fault;
use crate::field::outside;
use crate::linkage::{Anchors, Linkage, Relocation};
use crate::loader::ModuleLoader;
use crate::machine;
use crate::memory::{Extent, Memory};
use crate::object::{Rela, Symbol};
use crate::quick::Quick;
use crate::row::{Calc, Check, Row};

/// Bytes of the longest field.
const SHOWN: usize = 8;

/// A relocation table and what it is applied to.
#[derive(Debug, Clone, Copy)]
pub struct RelocationTable<'a, 'o> {
    /// The entries, in the machine's byte order.
    pub entries: &'a [[u8; Rela::SIZE]],
    /// The symbols by index, bound.
    pub symbols: &'a [Symbol<'o>],
    /// The section that is patched.
    pub target: Extent,
    /// Whether that section is freed once the module's init function has run.
    pub init: bool,
    /// Conditions of all entries; the symbol's name and whether it is external are filled in for each.
    pub conditions: Conditions<'a>,
}

/// One relocation as it was applied.
#[derive(Debug, Clone, Copy)]
pub struct AppliedRelocation<'a> {
    /// Index of the entry in its table.
    pub entry: usize,
    /// The relocation.
    pub rela: Rela,
    /// What it means.
    pub row: &'static Row,
    /// What it was computed from.
    pub operands: Operands,
    /// What was written; `None` where the loader writes nothing.
    pub patch: Option<Patch>,
    /// The bytes of the field as they were.
    pub before: &'a [u8],
    /// The bytes of the field as they are.
    pub after: &'a [u8],
}

/// Where and why the loader stopped.
#[derive(Debug, Clone, Copy)]
pub struct FailedRelocation {
    /// Index of the entry.
    pub entry: usize,
    /// The relocation.
    pub rela: Rela,
    /// What it would have been computed from, where known.
    pub operands: Operands,
    /// Why.
    pub fault: Fault,
}

/// Observer of applied relocations.
pub struct Observer<'w> {
    /// Whether only relocations whose value may be truncated matter
    /// ([`AppliedRelocation::is_truncated`]): it is then called for few, which is faster.
    pub only_truncated: bool,
    /// Called once per relocation.
    pub observe: &'w mut dyn FnMut(&AppliedRelocation<'_>),
}

impl core::fmt::Debug for Observer<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Observer")
            .field("only_truncated", &self.only_truncated)
            .finish_non_exhaustive()
    }
}

/// What is done with a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Its relocations are written.
    Apply,
    /// Its relocations are cleared (`clear_relocate_add`).
    Clear,
}

/// Applies or clears a table. A method of [`ModuleLoader`] calls it.
pub(crate) fn relocate<L: ModuleLoader + ?Sized>(
    loader: &L,
    table: &RelocationTable<'_, '_>,
    operation: Operation,
    linkage: &mut dyn Linkage,
    memory: &mut Memory,
    mut observer: Option<Observer<'_>>,
) -> Result<(), Box<FailedRelocation>> {
    let anchors = linkage.anchors();
    let only_truncated = observer.as_ref().is_some_and(|observer| observer.only_truncated);
    let quick = operation == Operation::Apply && (observer.is_none() || only_truncated);
    let quick = Quick::of(loader, table, anchors, quick.then_some(only_truncated));
    let mut entry = 0;
    loop {
        entry = quick.write(loader, table, entry, linkage, memory.bytes_mut(&table.target));
        let Some(bytes) = table.entries.get(entry) else { return Ok(()) };
        let rela = Rela::read(bytes, loader.machine().endian);
        let mut operands = Operands::default();
        let mut relocation = Current { loader, table, rela, anchors, operands: &mut operands };
        // The kernel reads the symbol first, whatever the type.
        let row = relocation.symbol().and_then(|_| relocation.row());
        let outcome = row.and_then(|row| match (operation, &mut observer) {
            (Operation::Apply, Some(observer))
                if !only_truncated || row.check == Check::Trusted =>
            {
                relocation.apply_observed(entry, row, linkage, memory, observer.observe)
            }
            (Operation::Apply, _) => relocation.apply(row, linkage, memory).map(|_| ()),
            (Operation::Clear, _) => relocation.clear(row, memory),
        });
        if let Err(fault) = outcome {
            return Err(Box::new(FailedRelocation { entry, rela, operands, fault }));
        }
        entry += 1;
    }
}

/// The entry that is being applied.
struct Current<'r, 't, 'a, 'o, L: ?Sized> {
    loader: &'r L,
    table: &'t RelocationTable<'a, 'o>,
    rela: Rela,
    anchors: Anchors,
    operands: &'r mut Operands,
}

impl<'o, L: ModuleLoader + ?Sized> Current<'_, '_, '_, 'o, L> {
    #[inline]
    fn row(&self) -> Result<&'static Row, Fault> {
        self.loader.machine().known_row(self.rela.kind, &self.table.conditions)
    }

    #[inline]
    fn symbol(&self) -> Result<&Symbol<'o>, Fault> {
        let index = self.rela.symbol;
        let slot = usize::try_from(index).unwrap_or(usize::MAX);
        self.table.symbols.get(slot).ok_or(Fault::NoSymbol { index })
    }

    /// Fills in the operands; returns the offset of the place in its section.
    #[inline]
    fn prepare(&mut self, symbol: &Symbol<'_>) -> Result<usize, Fault> {
        let Extent { address, size, .. } = self.table.target;
        *self.operands = Operands {
            s: symbol.st_value,
            a: self.rela.addend,
            p: address.wrapping_add(self.rela.offset),
            other: symbol.st_other,
            toc: self.anchors.toc,
            got: self.anchors.got,
            got_slot: None,
            plt: None,
        };
        let offset = usize::try_from(self.rela.offset).ok().filter(|offset| *offset <= size);
        offset.ok_or_else(|| outside(1, 0))
    }

    #[inline]
    fn apply(
        &mut self,
        row: &'static Row,
        linkage: &mut dyn Linkage,
        memory: &mut Memory,
    ) -> Result<Option<Patch>, Fault> {
        if row.calc == Calc::Nothing {
            return Ok(None);
        }
        let symbol = *self.symbol()?;
        let offset = self.prepare(&symbol)?;
        let external = symbol.is_external();
        let conditions = Conditions { symbol: symbol.name, external, ..self.table.conditions };
        if row.calc.may_detour() {
            let relocation =
                Relocation { row, conditions: &conditions, rela: self.rela, init: self.table.init };
            linkage.provide(&relocation, self.operands, memory)?;
        }
        let site = memory.bytes_mut(&self.table.target);
        let site = site.get_mut(offset..).ok_or_else(|| outside(1, 0))?;
        machine::write(self.loader, row, &conditions, self.operands, site)
    }

    fn apply_observed(
        &mut self,
        entry: usize,
        row: &'static Row,
        linkage: &mut dyn Linkage,
        memory: &mut Memory,
        observe: &mut dyn FnMut(&AppliedRelocation<'_>),
    ) -> Result<(), Fault> {
        let offset = usize::try_from(self.rela.offset).unwrap_or(usize::MAX);
        let target = self.table.target;
        let mut before = [0; SHOWN];
        let shown = |memory: &Memory, to: &mut [u8; SHOWN]| {
            let site = memory.bytes(&target).get(offset..).unwrap_or_default();
            let length = site.len().min(SHOWN);
            to.iter_mut().zip(site).for_each(|(to, from)| *to = *from);
            length
        };
        shown(memory, &mut before);
        let patch = self.apply(row, linkage, memory)?;
        let mut after = [0; SHOWN];
        let length = shown(memory, &mut after).min(patch.map_or(0, |patch| patch.field.size()));
        observe(&AppliedRelocation {
            entry,
            rela: self.rela,
            row,
            operands: *self.operands,
            patch,
            before: before.get(..length).unwrap_or_default(),
            after: after.get(..length).unwrap_or_default(),
        });
        Ok(())
    }

    fn clear(&mut self, row: &'static Row, memory: &mut Memory) -> Result<(), Fault> {
        if row.calc == Calc::Nothing {
            return Ok(());
        }
        let symbol = *self.symbol()?;
        let offset = self.prepare(&symbol)?;
        let external = symbol.is_external();
        let conditions = Conditions { symbol: symbol.name, external, ..self.table.conditions };
        let site = memory.bytes_mut(&self.table.target);
        let site = site.get_mut(offset..).ok_or_else(|| outside(1, 0))?;
        self.loader.clear(row, &conditions, self.operands, site)
    }
}
