//! `cron(minutes hours day-of-month month day-of-week year)`, as EventBridge reads it.

use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime, Time, Weekday};

/// How far the next day is looked for: a 29 February on a certain weekday comes every 28 years, and
/// years that 400 does not divide make it 40.
const YEARS: i16 = 41;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: Set,
    hours: Set,
    days: Days,
    months: Set,
    weekdays: Weekdays,
    years: Years,
}

/// A set of small numbers as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Set(u64);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    Any,
    These(Set),
    Last,
    LastWeekday,
    /// The weekday of the month that is nearest to this day.
    NearestWeekday(i8),
}

/// Sunday is 1.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Weekdays {
    Any,
    These(Set),
    LastOf(i8),
    /// The n-th of the month.
    Nth(i8, i8),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Years(Option<Vec<i16>>);

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Cron {
    /// Reads what is between the parentheses.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, days, months, weekdays, years] = fields.as_slice() else {
            return Err(format!(
                "cron(…) has six fields (minutes hours day-of-month month day-of-week year), this has {}",
                fields.len()
            ));
        };
        if (*days == "?") == (*weekdays == "?") {
            return Err(
                "one of day-of-month and day-of-week is `?`, the other says which days".to_owned(),
            );
        }
        let in_field =
            |name: &'static str, field: &str| format!("`{field}` does not fit the field {name}");
        let set = |name, field: &str, range, names: &[&str]| {
            numbers(field, range, names)
                .map(Set::of)
                .ok_or_else(|| in_field(name, field))
        };
        Ok(Cron {
            minutes: set("minutes", minutes, (0, 59), &[])?,
            hours: set("hours", hours, (0, 23), &[])?,
            days: Days::parse(days).ok_or_else(|| in_field("day-of-month", days))?,
            months: set("month", months, (1, 12), &MONTHS)?,
            weekdays: Weekdays::parse(weekdays).ok_or_else(|| in_field("day-of-week", weekdays))?,
            years: match *years {
                "*" => Years(None),
                field => Years(Some(
                    numbers(field, (1970, 2199), &[]).ok_or_else(|| in_field("year", field))?,
                )),
            },
        })
    }

    /// The first local time after `after`.
    pub fn next(&self, after: DateTime) -> Option<DateTime> {
        let from = after.checked_add(1.minute()).ok()?;
        let mut day = from.date();
        let mut earliest = (from.hour(), from.minute());
        let last_year = day.year().saturating_add(YEARS);
        while day.year() <= last_year {
            if self.is_on(day)
                && let Some(time) = self.time_from(earliest)
            {
                return Some(day.to_datetime(time));
            }
            day = day.tomorrow().ok()?;
            earliest = (0, 0);
        }
        None
    }

    fn time_from(&self, (from_hour, from_minute): (i8, i8)) -> Option<Time> {
        let hours = (from_hour..24).filter(|hour| self.hours.has(*hour));
        hours
            .flat_map(|hour| {
                let first = if hour == from_hour { from_minute } else { 0 };
                (first..60).map(move |minute| (hour, minute))
            })
            .find(|(_, minute)| self.minutes.has(*minute))
            .and_then(|(hour, minute)| Time::new(hour, minute, 0, 0).ok())
    }

    fn is_on(&self, day: Date) -> bool {
        self.years.has(day.year())
            && self.months.has(day.month())
            && self.days.has(day)
            && self.weekdays.has(day)
    }
}

impl Set {
    fn of(numbers: Vec<i16>) -> Self {
        Set(numbers
            .into_iter()
            .fold(0, |bits, number| bits | 1 << number))
    }

    fn has(self, number: i8) -> bool {
        self.0 >> number & 1 == 1
    }
}

impl Days {
    fn parse(field: &str) -> Option<Self> {
        match field {
            "?" | "*" => Some(Days::Any),
            "L" => Some(Days::Last),
            "LW" => Some(Days::LastWeekday),
            _ => match field.strip_suffix('W') {
                Some(day) => {
                    let day = day.parse().ok().filter(|day| (1..=31).contains(day))?;
                    Some(Days::NearestWeekday(day))
                }
                None => numbers(field, (1, 31), &[]).map(Set::of).map(Days::These),
            },
        }
    }

    fn has(&self, day: Date) -> bool {
        match self {
            Days::Any => true,
            Days::These(days) => days.has(day.day()),
            Days::Last => day == day.last_of_month(),
            Days::LastWeekday => day == nearest_weekday(day.last_of_month()),
            Days::NearestWeekday(wanted) => {
                let wanted = *wanted;
                wanted <= day.days_in_month()
                    && Date::new(day.year(), day.month(), wanted)
                        .is_ok_and(|wanted| nearest_weekday(wanted) == day)
            }
        }
    }
}

/// The day itself, or the Friday or Monday beside it that is in the same month.
fn nearest_weekday(day: Date) -> Date {
    let moved = match day.weekday() {
        Weekday::Saturday if day.day() == 1 => day.checked_add(2.days()),
        Weekday::Saturday => day.yesterday(),
        Weekday::Sunday if day == day.last_of_month() => day.checked_sub(2.days()),
        Weekday::Sunday => day.tomorrow(),
        _ => Ok(day),
    };
    moved.unwrap_or(day)
}

impl Weekdays {
    fn parse(field: &str) -> Option<Self> {
        if field == "?" || field == "*" {
            return Some(Weekdays::Any);
        }
        if field == "L" {
            return Some(Weekdays::These(Set::of(vec![7])));
        }
        let one = |text: &str| match numbers(text, (1, 7), &WEEKDAYS)?.as_slice() {
            [day] => i8::try_from(*day).ok(),
            _ => None,
        };
        if let Some(day) = field.strip_suffix('L') {
            return one(day).map(Weekdays::LastOf);
        }
        if let Some((day, nth)) = field.split_once('#') {
            let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth))?;
            return Some(Weekdays::Nth(one(day)?, nth));
        }
        numbers(field, (1, 7), &WEEKDAYS)
            .map(Set::of)
            .map(Weekdays::These)
    }

    fn has(&self, day: Date) -> bool {
        let weekday = day.weekday().to_sunday_one_offset();
        match self {
            Weekdays::Any => true,
            Weekdays::These(days) => days.has(weekday),
            Weekdays::LastOf(wanted) => weekday == *wanted && day.day() + 7 > day.days_in_month(),
            Weekdays::Nth(wanted, nth) => weekday == *wanted && (day.day() + 6) / 7 == *nth,
        }
    }
}

impl Years {
    fn has(&self, year: i16) -> bool {
        self.0.as_ref().is_none_or(|years| years.contains(&year))
    }
}

/// All numbers of a field: `*`, `a`, `a-b`, `a/step`, `*/step`, `a-b/step`, and lists of them.
fn numbers(field: &str, (lowest, highest): (i16, i16), names: &[&str]) -> Option<Vec<i16>> {
    let number = |text: &str| -> Option<i16> {
        let by_name = names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text))
            .and_then(|index| i16::try_from(index).ok())
            .map(|index| index + lowest);
        let number = by_name.or_else(|| text.parse().ok())?;
        (lowest..=highest).contains(&number).then_some(number)
    };
    let mut all = Vec::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse().ok().filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (lowest, highest),
            Some((first, last)) => (number(first)?, number(last)?),
            // With a step a single number is where the steps begin.
            None if step.is_some() => (number(range)?, highest),
            None => (number(range)?, number(range)?),
        };
        if first > last {
            return None;
        }
        all.extend((first..=last).step_by(step.unwrap_or(1)));
    }
    Some(all)
}
