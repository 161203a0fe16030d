//! Where regions are placed: the addresses that the kernel's allocator might give.

use std::collections::BTreeMap;

use super::{Kernel, Layout, RegionKind};

/// Base addresses of regions. What is not given follows the region before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// The addresses that are given.
    pub bases: BTreeMap<RegionKind, u64>,
    /// Where the first region goes that has no address.
    pub start: u64,
    /// Bytes of a page: regions start on one.
    pub page_size: u64,
}

impl Placement {
    /// The address of each region of a layout, in its order.
    #[must_use]
    pub fn of(&self, layout: &Layout) -> Vec<u64> {
        let page = self.page_size.max(1);
        let mut next = self.start;
        let place = |&(kind, size): &(RegionKind, u64)| {
            let base = self.bases.get(&kind).copied().unwrap_or(next);
            next = base.saturating_add(size).div_ceil(page).saturating_mul(page);
            base
        };
        layout.regions.iter().map(place).collect()
    }

    /// The placements that put most distance, in each direction, between regions and kernel: what
    /// loads at all of them loads wherever the kernel's allocator may put it.
    #[must_use]
    pub fn extremes(kernel: &Kernel) -> Vec<Self> {
        vec![Self { page_size: kernel.page_size, ..Self::default() }]
    }
}
