//! What the kernel logs when it refuses a relocation, word for word.
//!
//! Lines of `arch/powerpc/kernel/module_64.c` start with the name of that file. Faults that the
//! kernel does not detect (a store into read-only memory) are reported in our words.
//! An address that the kernel prints as symbol and offset (`%pS`) is printed as a number while the
//! module's own symbols are not there yet.

use alloc::format;
use alloc::string::String;

use super::{PCREL34, REL24, REL24_NOTOC};
use crate::fault::Fault;
use crate::refusal::{Errno, KernelError, RelocationContext};

/// What `apply_relocate_add` logs and returns.
pub(super) fn kernel_error(at: &RelocationContext<'_>, fault: &Fault) -> KernelError {
    let name = at.module;
    let symbol = String::from_utf8_lossy(at.symbol);
    let call = matches!(at.kind, REL24 | REL24_NOTOC);
    let mut errno = Errno::ENOEXEC;
    let text = match *fault {
        Fault::UnknownType { number } | Fault::NotOnThisKernel { number } => {
            format!("{name}: Unknown ADD relocation: {number}")
        }
        Fault::NoNopAfterCall { found } => {
            let number = || format!("0x{:x}", at.place.wrapping_add(4));
            let next = at.next_word.map_or_else(number, String::from);
            format!("{name}: Expected nop after call, got {found:08x} at {next}")
        }
        Fault::MisalignedValue { align: 8, .. } if call => {
            errno = Errno::ENOENT;
            format!("{name}: Address of stub entry is not 8-byte aligned")
        }
        Fault::Overflow { max: 0x1_ffff_ffff, .. } if call => {
            errno = Errno::ENOENT;
            format!("{name}: Address of {symbol} out of range of 34-bit relative address.")
        }
        Fault::Overflow { max: 0x7fff_ffff, .. }
            if call && super::call::is_ftrace_entry(at.symbol) =>
        {
            errno = Errno::ENOENT;
            format!("{name}: Address of {symbol} out of range of kernel_toc.")
        }
        // The backtrace of a warning; `stub_for_addr` prints no other message.
        Fault::NoRoom { .. } if call => {
            let message = "WARNING: arch/powerpc/kernel/module_64.c: stub_for_addr".into();
            return KernelError { errno: Errno::ENOENT, message };
        }
        // Two pointers, which the kernel prints hashed.
        Fault::Overflow { max: 0x7fff_ffff, .. } if call => {
            errno = Errno::ENOENT;
            format!("{name}: Address (____ptrval____) of stub out of range of (____ptrval____).")
        }
        Fault::Overflow { value, .. } | Fault::MisalignedValue { value, .. } => {
            refused_value(at, value)
        }
        _ => return KernelError { errno, message: format!("{name}: {fault}") },
    };
    KernelError { errno, message: format!("module_64: {text}") }
}

/// A value that does not fit.
fn refused_value(at: &RelocationContext<'_>, value: i64) -> String {
    let name = at.module;
    let bad = |kind: &str| format!("{name}: bad {kind} relocation ({value:#x})");
    match at.kind {
        REL24 | REL24_NOTOC => format!("{name}: REL24 {value} out of range!"),
        26 => format!("{name}: REL32 {value} out of range!"),
        PCREL34 => format!("{name}: REL34 {value} out of range!"),
        47 => bad("TOC16"),
        63 => bad("TOC16_DS"),
        64 => bad("TOC16_LO_DS"),
        _ => format!("{name}: value {value:#x} is refused"),
    }
}
