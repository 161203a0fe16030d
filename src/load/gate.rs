//! Gates: klp relocations that are written when their object is loaded and cleared when it goes.
//!
//! A gate arrives when its object is loaded (`klp_module_coming`), or, if the object is loaded
//! already, when the livepatch is enabled (`klp_enable_patch`). The kernel trusts the section
//! headers that it saved; a write outside the module's memory is an error here. Invariant: writes
//! before an error stay. Source: `kernel/livepatch/core.c`.

use std::collections::BTreeSet;

use klp_arch::object::{SHF_ALLOC, SHF_EXECINSTR, SHF_RELA_LIVEPATCH, SHF_WRITE};
use klp_arch::{Fault, KernelError, Operation, RelocationContext};

use super::region::SHF_RO_AFTER_INIT;
use super::{Bind, Loaded, Refused, Relocated, scan};
use crate::findings::{Consequence, Finding, Stage};
use crate::name::ObjectName;

impl Loaded<'_> {
    /// The objects that this module patches or whose load its klp relocations wait for, without
    /// vmlinux.
    #[must_use]
    pub fn gates(&self) -> BTreeSet<ObjectName> {
        let sections = self.klp_sections();
        let gates = sections.filter_map(|index| scan::gate(self.section_name(index)));
        let gates = gates.filter_map(scan::object).filter(|gate| !gate.is_vmlinux());
        let patched = self.table_objects.keys().filter(|object| !object.is_vmlinux());
        gates.chain(patched.cloned()).collect()
    }

    /// Call it after the module's init function has run: init memory can no longer be written.
    /// Gates that arrive before are objects that were loaded when the livepatch was enabled.
    pub fn free_init(&mut self) {
        self.init_freed = true;
    }

    /// An object has been loaded: writes the relocations that wait for it.
    ///
    /// # Errors
    /// [`Refused`]: why the kernel refuses the object (before [`free_init`](Self::free_init): the
    /// livepatch), or what it would damage. What was written stays.
    pub fn gate_arrives(&mut self, gate: &ObjectName, known: &dyn Bind) -> Result<(), Refused> {
        let patch = self.info.name.clone();
        self.arrive(gate, known).map_err(|mut refused| {
            self.refuses_to_load(&mut refused, gate, |errno| {
                format!("failed to initialize patch '{patch}' for module '{gate}' (-{errno})")
            });
            refused
        })?;
        self.patch_object(gate, known).map_err(|error| {
            let mut refused = Refused::from(error);
            if self.init_freed {
                self.refuses_to_load(&mut refused, gate, |errno| {
                    format!("failed to apply patch '{patch}' to module '{gate}' (-{errno})")
                });
            } else if let Some(error) = refused.0.last_mut() {
                error.says(&format!("livepatch: failed to patch object '{gate}'"));
                error.says(&format!("livepatch: failed to enable patch '{patch}'"));
            }
            refused
        })
    }

    /// How many more stubs fit, if late relocations use any. Each new target address takes one, and
    /// the kernel never frees them when an object goes.
    #[must_use]
    pub fn stubs_left(&self) -> Option<u64> {
        self.linkage.stubs_left()
    }

    /// Indices of symbols that the module reaches at a stale address: the kernel fills their slot
    /// only once.
    #[must_use]
    pub fn stale(&self) -> Vec<u32> {
        self.linkage.stale()
    }

    /// The kernel's message for an object for which no stub is left, at a relocation like one
    /// applied before.
    pub(crate) fn without_room(&self, gate: &ObjectName, like: &Relocated) -> KernelError {
        let at = RelocationContext {
            module: &self.info.name,
            section: like.section,
            entry: like.entry,
            kind: like.rela.kind,
            symbol: b"",
            place: like.inputs.p,
            next_word: None,
            value: 0,
            operands: like.inputs,
            features: self.kernel.configuration.features,
        };
        let mut kernel = self.machine.loader.kernel_error(&at, &Fault::NoRoom { reserved: 0 });
        let (patch, errno) = (&self.info.name, kernel.errno.number());
        let failed = format!("failed to initialize patch '{patch}' for module '{gate}' (-{errno})");
        kernel.message += &format!("\n{}", self.refusal(gate, &failed));
        kernel
    }

    /// What the livepatch core logs when it refuses an object (`klp_module_coming`).
    fn refusal(&self, gate: &ObjectName, failed: &str) -> String {
        let patch = &self.info.name;
        format!(
            "livepatch: {failed}\nlivepatch: patch '{patch}' failed for module '{gate}', refusing to \
             load module '{gate}'"
        )
    }

    /// Adds what the kernel logs next if the refused object is loaded after the livepatch.
    fn refuses_to_load(
        &self,
        refused: &mut Refused,
        gate: &ObjectName,
        failed: impl FnOnce(u8) -> String,
    ) {
        if self.init_freed
            && let Some(error) = refused.0.last_mut()
            && let Some(errno) = error.kernel.as_ref().map(|kernel| kernel.errno.number())
        {
            error.says(&self.refusal(gate, &failed(errno)));
        }
    }

    fn arrive(&mut self, gate: &ObjectName, known: &dyn Bind) -> Result<(), Refused> {
        self.is_marked()?;
        for index in self.waiting(gate) {
            self.check_table(index)?;
            self.resolve(Stage::Gate, index, gate.as_str().as_bytes(), known)?;
            let target = self.check_target(index)?;
            self.relocate(index, target, Operation::Apply, Stage::Gate)?;
        }
        self.check_names()?;
        Ok(self.init_object(gate, known)?)
    }

    /// An object is unloaded: clears its relocations, where kernel and machine do so.
    ///
    /// # Errors
    /// [`Refused`]: what the kernel warns about. A warning ends its section; the others are still
    /// cleared.
    pub fn gate_leaves(&mut self, gate: &ObjectName) -> Result<(), Refused> {
        let mut errors = Vec::new();
        for index in self.waiting(gate) {
            if !self.kernel.livepatching.clears || !self.machine.clears_relocations {
                continue;
            }
            let target = self.check_table(index).and_then(|()| self.check_target(index));
            let cleared = target.map_err(Refused::from);
            let cleared = cleared
                .and_then(|target| self.relocate(index, target, Operation::Clear, Stage::Gate));
            errors.extend(cleared.err().map(|refused| refused.0).unwrap_or_default());
        }
        self.check_names()?;
        if errors.is_empty() { Ok(()) } else { Err(errors.into()) }
    }

    /// The klp sections that wait for an object, up to one whose name the kernel cannot read: there it stops
    /// ([`check_names`](Self::check_names)).
    fn waiting(&self, gate: &ObjectName) -> Vec<usize> {
        self.waiting.get(gate.as_str().as_bytes()).cloned().unwrap_or_default()
    }

    /// Refuses a klp section whose name the kernel cannot read. It reads all of them for each object.
    fn check_names(&self) -> Result<(), Finding> {
        self.unreadable.map_or(Ok(()), |index| self.gate(Stage::Gate, index).map(|_| ()))
    }

    /// The first table of klp relocations that another table changes before the kernel reads it again.
    pub(super) fn relocated_tables(&self) -> Option<Finding> {
        let sections = &self.info.object.sections;
        let changed = self.klp_sections().find(|index| {
            let table = u32::try_from(*index).ok();
            let extent = sections.get(*index).and_then(|section| section.extent);
            let mut others =
                sections.iter().enumerate().skip(1).filter(|(_, s)| Some(s.sh_info) == table);
            extent.is_some()
                && others.any(|(other, s)| !s.body.is_empty() && !self.is_passed_over(other))
        })?;
        Some(self.damages(changed, "another table changes its relocations"))
    }

    /// Whether a plain store can write the section that a late table patches by now.
    pub(super) fn is_writable(&self, target: usize) -> bool {
        self.info.object.sections.get(target).is_some_and(|section| {
            let locked = self.init_freed && section.has(SHF_RO_AFTER_INIT);
            let stays = section.has(SHF_WRITE) && !section.has(SHF_EXECINSTR) && !locked;
            stays || !self.kernel.strict_module_rwx
        })
    }

    pub(super) fn klp_sections(&self) -> impl Iterator<Item = usize> + '_ {
        let sections = self.info.object.sections.iter().enumerate().skip(1);
        sections.filter(|(_, s)| s.has(SHF_RELA_LIVEPATCH)).map(|(index, _)| index)
    }

    pub(super) fn section_name(&self, index: usize) -> &[u8] {
        self.info.object.sections.get(index).map_or(&[], |section| section.name)
    }

    fn damages(&self, index: usize, why: &str) -> Finding {
        let name = String::from_utf8_lossy(self.section_name(index));
        let explanation = format!("section {index} '{name}': {why}");
        Finding::unnoticed(Stage::Gate, Consequence::Corrupted, explanation)
    }

    /// Whether the kernel still has the table.
    fn check_table(&self, index: usize) -> Result<(), Finding> {
        let loaded = self.info.object.sections.get(index).is_some_and(|s| s.has(SHF_ALLOC));
        if loaded {
            return Ok(());
        }
        Err(self.damages(index, "it is not loaded, and the kernel reads memory that it has freed"))
    }

    /// The section that a late table patches, if it is still where the kernel expects it.
    fn check_target(&self, index: usize) -> Result<usize, Finding> {
        let sections = &self.info.object.sections;
        let target = sections.get(index).and_then(|table| usize::try_from(table.sh_info).ok());
        let Some((target, section)) =
            target.filter(|target| *target != 0).and_then(|t| Some((t, sections.get(t)?)))
        else {
            return Err(self.damages(
                index,
                "sh_info names no section, and the kernel writes to an arbitrary address",
            ));
        };
        let name = String::from_utf8_lossy(section.name);
        let why = if self.info.percpu == Some(target) {
            "has been copied to every processor, and the kernel writes to the template that it has \
             freed"
        } else if !section.has(SHF_ALLOC) {
            "is not loaded, and the kernel writes to memory that it has freed"
        } else if self.init_freed && self.is_init(target) {
            "has been freed after init, and the kernel writes there"
        } else {
            return Ok(target);
        };
        Err(self.damages(index, &format!("its target '{name}' {why}")))
    }
}
