//! Finds the destination's live input or makes one, and sees that it is set up as wished. Never makes two: an input
//! carries the destination's id, an intent is saved before each create, and inputs are listed before it is repeated.

use std::time::Duration;

use super::{
    Cloudflare, Memory, customer,
    model::{LiveInput, Wish},
};
use crate::platforms::{Failure, Ready, Run};

/// Longest name of an input.
const NAME: usize = 200;
/// So long a create that got no answer may come true before another one is tried.
const SETTLE_MS: i64 = 5_000;
/// So long a create that was given up for lost is watched for.
const DOUBT_MS: i64 = 120_000;
/// When to look again for an input that may have been made.
const SETTLE_STEP: Duration = Duration::from_millis(500);

pub(super) async fn prepare(cloudflare: &Cloudflare, run: &Run) -> Result<Ready, Failure> {
    let mut memory = Memory::of(run);
    let known = match &memory.uid {
        Some(uid) => cloudflare.api.input(run, uid).await?,
        None => None,
    };
    let input = match known {
        Some(input) => input,
        None => find_or_create(cloudflare, run, &mut memory).await?,
    };
    let input = adjust(cloudflare, run, input).await?;
    tidy(cloudflare, run, &mut memory).await?;
    let Some((rtmp_url, key)) = input.publish_to() else {
        let message = "Cloudflare gave no RTMPS address for the live input. It is tried again by itself.";
        return Err(Failure::transient("platform_unavailable", message));
    };
    if run.book.key().await?.is_none_or(|kept| kept.expose() != key.expose()) {
        run.book.keep_key(&key).await?;
    }
    remember_code(run, &mut memory, &input).await?;
    let (playback_url, notes) = playback(cloudflare, &memory, &input);
    Ok(Ready { rtmp_url, backup_urls: Vec::new(), playback_url, notes })
}

fn playback(cloudflare: &Cloudflare, memory: &Memory, input: &LiveInput) -> (String, Vec<String>) {
    if !input.records() {
        let note = "Recording is off, and Cloudflare offers playback only for what it records: nobody can watch this \
                    broadcast at Cloudflare.";
        return (String::new(), vec![note.to_owned()]);
    }
    let base = cloudflare.customer.base(&input.uid, memory.code.as_deref());
    (base.map(|base| format!("{base}/watch")).unwrap_or_default(), Vec::new())
}

async fn find_or_create(cloudflare: &Cloudflare, run: &Run, memory: &mut Memory) -> Result<LiveInput, Failure> {
    let mut found = owned(cloudflare, run).await?;
    if !found.is_empty() {
        let first = found.remove(0);
        (memory.uid, memory.creating_ms) = (Some(first.uid.clone()), None);
        memory.save(run).await?;
        for other in found {
            cloudflare.api.delete(run, &other.uid).await?;
        }
        // The list has no credentials.
        let input = cloudflare.api.input(run, &first.uid).await?;
        return input.ok_or_else(|| unsettled("the live input has vanished"));
    }
    create(cloudflare, run, memory).await
}

async fn create(cloudflare: &Cloudflare, run: &Run, memory: &mut Memory) -> Result<LiveInput, Failure> {
    let now_ms = cloudflare.clock.now_ms();
    if let Some(since_ms) = memory.creating_ms {
        if (0..SETTLE_MS).contains(&(now_ms - since_ms)) {
            return Err(unsettled("it is not known yet whether the live input was made").ambiguous());
        }
        memory.doubt_ms = Some(now_ms);
    }
    (memory.uid, memory.creating_ms) = (None, Some(now_ms));
    memory.save(run).await?;
    let (name, destination) = (run.title(NAME), run.destination.to_string());
    let wish = Wish { name: &name, destination: &destination, settings: &run.settings, enabled: true };
    match cloudflare.api.create(run, &wish.create()).await {
        Ok(input) => {
            (memory.uid, memory.creating_ms) = (Some(input.uid.clone()), None);
            memory.save(run).await?;
            tracing::info!(destination, uid = input.uid, "live input made");
            Ok(input)
        }
        Err(failure) if failure.ambiguous => Err(failure.after(Some(SETTLE_STEP))),
        Err(failure) => {
            memory.creating_ms = None;
            memory.save(run).await?;
            Err(failure)
        }
    }
}

fn unsettled(what: &str) -> Failure {
    let message = format!("Cloudflare: {what}. It is looked for again by itself.");
    Failure::transient("platform_unavailable", message).after(Some(SETTLE_STEP))
}

/// The inputs that were made for this destination, oldest first.
async fn owned(cloudflare: &Cloudflare, run: &Run) -> Result<Vec<LiveInput>, Failure> {
    let destination = run.destination.to_string();
    let mut inputs = cloudflare.api.inputs(run).await?;
    inputs.retain(|input| input.belongs_to(&destination));
    inputs.sort_by(|a, b| (&a.created, &a.uid).cmp(&(&b.created, &b.uid)));
    Ok(inputs)
}

/// Deletes what a create has made that was given up for lost, as long as there may be such a thing.
pub(super) async fn tidy(cloudflare: &Cloudflare, run: &Run, memory: &mut Memory) -> Result<(), Failure> {
    let Some(doubt_ms) = memory.doubt_ms else { return Ok(()) };
    for input in owned(cloudflare, run).await? {
        if memory.uid.as_ref() != Some(&input.uid) {
            tracing::warn!(uid = input.uid, "a live input that came late is deleted");
            cloudflare.api.delete(run, &input.uid).await?;
        }
    }
    if cloudflare.clock.now_ms() - doubt_ms > DOUBT_MS {
        memory.doubt_ms = None;
        memory.save(run).await?;
    }
    Ok(())
}

/// Changes the input if it isn't as wished; what a person has disabled is enabled again, since this is a start.
async fn adjust(cloudflare: &Cloudflare, run: &Run, input: LiveInput) -> Result<LiveInput, Failure> {
    let (name, destination) = (run.title(NAME), run.destination.to_string());
    let wish = Wish { name: &name, destination: &destination, settings: &run.settings, enabled: true };
    if wish.is_met_by(&input) {
        return Ok(input);
    }
    let changed = cloudflare.api.update(run, &input.uid, &wish.change(&input)).await?;
    changed.ok_or_else(|| unsettled("the live input has vanished"))
}

async fn remember_code(run: &Run, memory: &mut Memory, input: &LiveInput) -> Result<(), Failure> {
    let code = customer::code_in(input.web_rtc_url());
    if code.is_some() && code != memory.code {
        memory.code = code;
        memory.save(run).await?;
    }
    Ok(())
}

/// The name that the input of this run has.
pub(super) fn name(run: &Run) -> String {
    run.title(NAME)
}
