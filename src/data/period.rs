//! How long data lives: periods such as `30d`, lifetimes, and how many versions are kept (formats.md 2.6, 2.10).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::{Failure, Kind};

use super::name::shown;

/// A text that is no period, lifetime or retention.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is not a {what}: use {rule}", shown(.text))]
pub struct InvalidPeriod {
    what: &'static str,
    text: String,
    rule: &'static str,
}

impl InvalidPeriod {
    fn new(what: &'static str, text: &str, rule: &'static str) -> Self {
        Self { what, text: text.chars().take(121).collect(), rule }
    }

    /// Returns what would be right.
    pub(super) fn rule(&self) -> &'static str {
        self.rule
    }
}

impl Failure for InvalidPeriod {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

/// A span of time as a person writes it: a whole number of minutes, hours, days, weeks, months or years.
///
/// It keeps its spelling: `7d` and `1w` are equally long, and different.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Period {
    text: String,
    minutes: u64,
}

const PERIOD_RULE: &str = "a whole number and `m`, `h`, `d`, `w`, `mo` or `y`, such as `30d`";

impl Period {
    /// Returns how long it is; a month has 30 days, a year 365.
    pub fn duration(&self) -> Duration {
        Duration::from_secs(self.minutes.saturating_mul(60))
    }

    /// Whether it is no time at all.
    pub fn is_zero(&self) -> bool {
        self.minutes == 0
    }
}

impl FromStr for Period {
    type Err = InvalidPeriod;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || InvalidPeriod::new("period", text, PERIOD_RULE);
        let unit_start = text.find(|c: char| !c.is_ascii_digit()).filter(|start| *start > 0).ok_or_else(refused)?;
        let (number, unit) = text.split_at(unit_start);
        let unit_minutes: u64 = match unit {
            "m" => 1,
            "h" => 60,
            "d" => 24 * 60,
            "w" => 7 * 24 * 60,
            "mo" => 30 * 24 * 60,
            "y" => 365 * 24 * 60,
            _ => return Err(refused()),
        };
        // A number too large to hold is as good as for ever.
        let count = number.parse::<u64>().unwrap_or(u64::MAX);
        Ok(Self { text: text.to_owned(), minutes: count.saturating_mul(unit_minutes) })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// When a data name ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lifetime {
    /// With the process that made it.
    Ephemeral,
    /// Never.
    Infinite,
    /// With the workflow run whose job made it.
    Job,
    /// With the workflow run that made it.
    Workflow,
    /// So long after its latest version was made.
    For(Period),
}

impl FromStr for Lifetime {
    type Err = InvalidPeriod;

    /// A period of no length means `workflow`, as the existing swamp reads it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = "`infinite`, `ephemeral`, `job`, `workflow` or a period such as `30d`";
        match text {
            "ephemeral" => Ok(Self::Ephemeral),
            "infinite" => Ok(Self::Infinite),
            "job" => Ok(Self::Job),
            "workflow" => Ok(Self::Workflow),
            _ => match text.parse::<Period>() {
                Ok(period) if period.is_zero() => Ok(Self::Workflow),
                Ok(period) => Ok(Self::For(period)),
                Err(_not_a_period) => Err(InvalidPeriod::new("lifetime", text, rule)),
            },
        }
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ephemeral => f.write_str("ephemeral"),
            Self::Infinite => f.write_str("infinite"),
            Self::Job => f.write_str("job"),
            Self::Workflow => f.write_str("workflow"),
            Self::For(period) => period.fmt(f),
        }
    }
}

/// Which versions of a data name garbage collection leaves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GarbageCollection {
    /// The newest so many, at least one.
    Newest(u64),
    /// Those made within the period, and always the newest.
    Within(Period),
}

