//! Pulls an external source into a relay: our own player reads it, our own publisher brings it in with a ticket.
//!
//! The stream has only this source, so there is no budget: it is tried until somebody stops it.

use std::{sync::Arc, time::Duration};

use domain::{
    fault::{Blame, Fault, Retry},
    retry,
    session::Phase,
    target::{InputSource, RtmpUrl, StoredInput, TargetPolicy},
};
use lease::RelayInfo;
use media::rtmp::{
    player::{self, PlayError, Player},
    publisher::{self, PublishError, Publisher},
};
use secret::{ExposeSecret, SecretString, StreamKey};
use tokio::{
    sync::mpsc,
    time::{interval, sleep},
};
use tracing::Span;

use super::{
    finish,
    reports::Reports,
    spec::Spec,
    state::{Report, StopReason},
};
use crate::{
    gate::SessionGate,
    metric,
    sink::resolve::resolve,
    work::{
        clients::{ClaimError, TargetError},
        context::Context,
        registry::Word,
    },
};

/// How a relay tells a ticket from a stream key.
const TICKET: &str = "ticket:";
/// How often the relay's acknowledgement is looked for at first.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Tags wait so long for company.
const COALESCE: Duration = Duration::from_millis(40);
/// And not at all when so much waits.
const COALESCE_BYTES: usize = 64 << 10;
/// A pull that ran so long starts its backoff anew.
const STABLE: Duration = Duration::from_secs(10);

/// Why a pull ended.
enum End {
    Told(StopReason),
    /// Tried again.
    Lost(Fault),
    /// Not tried again.
    Failed(Fault),
}

/// Runs it to its end.
pub async fn run(
    context: Arc<Context>,
    spec: Spec,
    gate: Arc<SessionGate>,
    mut words: mpsc::Receiver<Word>,
    start: Span,
) {
    let mut pull = Pull { context: &context, spec, gate: &gate, reports: Reports::new(), attempt: 0, reconnects: 0 };
    drop(start);
    let end = pull.run(&mut words).await;
    gate.shut();
    let Pull { spec, mut reports, reconnects, .. } = pull;
    let label = match end {
        End::Told(StopReason::Wanted) => {
            reports.phase(&context, &spec, Phase::Ended, reconnects);
            "ended"
        }
        End::Failed(fault) | End::Lost(fault) => {
            let fault = Some(Fault { retry: Retry::Permanent, ..fault });
            reports.send(
                &context,
                &spec,
                Report { phase: Phase::Failed, fault, attempt: 0, retry_in: None, reconnects },
                "",
            );
            "failed"
        }
        End::Told(StopReason::Drain) => "released",
        End::Told(StopReason::Lost) => "lost",
    };
    metrics::counter!(metric::SESSION_ENDS, "outcome" => label).increment(1);
    finish::give_back(&context, &spec).await;
    if label == "released" {
        reports.phase(&context, &spec, Phase::Released, reconnects);
    }
}

struct Pull<'a> {
    context: &'a Context,
    spec: Spec,
    gate: &'a Arc<SessionGate>,
    reports: Reports,
    attempt: u32,
    reconnects: u32,
}

