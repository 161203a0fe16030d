//! The running kernel, answering from what the symbol sources know.
//!
//! An [`Answer`] has the addresses of the linked kernel and, for modules, sections and offsets.
//! Here the kernel is shifted as a whole, and every section of a module has a base: one that was
//! set, or one computed from its name, the same each time (per-CPU variables near the kernel's own,
//! all others in the area of modules). Invariant: positions are counted as the kernel does in the
//! object's current state. Sources: `kernel/livepatch/core.c:klp_find_object_symbol`,
//! `kernel/module/kallsyms.c:module_kallsyms_on_each_symbol`.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use klp_arch::Machine;
use rustc_hash::FxHasher;

use super::{Bind, ExportedSymbol, Lookup, Placement, TargetKernel};
use crate::kmod::PERCPU;
use crate::name::{KlpSymbol, ObjectName, Position};
use crate::symbols::{Answer, Binding, Candidate, Kind};

/// The state of a module in the running kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ObjectState {
    /// Not loaded: none of its symbols is found.
    Absent,
    /// Being loaded: symbols of its init part count.
    Coming,
    /// Initialised.
    #[default]
    Live,
}

/// An [`Answer`] at addresses.
#[derive(Debug)]
pub struct SimulatedKernel<'a> {
    answer: &'a Answer,
    shift: u64,
    area: Range<u64>,
    /// Addresses of modules' per-CPU variables.
    per_cpu: Range<u64>,
    /// Addresses in vmlinux that do not move with it: per-CPU variables that are linked at 0.
    fixed: Range<u64>,
    states: HashMap<ObjectName, ObjectState>,
    bases: HashMap<(ObjectName, String), u64>,
}

/// Bytes between two assumed bases: at least a page on every machine.
const GRAIN: u64 = 0x1_0000;

/// Bytes between two assumed bases of per-CPU variables.
const PER_CPU_GRAIN: u64 = 0x100;

/// An assumed base, computed from the name alone.
fn assumed(object: &ObjectName, what: &str, area: &Range<u64>, grain: u64) -> u64 {
    let mut hasher = FxHasher::default();
    (object.as_str(), what).hash(&mut hasher);
    let start = area.start.checked_next_multiple_of(grain).unwrap_or(area.start);
    // An area may wrap to address 0, at which nothing is found.
    let slots = area.end.wrapping_sub(start).min(u64::MAX - start) / grain;
    let slot = hasher.finish().checked_rem(slots).unwrap_or(0);
    start.wrapping_add(slot * grain)
}

impl<'a> SimulatedKernel<'a> {
    /// The answer must cover every undefined name of the module and every klp symbol. Every object
    /// that it knows starts as [`ObjectState::Live`].
    #[must_use]
    pub fn new(answer: &'a Answer) -> Self {
        let machine = answer.kernel().machine;
        let Some(machine) = machine.and_then(klp_arch::for_machine) else {
            return Self::at(answer, 0..0);
        };
        Self::of(answer, machine, &TargetKernel::described_by(machine, answer))
    }

    /// Like [`Self::new`], of a kernel of which more is known than the answer tells, such as its version.
    #[must_use]
    pub fn of(answer: &'a Answer, machine: &Machine, kernel: &TargetKernel) -> Self {
        let fixed = (kernel.per_cpu.start == 0).then(|| kernel.per_cpu.clone());
        Self {
            shift: kernel.boot_offset,
            fixed: fixed.unwrap_or_default(),
            per_cpu: kernel.module_per_cpu(),
            ..Self::at(answer, Placement::area(machine, kernel))
        }
    }

    fn at(answer: &'a Answer, area: Range<u64>) -> Self {
        Self {
            answer,
            shift: 0,
            area,
            fixed: 0..0,
            per_cpu: 0..0,
            states: HashMap::new(),
            bases: HashMap::new(),
        }
    }

    /// Moves the kernel by a KASLR offset: every address in vmlinux that moves with it, and modules'
    /// per-CPU variables if vmlinux's move.
    #[must_use]
    pub fn shifted(self, shift: u64) -> Self {
        let Range { start, end } = self.per_cpu;
        let moved = if self.fixed.is_empty() { shift } else { 0 };
        let per_cpu = start.wrapping_add(moved)..end.wrapping_add(moved);
        Self { shift: self.shift.wrapping_add(shift), per_cpu, ..self }
    }

