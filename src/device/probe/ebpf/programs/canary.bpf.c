/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The smallest program there is. Loaded and attached before the real ones, so that a kernel that refuses eBPF says so
 * without ambiguity; and the yardstick of benches/overhead.rs.
 */
#include "kernel_types.h"
#include "kernel_helpers.h"

SECTION("raw_tp/sys_exit")
int canary(__u64 *context)
{
	(void)context;
	return 0;
}

char program_license[] SECTION("license") = "Dual BSD/GPL";
