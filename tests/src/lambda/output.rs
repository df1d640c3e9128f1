//! What a process writes.

use std::{
    io::{BufRead, BufReader, Read},
    process::{ChildStderr, ChildStdout},
    sync::{Arc, Mutex},
    thread,
};

use tokio::sync::watch;

use crate::memory::lock;

/// The lines of both streams, as they come.
pub(super) struct Output {
    text: Arc<Mutex<String>>,
    open: watch::Sender<usize>,
    lines: watch::Sender<usize>,
}

impl Output {
    pub(super) fn of(stdout: Option<ChildStdout>, stderr: Option<ChildStderr>) -> Self {
        let output = Self { text: Arc::default(), open: watch::Sender::new(2), lines: watch::Sender::new(0) };
        output.read(stdout);
        output.read(stderr);
        output
    }

    fn read(&self, stream: Option<impl Read + Send + 'static>) {
        let (text, open, lines) = (Arc::clone(&self.text), self.open.clone(), self.lines.clone());
        thread::spawn(move || {
            for line in stream.into_iter().flat_map(|stream| BufReader::new(stream).lines()).map_while(Result::ok) {
                lock(&text).push_str(&(line + "\n"));
                lines.send_modify(|lines| *lines += 1);
            }
            open.send_modify(|open| *open -= 1);
        });
    }

    /// Resolves when both streams are closed.
    pub(super) async fn ended(&self) {
        // The sender lives as long as `self`.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    /// Resolves when this has been written.
    pub(super) async fn holds(&self, what: &str) {
        // The sender lives as long as `self`.
        let _ = self.lines.subscribe().wait_for(|_| lock(&self.text).contains(what)).await;
    }

    pub(super) fn text(&self) -> String {
        lock(&self.text).clone()
    }
}
