//! The process of a function.

use std::{
    io,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use super::output::Output;
use crate::memory::lock;

/// A process that runs until it is killed.
pub(super) struct Environment {
    child: Mutex<Child>,
    output: Output,
}

impl Environment {
    pub(super) fn spawn<'a>(
        bootstrap: &Path,
        api: SocketAddr,
        variables: impl IntoIterator<Item = (&'a str, String)>,
    ) -> io::Result<Self> {
        let mut child = Command::new(bootstrap)
            .env_clear()
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", api.to_string().as_str()),
                ("AWS_LAMBDA_FUNCTION_NAME", "under-test"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
                ("AWS_REGION", "us-east-1"),
                ("AWS_DEFAULT_REGION", "us-east-1"),
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_SESSION_TOKEN", "test"),
                ("LANG", "en_US.UTF-8"),
                ("TZ", ":UTC"),
            ])
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = Output::of(child.stdout.take(), child.stderr.take());
        Ok(Self { child: Mutex::new(child), output })
    }

    /// Resolves when the process has ended: it has closed its output then.
    pub(super) async fn ended(&self) {
        self.output.ended().await;
    }

    pub(super) fn kill(&self) {
        let mut child = lock(&self.child);
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }

    pub(super) const fn output(&self) -> &Output {
        &self.output
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.kill();
    }
}
