/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Every row of arch/src/arm64.rs that fits where modules lie, against each kind of symbol. */

.macro field bytes, type, value
	.fill	\bytes, 1, 0
	.reloc	. - \bytes, \type, \value
.endm

.macro rows at
	.balign 16
.irp symbol, _printk, rows_data, rows_text, rows_rodata, rows_bss, .Lhere\at
.irp addend, 0, 16, -16
	.balign 16
	field 8, R_AARCH64_ABS64, \symbol + \addend
	field 8, R_AARCH64_PREL64, \symbol + \addend
	field 4, R_AARCH64_PREL32, \symbol + \addend
	field 4, R_AARCH64_NONE, \symbol + \addend
	field 4, R_AARCH64_MOVW_UABS_G0_NC, \symbol + \addend
	field 4, R_AARCH64_MOVW_UABS_G1_NC, \symbol + \addend
	field 4, R_AARCH64_MOVW_UABS_G2_NC, \symbol + \addend
	field 4, R_AARCH64_MOVW_UABS_G3, \symbol + \addend
	.inst	0xd2800000
	.reloc	. - 4, R_AARCH64_MOVW_PREL_G0_NC, \symbol + \addend
	.inst	0xd2800000
	.reloc	. - 4, R_AARCH64_MOVW_PREL_G1_NC, \symbol + \addend
	.inst	0xd2800000
	.reloc	. - 4, R_AARCH64_MOVW_PREL_G2_NC, \symbol + \addend
	.inst	0xd2800000
	.reloc	. - 4, R_AARCH64_MOVW_PREL_G2, \symbol + \addend
	.inst	0xd2800000
	.reloc	. - 4, R_AARCH64_MOVW_PREL_G3, \symbol + \addend
	.inst	0x90000000
	.reloc	. - 4, R_AARCH64_ADR_PREL_PG_HI21, \symbol + \addend
	.inst	0x90000000
	.reloc	. - 4, R_AARCH64_ADR_PREL_PG_HI21_NC, \symbol + \addend
	.inst	0x91000000
	.reloc	. - 4, R_AARCH64_ADD_ABS_LO12_NC, \symbol + \addend
	.inst	0x39400000
	.reloc	. - 4, R_AARCH64_LDST8_ABS_LO12_NC, \symbol + \addend
	.inst	0x79400000
	.reloc	. - 4, R_AARCH64_LDST16_ABS_LO12_NC, \symbol + \addend
	.inst	0xb9400000
	.reloc	. - 4, R_AARCH64_LDST32_ABS_LO12_NC, \symbol + \addend
	.inst	0xf9400000
	.reloc	. - 4, R_AARCH64_LDST64_ABS_LO12_NC, \symbol + \addend
	.inst	0x3dc00000
	.reloc	. - 4, R_AARCH64_LDST128_ABS_LO12_NC, \symbol + \addend
	.inst	0x94000000
	.reloc	. - 4, R_AARCH64_CALL26, \symbol + \addend
	.inst	0x14000000
	.reloc	. - 4, R_AARCH64_JUMP26, \symbol + \addend
.endr
.endr
	.balign 8
.Lhere\at:
	.inst	0x18000000
	.reloc	. - 4, R_AARCH64_LD_PREL_LO19, .Lhere\at
	.inst	0x10000000
	.reloc	. - 4, R_AARCH64_ADR_PREL_LO21, .Lhere\at + 1
	.inst	0x36000000
	.reloc	. - 4, R_AARCH64_TSTBR14, .Lhere\at
	.inst	0x54000000
	.reloc	. - 4, R_AARCH64_CONDBR19, .Lhere\at
	.inst	0xd2800000
	.reloc	. - 4, R_AARCH64_MOVW_PREL_G0, .Lhere\at
	.inst	0xd2800000
	.reloc	. - 4, R_AARCH64_MOVW_PREL_G1, .Lhere\at
	field 2, R_AARCH64_PREL16, .Lhere\at
	field 2, R_AARCH64_ABS16, rows_absolute16
	field 4, R_AARCH64_ABS32, rows_absolute32
	.inst	0xd2800000
	.reloc	. - 4, R_AARCH64_MOVW_UABS_G0, rows_absolute16
	.inst	0xd2a00000
	.reloc	. - 4, R_AARCH64_MOVW_UABS_G1, rows_absolute32
	.inst	0xd2c00000
	.reloc	. - 4, R_AARCH64_MOVW_UABS_G2, rows_absolute48
	.inst	0xd2800000
	.reloc	. - 4, R_AARCH64_MOVW_SABS_G0, rows_absolute16
	.inst	0xd2800000
	.reloc	. - 4, R_AARCH64_MOVW_SABS_G1, rows_absolute32
	.inst	0xd2800000
	.reloc	. - 4, R_AARCH64_MOVW_SABS_G2, rows_absolute48
.endm

/* PLT entries, some of which are asked for twice. */
.macro branches
.irp addend, 0, 0, 16, -16, 16, 0
	.inst	0x94000000
	.reloc	. - 4, R_AARCH64_CALL26, rows_far + \addend
	.inst	0x14000000
	.reloc	. - 4, R_AARCH64_JUMP26, rows_far + \addend
.endr
.endm

	.section .text.rows, "ax", %progbits
	rows 1
	branches
	.section .data.rows, "aw", %progbits
	rows 2
	.section .rodata.rows, "a", %progbits
	rows 3
	.section .init.data.rows, "aw", %progbits
	rows 4
	.section .data..ro_after_init, "aw", %progbits
	rows 6
	.section .init.text.rows, "ax", %progbits
	rows 7
	branches
	.section .note.GNU-stack, "", %progbits
