/* SPDX-License-Identifier: BSD-3-Clause */
/* What people type. strtoull() and sscanf() take blanks and signs and wrap, so digits are read here. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <peerlane/pl_parse.h>

#include "pl_log.h"

static unsigned int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned int)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned int)(c - 'A') + 10;
	return 16;
}

/* Moves *@text behind the digits. */
static int digits(const char **text, unsigned int base, uint64_t *value)
{
	const char *p = *text;
	uint64_t v = 0;

	for (; digit_of(*p) < base; p++)
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)digit_of(*p), &v))
			return -ERANGE;
	if (p == *text)
		return -EINVAL;
	*text = p;
	*value = v;
	return 0;
}

static int refuse(int rc, const char *text, const char *form)
{
	if (rc == -ERANGE)
		return pl_fail(rc, "'%s' is more than 64 bits hold", text);
	return pl_fail(rc, "'%s' is not %s", text, form);
}

int pl_u64_parse(const char *text, uint64_t *value)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *at = text + (hex ? 2 : 0);
	uint64_t v;
	int rc = digits(&at, hex ? 16 : 10, &v);

	if (rc == 0 && *at)
		rc = -EINVAL;
	if (rc)
		return refuse(rc, text, "a number such as 123 or 0x7b");
	*value = v;
	return 0;
}

/* Multiplies by the unit that *@text begins with, if any, and moves behind it. */
static int unit(const char **text, uint64_t *v)
{
	static const char units[] = "KMGT";
	const char *at = **text ? strchr(units, toupper((unsigned char)**text)) : NULL;

	if (!at)
		return 0;
	(*text)++;
	if (strncmp(*text, "iB", 2) == 0)
		*text += 2;
	else if (**text == 'B')
		(*text)++;
	return __builtin_mul_overflow(*v, 1ull << 10 * (at - units + 1), v) ? -ERANGE : 0;
}

int pl_size_parse(const char *text, uint64_t *bytes)
{
	const char *at = text;
	uint64_t v;
	int rc = digits(&at, 10, &v);

	if (rc == 0)
		rc = unit(&at, &v);
	if (*at && rc != -ERANGE)
		rc = -EINVAL;
	if (rc)
		return refuse(rc, text, "a size such as 4096, 64K or 1GiB");
	*bytes = v;
	return 0;
}

/* Reads @min to @max hexadecimal digits and the @stop behind them (0: nothing need follow). */
static bool field(const char **text, int min, int max, char stop, uint32_t *value)
{
	const char *p = *text;
	uint32_t v = 0;
	int n = 0;

	for (; n < max && digit_of(p[n]) < 16; n++)
		v = v << 4 | digit_of(p[n]);
	if (n < min || (stop && p[n] != stop) || (!stop && digit_of(p[n]) < 16))
		return false;
	*text = p + n + (stop ? 1 : 0);
	*value = v;
	return true;
}

int pl_pci_addr_parse(const char *text, const char **end, struct pl_pci_addr *addr)
{
	uint32_t domain = 0, bus, dev, fn;
	const char *at = text;

	if (!field(&at, 4, 8, ':', &domain))
		domain = 0;
	if (!field(&at, 2, 2, ':', &bus) || !field(&at, 2, 2, '.', &dev) || dev > 0x1f ||
	    !field(&at, 1, 1, '\0', &fn) || fn > 7 || (!end && *at))
		return refuse(-EINVAL, text, "a PCI address such as 0000:01:00.0 or 01:00.0");
	*addr = (struct pl_pci_addr){ domain, (uint8_t)bus, (uint8_t)dev, (uint8_t)fn };
	if (end)
		*end = at;
	return 0;
}

char *pl_pci_addr_format(const struct pl_pci_addr *addr, char buf[PL_PCI_ADDR_LEN])
{
	snprintf(buf, PL_PCI_ADDR_LEN, "%04x:%02x:%02x.%x", addr->domain, addr->bus,
		 addr->dev & 0x1fu, addr->fn & 7u);
	return buf;
}
