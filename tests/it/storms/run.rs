//! One run: a world drawn from a seed, a storm over it, then calm, in which everything must come to rest and be right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use swamp::error::{Failure as _, Kind};
use swamp::sync::{Depth, SyncError};

use super::checks;
use super::deeds::Doer;
use super::machine::{Machine, Setup};
use super::network::Network;
use super::oracle::{Fact, Oracle};
use super::shelf::{Defect, Shelf};
use super::tasks::{Tasks, Work};
use super::timeline::{Step, Timeline, Who};
use super::trace::Trace;
use super::watchman::Watchman;
use super::weather::Weather;
use super::works::chain;

/// When machines begin to act.
const FIRST_ACT: Duration = Duration::from_mins(1);

/// How long after the last deed everything that was sent has arrived, and every lock has expired.
const AFTERMATH: Duration = Duration::from_mins(6);

/// How often everybody pulls and pushes in the calm: once to complete what was begun, which others may find half done, once
/// to say all, once to hear all, once to see that nothing is left.
const ROUNDS: usize = 4;

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Acts that are left out, to find out which ones matter.
    pub(crate) omitted: BTreeSet<usize>,
    pub(crate) defect: Option<Defect>,
    /// Whether changes are announced, as the contract has it.
    pub(crate) is_announcing: bool,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        Self { seed, omitted: BTreeSet::new(), defect: None, is_announcing: true }
    }
}

/// A machine as it was when it began to do something.
#[derive(Default)]
struct Begun {
    at: Duration,
    facts: Vec<Fact>,
    files: BTreeMap<String, String>,
}

/// One run in progress.
pub(crate) struct Run {
    pub(crate) trace: Trace,
    pub(crate) oracle: Oracle,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) network: Arc<Network>,
    pub(crate) machines: Vec<Machine>,
    pub(crate) namespaces: Vec<String>,
    plan: Plan,
    /// Decides who dies, and what else chance decides that is no act.
    rng: fastrand::Rng,
    tasks: Tasks,
    /// When machines began what they do, and what they had then.
    begun: BTreeMap<Who, Begun>,
    /// When machines began to synchronise last that came to an end.
    heard: BTreeMap<Who, Duration>,
    acts: usize,
    written: u32,
    /// Whether everything must succeed.
    is_calm: bool,
}

/// One of so many storms begins before anything was published.
const FOUNDLESS: u64 = 4;

/// Runs a plan below a directory; what went wrong is in the trace.
pub(crate) fn run(plan: &Plan, directory: &Path, timeline: &Arc<Timeline>, trace: &Trace) {
    // The engine's own dice: pauses of locks and retries.
    fastrand::seed(plan.seed);
    let mut run = Run::new(plan, directory, timeline, trace);
    run.found();
    run.storm();
    run.calm();
    if trace.complaints().is_empty() {
        checks::check(&mut run, directory);
    }
}

impl Run {
    fn new(plan: &Plan, directory: &Path, timeline: &Arc<Timeline>, trace: &Trace) -> Self {
        let mut rng = fastrand::Rng::with_seed(plan.seed);
        let (weather, setups) = (Weather::draw(&mut rng), setups(&mut rng));
        let names: Vec<String> = setups.iter().map(|setup| setup.namespace.clone()).collect();
        trace.note(format!("{weather:?}"));
        let oracle = Oracle::default();
        let shelf = Arc::new(Shelf::new(timeline, Watchman::new(trace, &oracle, names.clone()), plan.defect));
        shelf.set_listing_lag(weather.listing_lag_ms);
        let network = Arc::new(Network::new(timeline, &shelf, weather, rng.fork()));
        let mut machines = Vec::new();
        for (who, setup) in setups.iter().enumerate() {
            trace.note(format!(
                "machine {who} of `{}`, {:?}, clock {:+} ms",
                setup.namespace, setup.depth, setup.skew_ms
            ));
            machines.push(Machine::new(who, setup, directory.join(format!("machine-{who}")), &network));
            timeline.act(FIRST_ACT + Duration::from_millis(rng.u64(0..5_000)), who);
        }
        let mut namespaces = names;
        namespaces.sort();
        namespaces.dedup();
        let acts = rng.usize(20..70);
        Self {
            trace: trace.clone(),
            oracle,
            timeline: Arc::clone(timeline),
            network,
            machines,
            namespaces,
            rng,
            tasks: Tasks::default(),
            begun: BTreeMap::new(),
            heard: BTreeMap::new(),
            acts,
            written: 0,
            is_calm: false,
            plan: plan.clone(),
        }
    }