    /// Sets the area for sections of modules without a base.
    #[must_use]
    pub fn modules_in(self, area: Range<u64>) -> Self {
        Self { area, ..self }
    }

    /// Sets the state of a module.
    pub fn set_state(&mut self, object: ObjectName, state: ObjectState) {
        self.states.insert(object, state);
    }

    /// Sets the address of a section of a module.
    pub fn set_base(&mut self, object: ObjectName, section: &str, address: u64) {
        self.bases.insert((object, section.into()), address);
    }

    /// The address of a section of a module: as set, or else computed from its name.
    #[must_use]
    pub fn base(&self, object: &ObjectName, section: &str) -> u64 {
        if let Some(base) = self.bases.get(&(object.clone(), section.into())) {
            return *base;
        }
        if section.as_bytes() == PERCPU {
            return assumed(object, section, &self.per_cpu, PER_CPU_GRAIN);
        }
        assumed(object, section, &self.area, GRAIN)
    }

    fn state(&self, object: &ObjectName) -> ObjectState {
        self.states.get(object).copied().unwrap_or_default()
    }

    fn address(&self, candidate: &Candidate) -> Option<u64> {
        let address = candidate.address?;
        // Symbols of percpu templates also have this letter, but lie in a section.
        let absolute = candidate.section.is_none()
            && candidate.letter.is_some_and(|letter| letter.eq_ignore_ascii_case(&b'a'));
        match &candidate.section {
            _ if candidate.object.is_vmlinux() && self.fixed.contains(&address) => Some(address),
            _ if absolute || candidate.kind == Some(Kind::Marker) && address == 0 => Some(address),
            _ if candidate.object.is_vmlinux() => Some(address.wrapping_add(self.shift)),
            Some(section) => Some(self.base(&candidate.object, section).wrapping_add(address)),
            // As a running kernel shows it.
            None => Some(address),
        }
    }

    /// What the kernel finds while the symbol's object is in this state.
    fn find_in(&self, symbol: &KlpSymbol, state: ObjectState) -> Lookup {
        if state == ObjectState::Absent {
            return Lookup::NotFound;
        }
        if !self.answer.knows_object(&symbol.owner) {
            return Lookup::Unknown;
        }
        let (enough, wanted) = match symbol.position {
            Position::Unique => (2, 1),
            Position::Nth(position) => (position.get(), position.get()),
        };
        let (last, count) = self.count(symbol, enough, state);
        let Some(last) = last else { return Lookup::NotFound };
        match self.address(last) {
            None => Lookup::Unknown,
            Some(0) => Lookup::NotFound,
            Some(address) if count == wanted => Lookup::Found(address),
            Some(_) if symbol.position == Position::Unique => Lookup::Ambiguous,
            Some(_) => Lookup::NoSuchPosition,
        }
    }

    /// Counts symbols of a name as the kernel does, up to a limit; returns the last one, which the
    /// kernel keeps, and the count.
    fn count(
        &self,
        symbol: &KlpSymbol,
        enough: u32,
        state: ObjectState,
    ) -> (Option<&'a Candidate>, u32) {
        let owner = &symbol.owner;
        let coming = state == ObjectState::Coming;
        let named = self.answer.candidates_in(symbol.symbol.as_str(), owner);
        let counted = named.filter(|c| coming || c.live_position.is_some());
        let (mut last, mut count) = (None, 0);
        for candidate in counted {
            (last, count) = (Some(candidate), count + 1);
            if count == enough {
                break;
            }
        }
        (last, count)
    }

    /// The exported one of several symbols of a name: not a local one.
    fn exported(&self, name: &str, owner: &ObjectName) -> Option<u64> {
        let candidates = || self.answer.candidates_in(name, owner);
        let global = candidates().find(|c| match (c.binding, c.letter) {
            (Some(binding), _) => binding != Binding::Local,
            (None, Some(letter)) => letter.is_ascii_uppercase(),
            (None, None) => false,
        });
        self.address(global.or_else(|| candidates().next())?)
    }
}

