//! Writes log lines from a thread of its own, so that a full pipe behind standard output never stalls the media.

use std::{
    io::{self, Write},
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread,
    time::{Duration, Instant},
};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait; with typical lines of 300 bytes that is 2.5 MB. Beyond it lines are dropped and counted.
const MAX_WAITING_LINES: usize = 8_192;
/// How long a flush may take.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// A handle to the writing thread. The thread ends with its last handle.
#[derive(Clone)]
pub(super) struct LogWriter(SyncSender<Message>);

impl LogWriter {
    /// Writes to standard output.
    pub(super) fn stdout() -> io::Result<Self> {
        Self::to(io::stdout(), MAX_WAITING_LINES)
    }

    pub(super) fn to(out: impl Write + Send + 'static, max_waiting: usize) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(max_waiting);
        thread::Builder::new().name("log".to_owned()).spawn(move || write_all(out, &receiver))?;
        Ok(Self(sender))
    }

    /// Waits until every line so far is written, at most [`FLUSH_TIMEOUT`].
    pub(super) fn flush(&self) {
        let (done, written) = sync_channel(1);
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        let mut message = Message::Flush(done);
        while let Err(TrySendError::Full(back)) = self.0.try_send(message) {
            if Instant::now() >= deadline {
                return;
            }
            message = back;
            thread::yield_now();
        }
        let _ = written.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

fn write_all(mut out: impl Write, messages: &Receiver<Message>) {
    for message in messages {
        match message {
            // Nobody is left to tell that standard output is gone.
            Message::Line(line) => drop(out.write_all(&line)),
            Message::Flush(done) => {
                let _ = out.flush();
                let _ = done.try_send(());
            }
        }
    }
}

impl Write for LogWriter {
    /// Takes a whole line; the formatter writes each event in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.try_send(Message::Line(line.to_vec())).is_err() {
            metrics::counter!("log_lines_dropped_total").increment(1);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, mpsc};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("memory").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Blocks until the test lets go.
    struct Stuck(mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_flush_has_written_all_lines() {
        let memory = Memory::default();
        let mut writer = LogWriter::to(memory.clone(), 1_000).expect("thread");
        for n in 0..500 {
            writeln!(writer.make_writer(), "{n}").expect("never fails");
        }
        LogWriter::flush(&writer);
        io::Write::flush(&mut writer).expect("never fails");
        let text = String::from_utf8(memory.0.lock().expect("memory").clone()).expect("text");
        assert_eq!(text.lines().count(), 500);
        assert!(text.ends_with("499\n"));
    }

    #[test]
    fn a_stuck_output_drops_lines_instead_of_blocking() {
        let (let_go, stuck) = mpsc::channel();
        let mut writer = LogWriter::to(Stuck(stuck), 2).expect("thread");
        for _ in 0..100 {
            assert_eq!(writer.write(b"line\n").expect("never fails"), 5);
        }
        drop(let_go);
    }
}
