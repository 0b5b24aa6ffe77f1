/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What may be opened as an end of a copy, what a plan with a file refuses, and whether the kernel's
 * driver reaches a controller's memory: its answers are played to the library, which asks by
 * pread().
 */
#include "file_dir.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "copy_end.h"
#include "ends/file/copy_file.h"

#define LEN MIB(1)

static uint8_t *data;

/* ---- pread() as the kernel may answer it ---- */

ssize_t __real_pread64(int fd, void *buf, size_t len, off_t at);
ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t at);

/* An errno for reads into a peer's memory, and one for those into host memory; ENOMSG: the read
 * ends well and moves nothing. */
static struct {
	int peer, host;
	unsigned int reads;
} played;

ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t at)
{
	struct pl_mem_info info;
	bool peer = pl_mem_lookup(buf, &info) == 0 && info.kind != PL_MEM_HOST;
	int err = peer ? played.peer : played.host;

	if (!(fcntl(fd, F_GETFL) & O_DIRECT))
		return __real_pread64(fd, buf, len, at); /* something else */
	played.reads++;
	if (err == ENOMSG)
		return (ssize_t)len;
	if (err) {
		errno = err;
		return -1;
	}
	return __real_pread64(fd, buf, len, at);
}

/* ---- opening ---- */

static void cannot_open(const char *path, unsigned int flags, int err, const char *part)
{
	unsigned int fds = fds_open();
	struct pl_copy_file *file = (struct pl_copy_file *)&fds;
	int rc = pl_copy_file_open(path, flags, &file);

	if (rc != err)
		fail_msg("%s: %d, not %d: %s", path, rc, err, pl_errmsg());
	assert_errmsg(part);
	assert_null(file);
	assert_int_equal(fds_open(), fds);
}

static void test_cannot_open(void **state)
{
	char longer[3000];

	(void)state;
	file_put("src", data, LEN);
	assert_int_equal(mkfifo(file_path("pipe"), 0600), 0);
	assert_int_equal(symlink("loop", file_path("loop")), 0);
	for (unsigned int w = 0; w <= PL_COPY_FILE_WRITE; w++) {
		cannot_open(file_path("."), w, -EINVAL, "is a directory");
		cannot_open(file_path("pipe"), w, -EINVAL, "is a pipe");
		cannot_open("/dev/null", w, -EINVAL, "is a character device");
		cannot_open(file_path("loop"), w, -EINVAL, "symbolic links");
		cannot_open(file_path("no/such"), w, -ENOENT, "no/such");
		cannot_open(file_path("src/x"), w, -ENOENT, "src/x");
		cannot_open("", w, -EINVAL, "without a name");
		memset(longer, 'x', sizeof(longer));
		longer[sizeof(longer) - 1] = '\0';
		cannot_open(longer, w, -EINVAL, "file:...xxx");
	}
	cannot_open(file_path("none"), 0, -ENOENT, "there is no such file");
	cannot_open(file_path("src"), 2, -EINVAL, "PL_COPY_FILE_WRITE");
	/* A file system without O_DIRECT that is everywhere. */
	cannot_open("/proc/self/limits", 0, -ENOTSUP, "no O_DIRECT");
	file_is("src", data, LEN);
	assert_int_equal(unlink(file_path("loop")), 0);
	if (geteuid() == 0)
		return; /* whom nothing is forbidden */
	assert_int_equal(chmod(file_path("src"), 0400), 0);
	cannot_open(file_path("src"), PL_COPY_FILE_WRITE, -EACCES, "reading and writing");
}

