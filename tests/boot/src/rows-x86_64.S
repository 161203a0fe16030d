/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Every row of arch/src/x86_64.rs, against each kind of symbol. */

.macro rows at
	.balign 8
.irp symbol, _printk, rows_data, rows_text, rows_rodata, rows_bss, .Lhere\at
.irp addend, 0, 16, -4
	.quad	\symbol + \addend
	.quad	\symbol + \addend - .
	.long	\symbol + \addend - .
	.quad	0
	.reloc	. - 8, R_X86_64_64, \symbol + \addend
	.reloc	. - 8, R_X86_64_NONE, \symbol
	.long	0
	.reloc	. - 4, R_X86_64_32S, \symbol + \addend
	.long	0
	.reloc	. - 4, R_X86_64_PLT32, \symbol + \addend
	.quad	0
	.reloc	. - 8, R_X86_64_PC64, \symbol + \addend
.endr
.endr
.Lhere\at:
	.long	0
	.reloc	. - 4, R_X86_64_PC32, .Lhere\at
	/* No module lies below 4 GiB. */
	.long	0
	.reloc	. - 4, R_X86_64_32, rows_absolute32 + 16
.endm

	.section .text.rows, "ax", @progbits
	rows 1
	.section .data.rows, "aw", @progbits
	rows 2
	.section .rodata.rows, "a", @progbits
	rows 3
	.section .init.data.rows, "aw", @progbits
	rows 4
	.section .data..percpu, "aw", @progbits
	rows 5
	.section .data..ro_after_init, "aw", @progbits
	rows 6
	.section .init.rodata.rows, "a", @progbits
	rows 7
	.section .exit.data.rows, "aw", @progbits
	rows 8
	.section .note.GNU-stack, "", @progbits
