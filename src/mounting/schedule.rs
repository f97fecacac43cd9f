//! When to push and when to look at what others published. Pure: moments in, moments out.
//!
//! A push begins some time after the last change, so that a burst of changes is one push, and not much later than the
//! first, so that a stream of changes does not put it off for ever. While a file is open for writing the change is not
//! over. After a failure it waits longer and longer, whatever changes meanwhile; who asks for a push gets one at once.

use std::time::Duration;

/// How long after the last change a push begins, unless said otherwise.
pub const PUSH_DELAY: Duration = Duration::from_secs(2);

/// How long after the first change a push begins at the latest, unless said otherwise.
pub const PUSH_DELAY_MAX: Duration = Duration::from_secs(30);

/// How often other namespaces are looked at, unless said otherwise.
pub const REFRESH: Duration = Duration::from_mins(1);

/// How often other namespaces are looked at when somebody asks for it again and again.
const REFRESH_GAP: Duration = Duration::from_secs(5);

/// How long to wait after a first failure.
const RETRY_FIRST: Duration = Duration::from_secs(5);

/// How long to wait at most after repeated failures.
const RETRY_MAX: Duration = Duration::from_mins(5);

/// How long to wait after a refusal: somebody must do something about credentials first.
const DENIED_WAIT: Duration = Duration::from_mins(15);

/// How much of a wait is left to chance, so that many machines do not come back together.
const JITTER: f64 = 0.2;

/// Whether changes are pushed without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushes {
    /// Some time after they were made.
    Automatic,
    /// Only when somebody asks.
    OnRequest,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From the last change to the push.
    pub push_delay: Duration,
    /// From the first change to the push, at most.
    pub push_delay_max: Duration,
    /// From one look at other namespaces to the next.
    pub refresh: Duration,
    /// Whether to push without being asked.
    pub pushes: Pushes,
}

impl Default for Timing {
    fn default() -> Self {
        let pushes = Pushes::Automatic;
        Self { push_delay: PUSH_DELAY, push_delay_max: PUSH_DELAY_MAX, refresh: REFRESH, pushes }
    }
}

/// The time in which changes were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// When the first one was.
    pub first: Duration,
    /// When the last one was.
    pub last: Duration,
}

impl Span {
    /// Returns the span that holds both.
    pub fn with(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It is done.
    Done,
    /// It failed, and may succeed later.
    Failed,
    /// It is not allowed, and will not be before somebody changes something.
    Denied,
}

/// Waiting after failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Retry {
    failures: u32,
    at: Duration,
}

/// A push that is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Running {
    /// The changes that it covers; none if somebody asked for a push of nothing.
    covered: Option<Span>,
}

/// When to push and when to refresh.
#[derive(Debug)]
pub struct Schedule {
    timing: Timing,
    /// Changes that no push covers yet.
    waiting: Option<Span>,
    /// The push that is running.
    running: Option<Running>,
    is_asked: bool,
    /// Whether whoever asked for the push that failed still waits.
    is_awaited: bool,
    retry: Option<Retry>,
    refresh_at: Duration,
    refreshed_at: Option<Duration>,
    refresh_failures: u32,
}

impl Schedule {
    /// Returns a schedule of nothing but a first look at other namespaces, at once.
    pub fn new(timing: Timing, now: Duration) -> Self {
        Self {
            timing,
            waiting: None,
            running: None,
            is_asked: false,
            is_awaited: false,
            retry: None,
            refresh_at: now,
            refreshed_at: None,
            refresh_failures: 0,
        }
    }

    /// Hears of changes.
    pub fn changed(&mut self, span: Span) {
        self.waiting = Some(self.waiting.map_or(span, |waiting| waiting.with(span)));
    }

    /// Hears that somebody wants a push now.
    pub fn ask(&mut self) {
        self.is_asked = true;
    }

    /// Hears that somebody still waits for the push that has just failed.
    pub fn ask_again(&mut self) {
        self.is_awaited = true;
    }

    /// Whether a push is running.
    pub fn is_pushing(&self) -> bool {
        self.running.is_some()
    }

