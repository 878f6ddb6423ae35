//! The entry point; written by its owner.

fn main() {}
