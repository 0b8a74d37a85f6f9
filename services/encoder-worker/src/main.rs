//! Sessions: one FFmpeg and one publisher per destination.

fn main() {}
