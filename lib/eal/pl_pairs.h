/* SPDX-License-Identifier: BSD-3-Clause */
/* The arguments of a device: "key=val,key=val". */
#ifndef PL_PAIRS_H
#define PL_PAIRS_H

struct eal_pair {
	const char *text; /* "key=val", for messages */
	const char *key;
	const char *val; /* what follows the first '='; NULL: there is none */
};

/* Calls @take for each pair until one fails, and returns what that did. It skips
 * what is empty between two commas. @take must copy what it keeps of a pair. -ENOMEM */
int eal_pairs_walk(const char *text, int (*take)(const struct eal_pair *pair, void *arg), void *arg);

#endif
