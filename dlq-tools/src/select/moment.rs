//! Moments as they are typed: `2026-11-26T03:00:00Z`, or how long ago, `2h`.

use jiff::{Span, SpanRelativeTo};
use sendoff_events::Timestamp;
use sendoff_host::{Exit, Stopped};

/// The moment that a flag's text means, with days of 24 hours.
pub(crate) fn moment(flag: &str, text: &str, now: Timestamp) -> Result<Timestamp, Stopped> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let ago = text.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let moment = ago.ok().filter(|ago| !ago.is_negative()).and_then(|ago| now.checked_sub(ago).ok());
    moment.ok_or_else(|| {
        let text = text.escape_debug();
        Stopped::new(
            Exit::Usage,
            format_args!(
                "{flag} `{text}` is no moment: write one with its offset, such as `2026-11-26T03:00:00Z`, or how long \
                 ago, such as `90m`, `2h` or `7d`"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_typed_as_one_or_as_how_long_ago() {
        let now = "2026-11-26T03:00:00Z".parse().unwrap();
        let means = |text: &str| moment("--since", text, now).unwrap().to_string();
        assert_eq!(means("2026-11-25T23:00:00+01:00"), "2026-11-25T22:00:00Z");
        assert_eq!(means("90m"), "2026-11-26T01:30:00Z");
        assert_eq!(means("1d 2h"), "2026-11-25T01:00:00Z");
        assert_eq!(means("0s"), "2026-11-26T03:00:00Z");
    }

    #[test]
    fn what_is_no_moment_is_wrong_usage() {
        for text in
            ["", "soon", "2", "-2h", "2026-11-26", "2026-11-26T03:00:00", "3 months", "9999999999h", "2h\u{1b}[2J"]
        {
            let stopped = moment("--until", text, Timestamp::UNIX_EPOCH).unwrap_err();
            assert_eq!(stopped.exit, Exit::Usage, "{text}");
            assert!(!stopped.message.unwrap().chars().any(char::is_control), "{text}");
        }
    }
}
