//! Moments that a file tells: what really happened once, to be sent again.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;

/// A file of moments can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// It can't be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// One of its lines is no moment.
    #[error("line {line}: {why}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It holds none.
    #[error("it holds no moments")]
    Empty,
}

/// The moments of a file, in order, from its first one on: a line each, in seconds (`12.25`) or as a time (`2026-11-24T10:02:17.891Z`).
/// Empty lines and those that begin with `#` are left out. `speed` 2 halves the distances.
///
/// # Errors
///
/// [`TraceError`] when it can't be read, holds something else, mixes both kinds or goes back in time.
pub fn read_trace(file: &Path, speed: f64) -> Result<Arc<[Duration]>, TraceError> {
    parse(&fs::read_to_string(file)?, speed)
}

fn parse(text: &str, speed: f64) -> Result<Arc<[Duration]>, TraceError> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let mut moments: Vec<Duration> = Vec::new();
    let mut first: Option<(bool, f64)> = None;
    for (line, text) in lines.filter(|(_, text)| !text.is_empty() && !text.starts_with('#')) {
        let wrong = |why| TraceError::Line { line, why };
        let (is_time, seconds) = match text.parse::<f64>() {
            Ok(seconds) if seconds.is_finite() && seconds.abs() < 1e10 => (false, seconds),
            Ok(_) => return Err(wrong("is no number of seconds that can be")),
            Err(_) => match text.parse::<Timestamp>() {
                Ok(time) => (true, time.as_microsecond() as f64 / 1e6),
                Err(_) => return Err(wrong("must be a number of seconds or a time such as `2026-11-24T10:02:17Z`")),
            },
        };
        let (was_time, start) = *first.get_or_insert((is_time, seconds));
        if was_time != is_time {
            return Err(wrong("mixes seconds and times"));
        }
        if seconds < start {
            return Err(wrong("goes back in time"));
        }
        let moment = Duration::from_secs_f64((seconds - start) / speed);
        if moments.last().is_some_and(|last| moment < *last) {
            return Err(wrong("goes back in time"));
        }
        moments.push(moment);
    }
    if moments.is_empty() { Err(TraceError::Empty) } else { Ok(moments.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(text: &str, speed: f64) -> Result<Vec<u128>, String> {
        parse(text, speed).map(|all| all.iter().map(Duration::as_millis).collect()).map_err(|e| e.to_string())
    }

    #[test]
    fn moments_count_from_the_first_line_and_comments_are_left_out() {
        assert_eq!(moments("# of Monday\n10\n\n10.5\n12\n", 1.0), Ok(vec![0, 500, 2000]));
        assert_eq!(moments("2026-11-24T10:00:00Z\n2026-11-24T10:00:01.5Z\n", 1.0), Ok(vec![0, 1500]));
        assert_eq!(moments("0\n4\n", 2.0), Ok(vec![0, 2000]));
    }

    #[test]
    fn a_line_that_is_no_moment_is_named() {
        assert_eq!(moments("0\n5\n4\n", 1.0), Err("line 3: goes back in time".into()));
        assert_eq!(moments("0\n2026-11-24T10:00:00Z\n", 1.0), Err("line 2: mixes seconds and times".into()));
        assert!(moments("0\nsoon\n", 1.0).unwrap_err().starts_with("line 2: must be"));
        assert_eq!(moments("# nothing\n", 1.0), Err("it holds no moments".into()));
    }
}
