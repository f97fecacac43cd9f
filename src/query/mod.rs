//! Queries: CEL predicates over the catalog of every namespace, and expressions over its data.
//!
//! One dialect serves predicates, projections and expressions, a superset of swamp's three. An expression is parsed
//! within limits, checked (names in their scopes, functions, patterns), rewritten to swamp's numbers, where every number of
//! a row is a double, and split into a part that SQLite answers and a residual that is evaluated on the rows it returns.
//!
//! - A row matches only if the predicate is exactly `true`; one that cannot be evaluated is counted, with the first reason.
//! - A predicate that names `version` or `isLatest` is about every version, others about the latest.
//! - JSON is parsed when it is named. Content is fetched for rows that metadata leaves open, in batches, once per artifact.
//! - Whatever the text of an expression says, it ends with an error or an answer: sizes, nesting, steps are bounded, and
//!   everything runs on a stack that is big enough for what the bounds allow.

mod budget;
mod cached;
mod compile;
mod completion;
mod content;
mod cost;
mod data;
mod deep;
mod environment;
mod error;
mod expression;
mod field;
mod functions;
mod json;
mod json_text;
mod judge;
mod limits;
mod map;
mod number;
mod pipeline;
mod plan;
mod program;
pub mod pushdown;
mod rewrite;
mod row;
mod run;
mod spell;
mod suspicion;
mod tag_names;
mod validate;
mod vocabulary;

pub use budget::Interrupt;
pub use compile::Query;
pub use completion::{Completion, Subject, completions};
pub use content::{Artifact, CONTENT_BYTES_MAX, Contents, Unfetched};
pub use error::{Complaint, Incomplete, Place, QueryError, Skipped};
pub use expression::{Surroundings, evaluate};
pub use field::{FIELDS, Field, FieldKind};
pub use plan::{Plan, explain};
pub use row::Row;
pub use run::{Answer, NoContents, Options, Report, Shown, run};
pub use tag_names::{UnknownTag, unknown_tags};
pub use vocabulary::{DATA_FUNCTIONS, FUNCTIONS, Function, METHODS, nearest};

#[cfg(test)]
mod tests;
