//! Against a real Postgres, with a platform that does what the test says.

mod deletion;
mod exclusion;
mod features;
mod life;
mod script;
mod truth;
mod world;
