//! YouTube Live.
