/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first 32-bit code, wherever the guest was loaded from, and its interrupt
 * handlers. A reset keeps what was in RAM, so variables are made zero here.
 */

#define RAM_STACK_TOP	0x7000
#define DATA_SELECTOR	0x10
#define PIC1_COMMAND	0x20
#define PIC_END_OF_INT	0x20

	.section .text.start, "ax"
	.code32
	.globl	protected
protected:
	movw	$DATA_SELECTOR, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$RAM_STACK_TOP, %esp
	cld
	movl	$variables_begin, %edi
	movl	$variables_size, %ecx
	xorl	%eax, %eax
	rep stosb
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
