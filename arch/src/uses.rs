//! What a function's code does with addresses of data: loads, stores, passes them on.
//!
//! A relocation shows the address that an instruction starts from; where a compiler reaches several
//! objects from one address (section anchors, slots of a table of contents), the instructions after
//! it show the rest. A machine whose instructions hold the whole address reads the instructions that
//! have a relocation; the others decode each instruction into a [`Step`], and [`follow`] tracks what
//! registers hold, joined where jumps meet. The result is an over-approximation; what goes through
//! memory that relocations do not fill, or through other functions, is not followed but reported.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// An address in a section of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Index of the section.
    pub section: u32,
    /// Offset in it, in bytes; negative where an addend leads to before it.
    pub offset: i64,
}

impl Address {
    pub(crate) fn plus(self, bytes: i64) -> Option<Self> {
        Some(Self { offset: self.offset.checked_add(bytes)?, ..self })
    }
}

/// What a relocation in code names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelocationTarget {
    /// Something of the module: `S + A` with [`InstructionSet::code_bias`](crate::InstructionSet::code_bias).
    Inside(Address),
    /// The undefined symbol of this index.
    Outside(u32),
}

/// The code of a function.
#[derive(Clone, Copy)]
pub struct FunctionCode<'f> {
    /// Its bytes.
    pub code: &'f [u8],
    /// What its relocations name, by offset in `code`, sorted.
    pub relocations: &'f [(usize, RelocationTarget)],
    /// The pointer at an address in data, where a relocation fills it in.
    pub pointer: &'f dyn Fn(Address) -> Option<Address>,
}

impl core::fmt::Debug for FunctionCode<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FunctionCode").field("relocations", &self.relocations).finish()
    }
}

impl FunctionCode<'_> {
    /// What a relocation in these bytes names.
    pub(crate) fn named(&self, from: usize, to: usize) -> Option<RelocationTarget> {
        let first = self.relocations.partition_point(|(field, _)| *field < from);
        let (field, named) = self.relocations.get(first)?;
        (*field < to).then_some(*named)
    }
}

/// One use of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressUse {
    /// The address that is used.
    pub address: Address,
    /// The address that it was computed from: that of a relocation, or of a pointer in memory.
    pub from: Address,
    /// What happens.
    pub kind: UseKind,
}

/// What happens to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UseKind {
    /// Another address, this one, is computed from it.
    Derived,
    /// This many bytes are loaded from there; what is done with them is reported.
    Loaded(u64),
    /// This many bytes are stored there.
    Stored(u64),
    /// A function gets it as an argument: the undefined symbol of this index, or another function.
    Passed(Option<u32>),
    /// It escapes: anything may happen to it.
    Taken,
}

/// Where an access is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// At the address that the relocation of the instruction gives.
    Here,
    /// At the address that a register holds.
    Register(u8),
    /// At the sum of two registers: an address and an index, which is assumed to be 0. The offset
    /// then identifies the object, as it does for any other index.
    Sum(u8, u8),
}

/// What an instruction does with addresses. A register is its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Computes an address: a sum.
    Derive { to: u8, base: Base, offset: i64 },
    /// Loads; `to` is the register that gets it. `back`: what the base is advanced by.
    Load { to: [Option<u8>; 2], base: Base, offset: i64, size: u64, back: Option<i64> },
    /// Stores these registers.
    Store { values: [Option<u8>; 2], base: Base, offset: i64, size: u64, back: Option<i64> },
    /// Jumps, by a distance from the instruction; if `falls`, it may also fall through.
    Jump { distance: i64, falls: bool },
    /// Calls, and returns or (`tail`) does not.
    Call { tail: bool },
    /// Ends this path: the next instruction does not follow.
    Return,
    /// Anything else.
    Other { writes: Option<u8>, reads: [Option<u8>; 3] },
}

impl Step {
    /// Does nothing with addresses.
    pub(crate) const NOTHING: Self = Self::Other { writes: None, reads: [None; 3] };

    /// Overwrites a register.
    pub(crate) const fn kill(register: u8) -> Self {
        Self::Other { writes: Some(register), reads: [None; 3] }
    }
}

/// What a machine's calls do with registers.
#[derive(Debug)]
pub(crate) struct Convention {
    pub(crate) arguments: core::ops::RangeInclusive<u8>,
    /// A bit for each register that a call overwrites.
    pub(crate) volatile: u32,
}

/// The most addresses that are tracked at a time.
const MOST: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    register: u8,
    address: Address,
    from: Address,
}

/// What registers hold at an instruction.
#[derive(Debug, Default)]
struct State {
    held: BTreeSet<Held>,
    /// A bit for each register that was written since the last call: only those are arguments. Others
    /// hold leftovers.
    written: u32,
}

impl State {
    fn join(&mut self, other: &Self) {
        self.written |= other.written;
        for held in &other.held {
            if self.held.len() < MOST {
                self.held.insert(*held);
            }
        }
    }

    fn write(&mut self, register: u8) {
        self.written |= 1_u32.checked_shl(register.into()).unwrap_or(0);
        self.held.retain(|held| held.register != register);
    }
}

struct Follower<'f> {
    function: FunctionCode<'f>,
    convention: &'f Convention,
    state: State,
    waiting: BTreeMap<usize, State>,
    uses: BTreeSet<AddressUse>,
}

