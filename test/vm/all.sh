#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The guest part of test/run.sh: every scenario on the kernels, IOMMUs and topologies that it is for,
# as TAP on stdout. usage: all.sh BUILD_DIR [WORD...]
#
# With WORDs, only the guests that have each of them in their line: all.sh build 6.12 p2p
. "$(dirname "$0")/guests.sh"
kernels 7.2 6.12 7.2-debug

# Each kernel, IOMMU and way to it: bring-up, data compared, and a copy by every memory there is.
ways='dst src third pmr host auto'
guest 7.2 intel memories -- boot 'io iommufd' 'io type1' "p2p iommufd 1 $ways" "p2p type1 1 $ways"
guest 7.2 virtio memories -- boot 'io iommufd' 'io type1' "p2p iommufd 1 $ways" "p2p type1 1 $ways"
guest 6.12 intel memories -- boot 'io iommufd' 'io type1' "p2p iommufd 1 $ways" "p2p type1 1 $ways" \
	topo
guest 7.2 intel48 cmb-pair -- 'io iommufd' 'p2p iommufd 1 dst' 'p2p type1 1 src'
guest 6.12 intel48 cmb-pair -- 'io iommufd' 'p2p type1 1 dst'

# Controllers and places of every kind.
guest 7.2 intel switch -- 'p2p iommufd 1 dst src' 'p2p type1 1 dst'
guest 7.2 intel pmr -- 'p2p iommufd 1 dst src' 'p2p type1 1 dst'
guest 7.2 intel cmb-small -- 'p2p iommufd 1 dst src' 'p2p type1 1 dst'
module 7.2
guest 7.2 intel no-cmb -- 'p2p iommufd 1 dst no-src host' 'queues iommufd' 'queues type1' module-plain
guest 7.2 intel legacy-cmb -- 'io iommufd' 'p2p iommufd 1 dst src' 'p2p type1 1 dst'
guest 7.2 intel tiny -- 'io iommufd' 'p2p iommufd 1 dst'
guest 7.2 intel lba4k-multins -- 'io iommufd' 'p2p iommufd 1 dst'
guest 7.2 intel cmb-pair --append initcall_blacklist=nvme_init -- cmb-cold 'cold iommufd' 'cold type1'

# What the memory and the queues are for, and what happens when they go.
guest 7.2 intel cmb-pair -- 'isolation iommufd' 'isolation type1' 'maps iommufd' 'maps type1' \
	'syscalls iommufd' 'mixed iommufd' 'mixed type1' 'nonroot iommufd' 'nonroot type1' topo \
	'queues iommufd' 'queues type1' 'witness iommufd' \
	'revoke iommufd mem 20' 'revoke iommufd reset 20' \
	'recover iommufd flr 20' 'recover iommufd mem 20' 'recover type1 flr 2' 'recover type1 mem 2' \
	'rebind 100' 'asked-back iommufd vfio-pci pull'
guest 6.12 intel cmb-pair -- 'mixed iommufd' 'nonroot type1' 'asked-back type1'

# Memory of a function that is no controller: its BAR.
guest 7.2 intel lender -- 'lender iommufd pull' 'lender type1' 'provider iommufd lender reset 4M 2 bs=4K iops=800' \
	'provider type1 lender mem 4M 1 bs=4K iops=800'
guest 6.12 intel lender -- 'lender type1 pull' 'lender iommufd' 'provider type1 lender reset 4M 1 bs=4K iops=800'

# No wrong byte is acknowledged: whoever's memory goes, whoever is pulled or killed, whatever a medium
# cannot do. On both backends, each of them 30 times: soak.sh.
guest 7.2 intel five -- 'provider type1 third reset 4M 2 iops=800' 'provider iommufd third reset 4M 2 iops=800' \
	'provider iommufd third reset 4M 1 verify iops=800' 'provider iommufd third mem 4M 1 iops=800' \
	'provider iommufd third reset 64K 3 bs=4K iops=20' 'provider type1 src reset 4M 2 iops=800' \
	'killed iommufd 3' 'medium-error iommufd' 'fsck iommufd ext4' 'unplug iommufd 1 src dst third'
# What must be refused, with the reason.
guest 7.2 intel odd -- 'shared iommufd' 'vfs iommufd' 'zoned iommufd' 'metadata iommufd' 'group iommufd'
guest 7.2 none no-cmb -- noiommu

# Files of the kernel's NVMe driver, and the module. On --cpu EPYC the host bridge is one that the
# kernel knows to pass peer-to-peer traffic, on --cpu max it is not. soak.sh does all this more often.
guest 7.2 intel cmb-pair --cpu EPYC -- module-errno 'module-clients works' 'module-owner 30' \
	'module-rebind 20' module-plain 'module-sigbus iommufd 5' 'asked-back iommufd peerlane_vfio_pci' \
	'module-file iommufd works 64' 'module-life unbind 2' 'module-life unload 1' 'module-life unplug 1'
guest 7.2 intel cmb-pair --cpu max -- 'module-clients refused' 'module-file iommufd refused 8'
module 6.12
guest 6.12 intel cmb-pair --cpu EPYC -- module-errno 'module-clients works' 'module-owner 10' \
	'module-rebind 10' 'module-sigbus type1 3' 'module-file iommufd works 64' \
	'module-file type1 works 16' 'module-life unbind 1' 'module-life unplug 1'
guest 6.12 intel cmb-pair --cpu max -- 'module-file iommufd refused 8'
module 7.2-debug
guest 7.2-debug intel cmb-pair --cpu EPYC -- 'p2p iommufd 1 dst' module-errno 'module-owner 3' \
	'module-sigbus iommufd 1' 'module-life unbind 1'
exit 0 # each guest said how it went
