//! Makes the live video that a destination publishes to: the one it has already, the one that a lost answer hides, or a
//! new one.

use std::time::Duration;

use domain::platform::Platform;
use tokio::time::timeout;

use super::{
    Facebook, finish,
    graph::Call,
    object::Object,
    progress::{Intent, LIVE_VIDEO_ID, Progress},
    refusal::Refusal,
    search,
    session::{Session, Target},
    stream_url,
    wish::Wish,
};
use crate::{
    http::Trouble,
    platforms::{Failure, Ready, Run},
};

/// Below the caller's patience.
const LONGEST: Duration = Duration::from_secs(14);
/// Another destination notices within it that what it found is not its own.
const LETTING_GO: Duration = Duration::from_millis(500);

/// See [`crate::platforms::Lifecycle::prepare`].
pub(super) async fn prepare(facebook: &Facebook, run: &Run) -> Result<Ready, Failure> {
    let in_time = timeout(LONGEST, steps(facebook, run)).await;
    in_time.unwrap_or_else(|_| Err(Failure::trouble(Platform::Facebook, Trouble::Unknown)))
}

async fn steps(facebook: &Facebook, run: &Run) -> Result<Ready, Failure> {
    let target = Target::of(run)?;
    let wish = Wish::of(run, &target, facebook.clock.now_ms())?;
    let mut notes = wish.notes.clone();
    let mut progress = Progress::of(run);
    if !progress.is_of(run) || progress.target.as_ref() != Some(&target) {
        notes.extend(finish::leave(facebook, run, &progress).await?);
        progress = Progress {
            run_ms: run.run_ms,
            take: run.take,
            target: Some(target.clone()),
            planned_ms: wish.planned_ms,
            ..Progress::default()
        };
        progress.save(run).await?;
    }
    let session = Session { facebook, run, target: &target };
    let object = match existing(session, &mut progress).await? {
        Some(object) => object,
        None => create(session, &wish, &mut progress).await?,
    };
    ready(run, &object, notes).await
}

/// The live video of this run and take, if it is still open.
async fn existing(session: Session<'_>, progress: &mut Progress) -> Result<Option<Object>, Failure> {
    if let Some(id) = progress.open() {
        match read(session, id, search::FIELDS).await? {
            Some(object) if !object.status.is_over() => return Ok(Some(object)),
            _ => {
                (progress.live_video_id, progress.media_ms, progress.published) = (None, None, false);
                progress.save(session.run).await?;
            }
        }
    }
    let Some(intent) = progress.intent.clone() else { return Ok(None) };
    if let Some(object) = search::find(session, &intent, None).await? {
        return claim(session, progress, intent, object, How::Found).await.map(Some);
    }
    search::settled(&intent, session.facebook.clock.now_ms())?;
    (progress.intent, progress.doubt) = (None, Some(intent));
    progress.save(session.run).await?;
    Ok(None)
}

async fn create(session: Session<'_>, wish: &Wish, progress: &mut Progress) -> Result<Object, Failure> {
    let intent = Intent { title: wish.title.clone(), since_ms: session.facebook.clock.now_ms() };
    (progress.intent, progress.planned_ms) = (Some(intent.clone()), wish.planned_ms);
    progress.save(session.run).await?;
    let answer = session.call(&wish.create(session.target)).await.map_err(Failure::from);
    match answer.map(|answer| Object::read(&answer.body)) {
        Ok(Some(object)) => claim(session, progress, intent, object, How::Answered).await,
        Ok(None) => hidden(session, progress, intent, Failure::trouble(Platform::Facebook, Trouble::Nonsense)).await,
        Err(failure) if failure.ambiguous => hidden(session, progress, intent, failure).await,
        Err(failure) => {
            progress.intent = None;
            progress.save(session.run).await?;
            Err(failure)
        }
    }
}

/// It may have been made all the same: the list knows. If it is not there yet, the next call looks again.
async fn hidden(
    session: Session<'_>,
    progress: &mut Progress,
    intent: Intent,
    failure: Failure,
) -> Result<Object, Failure> {
    match search::find(session, &intent, None).await? {
        Some(object) => claim(session, progress, intent, object, How::Found).await,
        None => Err(search::settled(&intent, session.facebook.clock.now_ms()).err().unwrap_or(failure)),
    }
}

/// How we know a live video to be ours.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// The answer to our create named it.
    Answered,
    /// It looks like ours in the list.
    Found,
}

/// Writes down that it is ours. Another destination of the same title may have found it in the same moment, after a lost
/// answer of its own. If it notices, it lets go; if it does not, it keeps it, and ours is found in its stead.
async fn claim(
    session: Session<'_>,
    progress: &mut Progress,
    intent: Intent,
    object: Object,
    how: How,
) -> Result<Object, Failure> {
    (progress.live_video_id, progress.intent) = (Some(object.id.clone()), None);
    progress.save(session.run).await?;
    let is_taken = async || Ok::<_, Failure>(session.run.book.taken(LIVE_VIDEO_ID).await?.contains(&object.id));
    let mut taken = is_taken().await?;
    if taken && how == How::Answered {
        tokio::time::sleep(LETTING_GO).await;
        taken = is_taken().await?;
    }
    if !taken {
        return Ok(object);
    }
    (progress.live_video_id, progress.intent) = (None, Some(intent.clone()));
    progress.save(session.run).await?;
    Err(search::settled(&intent, intent.since_ms).err().unwrap_or_else(Failure::ours))
}

async fn ready(run: &Run, object: &Object, notes: Vec<String>) -> Result<Ready, Failure> {
    let target = object.stream_url.as_deref().and_then(stream_url::split);
    let Some((rtmp_url, key)) = target else {
        return Err(Failure::trouble(Platform::Facebook, Trouble::Nonsense));
    };
    run.book.keep_key(&key).await?;
    let playback_url = object.permalink.clone().unwrap_or_default();
    Ok(Ready { rtmp_url, backup_urls: Vec::new(), playback_url, notes })
}

/// The live video, if it is still there.
pub(super) async fn read(session: Session<'_>, id: &str, fields: &str) -> Result<Option<Object>, Failure> {
    match session.call(&Call::get(id, fields)).await {
        Ok(answer) => match Object::read(&answer.body) {
            Some(object) => Ok(Some(object)),
            None => Err(Failure { ambiguous: false, ..Failure::trouble(Platform::Facebook, Trouble::Nonsense) }),
        },
        Err(Refusal::Gone) => Ok(None),
        Err(refusal) => Err(refusal.into()),
    }
}
