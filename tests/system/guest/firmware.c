/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that is nothing but its firmware, or nothing but a boot sector's
 * load. It finds the kernel's sample devices on PCI bus 0 (QEMU machine "pc"),
 * talks to each, and says on COM1 what came back. Then it idles and repeats the
 * echo once in half a second, so that a save or a migration can be seen to
 * carry it on. A line that is typed on COM1 goes through each port, too.
 *
 * The output is read by programs; firmware lines begin with "guest: ".
 */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))

#define PCI_ADDRESS		0xcf8
#define PCI_DATA		0xcfc
#define PCI_COMMAND		0x04
#define PCI_COMMAND_IO		0x01
#define PCI_COMMAND_MEMORY	0x02
#define PCI_BAR0		0x10
#define PCI_SLOTS		32

/* vendor in the low half, device in the high one */
#define ID_MTTY			0x32534348
#define ID_MDPY			0x000f1b36
#define ID_MBOCHS		0x11111234

#define RTC_INDEX		0x70
#define RTC_DATA		0x71
#define RTC_SECONDS		0x00
#define RTC_MINUTES		0x02
#define RTC_HOURS		0x04

#define COM1			0x3f8
/* registers of a 16550, from its base */
#define UART_DATA		0
#define UART_IER		1
#define UART_FCR		2
#define UART_LCR		3
#define UART_LSR		5
#define UART_SCRATCH		7
#define UART_LSR_READY		0x01
#define UART_LSR_EMPTY		0x20

#define FIRST_IO		0xc000
#define FIRST_MEMORY		0xe0000000u
#define MAX_PORTS		16
#define TICKS_A_SECOND		100

/*
 * mtty keeps what was written in a ring of 16 bytes whose begin and end meet
 * when it is full, which it takes for empty: a burst must stay shorter.
 */
#define MAX_BURST		15

extern char on_timer[], on_other[];
volatile u32 ticks;

static u32 interrupt_table[512];
static u16 ports[MAX_PORTS];
static u32 port_count;
static char typed[MAX_BURST + 1];
static u32 typed_count;
static u32 next_io, next_memory;

