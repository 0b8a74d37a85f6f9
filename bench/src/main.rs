//! Measured figures beside their limits.

fn main() {}