impl Bind for SimulatedKernel<'_> {
    /// An export whose address no source has is assumed to lie among the modules.
    fn export(&self, name: &str) -> Option<ExportedSymbol> {
        let export = self.answer.export(name)?;
        if self.state(&export.owner) == ObjectState::Absent {
            return None;
        }
        let address = self.exported(name, &export.owner);
        Some(ExportedSymbol {
            address: address.unwrap_or_else(|| assumed(&export.owner, name, &self.area, GRAIN)),
            owner: export.owner.clone(),
            gpl: export.gpl,
            namespace: export.namespace.clone(),
            crc: export.crc,
        })
    }

    fn exporters(&self, name: &str) -> Vec<ObjectName> {
        let owners = self.answer.exports(name).map(|export| &export.owner);
        owners.filter(|owner| self.state(owner) != ObjectState::Absent).cloned().collect()
    }

    fn find(&self, symbol: &KlpSymbol) -> Lookup {
        self.find_in(symbol, self.state(&symbol.owner))
    }

    fn find_coming(&self, symbol: &KlpSymbol) -> Lookup {
        self.find_in(symbol, ObjectState::Coming)
    }

    fn is_traceable(&self, symbol: &KlpSymbol) -> Option<bool> {
        let (found, _) =
            self.count(symbol, symbol.position.number().max(1), self.state(&symbol.owner));
        crate::patch::unpatchable(found?).map(|_| false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::{Export, Order};
    use std::num::NonZeroU32;

    fn candidate(object: &str, position: u32, live: Option<u32>, address: u64) -> Candidate {
        Candidate {
            object: object.parse().unwrap(),
            name: "f".into(),
            position: NonZeroU32::new(position).unwrap(),
            homonyms: 0,
            live_position: live.and_then(NonZeroU32::new),
            address: Some(address),
            size: None,
            file: None,
            unit: None,
            section: (object != "vmlinux").then(|| ".text".into()),
            binding: Some(Binding::Local),
            kind: Some(Kind::Function),
            letter: Some(b't'),
            init: live.is_none(),
            untraceable: false,
            order: Order::Proven,
            beside: std::sync::OnceLock::new(),
        }
    }

    fn answer(candidates: Vec<Candidate>) -> Answer {
        let mut answer = Answer::default();
        answer.note();
        for candidate in candidates {
            answer.object(&candidate.object);
            answer.candidate(candidate);
        }
        answer
    }

    fn find(known: &SimulatedKernel<'_>, object: &str, position: u32) -> Lookup {
        known.find(&format!(".klp.sym.{object}.f,{position}").parse().unwrap())
    }

    #[test]
    fn a_name_that_is_not_unique_needs_a_position_that_is_reached() {
        let answer = answer(vec![
            candidate("vmlinux", 1, Some(1), 0x1000),
            candidate("vmlinux", 2, Some(2), 0x2000),
        ]);
        let known = SimulatedKernel::new(&answer).shifted(0x10_0000);
        assert_eq!(find(&known, "vmlinux", 0), Lookup::Ambiguous);
        assert_eq!(find(&known, "vmlinux", 2), Lookup::Found(0x10_2000));
        assert_eq!(find(&known, "vmlinux", 3), Lookup::NoSuchPosition);
        assert_eq!(find(&known, "m", 0), Lookup::Unknown);
        assert_eq!(known.find(&".klp.sym.vmlinux.g,1".parse().unwrap()), Lookup::NotFound);
    }

    #[test]
    fn an_address_of_zero_is_not_found() {
        let two = [candidate("vmlinux", 1, Some(1), 8), candidate("vmlinux", 2, Some(2), 0)];
        let answer = answer(two.to_vec());
        let known = SimulatedKernel::new(&answer);
        // The second match ends the search, and the kernel uses it.
        assert_eq!(find(&known, "vmlinux", 0), Lookup::NotFound);
        assert_eq!(find(&known, "vmlinux", 2), Lookup::NotFound);
        assert_eq!(find(&known, "vmlinux", 3), Lookup::NotFound);
        assert_eq!(find(&known, "vmlinux", 1), Lookup::Found(8));
    }

    #[test]
    fn symbols_of_the_init_part_count_while_a_module_is_coming() {
        let answer = answer(vec![candidate("m", 1, None, 0x10), candidate("m", 2, Some(1), 0x20)]);
        let mut known = SimulatedKernel::new(&answer);
        let m: ObjectName = "m".parse().unwrap();
        known.set_base(m.clone(), ".text", 0x7000);
        assert_eq!(find(&known, "m", 0), Lookup::Found(0x7020));
        assert_eq!(find(&known, "m", 2), Lookup::NoSuchPosition);
        known.set_state(m.clone(), ObjectState::Coming);
        assert_eq!(find(&known, "m", 0), Lookup::Ambiguous);
        assert_eq!(find(&known, "m", 2), Lookup::Found(0x7020));
        known.set_state(m, ObjectState::Absent);
        assert_eq!(find(&known, "m", 0), Lookup::NotFound);
    }

    #[test]
    fn a_section_without_a_base_always_has_the_same_address_in_the_area() {
        let answer = Answer::default();
        let known = || SimulatedKernel::new(&answer).modules_in(0x4000_0000..0x8000_0000);
        let m: ObjectName = "m".parse().unwrap();
        let base = known().base(&m, ".text");
        assert!((0x4000_0000..0x8000_0000).contains(&base) && base.is_multiple_of(0x1000));
        assert_eq!(known().base(&m, ".text"), base);
        assert_ne!(known().base(&m, ".data"), base);
    }

    #[test]
    fn per_cpu_variables_of_modules_lie_near_the_kernels_and_move_with_it_unless_at_0() {
        let m: ObjectName = "m".parse().unwrap();
        for (per_cpu, moved) in [((0x5000, 0x6000), 0x10_0000), ((0, 0x1000), 0)] {
            let per_cpu = [per_cpu.0, per_cpu.1];
            let names = ["__per_cpu_start", "__per_cpu_end"];
            let bounds = names.iter().zip(per_cpu);
            let mut candidates: Vec<_> = bounds
                .map(|(name, at)| Candidate {
                    name: (*name).into(),
                    ..candidate("vmlinux", 1, Some(1), at)
                })
                .collect();
            candidates.push(candidate("vmlinux", 1, Some(1), per_cpu[0] + 0x10));
            let of_m = Candidate {
                name: "g".into(),
                section: Some(".data..percpu".into()),
                letter: Some(b'a'),
                ..candidate("m", 1, Some(1), 8)
            };
            candidates.push(of_m);
            let mut answer = answer(candidates);
            let machine = klp_arch::by_name("x86_64").unwrap().e_machines[0];
            answer.machine(machine);
            let known = SimulatedKernel::new(&answer);
            let Lookup::Found(variable) = known.find(&".klp.sym.m.g,0".parse().unwrap()) else {
                panic!()
            };
            assert!((per_cpu[1]..per_cpu[1] + 0x2008).contains(&variable), "{variable:#x}");
            let shifted = SimulatedKernel::new(&answer).shifted(0x10_0000);
            let found =
                |known: &SimulatedKernel<'_>, symbol: &str| known.find(&symbol.parse().unwrap());
            let at = Lookup::Found(variable + moved);
            assert_eq!(found(&shifted, ".klp.sym.m.g,0"), at);
            let at = Lookup::Found(per_cpu[0] + 0x10 + moved);
            assert_eq!(found(&shifted, ".klp.sym.vmlinux.f,0"), at);
            assert!(shifted.base(&m, ".data..percpu") >= per_cpu[1]);
        }
    }

    #[test]
    fn the_exported_symbol_of_several_is_not_local() {
        let global =
            Candidate { binding: Some(Binding::Global), ..candidate("vmlinux", 2, Some(2), 0x20) };
        let mut answer = answer(vec![candidate("vmlinux", 1, Some(1), 0x10), global]);
        answer.exported("f", Export::by(ObjectName::vmlinux()));
        assert_eq!(SimulatedKernel::new(&answer).export("f").unwrap().address, 0x20);
        assert_eq!(SimulatedKernel::new(&answer).export("g"), None);
    }
}
