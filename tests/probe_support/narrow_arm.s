@ A 32-bit program for Arm: opens the file that its argument names, reads from it, and ends with status 9.
.syntax unified
.arch armv7-a
.globl _start
_start:
    ldr r0, [sp, #8]
    mov r1, #0
    mov r2, #0
    mov r7, #5
    svc #0
    ldr r1, =buffer
    mov r2, #16
    mov r7, #3
    svc #0
    mov r0, #9
    mov r7, #1
    svc #0
.ltorg
.bss
buffer: .space 16
