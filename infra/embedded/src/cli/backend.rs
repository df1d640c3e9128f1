//! The two backends that a command may be about.

use sendoff_embedded::config::{ConfigFile, Inputs};
#[cfg(not(feature = "aws"))]
use sendoff_embedded::program::{Exit, Stopped};

use super::args::Backend;

/// What the program is configured by: on AWS the variables are the deployment's, and only what is logged is the program's own.
pub(super) fn inputs(mut given: Inputs, backend: Backend) -> Inputs {
    if backend == Backend::Aws {
        given.variables.retain(|name, _| name.starts_with("SENDOFF_LOG_"));
        given.file = if given.file == ConfigFile::Usual { ConfigFile::Nothing } else { given.file };
    }
    given
}

/// This program can't do `command` on AWS.
#[cfg(not(feature = "aws"))]
pub(super) fn not_built(command: &str) -> Stopped {
    let how = format!("cargo run --features aws -- {command} --backend aws");
    Stopped::new(Exit::Usage, format!("this program was built without the AWS backend; build it with: {how}"))
}
