/* SPDX-License-Identifier: BSD-3-Clause */
/* The emulated controller's --vdev arguments, its file backing, and how it fails to start. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu_host.h"
#include "pl_inject.h"

static char dir[] = "/tmp/peerlane-test-emu-XXXXXX";
static char file[128], other[128];

static int setup(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(file, sizeof(file), "%s/disk", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(file);
	unlink(other);
	return rmdir(dir);
}

static void make_file(off_t size, int byte)
{
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char block[PAGE];

	memset(block, byte, sizeof(block));
	assert_true(fd >= 0);
	for (off_t off = 0; off < size; off += PAGE)
		assert_int_equal(pwrite(fd, block, PAGE, off), PAGE);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static int file_byte(off_t off)
{
	int fd = open(file, O_RDONLY);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, off), 1);
	close(fd);
	return byte;
}

struct bad_arg {
	const char *args;
	const char *names; /* what the message must name */
};

static void bad_arguments(void **state)
{
	static const struct bad_arg bad[] = {
		{ "", "neither size= nor path=" },
		{ "bs=512", "neither size= nor path=" },
		{ "size=0", "size=0" },
		{ "size=-1", "size=-1" },
		{ "size=+1M", "size=+1M" },
		{ "size=", "size" },
		{ "size", "size" },
		{ "size=M", "size=M" },
		{ "size=1Q", "size=1Q" },
		{ "size=1MX", "size=1MX" },
		{ "size=1M ", "size=1M " },
		{ "size=0x1000", "size=0x1000" },
		{ "size=1.5G", "size=1.5G" },
		{ "size=18446744073709551616", "size=18446744073709551616" },
		{ "size=16777216T", "size=16777216T" },
		{ "size=8388608T", "size=8388608T" },
		{ "size=1000", "not a multiple of bs=512" },
		{ "size=512,bs=4096", "not a multiple of bs=4096" },
		{ "size=1M,size=1M", "size= is given twice" },
		{ "size=1M,sise=1M", "'sise'" },
		{ "size=1M,SIZE=1M", "'SIZE'" },
		{ "size=1M,subsys=s", "subsys=s needs path=" },
		{ "path=none,subsys=", "subsys" },
		{ "size=1M,bs=0", "bs=0" },
		{ "size=1M,bs=256", "bs=256" },
		{ "size=1M,bs=513", "bs=513" },
		{ "size=1M,bs=131072", "bs=131072" },
		{ "size=1M,cmb=0", "cmb=0" },
		{ "size=1M,cmb=4097", "cmb=4097" },
		{ "size=1M,cmb=5000000004K", "cmb=5120000004096" },
		{ "size=1M,cmb=4G,cmboff=4K", "cmboff=4096" },
		{ "size=1M,cmboff=4K", "need cmb=" },
		{ "size=1M,cmbflags=sqs", "need cmb=" },
		{ "size=1M,cmbs=0", "need cmb=" },
		{ "size=1M,cmb=1M,cmboff=5", "cmboff=5" },
		{ "size=1M,cmb=1M,cmbflags=sqs:xyz", "cmbflags=sqs:xyz" },
		{ "size=1M,cmb=1M,cmbflags=sqs:sqs", "cmbflags=sqs:sqs" },
		{ "size=1M,cmb=1M,cmbflags=sqs:", "cmbflags=sqs:" },
		{ "size=1M,cmb=1M,cmbs=2", "cmbs=2" },
		{ "size=1M,pmr=100", "pmr=100" },
		{ "size=1M,mdts=4096", "mdts=4096" },
		{ "size=1M,mdts=12K", "mdts=12K" },
		{ "size=1M,mdts=1G", "mdts=1G" },
		{ "size=1M,queues=0", "queues=0" },
		{ "size=1M,queues=65", "queues=65" },
		{ "size=1M,queues=1K", "queues=1K" },
		{ "size=1M,queues=two", "queues=two" },
		{ "size=1M,ns=0", "ns=0" },
		{ "size=1M,ns=33", "ns=33" },
		{ "size=1M,mqes=1", "mqes=1" },
		{ "size=1M,mqes=65537", "mqes=65537" },
		{ "size=1M,dstrd=5", "dstrd=5" },
		{ "size=1M,cqr=yes", "cqr=yes" },
		{ "size=1M,drop=0", "drop=0" },
		{ "size=1M,err=-3", "err=-3" },
		{ "path=/nonexistent/disk", "path=/nonexistent/disk" },
		{ "path=/tmp", "path=/tmp" },
		{ "path=/dev/null", "path=/dev/null" },
		{ "path=/tmp,ns=2", "ns=2" },
	};
	const struct nvme_func_ops *ops = nvme_func_find("nvme_emu0");
	struct nvme_func *t;
	struct pl_ioas *ioas;

	(void)state;
	assert_int_equal(pl_ioas_create("soft", "", &ioas), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct bad_arg *b = &bad[i];

		if (ops->check("nvme_emu7", b->args) != -EINVAL)
			fail_msg("check took '%s'", b->args);
		if (strstr(pl_errmsg(), b->names) == NULL ||
		    strstr(pl_errmsg(), "nvme_emu7") == NULL || strchr(pl_errmsg(), '\n') != NULL)
			fail_msg("'%s': %s", b->args, pl_errmsg());
		if (ops->probe("nvme_emu7", b->args, ioas, &t) != -EINVAL)
			fail_msg("probe took '%s'", b->args);
	}
	pl_ioas_destroy(ioas);
}

