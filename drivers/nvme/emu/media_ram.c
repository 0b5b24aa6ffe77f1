/* SPDX-License-Identifier: BSD-3-Clause */
/* A namespace in anonymous memory: what was never written, or was given back, reads as zeros. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "media.h"
#include "pl_alloc.h"
#include "pl_log.h"

struct media_ram {
	struct emu_media m;
	uint8_t *base;
};

/* Below this, clearing pages costs less than dropping them and faulting them in again. */
#define RAM_DROP_MIN (1024ul * 1024)
#define RAM_PAGE     4096u

static uint8_t *ram_at(struct emu_media *m, uint64_t off)
{
	return ((struct media_ram *)m)->base + off;
}

static int ram_read(struct emu_media *m, uint64_t off, const struct iovec *iov, uint32_t n)
{
	const uint8_t *p = ram_at(m, off);

	for (uint32_t i = 0; i < n; i++) {
		memcpy(iov[i].iov_base, p, iov[i].iov_len);
		p += iov[i].iov_len;
	}
	return 0;
}

static int ram_write(struct emu_media *m, uint64_t off, const struct iovec *iov, uint32_t n)
{
	uint8_t *p = ram_at(m, off);

	for (uint32_t i = 0; i < n; i++) {
		memcpy(p, iov[i].iov_base, iov[i].iov_len);
		p += iov[i].iov_len;
	}
	return 0;
}

static int ram_compare(struct emu_media *m, uint64_t off, const struct iovec *iov, uint32_t n)
{
	const uint8_t *p = ram_at(m, off);

	for (uint32_t i = 0; i < n; i++) {
		if (memcmp(p, iov[i].iov_base, iov[i].iov_len) != 0)
			return 1;
		p += iov[i].iov_len;
	}
	return 0;
}

static int ram_zero(struct emu_media *m, uint64_t off, uint64_t len, bool deallocate)
{
	uint8_t *p = ram_at(m, off);
	uint64_t head = -off % RAM_PAGE;
	uint64_t inner;

	/* Fresh anonymous pages are zeros, so dropping them serves both purposes. */
	if (len >= RAM_DROP_MIN || (deallocate && len >= head + RAM_PAGE)) {
		inner = (len - head) / RAM_PAGE * RAM_PAGE;
		if (madvise(p + head, inner, MADV_DONTNEED) == 0) {
			memset(p, 0, head);
			memset(p + head + inner, 0, len - head - inner);
			return 0;
		}
	}
	memset(p, 0, len);
	return 0;
}

static int ram_copy(struct emu_media *m, uint64_t dst, uint64_t src, uint64_t len)
{
	memmove(ram_at(m, dst), ram_at(m, src), len);
	return 0;
}

static int ram_flush(struct emu_media *m)
{
	(void)m;
	return 0;
}

static void ram_close(struct emu_media *m)
{
	struct media_ram *r = (struct media_ram *)m;

	munmap(r->base, m->size);
	free(r);
}

static const struct emu_media_ops ram_ops = {
	.read = ram_read,
	.write = ram_write,
	.compare = ram_compare,
	.zero = ram_zero,
	.copy = ram_copy,
	.flush = ram_flush,
	.close = ram_close,
};

int emu_media_ram_open(const char *dev, uint64_t size, bool populate, struct emu_media **media)
{
	struct media_ram *r = eal_calloc(1, sizeof(*r));
	void *base;

	if (r == NULL)
		return pl_fail(-ENOMEM, "%s: no memory for a namespace", dev);
	base = eal_mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED) {
		free(r);
		return pl_fail(-ENOMEM,
			       "%s: no %llu bytes of memory for a namespace; give a smaller size= "
			       "or path=FILE",
			       dev, (unsigned long long)size);
	}
	/* Only advice: without huge pages it is slower, not wrong. */
	(void)madvise(base, size, MADV_HUGEPAGE);
	if (populate && madvise(base, size, MADV_POPULATE_WRITE)) {
		int err = errno;

		munmap(base, size);
		free(r);
		return pl_fail(err == EINVAL ? -ENOTSUP : -ENOMEM,
			       "%s: populate=1: %s; it needs Linux 5.14 and %llu bytes of memory",
			       dev, strerror(err), (unsigned long long)size);
	}
	r->base = base;
	r->m.ops = &ram_ops;
	r->m.size = size;
	*media = &r->m;
	return 0;
}
