//! YouTube, Twitch, Facebook and Cloudflare Stream on 127.0.0.1, simulated: sign-in, APIs, ingest, state machines.
//!
//! What happens on a platform happens because media arrives: a YouTube stream is `active`, a Twitch stream is listed, a
//! Facebook video is `LIVE` and a Cloudflare input `connected` only while somebody publishes RTMP with the key that the
//! API gave. Nothing here is a shortcut that a product could take for real; a product reaches the simulator by its
//! configured base URLs alone.
//!
//! # Base URLs
//!
//! | real | here, below [`Sim::http`] |
//! | --- | --- |
//! | `https://accounts.google.com/o/oauth2/v2/auth` | `/google-oauth/o/oauth2/v2/auth` |
//! | `https://oauth2.googleapis.com/{token,revoke}` | `/google-oauth/{token,revoke}` |
//! | `https://www.googleapis.com/youtube/v3` | `/youtube/v3` |
//! | `https://www.googleapis.com/upload/youtube/v3` | `/upload/youtube/v3` |
//! | `https://id.twitch.tv/oauth2/{authorize,token,validate,revoke}` | `/twitch-id/oauth2/…` |
//! | `https://api.twitch.tv/helix` | `/helix` |
//! | `https://ingest.twitch.tv/ingests` | `/twitch-ingest/ingests` |
//! | `https://www.facebook.com/{version}/dialog/oauth` | `/facebook-dialog/{version}/dialog/oauth` |
//! | `https://graph.facebook.com/{version}` | `/graph/{version}` (any version, or none) |
//! | `https://streaming-graph.facebook.com` | `/streaming-graph` |
//! | `https://api.cloudflare.com/client/v4` | `/cloudflare/client/v4` (also `/graphql` there) |
//! | `https://customer-<CODE>.cloudflarestream.com/<uid>` | `/cloudflare-customer/<uid>` |
//!
//! Ingest is on [`Sim::rtmp`]: applications `live2` (YouTube), `app` (Twitch), `rtmp` (Facebook; the query is part of
//! the key) and `live` (Cloudflare). An unknown, dead or disabled key is refused with `NetStream.Publish.BadName`; a
//! second publish of a key cuts the first. With [`Options::rtmps`] the addresses that platforms name as RTMPS are
//! RTMPS, otherwise they carry the plain address.
//!
//! # Accounts
//!
//! Every [`Person`] has an account on all four; ids follow from the name. The OAuth applications are
//! `sim-{google,twitch,facebook}-client` with the secrets `sim-{google,twitch,facebook}-secret-4fQz81` ([`Options`]
//! takes others). Consent pages answer at once with a redirect. `sim_account=bob`, `sim_scopes=a,b` and `sim_deny=1`,
//! added to the authorization URL, choose who agrees, to what, or that nobody does; [`Sim::authorize`] does the same
//! in-process. With `SIM_ASK_CONSENT=true` a page with buttons is shown instead. Cloudflare's account id and API token
//! are in `GET /__sim/accounts`.
//!
//! # Control
//!
//! The handle [`Sim`] and `/__sim/…` over HTTP do the same:
//!
//! | call | |
//! | --- | --- |
//! | `GET /__sim/health` | it is there |
//! | `GET /__sim/journal?since=SEQ&path=PREFIX`, `DELETE` | [`JournalEntry`] list, secrets masked |
//! | `GET`, `POST`, `DELETE /__sim/faults` | one [`Fault`] or a list of them; `GET` adds how often each was met |
//! | `GET /__sim/clock`, `POST {"advance_ms": n}` | time runs with real time plus what was added |
//! | `GET /__sim/state` | broadcasts, streams, quota, live videos, inputs, recordings, refreshes, publishes |
//! | `POST /__sim/state` | an [`Action`]: `{"action": "revoke", "provider": "twitch", "account": "bob"}` |
//! | `GET /__sim/accounts`, `POST {"name": n}`, `POST {"consent_as": n}` | people, add one, choose who agrees |
//! | `PATCH /__sim/accounts/{name}` | [`Flags`]: `{"youtube_live_enabled": false}` |
//! | `GET /__sim/secrets` | everything that must not appear in any log |
//! | `POST /__sim/reset` | nothing was created, nobody agreed; ports and clock stay |
//!
//! After an advance a caller with an unmoved clock sees what it would see with a wrong clock: tokens that it believes
//! fresh answer 401, and start times that it believes to lie ahead are refused.
//!
//! A call is met by the first fault that fits. `delay_before_ms` and `delay_after_ms` lie around the moment in which
//! the platform does what was asked; it does it also when the caller has gone meanwhile. `reset: "after"` and
//! `truncate` hide an applied write from its caller. [`errors`] writes the platforms' own error bodies.
//!
//! # The process
//!
//! `platform-sim` serves until SIGTERM. `READY_FILE` gets `{"http": "http://127.0.0.1:…", "rtmp": "rtmp://127.0.0.1:…"}`
//! (with `SIM_RTMPS=true` also `rtmps` and `ca_file`). `SIM_ACCOUNTS`, `SIM_REAL_TIMING`, `SIM_ASK_CONSENT` and
//! `SIM_SEED` choose the rest.
//!
//! # What is not simulated
//!
//! EventSub and Cloudflare notifications are kept but not delivered; streaming variants of chat and comments answer
//! with what there is and end; Cloudflare outputs relay nothing; SRT and WebRTC addresses lead nowhere.

mod accounts;
mod clock;
mod cloudflare;
pub mod contract;
mod control;
pub mod errors;
mod facebook;
mod faults;
mod front;
mod http;
mod ids;
mod ingest;
mod journal;
mod oauth;
mod options;
mod redact;
mod route;
mod rtmp;
mod server;
mod sim;
mod tls;
mod twitch;
mod viewers;
mod world;
mod youtube;

pub use control::Action;
pub use faults::{Fault, Reset};
pub use ingest::{Measured, Owner, Publish};
pub use journal::JournalEntry;
pub use options::{App, Flags, Limits, Options, Person, Timing};
pub use sim::{Consent, Sim};
