//! What ftrace puts into a module: a stub for each of its entry points, and one for each traced
//! function.
//!
//! After all relocations are applied, `module_finalize` writes the stubs that go to ftrace, and
//! reserves a block after them. `ftrace_module_init` fills it: one out-of-line stub for each traced
//! function, in address order. When the kernel later looks for the stub of a target, it reads that
//! block as if it contained ordinary stubs.
//! Source: `module_finalize_ftrace` and `setup_ftrace_ool_stubs` of
//! `arch/powerpc/kernel/module_64.c`; `ftrace_init_nop` and `ftrace_init_ool_stub` of
//! `arch/powerpc/kernel/trace/ftrace.c`; `kernel/trace/ftrace.c:ftrace_process_locs`.

use alloc::vec::Vec;

use super::call::NOP;
use super::entry::{CALLER, NOP_OPS, REGS_CALLER, SIZE, TARGET};
use super::stubs::Stubs;
use crate::apply::Conditions;
use crate::fault::Fault;
use crate::memory::Memory;
use crate::object::{Object, SHF_ALLOC};
use crate::row::Features;

/// Where the compiler lists the functions that can be traced.
pub(super) const SITES: &[u8] = b"__patchable_function_entries";

const MFLR_R0: u32 = 0x7c08_02a6;
const MTLR_R0: u32 = 0x7c08_03a6;
const BRANCH: u32 = 0x4800_0000;

/// Size of the block of out-of-line stubs, in ordinary stubs.
pub(super) fn block(features: Features, traced: u32) -> u64 {
    (u64::from(traced) * out_of_line_size(features)).div_ceil(SIZE)
}

/// Bytes of an out-of-line stub (`struct ftrace_ool_stub`).
fn out_of_line_size(features: Features) -> u64 {
    if features.contains(Features::DYNAMIC_FTRACE_WITH_CALL_OPS) { 24 } else { 16 }
}

/// Writes the stubs of ftrace.
pub(super) fn finish(
    stubs: &mut Stubs,
    object: &Object<'_>,
    memory: &mut Memory,
) -> Result<(), Fault> {
    if !stubs.has(Features::DYNAMIC_FTRACE) {
        return Ok(());
    }
    let features = stubs.configuration.features;
    let mut stub = |stubs: &mut Stubs, name: &'static str| {
        let target = stubs.configuration.symbols.get(name).copied();
        let conditions = Conditions { symbol: name.as_bytes(), features, ..Conditions::default() };
        stubs.stub(target, &conditions, memory)
    };
    let trampoline = stub(stubs, CALLER)?;
    if stubs.has(Features::DYNAMIC_FTRACE_WITH_REGS) {
        stub(stubs, REGS_CALLER)?;
    }
    if stubs.has(Features::FTRACE_OUT_OF_LINE) {
        let first = stubs.used;
        let next = first.saturating_add(block(features, stubs.traced));
        if next > stubs.reserved() {
            return Err(stubs.no_room());
        }
        stubs.used = next;
        fill(stubs, first, trampoline, &sites(object, memory), memory);
        adopt(stubs, first, memory);
    }
    Ok(())
}

/// The addresses of the traced functions, sorted.
fn sites(object: &Object<'_>, memory: &Memory) -> Vec<u64> {
    let section = object.sections.iter().find(|s| s.name == SITES && s.has(SHF_ALLOC));
    let bytes = section.and_then(|section| section.extent).map(|extent| memory.bytes(&extent));
    let addresses = bytes.unwrap_or_default().as_chunks().0.iter();
    let mut addresses: Vec<u64> = addresses.map(|bytes| u64::from_le_bytes(*bytes)).collect();
    addresses.retain(|address| *address != 0);
    addresses.sort_unstable();
    addresses
}

/// A relative branch, if it reaches.
fn branch(from: u64, to: u64, link: u32) -> Option<u32> {
    let distance = to.wrapping_sub(from).cast_signed();
    let reaches = (-0x200_0000..=0x1ff_fffc).contains(&distance) && distance & 0b11 == 0;
    let bits = u32::try_from(distance & 0x3ff_fffc).ok()?;
    reaches.then_some(BRANCH | bits | link)
}

/// Fills the block, which starts at slot `first`. At a function that is not as ftrace expects, the
/// kernel warns and leaves it and those after it alone.
fn fill(stubs: &mut Stubs, first: u64, trampoline: u64, sites: &[u64], memory: &mut Memory) {
    let size = out_of_line_size(stubs.configuration.features);
    let ops = stubs.configuration.symbols.get(NOP_OPS).copied();
    let traced = usize::try_from(stubs.traced).unwrap_or(usize::MAX);
    for (index, site) in (0u64..).zip(sites.iter().take(traced)) {
        let expected = NOP.to_le_bytes();
        if memory.at(*site).and_then(<[u8]>::first_chunk) != Some(&expected) {
            return;
        }
        let start = first * SIZE + index * size;
        let address = stubs.at(0).wrapping_add(start);
        let instructions = address.wrapping_add(size - 16);
        let call = branch(instructions.wrapping_add(4), trampoline, 1);
        let back = branch(instructions.wrapping_add(12), site.wrapping_add(4), 0);
        let (Some(call), Some(back)) = (call, back) else { return };
        let Some(bytes) = stubs.bytes(memory, start) else { return };
        let pointer = ops.unwrap_or(0).to_le_bytes();
        let words = [MFLR_R0, call, MTLR_R0, back].into_iter().flat_map(u32::to_le_bytes);
        let has_pointer = size == 24;
        let pointer = pointer.into_iter().filter(|_| has_pointer);
        bytes.iter_mut().zip(pointer.chain(words)).for_each(|(to, from)| *to = from);
        if has_pointer && ops.is_none() {
            stubs.indeterminate.push(address..address.wrapping_add(8));
        }
    }
}

/// Records the targets that the kernel would find in the block.
fn adopt(stubs: &mut Stubs, first: u64, memory: &mut Memory) {
    for slot in first..stubs.used {
        let field = stubs.bytes(memory, slot * SIZE + TARGET);
        let Some(target) = field.and_then(|bytes| bytes.first_chunk()) else { return };
        let target = u64::from_le_bytes(*target);
        stubs.slots.entry(target).or_insert(slot);
    }
}
