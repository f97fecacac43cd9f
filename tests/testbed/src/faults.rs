//! What goes wrong, and when: a plan of rules over the requests a server receives.
//!
//! Every rule counts the requests it matches from the moment its plan was set; of the rules that fire on a request, the
//! first decides. As JSON a rule is `{"on": {"kind": "put", "key": "_index/"}, "nth": {"first": 2}, "fault": "slow_down"}`,
//! where `on` and `nth` may be absent.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::counters::{Kind, Request};

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 503 `SlowDown`; nothing is executed.
    SlowDown,
    /// 500 `InternalError`; nothing is executed.
    InternalError,
    /// 403 `AccessDenied`; nothing is executed.
    Denied,
    /// 400 `ExpiredToken`; nothing is executed.
    ExpiredToken,
    /// 409 `ConditionalRequestConflict`; nothing is executed.
    Conflict,
    /// 412 `PreconditionFailed`; nothing is executed.
    Precondition,
    /// The connection is reset without an answer; nothing is executed.
    Reset,
    /// The connection is reset after so many bytes of the request's body. A single write is not executed; of an upload
    /// that can be resumed, what arrived is kept.
    Interrupted {
        /// How many.
        bytes: u64,
    },
    /// The request is read and never answered; nothing is executed.
    Stall,
    /// The request is executed, then the connection is closed without an answer.
    ApplyThenDrop,
    /// The request is executed; half of the answer's body arrives, then the connection is closed.
    ///
    /// An answer without a body does not arrive at all.
    TruncatedBody,
    /// The request is executed; half of the answer's body arrives and the rest never does.
    StalledBody,
    /// The request is executed this much later.
    Delay {
        /// How much, in milliseconds.
        ms: u64,
    },
    /// The request waits until the plan is replaced or cleared, and is then executed.
    Hold,
}

/// Which requests a rule looks at; the default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Only requests of this kind.
    pub kind: Option<Kind>,
    /// Only requests whose key contains this text.
    pub key: Option<String>,
}

impl Filter {
    fn matches(&self, request: &Request) -> bool {
        let Self { kind, key } = self;
        kind.is_none_or(|kind| kind == request.kind) && key.as_ref().is_none_or(|text| request.key.contains(text))
    }
}

/// On which of the requests it looks at a rule fires, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nth {
    /// On every one.
    #[default]
    All,
    /// On this one only.
    Only(u64),
    /// On the first so many.
    First(u64),
    /// On this one and all later ones.
    From(u64),
    /// On every multiple.
    Every(u64),
}

impl Nth {
    fn fires(self, count: u64) -> bool {
        match self {
            Self::All => true,
            Self::Only(number) => count == number,
            Self::First(number) => count <= number,
            Self::From(number) => count >= number,
            Self::Every(number) => count.is_multiple_of(number),
        }
    }
}

/// One fault and when it happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which requests it looks at.
    #[serde(default)]
    pub on: Filter,
    /// On which of those it fires.
    #[serde(default)]
    pub nth: Nth,
    /// What it does.
    pub fault: Fault,
}

impl Rule {
    /// Creates a rule that fires on every request.
    pub fn new(fault: Fault) -> Self {
        Self { on: Filter::default(), nth: Nth::All, fault }
    }

    /// Limits it to requests of one kind.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.on.kind = Some(kind);
        self
    }

    /// Limits it to keys that contain `text`.
    #[must_use]
    pub fn key(mut self, text: impl Into<String>) -> Self {
        self.on.key = Some(text.into());
        self
    }

    /// Fires on the n-th matching request only.
    #[must_use]
    pub fn only(mut self, number: u64) -> Self {
        self.nth = Nth::Only(number);
        self
    }

    /// Fires on the first matching requests only.
    #[must_use]
    pub fn first(mut self, number: u64) -> Self {
        self.nth = Nth::First(number);
        self
    }

    /// Fires on the n-th matching request and all later ones.
    #[must_use]
    pub fn from(mut self, number: u64) -> Self {
        self.nth = Nth::From(number);
        self
    }

    /// Fires on every n-th matching request.
    #[must_use]
    pub fn every(mut self, number: u64) -> Self {
        self.nth = Nth::Every(number);
        self
    }
}