impl GarbageCollection {
    /// Returns how many of `created`, oldest first, are garbage at `now`; the last never is.
    pub fn garbage(&self, created: &[Timestamp], now: Timestamp) -> Vec<bool> {
        let last = created.len().saturating_sub(1);
        let kept = match self {
            Self::Newest(count) => usize::try_from(*count).unwrap_or(usize::MAX).max(1),
            Self::Within(_) => 1,
        };
        let horizon = match self {
            Self::Newest(_) => None,
            Self::Within(period) => Some(now.before(period.duration())),
        };
        let is_garbage = |(index, made): (usize, &Timestamp)| match horizon {
            None => index + kept < created.len(),
            // Equal times stay: only strictly older versions are garbage.
            Some(horizon) => index < last && *made < horizon,
        };
        created.iter().enumerate().map(is_garbage).collect()
    }
}

impl FromStr for GarbageCollection {
    type Err = InvalidPeriod;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || {
            let rule = "how many versions to keep, from 1, or a period of some length such as `2w`";
            InvalidPeriod::new("garbage collection", text, rule)
        };
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return match text.parse() {
                Ok(0) | Err(_) => Err(refused()),
                Ok(count) => Ok(Self::Newest(count)),
            };
        }
        match text.parse::<Period>() {
            Ok(period) if !period.is_zero() => Ok(Self::Within(period)),
            Ok(_) | Err(_) => Err(refused()),
        }
    }
}

impl fmt::Display for GarbageCollection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest(count) => count.fmt(f),
            Self::Within(period) => period.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 24 * 60 * 60 * 1000;

    #[test]
    fn periods_have_the_documented_units() {
        for (text, minutes) in
            [("1m", 1), ("2h", 120), ("1d", 1440), ("1w", 10080), ("1mo", 43200), ("1y", 525_600), ("007d", 10080)]
        {
            let period: Period = text.parse().expect("a period");
            assert_eq!((period.duration().as_secs(), period.to_string().as_str()), (minutes * 60, text));
        }
        for text in ["", "d", "1", "1D", "1 d", "-1d", "1.5d", "1dd", "1s", "1mo ", "１d"] {
            assert!(text.parse::<Period>().is_err(), "{text:?} was accepted");
        }
        assert!("99999999999999999999999y".parse::<Period>().expect("for ever").duration().as_secs() > 1 << 60);
    }

    #[test]
    fn lifetimes_of_no_length_are_those_of_the_workflow() {
        assert_eq!("0h".parse::<Lifetime>().expect("a lifetime"), Lifetime::Workflow);
        assert_eq!("00d".parse::<Lifetime>().expect("a lifetime"), Lifetime::Workflow);
        for text in ["ephemeral", "infinite", "job", "workflow", "30d"] {
            assert_eq!(text.parse::<Lifetime>().expect("a lifetime").to_string(), text);
        }
        assert_eq!("Infinite".parse::<Lifetime>().ok(), None);
    }

    #[test]
    fn garbage_collection_is_a_count_or_a_period() {
        assert_eq!("10".parse::<GarbageCollection>().expect("a count"), GarbageCollection::Newest(10));
        assert_eq!("2w".parse::<GarbageCollection>().expect("a period").to_string(), "2w");
        for text in ["", "0", "0d", "-1", "1.5", "many"] {
            assert!(text.parse::<GarbageCollection>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn the_newest_version_is_never_garbage() {
        let times = [0, DAY_MS, 2 * DAY_MS].map(Timestamp::from_milliseconds);
        let now = Timestamp::from_milliseconds(3 * DAY_MS);

        assert_eq!(GarbageCollection::Newest(1).garbage(&times, now), [true, true, false]);
        assert_eq!(GarbageCollection::Newest(2).garbage(&times, now), [true, false, false]);
        assert_eq!(GarbageCollection::Newest(9).garbage(&times, now), [false, false, false]);
        let within = |text: &str| GarbageCollection::Within(text.parse().expect("a period"));
        assert_eq!(within("1h").garbage(&times, now), [true, true, false]);
        assert_eq!(within("2d").garbage(&times, now), [true, false, false]);
        assert_eq!(within("1d").garbage(&[], now), [false; 0]);
    }
}
