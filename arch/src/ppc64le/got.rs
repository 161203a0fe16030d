//! The GOT slots of a module for a kernel without a TOC: addresses in `.mygot`.
//!
//! The kernel searches for an address from the first slot until it reaches one that holds 0, and
//! adds a new address there. So address 0 never takes a slot of its own.
//! Source: `got_for_addr` of `arch/powerpc/kernel/module_64.c`.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::fault::Fault;
use crate::memory::{Extent, Memory};

/// Bytes of a slot.
pub(super) const SIZE: u64 = 8;

/// The slots.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots {
    /// Index of `.mygot`; 0 for none.
    pub(super) section: usize,
    /// Index of the per-CPU section; 0 for none, and then undefined symbols count as per-CPU ones,
    /// as in the kernel.
    pub(super) percpu: usize,
    /// The symbols of that section, by index.
    pub(super) symbols: BTreeSet<u32>,
    /// Where `.mygot` is.
    pub(super) area: Option<Extent>,
    slots: BTreeMap<u64, u64>,
    used: u64,
}

impl Slots {
    /// How many slots fit.
    fn reserved(&self) -> u64 {
        self.area.map_or(0, |area| u64::try_from(area.size).unwrap_or(u64::MAX) / SIZE)
    }

    /// The address of the slot that holds an address.
    ///
    /// # Errors
    /// [`Fault::NoRoom`]: the kernel searches, and writes, past the end of the section.
    pub(super) fn slot(&mut self, address: u64, memory: &mut Memory) -> Result<u64, Fault> {
        let reserved = self.reserved();
        let no_room = Fault::NoRoom { reserved };
        let area = self.area.ok_or(no_room)?;
        let at = |slot: u64| area.address.wrapping_add(slot * SIZE);
        if let Some(&slot) = self.slots.get(&address) {
            return Ok(at(slot));
        }
        let slot = self.used;
        if slot >= reserved {
            return Err(no_room);
        }
        if address != 0 {
            let start = usize::try_from(slot * SIZE).map_err(|_| no_room)?;
            let bytes = memory.bytes_mut(&area).get_mut(start..);
            let bytes = bytes.and_then(<[u8]>::first_chunk_mut).ok_or(no_room)?;
            *bytes = address.to_le_bytes();
            self.slots.insert(address, slot);
            self.used += 1;
        }
        Ok(at(slot))
    }
}
