//! What the linker does to the code of s390x's objects.

use crate::link::{LinkEdit, LinkModel};

/// `lgrl` of a slot becomes `larl` of what is in it.
const LOAD: LinkEdit = LinkEdit {
    kinds: &[26],
    before: 2,
    from: &[(0xc4, 0xff), (0x08, 0x0f)],
    to: &[(0xc0, 0xff), (0x00, 0x0f)],
    then: Some(19),
    skips_slot: true,
};

pub(super) static MODEL: LinkModel = LinkModel { edits: &[LOAD], ..LinkModel::PLAIN };
