/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
typedef unsigned char __u8; typedef unsigned short __u16; typedef unsigned int __u32; typedef unsigned long long __u64;
typedef int __s32; typedef long long __s64;
#include "shared_layout.h"