/// Everything that is to go wrong with a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// Faults of single requests.
    pub rules: Vec<Rule>,
    /// Behaves like the stores that ignore `If-Match` and `If-None-Match` of writes.
    pub ignore_conditions: bool,
    /// Answers every write with 403 `AccessDenied`.
    pub read_only: bool,
}

impl Plan {
    /// Returns the plan of a store that ignores the conditions of writes.
    pub fn ignoring_conditions() -> Self {
        Self { ignore_conditions: true, ..Self::default() }
    }

    /// Returns the plan of a store that denies every write.
    pub fn read_only() -> Self {
        Self { read_only: true, ..Self::default() }
    }
}

impl From<Rule> for Plan {
    fn from(rule: Rule) -> Self {
        Self::from(vec![rule])
    }
}

impl From<Vec<Rule>> for Plan {
    fn from(rules: Vec<Rule>) -> Self {
        Self { rules, ..Self::default() }
    }
}

impl<const N: usize> From<[Rule; N]> for Plan {
    fn from(rules: [Rule; N]) -> Self {
        Self::from(Vec::from(rules))
    }
}

/// The plan in force, with what its rules have counted.
#[derive(Debug)]
pub(crate) struct Faults {
    active: Mutex<Active>,
    /// Counts plans, so that held requests notice the next one.
    generation: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Active {
    plan: Plan,
    /// Requests matched so far, by rule.
    matched: Vec<u64>,
}

impl Default for Faults {
    fn default() -> Self {
        Self { active: Mutex::default(), generation: watch::Sender::new(0) }
    }
}

impl Faults {
    pub(crate) fn set(&self, plan: Plan) {
        let matched = vec![0; plan.rules.len()];
        *self.active() = Active { plan, matched };
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Returns what happens to this request, and counts it.
    pub(crate) fn decide(&self, request: &Request) -> Option<Fault> {
        let mut active = self.active();
        let Active { plan, matched } = &mut *active;
        let mut decided = None;
        for (rule, count) in plan.rules.iter().zip(matched) {
            if rule.on.matches(request) {
                *count += 1;
                if rule.nth.fires(*count) {
                    decided = decided.or(Some(rule.fault));
                }
            }
        }
        decided
    }

    pub(crate) fn is_ignoring_conditions(&self) -> bool {
        self.active().plan.ignore_conditions
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.active().plan.read_only
    }

    /// Returns a receiver that changes when the present plan ends.
    pub(crate) fn plans(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    fn active(&self) -> MutexGuard<'_, Active> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(kind: Kind, key: &str) -> Request {
        Request { kind, key: key.to_owned() }
    }

    fn decisions(rule: Rule) -> Vec<bool> {
        let faults = Faults::default();
        faults.set(rule.into());
        (0..5).map(|_| faults.decide(&request(Kind::Put, "a/b")).is_some()).collect()
    }

    #[test]
    fn rules_fire_on_the_numbered_requests() {
        let rule = Rule::new(Fault::SlowDown);

        assert_eq!(decisions(rule.clone()), [true, true, true, true, true]);
        assert_eq!(decisions(rule.clone().only(2)), [false, true, false, false, false]);
        assert_eq!(decisions(rule.clone().first(2)), [true, true, false, false, false]);
        assert_eq!(decisions(rule.clone().from(4)), [false, false, false, true, true]);
        assert_eq!(decisions(rule.every(2)), [false, true, false, true, false]);
    }

    #[test]
    fn rules_count_only_what_they_look_at() {
        let faults = Faults::default();
        faults.set(Rule::new(Fault::Reset).kind(Kind::Put).key("lock").only(2).into());

        assert_eq!(faults.decide(&request(Kind::Put, "a.lock")), None);
        assert_eq!(faults.decide(&request(Kind::Get, "a.lock")), None);
        assert_eq!(faults.decide(&request(Kind::Put, "other")), None);
        assert_eq!(faults.decide(&request(Kind::Put, "b.lock")), Some(Fault::Reset));
    }

    #[test]
    fn rules_read_from_json() {
        let text =
            r#"[{"on": {"kind": "put"}, "nth": {"first": 3}, "fault": "slow_down"}, {"fault": {"delay": {"ms": 5}}}]"#;

        let rules: Vec<Rule> = serde_json::from_str(text).unwrap();

        let expected = [Rule::new(Fault::SlowDown).kind(Kind::Put).first(3), Rule::new(Fault::Delay { ms: 5 })];
        assert_eq!(rules, expected);
    }
}
