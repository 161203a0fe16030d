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

    /// Length in bytes of the instruction that the code starts with; `None` if it is cut off or not
    /// an instruction.
    fn length(&self, code: &[u8]) -> Option<usize>;

    /// The references that the assembler has resolved, and perhaps bytes that look like one.
    fn branches(&self, code: &[u8]) -> Vec<Branch>;

    /// The length in bytes of what code starts with that is only there to align what follows; 0 for anything else.
    fn filler(&self, code: &[u8]) -> usize;

    /// Where in an instruction with a branch its field is, in bytes, if that is the same in all.
    fn branch_field(&self) -> usize {
        0
    }

    /// The references of code that starts with an instruction, and of which all is instructions: those of
    /// [`branches`](Self::branches) that are one, and on x86_64 each operand whose address is relative to the next
    /// instruction. `None` if the code is something else: has data in it, or ends within an instruction.
    fn references(&self, code: &[u8]) -> Option<Vec<Branch>> {
        let mut seen = self.branches(code).into_iter().peekable();
        let (mut references, mut at) = (Vec::new(), 0);
        while at < code.len() {
            let end = at + self.length(code.get(at..)?)?;
            let field = at + self.branch_field();
            while let Some(branch) = seen.next_if(|branch| branch.field < end) {
                references.extend((branch.field == field).then_some(branch));
            }
            at = end;
        }
        Some(references)
    }

    /// What a function does with the addresses that its relocations give.
    fn uses(&self, function: FunctionCode<'_>) -> Vec<AddressUse>;
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use proptest::prelude::*;

    use crate::{by_name, machines};

    fn length(machine: &str, code: &[u8]) -> Option<usize> {
        by_name(machine).unwrap().instructions.length(code)
    }

    /// Each was assembled by GNU as 2.40.
    #[test]
    fn lengths_are_those_of_the_machine() {
        assert_eq!(length("arm64", &[0x1f, 0x20, 0x03, 0xd5, 0]), Some(4)); // nop
        assert_eq!(length("arm64", &[0x1f, 0x20, 0x03]), None);
        assert_eq!(length("ppc64le", &[0, 0, 0, 0x60, 0]), Some(4)); // nop
        let pla = [0, 0, 0x10, 0x06, 0x10, 0, 0x60, 0x38]; // pla r3,16
        assert_eq!((length("ppc64le", &pla), length("ppc64le", &pla[..7])), (Some(8), None));
        assert_eq!(length("s390x", &[0x07, 0xfe]), Some(2)); // br %r14
        assert_eq!(length("s390x", &[0x47, 0, 0, 0, 0]), Some(4)); // nop
        assert_eq!(length("s390x", &[0xa7, 0xf4, 0, 8]), Some(4)); // j
        assert_eq!(length("s390x", &[0xc0, 0xe5, 0, 0, 0, 8]), Some(6)); // brasl
        assert_eq!(length("s390x", &[0xc0, 0xe5, 0, 0, 0]), None);
    }

    /// Random bytes are seldom instructions: these are prefixes, escapes and ModRM of all kinds.
    fn code() -> impl Strategy<Value = Vec<u8>> {
        let special = prop::sample::select(vec![
            0x05, 0x0f, 0x25, 0x38, 0x3a, 0x48, 0x62, 0x66, 0x67, 0x8f, 0xc4, 0xc5, 0xc7, 0xf2,
            0xf6,
        ]);
        prop::collection::vec(prop_oneof![any::<u8>(), special], 0..40)
    }

    proptest! {
        #[test]
        fn an_instruction_is_in_the_code_and_decoded_alone(code in code()) {
            for machine in machines() {
                if let Some(length) = machine.instructions.length(&code) {
                    prop_assert!((1..=15).contains(&length) && length <= code.len());
                    prop_assert_eq!(machine.instructions.length(&code[..length]), Some(length));
                    prop_assert_eq!(machine.instructions.length(&code[..length - 1]), None);
                }
            }
        }

        #[test]
        fn references_are_in_the_code_and_in_its_order(code in code()) {
            for machine in machines() {
                let instructions = machine.instructions;
                let (mut at, mut whole) = (0, true);
                while whole && at < code.len() {
                    match instructions.length(&code[at..]) {
                        Some(length) => at += length,
                        None => whole = false,
                    }
                }
                let references = instructions.references(&code);
                prop_assert_eq!(references.is_some(), whole);
                let references = references.unwrap_or_default();
                prop_assert!(references.is_sorted_by(|one, other| one.field < other.field));
                prop_assert!(references.iter().all(|branch| branch.field < code.len()));
            }
        }
    }
}
