//! The whole service over gRPC, against a real Postgres and the simulated platforms.

mod crashes;
mod faults;
mod lives;
mod refusals;
mod secrecy;
mod world;
