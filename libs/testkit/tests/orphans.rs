//! Servers die with the process that started them, even when that is killed.

#![allow(clippy::disallowed_methods, reason = "the starter must be a process of its own")]

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use testkit::{Nats, Postgres, proc, wait::until_true};

/// Run by the test below in a process of its own.
#[tokio::test]
#[ignore = "waits for ever"]
async fn holder() {
    let nats = Nats::start().await.unwrap();
    let postgres = Postgres::start().await.unwrap();
    println!("started {} {}", nats.pid(), postgres.pid());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn servers_die_with_their_starter() {
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holder", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.into_iter().find(|line| line.contains("started ")).unwrap();
    let pids: Vec<u32> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert_eq!(pids.len(), 2, "{line}");
    assert!(pids.iter().all(|pid| proc::start_time(*pid).is_some()));
    let backends = proc::children(pids[1]);
    assert!(!backends.is_empty());
    holder.kill().unwrap();
    holder.wait().unwrap();
    until_true("everything is gone", Duration::from_secs(10), async || {
        pids.iter().chain(&backends).all(|pid| proc::start_time(*pid).is_none())
    })
    .await
    .unwrap();
}
