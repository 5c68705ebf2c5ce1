//! Schedule expressions of EventBridge Scheduler: what it would refuse, and when one is due next.
//! <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>

mod cron;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

pub use cron::Cron;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    Cron(Box<Cron>),
    /// Every so many minutes, hours or days, counted from when the schedule was made.
    Rate,
    /// Once, at a local time.
    At(DateTime),
}

/// Reads an expression, or says why Scheduler would refuse it.
pub fn parse(text: &str) -> Result<Expression, String> {
    let (kind, inside) = text
        .strip_suffix(')')
        .and_then(|text| text.split_once('('))
        .ok_or_else(|| {
            format!("`{text}` is not a schedule: cron(…), rate(…) or at(…), for example `cron(30 3 * * ? *)`")
        })?;
    match kind {
        "cron" => Ok(Expression::Cron(Box::new(
            Cron::parse(inside).map_err(|why| format!("`{text}`: {why}"))?,
        ))),
        "rate" => rate(inside)
            .map(|()| Expression::Rate)
            .map_err(|why| format!("`{text}`: {why}")),
        "at" => {
            let time: DateTime = inside
                .parse()
                .map_err(|_| format!("`{text}`: at(…) takes yyyy-mm-ddThh:mm:ss"))?;
            if inside.len() != "yyyy-mm-ddThh:mm:ss".len() {
                return Err(format!("`{text}`: at(…) takes yyyy-mm-ddThh:mm:ss"));
            }
            Ok(Expression::At(time))
        }
        _ => Err(format!(
            "`{text}`: there is no {kind}(…), only cron(…), rate(…) and at(…)"
        )),
    }
}

fn rate(inside: &str) -> Result<(), String> {
    let wrong = || "rate(…) takes a number and minutes, hours or days, as in rate(5 minutes)";
    let (number, unit) = inside.split_once(' ').ok_or_else(wrong)?;
    let units = ["minute", "minutes", "hour", "hours", "day", "days"];
    if !units.contains(&unit) {
        return Err(wrong().to_owned());
    }
    match number.parse::<u32>() {
        Ok(1..) => Ok(()),
        _ => Err("a rate is a whole number above 0".to_owned()),
    }
}

/// A time zone of the IANA database.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        format!("`{name}` is not a time zone of the IANA database, such as Europe/Berlin or UTC")
    })
}

/// The next time of an expression in a zone, for people: `Mon 2026-01-05 07:45:00 America/New_York`.
/// None when there is none, or when it cannot be told.
pub fn next(text: &str, zone_name: &str, after: Timestamp) -> Option<String> {
    let at = parse(text).ok()?.next(&zone(zone_name).ok()?, after)?;
    Some(at.strftime("%a %Y-%m-%d %H:%M:%S %Q").to_string())
}

impl Expression {
    /// The first time after `after`. None for a rate, which counts from a moment that is not in the
    /// expression, and for a schedule that is over. A local time that the clocks leave out in spring
    /// is skipped; of one that comes twice in autumn the first counts.
    fn next(&self, zone: &TimeZone, after: Timestamp) -> Option<ZonedDateTime> {
        match self {
            Expression::Rate => None,
            Expression::At(time) => exactly(*time, zone).filter(|at| at.timestamp() > after),
            Expression::Cron(cron) => {
                let mut local = zone.to_datetime(after);
                loop {
                    local = cron.next(local)?;
                    if let Some(at) = exactly(local, zone)
                        && at.timestamp() > after
                    {
                        return Some(at);
                    }
                }
            }
        }
    }
}

