//! Twitch.
