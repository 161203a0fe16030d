//! What the kernel logs and returns when it refuses a module.

use alloc::string::String;
use core::fmt;

use crate::apply::Operands;
use crate::row::Features;

/// An error number (`include/uapi/asm-generic/errno-base.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display)]
pub enum Errno {
    /// 1: not permitted.
    EPERM,
    /// 2: no such entry.
    ENOENT,
    /// 8: no executable format.
    ENOEXEC,
    /// 12: out of memory.
    ENOMEM,
    /// 14: bad address.
    EFAULT,
    /// 19: no such device.
    ENODEV,
    /// 22: invalid argument.
    EINVAL,
    /// 17: exists already.
    EEXIST,
    /// 74: not a message.
    EBADMSG,
    /// 90: too long a message.
    EMSGSIZE,
}

impl Errno {
    /// The number, as a positive one.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::EPERM => 1,
            Self::ENOENT => 2,
            Self::ENOEXEC => 8,
            Self::ENOMEM => 12,
            Self::EFAULT => 14,
            Self::ENODEV => 19,
            Self::EINVAL => 22,
            Self::EEXIST => 17,
            Self::EBADMSG => 74,
            Self::EMSGSIZE => 90,
        }
    }
}

/// The kernel's own refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelError {
    /// What `init_module` returns.
    pub errno: Errno,
    /// The line in the kernel's log, with its prefix and without the timestamp; empty where the kernel
    /// logs nothing.
    pub message: String,
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            write!(f, "(the kernel logs nothing) -{}", self.errno)
        } else {
            write!(f, "{} -{}", self.message, self.errno)
        }
    }
}

/// The relocation that the kernel's message is about.
#[derive(Debug, Clone, Copy)]
pub struct RelocationContext<'a> {
    /// The module's name (`mod->name`).
    pub module: &'a str,
    /// Index of the relocation section.
    pub section: usize,
    /// Index of the entry in it.
    pub entry: usize,
    /// Relocation type.
    pub kind: u32,
    /// Name of the symbol.
    pub symbol: &'a [u8],
    /// The address of the place.
    pub place: u64,
    /// The address of the word after the place, with symbol and offset as the kernel prints it
    /// (`%pS`); `None` until it knows the module's symbols.
    pub next_word: Option<&'a str>,
    /// The computed value (S + A − P or whatever the type computes), where it could be computed.
    pub value: i64,
    /// What it was computed from.
    pub operands: Operands,
    /// What the target kernel has.
    pub features: Features,
}
