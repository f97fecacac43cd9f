//! Queries: CEL predicates over the catalog of every namespace.
//!
//! A predicate is split into a part that SQLite answers and a residual that is evaluated on the rows it returns.

pub mod pushdown;
