//! Addresses of regions, as the kernel's allocator might choose them.
//!
//! Per-CPU memory lies near the kernel's own per-CPU variables, not beside the module. Every other
//! region starts on a page and is followed by the guard page of `vmalloc`
//! (`mm/vmalloc.c:__get_vm_area_node`). Only x86_64 text may be packed tighter since Linux 6.16
//! (`mm/execmem.c:execmem_cache_alloc`), which changes no distance that matters.

use std::collections::BTreeMap;
use std::ops::Range;

use klp_arch::Machine;

use super::{Layout, RegionKind, TargetKernel};

/// Reach of signed 32-bit relative fields, in bytes.
const REACH: u64 = 2 << 30;

/// Whether everything in an area is within reach of everything else in it.
fn is_near(area: &Range<u64>) -> bool {
    area.end.wrapping_sub(area.start) <= REACH
}

/// The address of per-CPU memory, far from the other regions. Rounded up to a page, it satisfies
/// any alignment that a template can have (`percpu_modalloc`).
fn per_cpu(address: u64, page_size: u64) -> BTreeMap<RegionKind, u64> {
    let address = address.checked_next_multiple_of(page_size.max(1)).unwrap_or(address);
    BTreeMap::from([(RegionKind::Percpu, address)])
}

/// Base addresses of regions. A region without one follows the region before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// Explicit base addresses.
    pub bases: BTreeMap<RegionKind, u64>,
    /// Address of the first region without a base.
    pub start: u64,
    /// Bytes of a page: regions start on one.
    pub page_size: u64,
    /// Regions without a base that end at an address instead of following `start`.
    pub below: Option<(Part, u64)>,
}

/// Some of a module's regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All.
    All,
    /// Those with instructions.
    Text,
    /// Those without.
    Data,
}

impl Part {
    fn has(self, kind: RegionKind) -> bool {
        match self {
            Self::All => true,
            Self::Text => kind.is_text(),
            Self::Data => !kind.is_text(),
        }
    }
}

impl Placement {
    /// Where a kernel usually puts modules: the first area, or the lowest part of a larger one,
    /// which is allocated first.
    #[must_use]
    pub fn area(machine: &Machine, kernel: &TargetKernel) -> Range<u64> {
        let area = machine.loader.module_areas(&kernel.image, kernel.version).into_iter().next();
        let area = area.unwrap_or(0..0);
        let end = if is_near(&area) { area.end } else { area.start.saturating_add(REACH) };
        area.start..end
    }

    /// From the start of the area where a kernel usually puts modules.
    #[must_use]
    pub fn usual(machine: &Machine, kernel: &TargetKernel) -> Self {
        Self::from(Self::area(machine, kernel).start, kernel)
    }

    /// From an address up, with per-CPU memory where the kernel takes it first.
    fn from(start: u64, kernel: &TargetKernel) -> Self {
        let page_size = kernel.page_size;
        let bases = per_cpu(kernel.module_per_cpu().start, page_size);
        Self { bases, start, page_size, below: None }
    }

    /// The address of each region of a layout, in its order.
    ///
    /// Regions with explicit bases may overlap others; see [`Self::overlap`].
    #[must_use]
    pub fn of(&self, layout: &Layout) -> Vec<u64> {
        let page = self.page_size.max(1);
        let pages = |size: u64| size.div_ceil(page).saturating_mul(page);
        let down = |kind| self.below.filter(|(part, _)| part.has(kind)).map(|(_, end)| end);
        let missing = layout.regions.iter().filter(|(kind, _)| !self.bases.contains_key(kind));
        // The last region's guard page counts, too.
        let room = missing.clone().filter(|(kind, _)| down(*kind).is_some());
        let room = room
            .fold(0_u64, |sum, (_, size)| sum.saturating_add(pages(*size)).saturating_add(page));
        let mut low = pages(self.start);
        let end = self.below.map_or(0, |(_, end)| end);
        let mut high = end.wrapping_sub(end % page).wrapping_sub(room);
        let place = |&(kind, size): &(RegionKind, u64)| {
            if let Some(base) = self.bases.get(&kind) {
                if down(kind).is_none() {
                    low = base.wrapping_add(pages(size)).wrapping_add(page);
                }
                return *base;
            }
            let next = if down(kind).is_some() { &mut high } else { &mut low };
            let base = *next;
            *next = base.wrapping_add(pages(size)).wrapping_add(page);
            base
        };
        layout.regions.iter().map(place).collect()
    }

    /// Two regions of a layout that overlap at this placement, if any.
    #[must_use]
    pub fn overlap(&self, layout: &Layout) -> Option<(RegionKind, RegionKind)> {
        let regions = layout.regions.iter().zip(self.of(layout));
        let mut placed: Vec<_> =
            regions.map(|(&(kind, size), base)| (base, base.saturating_add(size), kind)).collect();
        placed.sort_unstable();
        let neighbours = placed.iter().zip(placed.iter().skip(1));
        let mut shared = neighbours.filter(|((_, end, _), (next, ..))| end > next);
        shared.next().map(|((.., first), (.., second))| (*first, *second))
    }

    /// The placements with the largest distances, in each direction, between regions and kernel
    /// and, if anything in the machine's area reaches anything else in it, between text and data.
    /// What loads at all of them loads wherever the kernel's allocator puts it.
    #[must_use]
    pub fn extremes(machine: &Machine, kernel: &TargetKernel) -> Vec<Self> {
        let placements = |area: Range<u64>| {
            let low = Self::from(area.start, kernel);
            let last = per_cpu(kernel.module_per_cpu().end, kernel.page_size);
            let below =
                |part| Self { below: Some((part, area.end)), bases: last.clone(), ..low.clone() };
            let mut found = vec![low.clone(), below(Part::All)];
            // In a larger area the allocator puts all regions lowest.
            if is_near(&area) {
                found.extend([below(Part::Text), below(Part::Data)]);
            }
            found
        };
        let areas = machine.loader.module_areas(&kernel.image, kernel.version);
        areas.into_iter().flat_map(placements).collect()
    }
}
