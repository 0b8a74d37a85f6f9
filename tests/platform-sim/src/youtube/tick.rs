//! What happens at YouTube by itself: streams follow their media, broadcasts follow their streams and time.

use std::time::Duration;

use super::model::{Flow, Life, State};
use crate::{accounts::Account, clock::millis, ingest::Owner, world::World};

/// Takes the steps that are due.
pub(crate) fn tick(world: &mut World) {
    streams(world);
    broadcasts(world);
}

fn streams(world: &mut World) {
    let (now, timing) = (world.now, world.options.timing);
    let State { streams, .. } = &mut world.youtube;
    for stream in streams {
        let feed = world.ingests.feed(&Owner::Youtube(stream.id.clone()));
        let flowing = feed.is_some_and(|feed| feed.flowing(now, timing.youtube_active_after));
        let gone =
            feed.is_some_and(|feed| feed.gone.is_some_and(|gone| now - gone >= millis(timing.youtube_inactive_after)));
        let next = match stream.flow {
            Flow::Created | Flow::Ready | Flow::Inactive if flowing => Flow::Active,
            Flow::Active if gone => Flow::Inactive,
            same => same,
        };
        if next != stream.flow {
            (stream.flow, stream.flow_since) = (next, now);
        }
    }
}

fn broadcasts(world: &mut World) {
    let (now, timing) = (world.now, world.options.timing);
    let is_stuck = |account: &&Account| account.flags.youtube_stuck_transitions;
    let stuck: Vec<String> = world.accounts.iter().filter(is_stuck).map(|a| a.youtube_channel.clone()).collect();
    let State { streams, broadcasts, .. } = &mut world.youtube;
    for broadcast in broadcasts {
        let bound = broadcast.bound.as_ref().and_then(|(id, _)| streams.iter().find(|stream| stream.id == *id));
        let active = bound.is_some_and(|stream| stream.flow == Flow::Active);
        let idle_since = bound.filter(|stream| stream.flow == Flow::Inactive).map(|stream| stream.flow_since);
        let moves = !stuck.contains(&broadcast.channel);
        let over = |wait: Duration| moves && now - broadcast.life_since >= millis(wait);
        let next = match broadcast.life {
            Life::TestStarting if over(timing.youtube_transition) => Some(Life::Testing),
            Life::LiveStarting if over(timing.youtube_transition) => Some(Life::Live),
            Life::Ready | Life::Testing if active && broadcast.flag("enableAutoStart") => Some(Life::LiveStarting),
            Life::Live if broadcast.flag("enableAutoStop") => idle_since
                .is_some_and(|since| now - since >= millis(timing.youtube_auto_stop))
                .then_some(Life::Complete),
            _ => None,
        };
        if let Some(next) = next {
            broadcast.enter(next, now);
        }
    }
}
