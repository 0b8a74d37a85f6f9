//! The credentials service's platforms, as a script: the test says what comes of each call, and reads which were made.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use tonic::{Request, Response, Status};
use wire::v1::{self, platforms_server::Platforms};

/// What comes of a call that prepares.
#[derive(Clone, Debug)]
pub enum Prepare {
    Ready,
    Busy,
    Fault(domain::fault::Fault, u32),
    /// Never answers.
    Hang,
    Down,
}

/// What comes of a call that ends.
#[derive(Clone, Debug)]
pub enum Finish {
    Done,
    Busy,
    Fault(domain::fault::Fault),
    Hang,
}

/// Scripts are taken from the front; an empty one means ready, or done.
#[derive(Default)]
pub struct Script {
    pub prepare: VecDeque<Prepare>,
    pub finish: VecDeque<Finish>,
    /// By destination and take.
    pub truths: BTreeMap<(String, u32), v1::Truth>,
    /// `prepare D take`, `finish D take`, with the run left out.
    pub journal: Vec<String>,
    pub observed: Vec<v1::Observed>,
    pub requests: Vec<v1::PrepareRequest>,
    pub calling: usize,
    pub most_at_once: usize,
    pub accounts: Vec<v1::Account>,
    pub delay: Duration,
}

impl Script {
    /// Every word is fresh.
    fn now_ms(&self) -> i64 {
        service_kit::Clock::now_ms(&service_kit::SystemClock)
    }
}

#[derive(Clone, Default)]
pub struct FakePlatforms(Arc<Mutex<Script>>);

impl FakePlatforms {
    pub fn script<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    pub fn will_prepare(&self, answers: impl IntoIterator<Item = Prepare>) {
        self.script(|s| s.prepare.extend(answers));
    }

    pub fn will_finish(&self, answers: impl IntoIterator<Item = Finish>) {
        self.script(|s| s.finish.extend(answers));
    }

    pub fn says(&self, destination: impl ToString, take: u32, truth: v1::Truth) {
        self.script(|s| s.truths.insert((destination.to_string(), take), truth));
    }

    pub fn count(&self, word: &str) -> usize {
        self.script(|s| s.journal.iter().filter(|line| line.starts_with(word)).count())
    }

    pub fn journal(&self) -> Vec<String> {
        self.script(|s| s.journal.clone())
    }
}

pub fn says(state: &str) -> v1::Truth {
    v1::Truth { state: state.into(), seen_ms: 1, health: "good".into(), ..Default::default() }
}

/// Leaves the count of running calls, also when the caller goes away.
struct Calling(FakePlatforms);

impl Calling {
    fn begin(of: &FakePlatforms) -> Self {
        of.script(|s| {
            s.calling += 1;
            s.most_at_once = s.most_at_once.max(s.calling);
        });
        Self(of.clone())
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        self.0.script(|s| s.calling -= 1);
    }
}

fn line(word: &str, broadcast: Option<&v1::BroadcastRef>) -> String {
    let broadcast = broadcast.cloned().unwrap_or_default();
    assert!(broadcast.run_ms > 0);
    format!("{word} {} {}", broadcast.destination_id, broadcast.take)
}

#[tonic::async_trait]
impl Platforms for FakePlatforms {
    async fn prepare(&self, r: Request<v1::PrepareRequest>) -> Result<Response<v1::PrepareResponse>, Status> {
        let r = r.into_inner();
        let (step, delay) = self.script(|s| {
            s.journal.push(line("prepare", r.broadcast.as_ref()));
            s.requests.push(r.clone());
            (s.prepare.pop_front().unwrap_or(Prepare::Ready), s.delay)
        });
        if matches!(step, Prepare::Busy) {
            return Ok(Response::new(v1::PrepareResponse { busy: true, ..Default::default() }));
        }
        let _calling = Calling::begin(self);
        tokio::time::sleep(delay).await;
        let ready = v1::Ready { playback_url: "https://watch.example/1".into(), ..Default::default() };
        let answer = match step {
            Prepare::Ready => v1::PrepareResponse { ready: Some(ready), ..Default::default() },
            Prepare::Fault(fault, retry_after_ms) => {
                v1::PrepareResponse { fault: Some(fault.into()), retry_after_ms, ..Default::default() }
            }
            Prepare::Down => return Err(Status::unavailable("down")),
            Prepare::Hang | Prepare::Busy => std::future::pending().await,
        };
        Ok(Response::new(answer))
    }

