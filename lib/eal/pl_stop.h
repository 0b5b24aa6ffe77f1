/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PL_STOP_H
#define PL_STOP_H

/* The request was obeyed, or came for something that is over. */
void pl_stop_clear(void);

#endif
