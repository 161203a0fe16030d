//! What objtool does to the code of x86_64's objects.

use crate::link::{JumpSites, LinkEdit, LinkModel};

/// `call __fentry__` becomes a `nop` (`--mnop`, `CONFIG_HAVE_OBJTOOL_NOP_MCOUNT`).
const CALL: LinkEdit = LinkEdit {
    kinds: &[2, 4],
    before: 1,
    from: &[(0xe8, 0xff)],
    to: &[(0x0f, 0xff), (0x1f, 0xff), (0x44, 0xff), (0x00, 0xff), (0x00, 0xff)],
    then: None,
    skips_slot: false,
};

/// Static branches that are not taken at first, with short and long jumps
/// (`tools/objtool/check.c:handle_jump_alt`, `--hacks=jump_label`; `struct jump_entry`).
static JUMPS: JumpSites = JumpSites {
    section: "__jump_table",
    stride: 16,
    key: (8, 2),
    table: ("__start___jump_table", "__stop___jump_table"),
    edits: &[
        LinkEdit {
            kinds: &[],
            before: 0,
            from: &[(0xeb, 0xff)],
            to: &[(0x66, 0xff), (0x90, 0xff)],
            then: None,
            skips_slot: false,
        },
        LinkEdit {
            kinds: &[2, 4],
            before: 1,
            from: &[(0xe9, 0xff)],
            to: &[(0x0f, 0xff), (0x1f, 0xff), (0x44, 0xff), (0x00, 0xff), (0x00, 0xff)],
            then: None,
            skips_slot: false,
        },
    ],
};

pub(super) static MODEL: LinkModel =
    LinkModel { edits: &[CALL], jumps: Some(&JUMPS), ..LinkModel::PLAIN };
