//! The vault: encryption, keys, accounts and platform calls.