impl Pull<'_> {
    async fn run(&mut self, words: &mut mpsc::Receiver<Word>) -> End {
        loop {
            self.reports.phase(self.context, &self.spec, Phase::Connecting, self.reconnects);
            let began = tokio::time::Instant::now();
            let fault = match self.once(words).await {
                End::Lost(fault) => fault,
                end => return end,
            };
            self.attempt = if began.elapsed() > STABLE { 1 } else { self.attempt + 1 };
            let wait = retry::delay(self.attempt, (self.context.chance)()).max(self.context.rules.retry_floor);
            let (attempt, reconnects) = (self.attempt, self.reconnects);
            let report =
                Report { phase: Phase::Reconnecting, fault: Some(fault), attempt, retry_in: Some(wait), reconnects };
            self.reports.send(self.context, &self.spec, report, "");
            tokio::select! {
                reason = stopped(words) => return End::Told(reason),
                () = sleep(wait) => {}
            }
        }
    }

    async fn once(&mut self, words: &mut mpsc::Receiver<Word>) -> End {
        let opened = tokio::select! {
            reason = stopped(words) => return End::Told(reason),
            opened = self.open() => opened,
        };
        let (mut player, mut publisher) = match opened {
            Ok(both) => both,
            Err(end) => return end,
        };
        let end = self.forward(&mut player, &mut publisher, words).await;
        match &end {
            End::Told(StopReason::Lost) => publisher.abort(),
            _ => drop(publisher.close().await),
        }
        end
    }

    async fn open(&self) -> Result<(Player, Publisher), End> {
        let player = self.open_player().await?;
        let publisher = self.open_publisher().await?;
        Ok((player, publisher))
    }

    async fn open_player(&self) -> Result<Player, End> {
        let input = self.input().await?;
        let addresses = resolve(&input.base, self.context.policy)
            .await
            .map_err(|error| End::Lost(Fault { blame: Blame::Source, ..error.fault(true) }))?;
        let mut last = None;
        for addr in addresses {
            let play_path = SecretString::from(input.play_path.clone());
            let source = player::Source { url: input.base.clone(), play_path, addr };
            let options = player::Options::new(self.context.publish.trust.clone());
            match player::connect(source, options, |_, _| {}).await {
                Ok(player) => return Ok(player),
                Err(error) => last = Some(error),
            }
        }
        Err(End::Lost(of_play(last.as_ref())))
    }

    /// Where to play, with the play path from the vault if there is one.
    async fn input(&self) -> Result<InputSource, End> {
        let refused = |error| End::Failed(source_fault(Retry::Permanent, &format!("The input source {error}.")));
        let text = self.spec.input_url.expose_secret();
        let stored = StoredInput::parse(text, self.context.policy).map_err(refused)?;
        let Some(record) = stored.record else {
            return InputSource::parse(&stored.base.to_string(), self.context.policy).map_err(refused);
        };
        match self.context.clients.target(record, self.spec.session, self.spec.epoch).await {
            Ok(target) => Ok(InputSource { base: stored.base, play_path: target.key.expose().to_owned() }),
            Err(TargetError::NotOwner) => Err(End::Told(StopReason::Lost)),
            Err(TargetError::Missing(_)) => Err(End::Failed(source_fault(
                Retry::Permanent,
                "The input source is not known any more: start again with it.",
            ))),
            Err(TargetError::Unavailable) => {
                Err(End::Lost(source_fault(Retry::Transient, "The input source's address can't be read right now.")))
            }
        }
    }

    async fn open_publisher(&self) -> Result<Publisher, End> {
        let (url, key) = self.relay().await?;
        let lab = TargetPolicy { allow_private: true };
        let addresses = resolve(&url, lab).await.map_err(|_| End::Lost(no_relay()))?;
        let mut options = self.context.publish.clone();
        options.gate = Some(self.gate.clone());
        options.coalesce = COALESCE;
        options.coalesce_bytes = COALESCE_BYTES;
        let Some(addr) = addresses.first().copied() else { return Err(End::Lost(no_relay())) };
        match publisher::connect(publisher::Target { url, key, addr }, options, |_, _| {}).await {
            Ok(publisher) => Ok(publisher),
            Err(PublishError::Fenced(_)) => Err(End::Told(StopReason::Lost)),
            Err(PublishError::Refused { .. } | PublishError::Closed(_)) => Err(self.ask_again().await),
            Err(error) => {
                tracing::info!(%error, "relay doesn't take the pulled source");
                Err(End::Lost(no_relay()))
            }
        }
    }

    /// The relay refused the ticket: are we still the owner?
    async fn ask_again(&self) -> End {
        match self.context.clients.claim(self.spec.session, self.spec.epoch).await {
            Err(ClaimError::Refused) => End::Told(StopReason::Lost),
            _ => End::Lost(no_relay()),
        }
    }

    async fn relay(&self) -> Result<(RtmpUrl, StreamKey), End> {
        let relays = self.context.directory.relays().await.unwrap_or_default();
        let idlest = relays.into_iter().min_by_key(|relay: &RelayInfo| (relay.sources, relay.relay.clone()));
        let relay = idlest.ok_or_else(|| End::Lost(no_relay()))?;
        let lab = TargetPolicy { allow_private: true };
        let url = RtmpUrl::parse(&relay.rtmp, lab).map_err(|_| End::Lost(no_relay()))?;
        let key = StreamKey::new(format!("{TICKET}{}", self.spec.ticket.expose_secret()));
        Ok((url, key.map_err(|_| End::Lost(no_relay()))?))
    }

    async fn forward(
        &mut self,
        player: &mut Player,
        publisher: &mut Publisher,
        words: &mut mpsc::Receiver<Word>,
    ) -> End {
        let mut look = interval(LOOK_EVERY);
        let mut connected = false;
        loop {
            tokio::select! {
                biased;
                reason = stopped(words) => return End::Told(reason),
                tag = player.next() => match tag {
                    Ok(Some(tag)) => if let Err(error) = publisher.send(&tag).await {
                        return self.relay_lost(&error);
                    },
                    Ok(None) => return End::Lost(of_play(None)),
                    Err(error) => return End::Lost(of_play(Some(&error))),
                },
                failed = publisher.drive() => match failed {
                    Ok(never) => match never {},
                    Err(error) => return self.relay_lost(&error),
                },
                _ = look.tick(), if !connected => {
                    if publisher.media_acked() > 0 {
                        connected = true;
                        self.reconnects += u32::from(self.attempt > 0);
                        self.reports.phase(self.context, &self.spec, Phase::Connected, self.reconnects);
                    }
                }
            }
        }
    }

    fn relay_lost(&self, error: &PublishError) -> End {
        tracing::info!(%error, "relay lost");
        match error {
            PublishError::Fenced(_) => End::Told(StopReason::Lost),
            _ => End::Lost(no_relay()),
        }
    }
}

/// Waits for the word that ends a pull.
async fn stopped(words: &mut mpsc::Receiver<Word>) -> StopReason {
    loop {
        match words.recv().await {
            Some(Word::Stop(reason)) => return reason,
            // The relay's own fence answers a doubt; a pull has no settings to refresh.
            Some(Word::Doubted | Word::Refresh) => {}
            None => return std::future::pending().await,
        }
    }
}

fn of_play(error: Option<&PlayError>) -> Fault {
    if let Some(error) = error {
        tracing::info!(%error, "input source lost");
    }
    let message = "The input source can't be read right now; it is tried again. Check its URL and that it is live.";
    source_fault(Retry::Transient, message)
}

fn source_fault(retry: Retry, message: &str) -> Fault {
    Fault::new(Blame::Source, retry, "source_unavailable", message)
}

fn no_relay() -> Fault {
    let message = "The input source can't be taken in on our side right now; it is tried again.";
    Fault::new(Blame::Us, Retry::Transient, "relay_unavailable", message)
}
