/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Every row of arch/src/s390x.rs that fits where modules lie, against each kind of symbol. */

.macro field bytes, type, value
	.fill	\bytes, 1, 0
	.reloc	. - \bytes, \type, \value
.endm

.macro rows at
	.balign 8
.irp symbol, _printk, rows_data, rows_text, rows_rodata, rows_bss, .Lhere\at
.irp addend, 0, 16, -4
	.balign 8
	field 8, R_390_64, \symbol + \addend
	field 8, R_390_PC64, \symbol + \addend
	field 8, R_390_NONE, \symbol + \addend
	field 8, R_390_GOT64, \symbol + \addend
	field 8, R_390_GOTPLT64, \symbol + \addend
	field 8, R_390_GOTOFF64, \symbol + \addend
	field 8, R_390_PLT64, \symbol + \addend
	field 8, R_390_PLTOFF64, \symbol + \addend
	.balign 8
	field 4, R_390_PLT32DBL, \symbol + \addend
.endr
	/* Offsets that are not negative. */
.irp addend, 0, 16
	field 4, R_390_GOT32, \symbol + \addend
	field 2, R_390_GOT16, \symbol + \addend
	field 2, R_390_GOT12, \symbol + \addend
	field 4, R_390_GOT20, \symbol + \addend
	field 4, R_390_GOTPLT32, \symbol + \addend
	field 2, R_390_GOTPLT16, \symbol + \addend
	field 2, R_390_GOTPLT12, \symbol + \addend
	field 4, R_390_GOTPLT20, \symbol + \addend
	field 2, R_390_PLTOFF16, \symbol + \addend
	field 4, R_390_PLTOFF32, \symbol + \addend
.endr
	.balign 8
	.short	0
	field 4, R_390_GOTENT, \symbol + 2
	field 4, R_390_GOTPLTENT, \symbol + 2
.endr
.Lhere\at:
	field 4, R_390_PC32, .Lhere\at
	field 4, R_390_PC32DBL, .Lhere\at
	field 2, R_390_PC16, .Lhere\at
	field 2, R_390_PC16DBL, .Lhere\at
	field 4, R_390_GOTPC, .Lhere\at
	.short 0
	field 4, R_390_GOTPCDBL, .Lhere\at
	field 1, R_390_8, rows_absolute8
	field 1, R_390_NONE, rows_absolute8
	field 2, R_390_12, rows_absolute12
	field 2, R_390_16, rows_absolute16
	field 4, R_390_20, rows_absolute20
	field 4, R_390_32, rows_absolute32
.endm

	/* What must lie near GOT and PLT, which are at the start of the text. */
	.section .text.rows, "ax", @progbits
	rows 1
	.balign 8
	field 2, R_390_GOTOFF16, rows_text
	field 2, R_390_GOTOFF16, rows_text + 16
	field 4, R_390_GOTOFF32, rows_text
	field 4, R_390_GOTOFF32, rows_text + 4
	/* The kernel takes the distance as unsigned, and the PLT lies before the place. */
	field 4, R_390_PLT32, _printk + 0x10000
	field 4, R_390_PLT32, rows_text + 0x10000
	.balign 2
	field 2, R_390_PLT16DBL, _printk + 2
	field 2, R_390_PLT16DBL, rows_text + 2
	.section .data.rows, "aw", @progbits
	rows 2
	.section .rodata.rows, "a", @progbits
	rows 3
	.section .init.data.rows, "aw", @progbits
	rows 4
	.section .data..ro_after_init, "aw", @progbits
	rows 6
	.section .init.text.rows, "ax", @progbits
	rows 7
	.section .note.GNU-stack, "", @progbits
