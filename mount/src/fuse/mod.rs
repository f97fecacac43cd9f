//! The protocol: requests become operations of [`Core`], their results become replies. Nothing is decided here.
//!
//! A handler that panics answers EIO (the reply is dropped) and the mount lives on. Whatever may wait is done by the
//! pool, with the reply, so that the thread that hears the kernel never waits for a network.

mod convert;
mod later;
mod passthrough;
mod requests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use fuser::{FileHandle, FopenFlags, Generation, INodeNo, ReplyEmpty, ReplyEntry, ReplyOpen};
use tracing::{error, trace_span};

pub(crate) use passthrough::Facts;

use crate::Passthrough;
use crate::attributes::Answer;
use crate::fs::{Core, Lookup, OpenedFile, OpenedHow};
use crate::lifecycle::{InFlight, Token};
use convert::{attr, code, missing};
use later::Later;

/// Numbers are never used again, so that all are of the same generation.
const GENERATION: Generation = Generation(0);

/// Serves the kernel.
pub(crate) struct Adapter {
    core: Arc<Core>,
    facts: Arc<Facts>,
    later: Later,
    durably: Later,
    in_flight: Arc<InFlight>,
}

impl Adapter {
    /// Returns an adapter; what it finds out about the kernel is in [`Adapter::facts`] after the mount is made.
    pub(crate) fn new(core: Arc<Core>, passthrough: Passthrough, in_flight: Arc<InFlight>) -> Self {
        let facts = Arc::new(Facts::new(core.backing().map(Arc::clone), passthrough));
        let later = Later::by(core.deadline());
        Self { core, facts, later, durably: Later::whenever(), in_flight }
    }

    /// Returns what is found out about the kernel.
    pub(crate) fn facts(&self) -> Arc<Facts> {
        Arc::clone(&self.facts)
    }

    /// Runs a handler; a panic in it is our error and nobody else's.
    fn handle(&self, operation: &'static str, number: INodeNo, handler: impl FnOnce(Token)) {
        let _span = trace_span!("request", operation, number = number.0).entered();
        let token = self.in_flight.begin(operation);
        if catch_unwind(AssertUnwindSafe(|| handler(token))).is_err() {
            error!(operation, number = number.0, "a handler panicked");
        }
    }

    fn entry(reply: ReplyEntry, answer: Answer<Lookup>) {
        match answer {
            Ok(Lookup::Found(found)) => {
                let attr = attr(&found.attributes);
                reply.entry_with_ttls(&found.attributes_for, &found.name_for, &attr, GENERATION);
            }
            Ok(Lookup::Missing(remembered_for)) => reply.entry(&remembered_for, &missing(), GENERATION),
            Err(errno) => reply.error(code(errno)),
        }
    }

    fn empty(reply: ReplyEmpty, answer: Answer<()>) {
        match answer {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(code(errno)),
        }
    }

    fn opened(core: &Core, facts: &Facts, reply: ReplyOpen, opened: &OpenedFile) {
        let handle = FileHandle(opened.handle);
        if let OpenedHow::Backing(file) = &opened.how
            && let Some(shared) = facts.share(file, |descriptor| reply.open_backing(descriptor))
        {
            return reply.opened_passthrough(handle, FopenFlags::empty(), &shared);
        }
        reply.opened(handle, Self::pages(core, &opened.how));
    }

    /// Says what the kernel may do with the pages of an open file.
    fn pages(core: &Core, how: &OpenedHow) -> FopenFlags {
        match how {
            OpenedHow::Backing(file) if core.backing().is_some_and(|backing| backing.is_unchanged(file)) => {
                FopenFlags::FOPEN_KEEP_CACHE
            }
            OpenedHow::Backing(_) => FopenFlags::empty(),
            OpenedHow::Immutable => FopenFlags::FOPEN_KEEP_CACHE,
            OpenedHow::Direct => FopenFlags::FOPEN_DIRECT_IO,
        }
    }
}
