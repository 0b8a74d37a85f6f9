//! `/__sim/…`: how a test outside this process looks at the simulator and moves it. See the crate's documentation.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    faults::Fault,
    front::{Front, lock},
    http::{Answer, Request},
    ingest::Owner,
    oauth::{Death, Provider},
    options::Person,
    twitch,
    world::World,
};

/// Something that happens to an account or a platform, from outside the API.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// The person takes back what was granted: every token of the provider dies. `provider` is `google`, `twitch` or
    /// `facebook`; `subcode` is Facebook's (460 password changed, 458 app removed).
    Revoke {
        /// Whose tokens.
        provider: String,
        /// The person.
        account: String,
        /// Facebook's reason.
        #[serde(default)]
        subcode: Option<u32>,
    },
    /// The person's access tokens expire now; refresh tokens stay good.
    ExpireTokens {
        /// Whose tokens.
        provider: String,
        /// The person.
        account: String,
    },
    /// Twitch: a new stream key; the old one is refused, its publisher cut.
    RotateTwitchKey {
        /// The person.
        account: String,
    },
    /// YouTube: so many units of today's quota are used.
    SetYoutubeQuota {
        /// Units.
        used: u64,
    },
    /// RTMP: the next so many publishes are refused (`NetStream.Publish.BadName`).
    RefusePublishes {
        /// How many.
        count: u32,
    },
    /// RTMP: cut whoever publishes for this owner.
    CutPublish {
        /// What the key belongs to.
        owner: Owner,
    },
}

/// One control call.
pub(crate) fn answer(front: &Front, request: &Request) -> Answer {
    let result = match (request.method.as_str(), request.path.trim_end_matches('/')) {
        ("GET", "/__sim/health") => Ok(json!({"ok": true})),
        ("GET", "/__sim/journal") => Ok(journal(front, request)),
        ("DELETE", "/__sim/journal") => {
            lock(&front.journal).clear();
            Ok(json!({}))
        }
        ("GET", "/__sim/faults") => Ok(faults(front)),
        ("POST", "/__sim/faults") => add_faults(front, request),
        ("DELETE", "/__sim/faults") => {
            lock(&front.script).clear();
            Ok(json!({}))
        }
        ("GET", "/__sim/clock") => Ok(clock(front)),
        ("POST", "/__sim/clock") => advance(front, request),
        ("GET", "/__sim/state") => Ok(front.world(|world| state(world))),
        ("POST", "/__sim/state") => act(front, request),
        ("GET", "/__sim/accounts") => Ok(front.world(|world| accounts(world))),
        ("POST", "/__sim/accounts") => add_account(front, request),
        ("PATCH", path) if path.starts_with("/__sim/accounts/") => {
            patch_account(front, request, path.trim_start_matches("/__sim/accounts/"))
        }
        ("GET", "/__sim/secrets") => Ok(front.world(|world| json!(world.ids.secrets()))),
        ("POST", "/__sim/reset") => {
            front.reset();
            Ok(json!({}))
        }
        _ => return Answer::json(404, &json!({"error": "no such control call"})),
    };
    match result {
        Ok(body) => Answer::ok(&body),
        Err(why) => Answer::json(400, &json!({ "error": why })),
    }
}

fn read<T: for<'de> Deserialize<'de>>(request: &Request) -> Result<T, String> {
    serde_json::from_slice(&request.body).map_err(|error| error.to_string())
}

fn journal(front: &Front, request: &Request) -> Value {
    let since = request.query("since").and_then(|text| text.parse().ok()).unwrap_or(0);
    let prefix = request.query("path").unwrap_or_default();
    let mut entries = lock(&front.journal).since(since);
    entries.retain(|entry| entry.path.starts_with(prefix));
    json!(entries)
}

fn faults(front: &Front) -> Value {
    let faults = lock(&front.script).list();
    faults.into_iter().map(|(fault, used)| json!({"fault": fault, "used": used})).collect()
}

fn add_faults(front: &Front, request: &Request) -> Result<Value, String> {
    let body: Value = read(request)?;
    let all = if body.is_array() { body } else { json!([body]) };
    let all: Vec<Fault> = serde_json::from_value(all).map_err(|error| error.to_string())?;
    let count = all.len();
    let mut script = lock(&front.script);
    all.into_iter().for_each(|fault| script.add(fault));
    Ok(json!({ "added": count }))
}

fn clock(front: &Front) -> Value {
    json!({"now_ms": front.clock.now_ms(), "offset_ms": front.clock.offset_ms()})
}

fn advance(front: &Front, request: &Request) -> Result<Value, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Advance {
        advance_ms: i64,
    }
    let Advance { advance_ms } = read(request)?;
    if advance_ms < 0 {
        return Err("time does not run backwards".to_owned());
    }
    front.advance(advance_ms);
    Ok(clock(front))
}

