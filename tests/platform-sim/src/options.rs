//! What can be chosen: registered applications, people, delays and limits.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

/// Everything that can be chosen.
#[derive(Clone, Debug)]
pub struct Options {
    /// The product's registration with Google.
    pub google: App,
    /// The product's registration with Twitch.
    pub twitch: App,
    /// The product's registration with Facebook.
    pub facebook: App,
    /// The people who have accounts, each one on every platform.
    pub people: Vec<Person>,
    /// How long things take.
    pub timing: Timing,
    /// How much is allowed.
    pub limits: Limits,
    /// Consent pages answer at once with a redirect, as if the first person (or `sim_account`) had agreed.
    pub auto_consent: bool,
    /// Offer RTMPS too, and name it wherever a platform names an RTMPS address. Clients must trust
    /// [`crate::Sim::ca_pem`]. Without it those fields carry the plain RTMP address.
    pub rtmps: bool,
    /// Ids, keys and tokens repeat from run to run with the same seed; drawn when not set.
    pub seed: Option<u64>,
}

/// One OAuth application.
#[derive(Clone, Debug)]
pub struct App {
    /// Public id.
    pub client_id: String,
    /// Secret.
    pub client_secret: String,
    /// Registered redirect URIs; any is taken when empty (the exchange must still repeat it exactly).
    pub redirect_uris: Vec<String>,
}

impl App {
    fn new(name: &str) -> Self {
        Self {
            client_id: format!("sim-{name}-client"),
            client_secret: format!("sim-{name}-secret-4fQz81"),
            redirect_uris: Vec::new(),
        }
    }
}

/// Somebody with an account on every platform. Ids are derived from the name.
#[derive(Clone, Debug)]
pub struct Person {
    /// Short, unique: `alice`.
    pub name: String,
    /// How the platforms treat this person.
    pub flags: Flags,
}

impl Person {
    /// An ordinary account.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), flags: Flags::default() }
    }
}

/// How the platforms treat one person. Changed at run time by `PATCH /__sim/accounts/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flags {
    /// False: every YouTube call answers 401 `youtubeSignupRequired`.
    pub youtube_channel: bool,
    /// False: inserts, binds and transitions answer 403 `liveStreamingNotEnabled`.
    pub youtube_live_enabled: bool,
    /// `testStarting` and `liveStarting` never end: the broadcast must be deleted (possible after a minute) and made anew.
    pub youtube_stuck_transitions: bool,
    /// `GET /streams/key` answers 403 with this message.
    pub twitch_key_refused: Option<String>,
    /// A refresh answers with a new refresh token and kills the old one.
    pub twitch_rotates_refresh_tokens: bool,
    /// Creating a live video answers 200/1363144.
    pub facebook_few_followers: bool,
    /// `ingest_streams` as `{"data":[…]}` instead of a bare array.
    pub facebook_ingest_as_object: bool,
    /// The API token has no write permission: 403 with 10000.
    pub cloudflare_read_only: bool,
    /// `status` as `{"current":{…}}` instead of a string.
    pub cloudflare_status_as_object: bool,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            youtube_channel: true,
            youtube_live_enabled: true,
            youtube_stuck_transitions: false,
            twitch_key_refused: None,
            twitch_rotates_refresh_tokens: true,
            facebook_few_followers: false,
            facebook_ingest_as_object: false,
            cloudflare_read_only: false,
            cloudflare_status_as_object: false,
        }
    }
}

