//! Dates by whole numbers alone, so that every target computes the same. The algorithms are those of Howard Hinnant's
//! "chrono-Compatible Low-Level Date Algorithms", `days_from_civil` and `civil_from_days`.

use super::number::floor;

/// Days since 1970-01-01.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day, if it is in the years 1 to 9999.
fn civil(days: i64) -> Option<String> {
    if !(-4_000_000..=4_000_000).contains(&days) {
        return None;
    }
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    written(year, month, day)
}

fn written(year: i64, month: i64, day: i64) -> Option<String> {
    (1..=9999).contains(&year).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month and day of a date or a moment.
pub(super) fn parts(text: &str) -> Option<(i64, i64, i64)> {
    Some((digits(text, 0, 4)?, digits(text, 5, 7)?, digits(text, 8, 10)?))
}

fn digits(text: &str, from: usize, to: usize) -> Option<i64> {
    text.get(from..to)?.parse().ok()
}

fn days_of(text: &str) -> Option<i64> {
    parts(text).map(|(year, month, day)| days(year, month, day))
}

/// A number's whole part. What is out of range here makes a date out of range.
#[expect(clippy::cast_possible_truncation, reason = "numbers are at most 1e15 away from zero")]
fn whole(n: f64) -> i64 {
    floor(n) as i64
}

pub(super) fn date(year: f64, month: f64, day: f64) -> Option<String> {
    let (year, month, day) = (whole(year), whole(month), whole(day));
    let there_is = (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    there_is.then(|| written(year, month, day)).flatten()
}

/// 1 is Monday.
pub(super) fn weekday(text: &str) -> Option<i64> {
    days_of(text).map(|days| (days + 3).rem_euclid(7) + 1)
}

pub(super) fn between(from: &str, to: &str) -> Option<i64> {
    Some(days_of(to)? - days_of(from)?)
}

pub(super) fn add(text: &str, n: f64, unit: &str) -> Option<String> {
    let n = whole(n);
    match unit {
        "days" => add_days(text, n),
        "weeks" => add_days(text, n.checked_mul(7)?),
        "months" => add_months(text, n),
        "years" => add_months(text, n.checked_mul(12)?),
        "hours" => add_minutes(text, n.checked_mul(60)?),
        _ => add_minutes(text, n),
    }
}

fn add_days(text: &str, n: i64) -> Option<String> {
    Some(civil(days_of(text)?.checked_add(n)?)? + text.get(10..)?)
}

fn add_months(text: &str, n: i64) -> Option<String> {
    let (year, month, day) = parts(text)?;
    let months = (year * 12 + month - 1).checked_add(n)?;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    Some(written(year, month, day.min(days_in(year, month)))? + text.get(10..)?)
}

fn add_minutes(text: &str, n: i64) -> Option<String> {
    let minutes = days_of(text)? * 1_440 + digits(text, 11, 13)? * 60 + digits(text, 14, 16)?;
    let minutes = minutes.checked_add(n)?;
    let (day, minute) = (civil(minutes.div_euclid(1_440))?, minutes.rem_euclid(1_440));
    Some(format!("{day}T{:02}:{:02}{}", minute / 60, minute % 60, text.get(16..)?))
}

#[cfg(test)]
mod tests {
    use jiff::{ToSpan, civil};

    use super::*;

    /// Each day of the first and of the last 400 years, after which the calendar repeats itself.
    #[test]
    fn every_day_is_the_one_that_jiff_knows() {
        for (from, to) in [(1, 401), (9_600, 9_999)] {
            let mut number = days(from.into(), 1, 1);
            let mut day = civil::date(from, 1, 1);
            while day < civil::date(to, 12, 31) {
                let text = day.to_string();
                assert_eq!(civil(number).as_deref(), Some(text.as_str()));
                assert_eq!(days_of(&text), Some(number));
                assert_eq!(weekday(&text), Some(day.weekday().to_monday_one_offset().into()));
                number += 1;
                day = day.tomorrow().expect("there are days up to 9999-12-31");
            }
        }
        assert_eq!(civil(days(9_999, 12, 31)).as_deref(), Some("9999-12-31"));
        assert_eq!((civil(days(10_000, 1, 1)), civil(days(0, 12, 31))), (None, None));
    }

    #[test]
    fn months_and_minutes_are_added_as_jiff_adds_them() {
        for start in
            [civil::date(2024, 2, 29), civil::date(2026, 1, 31), civil::date(1999, 12, 31), civil::date(2000, 3, 1)]
        {
            for n in -1_500..1_500 {
                let expected = start.checked_add(n.months()).expect("in range").to_string();
                assert_eq!(add(&start.to_string(), f64::from(n), "months"), Some(expected), "{start} {n} months");
                let expected = start.checked_add((n / 12).years()).expect("in range").to_string();
                assert_eq!(add(&start.to_string(), f64::from(n / 12), "years"), Some(expected), "{start} {n} years");
                let moment = start.at(22, 41, 7, 9_000_000);
                let later = moment.checked_add((i64::from(n) * 37).minutes()).expect("in range");
                let expected = later.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
                let text = moment.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
                assert_eq!(add(&text, f64::from(n * 37), "minutes"), Some(expected), "{text} {n} times 37 minutes");
            }
        }
    }

    #[test]
    fn there_is_no_date_where_the_calendar_has_none() {
        assert_eq!(date(2026.0, 2.0, 29.0), None);
        assert_eq!(date(2024.9, 2.0, 29.0), Some("2024-02-29".into()));
        assert_eq!(date(0.0, 1.0, 1.0), None);
        assert_eq!(date(2026.0, 13.0, 1.0), None);
        assert_eq!(add("9999-12-31", 1.0, "days"), None);
        assert_eq!(add("2026-01-01", 1e15, "years"), None);
        assert_eq!(add("2026-01-01", -1e15, "weeks"), None);
    }
}
