//! Dates and moments in their one way of being written.

use jiff::{SignedDuration, civil::Date, fmt::temporal::Pieces};

/// `2026-11-26`, if it is a day of the years 1 to 9999 and written just so.
pub(super) fn date(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    let digits = |from: usize, to: usize| bytes.get(from..to).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let shaped =
        bytes.len() == 10 && digits(0, 4) && bytes[4] == b'-' && digits(5, 7) && bytes[7] == b'-' && digits(8, 10);
    let date: Date = shaped.then(|| text.parse().ok()).flatten()?;
    (date.year() >= 1).then_some(date)
}

/// A moment of the years 1 to 9999 as `2026-11-26T08:00:00.000Z`, from any RFC 3339 text; what is below a millisecond is dropped.
pub(super) fn datetime(text: &str) -> Option<String> {
    // Not by way of `Timestamp`, which ends a day before the year 9999 does.
    let pieces = Pieces::parse(text).ok().filter(|pieces| pieces.time_zone_annotation().is_none())?;
    let offset = SignedDuration::from_secs(pieces.to_numeric_offset()?.seconds().into());
    let civil = pieces.date().to_datetime(pieces.time()?).checked_sub(offset).ok()?;
    (civil.year() >= 1).then(|| civil.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_one_way_of_being_written() {
        for (text, expected) in [
            ("2026-11-26T08:00:00Z", Some("2026-11-26T08:00:00.000Z")),
            ("2026-11-26T08:00:00.1239Z", Some("2026-11-26T08:00:00.123Z")),
            ("2026-11-26T00:30:00+01:00", Some("2026-11-25T23:30:00.000Z")),
            ("1960-01-01T00:00:00.9999-05:00", Some("1960-01-01T05:00:00.999Z")),
            ("9999-12-31T23:59:59.999Z", Some("9999-12-31T23:59:59.999Z")),
            ("0001-01-01T00:00:00Z", Some("0001-01-01T00:00:00.000Z")),
            ("0001-01-01T00:00:00+01:00", None),
            ("9999-12-31T23:59:59-01:00", None),
            ("2026-11-26T08:00:00", None),
            ("2026-11-26", None),
            ("2026-11-26T08:00:00+01:00[Europe/Berlin]", None),
            ("2026-02-29T08:00:00Z", None),
            ("tomorrow", None),
        ] {
            assert_eq!(datetime(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_date_has_one_way_of_being_written() {
        for text in ["0001-01-01", "2024-02-29", "9999-12-31"] {
            assert!(date(text).is_some(), "{text}");
        }
        for text in [
            "2026-02-29",
            "0000-01-01",
            "2026-1-1",
            "+002026-01-01",
            "20260101",
            "2026-01-01T00:00",
            "２０２６-01-01",
            "",
        ] {
            assert!(date(text).is_none(), "{text}");
        }
    }
}
