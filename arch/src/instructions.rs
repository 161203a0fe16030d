//! What a machine's instructions refer to, read without running them.

use alloc::vec::Vec;
use core::fmt::Debug;

use crate::branch::Branch;
use crate::row::Row;
use crate::uses::{AddressUse, FunctionCode};

/// The instructions of one machine.
pub trait InstructionSet: Debug + Sync {
    /// What a relocation of this row in code means beside `S + A`, in bytes: a distance is from the
    /// next instruction, or from the start of its own, and the addend makes up for that.
    fn code_bias(&self, row: &Row) -> i64 {
        let _ = row;
        0
    }

    /// The references in code that the assembler has filled in, and perhaps bytes that look like one.
    fn branches(&self, code: &[u8]) -> Vec<Branch>;

    /// What a function does with the addresses that its relocations name.
    fn uses(&self, function: FunctionCode<'_>) -> Vec<AddressUse>;
}
