/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What nvme_prp2() writes, judged by a walker that follows the text of 4.3 and nothing else, for
 * every shape of list up to 4 MiB.
 */
#include "fixture.h"

#include "nvme_pcie.h"

struct walk {
	uint64_t addr[1100]; /* of every page, and how many bytes of it */
	uint32_t len[1100];
	uint32_t n;
	uint32_t lists; /* list pages visited */
};

static void walk_entry(struct walk *w, uint64_t entry, size_t *left)
{
	uint32_t in_page = PAGE - (uint32_t)(entry % PAGE);

	if (w->n > 0)
		assert_int_equal(entry % PAGE, 0); /* only PRP1 may have an offset */
	assert_true(w->n < RTE_DIM(w->addr));
	w->addr[w->n] = entry;
	w->len[w->n] = *left < in_page ? (uint32_t)*left : in_page;
	*left -= w->len[w->n++];
}

/* 4.3: PRP2 is reserved, a second page, or a pointer to a list, by how many pages are left. A list
 * ends with its data; where its page ends before, the last entry of the page is the next list. */
static void walk(struct walk *w, uint64_t prp1, uint64_t prp2, size_t len, uint64_t pool,
		 size_t pool_len)
{
	const uint64_t *list;
	size_t left = len;

	w->n = 0;
	w->lists = 0;
	assert_int_equal(prp1 % 4, 0);
	walk_entry(w, prp1, &left);
	if (left == 0) {
		assert_int_equal(prp2, 0);
		return;
	}
	if (left <= PAGE) {
		walk_entry(w, prp2, &left);
		return;
	}
	assert_int_equal(prp2 % 8, 0);
	list = (const uint64_t *)(uintptr_t)prp2;
	w->lists = 1;
	while (left) {
		uint64_t at = (uintptr_t)list;

		/* Never outside what this command owns. */
		assert_in_range(at, pool, pool + pool_len - 8);
		if (at % PAGE == PAGE - 8 && left > PAGE) {
			assert_int_equal(*list % PAGE, 0); /* a list page after the first */
			list = (const uint64_t *)(uintptr_t)*list;
			w->lists++;
			continue;
		}
		walk_entry(w, *list++, &left);
	}
}

/* A queue pair that is a PRP pool and nothing else. */
static void pool_open(struct pl_nvme_qpair *qp, uint32_t max_xfer)
{
	memset(qp, 0, sizeof(*qp));
	qp->max_xfer = max_xfer;
	qp->prp_stride = nvme_prp_list_bytes(max_xfer);
	qp->prp_pool = aligned_alloc(PAGE, RTE_ALIGN_CEIL(5 * qp->prp_stride, PAGE));
	assert_non_null(qp->prp_pool);
	memset(qp->prp_pool, 0xee, RTE_ALIGN_CEIL(5 * qp->prp_stride, PAGE));
}

static void check_list(struct pl_nvme_qpair *qp, uint32_t cid, uint64_t va, size_t len)
{
	uint64_t pool = (uintptr_t)qp->prp_pool + (uint64_t)cid * qp->prp_stride;
	uint64_t prp2 = nvme_prp2(qp, cid, va, len), at = va;
	static struct walk w;

	walk(&w, va, prp2, len, pool, qp->prp_stride);
	for (uint32_t i = 0; i < w.n; i++) {
		assert_int_equal(w.addr[i], at); /* the pages of the buffer, in order */
		at += w.len[i];
	}
	assert_int_equal(at, va + len);
}

static void assert_poison(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		assert_int_equal(p[i], 0xee);
}

static void test_lists_by_the_book(void **state)
{
	static const uint32_t limits[] = { 4096,       8192,       12288,    65536,
					   128u << 10, 2044 << 10, 2u << 20, 2052 << 10,
					   3u << 20,   4092 << 10, 4u << 20 };
	static const uint32_t offsets[] = { 0, 4, 8, 512, 2048, 4088, 4092 };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(limits); i++) {
		static struct pl_nvme_qpair qp;
		uint32_t max = limits[i];

		pool_open(&qp, max);
		for (size_t o = 0; o < RTE_DIM(offsets); o++) {
			uint64_t va = 0x7f0012340000ull + offsets[o];

			/* Around every page count that changes the list's shape. */
			for (uint32_t pages = 1; pages <= max / PAGE + 1; pages++) {
				static const int64_t around[] = { -4096, -8, -4, 0, 4, 8 };

				if (pages > 6 && pages < 508 && pages % 61)
					continue;
				for (size_t a = 0; a < RTE_DIM(around); a++) {
					int64_t len = (int64_t)pages * PAGE + around[a];

					if (len > 0 && len <= max)
						check_list(&qp, 2, va, (size_t)len);
				}
			}
		}
		/* Its neighbours' lists were not touched. */
		assert_poison(qp.prp_pool, 2 * qp.prp_stride);
		assert_poison(qp.prp_pool + 3 * qp.prp_stride, 2 * qp.prp_stride);
		free(qp.prp_pool);
	}
}

/* The longest list of each limit fits what nvme_prp_list_bytes() says, and uses its last page. */
static void test_list_bytes(void **state)
{
	(void)state;
	for (uint32_t max = PAGE; max <= MIB(4); max += PAGE) {
		static struct pl_nvme_qpair qp;
		static struct walk w;
		uint64_t prp2;

		pool_open(&qp, max);
		assert_true(qp.prp_stride % 8 == 0 && qp.prp_stride >= max / PAGE * 8);
		/* A list starts nowhere but in its own page: 4 KiB and less divide a page. */
		assert_int_equal(qp.prp_stride < PAGE ? PAGE % qp.prp_stride : qp.prp_stride % PAGE,
				 0);
		prp2 = nvme_prp2(&qp, 1, 0x10000ffcull, max);
		walk(&w, 0x10000ffcull, prp2, max, (uintptr_t)qp.prp_pool + qp.prp_stride,
		     qp.prp_stride);
		assert_int_equal(w.n, max / PAGE + 1);
		if (max > PAGE)
			assert_int_equal(w.lists, RTE_MAX(qp.prp_stride / PAGE, 1u));
		assert_poison(qp.prp_pool, qp.prp_stride);
		assert_poison(qp.prp_pool + 2 * qp.prp_stride, qp.prp_stride);
		free(qp.prp_pool);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists_by_the_book),
		cmocka_unit_test(test_list_bytes),
	};

	return cmocka_run_group_tests_name("prp_list", tests, NULL, NULL);
}