static void good_arguments(void **state)
{
	static const char *const good[] = {
		"size=512",
		"size=1MiB,bs=4kB",
		"size=1m,bs=4k,mdts=0,queues=64,ns=32,mqes=65536,dstrd=4,cqr=0",
		"size=1g,cmb=64M,pmr=64M,cmboff=1M,cmbflags=wds:rds:lists:cqs:sqs,cmbs=1",
		"drop=5,err=7,size=3K,mqes=2,queues=1,mdts=8K",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct host h;

		host_open(&h, good[i]);
		host_close(&h);
	}
}

static void io_byte(struct host *h, struct hqueue *q, uint8_t opc, uint64_t slba, uint8_t *buf,
		    uint16_t want)
{
	struct pl_nvme_sqe sqe = sqe_rw(opc, slba, 1);

	sqe.prp1 = iova(buf);
	assert_int_equal(host_exec(h, q, &sqe), want);
}

/* What was written is in the file, and is there again for the next device; the rest is untouched.
 */
static void file_persists(void **state)
{
	struct pl_nvme_sqe sqe = { .opc = NVME_CMD_FLUSH, .nsid = 1 };
	struct hqueue q;
	struct host h;
	char args[160];
	uint8_t *buf;

	(void)state;
	make_file(MIB(1), 0xaa);
	snprintf(args, sizeof(args), "path=%s,bs=4096", file);
	host_open(&h, args);
	host_enable(&h);
	host_create_io(&h, &q, 1, 8);
	buf = host_pages(&h, 2);
	memset(buf, 0x17, PAGE);
	io_byte(&h, &q, NVME_CMD_WRITE, 3, buf, NVME_SC_SUCCESS);
	io_byte(&h, &q, NVME_CMD_COMPARE, 3, buf, NVME_SC_SUCCESS);
	io_byte(&h, &q, NVME_CMD_COMPARE, 4, buf, NVME_SC_COMPARE_FAILURE);
	io_byte(&h, &q, NVME_CMD_WRITE, 256, buf, NVME_SC_LBA_OUT_OF_RANGE);
	assert_int_equal(host_exec(&h, &q, &sqe), NVME_SC_SUCCESS);
	assert_int_equal(file_byte(3 * PAGE - 1), 0xaa);
	assert_int_equal(file_byte(3 * PAGE), 0x17);
	assert_int_equal(file_byte(4 * PAGE - 1), 0x17);
	assert_int_equal(file_byte(4 * PAGE), 0xaa);

	sqe = sqe_rw(NVME_CMD_WRITE_ZEROES, 8, 2);
	assert_int_equal(host_exec(&h, &q, &sqe), NVME_SC_SUCCESS);
	sqe = sqe_rw(NVME_CMD_WRITE_ZEROES, 10, 1);
	sqe.cdw12 |= 1u << 25;
	assert_int_equal(host_exec(&h, &q, &sqe), NVME_SC_SUCCESS);
	/* Copy onto itself, forwards and backwards, by more than one block. */
	for (uint8_t i = 0; i < 4; i++) {
		memset(buf, 0x20 + i, PAGE);
		io_byte(&h, &q, NVME_CMD_WRITE, 20u + i, buf, NVME_SC_SUCCESS);
	}
	*(struct pl_nvme_copy_range *)(void *)buf =
		(struct pl_nvme_copy_range){ .slba = 20, .nlb = 3 };
	sqe = sqe_rw(NVME_CMD_COPY, 22, 1);
	sqe.prp1 = iova(buf);
	assert_int_equal(host_exec(&h, &q, &sqe), NVME_SC_SUCCESS);
	host_close(&h);

	for (off_t i = 8; i < 11; i++)
		assert_int_equal(file_byte(i * PAGE + 77), 0);
	assert_int_equal(file_byte(7 * PAGE), 0xaa);
	assert_int_equal(file_byte(11 * PAGE), 0xaa);
	for (off_t i = 0; i < 4; i++)
		assert_int_equal(file_byte((22 + i) * PAGE), 0x20 + i);
	host_open(&h, args);
	host_enable(&h);
	host_create_io(&h, &q, 1, 8);
	buf = host_pages(&h, 1);
	io_byte(&h, &q, NVME_CMD_READ, 3, buf, NVME_SC_SUCCESS);
	assert_int_equal(buf[0], 0x17);
	assert_int_equal(buf[PAGE - 1], 0x17);
	/* A medium that shrinks behind the device's back fails reads instead of inventing data. */
	assert_int_equal(truncate(file, 2 * PAGE), 0);
	io_byte(&h, &q, NVME_CMD_READ, 3, buf, NVME_SC_UNRECOVERED_READ);
	host_close(&h);
}

