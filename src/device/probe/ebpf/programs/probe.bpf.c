/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The kernel programs. Compiled twice: with CANDOR_KERNEL_OBJECTS=1 they read the kernel's own objects (needs the kernel's
 * type information to load), with 0 they see the arguments and results of system calls only.
 *
 * One program runs at the end of every system call (dispatch.h). It calls the handler of the operation by tail call, so
 * that each handler is verified, and can be refused, by itself.
 */
#include "kernel_types.h"
#include "kernel_helpers.h"
#include "shared_layout.h"
#include "map_layout.h"
#include "state.h"
#include "record.h"
#include "code_origin.h"
#include "binder_state.h"
#include "path_walk.h"
#include "descriptor.h"
#include "file.h"
#include "close.h"
#include "process.h"
#include "socket.h"
#include "transfer.h"
#include "dispatch.h"
#include "binder_send.h"
#include "binder_deliver.h"

char program_license[] SECTION("license") = "Dual BSD/GPL";
