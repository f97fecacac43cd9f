//! What is given to the other thread, and what follows when it is done.

use futures::future::LocalBoxFuture;
use tokio::sync::oneshot;

use super::state::{State, answer};
use super::{Answer, Reply};
use crate::error::{Failure as _, Kind};
use crate::mounting::exchange::{Catalogs, Order};
use crate::mounting::relayed::Relayed;
use crate::mounting::schedule::Ended;
use crate::mounting::shown::LastError;
use crate::mounting::summary::{OUTDONE, Pulled, Pushed};
use crate::namespace::Namespace;
use crate::path::RelPath;
use crate::sync::Depth;

/// Something that is done.
pub(super) enum Done {
    Push(Result<Pushed, Relayed>),
    Pull(Result<Pulled, Relayed>, Reply),
    Catalogs(Result<Catalogs, Relayed>, Option<Reply>),
}

impl State {
    pub(super) fn begin_push(&mut self) {
        self.schedule.begin_push();
        self.push_awaited = std::mem::take(&mut self.push_wanted);
        let answer = self.order(Order::Push);
        self.jobs.push(Box::pin(async move { Done::Push(answer.await) }));
    }

    pub(super) fn begin_pull(&mut self, depth: Option<Depth>, reply: Reply) {
        self.is_pulling = true;
        let answer = self.order(|done| Order::Pull(depth, done));
        self.jobs.push(Box::pin(async move { Done::Pull(answer.await, reply) }));
    }

    pub(super) fn begin_catalogs(&mut self, namespaces: Vec<Namespace>, reply: Option<Reply>) {
        let answer = self.order(|done| Order::Catalogs(namespaces, done));
        self.jobs.push(Box::pin(async move { Done::Catalogs(answer.await, reply) }));
    }

    /// Gives an order; returns what becomes of it.
    fn order<T: 'static>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, Relayed>>) -> Order,
    ) -> LocalBoxFuture<'static, Result<T, Relayed>> {
        let (done, outcome) = oneshot::channel();
        let (orders, order) = (self.orders.clone(), order(done));
        Box::pin(async move {
            let gone = || Relayed::new(Kind::Unavailable, "the thread that synchronises has ended");
            if orders.send(order).await.is_err() {
                return Err(gone());
            }
            outcome.await.unwrap_or_else(|_| Err(gone()))
        })
    }

    pub(super) fn end(&mut self, done: Done) {
        match done {
            Done::Push(outcome) => self.end_push(&outcome),
            Done::Pull(outcome, reply) => {
                self.is_pulling = false;
                self.parts.surroundings.names_changed();
                drop(reply.send(outcome.map(Answer::Pulled)));
            }
            Done::Catalogs(outcome, reply) => self.end_catalogs(outcome, reply),
        }
    }

    fn end_push(&mut self, outcome: &Result<Pushed, Relayed>) {
        let (now, wall) = (self.now(), self.parts.clock.now());
        let ended = outcome.as_ref().map_or_else(ended, |_| Ended::Done);
        self.schedule.end_push(ended, now, fastrand::f64());
        match outcome {
            Ok(pushed) => {
                self.doing.pushed.add(pushed);
                (self.doing.last_pushed, self.doing.push_error) = (Some(wall), None);
                let strays = pushed.strays.iter();
                self.local_only
                    .extend(strays.filter_map(|(path, why)| Some((path.parse::<RelPath>().ok()?, why.clone()))));
                let root = &self.parts.root;
                self.local_only.retain(|path, _| path.under(root).is_file());
                for path in &pushed.caught_up.outdone {
                    self.links.failures.note("push", path, None, OUTDONE);
                }
                if pushed.exported || pushed.caught_up != Pulled::default() {
                    self.parts.surroundings.names_changed();
                }
            }
            Err(error) => {
                let message = error.to_line();
                // Once for a person to act on; the repetitions are in `.swamp/errors`.
                if ended == Ended::Denied && !self.is_denied {
                    tracing::error!(error = message, "push refused; changes wait here");
                } else if self.doing.push_error.is_none() {
                    tracing::warn!(error = message, "push failed; it is tried again");
                }
                self.links.failures.note("push", "", None, &message);
                self.doing.pushed.failed += 1;
                self.doing.push_error = Some(LastError { time: wall, message });
            }
        }
        self.is_denied = ended == Ended::Denied;
        self.continue_flushes(outcome);
        for reply in std::mem::take(&mut self.push_awaited) {
            drop(reply.send(outcome.clone().map(Answer::Pushed)));
        }
    }

    fn end_catalogs(&mut self, outcome: Result<Catalogs, Relayed>, reply: Option<Reply>) {
        let (now, wall) = (self.now(), self.parts.clock.now());
        if outcome.as_ref().is_ok_and(Catalogs::is_change) {
            self.parts.surroundings.names_changed();
        }
        let failed = match &outcome {
            Ok(catalogs) => catalogs.failures.first().map(|(_, error)| error.clone()),
            Err(error) => Some(error.clone()),
        };
        let Some(reply) = reply else {
            self.is_refreshing = false;
            let ended = failed.as_ref().map_or(Ended::Done, ended);
            self.schedule.end_refresh(ended, now, fastrand::f64());
            self.doing.last_refreshed = Some(wall);
            self.doing.refresh_error = failed.map(|error| {
                let message = error.to_line();
                tracing::debug!(error = message, "other namespaces cannot be looked at");
                self.links.failures.note("refresh", "", None, &message);
                LastError { time: wall, message }
            });
            return;
        };
        match (outcome, failed) {
            (Ok(catalogs), None) => answer(reply, Answer::Catalogs(catalogs.outcomes)),
            (_, Some(error)) | (Err(error), None) => drop(reply.send(Err(error))),
        }
    }
}

fn ended(error: &Relayed) -> Ended {
    match error.kind() {
        Kind::Denied => Ended::Denied,
        Kind::Invalid | Kind::NotFound | Kind::Conflict | Kind::Unavailable | Kind::Corrupt => Ended::Failed,
    }
}