/// Everything a test may want to count.
pub(crate) fn state(world: &World) -> Value {
    let broadcasts = world.youtube.broadcasts.iter().map(|b| {
        json!({"id": b.id, "channel": b.channel, "status": b.life.name(), "bound": b.bound.as_ref().map(|(id, _)| id),
            "title": b.snippet.get("title"), "thumbnails": b.thumbnails, "viewers": b.viewers(world)})
    });
    let streams = world.youtube.streams.iter().map(|s| {
        json!({"id": s.id, "channel": s.channel, "status": format!("{:?}", s.flow).to_lowercase(), "reusable": s.reusable})
    });
    let lives = world.facebook.lives.iter().map(|live| {
        json!({"id": live.id, "owner": live.owner, "person": live.person, "status": live.status.name(), "title": live.title})
    });
    let inputs = world.cloudflare.inputs.iter().map(|input| {
        json!({"uid": input.uid, "person": input.person, "enabled": input.enabled, "status": input.status.map(|(word, _)| word),
            "live": input.live_since.is_some(), "mode": input.mode})
    });
    let videos = world.cloudflare.videos.iter().map(|video| {
        json!({"uid": video.uid, "input": video.input, "ended": video.ended_at.is_some(), "ready": video.ready})
    });
    let refreshes: serde_json::Map<String, Value> =
        world.grants.refreshes.iter().map(|(who, n)| (format!("{who:?}").to_lowercase(), json!(n))).collect();
    json!({
        "youtube": {
            "broadcasts": broadcasts.collect::<Vec<_>>(), "streams": streams.collect::<Vec<_>>(),
            "quota": {"used": world.youtube.quota.used, "total": world.youtube.quota.total, "refused": world.youtube.quota.refused,
                "limit": world.options.limits.youtube_units},
        },
        "twitch": {"live": twitch::live(world)},
        "facebook": {"lives": lives.collect::<Vec<_>>()},
        "cloudflare": {"inputs": inputs.collect::<Vec<_>>(), "videos": videos.collect::<Vec<_>>(),
            "notifications": world.cloudflare.notifications},
        "oauth": {"refreshes": refreshes},
        "ingest": {"publishes": world.ingests.publishes(), "refused": world.ingests.refused},
    })
}

fn act(front: &Front, request: &Request) -> Result<Value, String> {
    let action: Action = read(request)?;
    front.world(|world| apply(world, &action))?;
    Ok(json!({}))
}

/// Lets it happen.
pub(crate) fn apply(world: &mut World, action: &Action) -> Result<(), String> {
    let provider = |name: &str| match name {
        "google" | "youtube" => Ok(Provider::Google),
        "twitch" => Ok(Provider::Twitch),
        "facebook" => Ok(Provider::Facebook),
        other => Err(format!("no provider {other}")),
    };
    match action {
        Action::Revoke { provider: who, account, subcode } => {
            world.grants.revoke_all(provider(who)?, account, Death { subcode: subcode.unwrap_or(460) });
        }
        Action::ExpireTokens { provider: who, account } => {
            let now = world.now;
            world.grants.expire(provider(who)?, account, now);
        }
        Action::RotateTwitchKey { account } => twitch::rotate_key(world, account),
        Action::SetYoutubeQuota { used } => {
            let now = world.now;
            world.youtube.quota.set_used(*used, now);
        }
        Action::RefusePublishes { count } => world.ingests.refuse_next = *count,
        Action::CutPublish { owner } => world.ingests.cut(owner),
    }
    Ok(())
}

fn accounts(world: &World) -> Value {
    let accounts: Vec<Value> = world.accounts.iter().map(crate::accounts::Account::describe).collect();
    json!({"accounts": accounts, "consent_as": world.consent_as})
}

/// `{"consent_as": name}` chooses who agrees; `{"name": name}` adds a person.
fn add_account(front: &Front, request: &Request) -> Result<Value, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Change {
        name: Option<String>,
        consent_as: Option<String>,
    }
    let change: Change = read(request)?;
    front.world(|world| {
        if let Some(name) = &change.name {
            world.add_person(&Person::new(name));
        }
        if let Some(name) = change.consent_as {
            world.account(&name).ok_or("no such account")?;
            world.consent_as = name;
        }
        Ok(accounts(world))
    })
}

fn patch_account(front: &Front, request: &Request, name: &str) -> Result<Value, String> {
    let patch: Value = read(request)?;
    front.world(|world| {
        let account = world.account_mut(name).ok_or("no such account")?;
        let mut flags = serde_json::to_value(&account.flags).map_err(|error| error.to_string())?;
        let (Value::Object(flags), Value::Object(patch)) = (&mut flags, patch) else {
            return Err("an object of flags is expected".to_owned());
        };
        flags.extend(patch);
        account.flags = serde_json::from_value(Value::Object(flags.clone())).map_err(|error| error.to_string())?;
        Ok(account.describe())
    })
}