/* What open created and nobody wrote goes again: that file, and no other of its name. */
static void test_created(void **state)
{
	struct pl_copy_file_info info;
	struct pl_copy_file *file;

	(void)state;
	file = file_open("new", PL_COPY_FILE_WRITE);
	pl_copy_file_info(file, &info);
	assert_true(info.created && info.size == 0 && !info.block_device);
	assert_int_equal(file_len("new"), 0);
	pl_copy_file_close(file);
	assert_int_equal(file_len("new"), SIZE_MAX);

	file = file_open("new", PL_COPY_FILE_WRITE);
	assert_int_equal(rename(file_path("new"), file_path("old")), 0);
	file_put("new", data, 5);
	pl_copy_file_close(file);
	file_is("new", data, 5);
	assert_int_equal(file_len("old"), 0);

	file = file_open("new", PL_COPY_FILE_WRITE);
	pl_copy_file_info(file, &info);
	assert_true(!info.created && info.size == 5);
	assert_non_null(strstr(info.name, "file:"));
	pl_copy_file_close(file);
	file_is("new", data, 5);
	pl_copy_file_close(NULL);
}

/* Stamps are wherever the kernel may split a transfer, also where the alignment is more. */
static void test_piece(void **state)
{
	static const struct {
		size_t max;
		uint32_t align;
		size_t piece;
	} rows[] = {
		{ 0, 4096, 4096 },    { 131072, 512, 4096 }, { 6144, 4096, 4096 },
		{ 4096, 4096, 4096 }, { 4096, 65536, 4096 }, { 1024, 4096, 1024 },
		{ 100, 4096, 512 },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		struct pl_copy_file f = { .max_io = rows[i].max, .align = rows[i].align };
		const struct pl_copy_target target = pl_copy_file_target(&f, 0, 0);
		struct copy_end end = { .ops = copy_end_find(target.kind) };

		end.ops->init(&end, &target);
		assert_int_equal(end.ops->piece(&end), rows[i].piece);
	}
}

