//! Calls on ppc64le: which entry point, which stub, and who restores r2.
//!
//! A call that leaves the module goes to a stub, which overwrites r2, so the word after the call
//! must be a nop that the loader can turn into the load that restores r2. The bytes
//! alone show whether it is.
//! Source: `restore_r2`, `is_mprofile_ftrace_call` and `apply_relocate_add` of
//! `arch/powerpc/kernel/module_64.c`; `instr_is_relative_link_branch` of
//! `arch/powerpc/lib/code-patching.c`.

use scroll::Endian;

use crate::apply::{self, Conditions, Operands, Patch};
use crate::fault::Fault;
use crate::field::{Field, Part, outside, read_word};
use crate::row::{Calc, Features, Row};

/// `nop` (`ori r0,r0,0`).
pub(super) const NOP: u32 = 0x6000_0000;
/// `ld r2,24(r1)`: restores the TOC pointer from the stack.
pub(super) const LD_TOC: u32 = 0xe841_0018;

/// A branch's 24 bits and the whole word after it.
const LI24_AND_NEXT: Field = Field::plain(
    4,
    2,
    &[Part { from: 0, width: 24, word: 0, to: 2 }, Part { from: 24, width: 32, word: 1, to: 0 }],
);

/// Whether the name is that of a ftrace entry point (`is_mprofile_ftrace_call`). Which of them exist
/// depends on the configuration; one that does not exist cannot be called.
pub(super) fn is_ftrace_entry(name: &[u8]) -> bool {
    matches!(name, b"_mcount" | b"ftrace_caller" | b"ftrace_regs_caller")
}

/// The number of an instruction word.
pub(super) fn word(site: &[u8], index: usize) -> Result<u32, Fault> {
    let (start, end) = (index * 4, index * 4 + 4);
    let bytes = site.get(start..end).ok_or_else(|| outside(end, site.len()))?;
    u32::try_from(read_word(bytes, Endian::Little)).map_err(|_| outside(end, site.len()))
}

/// Whether an instruction is `bl` or `bcl` with a relative target.
fn is_relative_link_branch(word: u32) -> bool {
    matches!(word >> 26, 16 | 18) && word & 0b11 == 0b01
}

/// Whether the loader turns the nop after a call into the load that restores r2 (`restore_r2`).
///
/// # Errors
/// [`Fault::NoNopAfterCall`] when something else is there.
pub(super) fn restores_r2(
    row: &Row,
    conditions: &Conditions<'_>,
    site: &[u8],
) -> Result<bool, Fault> {
    let leaves = row.calc == Calc::Branch && conditions.external;
    if !leaves || conditions.features.contains(Features::PCREL) || spares_r2(conditions) {
        return Ok(false);
    }
    if !is_relative_link_branch(word(site, 0)?) {
        return Ok(false);
    }
    match word(site, 1)? {
        NOP => Ok(true),
        // A late call may have been written before, when its gate object was last loaded.
        LD_TOC if !conditions.features.contains(Features::RESTORES_R2_ONCE) => Ok(false),
        found => Err(Fault::NoNopAfterCall { found }),
    }
}

/// Turns the nop after a call into the load that restores r2, where the loader does.
pub(super) fn restore_r2(
    row: &Row,
    conditions: &Conditions<'_>,
    site: &mut [u8],
) -> Result<(), Fault> {
    let available = site.len();
    if restores_r2(row, conditions, site)? {
        let next = site.get_mut(4..8).ok_or_else(|| outside(8, available))?;
        next.copy_from_slice(&LD_TOC.to_le_bytes());
    }
    Ok(())
}

/// Whether the call's stub leaves r2 alone, because the kernel recognises a call to ftrace.
pub(super) fn spares_r2(conditions: &Conditions<'_>) -> bool {
    is_ftrace_entry(conditions.symbol)
        && !conditions.features.contains(Features::PLAIN_FTRACE_CALLS)
}

/// Distance from a function's global to its local entry point, in bytes.
pub(super) fn local_entry(other: u8) -> u64 {
    1u64 << (other >> 5) & !0b11
}

/// A call: to the stub, or to the local entry point.
pub(super) fn plan_call(
    row: &Row,
    conditions: &Conditions<'_>,
    operands: &Operands,
    site: &[u8],
) -> Result<Patch, Fault> {
    let local = || operands.sum().wrapping_add(local_entry(operands.other));
    let target = if conditions.external { operands.need_plt()? } else { local() };
    // The kernel checks the nop before the distance.
    let restores = restores_r2(row, conditions, site)?;
    let branch = apply::fit(row, target.wrapping_sub(operands.p).cast_signed())?;
    if !restores {
        return Ok(branch);
    }
    let value = i64::from(LD_TOC) << 24 | branch.value & 0xff_ffff;
    Ok(Patch { field: LI24_AND_NEXT, value })
}
