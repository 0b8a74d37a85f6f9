//! The vault: encryption, keys, accounts and platform calls.

fn main() {}
