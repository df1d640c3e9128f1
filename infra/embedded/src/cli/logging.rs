//! Log lines on stderr.

use std::io::{self, IsTerminal as _};

use sendoff_embedded::config::{LogFormat, Settings};
use tracing_subscriber::EnvFilter;

/// Starts logging. Colours only on a terminal, and not with `NO_COLOR` (<https://no-color.org>).
pub(crate) fn start(settings: &Settings, no_color: bool) {
    let filter = EnvFilter::new(&settings.log_level);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match settings.log_format {
        LogFormat::Text => lines.with_ansi(!no_color && io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().init(),
    }
}
