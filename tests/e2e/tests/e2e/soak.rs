//! Faults by chance, one after the other and over each other; then peace, and everything is as it was asked for.
//!
//! `SOAK_SEED` chooses the story, `SOAK_STEPS` its length.

use std::time::{Duration, Instant};

use e2e::{
    Scene,
    scene::{FED, flows},
};
use serde_json::json;
use testkit::{
    live_source,
    sink::{Duplicate, Options, Sink},
    stack::{self, Service},
    wait,
};

const WORKERS: usize = 3;
const DESTINATIONS: usize = 4;
const STEPS: u64 = 14;
/// After the last fault.
const PEACE: Duration = Duration::from_secs(60);

/// A small generator (SplitMix64): the same seed is the same story.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    KillWorker(usize),
    PauseWorker(usize),
    DrainWorker(usize),
    KillOrchestrator(usize),
    PauseOrchestrator(usize),
    KillVault(usize),
    FlushRedis,
    KillRedis,
    KillNats,
    LoseNatsStore,
    PauseNats,
    ResetSinks,
    Stop,
    None,
}

impl Fault {
    fn draw(chance: &mut Chance) -> Self {
        match chance.below(17) {
            0 | 1 => Self::KillWorker(chance.below(WORKERS)),
            2 | 3 => Self::PauseWorker(chance.below(WORKERS)),
            4 => Self::DrainWorker(chance.below(WORKERS)),
            5 => Self::KillOrchestrator(chance.below(2)),
            6 => Self::PauseOrchestrator(chance.below(2)),
            7 => Self::KillVault(chance.below(2)),
            8 => Self::FlushRedis,
            9 => Self::KillRedis,
            10 => Self::KillNats,
            11 => Self::LoseNatsStore,
            12 => Self::PauseNats,
            13 => Self::ResetSinks,
            14 => Self::Stop,
            _ => Self::None,
        }
    }

    /// Happens, lasts a moment and heals. What follows from it is not waited for.
    async fn strike(self, scene: &Scene, sinks: &[Sink], chance: &mut Chance) -> anyhow::Result<()> {
        let stack = &scene.stack;
        let moment = Duration::from_millis(500 + chance.below(5_000) as u64);
        match self {
            Self::KillWorker(n) => {
                stack.worker(n)?.kill();
                pass(moment).await;
                stack.worker(n)?.respawn()?;
            }
            Self::PauseWorker(n) => {
                stack.worker(n)?.pause();
                pass(moment).await;
                stack.worker(n)?.resume();
            }
            Self::DrainWorker(n) => {
                stack.worker(n)?.terminate();
                wait::until_true("the drain", PEACE, async || !stack.worker(n).is_ok_and(|one| one.proc().alive()))
                    .await?;
                stack.worker(n)?.respawn()?;
            }
            Self::KillOrchestrator(n) => {
                stack.process(Service::Orchestrator, n)?.kill();
                pass(moment).await;
                stack.process(Service::Orchestrator, n)?.respawn()?;
            }
            Self::PauseOrchestrator(n) => {
                stack.process(Service::Orchestrator, n)?.pause();
                pass(moment).await;
                stack.process(Service::Orchestrator, n)?.resume();
            }
            Self::KillVault(n) => {
                stack.process(Service::Credentials, n)?.kill();
                pass(moment).await;
                stack.process(Service::Credentials, n)?.respawn()?;
            }
            Self::FlushRedis => drop(stack.redis.command("FLUSHALL").await?),
            Self::KillRedis => {
                stack.redis.kill();
                pass(moment).await;
                stack.redis.restart().await?;
            }
            Self::KillNats => {
                stack.nats.kill();
                pass(moment).await;
                stack.nats.restart().await?;
            }
            Self::LoseNatsStore => {
                stack.nats.kill();
                stack.nats.delete_store()?;
                stack.nats.restart().await?;
            }
            Self::PauseNats => {
                stack.nats.pause();
                pass(moment).await;
                stack.nats.resume();
            }
            Self::ResetSinks => sinks.iter().for_each(Sink::reset),
            Self::Stop => {
                // Whether it is heard or not: the next word wins.
                let _ = scene.api.stop(&scene.stream.id).await;
                pass(moment / 4).await;
                start(scene).await?;
            }
            Self::None => pass(moment).await,
        }
        Ok(())
    }
}

async fn start(scene: &Scene) -> anyhow::Result<()> {
    wait::until_true("an accepted start", PEACE, async || scene.api.start_no_wait(&scene.stream.id).await.is_ok()).await
}

/// Time is the condition here: a fault lasts.
async fn pass(moment: Duration) {
    let since = Instant::now();
    let _ = wait::until_true("a moment", moment * 2, async || since.elapsed() >= moment).await;
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stderr, reason = "the story is what a failure is understood by")]
async fn after_any_faults_everything_is_as_it_was_asked_for() -> anyhow::Result<()> {
    let mut chance = Chance(number("SOAK_SEED", 1));
    let options = stack::Options { workers: WORKERS, orchestrators: 2, credentials: 2, ..stack::Options::default() };
    let scene = Scene::open_with(options, &live_source::Options::default()).await?;
    let mut sinks = Vec::new();
    let settings = json!({"auto_reconnect": true, "max_retries": 100});
    for number in 0..DESTINATIONS {
        // They take every publisher: only we can keep the second away.
        let kind = Options { duplicate: Duplicate::TakeBoth, keep_bytes: 0, ..Options::default() };
        let sink = Sink::start_with(kind).await?;
        scene.send_to(&sink, &format!("soak{number}"), settings.clone()).await?;
        sinks.push(sink);
    }
    scene.api.start(&scene.stream.id).await?;
    scene.fed().await?;
    let began = Instant::now();
    for step in 0..number("SOAK_STEPS", STEPS) {
        let fault = Fault::draw(&mut chance);
        eprintln!("{:6.1} s  {step:2}  {fault:?}", began.elapsed().as_secs_f64());
        fault.strike(&scene, &sinks, &mut chance).await?;
        for sink in &sinks {
            assert_eq!(sink.overlap_ms(), 0, "after {fault:?}: {:#?}", sink.seen());
        }
    }
    eprintln!("{:6.1} s  peace", began.elapsed().as_secs_f64());
    scene.api.wait_destinations(&scene.stream.id, PEACE, &FED).await?;
    for sink in &sinks {
        flows(sink, 500_000, PEACE).await?;
        assert_eq!(sink.overlap_ms(), 0, "{:#?}", sink.seen());
    }
    wait::until_true("one FFmpeg per destination", PEACE, async || scene.stack.ffmpegs().len() == DESTINATIONS).await?;
    scene.api.stop(&scene.stream.id).await?;
    scene.api.wait_destinations(&scene.stream.id, PEACE, &["ended"]).await?;
    wait::until_true("silence", PEACE, async || {
        scene.stack.ffmpegs().is_empty()
            && sinks.iter().all(|sink| sink.look(|seen| seen.iter().all(|one| !one.is_live())))
    })
    .await?;
    scene.close().await
}