    async fn observe(&self, r: Request<v1::ObserveRequest>) -> Result<Response<v1::ObserveResponse>, Status> {
        let asked = r.into_inner().broadcasts;
        let truths = self.script(|s| {
            s.observed.extend(asked.clone());
            let truth = |o: v1::Observed| {
                let broadcast = o.broadcast?;
                let known = s.truths.get(&(broadcast.destination_id.clone(), broadcast.take))?;
                Some(v1::Truth { broadcast: Some(broadcast), seen_ms: s.now_ms(), ..known.clone() })
            };
            asked.into_iter().filter_map(truth).collect()
        });
        Ok(Response::new(v1::ObserveResponse { truths }))
    }

    async fn finish(&self, r: Request<v1::FinishRequest>) -> Result<Response<v1::FinishResponse>, Status> {
        let r = r.into_inner();
        let step = self.script(|s| {
            s.journal.push(line("finish", r.broadcast.as_ref()));
            s.finish.pop_front().unwrap_or(Finish::Done)
        });
        let answer = match step {
            Finish::Done => v1::FinishResponse { done: true, ..Default::default() },
            Finish::Busy => v1::FinishResponse { busy: true, ..Default::default() },
            Finish::Fault(fault) => v1::FinishResponse { fault: Some(fault.into()), ..Default::default() },
            Finish::Hang => std::future::pending().await,
        };
        Ok(Response::new(answer))
    }

    async fn list_accounts(&self, r: Request<v1::ListAccountsRequest>) -> Result<Response<v1::AccountList>, Status> {
        let r = r.into_inner();
        let accounts = self.script(|s| s.accounts.iter().filter(|a| a.tenant_id == r.tenant_id).cloned().collect());
        Ok(Response::new(v1::AccountList { accounts }))
    }

    async fn list_platforms(&self, _: Request<v1::PlatformsEmpty>) -> Result<Response<v1::PlatformList>, Status> {
        let of = |platform: v1::Platform, needs_account| v1::PlatformInfo {
            platform: platform.into(),
            configured: true,
            needs_account,
        };
        let platforms = vec![of(v1::Platform::Youtube, true), of(v1::Platform::Cloudflare, false)];
        Ok(Response::new(v1::PlatformList { platforms }))
    }
    async fn begin_link(&self, _: Request<v1::BeginLinkRequest>) -> Result<Response<v1::BeginLinkResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn finish_link(&self, _: Request<v1::FinishLinkRequest>) -> Result<Response<v1::Account>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn unlink(&self, _: Request<v1::AccountRef>) -> Result<Response<v1::UnlinkResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn refresh_token(&self, _: Request<v1::AccountRef>) -> Result<Response<v1::Account>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn list_pages(&self, _: Request<v1::FeatureRef>) -> Result<Response<v1::PageList>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn search_categories(
        &self,
        _: Request<v1::SearchCategoriesRequest>,
    ) -> Result<Response<v1::CategoryList>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn get_channel(&self, _: Request<v1::FeatureRef>) -> Result<Response<v1::Channel>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn apply_settings(
        &self,
        _: Request<v1::ApplySettingsRequest>,
    ) -> Result<Response<v1::ApplySettingsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn set_thumbnail(&self, _: Request<v1::SetThumbnailRequest>) -> Result<Response<v1::PlatformsEmpty>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn get_embed(&self, _: Request<v1::FeatureRef>) -> Result<Response<v1::Embed>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn get_insights(&self, _: Request<v1::FeatureRef>) -> Result<Response<v1::Insights>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn get_playback(&self, _: Request<v1::FeatureRef>) -> Result<Response<v1::Playback>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn get_analytics(&self, _: Request<v1::AnalyticsRequest>) -> Result<Response<v1::Analytics>, Status> {
        Err(Status::unimplemented(""))
    }
}
