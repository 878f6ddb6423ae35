//! The filter as a program of the kernel's packet-filter machine, and its installation.
//!
//! The kernel notes for each number that a program lets pass without looking at arguments (from 5.11 on), so such calls cost
//! nothing more.

use nix::errno::Errno;
use thiserror::Error;

use super::COOKIE;
use super::table::{BINDER_WRITE_READ, CLONE_UNTRACED, Interface, Operation, X32_BIT, interfaces};

// From include/uapi/linux/seccomp.h and include/uapi/linux/bpf_common.h.
const SECCOMP_SET_MODE_FILTER: libc::c_uint = 1;
const RETURN_ALLOW: u32 = 0x7fff_0000;
const RETURN_TRACE: u32 = 0x7ff0_0000;
const LOAD: u16 = 0x20;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER_OR_EQUAL: u16 = 0x35;
const JUMP_SET: u16 = 0x45;
const RETURN: u16 = 0x06;
/// Places in `struct seccomp_data`: number, architecture, lower halves of the arguments.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

const SET_NAME: u32 = 15;
const MAP_ANONYMOUS: u32 = 0x20;

/// One instruction: `struct sock_filter`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    value: u32,
}

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// The filter could not be installed.
#[derive(Debug, Error)]
#[error("the kernel refused the system-call filter: {}", .0.desc())]
pub struct FilterRefused(Errno);

fn instruction(code: u16, if_true: u8, if_false: u8, value: u32) -> Instruction {
    Instruction { code, if_true, if_false, value }
}

fn stop() -> Instruction {
    instruction(RETURN, 0, 0, RETURN_TRACE | u32::from(COOKIE))
}

/// The instructions for one interface. The number of the call is loaded first.
fn section(interface: &Interface) -> Vec<Instruction> {
    let allow = instruction(RETURN, 0, 0, RETURN_ALLOW);
    let mut code = vec![instruction(LOAD, 0, 0, NUMBER)];
    if !interface.narrow && cfg!(target_arch = "x86_64") {
        code.push(instruction(JUMP_GREATER_OR_EQUAL, 0, 1, X32_BIT));
        code.push(stop());
    }
    for (number, operation) in interface.calls() {
        // Each skips what follows for this number when it is another.
        let when = |of, test| {
            [instruction(JUMP_EQUAL, 0, 4, *number), instruction(LOAD, 0, 0, argument(of)), test, stop(), allow]
        };
        match operation {
            Operation::Name => code.extend(when(0, instruction(JUMP_EQUAL, 0, 1, SET_NAME))),
            Operation::Binder => code.extend(when(1, instruction(JUMP_EQUAL, 0, 1, BINDER_WRITE_READ))),
            Operation::Clone => code.extend(when(0, instruction(JUMP_SET, 0, 1, CLONE_UNTRACED))),
            Operation::Map => code.extend(when(3, instruction(JUMP_SET, 1, 0, MAP_ANONYMOUS))),
            _ => code.extend([instruction(JUMP_EQUAL, 0, 1, *number), stop()]),
        }
    }
    code.push(allow);
    code
}

/// The whole filter. Through an interface that is not followed every call stops, so that the tracer can say that it is used.
pub(super) fn build() -> Vec<Instruction> {
    let mut program = vec![instruction(LOAD, 0, 0, ARCHITECTURE)];
    for interface in interfaces() {
        let section = section(interface);
        let skip = u8::try_from(section.len()).unwrap_or(u8::MAX);
        program.push(instruction(JUMP_EQUAL, 0, skip, interface.audit));
        program.extend(section);
    }
    program.push(stop());
    program
}

/// Makes the calls of interest of this thread, and of whatever it starts, stop for a tracer. For ever: without a tracer they
/// fail with "not implemented" from now on, so one must be attached, and stay.
///
/// # Errors
///
/// When the kernel refuses it: it has no seccomp, or the process lacks `CAP_SYS_ADMIN`. The other way to be allowed, to give
/// up set-user-id programs for ever, would change what the program can do.
pub fn install() -> Result<(), FilterRefused> {
    let instructions = build();
    let program =
        Program { length: u16::try_from(instructions.len()).unwrap_or(u16::MAX), instructions: instructions.as_ptr() };
    #[expect(unsafe_code, reason = "the system call has no wrapper in the C library")]
    // SAFETY: the kernel copies the program, whose length is that of the vector, which outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, std::ptr::from_ref(&program)) };
    Errno::result(result).map(drop).map_err(FilterRefused)
}

