//! Quiet hours across the seasons.

use jiff::{Timestamp, civil::Time, tz::TimeZoneDatabase};
use proptest::prelude::*;
use sendoff_producers::model::User;
use serde_json::json;

use super::quiet_until;

fn user(zone: &str, from: &str, to: &str) -> User {
    let user = json!({ "name": "Ada", "time_zone": zone, "quiet_hours": { "from": from, "to": to } });
    serde_json::from_value(user).unwrap()
}

fn until(zone: &str, from: &str, to: &str, now: &str) -> Option<String> {
    quiet_until(&user(zone, from, to), now.parse().unwrap()).unwrap().map(|end| end.to_string())
}

#[test]
fn hours_end_by_the_clock_on_the_users_wall() {
    for (zone, from, to, now, end) in [
        // Over midnight: before and after it, at its very beginning and end.
        ("Europe/Berlin", "22:00", "07:00", "2026-11-24T20:59:59Z", None),
        ("Europe/Berlin", "22:00", "07:00", "2026-11-24T21:00:00Z", Some("2026-11-25T06:00:00Z")),
        ("Europe/Berlin", "22:00", "07:00", "2026-11-25T05:59:59Z", Some("2026-11-25T06:00:00Z")),
        ("Europe/Berlin", "22:00", "07:00", "2026-11-25T06:00:00Z", None),
        // Within a day.
        ("Europe/Berlin", "12:00", "14:00", "2026-11-24T11:30:00Z", Some("2026-11-24T13:00:00Z")),
        ("Europe/Berlin", "12:00", "14:00", "2026-11-24T13:00:00Z", None),
        // To midnight.
        ("UTC", "22:00", "00:00", "2026-11-24T23:59:59Z", Some("2026-11-25T00:00:00Z")),
        // Offsets of a half and of three quarters of an hour.
        ("Asia/Kolkata", "22:00", "07:00", "2026-11-24T16:29:59Z", None),
        ("Asia/Kolkata", "22:00", "07:00", "2026-11-24T16:30:00Z", Some("2026-11-25T01:30:00Z")),
        ("Asia/Kathmandu", "22:00", "07:00", "2026-11-24T16:15:00Z", Some("2026-11-25T01:15:00Z")),
        // The far ends of the date line.
        ("Pacific/Kiritimati", "22:00", "07:00", "2026-11-24T08:00:00Z", Some("2026-11-24T17:00:00Z")),
        ("Pacific/Niue", "22:00", "07:00", "2026-11-24T09:00:00Z", Some("2026-11-24T18:00:00Z")),
    ] {
        assert_eq!(until(zone, from, to, now).as_deref(), end, "{zone} {from} {to} {now}");
    }
}

/// Europe/Berlin puts its clocks forward from 02:00 to 03:00 on 29 March 2026, at 01:00 UTC.
#[test]
fn when_clocks_are_put_forward_hours_over_the_gap_are_shorter_and_those_in_it_begin_or_end_at_the_jump() {
    for (from, to, now, end) in [
        ("22:00", "07:00", "2026-03-28T23:00:00Z", Some("2026-03-29T05:00:00Z")),
        ("22:00", "02:30", "2026-03-29T00:59:59Z", Some("2026-03-29T01:00:00Z")),
        ("22:00", "02:30", "2026-03-29T01:00:00Z", None),
        ("02:30", "04:00", "2026-03-29T00:59:59Z", None),
        ("02:30", "04:00", "2026-03-29T01:00:00Z", Some("2026-03-29T02:00:00Z")),
        ("02:10", "02:50", "2026-03-29T00:59:59Z", None),
        ("02:10", "02:50", "2026-03-29T01:00:00Z", None),
        // Quiet nearly all day: the two windows meet at the jump and are one.
        ("02:50", "02:10", "2026-03-28T12:00:00Z", Some("2026-03-30T00:10:00Z")),
    ] {
        assert_eq!(until("Europe/Berlin", from, to, now).as_deref(), end, "{from} {to} {now}");
    }
}

