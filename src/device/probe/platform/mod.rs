//! What the platform itself says.

pub mod binder_log;
mod cache;
pub mod dex;
mod jar;
mod service_lookup;
mod shipped;
mod tables;
