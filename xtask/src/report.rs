//! What the person sees of a running stack: addresses once, then (in the foreground) a table that keeps itself fresh.

use std::{path::Path, time::Duration};

use testkit::{Api, Stack, stack::file::StackFile};

use crate::{
    demo::{self, Demo},
    status,
};

const REFRESH: Duration = Duration::from_secs(1);
/// Without a terminal, one table this often.
const REFRESH_PLAIN: Duration = Duration::from_secs(10);

/// Shows the state until dropped.
#[derive(Debug)]
pub struct Report {
    visible: bool,
    terminal: bool,
    lines: usize,
}

impl Report {
    /// `visible`: someone is looking. `terminal`: the table may overwrite itself.
    pub fn new(visible: bool, terminal: bool) -> Self {
        Self { visible, terminal, lines: 0 }
    }

    /// Never returns: the caller drops it when it is time to stop.
    pub async fn follow(&mut self, stack: &Stack, demo: Option<&Demo>) {
        let (Some(demo), true) = (demo, self.visible) else { return std::future::pending().await };
        let mut interval = tokio::time::interval(if self.terminal { REFRESH } else { REFRESH_PLAIN });
        loop {
            interval.tick().await;
            self.show(&demo_table(&stack.api(), demo).await);
        }
    }

    fn show(&mut self, text: &str) {
        if self.terminal && self.lines > 0 {
            // Up to where the last table began, and clear from there.
            print!("\x1b[{}A\x1b[J", self.lines);
        }
        if self.terminal {
            // Long lines are cut, not wrapped: a wrapped one would spoil the count.
            println!("\x1b[?7l{text}\x1b[?7h");
        } else {
            println!("{text}");
        }
        self.lines = text.lines().count() + 1;
    }
}

async fn demo_table(api: &Api, demo: &Demo) -> String {
    match status::destinations(api, demo.stream()).await {
        Ok(table) => table,
        Err(error) => format!("no status: {error:#}"),
    }
}

/// Prints the addresses of the stack in `dir`.
pub fn announce(dir: &Path) -> anyhow::Result<()> {
    let Some(file) = StackFile::read(dir)? else { return Ok(()) };
    println!("\n  API        {}   (pages: {}/api/docs)", file.gateway, file.gateway);
    println!("  publish to {}/KEY", file.rtmp_ingest);
    println!("  logs       {}", dir.join("logs").display());
    println!("  stack file {}", dir.join("stack.json").display());
    demo::announce(dir)?;
    println!("\n`./x status` shows it, `./x token --sub ID` signs you in, `./x down` or Ctrl-C ends it.\n");
    Ok(())
}