    /// Gives namespaces an index before the storm, in three of four storms; else the first push is a part of it.
    fn found(&mut self) {
        if self.plan.seed.is_multiple_of(FOUNDLESS) {
            return;
        }
        let weather = self.network.weather();
        self.network.set_weather(Weather::CALM);
        for namespace in self.namespaces.clone() {
            let Some(who) = self.machines.iter().position(|machine| machine.namespace == namespace) else { continue };
            let mut rng = fastrand::Rng::with_seed(self.plan.seed);
            let (written, is_announcing, heard) = (&mut self.written, true, None);
            Doer { rng: &mut rng, oracle: &self.oracle, trace: &self.trace, written, is_announcing, heard }
                .save(&self.machines[who]);
            self.alone(who, "push", self.machines[who].push());
        }
        self.network.set_weather(weather);
    }

    /// Lets machines do things while the network does its worst.
    fn storm(&mut self) {
        let deadly = self.network.weather().deadly;
        while self.acts > 0 && self.trace.complaints().is_empty() {
            match self.timeline.step() {
                Step::Act(who) => {
                    self.acts -= 1;
                    // Dice of its own: what is left out changes nothing about the others.
                    let mut rng = fastrand::Rng::with_seed(self.plan.seed << 8 | self.acts as u64);
                    if !self.plan.omitted.contains(&self.acts) {
                        self.act(who, &mut rng);
                    }
                    let pause = if rng.bool() { 500 } else { 20_000 };
                    self.timeline.act(self.timeline.now() + Duration::from_millis(rng.u64(0..pause)), who);
                }
                Step::Woke(who) => {
                    if self.rng.u32(0..1000) < deadly {
                        self.die(who);
                    }
                }
                Step::Happened => {}
                Step::Over => return,
            }
            self.poll();
        }
    }

    fn act(&mut self, who: Who, rng: &mut fastrand::Rng) {
        if self.timeline.is_stalled(who) {
            return;
        }
        let die = rng.u8(0..100);
        if die < 55 {
            return self.local(who, rng);
        }
        if die >= 94 {
            let length = Duration::from_millis(rng.u64(1_000..120_000));
            self.trace.note(format!("machine {who} is suspended for {length:?}"));
            return self.timeline.stall(who, self.timeline.now() + length);
        }
        if self.tasks.of(who).is_some() {
            return;
        }
        let (name, work) = match die {
            55..70 => self.pull(who, rng),
            70..86 => ("push", self.machines[who].push()),
            86..89 => ("pull catalogs", self.machines[who].pull_catalogs(&self.namespaces)),
            89..91 => ("export", self.machines[who].export()),
            _ => ("break lock", self.machines[who].break_lock()),
        };
        self.begin(who, name, work);
    }

    fn local(&mut self, who: Who, rng: &mut fastrand::Rng) {
        let (written, is_announcing) = (&mut self.written, self.plan.is_announcing);
        let heard = self.heard.get(&who).copied();
        let mut doer = Doer { rng, oracle: &self.oracle, trace: &self.trace, written, is_announcing, heard };
        doer.act(&self.machines[who]);
    }

    fn die(&mut self, who: Who) {
        let interrupted = self.tasks.kill(who);
        self.trace.note(format!("machine {who} dies while it does: {}", interrupted.as_deref().unwrap_or("nothing")));
        self.network.shelf.watchman.died(who);
        self.not_told(who);
        self.machines[who].reopen();
    }

    fn begin(&mut self, who: Who, name: &str, work: Work) {
        self.trace.note(format!("machine {who} begins to {name}"));
        let machine = &self.machines[who];
        let facts = machine.seen().into_iter().map(|seen| seen.fact).collect();
        self.begun.insert(who, Begun { at: self.timeline.now(), facts, files: machine.files() });
        self.tasks.begin(who, name, work);
    }

