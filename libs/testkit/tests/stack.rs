//! The stack's own behaviour, with stand-ins for the services: small scripts that answer health checks.

#![allow(clippy::unwrap_used, reason = "test helpers")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use testkit::{
    proc,
    stack::{self, Service, Stack, file::StackFile},
    wait::until_true,
};

const STAND_IN: &str = r#"#!/usr/bin/env python3
import http.server, json, os, signal, subprocess, sys
class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *_): pass
host, port = os.environ["HTTP_LISTEN"].split(":")
server = http.server.HTTPServer((host, int(port)), Healthy)
child = subprocess.Popen(["sleep", "300"])
def stop(*_):
    if "LEAVE_CHILD" not in os.environ: child.kill(); child.wait()
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
with open(os.environ["READY_FILE"] + ".part", "w") as f: json.dump({"http": f"http://{host}:{port}"}, f)
os.rename(os.environ["READY_FILE"] + ".part", os.environ["READY_FILE"])
print(sorted(name for name in os.environ), flush=True)
server.serve_forever()
"#;

fn stand_ins(dir: &Path) {
    for service in Service::ALL {
        let path = dir.join(service.name());
        fs::write(&path, STAND_IN).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn options(bin: &Path) -> stack::Options {
    stand_ins(bin);
    stack::Options { bin_dir: Some(bin.to_path_buf()), ..stack::Options::default() }
}

#[tokio::test]
async fn starts_everything_and_leaves_nothing() {
    let bin = testkit::temp::dir("bin").unwrap();
    let stack = Stack::start_with(options(bin.path())).await.unwrap();
    stack.describe().write(stack.dir()).unwrap();
    let file = StackFile::read(stack.dir()).unwrap().unwrap();
    assert_eq!(file.processes.len(), 6, "{file:?}");
    assert!(file.processes.iter().all(|entry| proc::start_time(entry.pid).is_some()));
    let worker = stack.log(Service::EncoderWorker, 0);
    assert!(worker.contains("REDIS_URL") && !worker.contains("DATABASE_URL"), "{worker}");
    assert!(!worker.contains("ENCRYPTION_KEY") && !worker.contains("JWT"), "{worker}");
    let mut all: Vec<u32> = stack.processes().iter().flat_map(|one| proc::tree(one.pid())).collect();
    all.extend([stack.nats.pid(), stack.redis.pid(), stack.postgres.pid()]);
    assert!(all.len() >= 15, "{all:?}");
    stack.stop().await.unwrap();
    until_true("all are gone", Duration::from_secs(5), async || all.iter().all(|pid| proc::start_time(*pid).is_none()))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_child_that_outlives_its_worker_is_reported() {
    let bin = testkit::temp::dir("bin").unwrap();
    let options = options(bin.path()).env(Service::EncoderWorker, "LEAVE_CHILD", "1");
    let stack = Stack::start_with(options).await.unwrap();
    let error = stack.stop().await.unwrap_err().to_string();
    assert!(error.contains("sleep is left"), "{error}");
}

#[tokio::test]
async fn a_killed_worker_can_be_started_again() {
    let bin = testkit::temp::dir("bin").unwrap();
    let stack = Stack::start_with(options(bin.path())).await.unwrap();
    let worker = stack.worker(1).unwrap();
    let (pid, http) = (worker.pid(), worker.http());
    worker.kill();
    assert!(!worker.proc().alive());
    assert_eq!(worker.proc().survivors().len(), 1, "its child is still found");
    worker.restart().await.unwrap();
    assert!(worker.pid() != pid && worker.http() == http);
    stack.stop().await.unwrap();
}
