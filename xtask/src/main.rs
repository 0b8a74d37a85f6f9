//! Developer commands: stack, tests, tidy.

fn main() {}
