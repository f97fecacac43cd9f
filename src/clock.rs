//! Time as a value: the one place that reads clocks and sleeps, so that tests own time.

use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// A future that completes when a sleep is over.
pub type Sleep<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A source of time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Returns the wall-clock time.
    fn now(&self) -> Timestamp;

    /// Returns the time since some fixed moment; never goes backwards, and does not stand still while the machine is
    /// suspended.
    fn elapsed(&self) -> Duration;

    /// Waits for `duration`.
    fn sleep(&self, duration: Duration) -> Sleep<'_>;
}

/// A moment of wall-clock time, in whole milliseconds since 1970-01-01T00:00:00Z.
///
/// Displays and parses as RFC 3339 in UTC with exactly three decimals and `Z`, the form every swamp format uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A text that is not an RFC 3339 moment in UTC.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a time of the form 2026-08-22T10:15:30.123Z")]
pub struct InvalidTimestamp(String);

impl Timestamp {
    /// Returns the moment `milliseconds` after 1970-01-01T00:00:00Z, clamped to the years 0000-9999.
    pub fn from_milliseconds(milliseconds: i64) -> Self {
        Self(milliseconds.clamp(-62_167_219_200_000, 253_402_300_799_999))
    }

    /// Returns the milliseconds since 1970-01-01T00:00:00Z.
    pub fn milliseconds(self) -> i64 {
        self.0
    }

    /// Returns how long ago `earlier` was, zero if it lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns the moment `duration` before this one.
    pub fn before(self, duration: Duration) -> Self {
        let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_milliseconds(self.0.saturating_sub(milliseconds))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let milliseconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        };
        Self::from_milliseconds(milliseconds)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        let moment =
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000).ok().ok_or(fmt::Error)?;
        f.write_str(&moment.format(format).ok().ok_or(fmt::Error)?)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    /// Accepts any number of decimals but only `Z`, as the readers of `createdAt` do (formats.md 2.6).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidTimestamp(text.to_owned());
        if !text.ends_with('Z') {
            return Err(invalid());
        }
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok().ok_or_else(invalid)?;
        let milliseconds =
            i64::try_from(moment.unix_timestamp_nanos().div_euclid(1_000_000)).ok().ok_or_else(invalid)?;
        Ok(Self::from_milliseconds(milliseconds))
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Duration,
}

impl SystemClock {
    /// Returns a clock whose [`Clock::elapsed`] counts from now.
    pub fn new() -> Self {
        Self { started: since_boot() }
    }
}

/// Returns the time since the machine was started. It goes on while the machine is suspended, as locks and others do.
fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn elapsed(&self) -> Duration {
        since_boot().saturating_sub(self.started)
    }

    fn sleep(&self, duration: Duration) -> Sleep<'_> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that stands still except when somebody sleeps on it or moves it.
#[derive(Debug)]
pub struct ManualClock {
    state: Mutex<(Timestamp, Duration)>,
}

impl ManualClock {
    /// Returns a clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { state: Mutex::new((now, Duration::ZERO)) }
    }

    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.0 = Timestamp::from_milliseconds(state.0.0 + i64::try_from(duration.as_millis()).unwrap_or(i64::MAX));
        state.1 += duration;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0
    }

    fn elapsed(&self) -> Duration {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).1
    }

    /// Advances the clock at once, then lets other tasks run.
    fn sleep(&self, duration: Duration) -> Sleep<'_> {
        self.advance(duration);
        Box::pin(tokio::task::yield_now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_display_with_three_decimals_and_z() {
        let moment: Timestamp = "2026-08-22T10:15:30.1Z".parse().expect("a valid time");

        assert_eq!(moment.to_string(), "2026-08-22T10:15:30.100Z");
    }

    #[test]
    fn offsets_are_refused() {
        let refused = "2026-08-22T10:15:30.123+00:00".parse::<Timestamp>();

        assert_eq!(
            refused.expect_err("an offset").to_string(),
            "`2026-08-22T10:15:30.123+00:00` is not a time of the form 2026-08-22T10:15:30.123Z"
        );
    }

    #[test]
    fn extreme_times_still_display() {
        assert_eq!(Timestamp::from_milliseconds(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_milliseconds(i64::MIN).to_string(), "0000-01-01T00:00:00.000Z");
    }
}
