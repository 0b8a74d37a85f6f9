//! The key, the channel and the ingest, at the same time.

use super::{Memory, Twitch, account, channel, fault::Refused, look};
use crate::platforms::{Failure, Ready, Run};

pub(super) async fn prepare(twitch: &Twitch, run: &Run) -> Result<Ready, Failure> {
    let user = account(run)?;
    let mut memory = Memory::of(run);
    let (key, told, ingests) = tokio::join!(
        ensure_key(twitch, run, &user.external_id, &memory),
        channel::tell(twitch, run, &user.external_id, &memory),
        twitch.ingests.nearest(),
    );
    let mut notes = Vec::new();
    let key = key?;
    if key.fetched {
        memory.key_of = user.external_id.clone();
    }
    notes.extend(key.note);
    memory.key_for = (run.run_ms, run.take);
    match told {
        Ok(told) => {
            (memory.channel_run, memory.channel_tries, memory.channel_open) = (run.run_ms, 0, told.open);
            notes.extend(told.notes);
        }
        Err(failure) => {
            memory.channel_tries = channel::tries(run, &memory) + 1;
            (memory.channel_run, memory.channel_open) = (run.run_ms, true);
            memory.save(run).await?;
            return Err(failure);
        }
    }
    memory.save(run).await?;
    let mut ingests = ingests.into_iter();
    Ok(Ready {
        rtmp_url: ingests.next().unwrap_or_default(),
        backup_urls: ingests.collect(),
        playback_url: channel_url(&user.name),
        notes,
    })
}

/// Where people watch. An account may be known by its display name, which differs from the login in case or is of
/// another script; then a look at the stream tells.
fn channel_url(name: &str) -> String {
    let login = name.to_lowercase();
    let is_login = !login.is_empty() && login.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_login { look::channel_url(&login) } else { String::new() }
}

struct Key {
    fetched: bool,
    note: Option<String>,
}

/// Sees that the vault has the channel's key. It is asked for once in each take, since the person may have reset it in the
/// dashboard; when Twitch can't be asked, the one that is kept goes on.
async fn ensure_key(twitch: &Twitch, run: &Run, user: &str, memory: &Memory) -> Result<Key, Failure> {
    let kept = run.book.key().await?.filter(|_| memory.key_of == user);
    if kept.is_some() && memory.key_for == (run.run_ms, run.take) {
        return Ok(Key { fetched: false, note: None });
    }
    match twitch.api.key(run, user).await {
        Ok(key) => {
            if kept.is_none_or(|kept| kept.expose() != key.expose()) {
                run.book.keep_key(&key).await?;
            }
            Ok(Key { fetched: true, note: None })
        }
        Err(Refused::Said { status: 403, said }) => {
            let message = format!(
                "Twitch does not let this channel go live yet: {said}. Do what it asks for in the channel's settings, \
                 then start the destination again."
            );
            Err(Failure::permanent("live_streaming_not_enabled", message))
        }
        Err(refused) => match Failure::from(refused) {
            failure if failure.is_transient() && kept.is_some() && run.take == 0 => {
                let note = "Twitch could not be asked for the stream key; the one from before is used.".to_owned();
                Ok(Key { fetched: false, note: Some(note) })
            }
            failure => Err(failure),
        },
    }
}