/// How long things take, on the simulator's clock.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// `testStarting` → `testing` and `liveStarting` → `live`.
    pub youtube_transition: Duration,
    /// Media flows so long before a stream is `active`.
    pub youtube_active_after: Duration,
    /// Media is gone so long before a stream is `inactive`.
    pub youtube_inactive_after: Duration,
    /// `enableAutoStop` ends a broadcast so long after the stream went inactive.
    pub youtube_auto_stop: Duration,
    /// Media flows so long before `/streams` shows it.
    pub twitch_live_after: Duration,
    /// `/streams` shows it so long after the end.
    pub twitch_offline_after: Duration,
    /// Media flows so long before a live video is `LIVE`.
    pub facebook_live_after: Duration,
    /// "Video signal lost" is reported so long after media stopped.
    pub facebook_signal_lost: Duration,
    /// A live video without media ends.
    pub facebook_vod_after: Duration,
    /// `LIVE_STOPPED` → `PROCESSING` → `VOD`, each step.
    pub facebook_processing: Duration,
    /// Media flows so long before an input is `connected`.
    pub cloudflare_connected_after: Duration,
    /// What `recording.timeoutSeconds: 0` means.
    pub cloudflare_default_timeout: Duration,
    /// A recording is `ready` so long after its end.
    pub cloudflare_recording_ready: Duration,
    /// Viewer counts lag behind going live.
    pub viewers_after: Duration,
    /// Google and Facebook authorization codes live so long.
    pub code_lifetime: Duration,
    /// Life of access tokens: Google, Twitch, Facebook (short).
    pub token_lifetime: [Duration; 3],
}

impl Timing {
    /// Small delays, so that tests are quick; life times and Facebook's windows as in reality.
    pub fn fast() -> Self {
        let ms = Duration::from_millis;
        Self {
            youtube_transition: ms(150),
            youtube_active_after: ms(200),
            youtube_inactive_after: ms(300),
            youtube_auto_stop: ms(1_000),
            twitch_live_after: ms(300),
            twitch_offline_after: ms(300),
            facebook_live_after: ms(200),
            facebook_signal_lost: ms(400),
            facebook_vod_after: ms(5_000),
            facebook_processing: ms(150),
            cloudflare_connected_after: ms(200),
            cloudflare_default_timeout: ms(500),
            cloudflare_recording_ready: ms(300),
            viewers_after: ms(300),
            code_lifetime: Duration::from_secs(600),
            token_lifetime: [3_599, 14_400, 5_400].map(Duration::from_secs),
        }
    }

    /// As the platforms are observed to behave.
    pub fn real() -> Self {
        let s = Duration::from_secs;
        Self {
            youtube_transition: s(7),
            youtube_active_after: s(4),
            youtube_inactive_after: s(8),
            youtube_auto_stop: s(60),
            twitch_live_after: s(6),
            twitch_offline_after: s(10),
            facebook_live_after: s(4),
            facebook_signal_lost: s(4),
            facebook_vod_after: s(150),
            facebook_processing: s(20),
            cloudflare_connected_after: s(3),
            cloudflare_default_timeout: s(60),
            cloudflare_recording_ready: s(45),
            viewers_after: s(60),
            ..Self::fast()
        }
    }
}

/// How much is allowed.
#[derive(Clone, Debug)]
pub struct Limits {
    /// YouTube units per project and Pacific day.
    pub youtube_units: u64,
    /// Broadcasts of one channel that are neither complete nor deleted.
    pub youtube_broadcasts: usize,
    /// Helix points per minute, per client id and user.
    pub twitch_points: u32,
    /// Graph calls per hour that count as 100 %.
    pub facebook_calls: u32,
    /// Cloudflare calls per five minutes and token.
    pub cloudflare_calls: u32,
    /// Outputs of one live input.
    pub cloudflare_outputs: usize,
    /// Largest request body.
    pub body: usize,
    /// Journal entries kept; the oldest go first.
    pub journal: usize,
    /// Connections at a time, HTTP and RTMP each.
    pub connections: usize,
    /// A client that does not finish its request in time is dropped.
    pub request: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            youtube_units: 10_000,
            youtube_broadcasts: 100,
            twitch_points: 800,
            facebook_calls: 20_000,
            cloudflare_calls: 1_200,
            cloudflare_outputs: 50,
            body: 8 << 20,
            journal: 20_000,
            connections: 512,
            request: Duration::from_secs(30),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            google: App::new("google"),
            twitch: App::new("twitch"),
            facebook: App::new("facebook"),
            people: vec![Person::new("alice"), Person::new("bob")],
            timing: Timing::fast(),
            limits: Limits::default(),
            auto_consent: true,
            rtmps: false,
            seed: None,
        }
    }
}

/// Query, form or header pairs in order.
pub(crate) type Pairs = Vec<(String, String)>;
/// Header names are in lower case.
pub(crate) type Headers = BTreeMap<String, String>;
