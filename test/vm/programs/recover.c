/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What scenarios/recover.sh and module-sigbus.sh run: while a peer-to-peer copy is under way, somebody
 * else resets the controller whose memory it goes through, or clears its memory enable bit. The copy
 * ends with an error; one reset through the API later the next copy goes the same way at the same
 * address, in this same process.
 *
 * With "sigbus" the bit is cleared before the CPU touches memory that peerlane_vfio_pci then does not
 * give it: that device ends with -ENODEV, and the other one is served as before.
 *
 *     recover SRC DST flr|mem|sigbus TIMES [EAL options]
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <peerlane/pl_copy.h>
#include <peerlane/pl_eal.h>

#define COMMAND_MEM 0x02 /* of the byte at 4 of the configuration space */
#define LENGTH      (4u << 20)
#define CHUNK       (64u << 10)

static int fail(const char *what)
{
	fprintf(stderr, "recover: %s: %s\n", what, pl_errmsg());
	return -1;
}

static int sysfs_open(const char *bdf, const char *attr, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, attr);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		perror(path);
	return fd;
}

/* Behind the back of vfio, as another process would. */
static int strike(const char *bdf, bool flr)
{
	int fd = sysfs_open(bdf, flr ? "reset" : "config", flr ? O_WRONLY : O_RDWR);
	uint8_t command;
	int rc = -1;

	if (fd < 0)
		return -1;
	if (flr)
		rc = write(fd, "1", 1) == 1 ? 0 : -1;
	else if (pread(fd, &command, 1, 4) == 1) {
		command &= (uint8_t)~COMMAND_MEM;
		rc = pwrite(fd, &command, 1, 4) == 1 ? 0 : -1;
	}
	close(fd);
	return rc;
}

static struct pl_copy *copy_create(const char *src, const char *dst, enum pl_copy_via via)
{
	struct pl_copy_opts opts = {
		.opts_size = sizeof(opts),
		.via = via,
		.chunk = CHUNK,
		.depth = 4,
		.verify = true,
	};
	struct pl_nvme_ns *from = pl_nvme_ns_get(pl_nvme_ctrlr_get(src), 1);
	struct pl_nvme_ns *to = pl_nvme_ns_get(pl_nvme_ctrlr_get(dst), 1);
	struct pl_copy *job;

	if (!from || !to)
		return NULL;
	opts.src = pl_copy_ns_target(from, 0, LENGTH >> from->lba_shift);
	opts.dst = pl_copy_ns_target(to, from == to ? LENGTH >> to->lba_shift : 0, 0);
	return pl_copy_create(&opts, &job) ? NULL : job;
}

static void *heap_address(const char *dst)
{
	struct pl_p2p_heap *heap = pl_nvme_ctrlr_heap(pl_nvme_ctrlr_get(dst), PL_MEM_CMB);
	void *page = NULL;

	if (!heap || pl_p2p_alloc(heap, PL_P2P_PAGE, 0, &page))
		return NULL;
	pl_p2p_free(heap, page);
	return page;
}

/* A copy that is struck after @after bytes; it must end with an error. */
static int struck_copy(const char *src, const char *dst, bool flr, uint64_t after)
{
	struct pl_copy *job = copy_create(src, dst, PL_COPY_VIA_DST);
	struct pl_copy_stats stats;
	int rc;

	if (!job)
		return fail("the copy that is to be struck");
	do {
		rc = pl_copy_poll(job);
		pl_copy_stats(job, &stats);
	} while (rc > 0 && stats.bytes_copied < after);
	if (rc <= 0 || strike(dst, flr)) {
		pl_copy_destroy(job);
		return fail("the copy could not be struck");
	}
	while ((rc = pl_copy_poll(job)) > 0)
		;
	if (rc == 0)
		rc = fail("a copy whose memory went away succeeded");
	else
		rc = strstr(pl_errmsg(), dst) ? 0 : fail("the error does not name the device");
	pl_copy_destroy(job);
	return rc;
}

static int whole_copy(const char *src, const char *dst, enum pl_copy_via via)
{
	struct pl_copy *job = copy_create(src, dst, via);
	int rc;

	if (!job)
		return fail("the copy after it");
	if (via == PL_COPY_VIA_DST &&
	    (!pl_copy_plan(job)->p2p || !pl_copy_plan(job)->landing_check)) {
		pl_copy_destroy(job);
		return fail("the copy after it is not peer to peer");
	}
	while ((rc = pl_copy_poll(job)) > 0)
		;
	if (rc)
		fail("the copy after it");
	pl_copy_destroy(job);
	return rc;
}

/* Memory the CPU cannot have: this device fails, the other one is served. */
static int meet_sigbus(const char *src, const char *dst)
{
	struct pl_p2p_heap *heap = pl_nvme_ctrlr_heap(pl_nvme_ctrlr_get(dst), PL_MEM_CMB);
	struct pl_p2p_heap_stats before, after;
	void *p;

	pl_p2p_heap_stats(heap, &before);
	if (strike(dst, false))
		return -1;
	if (pl_p2p_alloc(heap, before.free, 0, &p) != -ENODEV || !strstr(pl_errmsg(), "SIGBUS"))
		return fail("memory whose zeroing meets SIGBUS does not end with -ENODEV");
	pl_p2p_heap_stats(heap, &after);
	if (before.free != after.free)
		return fail("memory that was refused is not free");
	if (pl_nvme_ctrlr_poll_events(pl_nvme_ctrlr_get(dst)) != -ENODEV ||
	    copy_create(src, dst, PL_COPY_VIA_DST) || !strstr(pl_errmsg(), dst))
		return fail("the device does not end with -ENODEV");
	return whole_copy(src, src, PL_COPY_VIA_HOST);
}

static int recover(const char *src, const char *dst, const char *how, unsigned int times)
{
	bool sigbus = strcmp(how, "sigbus") == 0, flr = strcmp(how, "flr") == 0;
	void *at = heap_address(dst);

	if (!at)
		return fail(dst);
	for (unsigned int i = 0; i < times; i++) {
		if (sigbus ? meet_sigbus(src, dst)
			   : struck_copy(src, dst, flr, (i % 16) * (LENGTH / 32)))
			return -1;
		if (pl_nvme_ctrlr_reset(pl_nvme_ctrlr_get(dst)))
			return fail("reset");
		if (heap_address(dst) != at)
			return fail("its memory has another address");
		if (whole_copy(src, dst, PL_COPY_VIA_DST))
			return -1;
	}
	printf("%u of %u times the next copy went peer to peer at the same address %p, verified\n",
	       times, times, at);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long times = argc > 4 ? strtoul(argv[4], NULL, 10) : 0;
	int rc;

	if (times == 0) {
		fprintf(stderr, "usage: recover SRC DST flr|mem|sigbus TIMES [EAL options]\n");
		return 2;
	}
	argv[4] = argv[0];
	if (pl_eal_init(argc - 4, argv + 4) < 0) {
		fprintf(stderr, "recover: %s\n", pl_errmsg());
		return 2;
	}
	rc = recover(argv[1], argv[2], argv[3], (unsigned int)times);
	pl_eal_cleanup();
	return rc ? 1 : 0;
}