/* Nobody loses a file to a handle that created it and did nothing: in one process or in two. */
static void test_created_and_shared(void **state)
{
	struct pl_copy_file *first, *second;
	int status, to[2], from[2];
	char c = 0;
	pid_t pid;

	(void)state;
	/* The other one is still open, and has not written yet. */
	first = file_open("shared", PL_COPY_FILE_WRITE);
	second = file_open("shared", PL_COPY_FILE_WRITE);
	pl_copy_file_close(first);
	assert_int_equal(file_len("shared"), 0);
	pl_copy_file_close(second);
	assert_int_equal(unlink(file_path("shared")), 0);

	/* It wrote, and was closed first. */
	first = file_open("shared", PL_COPY_FILE_WRITE);
	second = file_open("shared", PL_COPY_FILE_WRITE);
	file_put("shared", data, 5);
	pl_copy_file_close(second);
	pl_copy_file_close(first);
	file_is("shared", data, 5);
	assert_int_equal(unlink(file_path("shared")), 0);

	/* Another process has it open. */
	first = file_open("shared", PL_COPY_FILE_WRITE);
	assert_int_equal(pipe(to) | pipe(from), 0);
	pid = fork();
	if (pid == 0) {
		pl_copy_file_close(NULL);
		close(first->fd); /* a child has the parent's descriptors */
		if (pl_copy_file_open(file_path("shared"), PL_COPY_FILE_WRITE, &second))
			_exit(1);
		_exit(write(from[1], &c, 1) != 1 || read(to[0], &c, 1) != 1);
	}
	assert_int_equal(read(from[0], &c, 1), 1);
	pl_copy_file_close(first);
	assert_int_equal(file_len("shared"), 0);
	assert_int_equal(write(to[1], &c, 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(unlink(file_path("shared")), 0);
	for (int i = 0; i < 2; i++) {
		close(to[i]);
		close(from[i]);
	}
}

/* ---- plans ---- */

static struct pl_copy_opts to_device(struct pl_copy_file *file)
{
	return (struct pl_copy_opts){
		.opts_size = sizeof(struct pl_copy_opts),
		.src = pl_copy_file_target(file, 0, 65536),
		.dst = pl_copy_ns_target(ns_of("nvme_emu0", 1), 0, 0),
		.chunk = 8192,
		.depth = 4,
	};
}

static void refused(struct pl_copy_opts o, int err, const char *part)
{
	size_t host = heap_in_use();
	unsigned int fds = fds_open();
	struct pl_p2p_heap_stats before, after;
	struct pl_p2p_heap *heap = pl_nvme_ctrlr_heap(ctrlr_of("nvme_emu0"), PL_MEM_CMB);
	struct pl_copy *job = NULL;
	int rc;

	pl_p2p_heap_stats(heap, &before);
	rc = pl_copy_create(&o, &job);
	pl_p2p_heap_stats(heap, &after);
	if (rc != err)
		fail_msg("%d, not %d: %s", rc, err, pl_errmsg());
	assert_errmsg(part);
	assert_null(job);
	assert_int_equal(heap_in_use(), host);
	assert_int_equal(fds_open(), fds);
	assert_int_equal(after.free, before.free);
}

static struct pl_copy_plan accepted(struct pl_copy_opts o)
{
	struct pl_copy_plan plan;
	struct pl_copy *job;

	if (pl_copy_create(&o, &job))
		fail_msg("%s", pl_errmsg());
	plan = *pl_copy_plan(job);
	pl_copy_destroy(job);
	return plan;
}

#define REFUSED(base, err, part, ...)          \
	do {                                   \
		struct pl_copy_opts o_ = base; \
		struct pl_copy_opts *o = &o_;  \
		__VA_ARGS__;                   \
		refused(o_, err, part);        \
	} while (0)

static void test_refused(void **state)
{
	struct pl_copy_file *src, *again, *link_, *dst;
	struct pl_copy_opts base;

	(void)state;
	file_put("src", data, LEN);
	assert_int_equal(link(file_path("src"), file_path("hard")), 0);
	src = file_open("src", 0);
	again = file_open("src", PL_COPY_FILE_WRITE);
	link_ = file_open("hard", PL_COPY_FILE_WRITE);
	dst = file_open("dst", PL_COPY_FILE_WRITE);
	base = to_device(src);
	assert_int_equal(accepted(base).bytes, 65536);

	REFUSED(base, -EINVAL, "each a namespace or a file",
		o->src = pl_copy_file_target(NULL, 0, 65536));
	REFUSED(base, -EINVAL, "each a namespace or a file", o->dst.kind = NULL);
	REFUSED(base, -EINVAL, "starts at byte 100", o->dst.offset = 100);
	REFUSED(base, -EINVAL, "has 4096 bytes, the source range 65536", o->dst.bytes = 4096);
	REFUSED(base, -EINVAL, "is empty", o->src.bytes = 0);
	REFUSED(base, -EINVAL, "past the end", o->src.bytes = LEN + 512);
	REFUSED(base, -EINVAL, "past the end", o->src.offset = LEN);
	REFUSED(base, -EINVAL, "past the end", o->src.offset = 512;
		o->src.bytes = UINT64_MAX - 511);
	REFUSED(base, -EINVAL, "past what 64 bits", o->src.bytes = UINT64_MAX);
	REFUSED(base, -EINVAL, "O_DIRECT wants a multiple", o->src.offset = 100);
	REFUSED(base, -EINVAL, "O_DIRECT wants a multiple", o->src.bytes = 1000);
	REFUSED(base, -EINVAL, "no multiple of both ends' blocks", o->chunk = 1000);
	REFUSED(base, -EINVAL, "depth 5000", o->depth = 5000);
	REFUSED(base, -EREMOTEIO, "has no memory of its own", o->via = PL_COPY_VIA_SRC);
	REFUSED(base, -EREMOTEIO, "has no CMB or PMR", o->dst.handle = ns_of("nvme_emu1", 1);
		o->via = PL_COPY_VIA_DST);
	REFUSED(base, -EINVAL, "no whole LBAs",
		o->src = pl_copy_ns_target(ns_of("nvme_emu1", 1), 0, 8);
		o->src.bytes = 100);
	REFUSED(base, -EINVAL, "not opened with PL_COPY_FILE_WRITE",
		o->dst = pl_copy_file_target(src, 65536, 0));
	REFUSED(base, -EINVAL, "past what any file has",
		o->dst = pl_copy_file_target(dst, INT64_MAX - 4095, 0));
	REFUSED(base, -EINVAL, "O_DIRECT wants a multiple",
		o->dst = pl_copy_file_target(dst, 1, 0));
	REFUSED(base, -EINVAL, "overlap on file:", o->dst = pl_copy_file_target(again, 65024, 0));
	REFUSED(base, -EINVAL, "overlap on file:", o->dst = pl_copy_file_target(link_, 0, 0));
	base.dst = pl_copy_file_target(again, 65536, 0);
	assert_string_equal(accepted(base).provider, "nvme_emu0");
	/* As a caller that was built before landing units could be chosen. */
	base = to_device(src);
	base.landing_unit = 77; /* what follows its structure */
	base.opts_size = offsetof(struct pl_copy_opts, landing_unit);
	assert_int_equal(accepted(base).bytes, 65536);

	pl_copy_file_close(dst);
	pl_copy_file_close(link_);
	pl_copy_file_close(again);
	pl_copy_file_close(src);
	assert_int_equal(file_len("dst"), SIZE_MAX);
	file_is("src", data, LEN);
}

/* ---- the way to a controller's memory ---- */

static void test_no_way(void **state)
{
	static const struct {
		int err;
		const char *why;
	} answers[] = {
		{ EFAULT, "peerlane_vfio_pci" },
		{ EREMOTEIO, "host bridge" },
		{ EINVAL, "host bridge" },
		{ ENOMSG, "did not arrive" },
	};
	struct pl_copy_file *file;
	struct pl_copy_plan plan;
	struct pl_copy_opts o;

	(void)state;
	file_put("src", data, LEN);
	file = file_open("src", PL_COPY_FILE_WRITE);
	for (int reversed = 0; reversed < 2; reversed++) {
		o = to_device(file);
		if (reversed) {
			o.src = pl_copy_ns_target(ns_of("nvme_emu0", 1), 0, 65536 / 512);
			o.dst = pl_copy_file_target(file, 0, 0);
		}
		for (size_t i = 0; i < RTE_DIM(answers); i++) {
			played.peer = answers[i].err;
			o.via = reversed ? PL_COPY_VIA_SRC : PL_COPY_VIA_DST;
			refused(o, -EREMOTEIO, answers[i].why);
			assert_errmsg("--via host");
			assert_errmsg("nvme_emu0");
			o.via = PL_COPY_VIA_DEVICE;
			o.via_provider = provider_of("nvme_emu2");
			refused(o, -EREMOTEIO, answers[i].why);
			/* Who left the choice to us goes through the host, and is told why. */
			o.via = PL_COPY_VIA_AUTO;
			plan = accepted(o);
			assert_true(plan.via == PL_COPY_VIA_HOST && !plan.p2p);
			assert_non_null(strstr(plan.reason, answers[i].why));
			o.via = PL_COPY_VIA_HOST;
			played.reads = 0;
			assert_string_equal(accepted(o).reason, "as asked");
			assert_int_equal(played.reads, 0);
		}
		/* A file that cannot be read at all says nothing about the way. */
		played.peer = EIO;
		played.host = EIO;
		o.via = PL_COPY_VIA_AUTO;
		refused(o, -EIO, "cannot be read: Input/output error");
		played.host = 0;
		/* One read, and no more, where there is a way. */
		played.peer = 0;
		played.reads = 0;
		plan = accepted(o);
		assert_true(plan.p2p && strstr(plan.reason, "is emulated"));
		assert_int_equal(played.reads, 1);
	}
	pl_copy_file_close(file);
	file_is("src", data, LEN);
}

/* No block device in sight: the CPU copies what such a file system reads. */
static void test_not_direct(void **state)
{
	struct pl_copy_file *file;
	struct pl_copy_plan plan;
	struct pl_copy_opts o;

	(void)state;
	file_put("src", data, LEN);
	file = file_open("src", 0);
	file->direct = false;
	o = to_device(file);
	plan = accepted(o);
	assert_true(!plan.p2p && strstr(plan.reason, "no block device"));
	o.via = PL_COPY_VIA_DST;
	refused(o, -EREMOTEIO, "no block device");
	pl_copy_file_close(file);
}

/* An empty file has nothing to read; the block device behind it has, for those who may. */
static void test_empty_destination(void **state)
{
	struct pl_copy_file *file;
	struct pl_copy_opts o;

	(void)state;
	file = file_open("empty", PL_COPY_FILE_WRITE);
	o = to_device(NULL);
	o.src = pl_copy_ns_target(ns_of("nvme_emu0", 1), 0, 65536 / 512);
	o.dst = pl_copy_file_target(file, 0, 0);
	played.reads = 0;
	assert_true(accepted(o).p2p);
	assert_in_range(played.reads, 0, 1);
	file->bdev = 0;
	played.reads = 0;
	assert_true(accepted(o).p2p); /* the first command tells */
	assert_int_equal(played.reads, 0);
	assert_int_equal(file_len("empty"), 0);
	pl_copy_file_close(file);
}

/* ---- io_uring ---- */

static int uring_answers(void *arg)
{
	const int err = *(const int *)arg;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K,
			 SECCOMP_RET_ERRNO | ((unsigned int)err & SECCOMP_RET_DATA)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = { RTE_DIM(code), code };
	static const char *const vdevs[] = { "nvme_emu0,size=1M" };
	struct pl_copy_file *file;
	struct pl_copy_opts o;
	struct pl_copy *job;
	int rc;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return 77;
	if (fixture_start(vdevs, RTE_DIM(vdevs), 1) ||
	    pl_copy_file_open(file_path("src"), 0, &file))
		return 1;
	o = to_device(file);
	rc = pl_copy_create(&o, &job);
	pl_copy_file_close(file);
	pl_eal_cleanup();
	if (err == EPERM)
		return rc == -EACCES && strstr(pl_errmsg(), "kernel.io_uring_disabled") ? 0 : 2;
	if (err == ENOSYS)
		return rc == -ENOTSUP && strstr(pl_errmsg(), "no io_uring") ? 0 : 3;
	return rc == -ENOMEM && strstr(pl_errmsg(), "ulimit") ? 0 : 4;
}

static void test_no_io_uring(void **state)
{
	static const int errors[] = { EPERM, ENOSYS, ENOMEM };

	(void)state;
	file_put("src", data, LEN);
	for (size_t i = 0; i < RTE_DIM(errors); i++) {
		int rc = fixture_in_child(uring_answers, (void *)(uintptr_t)&errors[i]);

		if (rc == 77)
			skip();
		assert_int_equal(rc, 0);
	}
}

static int setup(void **state)
{
	static const char *const vdevs[] = { "nvme_emu0,size=1M,cmb=512K", "nvme_emu1,size=1M",
					     "nvme_emu2,size=64K,cmb=64K" };

	(void)state;
	return fixture_start(vdevs, RTE_DIM(vdevs), 1);
}

int main(void)
{
	const struct CMUnitTest alone[] = { cmocka_unit_test(test_no_io_uring) };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cannot_open), cmocka_unit_test(test_created),
		cmocka_unit_test(test_piece),       cmocka_unit_test(test_created_and_shared),
		cmocka_unit_test(test_refused),     cmocka_unit_test(test_no_way),
		cmocka_unit_test(test_not_direct),  cmocka_unit_test(test_empty_destination),
	};
	int failed;

	random_start();
	file_dir_make();
	data = malloc(LEN);
	random_fill(data, LEN);
	failed = cmocka_run_group_tests_name("copy_file_alone", alone, NULL, NULL);
	failed += cmocka_run_group_tests_name("copy_file_open", tests, setup, fixture_stop);
	free(data);
	file_dir_remove();
	return failed;
}
