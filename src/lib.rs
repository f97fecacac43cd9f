//! `swamp`: many repositories share one datastore, a directory or a bucket, each under its own namespace.
//!
//! A repository writes versions of named artifacts into its namespace, a push carries them to the datastore and a pull
//! brings them to every other machine. Namespaces see each other through published catalogs; the content behind a row
//! of a foreign catalog is fetched when somebody asks for it and is never written to disk.
//!
//! The formats on disk and in the bucket are those of the existing swamp, in both directions.
//!
//! # Modules
//!
//! A row may use only rows above it. `tests/tidy.rs` reads this table and enforces it, together with the fences: SQLite
//! only in `catalog`, CEL only in `query`, the YAML parser only in `yaml`, AWS crates only in `bucket::s3`, Google
//! crates only in `bucket::gcs`, arguments and output only in `cli`, the environment only in `repo`, changes to files
//! only in `fsutil`.
//!
//! | module | responsibility |
//! |---|---|
//! | `error` | the few kinds of failure a caller can act on |
//! | `clock` | `Clock { now, sleep }`; tests own time |
//! | `path` | `RelPath`: the only spelling of a key; joins, prefixes, refuses `..`, absolute paths and NUL |
//! | `namespace` | `Namespace`: a checked slug; solo is `None`, never `""` |
//! | `fsutil` | atomic writes, reads that tolerate absence, walks; the only caller of mutating `std::fs` |
//! | `yaml/` | YAML in and out: raw scalars in, every string quoted out |
//! | `bucket/` | the port to bytes (get, put, head, delete, list) and its implementations, all under one contract suite |
//! | `datastore/` | the `datastore:` block: parse, validate, resolve, open |
//! | `manifest` | `.namespace.json`: who registered a namespace; conflict check, discovery |
//! | `lock/` | `Lock`, `Held` (proof of holding), acquisition by conditional put, heartbeat, breaking |
//! | `index/` | what a namespace holds remotely: entries, monolith v1, shards v2, partition keys, commit |
//! | `data/` | layout, `metadata.yaml`, walk, the versioned store: save, append, delete, rename, collect |
//! | `catalog/` | SQLite: schema, rows, read, write, rebuild, export |
//! | `query/` | expressions over the catalog: validate, push down to SQL, evaluate, project |
//! | `sync/` | `SyncService` and its one implementation for all buckets: plan, transfer, dirty set, foreign content |
//! | `repo/` | `Repo::open` wires everything; `.swamp.yaml`; every path of a repository; the environment |
//! | `tree/` | what is mounted: namespaces, raw layout, views, control files |
//! | `cli/` | the binary's own modules, one file per command; invisible to the library |
#![forbid(unsafe_code)]

pub mod bucket;
pub mod catalog;
pub mod clock;
pub mod data;
pub mod datastore;
pub mod error;
pub mod fsutil;
pub mod index;
pub mod lock;
pub mod manifest;
pub mod namespace;
pub mod path;
pub mod query;
pub mod repo;
pub mod sync;
pub mod tree;
pub mod yaml;