static inline void outb(u16 port, u8 value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 inb(u16 port)
{
	u8 value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void outl(u16 port, u32 value)
{
	asm volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline u32 inl(u16 port)
{
	u32 value;

	asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

/* ---- what we say ---- */

static void put_char(char c)
{
	while (!(inb(COM1 + UART_LSR) & UART_LSR_EMPTY))
		;
	outb(COM1 + UART_DATA, c);
}

static void put(const char *text)
{
	while (*text)
		put_char(*text++);
}

static void put_hex(u32 value, int digits)
{
	while (digits--)
		put_char("0123456789abcdef"[(value >> (4 * digits)) & 15]);
}

static void put_decimal(u32 value)
{
	char digits[10];
	int count = 0;

	do {
		digits[count++] = '0' + value % 10;
		value /= 10;
	} while (value);
	while (count)
		put_char(digits[--count]);
}

/* ---- time: a tick 100 times a second, idle in between ---- */

static void set_gate(int vector, const char *handler)
{
	u32 address = (u32)handler;

	interrupt_table[2 * vector] = 0x00080000 | (address & 0xffff);
	interrupt_table[2 * vector + 1] = (address & 0xffff0000) | 0x8e00;
}

static void start_interrupt_controllers(void)
{
	static const u8 setup[][2] = {
		{ 0x20, 0x11 }, { 0x21, 0x20 }, { 0x21, 0x04 }, { 0x21, 0x01 },
		{ 0xa0, 0x11 }, { 0xa1, 0x28 }, { 0xa1, 0x02 }, { 0xa1, 0x01 },
		{ 0x21, 0xfe }, { 0xa1, 0xff },	/* all masked but the timer */
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(setup); i++)
		outb(setup[i][0], setup[i][1]);
	/* Enable the local APIC and pass it the old controller's interrupts. */
	*(volatile u32 *)0xfee000f0 = 0x1ff;
	*(volatile u32 *)0xfee00350 = 0x8700;
}

static void start_clock(void)
{
	struct {
		u16 limit;
		u32 base;
	} __attribute__((packed)) table = {
		sizeof(interrupt_table) - 1, (u32)interrupt_table
	};
	u32 divisor = 1193182 / TICKS_A_SECOND;
	int vector;

	for (vector = 0; vector < 256; vector++)
		set_gate(vector, vector == 0x20 ? on_timer : on_other);
	asm volatile("lidt %0" : : "m"(table));
	start_interrupt_controllers();
	outb(0x43, 0x34);
	outb(0x40, divisor & 0xff);
	outb(0x40, divisor >> 8);
	asm volatile("sti");
}

/* A guest that spins instead would take a whole processor of its host. */
static void wait_ticks(u32 count)
{
	u32 begin = ticks;

	while (ticks - begin < count)
		asm volatile("hlt");
}

/* ---- PCI ---- */

static u32 pci_read(int slot, int offset)
{
	outl(PCI_ADDRESS, 0x80000000u | (slot << 11) | offset);
	return inl(PCI_DATA);
}

static void pci_write(int slot, int offset, u32 value)
{
	outl(PCI_ADDRESS, 0x80000000u | (slot << 11) | offset);
	outl(PCI_DATA, value);
}

static void put_slot(int slot)
{
	put("00:");
	put_hex(slot, 2);
}

/* ---- mtty: one or two serial ports, a BAR each ---- */

static void set_up_port(u16 base)
{
	outb(base + UART_LCR, 0x03);	/* 8 bits, no parity */
	outb(base + UART_FCR, 0x07);	/* queues on and empty */
	outb(base + UART_IER, 0x00);
	outb(base + UART_SCRATCH, 0xa0 + port_count);
}

/* Where a BAR is: where the BIOS put it, or where we do when there is none. */
static u32 place(int slot, int bar, u32 size, u32 *next)
{
	u32 now = pci_read(slot, bar);
	u32 base = now & (now & 1 ? ~3u : ~15u);

	if (!base) {
		base = (*next + size - 1) & -size;
		*next = base + size;
		pci_write(slot, bar, base);
	}
	return base;
}

static void set_up_serial(int slot)
{
	int bar;
	u16 base;

	for (bar = PCI_BAR0; bar < PCI_BAR0 + 8; bar += 4) {
		if (!(pci_read(slot, bar) & 1) || port_count == MAX_PORTS)
			continue;
		base = place(slot, bar, 8, &next_io);
		pci_write(slot, PCI_COMMAND, PCI_COMMAND_IO);
		set_up_port(base);
		ports[port_count++] = base;
	}
}

static int equal(const char *one, const char *other)
{
	while (*one && *one == *other) {
		one++;
		other++;
	}
	return *one == *other;
}

/* Write a text to a port and read back what its ring then holds. */
static int echo(u16 base, const char *text, char *answer)
{
	int i;

	for (i = 0; text[i] && i < MAX_BURST; i++)
		outb(base + UART_DATA, text[i]);
	for (i = 0; i < MAX_BURST && (inb(base + UART_LSR) & UART_LSR_READY); i++)
		answer[i] = inb(base + UART_DATA);
	answer[i] = 0;
	return equal(text, answer);
}

static void put_echo(u16 base, const char *text)
{
	char answer[MAX_BURST + 1];
	int same = echo(base, text, answer);

	put(" port ");
	put_hex(base, 4);
	put(" wrote '");
	put(text);
	put("' read '");
	put(answer);
	put(same ? "' ok" : "' WRONG");
}

static void try_ports(void)
{
	u32 i;

	for (i = 0; i < port_count; i++) {
		char text[] = { 'h', 'e', 'l', 'l', 'o', '-', 0, 0 };

		text[6] = (i < 10 ? '0' : 'a' - 10) + i;
		put("guest: echo");
		put_echo(ports[i], text);
		put("\n");
	}
}

/* ---- mdpy, mbochs: a frame buffer in BAR 0 ---- */

static void try_framebuffer(int slot)
{
	const u32 pattern = 0x11223344;
	volatile u32 *pixels;
	u32 size, got, before = pci_read(slot, PCI_BAR0);

	pci_write(slot, PCI_BAR0, 0xffffffff);
	size = -(pci_read(slot, PCI_BAR0) & ~15u);
	pci_write(slot, PCI_BAR0, before);
	pixels = (volatile u32 *)place(slot, PCI_BAR0, size, &next_memory);
	pci_write(slot, PCI_COMMAND, PCI_COMMAND_MEMORY);
	pixels[0] = 0;
	pixels[size / 4 - 1] = ~pattern;
	pixels[0] = pattern;
	got = pixels[0];
	put("guest: framebuffer ");
	put_slot(slot);
	put(" size ");
	put_hex(size, 8);
	put(" wrote ");
	put_hex(pattern, 8);
	put(" read ");
	put_hex(got, 8);
	put(got == pattern && pixels[size / 4 - 1] == ~pattern ? " ok\n" : " WRONG\n");
}

/* ---- all of it ---- */

static void look_at(int slot)
{
	u32 id = pci_read(slot, 0);

	if (id == 0xffffffff || id == 0)
		return;
	put("guest: pci ");
	put_slot(slot);
	put_char(' ');
	put_hex(id & 0xffff, 4);
	put_char(':');
	put_hex(id >> 16, 4);
	put("\n");
	if (id == ID_MTTY)
		set_up_serial(slot);
	else if (id == ID_MDPY || id == ID_MBOCHS)
		try_framebuffer(slot);
}

static void tick(u32 number)
{
	char text[] = { 't', '0' + number % 10, 0 };
	u32 i;

	put("guest: tick ");
	put_decimal(number);
	for (i = 0; i < port_count; i++) {
		put_echo(ports[i], text);
		put(" scratch ");
		put_hex(inb(ports[i] + UART_SCRATCH), 2);
	}
	put("\n");
}

/* Pass a line that was typed on COM1 through each port. */
static void take_typed(void)
{
	u32 i;
	char c;

	while (inb(COM1 + UART_LSR) & UART_LSR_READY) {
		c = inb(COM1 + UART_DATA);
		if (c != '\r' && c != '\n') {
			if (typed_count < MAX_BURST)
				typed[typed_count++] = c;
			continue;
		}
		typed[typed_count] = 0;
		for (i = 0; typed_count && i < port_count; i++) {
			put("guest: typed");
			put_echo(ports[i], typed);
			put("\n");
		}
		typed_count = 0;
	}
}

/* When it was: no two starts of a guest say the same. The clock has decimals. */
static void put_clock(u8 what)
{
	outb(RTC_INDEX, what);
	put_hex(inb(RTC_DATA), 2);
}

static void put_time(void)
{
	put_clock(RTC_HOURS);
	put(":");
	put_clock(RTC_MINUTES);
	put(":");
	put_clock(RTC_SECONDS);
}

void guest_main(void)
{
	u32 number, i;
	int slot;

	next_io = FIRST_IO;
	next_memory = FIRST_MEMORY;
	start_clock();
	put("guest: firmware up at ");
	put_time();
	put("\n");
	for (slot = 0; slot < PCI_SLOTS; slot++)
		look_at(slot);
	try_ports();
	put("guest: done\n");
	for (number = 1; ; number++) {
		for (i = 0; i < TICKS_A_SECOND / 2; i++) {
			wait_ticks(1);
			take_typed();
		}
		tick(number);
	}
}
