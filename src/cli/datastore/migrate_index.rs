//! `swamp datastore migrate-index`: from one index object to shards.

use clap::Args;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::output::counted;
use crate::cli::report::Outcome;

/// Split the index of a remote datastore into shards
///
/// A datastore that an old swamp began has one index object, which every push rewrites whole. Shards make pushes and
/// pulls proportional to what changed. Running it again changes nothing, except that shards which are missing or damaged
/// are written again: from what the datastore holds and this machine knows.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  swamp datastore migrate-index")]
pub(crate) struct MigrateIndexArguments;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Migrated {
    version: u32,
    partitions: Vec<String>,
    commit_seq: u64,
    migrated: bool,
}

pub(crate) async fn run(_: MigrateIndexArguments, context: &Context) -> Outcome {
    let repo = context.repo()?;
    let migrated = repo.engine(context.engine_options()).await?.migrate_index().await?;
    let swamp::index::Migrated { is_new, partitions, commit_seq } = migrated;
    let shown = Migrated { version: 2, partitions, commit_seq, migrated: is_new };
    context.output.emit(&shown, |shown| {
        let count = counted(shown.partitions.len(), "shard");
        if shown.migrated { format!("the index has {count} now\n") } else { format!("the index has {count} already\n") }
    })
}
