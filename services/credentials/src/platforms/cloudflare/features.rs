//! Settings that are changed outside a start, playback and analytics.

use domain::{platform::Platform, platform_settings::PlatformSettings};
use reqwest::Method;
use serde::Deserialize;
use wire::v1;

use super::{Cloudflare, Memory, analytics, customer, model::Wish, prepare};
use crate::platforms::{Applied, Failure, Features, Run};

/// A recording of an input.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Video {
    pub uid: String,
    #[serde(default)]
    created: String,
    #[serde(default)]
    ready_to_stream: bool,
}

#[tonic::async_trait]
impl Features for Cloudflare {
    fn platform_of_features(&self) -> Platform {
        Platform::Cloudflare
    }

    async fn apply(&self, run: &Run, changes: &PlatformSettings) -> Result<Applied, Failure> {
        let now = [("title", changes.title.is_some()), ("on_stop", changes.on_stop.is_some())];
        let next = [("recording", changes.recording.is_some()), ("low_latency", changes.low_latency.is_some())];
        let named = |given: &[(&str, bool)]| -> Vec<String> {
            given.iter().filter(|(_, given)| *given).map(|(name, _)| (*name).to_owned()).collect()
        };
        let (mut applied, mut later) = (named(&now), named(&next));
        let input = match Memory::of(run).uid {
            Some(uid) => self.api.input(run, &uid).await?,
            None => None,
        };
        let Some(input) = input else { return Ok(Applied { applied, later }) };
        let (name, destination) = (prepare::name(run), run.destination.to_string());
        let wish = Wish { name: &name, destination: &destination, settings: &run.settings, enabled: input.enabled };
        if !wish.is_met_by(&input) {
            self.api.update(run, &input.uid, &wish.change(&input)).await?;
        }
        // What is on air goes on as it began; the change counts from the next connection on.
        if !input.status.is_connected() {
            applied.append(&mut later);
        }
        Ok(Applied { applied, later })
    }

    /// The input's addresses while it is live, else those of its newest recording.
    async fn playback(&self, run: &Run) -> Result<v1::Playback, Failure> {
        let memory = Memory::of(run);
        let uid = memory.uid.as_deref().ok_or_else(never_started)?;
        let code = self.code(run, &memory, uid).await?;
        let code = code.as_deref();
        let base = self.customer.base(uid, code).ok_or_else(no_code)?;
        if self.customer.cycle(&base).await?.live {
            return Ok(addresses(&base, true));
        }
        let ready = self.videos(run, uid).await?.into_iter().filter(|video| video.ready_to_stream);
        let recorded = ready.max_by(|a, b| a.created.cmp(&b.created));
        match recorded.and_then(|video| self.customer.base(&video.uid, code)) {
            Some(recording) => Ok(addresses(&recording, true)),
            None => Ok(addresses(&base, false)),
        }
    }

    async fn analytics(&self, run: &Run, from: &str, to: &str) -> Result<v1::Analytics, Failure> {
        let memory = Memory::of(run);
        let uid = memory.uid.as_deref().ok_or_else(never_started)?;
        let mut uids = vec![uid.to_owned()];
        uids.extend(self.videos(run, uid).await?.into_iter().map(|video| video.uid));
        uids.truncate(analytics::UIDS);
        let answer = self.api.query(run, &analytics::query(self.api.account(), &uids, from, to)).await?;
        analytics::read(&answer)
    }
}

impl Cloudflare {
    /// The customer code, as far as it is known or can be read from the input.
    async fn code(&self, run: &Run, memory: &Memory, uid: &str) -> Result<Option<String>, Failure> {
        if memory.code.is_some() || self.customer.base(uid, None).is_some() {
            return Ok(memory.code.clone());
        }
        let input = self.api.input(run, uid).await?.ok_or_else(never_started)?;
        Ok(customer::code_in(input.web_rtc_url()))
    }

    async fn videos(&self, run: &Run, uid: &str) -> Result<Vec<Video>, Failure> {
        let path = format!("/live_inputs/{uid}/videos");
        Ok(self.api.stream(run, Method::GET, &path, None).await?.unwrap_or_default())
    }
}

/// Source: developers.cloudflare.com/stream/stream-live/watch-live-stream.
fn addresses(base: &str, available: bool) -> v1::Playback {
    v1::Playback {
        hls_url: format!("{base}/manifest/video.m3u8"),
        dash_url: format!("{base}/manifest/video.mpd"),
        watch_url: format!("{base}/watch"),
        iframe_url: format!("{base}/iframe"),
        available,
    }
}

fn never_started() -> Failure {
    let message = "This destination has no live input at Cloudflare. It gets one when it is started.";
    Failure::permanent("broadcast_ended", message)
}

fn no_code() -> Failure {
    let message = "The customer code of the Cloudflare account is not known. The operator of this installation must set \
                   CLOUDFLARE_CUSTOMER_CODE.";
    Failure::permanent("platform_refused", message)
}
