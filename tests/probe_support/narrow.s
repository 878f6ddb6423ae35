# A 32-bit program: opens the file that its argument names, reads from it, and ends with status 9.
.globl _start
_start:
    movl 8(%esp), %ebx
    movl $5, %eax
    xorl %ecx, %ecx
    xorl %edx, %edx
    int $0x80
    movl %eax, %ebx
    movl $3, %eax
    movl $buffer, %ecx
    movl $16, %edx
    int $0x80
    movl $1, %eax
    movl $9, %ebx
    int $0x80
.bss
buffer: .space 16
