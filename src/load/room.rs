//! How much memory a module takes, before anything is known about its symbols.

use klp_arch::Object;

use super::load_info::LoadInfo;
use super::{Layout, Loader, Refused, RegionKind, layout, validate};
use crate::elf::Module;

/// The memory of a module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room {
    /// Bytes of each region, as they are allocated: whole pages, where the kernel rounds up to them.
    pub regions: Vec<(RegionKind, u64)>,
    /// Bytes of the sections that the machine makes larger, for stubs, veneers or PLT entries, by name; what it puts before
    /// the first section, as s390x does its GOT and PLT, has no name.
    pub linkage: Vec<(Vec<u8>, u64)>,
}

impl Loader<'_> {
    /// Measures a module: the steps of a load up to its layout (`kernel/module/main.c:layout_and_allocate`).
    ///
    /// # Errors
    /// [`Refused`]: the kernel refuses the module before it has memory.
    pub fn measure(&self, module: &Module<'_>) -> Result<Room, Refused> {
        validate::validate(module, self.machine, self.kernel)?;
        let mut info = LoadInfo::of(module);
        let sizes: Vec<_> = info.object.sections.iter().map(|section| section.sh_size).collect();
        self.reserve(&mut info)?;
        let linkage = linkage(&info.object, &sizes);
        let Layout { regions, .. } = layout::layout(&mut info, self.machine, self.kernel)?;
        Ok(Room { regions, linkage })
    }
}

/// The sections that have grown.
fn linkage(object: &Object<'_>, sizes: &[u64]) -> Vec<(Vec<u8>, u64)> {
    let grown =
        object.sections.iter().zip(sizes).filter(|(section, size)| section.sh_size > **size);
    let grown = grown.map(|(section, _)| (section.name.to_vec(), section.sh_size));
    let before = (object.text_start != 0).then(|| (Vec::new(), object.text_start));
    grown.chain(before).collect()
}
