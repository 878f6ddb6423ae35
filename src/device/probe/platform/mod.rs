//! What the platform itself says.

pub mod dex;
mod shipped;
