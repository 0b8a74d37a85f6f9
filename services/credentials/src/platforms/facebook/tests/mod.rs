//! Facebook as the simulator plays it, with real media.

mod bad_answers;
mod bench;
mod faults;
mod features;
mod killed;
mod life;
mod media;
mod tokens;
mod unlucky;
