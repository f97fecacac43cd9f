//! Simulated time: everything that waits, waits here, and only the run moves it.
//!
//! Events happen in the order of their moments, those of one moment in the order they were made. Nothing else decides
//! what happens next, so that one seed is one run.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use swamp::clock::{Clock, Sleep, Timestamp};

/// When all runs begin, by a clock that is right.
const EPOCH_MS: i64 = 1_787_000_000_000;

/// Who waits: a machine, by its number in the run.
pub(crate) type Who = usize;

/// A place in the order of events.
type Moment = (Duration, u64);

/// What the network does with a request, apart from whoever sent it.
type Effect = Box<dyn FnOnce() + Send>;

enum Event {
    Wake { who: Who, waker: Waker },
    Effect(Effect),
    Act(Who),
}

/// What one step of time brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Somebody who waited goes on.
    Woke(Who),
    /// The network did something.
    Happened,
    /// It is this machine's turn to begin something.
    Act(Who),
    /// Nobody waits for anything.
    Over,
}

#[derive(Default)]
struct State {
    now: Duration,
    made: u64,
    events: BTreeMap<Moment, Event>,
    stalled: BTreeMap<Who, Duration>,
}

/// The time of one run.
#[derive(Default)]
pub(crate) struct Timeline {
    state: Mutex<State>,
}

impl fmt::Debug for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeline").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl Timeline {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time since the run began.
    pub(crate) fn now(&self) -> Duration {
        self.state().now
    }

    /// Makes something happen later, whoever asked for it.
    pub(crate) fn happen(&self, at: Duration, effect: impl FnOnce() + Send + 'static) {
        self.state().insert(at, Event::Effect(Box::new(effect)));
    }

    /// Gives a machine its turn later.
    pub(crate) fn act(&self, at: Duration, who: Who) {
        self.state().insert(at, Event::Act(who));
    }

    /// Suspends a machine: it does not go on before `until`, though the world does.
    pub(crate) fn stall(&self, who: Who, until: Duration) {
        self.state().stalled.insert(who, until);
    }

    /// Ends the suspension of all machines and takes their turns away.
    pub(crate) fn calm(&self) {
        let mut state = self.state();
        state.stalled.clear();
        state.events.retain(|_, event| !matches!(event, Event::Act(_)));
    }

    /// Whether a machine is suspended.
    pub(crate) fn is_stalled(&self, who: Who) -> bool {
        let state = self.state();
        state.stalled.get(&who).is_some_and(|until| *until > state.now)
    }

    /// Returns a future that ends at a moment.
    pub(crate) fn until(self: &Arc<Self>, who: Who, at: Duration) -> Waiting {
        Waiting { timeline: Arc::clone(self), who, at, registered: None }
    }

    /// Goes on to the next event and lets it happen.
    pub(crate) fn step(&self) -> Step {
        let event = {
            let mut state = self.state();
            let Some(((at, _), event)) = state.events.pop_first() else { return Step::Over };
            state.now = state.now.max(at);
            event
        };
        match event {
            Event::Wake { who, waker } => {
                waker.wake();
                Step::Woke(who)
            }
            Event::Effect(effect) => {
                effect();
                Step::Happened
            }
            Event::Act(who) => Step::Act(who),
        }
    }

    /// Moves time on, past every event until then but for those that begin something.
    pub(crate) fn pass(&self, duration: Duration) {
        let end = self.now() + duration;
        while self.state().events.first_key_value().is_some_and(|((at, _), _)| *at <= end) {
            self.step();
        }
        self.state().now = end;
    }
}

impl State {
    fn insert(&mut self, at: Duration, event: Event) -> Moment {
        self.made += 1;
        let moment = (at.max(self.now), self.made);
        self.events.insert(moment, event);
        moment
    }
}

/// A wait of a machine.
pub(crate) struct Waiting {
    timeline: Arc<Timeline>,
    who: Who,
    at: Duration,
    registered: Option<Moment>,
}

impl Future for Waiting {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let timeline = Arc::clone(&self.timeline);
        let mut state = timeline.state();
        let due = state.stalled.get(&self.who).copied().unwrap_or_default().max(self.at);
        if state.now >= due {
            return Poll::Ready(());
        }
        let event = Event::Wake { who: self.who, waker: cx.waker().clone() };
        match self.registered {
            Some(moment) if moment.0 == due && state.events.contains_key(&moment) => {
                state.events.insert(moment, event);
            }
            before => {
                before.and_then(|moment| state.events.remove(&moment));
                self.registered = Some(state.insert(due, event));
            }
        }
        Poll::Pending
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(moment) = self.registered {
            self.timeline.state().events.remove(&moment);
        }
    }
}

/// The clock of one machine, which may be wrong by some time.
#[derive(Debug)]
pub(crate) struct MachineClock {
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) who: Who,
    pub(crate) skew_ms: i64,
}

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.timeline.now().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_milliseconds(EPOCH_MS + passed + self.skew_ms)
    }

    fn elapsed(&self) -> Duration {
        self.timeline.now()
    }

    fn sleep(&self, duration: Duration) -> Sleep<'_> {
        Box::pin(self.timeline.until(self.who, self.timeline.now() + duration))
    }
}
