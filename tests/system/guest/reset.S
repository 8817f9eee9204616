/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest as a ROM: from the reset vector 16-bit code switches to flat 32-bit
 * protected mode. There is no stack, no interrupt and no firmware service.
 */

#define CODE_SELECTOR	0x08
#define CR0_PROTECTED	0x01

	/* The processor fetches its first instruction here: 16 bytes below 4 GiB. */
	.section .reset, "ax"
	.code16
	.globl	reset
reset:
	jmp	enter
	.balign	16, 0xff

	.section .enter, "ax"
	.code16
enter:
	cli
	lgdtl	%cs:gdt_pointer_offset	/* CS is based at the ROM's begin */
	movl	%cr0, %eax
	orb	$CR0_PROTECTED, %al
	movl	%eax, %cr0
	ljmpl	$CODE_SELECTOR, $protected

	.balign	8
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff	/* code: base 0, limit 4 GiB */
	.quad	0x00cf93000000ffff	/* data: base 0, limit 4 GiB */
gdt_end:
	.globl	gdt_pointer
gdt_pointer:
	.word	gdt_end - gdt - 1
	.long	gdt

	.section .note.GNU-stack, "", @progbits