    fn poll(&mut self) {
        for (who, name, outcome) in self.tasks.poll() {
            match outcome {
                Ok(said) => {
                    self.trace.note(format!("machine {who} is done: {name}, {said}"));
                    let Begun { at, facts, files } = self.begun.remove(&who).unwrap_or_default();
                    let namespace = &self.machines[who].namespace;
                    if name == "push" {
                        // What was written meanwhile may have been sent.
                        let mut meanwhile = self.machines[who].files();
                        meanwhile.retain(|path, content| files.get(path) != Some(content));
                        self.oracle.not_told((who, namespace), &meanwhile);
                        self.oracle.published((who, namespace), facts, self.timeline.now());
                    }
                    if matches!(name.as_str(), "push" | "pull" | "pull metadata" | "pull content") {
                        self.heard.insert(who, at);
                    }
                }
                Err(error) => {
                    self.not_told(who);
                    let text = format!("machine {who} failed to {name}: {}", chain(&error));
                    // Whatever the weather, no index is damaged. A file may be: its version was deleted and made again.
                    let is_file = matches!(error, SyncError::Transfers { .. });
                    if self.is_calm || !is_file && matches!(error.kind(), Kind::Corrupt | Kind::Invalid) {
                        self.trace.complain(text);
                    } else {
                        self.trace.note(text);
                    }
                }
            }
        }
    }

    /// Whatever a machine was doing ended early: what it published, nobody told it.
    fn not_told(&self, who: Who) {
        let machine = &self.machines[who];
        self.oracle.not_told((who, &machine.namespace), &machine.files());
    }

    /// Waits until nobody does anything any more.
    fn drain(&mut self) {
        self.poll();
        while !self.tasks.is_empty() && self.trace.complaints().is_empty() {
            if self.timeline.step() == Step::Over {
                self.trace.complain("somebody waits for ever");
            }
            self.poll();
        }
    }

    /// Does something, alone.
    pub(crate) fn alone(&mut self, who: Who, name: &str, work: Work) {
        if self.trace.complaints().is_empty() {
            self.begin(who, name, work);
            self.drain();
        }
    }

    /// The storm is over: everybody says what they have to say, and hears the others.
    fn calm(&mut self) {
        self.timeline.calm();
        self.network.set_weather(Weather::CALM);
        self.network.shelf.set_listing_lag(0);
        self.trace.note("calm");
        self.drain();
        self.timeline.pass(AFTERMATH);
        for who in 0..self.machines.len() {
            if self.rng.bool() {
                self.machines[who].reopen();
            }
        }
        for round in 0..ROUNDS {
            self.is_calm = round > 0;
            for who in 0..self.machines.len() {
                self.alone(who, "pull", self.machines[who].pull(Depth::Content));
                self.alone(who, "push", self.machines[who].push());
            }
        }
    }

    fn pull(&self, who: Who, rng: &mut fastrand::Rng) -> (&'static str, Work) {
        match rng.u8(0..6) {
            0 => ("pull metadata", self.machines[who].pull(Depth::Metadata)),
            1 => ("pull content", self.machines[who].pull(Depth::Content)),
            _ => ("pull", self.machines[who].pull(self.machines[who].depth)),
        }
    }
}

/// Draws namespaces and their machines.
fn setups(rng: &mut fastrand::Rng) -> Vec<Setup> {
    let mut namespaces = vec!["infra", "security", ""];
    rng.shuffle(&mut namespaces);
    namespaces.truncate(rng.usize(1..=2));
    let mut setups = Vec::new();
    for namespace in namespaces {
        for _ in 0..rng.usize(1..=3) {
            let skew_ms = match rng.u8(0..4) {
                0 => rng.i64(-7_200_000..7_200_000),
                1 => rng.i64(-60_000..60_000),
                _ => 0,
            };
            let depth = if rng.u8(0..4) == 0 { Depth::Metadata } else { Depth::Content };
            setups.push(Setup { namespace: namespace.to_owned(), skew_ms, depth });
        }
    }
    setups
}
