//! Outputs of a live input. They are kept, not relayed.

use serde_json::Value;

use super::{Call, Outcome, bad, error, inputs, model::Output, not_found, ok};
use crate::{http::Answer, world::World};

pub(super) fn list(world: &mut World, call: &Call<'_>, uid: &str) -> Outcome {
    let outputs: Vec<Value> = inputs::find(world, call, uid)?.outputs.iter().map(Output::to_value).collect();
    Ok(ok(&outputs.into()))
}

pub(super) fn create(world: &mut World, call: &Call<'_>, uid: &str) -> Outcome {
    let count = inputs::find(world, call, uid)?.outputs.len();
    if count >= world.options.limits.cloudflare_outputs {
        return Err(error(400, 10_011, "Decoding Error: the live input has the maximum number of outputs"));
    }
    let body = call.body()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let (Some(url), Some(key)) = (text("url"), text("streamKey")) else {
        return Err(bad("url and streamKey are required"));
    };
    let enabled = body.get("enabled").and_then(Value::as_bool).unwrap_or(true);
    let output = Output { uid: world.ids.hex(32), url, key, enabled };
    let answer = ok(&output.to_value());
    inputs::change(world, uid, |input| input.outputs.push(output));
    Ok(answer)
}

fn find(world: &World, call: &Call<'_>, uid: &str, output: &str) -> Result<Output, Answer> {
    let outputs = &inputs::find(world, call, uid)?.outputs;
    outputs.iter().find(|known| known.uid == output).cloned().ok_or_else(not_found)
}

pub(super) fn update(world: &mut World, call: &Call<'_>, uid: &str, output: &str) -> Outcome {
    let mut changed = find(world, call, uid, output)?;
    let body = call.body()?;
    changed.enabled = body.get("enabled").and_then(Value::as_bool).ok_or_else(|| bad("enabled is required"))?;
    let answer = ok(&changed.to_value());
    inputs::change(world, uid, |input| {
        if let Some(known) = input.outputs.iter_mut().find(|known| known.uid == output) {
            *known = changed;
        }
    });
    Ok(answer)
}

pub(super) fn delete(world: &mut World, call: &Call<'_>, uid: &str, output: &str) -> Outcome {
    find(world, call, uid, output)?;
    inputs::change(world, uid, |input| input.outputs.retain(|known| known.uid != output));
    Ok(Answer::empty(200))
}
