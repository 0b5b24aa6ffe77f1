/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rte_lcore.h>
#include <rte_pause.h>

#include "mem_internal.h"
#include "nvme_pcie.h"

#define MAX_VDEVS 24

static cpu_set_t start_cpus;
static uint64_t random_state[2];

unsigned int fixture_cpus(unsigned int *cpus, unsigned int max)
{
	unsigned int n = 0;

	if (CPU_COUNT(&start_cpus) == 0)
		assert_int_equal(sched_getaffinity(0, sizeof(start_cpus), &start_cpus), 0);
	for (unsigned int cpu = 0; cpu < CPU_SETSIZE && n < max; cpu++)
		if (CPU_ISSET(cpu, &start_cpus))
			cpus[n++] = cpu;
	return n;
}

int fixture_start(const char *const *vdevs, unsigned int nb_vdevs, unsigned int nb_cpus)
{
	static char program[] = "test", l[] = "-l", vdev[] = "--vdev", no_huge[] = "--no-huge";
	char *argv[2 * MAX_VDEVS + 6], cores[32];
	unsigned int cpus[2];
	int argc = 0, rc;

	assert_true(nb_vdevs <= MAX_VDEVS && nb_cpus <= 2);
	nb_cpus = fixture_cpus(cpus, nb_cpus);
	if (nb_cpus == 2)
		snprintf(cores, sizeof(cores), "%u,%u", cpus[0], cpus[1]);
	else
		snprintf(cores, sizeof(cores), "%u", cpus[0]);
	argv[argc++] = program;
	argv[argc++] = l;
	argv[argc++] = cores;
	if (getenv("PL_TEST_NO_HUGE"))
		argv[argc++] = no_huge;
	for (unsigned int i = 0; i < nb_vdevs; i++) {
		argv[argc++] = vdev;
		argv[argc++] = (char *)(uintptr_t)vdevs[i];
	}
	argv[argc] = NULL;
	rc = pl_eal_init(argc, argv);
	if (rc < 0)
		print_error("pl_eal_init: %s\n", pl_errmsg());
	return rc < 0 ? rc : 0;
}

int fixture_stop(void **state)
{
	(void)state;
	pl_eal_cleanup();
	return 0;
}

int fixture_in_child(int (*fn)(void *arg), void *arg)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		exit(fn(arg)); /* not _exit(): leaks are looked for on the way out */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct pl_nvme_ctrlr *ctrlr_of(const char *name)
{
	struct pl_nvme_ctrlr *ctrlr = pl_nvme_ctrlr_get(name);

	assert_non_null(ctrlr);
	return ctrlr;
}

struct nvme_func *func_of(const char *name)
{
	return nvme_func_of(ctrlr_of(name));
}

struct pl_nvme_ns *ns_of(const char *name, uint32_t nsid)
{
	struct pl_nvme_ns *ns = pl_nvme_ns_get(ctrlr_of(name), nsid);

	assert_non_null(ns);
	return ns;
}

struct pl_nvme_qpair *qpair_of(const char *name, uint32_t depth, uint32_t max_xfer)
{
	const struct pl_nvme_qpair_opts opts = {
		.opts_size = sizeof(opts),
		.depth = depth,
		.max_xfer = max_xfer,
	};
	struct pl_nvme_qpair *qp = NULL;

	if (pl_nvme_qpair_create(ctrlr_of(name), &opts, &qp))
		fail_msg("%s", pl_errmsg());
	return qp;
}

void *dma_alloc(size_t len)
{
	void *p = pl_mem_zalloc(len, -1);

	assert_non_null(p);
	return p;
}

uint64_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec;
}

void relax(void)
{
	rte_pause();
	sched_yield();
}

struct pl_nvme_op *poll_one(struct pl_nvme_qpair *qp)
{
	uint64_t deadline = now_s() + TIMEOUT_S;
	struct pl_nvme_op *op = NULL;

	while (pl_nvme_poll(qp, &op, 1) == 0) {
		if (now_s() > deadline)
			fail_msg("no completion in %u s", TIMEOUT_S);
		relax();
	}
	return op;
}

uint16_t run_op(struct pl_nvme_qpair *qp, struct pl_nvme_op *op)
{
	if (pl_nvme_submit(qp, &op, 1) != 1)
		fail_msg("op not accepted: %d, %s", pl_nvme_qpair_error(qp), pl_errmsg());
	assert_ptr_equal(poll_one(qp), op);
	return op->status;
}

void write_blocks(struct pl_nvme_qpair *qp, struct pl_nvme_ns *ns, void *buf, uint64_t slba,
		  uint32_t nlb)
{
	struct pl_nvme_op op;

	pl_nvme_op_write(&op, ns, buf, slba, nlb);
	if (run_op(qp, &op))
		fail_msg("write of %u at %llu: %s", nlb, (unsigned long long)slba,
			 pl_nvme_status_str(op.status));
}

void read_blocks(struct pl_nvme_qpair *qp, struct pl_nvme_ns *ns, void *buf, uint64_t slba,
		 uint32_t nlb)
{
	struct pl_nvme_op op;

	pl_nvme_op_read(&op, ns, buf, slba, nlb);
	if (run_op(qp, &op))
		fail_msg("read of %u at %llu: %s", nlb, (unsigned long long)slba,
			 pl_nvme_status_str(op.status));
}

/* splitmix64 fills the state of xorshift128+: any seed will do, 0 too. */
static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = (*x += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

void random_start(void)
{
	const char *given = getenv("PL_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) << 16 | getpid();

	print_message("PL_TEST_SEED=%llu repeats this run\n", (unsigned long long)seed);
	random_state[0] = splitmix(&seed);
	random_state[1] = splitmix(&seed);
}

uint64_t random_u64(void)
{
	uint64_t a = random_state[0], b = random_state[1];

	random_state[0] = b;
	a ^= a << 23;
	random_state[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
	return random_state[1] + b;
}

uint64_t random_below(uint64_t n)
{
	return random_u64() % n;
}

void random_fill(void *buf, size_t len)
{
	uint8_t *p = buf;

	for (size_t i = 0; i < len; i += 8) {
		uint64_t v = random_u64();

		memcpy(p + i, &v, len - i < 8 ? len - i : 8);
	}
}

void faults_clear(void)
{
	struct pl_iommu_fault fault;

	while (pl_ioas_fault_next(pl_ioas_default(), &fault) == 0)
		;
}

size_t heap_in_use(void)
{
	struct pl_pool_stats stats;

	pl_pool_stats(&stats);
	return stats.taken;
}

void assert_errmsg(const char *part)
{
	const char *msg = pl_errmsg();
	size_t len = strlen(msg);

	if (!strstr(msg, part) || strchr(msg, '\n') || len == 0 || msg[len - 1] == '.')
		fail_msg("'%s' should be one line that has '%s'", msg, part);
}

void inject(const char *name, const struct nvme_emu_inject *what)
{
	nvme_emu_inject(func_of(name), what);
}

void assert_works(const char *name)
{
	struct pl_nvme_qpair *qp = qpair_of(name, 8, 0);
	uint8_t *buf = dma_alloc(2 * PAGE);

	random_fill(buf, PAGE);
	write_blocks(qp, ns_of(name, 1), buf, 3, 8);
	read_blocks(qp, ns_of(name, 1), buf + PAGE, 3, 8);
	assert_memory_equal(buf, buf + PAGE, PAGE);
	pl_mem_free(buf);
	pl_nvme_qpair_destroy(qp);
}

struct pl_p2p *provider_of(const char *name)
{
	return pl_nvme_ctrlr_p2p(ctrlr_of(name));
}