#[cfg(test)]
mod tests {
    use super::super::table::{ARM, operation_of};
    use super::*;

    /// Runs the filter as the kernel does.
    fn run(program: &[Instruction], number: u32, architecture: u32, arguments: [u64; 6]) -> u32 {
        let mut data = [number.to_le_bytes(), architecture.to_le_bytes(), [0; 4], [0; 4]].concat();
        arguments.iter().for_each(|argument| data.extend(argument.to_le_bytes()));
        let (mut at, mut accumulator) = (0, 0_u32);
        loop {
            let Instruction { code, if_true, if_false, value } = program[at];
            at += 1;
            let jump = match code {
                LOAD => {
                    let place = value as usize;
                    accumulator = u32::from_le_bytes(data[place..place + 4].try_into().unwrap());
                    continue;
                }
                RETURN => return value,
                JUMP_EQUAL => accumulator == value,
                JUMP_GREATER_OR_EQUAL => accumulator >= value,
                JUMP_SET => accumulator & value != 0,
                other => panic!("instruction {other:#x}"),
            };
            at += usize::from(if jump { if_true } else { if_false });
        }
    }

    #[test]
    fn exactly_the_calls_of_the_table_stop() {
        let program = build();
        let trace = RETURN_TRACE | u32::from(COOKIE);
        for interface in interfaces() {
            for number in (0..600).chain([X32_BIT | 2, u32::MAX]) {
                let wanted = operation_of(interface, u64::from(number));
                let first = if wanted == Some(Operation::Clone) { CLONE_UNTRACED } else { SET_NAME };
                let stops = run(
                    &program,
                    number,
                    interface.audit,
                    [u64::from(first), u64::from(BINDER_WRITE_READ), 0, 0, 0, 0],
                ) == trace;
                let wanted = wanted.is_some();
                // A number of no call has no result that could be of interest.
                assert!(stops == wanted || number == u32::MAX, "{number} of {:#x}", interface.audit);
            }
        }
        assert_eq!(run(&program, 0, 0x1234, [0; 6]), trace, "an interface that is not followed");
    }

    #[test]
    fn some_stop_only_for_some_arguments() {
        let program = build();
        for interface in interfaces() {
            let number = |wanted| interface.calls().iter().find(|(_, operation)| *operation == wanted).unwrap().0;
            let at =
                |operation, arguments| run(&program, number(operation), interface.audit, arguments) != RETURN_ALLOW;
            assert!(at(Operation::Map, [0, 4096, 1, 2, 3, 0]));
            assert!(!at(Operation::Map, [0, 4096, 1, 2 | u64::from(MAP_ANONYMOUS), u64::MAX, 0]));
            assert!(!at(Operation::Name, [38, 0, 0, 0, 0, 0]));
            assert!(!at(Operation::Clone, [!u64::from(CLONE_UNTRACED), 0, 0, 0, 0, 0]));
            // Other commands cost nothing; what is in the upper half of the register the kernel ignores.
            assert!(!at(Operation::Binder, [7, 0x5401, 0, 0, 0, 0]));
            assert!(at(Operation::Binder, [7, u64::from(BINDER_WRITE_READ), 0, 0, 0, 0]));
            assert!(at(Operation::Binder, [7, 1 << 32 | u64::from(BINDER_WRITE_READ), 0, 0, 0, 0]));
        }
    }

    #[test]
    fn every_jump_stays_within_reach() {
        for interface in interfaces().chain([&ARM]) {
            assert!(u8::try_from(section(interface).len()).is_ok(), "a section is too long to be skipped in one jump");
        }
        assert!(build().len() < 4096, "the kernel takes no longer program");
    }
}
