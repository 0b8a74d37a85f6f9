//! liveBroadcasts.bind and .transition.

use super::{
    Call, Outcome, broadcasts, error, live_enabled,
    model::{Flow, Life},
    page, transition as machine,
};
use crate::{http::Answer, world::World};

pub(super) fn bind(world: &mut World, call: &Call<'_>) -> Outcome {
    let parts = page::parts(call.request, broadcasts::PARTS)?;
    live_enabled(world, call)?;
    let id = call.request.query("id").ok_or(error::bad_broadcast("idRequired", "Id is required"))?;
    let early = broadcasts::find(world, call, id)?.life.is_early();
    if !early {
        return Err(error::wrong_state(
            "liveBroadcastBindingNotAllowed",
            "The current status of the live broadcast does not allow it to be bound to a stream",
        ));
    }
    let stream = call.request.query("streamId");
    if let Some(stream) = stream {
        let known = world.youtube.streams.iter_mut().find(|known| known.id == stream && known.channel == call.channel);
        let known = known.ok_or(error::NO_STREAM)?;
        if known.flow == Flow::Created {
            (known.flow, known.flow_since) = (Flow::Ready, world.now);
        }
    }
    let now = world.now;
    change(world, id, |broadcast| {
        broadcast.bound = stream.map(|stream| (stream.to_owned(), now));
        broadcast.enter(if stream.is_some() { Life::Ready } else { Life::Created }, now);
    });
    Ok(Answer::ok(&broadcasts::find(world, call, id)?.resource(world, &parts)))
}

pub(super) fn transition(world: &mut World, call: &Call<'_>) -> Outcome {
    let parts = page::parts(call.request, broadcasts::PARTS)?;
    live_enabled(world, call)?;
    let id = call.request.query("id").ok_or(error::bad_broadcast("idRequired", "Id is required"))?;
    let target = call.request.query("broadcastStatus");
    let target = target.ok_or(error::bad_broadcast("statusRequired", "Status required"))?;
    let broadcast = broadcasts::find(world, call, id)?;
    let bound = broadcast.bound.as_ref().and_then(|(id, _)| world.youtube.streams.iter().find(|s| s.id == *id));
    let active = bound.is_some_and(|stream| stream.flow == Flow::Active);
    let life = machine::next(broadcast.life, target, broadcast.monitored(), active)?;
    let now = world.now;
    change(world, id, |broadcast| broadcast.enter(life, now));
    Ok(Answer::ok(&broadcasts::find(world, call, id)?.resource(world, &parts)))
}

fn change(world: &mut World, id: &str, change: impl FnOnce(&mut super::model::Broadcast)) {
    if let Some(broadcast) = world.youtube.broadcasts.iter_mut().find(|broadcast| broadcast.id == id) {
        change(broadcast);
    }
}
