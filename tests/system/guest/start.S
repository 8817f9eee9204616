/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the reset vector to C: 16-bit code switches to flat 32-bit protected
 * mode. There is no stack, no interrupt and no firmware service before that.
 */

#define RAM_STACK_TOP	0x7000
#define CODE_SELECTOR	0x08
#define DATA_SELECTOR	0x10
#define CR0_PROTECTED	0x01
#define PIC1_COMMAND	0x20
#define PIC_END_OF_INT	0x20

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

	.text
	.code32
protected:
	movw	$DATA_SELECTOR, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$RAM_STACK_TOP, %esp
	call	guest_main
halt:
	hlt
	jmp	halt

	/* Interrupt handlers; firmware.c writes their addresses to the IDT. */
	.globl	on_timer, on_other
on_timer:
	pushl	%eax
	incl	ticks
	movb	$PIC_END_OF_INT, %al
	outb	%al, $PIC1_COMMAND
	popl	%eax
on_other:
	iret

	.section .note.GNU-stack, "", @progbits
