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
guest 7.2 intel cmb-pair "${often[@]}" -- 'revoke iommufd mem 100' 'revoke iommufd reset 100' \
	'recover iommufd mem 100' 'recover type1 mem 100'
exit 0 # each guest said how it went