    /// Returns when the next push begins: `None` if there is nothing to push, or one is running.
    pub fn push_at(&self, is_in_use: bool) -> Option<Duration> {
        if self.running.is_some() {
            return None;
        }
        if self.is_asked {
            return Some(Duration::ZERO);
        }
        if self.is_awaited {
            return Some(self.retry.map_or(Duration::ZERO, |retry| retry.at));
        }
        if self.timing.pushes == Pushes::OnRequest {
            return None;
        }
        let Span { first, last } = self.waiting?;
        let latest = first + self.timing.push_delay_max;
        let settled = if is_in_use { latest } else { latest.min(last + self.timing.push_delay) };
        Some(self.retry.map_or(settled, |retry| settled.max(retry.at)))
    }

    /// Hears that a push begins.
    pub fn begin_push(&mut self) {
        self.running = Some(Running { covered: self.waiting.take() });
        (self.is_asked, self.is_awaited) = (false, false);
    }

    /// Hears what a push came to; `chance` is between 0 and 1.
    pub fn end_push(&mut self, ended: Ended, now: Duration, chance: f64) {
        let covered = self.running.take().and_then(|running| running.covered);
        if ended == Ended::Done {
            self.retry = None;
            return;
        }
        self.changed(covered.unwrap_or(Span { first: now, last: now }));
        let failures = self.retry.map_or(0, |retry| retry.failures) + 1;
        let wait = if ended == Ended::Denied { DENIED_WAIT } else { backoff(failures, RETRY_FIRST) };
        self.retry = Some(Retry { failures, at: now + scattered(wait, chance) });
    }

    /// Returns when other namespaces are looked at next.
    pub fn refresh_at(&self) -> Duration {
        self.refresh_at
    }

    /// Hears that somebody wants other namespaces looked at now; however many want that, it is not done all the time.
    pub fn ask_refresh(&mut self) {
        let soonest = self.refreshed_at.map_or(Duration::ZERO, |last| last + REFRESH_GAP);
        self.refresh_at = self.refresh_at.min(soonest);
    }

    /// Hears what a look at other namespaces came to; `chance` is between 0 and 1.
    pub fn end_refresh(&mut self, ended: Ended, now: Duration, chance: f64) {
        self.refreshed_at = Some(now);
        self.refresh_failures = if ended == Ended::Done { 0 } else { self.refresh_failures + 1 };
        let wait = match ended {
            Ended::Done => self.timing.refresh,
            Ended::Failed => scattered(backoff(self.refresh_failures, self.timing.refresh), chance),
            Ended::Denied => scattered(DENIED_WAIT, chance),
        };
        self.refresh_at = now + wait.max(self.timing.refresh);
    }
}

fn backoff(failures: u32, first: Duration) -> Duration {
    let factor = 1_u32.checked_shl(failures.saturating_sub(1).min(16)).unwrap_or(1);
    first.saturating_mul(factor).min(RETRY_MAX)
}

