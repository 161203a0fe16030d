//! What the linker does to the code of ppc64le's objects.
//!
//! Source: GNU ld, `bfd/elf64-ppc.c`, `ppc64_elf_edit_toc` and `ppc64_elf_relocate_section`.

use crate::field::{Field, Part};
use crate::link::{LinkEdit, LinkModel};
use crate::row::{Calc, Check, Row};

const ANY: (u8, u8) = (0, 0);
/// r2 as the base register.
const R2: (u8, u8) = (0x02, 0x1f);
/// `addi`
const ADDI: (u8, u8) = (0x38, 0xfc);
/// `ld`
const LD: (u8, u8) = (0xe8, 0xfc);

const TOC16: u32 = 47;
const TOC16_LO: u32 = 48;
const TOC16_HA: u32 = 50;
const TOC16_DS: u32 = 63;
const TOC16_LO_DS: u32 = 64;

const ENTRY: u32 = 118;

const REL16_LO: u32 = 250;
const REL16_HA: u32 = 252;

/// Bits 15:2 of a conditional branch.
const BD14: Field = Field::plain(4, 1, &[Part { from: 0, width: 14, word: 0, to: 2 }]);

static ROWS: [Row; 1] = [Row::new(
    11,
    "R_PPC64_REL14",
    Calc::Relative,
    Check::Signed(16),
    BD14,
    "bfd/elf64-ppc.c:ppc64_elf_relocate_section",
)
.align(4)
.shift(2)];

const fn edit(
    kinds: &'static [u32],
    from: &'static [(u8, u8)],
    to: &'static [(u8, u8)],
    then: u32,
) -> LinkEdit {
    LinkEdit { kinds, before: 0, from, to, then: Some(then), skips_slot: false }
}

/// Instead of loading a slot, computes what is in it.
const fn without_slot(to: &'static [(u8, u8)], then: u32) -> LinkEdit {
    let (kinds, from) = (&[TOC16_LO_DS], &[ANY, ANY, ANY, LD]);
    LinkEdit { kinds, before: 0, from, to, then: Some(then), skips_slot: true }
}

/// More than one may fit; the first is meant.
static EDITS: [LinkEdit; 5] = [
    // What is near the TOC pointer needs no high part: nop.
    edit(
        &[TOC16_HA],
        &[ANY, ANY, R2, (0x3c, 0xfc)],
        &[(0, 0), (0, 0), (0, 0xff), (0x60, 0xff)],
        TOC16_HA,
    ),
    without_slot(&[ANY, ANY, R2, ADDI], TOC16),
    without_slot(&[ANY, ANY, ANY, ADDI], TOC16_LO),
    // The low part is relative to the TOC pointer itself.
    edit(&[TOC16_LO], &[], &[ANY, ANY, R2], TOC16),
    edit(&[TOC16_LO_DS], &[], &[ANY, ANY, R2], TOC16_DS),
];

pub(super) static MODEL: LinkModel = LinkModel {
    edits: &EDITS,
    jumps: None,
    slots: &[".toc"],
    toc: Some(".TOC."),
    toc_fields: &[(0, REL16_HA, 0), (4, REL16_LO, 4)],
    hidden: &["_savegpr", "_restgpr", "_savefpr", "_restfpr", "_savevr", "_restvr"],
    marks: &[ENTRY],
    rows: &ROWS,
    // addis r2,r12,x (or lis r2,x); addi r2,r2,y
    preambles: &[
        &[ANY, ANY, (0x4c, 0xff), (0x3c, 0xff), ANY, ANY, (0x42, 0xff), (0x38, 0xff)],
        &[ANY, ANY, (0x40, 0xff), (0x3c, 0xff), ANY, ANY, (0x42, 0xff), (0x38, 0xff)],
    ],
};