static void file_sizes(void **state)
{
	const struct nvme_func_ops *ops = nvme_func_find("nvme_emu0");
	struct stat st;
	char args[160];

	(void)state;
	make_file(PAGE + 512, 1);
	snprintf(args, sizeof(args), "path=%s,size=1M", file);
	assert_int_equal(ops->check("nvme_emu0", args), -EINVAL);
	assert_non_null(strstr(pl_errmsg(), "is too small: has 4608, needs 1048576; truncate -s "
					    "1048576"));
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_size, PAGE + 512);
	snprintf(args, sizeof(args), "path=%s,bs=4096", file);
	assert_int_equal(ops->check("nvme_emu0", args), -EINVAL);
	snprintf(args, sizeof(args), "path=%s,bs=4096,size=4096", file);
	assert_int_equal(ops->check("nvme_emu0", args), 0);
	make_file(0, 1);
	snprintf(args, sizeof(args), "path=%s", file);
	assert_int_equal(ops->check("nvme_emu0", args), -EINVAL);
}

/* One file is one namespace, by whatever name it is called; it is free again afterwards. */
static void one_device_per_file(void **state)
{
	struct nvme_func *t;
	struct host h, again;
	char args[160], args2[160];

	(void)state;
	make_file(MIB(1), 0);
	snprintf(args, sizeof(args), "path=%s", file);
	snprintf(args2, sizeof(args2), "path=%s", other);
	host_open(&h, args);
	assert_int_equal(h.ops->probe("nvme_emu1", args, h.ioas, &t), -EINVAL);
	assert_non_null(strstr(pl_errmsg(), "in use by another emulated device"));
	assert_int_equal(symlink(file, other), 0);
	assert_int_equal(h.ops->probe("nvme_emu1", args2, h.ioas, &t), -EINVAL);
	unlink(other);
	assert_int_equal(link(file, other), 0);
	assert_int_equal(h.ops->probe("nvme_emu1", args2, h.ioas, &t), -EINVAL);
	host_close(&h);
	host_open(&again, args2);
	host_close(&again);
	unlink(other);
}

