//! What the kernel logs when it refuses a relocation, word for word.
//!
//! It prints S + A, or the address of the PLT entry of a branch that does not reach even that. Where
//! there is no room for an entry it warns with a stack trace and no message. Faults that the kernel
//! does not detect are reported in our words.
//! Source: `arch/arm64/kernel/module.c:apply_relocate_add`.

use alloc::format;
use alloc::string::String;

use crate::fault::Fault;
use crate::refusal::{Errno, KernelError, RelocationContext};

/// What `apply_relocate_add` logs and returns.
pub(super) fn kernel_error(at: &RelocationContext<'_>, fault: &Fault) -> KernelError {
    let RelocationContext { module, kind, operands, .. } = *at;
    let message = match *fault {
        Fault::UnknownType { number } | Fault::NotOnThisKernel { number } => {
            format!("Modules: module {module}: unsupported RELA relocation: {number}")
        }
        Fault::Overflow { .. } => {
            let value = operands.plt.unwrap_or(operands.sum());
            format!("Modules: module {module}: overflow in relocation type {kind} val {value:x}")
        }
        Fault::NoRoom { .. } => String::new(),
        _ => format!("{module}: {fault}"),
    };
    KernelError { errno: Errno::ENOEXEC, message }
}
