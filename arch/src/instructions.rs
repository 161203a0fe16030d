//! What a machine's instructions refer to, read without running them.

use alloc::vec::Vec;
use core::fmt::Debug;

use crate::branch::Branch;
use crate::row::Row;
use crate::uses::{AddressUse, FunctionCode};

/// The instructions of one machine.
pub trait InstructionSet: Debug + Sync {
    /// What to add to `S + A` for the address that a relocation of this row in code means, in bytes: a
    /// distance is from the next instruction, or from the start of its own, and the addend compensates.
    fn code_bias(&self, row: &Row) -> i64 {
        let _ = row;
        0
    }

    /// The same for one field, with the bytes before it in the section: an instruction may go on after its field.
    fn bias_of_field(&self, row: &Row, before: &[u8]) -> i64 {
        let _ = before;
        self.code_bias(row)
    }

    /// The references that the assembler has resolved, and perhaps bytes that look like one.
    fn branches(&self, code: &[u8]) -> Vec<Branch>;

    /// What a function does with the addresses that its relocations give.
    fn uses(&self, function: FunctionCode<'_>) -> Vec<AddressUse>;
}
