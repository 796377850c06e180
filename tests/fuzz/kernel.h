/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's side of a connection, as the fuzzer of requests plays it: it
 * sends what a kernel would let through, with any content, and looks at the
 * replies.  It knows the inodes and open files that it was told of, and nothing
 * else.  Calls are made with lock 1 held.
 */
#ifndef POOLFS_FUZZ_KERNEL_H
#define POOLFS_FUZZ_KERNEL_H

#include <sys/uio.h>

#include "tests/fuzz/input.h"

#define KERNEL_REQUEST_MAX (256u << 10)

/** kernel_start - @send: has a request handled. */
void kernel_start(void (*send)(const void *request, size_t len));

/** kernel_init_request - @buf: out.  Return: bytes of an INIT request. */
size_t kernel_init_request(void *buf);

/** kernel_prelude - look up what is always there, and make a box and a file. */
void kernel_prelude(void);

/** kernel_request - send the next one that the input asks for. */
void kernel_request(struct input *in);

/** kernel_print - a request, on one line. */
void kernel_print(FILE *f, const void *request, size_t len);

/** kernel_reply - what the worker writes; aborts if no kernel would take it. */
void kernel_reply(const struct iovec *iov, int count);

/** kernel_interrupt_all - all requests that wait. */
void kernel_interrupt_all(void);

/** kernel_waiting - requests that are not answered. */
unsigned int kernel_waiting(void);

/** kernel_end - close all files, forget all inodes. */
void kernel_end(void);

#endif
