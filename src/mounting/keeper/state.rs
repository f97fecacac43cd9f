//! The keeper's loop: hear, act on what is due, wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc;

use super::flushing::Flush;
use super::jobs::Done;
use super::{Answer, Ask, KeeperParts, Links, Reply, Verb};
use crate::data::layout::Artifact;
use crate::data::name::VersionNumber;
use crate::mounting::exchange::Order;
use crate::mounting::schedule::{Pushes, Schedule, Span};
use crate::mounting::shown::{Doing, Phase};
use crate::mounting::watch::{Look, WatchList};
use crate::path::RelPath;
use crate::sync::{Affected, Depth};

/// How long after a change its rows follow, so that a burst of changes is followed once.
pub(super) const FOLLOW_DELAY: Duration = Duration::from_millis(100);

/// How long after rows could not be read they are tried again; twice as long each time.
pub(super) const READ_RETRY: Duration = Duration::from_secs(2);

/// How often that doubles.
pub(super) const READ_DOUBLINGS_MAX: u32 = 5;

/// How much longer than following took it waits before it follows again.
pub(super) const FOLLOW_SHARE: u32 = 10;

/// How often to look whether other processes wrote to our namespace.
pub(super) const LISTEN_PERIOD: Duration = Duration::from_secs(1);

/// How often to look whether files are still open for writing.
const IN_USE_POLL: Duration = Duration::from_millis(500);

/// What the keeper knows.
pub(super) struct State {
    pub(super) parts: KeeperParts,
    pub(super) links: Links,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) jobs: FuturesUnordered<LocalBoxFuture<'static, Done>>,
    pub(super) schedule: Schedule,
    pub(super) doing: Doing,
    pub(super) is_denied: bool,
    /// Who waits for the push that begins next, and for the one that is running.
    pub(super) push_wanted: Vec<Reply>,
    pub(super) push_awaited: Vec<Reply>,
    pub(super) pulls: VecDeque<(Option<Depth>, Reply)>,
    pub(super) is_pulling: bool,
    pub(super) is_refreshing: bool,
    pub(super) flushes: Vec<Flush>,
    pub(super) affected: Affected,
    /// Names that were told and not looked at yet.
    pub(super) names: BTreeSet<RelPath>,
    pub(super) follow_at: Option<Duration>,
    /// When rows are read again at the earliest, and how often that failed since it last succeeded.
    pub(super) read_at: Duration,
    pub(super) read_failures: u32,
    pub(super) watch: WatchList,
    pub(super) watch_at: Duration,
    pub(super) local_only: BTreeMap<RelPath, String>,
    /// What other processes had recorded when we looked last, and when we look again.
    pub(super) heard: Option<u64>,
    /// What our rows were when we looked last.
    pub(super) generation: Option<u64>,
    pub(super) listen_at: Duration,
    /// Contents of versions that were written in place, and whose metadata do not follow yet.
    pub(super) edited: BTreeSet<(Artifact, VersionNumber)>,
}

impl State {
    pub(super) fn new(parts: KeeperParts, links: Links, orders: mpsc::Sender<Order>) -> Self {
        let now = parts.clock.elapsed();
        let schedule = Schedule::new(parts.timing, now);
        Self {
            parts,
            links,
            orders,
            jobs: FuturesUnordered::new(),
            schedule,
            doing: Doing::default(),
            is_denied: false,
            push_wanted: Vec::new(),
            push_awaited: Vec::new(),
            pulls: VecDeque::new(),
            is_pulling: false,
            is_refreshing: false,
            flushes: Vec::new(),
            affected: Affected::default(),
            names: BTreeSet::new(),
            follow_at: None,
            read_at: now,
            read_failures: 0,
            watch: WatchList::default(),
            watch_at: now,
            local_only: BTreeMap::new(),
            heard: None,
            generation: None,
            listen_at: now,
            edited: BTreeSet::new(),
        }
    }

