/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Every row of arch/src/ppc64le.rs that a kernel with a TOC knows, against each kind of symbol. */

.macro field bytes, type, value
	.fill	\bytes, 1, 0
	.reloc	. - \bytes, \type, \value
.endm

.macro rows at
	.balign 8
.irp symbol, _printk, rows_data, rows_text, rows_rodata, rows_bss, .Lhere\at
.irp addend, 0, 16, -16
	field 8, R_PPC64_ADDR64, \symbol + \addend
	field 8, R_PPC64_REL64, \symbol + \addend
	field 4, R_PPC64_ADDR32, \symbol + \addend
	field 2, R_PPC64_REL16_HA, \symbol + \addend
	field 2, R_PPC64_REL16_LO, \symbol + \addend
	field 8, R_PPC64_TOC, \symbol + \addend
.endr
.endr
.irp symbol, rows_data, rows_rodata, rows_bss, .Lhere\at
.irp addend, 0, 16, -16
	field 2, R_PPC64_TOC16_HA, \symbol + \addend
	field 2, R_PPC64_TOC16_LO, \symbol + \addend
	field 2, R_PPC64_TOC16_LO_DS, \symbol + \addend
	field 2, R_PPC64_TOC16, .Lrows_toc + \addend
	field 2, R_PPC64_TOC16_DS, .Lrows_toc + \addend
	field 2, R_PPC64_TOCSAVE, \symbol + \addend
.endr
.endr
	.balign 8
.Lhere\at:
	field 4, R_PPC64_REL32, .Lhere\at
.endm

	/* What 16 bits reach. */
	.section .toc, "aw", @progbits
	.quad	0, 0
.Lrows_toc:
	.quad	rows_data, 0, 0, 0

	.section .text.rows, "ax", @progbits
	rows 1
	/* Stubs, one of them twice, and calls that need none. */
	.globl	rows_caller
	.type	rows_caller, @function
rows_caller:
	bl	_printk
	nop
	bl	_printk
	nop
	bl	memcpy
	nop
	bl	rows_near
	nop
	bl	rows_near
	blr
	.size	rows_caller, . - rows_caller
	.type	rows_near, @function
rows_near:
	blr
	.size	rows_near, . - rows_near
	.section .data.rows, "aw", @progbits
	rows 2
	.section .rodata.rows, "a", @progbits
	rows 3
	.section .init.data.rows, "aw", @progbits
	rows 4
	.section .data..ro_after_init, "aw", @progbits
	rows 6
	.section .note.GNU-stack, "", @progbits
