//! How a query is run, for people who ask.

use super::compile::Query;
use super::error::QueryError;
use super::run::{Options, columns, selection};
use crate::catalog::{Catalog, Statement};

/// Returns how the catalog would run the statement, and what it is.
pub fn explain(query: &Query, catalog: &Catalog, options: &Options) -> Result<Plan, QueryError> {
    let columns = columns(query, options);
    let (Statement { sql, parameters }, steps) =
        catalog.explain(&selection(query, options, &columns), query.split.tagging())?;
    Ok(Plan {
        sql,
        parameters: parameters.iter().map(|parameter| format!("{parameter:?}")).collect(),
        residual: query.residual_text.clone(),
        columns: columns.iter().map(|column| column.name()).collect(),
        steps,
    })
}

/// How a query is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The statement.
    pub sql: String,
    /// Its values.
    pub parameters: Vec<String>,
    /// What is evaluated on the rows it returns.
    pub residual: Option<String>,
    /// The columns that are read.
    pub columns: Vec<&'static str>,
    /// What SQLite does.
    pub steps: Vec<String>,
}
