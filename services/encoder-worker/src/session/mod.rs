//! One session: what it knows, decides and does.

pub mod state;