fn scattered(wait: Duration, chance: f64) -> Duration {
    wait.mul_f64(1.0 - JITTER + 2.0 * JITTER * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn changed_at(schedule: &mut Schedule, first: u64, last: u64) {
        schedule.changed(Span { first: seconds(first), last: seconds(last) });
    }

    fn fresh() -> Schedule {
        Schedule::new(Timing::default(), Duration::ZERO)
    }

    #[test]
    fn nothing_changed_means_no_push() {
        assert_eq!(fresh().push_at(false), None);
    }

    #[test]
    fn a_push_waits_for_two_quiet_seconds() {
        let mut schedule = fresh();

        changed_at(&mut schedule, 10, 10);
        assert_eq!(schedule.push_at(false), Some(seconds(12)));
        changed_at(&mut schedule, 11, 11);
        assert_eq!(schedule.push_at(false), Some(seconds(13)));
    }

    #[test]
    fn a_stream_of_changes_is_pushed_thirty_seconds_after_the_first() {
        let mut schedule = fresh();

        changed_at(&mut schedule, 10, 39);

        assert_eq!(schedule.push_at(false), Some(seconds(40)));
    }

    #[test]
    fn a_push_that_is_waited_for_is_tried_again_whatever_else_is_said_of_pushes() {
        let mut schedule = Schedule::new(Timing { pushes: Pushes::OnRequest, ..Timing::default() }, Duration::ZERO);
        changed_at(&mut schedule, 10, 10);
        schedule.ask();
        schedule.begin_push();
        schedule.end_push(Ended::Failed, seconds(11), 0.5);
        assert_eq!(schedule.push_at(false), None);

        schedule.ask_again();

        assert_eq!(schedule.push_at(true), Some(seconds(11) + RETRY_FIRST));
        schedule.begin_push();
        schedule.end_push(Ended::Failed, seconds(20), 0.5);
        assert_eq!(schedule.push_at(true), None);
    }

    #[test]
    fn a_file_that_is_open_for_writing_is_not_settled() {
        let mut schedule = fresh();

        changed_at(&mut schedule, 10, 10);

        assert_eq!(schedule.push_at(true), Some(seconds(40)));
    }

    #[test]
    fn changes_during_a_push_need_another_one() {
        let mut schedule = fresh();
        changed_at(&mut schedule, 10, 10);
        schedule.begin_push();
        assert_eq!(schedule.push_at(false), None);

        changed_at(&mut schedule, 13, 13);
        schedule.end_push(Ended::Done, seconds(20), 0.5);

        assert_eq!(schedule.push_at(false), Some(seconds(15)));
    }

    #[test]
    fn a_finished_push_leaves_nothing_to_do() {
        let mut schedule = fresh();
        changed_at(&mut schedule, 10, 10);

        schedule.begin_push();
        schedule.end_push(Ended::Done, seconds(20), 0.5);

        assert_eq!(schedule.push_at(false), None);
    }

    #[test]
    fn failures_wait_longer_and_longer_up_to_five_minutes() {
        let mut schedule = fresh();
        changed_at(&mut schedule, 0, 0);
        let mut waits = Vec::new();

        for _ in 0..9 {
            schedule.begin_push();
            schedule.end_push(Ended::Failed, seconds(1000), 0.5);
            waits.push(schedule.push_at(false).expect("a retry").as_secs() - 1000);
        }

        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    }

    #[test]
    fn new_changes_do_not_shorten_the_wait_after_a_failure() {
        let mut schedule = fresh();
        changed_at(&mut schedule, 0, 0);
        schedule.begin_push();
        schedule.end_push(Ended::Denied, seconds(100), 0.5);

        changed_at(&mut schedule, 101, 101);

        assert_eq!(schedule.push_at(false), Some(seconds(1000)));
    }

    #[test]
    fn asking_ends_every_wait() {
        let mut schedule = fresh();
        changed_at(&mut schedule, 0, 0);
        schedule.begin_push();
        schedule.end_push(Ended::Denied, seconds(100), 0.5);

        schedule.ask();

        assert_eq!(schedule.push_at(true), Some(Duration::ZERO));
    }

    #[test]
    fn a_success_ends_the_waiting() {
        let mut schedule = fresh();
        changed_at(&mut schedule, 0, 0);
        schedule.begin_push();
        schedule.end_push(Ended::Failed, seconds(1), 0.5);
        schedule.begin_push();
        schedule.end_push(Ended::Done, seconds(7), 0.5);

        changed_at(&mut schedule, 8, 8);

        assert_eq!(schedule.push_at(false), Some(seconds(10)));
    }

    #[test]
    fn without_automatic_pushes_only_asking_helps() {
        let timing = Timing { pushes: Pushes::OnRequest, ..Timing::default() };
        let mut schedule = Schedule::new(timing, Duration::ZERO);
        changed_at(&mut schedule, 0, 0);
        assert_eq!(schedule.push_at(false), None);

        schedule.ask();

        assert_eq!(schedule.push_at(false), Some(Duration::ZERO));
    }

    #[test]
    fn asking_for_other_namespaces_helps_every_five_seconds() {
        let mut schedule = fresh();
        schedule.end_refresh(Ended::Done, seconds(100), 0.5);

        schedule.ask_refresh();

        assert_eq!(schedule.refresh_at(), seconds(105));
    }

    #[test]
    fn chance_moves_a_wait_by_a_fifth() {
        assert_eq!(scattered(seconds(10), 0.0), seconds(8));
        assert_eq!(scattered(seconds(10), 1.0), seconds(12));
    }

    #[test]
    fn other_namespaces_are_looked_at_every_minute_and_less_often_while_that_fails() {
        let mut schedule = fresh();
        assert_eq!(schedule.refresh_at(), Duration::ZERO);

        schedule.end_refresh(Ended::Done, seconds(5), 0.5);
        assert_eq!(schedule.refresh_at(), seconds(65));
        schedule.end_refresh(Ended::Failed, seconds(100), 0.5);
        assert_eq!(schedule.refresh_at(), seconds(160));
        schedule.end_refresh(Ended::Failed, seconds(200), 0.5);
        assert_eq!(schedule.refresh_at(), seconds(320));
    }
}
