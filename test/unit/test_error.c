/* SPDX-License-Identifier: BSD-3-Clause */
/* What programs are told of a failure beside its text. */
#include <pthread.h>

#include "copy_job.h"
#include "pl_log.h"

static void assert_plain(const struct pl_error *e)
{
	assert_string_equal(e->device, "");
	assert_false(e->has_status);
	assert_int_equal(e->nvme_status, 0);
	assert_int_equal(e->at, PL_ERROR_AT_NOTHING);
	assert_int_equal(e->where, 0);
}

static void test_kinds(void **state)
{
	const struct pl_error *e = pl_error_get();
	struct pl_error kept;

	(void)state;
	assert_int_equal(e->size, sizeof(*e));
	assert_int_equal(pl_fail_nvme(-EIO, "a", 0x281, 7, "a: %s", "refused"), -EIO);
	assert_int_equal(e->err, -EIO);
	assert_string_equal(e->device, "a");
	assert_true(e->has_status);
	assert_int_equal(e->nvme_status, 0x281);
	assert_int_equal(e->at, PL_ERROR_AT_LBA);
	assert_int_equal(e->where, 7);
	assert_string_equal(e->text, "a: refused");
	assert_string_equal(pl_errmsg(), e->text);
	/* Who says more of it keeps the rest. */
	assert_int_equal(pl_fail_more(-ENODEV, "b: %s", pl_errmsg()), -ENODEV);
	assert_int_equal(e->err, -ENODEV);
	assert_string_equal(e->text, "b: a: refused");
	assert_string_equal(e->device, "a");
	assert_int_equal(e->nvme_status, 0x281);
	assert_int_equal(e->where, 7);
	kept = *e;
	/* Each other failure starts anew. */
	pl_fail(-EINVAL, "no");
	assert_int_equal(e->err, -EINVAL);
	assert_plain(e);
	pl_fail_at(-EREMOTEIO, "c", PL_ERROR_AT_ADDRESS, 0x1000, "no way");
	assert_string_equal(e->device, "c");
	assert_int_equal(e->at, PL_ERROR_AT_ADDRESS);
	assert_int_equal(e->where, 0x1000);
	assert_false(e->has_status);
	pl_fail_nvme(-EIO, "d", 0, PL_NO_LBA, "no");
	assert_true(e->has_status);
	assert_int_equal(e->at, PL_ERROR_AT_NOTHING);
	assert_int_equal(e->where, 0);
	pl_fail_device(-ENODEV, e->device, "gone"); /* its own text may be quoted */
	assert_string_equal(e->device, "d");
	assert_false(e->has_status);
	assert_int_equal(pl_fail_again(&kept), -ENODEV);
	assert_memory_equal(e, &kept, sizeof(kept));
	pl_fail(-EINVAL, "%0600d", 0); /* longer than there is room for */
	assert_int_equal(strlen(e->text), sizeof(e->text) - 1);
	pl_fail_device(-EINVAL, "a name of more than thirty-one letters", "no");
	assert_string_equal(e->device, "a name of more than thirty-one ");
}

struct seen {
	const struct pl_error *at;
	struct pl_error first, own;
};

static void *other_thread(void *arg)
{
	struct seen *seen = arg;

	seen->at = pl_error_get();
	seen->first = *seen->at;
	pl_fail_device(-EBUSY, "another", "its own failure");
	seen->own = *seen->at;
	return NULL;
}

static void assert_copy_failed(const struct pl_error *e, const char *device, uint16_t status,
			       uint64_t lba)
{
	assert_int_equal(e->err, -EIO);
	assert_string_equal(e->device, device);
	assert_true(e->has_status);
	assert_int_equal(e->nvme_status, status);
	assert_int_equal(e->at, PL_ERROR_AT_LBA);
	assert_int_equal(e->where, lba);
}

/* One command of a copy fails: which one, of which device, with what. Neither a later success nor
 * another thread's failure disturbs it, and the job tells it again. */
static void test_copy(void **state)
{
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DST);
	const struct pl_error *e = pl_error_get();
	struct pl_copy *job;
	struct seen seen;
	pthread_t thread;

	(void)state;
	opts.depth = 1; /* so that it is known which command is the next */
	job = job_start(&opts);
	job_poll_to(job, 4 * CHUNK);
	inject(DST, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_STATUS,
					       .qid = 1,
					       .opc = NVME_CMD_WRITE,
					       .status = NVME_SC_WRITE_FAULT });
	assert_int_equal(job_finish(job), -EIO);
	assert_copy_failed(e, DST, NVME_SC_WRITE_FAULT, 4 * CHUNK / BS);
	assert_non_null(strstr(e->text, "Write Fault"));

	assert_works(THIRD);
	assert_copy_failed(e, DST, NVME_SC_WRITE_FAULT, 4 * CHUNK / BS);

	assert_int_equal(pthread_create(&thread, NULL, other_thread, &seen), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_ptr_not_equal(seen.at, e);
	assert_int_equal(seen.first.err, 0);
	assert_int_equal(seen.first.size, sizeof(*e));
	assert_string_equal(seen.first.text, "");
	assert_plain(&seen.first);
	assert_int_equal(seen.own.err, -EBUSY);
	assert_string_equal(seen.own.device, "another");
	assert_copy_failed(e, DST, NVME_SC_WRITE_FAULT, 4 * CHUNK / BS);

	pl_fail(-EINVAL, "something else");
	assert_int_equal(job_finish(job), -EIO);
	assert_copy_failed(e, DST, NVME_SC_WRITE_FAULT, 4 * CHUNK / BS);
	pl_copy_destroy(job);
}

static void test_admin(void **state)
{
	struct pl_nvme_sqe sqe = { .opc = NVME_ADM_GET_LOG_PAGE, .cdw10 = 0xff };
	const struct pl_error *e = pl_error_get();
	uint16_t status = 0;

	(void)state;
	assert_int_equal(pl_nvme_admin(ctrlr_of(SRC), &sqe, NULL, 0, NULL, &status), -EIO);
	assert_int_equal(e->err, -EIO);
	assert_string_equal(e->device, SRC);
	assert_true(e->has_status);
	assert_int_not_equal(status, 0);
	assert_int_equal(e->nvme_status, status);
	assert_int_equal(e->at, PL_ERROR_AT_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_admin),
	};

	return cmocka_run_group_tests_name("error", tests, job_setup, job_teardown);
}
