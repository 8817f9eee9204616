/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest as a disk: the first sector has the BIOS load what follows it, and
 * switches to flat 32-bit protected mode.
 */

#define RAM_STACK_TOP	0x7000
#define CODE_SELECTOR	0x08
#define CR0_PROTECTED	0x01
#define COM1		0x3f8
#define EXTENDED_READ	0x42

	.section .boot, "ax"
	.code16
	.globl	boot
boot:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$RAM_STACK_TOP, %sp
	sti
	movb	$EXTENDED_READ, %ah	/* of the drive that the BIOS left in DL */
	movw	$packet, %si
	int	$0x13
	jc	failed
	cli
	lgdtl	gdt_pointer
	movl	%cr0, %eax
	orb	$CR0_PROTECTED, %al
	movl	%eax, %cr0
	ljmpl	$CODE_SELECTOR, $protected

failed:
	movw	$message, %si
	movw	$COM1, %dx
1:	lodsb
	testb	%al, %al
	jz	2f
	outb	%al, %dx
	jmp	1b
2:	hlt
	jmp	2b

message:
	.asciz	"guest: the BIOS cannot read its disk\n"

	.balign	4
packet:
	.byte	16, 0
	.word	payload_sectors
	.word	0, payload_segment	/* to there */
	.quad	1			/* from the second sector on */

	.balign	8
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff	/* code: base 0, limit 4 GiB */
	.quad	0x00cf93000000ffff	/* data: base 0, limit 4 GiB */
gdt_end:
gdt_pointer:
	.word	gdt_end - gdt - 1
	.long	gdt

	/* One partition, the rest of the disk: an image service takes a sector
	   that ends like this one and has none for something disguised. */
	.org	446
	.byte	0x80, 0, 2, 0, 0x83, 0, 2, 0
	.long	1, disk_sectors - 1
	.fill	48, 1, 0
	.org	510
	.word	0xaa55

	.section .note.GNU-stack, "", @progbits
