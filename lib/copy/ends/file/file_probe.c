/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Can the device under a file reach this peer's memory? The kernel decides that when it maps the
 * buffer of a request, so one O_DIRECT read into the memory in question is the question. It is a
 * read for destinations as well: a write takes the same mapping, and must not happen before the
 * user's.
 *
 * What the kernel answers where there is no way: EFAULT for a mapping without pages (a BAR as
 * vfio-pci maps it), EREMOTEIO or EINVAL for pages of a device that this block device cannot reach
 * (its driver does no peer to peer, or the host bridge is not on the kernel's list).
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_random.h>

#include <peerlane/pl_devmem.h>

#include "copy_file.h"
#include "pl_alloc.h"
#include "pl_inject.h"
#include "pl_log.h"
#include "vfio_p2pmem.h"

/* As for chunks: see landing.c. */
#define LANDING_RETRIES 10000u

/* A descriptor of a block device by its number, for reading past its cache; -1: not to be had. */
static int open_block(dev_t dev)
{
	char path[64], node[88], line[80];
	struct stat st;
	int fd = -1;
	FILE *in;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/uevent", major(dev), minor(dev));
	in = fopen(path, "re");
	if (!in)
		return -1;
	while (fd < 0 && fgets(line, sizeof(line), in)) {
		if (strncmp(line, "DEVNAME=", 8))
			continue;
		snprintf(node, sizeof(node), "/dev/%.*s", (int)strcspn(line + 8, "\n"), line + 8);
		fd = open(node, O_RDONLY | O_DIRECT | O_CLOEXEC);
	}
	fclose(in);
	if (fd >= 0 && (fstat(fd, &st) || st.st_rdev != dev)) {
		close(fd);
		return -1;
	}
	return fd;
}

int file_first_block(const struct pl_copy_file *file, int *fd, int *opened, off_t *at)
{
	off_t data = lseek(file->fd, 0, SEEK_DATA);

	*opened = -1;
	*fd = file->fd;
	*at = RTE_ALIGN_FLOOR(data, (off_t)file->align);
	if (file->block) /* for those the answer is that all is data */
		*at = 0;
	if (file->block || data >= 0)
		return 0;
	/* Holes are filled by the CPU, so an empty file proves nothing; what it lies on does. */
	if (!file->bdev)
		return -ENOENT;
	*opened = open_block(file->bdev);
	if (*opened < 0)
		return -ENOENT;
	*fd = *opened;
	*at = 0;
	return 0;
}

/* The read, with a nonce where its last 8 bytes must arrive. Returns 0, a negative errno of the
 * read, or -ENOMSG if the data did not arrive. */
static int read_into(int fd, off_t at, uint8_t *buf, size_t len)
{
	uint64_t *last, nonce = rte_rand();
	ssize_t n;

	for (size_t i = 8; i <= len; i += 8)
		pl_devmem_write64(buf + i - 8, nonce);
	if (pl_devmem_read64(buf + len - 8) != nonce)
		return -ENOMSG;
	n = pread(fd, buf, len, at);
	if (n < 0)
		return -errno;
	if (n < 8)
		return 0; /* a few bytes arrived somehow */
	last = (uint64_t *)(void *)(buf + RTE_ALIGN_FLOOR((size_t)n, 8) - 8);
	for (unsigned int i = 0; i < LANDING_RETRIES; i++)
		if (pl_devmem_read64(last) != nonce)
			return 0;
	return -ENOMSG;
}

static int no_way(const struct pl_copy_file *file, const char *provider, int err)
{
	char remedy[160] = "";
	const char *why =
		err == EFAULT ? "that mapping has no pages that the kernel can hand to its driver: "
		: err == ENOMSG ? "the read completed, but the data did not arrive"
				: "no peer-to-peer path between the two devices, or their host "
				  "bridge is not on the kernel's list";

	if (err == EFAULT)
		vfio_p2pmem_remedy(provider, remedy, sizeof(remedy));
	return pl_fail(-EREMOTEIO,
		       "the kernel's driver cannot read %s into the memory of %s (%s): %s%s",
		       file->name, provider, strerror(err), why, remedy);
}

/* An errno that may be the memory's fault is only so if the same read into host memory works. */
static int judge(const struct pl_copy_file *file, const char *provider, int fd, off_t at,
		 size_t len, int err)
{
	void *host = eal_aligned_alloc(PL_P2P_PAGE, len);
	int rc;

	if (!host)
		return pl_fail(-ENOMEM, "no memory for a block of %s", file->name);
	rc = read_into(fd, at, host, len);
	free(host);
	if (rc == 0)
		return no_way(file, provider, err);
	return pl_fail(-EIO, "%s cannot be read: %s", file->name,
		       strerror(rc == -ENOMSG ? EIO : -rc));
}

int file_probe(const struct pl_copy_file *file, struct pl_p2p_heap *heap, const char *provider)
{
	size_t len = RTE_MAX((size_t)file->align, (size_t)PL_P2P_PAGE);
	int fd, opened, rc;
	void *scratch;
	off_t at;

	if (!file->direct)
		return pl_fail(-EREMOTEIO,
			       "%s is on %s, where no block device is seen that could do "
			       "the DMA",
			       file->name, file->fs);
	if (file_first_block(file, &fd, &opened, &at)) {
		PL_LOG(INFO,
		       "%s has no data and its block device cannot be read: whether it reaches "
		       "the memory of %s is seen at the first command",
		       file->name, provider);
		return 0;
	}
	rc = pl_inject_hit() ? pl_fail(-ENOMEM, "no memory of %s to try", provider)
			     : pl_p2p_alloc(heap, len, 0, &scratch);
	if (rc == 0) {
		rc = read_into(fd, at, scratch, len);
		if (rc)
			rc = judge(file, provider, fd, at, len, -rc);
		pl_p2p_free(heap, scratch);
	}
	if (opened >= 0)
		close(opened);
	return rc;
}