/// Follows addresses through a function. `decode` gives the instruction at an offset, and its length.
pub(crate) fn follow(
    function: FunctionCode<'_>,
    convention: &Convention,
    decode: &dyn Fn(usize) -> Option<(Step, usize)>,
) -> Vec<AddressUse> {
    let (waiting, uses) = (BTreeMap::new(), BTreeSet::new());
    let state = State::default();
    let mut follower = Follower { function, convention, state, waiting, uses };
    // Backward jumps are known in the second pass.
    for _ in 0..2 {
        // The caller may have passed two arguments.
        let first = u32::from(*convention.arguments.start());
        follower.state = State { written: 0b11 << first, ..State::default() };
        let mut at = 0;
        while let Some((step, length)) = decode(at) {
            if let Some(waiting) = follower.waiting.get(&at) {
                follower.state.join(waiting);
            }
            let end = at.saturating_add(length.max(1));
            follower.step(step, at, end);
            at = end;
        }
    }
    follower.uses.into_iter().collect()
}

impl Follower<'_> {
    fn held(&self, register: u8) -> Vec<Held> {
        self.state.held.iter().filter(|held| held.register == register).copied().collect()
    }

    fn base(&self, base: Base, named: Option<RelocationTarget>) -> Vec<(Address, Address)> {
        match (base, named) {
            (Base::Here, Some(RelocationTarget::Inside(address))) => {
                alloc::vec![(address, address)]
            }
            (Base::Here, _) => Vec::new(),
            (Base::Register(register), _) => {
                self.held(register).iter().map(|held| (held.address, held.from)).collect()
            }
            (Base::Sum(one, other), _) => {
                let both = [one, other].map(|register| self.held(register));
                both.iter().flatten().map(|held| (held.address, held.from)).collect()
            }
        }
    }

    fn set(&mut self, register: u8, addresses: &[(Address, Address)]) {
        self.state.write(register);
        for &(address, from) in addresses {
            if self.state.held.len() < MOST {
                self.state.held.insert(Held { register, address, from });
            } else {
                self.uses.insert(AddressUse { address, from, kind: UseKind::Taken });
            }
        }
    }

    fn take(&mut self, register: u8) {
        for Held { address, from, .. } in self.held(register) {
            self.uses.insert(AddressUse { address, from, kind: UseKind::Taken });
        }
    }

    /// Records uses of sums, and returns the sums.
    fn sums(
        &mut self,
        bases: &[(Address, Address)],
        offset: i64,
        kind: UseKind,
    ) -> Vec<(Address, Address)> {
        let sums = bases.iter().filter_map(|(base, from)| Some((base.plus(offset)?, *from)));
        let sums: Vec<_> = sums.collect();
        self.uses.extend(sums.iter().map(|&(address, from)| AddressUse { address, from, kind }));
        sums
    }

    fn step(&mut self, step: Step, at: usize, end: usize) {
        let named = self.function.named(at, end);
        match step {
            Step::Derive { to, base, offset } => {
                let bases = self.base(base, named);
                let sums = self.sums(&bases, offset, UseKind::Derived);
                self.set(to, &sums);
            }
            Step::Load { to, base, offset, size, back } => {
                let bases = self.base(base, named);
                let addresses = self.sums(&bases, offset, UseKind::Loaded(size));
                self.advance(base, &bases, back);
                for (number, register) in (0..).zip(to) {
                    let Some(register) = register else { continue };
                    let pointers =
                        addresses.iter().filter(|_| size >= 8).filter_map(|(address, _)| {
                            let pointer = (self.function.pointer)(address.plus(number * 8)?)?;
                            Some((pointer, pointer))
                        });
                    let pointers: Vec<_> = pointers.collect();
                    self.set(register, &pointers);
                }
            }
            Step::Store { values, base, offset, size, back } => {
                let bases = self.base(base, named);
                self.sums(&bases, offset, UseKind::Stored(size));
                values.into_iter().flatten().for_each(|register| self.take(register));
                self.advance(base, &bases, back);
            }
            Step::Jump { distance, falls } => {
                let target = i64::try_from(at).ok().and_then(|at| at.checked_add(distance));
                if let Some(target) = target.and_then(|target| usize::try_from(target).ok()) {
                    self.wait(target);
                }
                if !falls {
                    self.state = State::default();
                }
            }
            Step::Call { tail } => {
                let callee = match named {
                    Some(RelocationTarget::Outside(symbol)) => Some(symbol),
                    _ => None,
                };
                let Convention { arguments, volatile } = self.convention;
                let is_written = |register: &u8| self.state.written >> register & 1 == 1;
                for register in arguments.clone().take_while(is_written) {
                    for Held { address, from, .. } in self.held(register) {
                        let kind = UseKind::Passed(callee);
                        self.uses.insert(AddressUse { address, from, kind });
                    }
                }
                let volatile = if tail { u32::MAX } else { *volatile };
                self.state.held.retain(|held| volatile >> held.register & 1 == 0);
                // What it returns may be the next argument.
                self.state.written = 1 << arguments.start();
            }
            Step::Return => self.state = State::default(),
            Step::Other { writes, reads } => {
                reads.into_iter().flatten().for_each(|register| self.take(register));
                writes.into_iter().for_each(|register| self.state.write(register));
            }
        }
    }

    fn advance(&mut self, base: Base, bases: &[(Address, Address)], back: Option<i64>) {
        if let (Base::Register(register), Some(back)) = (base, back) {
            let sums = self.sums(bases, back, UseKind::Derived);
            self.set(register, &sums);
        }
    }

    fn wait(&mut self, target: usize) {
        if !self.state.held.is_empty() {
            self.waiting.entry(target).or_default().join(&self.state);
        }
    }
}

/// Up to three registers.
pub(crate) fn registers(numbers: &[u8]) -> [Option<u8>; 3] {
    let mut all = [None; 3];
    all.iter_mut().zip(numbers).for_each(|(register, number)| *register = Some(*number));
    all
}

#[cfg(test)]
mod tests;
