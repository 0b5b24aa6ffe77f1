/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Start, run and stop a Peerlane process.
 *
 *     int main(int argc, char **argv)
 *     {
 *             int used = pl_eal_init(argc, argv);   // consumes the arguments up to "--"
 *             if (used < 0)
 *                     return fprintf(stderr, "%s\n", pl_errmsg()), 2;
 *             argc -= used, argv += used;           // argv[0] is the program name again
 *             ...                                   // devices are up: pl_nvme_ctrlr_get()
 *             pl_eal_cleanup();
 *     }
 *
 * Arguments are those of the DPDK EAL (`-l`, `-m`, `--in-memory`, `--no-huge`, `--file-prefix`,
 * `--log-level`, ...) with their meaning, and:
 *
 * - `-a DEVICE[,key=val...]`  use this PCI device (a BDF, `0000:01:00.0` or `01:00.0`), an NVMe
 *   controller; with `p2p=barN[,offset=OFFSET][,size=SIZE]` it may be any function, which lends that
 *   part of its BAR N as peer memory (pl_p2p.h);
 * - `--vdev NAME[,key=val...]` create this emulated device (`nvme_emu0,size=1G,cmb=64M`);
 * - `--iommu=NAME[,key=val...]` which IO address space backend to use; "auto", the default, takes the
 *   best that works here. pl_eal_usage() lists them.
 *
 * What init does, in this order, and cleanup undoes in reverse: the arguments are checked as a
 * whole, librte_eal starts with IOVA=VA, the IO address space is opened and its aperture learnt,
 * the window for device memory is reserved inside it, the first memory for devices is taken from
 * librte_eal and mapped (pl_mem.h), devices are probed. Without usable hugepages it falls back to
 * 4 KiB pages and logs a warning that names the command which reserves some.
 *
 * Between init and cleanup there is a handler of SIGBUS: the kernel takes device memory away from a
 * process when the device is unbound, sleeps or decodes no memory. Then ordinary memory takes its
 * place, that device's functions return -ENODEV until pl_nvme_ctrlr_reset() brings it back, and the
 * others are served on. A SIGBUS that is not about a device goes to the handler that was there before,
 * or ends the process as ever. Who sets a handler of his own later passes on what is not his.
 *
 * The library never exits, aborts or prints to stdout; warnings go to the DPDK log (stderr).
 */
#ifndef PEERLANE_PL_EAL_H
#define PEERLANE_PL_EAL_H

#include <stdbool.h>

#include <peerlane/pl_err.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Initialises the process. May be called once, from the thread that becomes the main lcore.
 *
 * @return the number of arguments consumed, so that `argv + n` starts with the program name
 *   followed by what came after `--`; -EINVAL for any mistake in the arguments (unknown option,
 *   malformed or unknown device, file that cannot be used, more memory asked for than the process
 *   may have), with nothing started; -ENOTSUP if the asked IOMMU backend is not available, or no
 *   IOMMU stands before a device; -EBUSY if a device, or another one of its IOMMU group, is bound to
 *   a kernel driver or in use by another process; -EACCES if the user lacks a right to it; -ENOMEM
 *   if memory cannot be had; -ENODEV or -ETIMEDOUT if a device did not come up; -ECANCELED if
 *   pl_eal_request_stop() came while it waited for one. On failure everything started is undone.
 */
PL_API int pl_eal_init(int argc, char **argv);

/**
 * Stops pollers, shuts every device down, unmaps and frees, in the reverse order of init.
 * Main lcore only. Everything obtained from the library is invalid afterwards. A controller that does
 * not answer is given up after a minute, or at pl_eal_request_stop(): doc/limits.md.
 */
PL_API void pl_eal_cleanup(void);

/**
 * Ends the library's waits for devices that come up or go: a pl_eal_init() or pl_nvme_ctrlr_reset()
 * that waits for a controller fails with -ECANCELED, and so does the first one that begins to wait
 * later; a pl_eal_cleanup() in progress goes on without waiting, and stops the DMA of a controller
 * that is not through. I/O and pollers are not concerned. For a signal handler that was installed
 * before pl_eal_init(), so that Ctrl-C ends a slow start. Async-signal-safe; any thread.
 */
PL_API void pl_eal_request_stop(void);

/** Whether a request was made and neither obeyed yet nor forgotten by pl_eal_cleanup(). Any thread. */
PL_API bool pl_eal_stop_requested(void);

/** The text that documents the EAL's options, for a program's `--help`; the calling thread's until it
 * calls again. Any thread. */
PL_API const char *pl_eal_usage(void);

struct pl_poller;

/**
 * A poller: called again and again on its lcore. It must not block.
 * @return > 0 if it did work, 0 if it was idle, < 0 to be taken off its lcore for good.
 */
typedef int (*pl_poller_fn)(void *arg);

/**
 * Runs @p fn on @p lcore until it is removed. A worker lcore starts polling at once; the pollers of
 * the main lcore run inside pl_poller_run(). Any thread may call it.
 *
 * @param name kept for messages; copied.
 * @param arg passed to @p fn; must stay valid until pl_poller_remove() returned or @p fn returned
 *   < 0.
 * @return 0; -EINVAL if @p lcore is not one of the process's lcores (`-l`); -ENOMEM if the lcore
 *   has no free poller slot.
 */
PL_API int pl_poller_add(unsigned int lcore, const char *name, pl_poller_fn fn, void *arg,
			 struct pl_poller **poller);

/**
 * Takes a poller off its lcore and returns when it is certain not to run any more. Any thread may
 * call it, except from inside the poller itself (return < 0 there instead, then remove it from
 * elsewhere). A poller that returned < 0 must still be removed, which frees its slot.
 */
PL_API void pl_poller_remove(struct pl_poller *poller);

/**
 * Runs the pollers of the main lcore until none is left or pl_poller_stop() is called. Main lcore
 * only.
 */
PL_API void pl_poller_run(void);

/** Makes pl_poller_run() return. Async-signal-safe; any thread. */
PL_API void pl_poller_stop(void);

#ifdef __cplusplus
}
#endif
#endif
