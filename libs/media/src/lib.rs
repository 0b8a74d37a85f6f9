//! FLV tags and the RTMP protocol: chunks, server session, publisher, player.

pub mod flv;
pub mod rtmp;
pub mod sys;