/// Europe/Berlin puts its clocks back from 03:00 to 02:00 on 25 October 2026, at 01:00 UTC.
#[test]
fn when_clocks_are_put_back_hours_begin_at_the_first_and_end_at_the_last_time_that_the_clock_shows_it() {
    for (from, to, now, end) in [
        ("22:00", "07:00", "2026-10-24T21:00:00Z", Some("2026-10-25T06:00:00Z")),
        ("22:00", "02:30", "2026-10-25T00:15:00Z", Some("2026-10-25T01:30:00Z")),
        ("22:00", "02:30", "2026-10-25T01:29:59Z", Some("2026-10-25T01:30:00Z")),
        ("22:00", "02:30", "2026-10-25T01:30:00Z", None),
        ("02:30", "04:00", "2026-10-25T00:29:59Z", None),
        ("02:30", "04:00", "2026-10-25T00:30:00Z", Some("2026-10-25T03:00:00Z")),
        // The next ones begin before these have ended.
        ("02:45", "02:15", "2026-10-25T01:00:00Z", Some("2026-10-26T01:15:00Z")),
    ] {
        assert_eq!(until("Europe/Berlin", from, to, now).as_deref(), end, "{from} {to} {now}");
    }
}

#[test]
fn whoever_has_none_is_never_quiet_and_damaged_ones_are_told() {
    let user_of = |value| serde_json::from_value::<User>(value).unwrap();
    let now = "2026-11-24T23:00:00Z".parse().unwrap();
    assert_eq!(quiet_until(&user_of(json!({ "name": "Ada", "time_zone": "Mars/Olympus" })), now), Ok(None));
    for (zone, from, to, why) in [
        ("Mars/Olympus", "22:00", "07:00", "the user's time zone is not in the IANA database"),
        ("UTC", "22:00", "22:00", "the user's quiet hours end when they begin"),
        ("UTC", "24:00", "07:00", "the user's quiet hours are not times of the day such as 22:00"),
        ("UTC", "9:00", "07:00", "the user's quiet hours are not times of the day such as 22:00"),
        ("UTC", "+9:00", "07:00", "the user's quiet hours are not times of the day such as 22:00"),
        ("UTC", "22:00", "", "the user's quiet hours are not times of the day such as 22:00"),
    ] {
        let error = quiet_until(&user(zone, from, to), now).unwrap_err();
        assert_eq!(error.to_string(), why, "{zone} {from} {to}");
    }
}

const ZONES: [&str; 10] = [
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "UTC",
];

/// Whether the clock shows a time within these hours.
fn shows(zone: &str, from: &str, to: &str, moment: Timestamp) -> bool {
    let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
    let time = zone.to_datetime(moment).time();
    let [from, to]: [Time; 2] = [from, to].map(|text| format!("{text}:00").parse().unwrap());
    if from < to { from <= time && time < to } else { from <= time || time < to }
}

/// Whether clocks are changed within two days of this moment.
fn near_a_change(zone: &str, moment: Timestamp) -> bool {
    let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
    let (before, after) =
        (moment - jiff::SignedDuration::from_hours(48), moment + jiff::SignedDuration::from_hours(48));
    zone.following(before).next().is_some_and(|change| change.timestamp() < after)
}

proptest! {
    #[test]
    fn in_any_zone_nobody_is_disturbed_while_their_clock_shows_quiet_hours_and_they_always_end(
        zone in prop::sample::select(&ZONES[..]),
        (from, to) in (0..1440_u32, 0..1440_u32).prop_filter("they end when they begin", |(from, to)| from != to),
        second in 1_262_304_000..1_893_456_000_i64,
    ) {
        let [from, to] = [from, to].map(|minute| format!("{:02}:{:02}", minute / 60, minute % 60));
        let now = Timestamp::from_second(second).unwrap();
        let found = quiet_until(&user(zone, &from, &to), now).unwrap();
        let shown = shows(zone, &from, &to, now);
        prop_assert!(found.is_some() || !shown, "disturbed");
        if !near_a_change(zone, now) {
            prop_assert_eq!(found.is_some(), shown);
        }
        if let Some(end) = found {
            prop_assert!(end > now);
            prop_assert!(!shows(zone, &from, &to, end), "it isn't over");
            prop_assert_eq!(quiet_until(&user(zone, &from, &to), end).unwrap(), None);
        }
    }
}
