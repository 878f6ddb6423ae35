//! The device's side: from the kernel to the wire.
//!
//! The stages, in the order in which an act passes them: [`probe`] (bytes from the kernel), [`decode`] (observations),
//! [`attribute`] (events), [`session`] (numbers, phases, accounts), [`event_bus`] (spool and subscribers), [`service`]
//! (gRPC). [`daemon`] puts them together and is the only file that knows them all.

pub mod access_settings;
pub mod attribute;
pub mod clock;
pub mod command_line;
pub mod daemon;
pub mod decode;
pub mod decode_lines;
pub mod device_info;
pub mod doctor;
pub mod event_bus;
pub mod keys;
pub mod own_process;
pub mod package_list;
pub mod probe;
pub mod raw_capture;
pub mod self_test;
pub mod service;
pub mod session;
pub mod settings;
pub mod spool_files;
pub mod token;