    /// Follows until nobody can ask any more.
    pub(super) async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        // What an earlier mount left; files there may still be open through it.
        let left = self.parts.watermark.peek();
        if left.as_ref().map_or(true, |left| !left.is_empty()) {
            let now = self.now();
            self.schedule.changed(Span { first: now, last: now });
            for directory in left.map(|left| left.paths).unwrap_or_default() {
                self.watch.add_all(&self.parts.root, &directory, now);
            }
        }
        // Whatever was missed while nobody followed.
        self.show_rows(&self.parts.exchange.read_missed());
        loop {
            let wait = self.act();
            let is_listening = self.follow_at.is_none();
            let inbox = std::sync::Arc::clone(&self.links.inbox);
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => self.hear(ask),
                    None => break,
                },
                Some(done) = self.jobs.next() => self.end(done),
                () = inbox.ring(), if is_listening => self.collect(),
                () = self.parts.clock.sleep(wait) => {}
            }
        }
        // What changed last gets its rows, too; what runs is interrupted by whoever ends us.
        self.catch_up();
        let is_behind = !self.affected.is_empty();
        if (is_behind || self.watch.has_forgotten())
            && let Err(error) = self.parts.watermark.mark(None)
        {
            tracing::error!(%error, "not recorded that anything may have changed");
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.parts.clock.elapsed()
    }

    fn hear(&mut self, ask: Ask) {
        let Ask { verb, reply } = ask;
        match verb {
            Verb::Push => {
                self.catch_up();
                self.schedule.ask();
                self.push_wanted.push(reply);
            }
            Verb::Pull { metadata_only } => {
                self.pulls.push_back((metadata_only.then_some(Depth::Metadata), reply));
            }
            Verb::CatalogPull { namespaces } => self.begin_catalogs(namespaces, Some(reply)),
            Verb::Refresh => {
                self.schedule.ask_refresh();
                answer(reply, Answer::Noted);
            }
            Verb::Flush { timeout_ms } => self.begin_flush(Duration::from_millis(timeout_ms), reply),
            Verb::Status => {
                self.show();
                answer(reply, Answer::Status(self.parts.surroundings.status()));
            }
            Verb::Unmount { .. } => {
                let message = "this is not for the keeper";
                drop(reply.send(Err(crate::mounting::Relayed::new(crate::error::Kind::Invalid, message))));
            }
        }
    }

    /// Does everything that is due; returns how long nothing will be.
    fn act(&mut self) -> Duration {
        let now = self.now();
        if self.follow_at.is_some_and(|at| at <= now) || self.unread_at().is_some_and(|at| at <= now) {
            self.collect();
            self.follow();
        }
        if self.watch_at <= now {
            self.examine_watched(Look::Due);
        }
        if self.listen_at <= now {
            self.listen();
        }
        self.end_late_flushes();
        let is_in_use = self.parts.watermark.is_held();
        if !self.is_pulling && !self.schedule.is_pushing() {
            if let Some((depth, reply)) = self.pulls.pop_front() {
                self.begin_pull(depth, reply);
            } else if self.schedule.push_at(is_in_use).is_some_and(|at| at <= now) {
                self.begin_push();
            }
        }
        if !self.is_refreshing && self.schedule.refresh_at() <= now {
            self.is_refreshing = true;
            self.begin_catalogs(Vec::new(), None);
        }
        self.show();
        self.next_due(is_in_use).saturating_sub(self.now())
    }

    fn next_due(&self, is_in_use: bool) -> Duration {
        let push = self.schedule.push_at(is_in_use).filter(|_| !self.is_pulling);
        // While a file is open, the end of that brings the push nearer.
        let polled = push.map(|at| if is_in_use { at.min(self.now() + IN_USE_POLL) } else { at });
        let refresh = (!self.is_refreshing).then(|| self.schedule.refresh_at());
        let flush = self.flushes.iter().map(|flush| flush.deadline).min();
        let due = [polled, refresh, flush, self.follow_at, self.unread_at(), Some(self.watch_at), Some(self.listen_at)];
        due.into_iter().flatten().min().unwrap_or(self.watch_at)
    }

    /// Returns when rows that could not be read are tried again.
    fn unread_at(&self) -> Option<Duration> {
        (!self.affected.is_empty()).then_some(self.read_at)
    }

    /// Brings everything that reports show up to date.
    fn show(&mut self) {
        let now = self.now();
        let next = self.schedule.push_at(self.parts.watermark.is_held());
        self.doing.phase = match next {
            _ if self.schedule.is_pushing() => Phase::Pushing,
            Some(_) if self.is_denied => Phase::Denied,
            Some(_) => Phase::Waiting,
            None if self.parts.timing.pushes == Pushes::OnRequest => Phase::Off,
            None => Phase::Idle,
        };
        let wall = self.parts.clock.now().milliseconds();
        self.doing.next_push = next.map(|at| {
            let wait = i64::try_from(at.saturating_sub(now).as_millis()).unwrap_or(i64::MAX);
            // Whole seconds, so that it stays the same from look to look.
            crate::clock::Timestamp::from_milliseconds((wall.saturating_add(wait) + 500) / 1000 * 1000)
        });
        let local = self.local_only.iter().map(|(path, reason)| (path.to_string(), reason.clone()));
        self.doing.local_only = local.collect();
        self.links.shown.show(&self.doing);
    }
}

/// Answers somebody, who may have gone.
pub(super) fn answer(reply: Reply, answer: Answer) {
    drop(reply.send(Ok(answer)));
}