/* Controllers of a subsystem share the file; the last that has it gives it back. */
static void one_file_per_subsystem(void **state)
{
	struct nvme_func *t;
	struct host h;
	char args[160], args2[192];
	struct stat st;
	dev_t dev;
	ino_t ino;

	(void)state;
	make_file(MIB(1), 0);
	assert_int_equal(stat(file, &st), 0);
	snprintf(args, sizeof(args), "path=%s,subsys=s", file);
	snprintf(args2, sizeof(args2), "path=%s,subsys=other", file);
	host_open(&h, args);
	assert_true(h.ops->backing(h.t, 1, &dev, &ino));
	assert_int_equal(dev, st.st_dev);
	assert_int_equal(ino, st.st_ino);
	assert_false(h.ops->backing(h.t, 2, &dev, &ino));
	assert_int_equal(h.ops->probe("nvme_emu1", args2, h.ioas, &t), -EINVAL);
	assert_non_null(strstr(pl_errmsg(), "in use by another emulated device"));
	assert_int_equal(h.ops->probe("nvme_emu1", args, h.ioas, &t), 0);
	h.ops->remove(t);
	assert_int_equal(h.ops->probe("nvme_emu1", args2, h.ioas, &t), -EINVAL);
	host_close(&h);
	host_open(&h, args2);
	host_close(&h);
	host_open(&h, "size=1M");
	assert_false(h.ops->backing(h.t, 1, &dev, &ino));
	host_close(&h);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Each step of bring-up made to fail in turn: the error arrives, nothing stays behind. */
static void sweep_probe(const char *args)
{
	const struct nvme_func_ops *ops = nvme_func_find("nvme_emu0");
	struct nvme_func *t;
	struct pl_ioas *ioas;
	unsigned int n = 0;
	int fds, err;

	assert_int_equal(pl_ioas_create("soft", "", &ioas), 0);
	fds = open_fds();
	do {
		pl_inject_arm(++n);
		err = ops->probe("nvme_emu0", args, ioas, &t);
		if (err == 0) {
			assert_false(pl_inject_fired());
			ops->remove(t);
		} else {
			assert_int_equal(err, -ENOMEM);
			assert_true(pl_inject_fired());
		}
		assert_int_equal(open_fds(), fds);
	} while (err != 0);
	pl_inject_arm(0);
	assert_true(n > 8);
	pl_ioas_destroy(ioas);
}

static void probe_unwinds(void **state)
{
	char args[160];

	(void)state;
	sweep_probe("size=1M,ns=2,cmb=1M,pmr=1M");
	make_file(MIB(1), 0);
	snprintf(args, sizeof(args), "path=%s,cmb=1M", file);
	sweep_probe(args);
}

static void attach_unwinds(void **state)
{
	struct pl_ioas_stats before, after;
	unsigned int n = 0;
	struct host h;
	void *va;
	int err;

	(void)state;
	host_open(&h, "size=1M,cmb=1M");
	va = mmap(NULL, MIB(1), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(va, MAP_FAILED);
	pl_ioas_stats(h.ioas, &before);
	do {
		pl_inject_arm(++n);
		err = h.ops->mem_attach(h.t, 4, 0, MIB(1), va, PL_MEM_CMB);
		pl_ioas_stats(h.ioas, &after);
		assert_int_equal(after.mappings, before.mappings + (err == 0));
	} while (err == -ENOMEM);
	pl_inject_arm(0);
	assert_int_equal(err, 0);
	assert_true(n > 1);
	host_detach(&h, va, MIB(1));
	host_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_arguments),       cmocka_unit_test(good_arguments),
		cmocka_unit_test(file_persists),       cmocka_unit_test(file_sizes),
		cmocka_unit_test(one_device_per_file), cmocka_unit_test(one_file_per_subsystem),
		cmocka_unit_test(probe_unwinds),       cmocka_unit_test(attach_unwinds),
	};

	return cmocka_run_group_tests(tests, setup, teardown) != 0;
}
