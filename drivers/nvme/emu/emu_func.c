/* SPDX-License-Identifier: BSD-3-Clause */
/* Bringing an emulated controller into being, and the transport that lib/nvme sees. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "emu.h"
#include "pl_alloc.h"
#include "pl_log.h"

static void close_media(struct emu_ctrlr *c)
{
	for (uint32_t i = 0; i < c->conf.nb_ns; i++)
		if (c->ns[i].media != NULL)
			c->ns[i].media->ops->close(c->ns[i].media);
}

static int open_media(struct emu_ctrlr *c)
{
	const struct emu_conf *conf = &c->conf;
	int err = 0;

	for (uint32_t i = 0; i < conf->nb_ns && err == 0; i++) {
		struct emu_ns *ns = &c->ns[i];

		if (conf->path[0] != '\0')
			err = emu_media_file_open(c->t.name, conf->path, conf->subsys, conf->size,
						  conf->bs, &ns->media);
		else
			err = emu_media_ram_open(c->t.name, conf->size, conf->populate, &ns->media);
		if (err == 0)
			ns->nlb = ns->media->size / conf->bs;
	}
	if (err < 0)
		close_media(c);
	return err;
}

static int check(const char *dev, const char *args)
{
	struct emu_conf conf;
	int err = emu_conf_parse(dev, args, &conf);

	if (err < 0 || conf.path[0] == '\0')
		return err;
	return emu_media_file_check(dev, conf.path, conf.size, conf.bs);
}

static int bring_up(struct emu_ctrlr *c)
{
	int err = open_media(c);

	if (err < 0)
		return err;
	err = emu_devmem_init(c);
	if (err < 0)
		goto media;
	err = emu_doorbells_init(c);
	if (err < 0)
		goto devmem;
	err = pl_soft_attach(c->ioas, c->t.name, &c->dma);
	if (err < 0)
		goto doorbells;
	emu_regs_init(c);
	emu_features_reset(c);
	err = emu_thread_start(c);
	if (err < 0)
		goto dma;
	return 0;
dma:
	pl_soft_detach(c->dma);
doorbells:
	emu_doorbells_fini(c);
devmem:
	emu_devmem_fini(c);
media:
	close_media(c);
	return err;
}

static int probe(const char *dev, const char *args, struct pl_ioas *ioas,
		 struct nvme_func **transport);

static void remove_ctrlr(struct nvme_func *t)
{
	struct emu_ctrlr *c = emu_ctrlr(t);

	emu_thread_stop(c);
	for (uint32_t i = 0; i <= EMU_MAX_IO_QUEUES; i++) {
		free(c->sqs[i].q.pages);
		free(c->cqs[i].q.pages);
	}
	if (c->cmb.bus != EMU_NO_WINDOW)
		emu_mem_detach(t, (void *)(uintptr_t)c->cmb.bus, c->cmb.bus_len);
	if (c->pmr.bus != EMU_NO_WINDOW)
		emu_mem_detach(t, (void *)(uintptr_t)c->pmr.bus, c->pmr.bus_len);
	pl_soft_detach(c->dma);
	emu_doorbells_fini(c);
	emu_devmem_fini(c);
	close_media(c);
	emu_fault_fini(&c->faults);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void traffic(struct nvme_func *t, struct pl_nvme_traffic *out)
{
	const uint64_t *from = &emu_ctrlr(t)->traffic.bytes[0][0][0];
	uint64_t *to = &out->bytes[0][0][0];

	for (size_t i = 0; i < sizeof(*out) / sizeof(*to); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

static bool backing(struct nvme_func *t, uint32_t nsid, dev_t *dev, ino_t *ino)
{
	const struct emu_ctrlr *c = emu_ctrlr(t);

	if (nsid == 0 || nsid > c->conf.nb_ns || !c->ns[nsid - 1].media->ino)
		return false;
	*dev = (dev_t)c->ns[nsid - 1].media->dev;
	*ino = (ino_t)c->ns[nsid - 1].media->ino;
	return true;
}

static const struct nvme_func_ops emu_ops = {
	.name = "nvme_emu",
	.usage = emu_usage,
	.family = PL_IOAS_EMULATED,
	.check = check,
	.probe = probe,
	.remove = remove_ctrlr,
	.decode = emu_decode,
	.master = emu_master,
	.read32 = emu_read32,
	.read64 = emu_read64,
	.write32 = emu_write32,
	.write64 = emu_write64,
	.bar_size = emu_bar_size,
	.bar_addr = emu_bar_addr,
	.mem_attach = emu_mem_attach,
	.mem_detach = emu_mem_detach,
	.traffic = traffic,
	.backing = backing,
};

NVME_FUNC(emu_ops)

static int probe(const char *dev, const char *args, struct pl_ioas *ioas,
		 struct nvme_func **transport)
{
	struct emu_ctrlr *c = eal_calloc(1, sizeof(*c));
	int err;

	if (c == NULL)
		return pl_fail(-ENOMEM, "%s: no memory for a controller", dev);
	err = emu_conf_parse(dev, args, &c->conf);
	if (err < 0) {
		free(c);
		return err;
	}
	snprintf(c->t.name, sizeof(c->t.name), "%s", dev);
	c->t.ops = &emu_ops;
	c->t.numa_node = -1;
	c->t.ioas = ioas;
	c->ioas = ioas;
	pthread_mutex_init(&c->lock, NULL);
	emu_fault_init(&c->faults);
	for (uint32_t i = 0; i < c->conf.nb_faults; i++)
		(void)emu_fault_add(&c->faults,
				    &c->conf.faults[i]); /* as many as it has room for */
	err = bring_up(c);
	if (err < 0) {
		emu_fault_fini(&c->faults);
		pthread_mutex_destroy(&c->lock);
		free(c);
		return err;
	}
	*transport = &c->t;
	return 0;
}
