//! What the kernel logs when it refuses a relocation, word for word.
//!
//! Faults that the kernel does not detect (a place outside of its section) are reported in our words.
//! Source: `arch/s390/kernel/module.c:apply_rela`.

use alloc::format;
use alloc::string::String;

use crate::fault::Fault;
use crate::refusal::{Errno, KernelError, RelocationContext};

/// What `apply_relocate_add` logs and returns.
pub(super) fn kernel_error(at: &RelocationContext<'_>, fault: &Fault) -> KernelError {
    let RelocationContext { module, kind, .. } = *at;
    let message = match *fault {
        // R_390_COPY to R_390_RELATIVE.
        Fault::UnknownType { number: 9..=12 } => String::new(),
        Fault::UnknownType { number } | Fault::NotOnThisKernel { number } => {
            format!("module {module}: unknown relocation: {number}")
        }
        Fault::Overflow { value, .. } | Fault::MisalignedValue { value, .. } => {
            let symbol = String::from_utf8_lossy(at.symbol);
            format!(
                "module {module}: relocation error for symbol {symbol} \
                 (r_type {kind}, value 0x{value:x})"
            )
        }
        _ => format!("{module}: {fault}"),
    };
    KernelError { errno: Errno::ENOEXEC, message }
}
