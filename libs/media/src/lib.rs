//! FLV tags and the RTMP protocol: chunks, server session, publisher, player.
