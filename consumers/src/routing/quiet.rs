//! Quiet hours, in the user's own time.

use jiff::{
    Timestamp,
    civil::{Date, Time},
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};
use sendoff_producers::model::{QuietHours, User};

/// A user's record whose quiet hours can't be told. The API takes none like it, so it is for a person to mend: a message in the
/// middle of the night would be no better than one that never goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the user's {0}")]
pub struct DamagedQuietHours(&'static str);

/// When the quiet hours end that `now` lies in; `None` when it lies in none.
///
/// They are told by the clock on the user's wall. On a day when that is put forward over their beginning or end, they begin or
/// end at the jump; on a day when it is put back, they begin at the first and end at the last time that the clock shows it.
///
/// # Errors
///
/// [`DamagedQuietHours`] when there is no such time zone, or the hours are none.
pub fn quiet_until(user: &User, now: Timestamp) -> Result<Option<Timestamp>, DamagedQuietHours> {
    let Some(QuietHours { from, to }) = &user.quiet_hours else { return Ok(None) };
    // The database that we carry, so that the answer doesn't depend on the machine.
    let zone = TimeZoneDatabase::bundled().get(&user.time_zone);
    let zone = zone.map_err(|_| DamagedQuietHours("time zone is not in the IANA database"))?;
    let (from, to) = (time_of_day(from)?, time_of_day(to)?);
    if from == to {
        return Err(DamagedQuietHours("quiet hours end when they begin"));
    }
    let mut until = None;
    // Where the clock is put back over the gap between two of them, one begins before the other has ended.
    while let Some(end) = window_around(until.unwrap_or(now), &zone, from, to) {
        until = Some(end);
    }
    Ok(until)
}

/// The end of the window that `moment` lies in.
fn window_around(moment: Timestamp, zone: &TimeZone, from: Time, to: Time) -> Option<Timestamp> {
    let today = zone.to_datetime(moment).date();
    [today.yesterday().ok()?, today].into_iter().find_map(|day| {
        let last_day = if from < to { day } else { day.tomorrow().ok()? };
        let (begin, end) = (first_showing(zone, day, from)?, last_showing(zone, last_day, to)?);
        (begin <= moment && moment < end).then_some(end)
    })
}

/// When the clock first shows this time or, where it jumps over it, more.
fn first_showing(zone: &TimeZone, day: Date, time: Time) -> Option<Timestamp> {
    let moment = zone.to_ambiguous_timestamp(day.to_datetime(time));
    if matches!(moment.offset(), AmbiguousOffset::Gap { .. }) { jump(zone, day, time) } else { moment.earlier().ok() }
}

/// When the clock last shows this time or, where it jumps over it, first shows more.
fn last_showing(zone: &TimeZone, day: Date, time: Time) -> Option<Timestamp> {
    let moment = zone.to_ambiguous_timestamp(day.to_datetime(time));
    if matches!(moment.offset(), AmbiguousOffset::Gap { .. }) { jump(zone, day, time) } else { moment.later().ok() }
}

/// When the clock jumps over this time.
fn jump(zone: &TimeZone, day: Date, time: Time) -> Option<Timestamp> {
    // Read with the offset from before the jump it lies after it, by less than the jump is wide.
    let after = zone.to_ambiguous_timestamp(day.to_datetime(time)).later().ok()?;
    let just_after = after.checked_add(jiff::SignedDuration::from_nanos(1)).ok()?;
    zone.preceding(just_after).next().map(|transition| transition.timestamp())
}

/// `HH:MM`, from 00:00 to 23:59.
fn time_of_day(text: &str) -> Result<Time, DamagedQuietHours> {
    let parsed = || {
        let (hour, minute) = text.split_once(':')?;
        let number = |digits: &str| {
            let two = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
            two.then(|| digits.parse::<i8>().ok()).flatten()
        };
        Time::new(number(hour)?, number(minute)?, 0, 0).ok()
    };
    parsed().ok_or(DamagedQuietHours("quiet hours are not times of the day such as 22:00"))
}
