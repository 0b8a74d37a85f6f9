//! Against the simulator, in this process, with a real publish.

mod day;
mod faults;
mod features;
mod kills;
mod life;
mod publisher;
mod watch;
mod world;
