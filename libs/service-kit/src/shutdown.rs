//! Two-stage shutdown: *soft* asks everything to finish, *hard* follows after a bound and cuts what is left.

use std::time::Duration;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// After the hard stage, how long [`Shutdown::drained`] still waits for tasks to notice.
const LINGER: Duration = Duration::from_secs(2);

/// Handed to every component. Clones share the state.
#[derive(Clone, Debug)]
pub struct Shutdown {
    /// Finish what you do, take nothing new.
    pub soft: CancellationToken,
    /// Stop now.
    pub hard: CancellationToken,
    /// Every task of the process lives here.
    pub tasks: TaskTracker,
}

impl Shutdown {
    /// Begins when [`Shutdown::trigger`] is called; the hard stage follows after `grace`. Call it inside a runtime.
    pub fn new(grace: Duration) -> Self {
        let this = Self { soft: CancellationToken::new(), hard: CancellationToken::new(), tasks: TaskTracker::new() };
        tokio::spawn(harden(this.clone(), grace));
        this
    }

    /// Like [`Shutdown::new`], and begins at the first SIGTERM or SIGINT; a second one is the hard stage at once.
    pub fn on_signals(grace: Duration) -> Self {
        let this = Self::new(grace);
        tokio::spawn(listen(this.clone()));
        this
    }

    /// Begins the soft stage. Calling it again does nothing.
    pub fn trigger(&self) {
        self.soft.cancel();
    }

    /// Waits for the shutdown to begin and for every task of [`Shutdown::tasks`] to end, at most two seconds past the
    /// hard stage. Returns whether all tasks ended. Cancel safe.
    pub async fn drained(&self) -> bool {
        self.soft.cancelled().await;
        self.tasks.close();
        let overdue = async {
            self.hard.cancelled().await;
            tokio::time::sleep(LINGER).await;
        };
        tokio::select! {
            () = self.tasks.wait() => true,
            () = overdue => {
                tracing::warn!(tasks = self.tasks.len(), "tasks left behind at the end of the shutdown");
                false
            }
        }
    }
}

async fn harden(shutdown: Shutdown, grace: Duration) {
    shutdown.soft.cancelled().await;
    tracing::info!(?grace, "shutting down");
    tokio::select! {
        () = tokio::time::sleep(grace) => tracing::warn!("grace is over, stopping hard"),
        () = shutdown.hard.cancelled() => {}
    }
    shutdown.hard.cancel();
}

async fn listen(shutdown: Shutdown) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("cannot listen to signals: only SIGKILL will end this process");
        return;
    };
    for token in [&shutdown.soft, &shutdown.hard] {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        token.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn drains_when_the_tasks_end() {
        let shutdown = Shutdown::new(Duration::from_secs(10));
        let soft = shutdown.soft.clone();
        shutdown.tasks.spawn(async move { soft.cancelled().await });
        shutdown.trigger();
        assert!(shutdown.drained().await);
        assert!(!shutdown.hard.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn stops_hard_after_the_grace_and_gives_up_on_a_deaf_task() {
        let shutdown = Shutdown::new(Duration::from_secs(10));
        shutdown.tasks.spawn(std::future::pending::<()>());
        let begun = tokio::time::Instant::now();
        shutdown.trigger();
        assert!(!shutdown.drained().await);
        assert!(shutdown.hard.is_cancelled());
        assert_eq!(begun.elapsed().as_secs(), 12);
    }
}