/// The moment of a local time; None when the zone's clocks leave it out.
fn exactly(time: DateTime, zone: &TimeZone) -> Option<ZonedDateTime> {
    let at = zone.to_ambiguous_zoned_datetime(time).earlier().ok()?;
    // A time in a gap is moved to one that exists.
    (at.datetime() == time).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scheduler_takes_and_refuses() {
        for text in [
            "cron(30 3 * * ? *)",
            "cron(0/15 8-18 ? * MON-FRI *)",
            "cron(0 0 L * ? *)",
            "cron(0 0 LW * ? 2026-2030)",
            "cron(0 0 15W * ? *)",
            "cron(0 0 ? JAN,JUL 6L *)",
            "cron(0 0 ? * 2#1 *)",
            "rate(1 minute)",
            "rate(5 minutes)",
            "at(2030-01-02T03:04:05)",
        ] {
            parse(text).unwrap();
        }
        for (text, why) in [
            ("30 3 * * ? *", "is not a schedule"),
            ("every(1 day)", "there is no every(…)"),
            ("cron(30 3 * * *)", "six fields"),
            ("cron(30 3 * * * *)", "one of day-of-month and day-of-week"),
            ("cron(30 3 ? * ? *)", "one of day-of-month and day-of-week"),
            ("cron(60 3 * * ? *)", "minutes"),
            ("cron(0 24 * * ? *)", "hours"),
            ("cron(0 0 32 * ? *)", "day-of-month"),
            ("cron(0 0 ? * 8 *)", "day-of-week"),
            ("cron(0 0 ? * 2#6 *)", "day-of-week"),
            ("cron(0 0 1 13 ? *)", "month"),
            ("cron(0 0 1 1 ? 1969)", "year"),
            ("cron(0/0 0 1 1 ? *)", "minutes"),
            ("cron(a 0 1 1 ? *)", "minutes"),
            ("cron(30-10 0 1 1 ? *)", "minutes"),
            ("rate(0 minutes)", "above 0"),
            ("rate(5 seconds)", "minutes, hours or days"),
            ("rate(five minutes)", "above 0"),
            ("at(2030-01-02 03:04)", "yyyy-mm-dd"),
            ("at(2030-02-30T03:04:05)", "yyyy-mm-dd"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    fn next_utc(text: &str, zone_name: &str, after: &str) -> String {
        let after: Timestamp = after.parse().unwrap();
        match parse(text).unwrap().next(&zone(zone_name).unwrap(), after) {
            Some(at) => at.timestamp().to_string(),
            None => "never".to_owned(),
        }
    }

    #[test]
    fn the_next_time_keeps_to_the_clocks_of_its_zone() {
        for (text, zone, after, expected) in [
            // Winter and summer: the same local hour, another one in UTC.
            (
                "cron(30 3 * * ? *)",
                "Europe/Berlin",
                "2026-01-10T00:00:00Z",
                "2026-01-10T02:30:00Z",
            ),
            (
                "cron(30 3 * * ? *)",
                "Europe/Berlin",
                "2026-07-10T00:00:00Z",
                "2026-07-10T01:30:00Z",
            ),
            // 02:30 does not exist on 29 March 2026 and comes twice on 25 October.
            (
                "cron(30 2 * * ? *)",
                "Europe/Berlin",
                "2026-03-28T12:00:00Z",
                "2026-03-30T00:30:00Z",
            ),
            (
                "cron(30 2 * * ? *)",
                "Europe/Berlin",
                "2026-10-24T12:00:00Z",
                "2026-10-25T00:30:00Z",
            ),
            (
                "cron(30 2 * * ? *)",
                "Europe/Berlin",
                "2026-10-25T00:30:00Z",
                "2026-10-26T01:30:00Z",
            ),
            (
                "cron(45 7 ? * MON-FRI *)",
                "America/New_York",
                "2026-11-27T23:00:00Z",
                "2026-11-30T12:45:00Z",
            ),
            (
                "cron(0 0 L * ? *)",
                "UTC",
                "2026-02-01T00:00:00Z",
                "2026-02-28T00:00:00Z",
            ),
            (
                "cron(0 0 LW * ? *)",
                "UTC",
                "2026-05-02T00:00:00Z",
                "2026-05-29T00:00:00Z",
            ),
            (
                "cron(0 0 15W * ? *)",
                "UTC",
                "2026-11-01T00:00:00Z",
                "2026-11-16T00:00:00Z",
            ),
            (
                "cron(0 0 1W * ? *)",
                "UTC",
                "2026-07-20T00:00:00Z",
                "2026-08-03T00:00:00Z",
            ),
            (
                "cron(0 0 ? * 6L *)",
                "UTC",
                "2026-11-01T00:00:00Z",
                "2026-11-27T00:00:00Z",
            ),
            (
                "cron(0 0 ? * 2#1 *)",
                "UTC",
                "2026-11-03T00:00:00Z",
                "2026-12-07T00:00:00Z",
            ),
            (
                "cron(0 0 29 2 ? *)",
                "UTC",
                "2026-01-01T00:00:00Z",
                "2028-02-29T00:00:00Z",
            ),
            (
                "cron(0/20 8-9 * * ? *)",
                "UTC",
                "2026-01-01T08:20:00Z",
                "2026-01-01T08:40:00Z",
            ),
            (
                "cron(0 0 1 1 ? 2020)",
                "UTC",
                "2026-01-01T00:00:00Z",
                "never",
            ),
            (
                "at(2026-07-10T03:30:00)",
                "Europe/Berlin",
                "2026-01-10T00:00:00Z",
                "2026-07-10T01:30:00Z",
            ),
            (
                "at(2026-01-01T00:00:00)",
                "UTC",
                "2026-01-10T00:00:00Z",
                "never",
            ),
            ("rate(5 minutes)", "UTC", "2026-01-10T00:00:00Z", "never"),
        ] {
            assert_eq!(
                next_utc(text, zone, after),
                expected,
                "{text} {zone} {after}"
            );
        }
    }

    #[test]
    fn zones() {
        assert!(zone("Europe/Berlin").is_ok());
        assert!(zone("Mars/Phobos").unwrap_err().contains("IANA"));
    }
}
