//! What the loader has allocated for a module: regions of memory at addresses of their own.
//!
//! A region is zeroed memory with a base address. A write names either an [`Extent`] (a
//! section in its region) or an address; an address in no region cannot be written.
//! Source: `struct module_memory` of `include/linux/module.h`.

use alloc::vec::Vec;

/// A contiguous piece of a module's memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Region {
    /// Address of the first byte.
    pub base: u64,
    /// The contents.
    pub bytes: Vec<u8>,
}

/// A piece of a region, such as a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Index of the region.
    pub region: usize,
    /// Bytes from the start of the region.
    pub offset: usize,
    /// Length in bytes.
    pub size: usize,
    /// Address of the first byte.
    pub address: u64,
}

/// All regions of a module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// By index.
    pub regions: Vec<Region>,
}

impl Memory {
    /// The bytes of an extent; empty where the region does not contain it.
    #[must_use]
    pub fn bytes(&self, extent: &Extent) -> &[u8] {
        let bytes = self
            .regions
            .get(extent.region)
            .and_then(|region| region.bytes.get(extent.offset..)?.get(..extent.size));
        bytes.unwrap_or_default()
    }

    /// The bytes of an extent; empty where the region does not contain it.
    #[must_use]
    #[inline]
    pub fn bytes_mut(&mut self, extent: &Extent) -> &mut [u8] {
        let bytes = self
            .regions
            .get_mut(extent.region)
            .and_then(|region| region.bytes.get_mut(extent.offset..)?.get_mut(..extent.size));
        bytes.unwrap_or_default()
    }

    /// Writes bytes from the start of an extent, as many as it has room for.
    pub fn write(&mut self, extent: &Extent, bytes: &[u8]) {
        let to = self.bytes_mut(extent);
        let length = to.len().min(bytes.len());
        if let (Some(to), Some(from)) = (to.get_mut(..length), bytes.get(..length)) {
            to.copy_from_slice(from);
        }
    }

    /// The bytes from an address to the end of its region.
    #[must_use]
    pub fn at(&self, address: u64) -> Option<&[u8]> {
        self.regions.iter().find_map(|region| {
            let offset = usize::try_from(address.checked_sub(region.base)?).ok()?;
            region.bytes.get(offset..).filter(|bytes| !bytes.is_empty())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn an_address_is_looked_up_in_the_region_that_holds_it() {
        let region = |base| Region { base, bytes: vec![0; 16] };
        let mut memory = Memory { regions: vec![region(0x1000), region(0x1010), region(0x8000)] };
        memory.regions[1].bytes[1] = 7;
        assert_eq!(memory.at(0x1011).unwrap()[0], 7);
        assert_eq!(memory.at(0x100f).unwrap().len(), 1);
        assert_eq!(memory.at(0xfff), None);
        assert_eq!(memory.at(0x8010), None);
    }

    #[test]
    fn an_extent_outside_of_its_region_has_no_bytes() {
        let memory = Memory { regions: vec![Region { base: 0, bytes: vec![1; 4] }] };
        let extent = Extent { region: 0, offset: 2, size: 4, address: 2 };
        assert!(memory.bytes(&extent).is_empty());
        assert!(memory.bytes(&Extent { region: 1, ..extent }).is_empty());
        assert_eq!(memory.bytes(&Extent { size: 2, ..extent }), [1, 1]);
    }
}
