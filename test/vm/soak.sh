#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What all.sh shows once, often, and every failure of an allocation, as TAP on stdout; for hours.
# usage: soak.sh BUILD_DIR [WORD...]
. "$(dirname "$0")/guests.sh"
kernels 7.2-debug 7.2 6.12
often=(--cpu EPYC --timeout 14400 --env CELL_TIMEOUT=7200)

# KASAN, lockdep and kmemleak look on.
module 7.2-debug
guest 7.2-debug intel cmb-pair "${often[@]}" -- module-failnth
guest 7.2-debug intel cmb-pair "${often[@]}" -- 'module-life unbind 20' 'module-life unload 20' \
	'module-life unplug 20'
guest 7.2-debug intel cmb-pair "${often[@]}" -- 'module-owner 500' 'module-clients works' module-plain \
	'module-sigbus iommufd 20' 'module-file iommufd works 64'
guest 7.2-debug intel cmb-pair "${often[@]}" -- 'revoke iommufd mem 5' 'revoke iommufd reset 5' \
	'recover iommufd flr 20' 'recover type1 flr 20' 'isolation iommufd' 'isolation type1' \
	'mixed iommufd' 'queues iommufd' 'nonroot iommufd' 'witness iommufd'
guest 7.2-debug intel memories "${often[@]}" -- 'io iommufd' 'io type1' 'p2p iommufd 1 dst src third pmr' \
	'p2p type1 1 dst src third pmr'

for kernel in 7.2 6.12; do
	module $kernel
	guest $kernel intel cmb-pair "${often[@]}" -- 'module-rebind 1000' 'module-owner 500' \
		'module-life unbind 20' 'module-life unload 20' 'module-life unplug 20'
done
guest 6.12 intel cmb-pair "${often[@]}" --cpu EPYC -- 'module-file type1 works 64'
guest 7.2 intel lender "${often[@]}" -- 'provider iommufd lender reset 4M 30 bs=4K iops=800'
guest 6.12 intel lender "${often[@]}" -- 'provider type1 lender reset 4M 30 bs=4K iops=800'
guest 7.2 intel cmb-pair "${often[@]}" -- 'revoke iommufd mem 100' 'revoke iommufd reset 100' \
	'recover iommufd mem 100' 'recover type1 mem 100'

# No wrong byte is acknowledged: whoever's memory goes, on both backends, 30 times each; copies that
# one command makes, and those that outlast the strike. A throttled target is hit for certain.
for backend in type1 iommufd; do
	guest 7.2 intel five "${often[@]}" -- "provider $backend third reset 4M 30" \
		"provider $backend third reset 4M 30 iops=200" "provider $backend third reset 4M 30 verify iops=200" \
		"provider $backend third reset 24M 30" "provider $backend third reset 64K 30 bs=4K iops=20"
	guest 7.2 intel five "${often[@]}" -- "provider $backend third mem 4M 30 iops=200" \
		"provider $backend third mem 24M 30" "provider $backend third mem 64K 30 bs=4K iops=20"
	guest 7.2 intel five "${often[@]}" -- "provider $backend src reset 4M 30" \
		"provider $backend src reset 4M 30 iops=200" "provider $backend src reset 24M 30 verify" \
		"provider $backend src mem 24M 30" "provider $backend src reset 64K 30 bs=4K iops=20"
	guest 7.2 intel five "${often[@]}" -- "provider $backend dst reset 4M 30" "provider $backend dst mem 4M 30" \
		"provider $backend dst reset 24M 30 verify"
	guest 7.2 intel five "${often[@]}" -- "unplug $backend 10 src dst third" "killed $backend 20" \
		"medium-error $backend" "fsck $backend ext4 xfs btrfs" "fio-verify $backend"
	guest 7.2 intel odd "${often[@]}" -- "shared $backend" "vfs $backend" "zoned $backend" "metadata $backend" \
		"group $backend"
done
guest 7.2-debug intel five "${often[@]}" -- 'provider iommufd third reset 4M 5' 'provider type1 src reset 4M 5' \
	'unplug iommufd 2 src dst third' 'killed iommufd 5'
exit 0 # each guest said how it went
