//! Takes commands from the shared queue: as many as there is room for, a little later when the machine is busy.

use std::sync::Arc;

use service_kit::{CancellationToken, TaskTracker};

use super::{claim, context::Context};
use crate::load::{Load, ask};

/// Pulls until cancelled. Claims and sessions run in `tasks`.
pub async fn run(
    context: Arc<Context>,
    capacity: u32,
    load: Arc<Load>,
    tasks: TaskTracker,
    stop: CancellationToken,
) -> Result<(), bus::Error> {
    let mut puller = context.bus.run_commands().await?;
    loop {
        let plan = ask(capacity, context.registry.taken(), load.cpu());
        let round = async {
            if plan.batch == 0 {
                context.registry.room(capacity as usize).await;
                return Vec::new();
            }
            tokio::time::sleep(plan.wait).await;
            puller.next(plan.batch).await
        };
        let Some(deliveries) = stop.run_until_cancelled(round).await else { return Ok(()) };
        for delivery in deliveries {
            // Counted before the next round asks, and not when the task gets to run.
            let slot = context.registry.slot();
            tasks.spawn(claim::take(context.clone(), delivery, slot, tasks.clone()));
        }
    }
}
