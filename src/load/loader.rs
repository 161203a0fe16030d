//! From a file to memory: the steps of `load_module`.

use std::cell::OnceCell;
use std::collections::HashMap;

use klp_arch::object::{SHF_RELA_LIVEPATCH, SHT_NOBITS};
use klp_arch::{Extent, Linkage, Machine, Memory, Object, Region};

use super::load_info::LoadInfo;
use super::{
    Bind, Layout, Loaded, Placement, Record, Refused, RegionKind, TargetKernel, apply, bind,
    exports, layout, scan, signature, sysfs, this_module, validate,
};
use crate::elf::Module;
use crate::findings::{Finding, Rule, Stage};
use crate::name::ObjectName;
use crate::patch::Tables;
use crate::site::Sites;

/// Loads modules into the memory of one kernel.
#[derive(Debug)]
pub struct Loader<'k> {
    /// The machine.
    pub machine: &'static Machine,
    /// The kernel.
    pub kernel: &'k TargetKernel,
    /// Where regions go.
    pub placement: &'k Placement,
    /// Which relocations are recorded.
    pub record: Record,
}

impl Loader<'_> {
    /// Loads a module up to the call of its init function.
    ///
    /// # Errors
    /// [`Refused`], with what the kernel says.
    pub fn load<'m>(
        &self,
        module: &'m Module<'m>,
        known: &dyn Bind,
    ) -> Result<Loaded<'m>, Refused> {
        self.load_reporting(module, known, true)
    }

    /// Loads a module like [`load`](Self::load); if it is refused, with the first findings of each kind and the last
    /// one, or `all`.
    pub(crate) fn load_reporting<'m>(
        &self,
        module: &'m Module<'m>,
        known: &dyn Bind,
        all: bool,
    ) -> Result<Loaded<'m>, Refused> {
        signature::check(module.data(), self.kernel)?;
        validate::validate(module, self.machine, self.kernel)?;
        let mut info = LoadInfo::of(module);
        let imports = self.kernel.imports;
        bind::check_layout(module, &info, imports, known)?;
        validate::vermagic(module, self.kernel)?;
        validate::livepatch(&info, self.kernel)?;
        let mut linkage = self.reserve(&mut info)?;
        validate::enforce_rwx(&info, self.kernel)?;
        this_module::check_empty(&info)?;
        let layout = layout::layout(&mut info, self.machine, self.kernel)?;
        let memory = move_module(&mut info.object, &layout, self.placement);
        let text = self.kernel.layouts.region(RegionKind::Text);
        let text = layout.regions.iter().zip(&memory.regions).find(|((kind, _), _)| *kind == text);
        info.object.text_base = text.map_or(0, |(_, region)| region.base);
        linkage
            .settle(&mut info.object, &memory)
            .map_err(|fault| apply::refuse(Stage::Reserve, fault))?;
        self.kernel.check_exports(&info)?;
        let percpu = layout.regions.iter().position(|(kind, _)| *kind == RegionKind::Percpu);
        let percpu = percpu.and_then(|index| memory.regions.get(index)).map_or(0, |r| r.base);
        exports::constructors(&info, self.kernel)?;
        bind::bind(module, &mut info, self.machine, imports, percpu, known, all)?;
        let tables = Tables::of(module, self.machine);
        let (waiting, unreadable) = waiting(&info);
        let mut loaded = Loaded {
            module,
            machine: self.machine,
            kernel: self.kernel.clone(),
            info,
            table_objects: numbers(&tables),
            tables,
            waiting,
            unreadable,
            sites: Sites::new(module, self.machine),
            layout,
            memory,
            linkage,
            relocations: Vec::new(),
            counts: std::collections::BTreeMap::new(),
            record: self.record,
            special: OnceCell::new(),
            stopped: OnceCell::new(),
            init_freed: false,
        };
        if let Err(mut refused) = loaded.apply(known) {
            // What it was computed from may lie anywhere.
            refused.0.splice(0..0, loaded.dangling());
            return Err(refused);
        }
        loaded.write_symbol_tables();
        let Loaded { linkage, info, memory, .. } = &mut loaded;
        linkage
            .finish(&info.object, memory)
            .map_err(|fault| apply::refuse(Stage::Finish, fault))?;
        exports::verify(module, &loaded.info, known)?;
        validate::name(&loaded.info, self.kernel)?;
        sysfs::setup(&loaded.info, self.kernel)?;
        Ok(loaded)
    }

    /// Makes room for stubs, PLT and GOT.
    pub(super) fn reserve(&self, info: &mut LoadInfo<'_>) -> Result<Box<dyn Linkage>, Finding> {
        let reserved = self.machine.loader.reserve(&mut info.object, &self.kernel.configuration);
        // It reserves room in sections that must exist.
        reserved.map_err(|kernel| {
            Finding::refused(Stage::Reserve, kernel).breaks(Rule::MachineSections)
        })
    }
}

/// The indices of each object in the tables: one each, unless the patch is wrong.
fn numbers(tables: &Tables<'_>) -> HashMap<ObjectName, Vec<usize>> {
    let mut numbers: HashMap<_, Vec<_>> = HashMap::new();
    for (number, table) in tables.objects().iter().enumerate() {
        if let Some(object) = table.object() {
            numbers.entry(object).or_default().push(number);
        }
    }
    numbers
}

/// The klp sections that wait for each object, and the first one whose name the kernel cannot read: it ends the search.
fn waiting(info: &LoadInfo<'_>) -> (HashMap<Vec<u8>, Vec<usize>>, Option<usize>) {
    let mut waiting: HashMap<_, Vec<usize>> = HashMap::new();
    let sections = info.object.sections.iter().enumerate().skip(1);
    for (index, section) in sections.filter(|(_, s)| s.has(SHF_RELA_LIVEPATCH)) {
        let Some(gate) = scan::gate(section.name) else { return (waiting, Some(index)) };
        waiting.entry(gate.to_vec()).or_default().push(index);
    }
    (waiting, None)
}

/// Allocates the regions and copies each section into its own (`move_module`).
fn move_module(object: &mut Object<'_>, layout: &Layout, placement: &Placement) -> Memory {
    let bases = placement.of(layout);
    let regions = layout.regions.iter().zip(&bases).map(|(&(_, size), &base)| Region {
        base,
        bytes: vec![0; usize::try_from(size).unwrap_or(0)],
    });
    let mut memory = Memory { regions: regions.collect() };
    for (section, slot) in object.sections.iter_mut().zip(&layout.sections) {
        let Some((kind, offset)) = *slot else { continue };
        let size = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        // An empty region is not allocated: the addresses of its sections are offsets.
        let region = layout.regions.iter().position(|(k, _)| *k == kind).unwrap_or(usize::MAX);
        let base = bases.get(region).copied().unwrap_or(0);
        let address = base.wrapping_add(offset);
        let extent = Extent { region, offset: size(offset), size: size(section.sh_size), address };
        if section.sh_type != SHT_NOBITS {
            memory.write(&extent, &section.body);
        }
        section.extent = Some(extent);
    }
    memory
}
