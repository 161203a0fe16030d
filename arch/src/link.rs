//! What the static linker and objtool do to code besides filling in relocations.
//!
//! A linked kernel holds the code of its objects, but some instructions are not the compiler's: a linker that knows an
//! address computes it instead of loading it, and objtool takes calls away that the kernel patches in when it boots.
//! Sources: GNU ld's `bfd/elf64-ppc.c`, `bfd/elf64-s390.c`, `bfd/elfxx-x86.c`; the kernel's `tools/objtool/check.c`.

use crate::row::Row;

/// Another form of an instruction that has a relocation.
#[derive(Debug)]
pub struct LinkEdit {
    /// The relocation types.
    pub kinds: &'static [u32],
    /// Bytes from the start of the instruction to the relocation's place.
    pub before: usize,
    /// The compiler's instruction: each byte, with the mask of the bits that count.
    pub from: &'static [(u8, u8)],
    /// The linker's: each byte, with the mask of the bits that it sets. Others stay.
    pub to: &'static [(u8, u8)],
    /// The relocation type by which the field means its symbol then; `None`: there is no field.
    pub then: Option<u32>,
    /// Whether it computes what is in the slot that the compiler's instruction loads.
    pub skips_slot: bool,
}

impl LinkEdit {
    /// The instruction that the linker makes of this one, which starts `code`, if it is that of `linked`.
    #[must_use]
    pub fn applied(&self, code: &[u8], linked: &[u8]) -> bool {
        let starts = |bytes: &[u8], pattern: &[(u8, u8)]| {
            bytes.len() >= pattern.len()
                && bytes.iter().zip(pattern).all(|(byte, (value, mask))| byte & mask == *value)
        };
        starts(code, self.from) && starts(linked, self.to)
    }

    /// Sets the bits that the linker sets.
    pub fn apply(&self, code: &mut [u8]) {
        for (byte, (value, mask)) in code.iter_mut().zip(self.to) {
            *byte = *byte & !mask | value;
        }
    }
}

/// Jumps that the kernel patches when a key changes, and that objtool takes out until then.
#[derive(Debug)]
pub struct JumpSites {
    /// The table that lists them.
    pub section: &'static str,
    /// Bytes in an entry. Its first field refers to the jump.
    pub stride: u64,
    /// The field that refers to the key, and the bits of its addend that mark a jump that is taken out.
    pub key: (u64, i64),
    /// The jumps, and what replaces them.
    pub edits: &'static [LinkEdit],
    /// The symbols of the kernel's table: its start and its end. Each entry has two distances from where they are, to the jump
    /// and to its target, in 32 bits.
    pub table: (&'static str, &'static str),
}

/// How a machine's objects become a kernel.
#[derive(Debug)]
pub struct LinkModel {
    /// Instructions that the linker or objtool replaces.
    pub edits: &'static [LinkEdit],
    /// Jumps that objtool takes out.
    pub jumps: Option<&'static JumpSites>,
    /// Sections of pointers, each of which is a slot of its own that the linker may move or leave out.
    pub slots: &'static [&'static str],
    /// The symbol that is the TOC pointer.
    pub toc: Option<&'static str>,
    /// The fields of a preamble that hold parts of the distance to it: offset, relocation type and addend.
    pub toc_fields: &'static [(u64, u32, i64)],
    /// How names start that objects can name, and that are local in the kernel: other objects hide them, or the linker
    /// adds what has them.
    pub hidden: &'static [&'static str],
    /// Relocation types by which a loader may change code, and that `ld -r` leaves alone.
    pub marks: &'static [u32],
    /// Relocation types that only linkers know.
    pub rows: &'static [Row],
    /// Code that a call passes over, because it only sets up the TOC pointer: each byte, with the mask of the bits that
    /// count.
    pub preambles: &'static [&'static [(u8, u8)]],
}

impl LinkModel {
    /// For machines whose linker does nothing else. Code that runs before the kernel is where it is linked has a prefix
    /// (`arch/arm64/kernel/pi/Makefile`, `arch/x86/boot/startup/Makefile`).
    pub const PLAIN: Self = Self {
        edits: &[],
        jumps: None,
        slots: &[],
        toc: None,
        toc_fields: &[],
        hidden: &["__pi_"],
        marks: &[],
        rows: &[],
        preambles: &[],
    };

    /// Bytes at the start of a function that calls from the same kernel pass over.
    #[must_use]
    pub fn preamble(&self, function: &[u8]) -> u64 {
        let starts = |pattern: &&&[(u8, u8)]| {
            function.len() >= pattern.len()
                && function.iter().zip(**pattern).all(|(byte, (value, mask))| byte & mask == *value)
        };
        let found = self.preambles.iter().find(starts);
        found.and_then(|pattern| u64::try_from(pattern.len()).ok()).unwrap_or(0)
    }

    /// Bytes that a call has passed over, if so. `code` gives the code from so many bytes before the call's target on.
    #[must_use]
    pub fn skipped<'c>(&self, code: &dyn Fn(u64) -> Option<&'c [u8]>) -> u64 {
        let lengths = self.preambles.iter().filter_map(|one| u64::try_from(one.len()).ok());
        let mut lengths = lengths.filter(|length| {
            code(*length).is_some_and(|function| self.preamble(function) == *length)
        });
        lengths.next().unwrap_or(0)
    }
}
