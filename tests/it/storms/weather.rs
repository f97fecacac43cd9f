//! How bad a run is: what the network does to requests, and how often machines die.

use std::time::Duration;

/// After how long a client gives a request up, as the clients of real stores do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What happens how often, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weather {
    /// Requests that the store turns away: 503, 429, a reset connection.
    pub(crate) refused: u32,
    /// Requests that are carried out and never answered.
    pub(crate) unanswered: u32,
    /// Conditional writes refused because another request is being carried out: 409.
    pub(crate) conflicting: u32,
    /// Writes that are carried out a second time later.
    pub(crate) repeated: u32,
    /// Bodies that end early.
    pub(crate) truncated: u32,
    /// Requests that take seconds.
    pub(crate) slow: u32,
    /// Requests that take longer than the client waits.
    pub(crate) stuck: u32,
    /// Moments at which a waiting machine dies.
    pub(crate) deadly: u32,
    /// How long listings may show what was, in milliseconds.
    pub(crate) listing_lag_ms: u64,
}

/// What becomes of one request. It may arrive after its sender has given up; only one that says which state it replaces
/// arrives twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    /// How long it takes to arrive.
    pub(crate) there: Duration,
    /// How long the answer takes.
    pub(crate) back: Duration,
    pub(crate) answer: Answer,
    /// How much later it is carried out once more.
    pub(crate) again: Option<Duration>,
    /// Whether it arrives although its sender dies before it does.
    pub(crate) outlives_sender: bool,
}

/// What the sender of a request hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    True,
    Refusal,
    Conflict,
    Nothing,
}

impl Weather {
    /// Nothing goes wrong.
    pub(crate) const CALM: Self = Self {
        refused: 0,
        unanswered: 0,
        conflicting: 0,
        repeated: 0,
        truncated: 0,
        slow: 0,
        stuck: 0,
        deadly: 0,
        listing_lag_ms: 0,
    };

    /// Draws the weather of a run: one in four is calm but for slow requests, the others are bad in different ways.
    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Self {
        let mut some = |most: u32| if rng.bool() { rng.u32(0..=most) } else { 0 };
        let rough = Self {
            refused: some(150),
            unanswered: some(80),
            conflicting: some(40),
            repeated: some(40),
            truncated: some(60),
            slow: some(100),
            stuck: some(20),
            deadly: some(20),
            listing_lag_ms: u64::from(some(30_000)),
        };
        match rng.u8(0..4) {
            0 => Self { slow: 50, ..Self::CALM },
            _ => rough,
        }
    }

    /// Draws what becomes of a request.
    pub(crate) fn fate(&self, rng: &mut fastrand::Rng, request: Request) -> Fate {
        let mut leg = || match rng.u32(0..1000) {
            die if die < self.stuck => rng.u64(20_000..90_000),
            die if die < self.stuck + self.slow => rng.u64(500..8_000),
            _ => rng.u64(1..40),
        };
        let (there, back) = (Duration::from_millis(leg()), Duration::from_millis(leg()));
        let mut is_hit = |thousandths: u32| rng.u32(0..1000) < thousandths;
        let answer = if is_hit(self.refused) {
            Answer::Refusal
        } else if is_hit(self.unanswered) {
            Answer::Nothing
        } else if matches!(request, Request::Creation | Request::Update) && is_hit(self.conflicting) {
            Answer::Conflict
        } else {
            Answer::True
        };
        let is_repeated = is_hit(self.repeated) && request == Request::Update;
        let again = is_repeated.then(|| Duration::from_millis(rng.u64(1..60_000)));
        let outlives_sender = rng.bool();
        Fate { there, back, answer, again, outlives_sender }
    }
}

/// What kind of request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Read,
    /// A write or deletion without a condition.
    Write,
    /// A write of what must not be there.
    Creation,
    /// A write or deletion of what must be in a certain state.
    Update,
}
