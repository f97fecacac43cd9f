//! Selecting by tags: the fastest way to the rows of a tag depends on how common it is.
//!
//! A rare tag is looked up first, and its rows are sorted into their order. The rows of a common one are walked in their
//! order, so that nothing is kept and a limit ends the walk. Where the filter leaves few rows by itself, each of them is
//! asked for its tags.

use std::ops::ControlFlow;

use rusqlite::{Connection, params_from_iter};

use super::Catalog;
use super::error::CatalogError;
use super::select::{Order, Parameter, SELECT, Selected, Selection, bound, run};

/// Up to how many rows a tag is rare. Counting and sorting so many takes a millisecond or two.
const RARE_MAX: u64 = if cfg!(test) { 4 } else { 10_000 };

/// A tag that a row must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// Its key.
    pub key: String,
    /// One of these is its value; if there are none, any is.
    pub values: Vec<String>,
}

/// Tags that rows must have, beside what a filter says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tagging<'a> {
    /// All of them.
    pub all: &'a [Tagged],
    /// Whether an index finds the few rows that the filter leaves.
    pub is_indexed: bool,
}

/// How SQLite gets from a tag to its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// All of its rows are looked up first.
    First,
    /// Its rows are walked, in order.
    Walked,
    /// Each row is asked for it.
    Asked,
}

/// A statement with the values of its `?`.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The SQL.
    pub sql: String,
    /// The values, in order.
    pub parameters: Vec<Parameter>,
}

impl Tagged {
    /// Returns a filter, answered by an index: the row has the tag.
    pub fn filter(&self) -> String {
        format!("seq IN (SELECT seq FROM catalog_tag WHERE {})", self.condition())
    }

    /// Returns the values of the filter.
    pub fn parameters(&self) -> Vec<Parameter> {
        std::iter::once(&self.key).chain(&self.values).cloned().map(Parameter::Text).collect()
    }

    fn condition(&self) -> String {
        match self.values.len() {
            0 => "key = ?".to_owned(),
            1 => "key = ? AND value = ?".to_owned(),
            count => format!("key = ? AND value IN ({})", vec!["?"; count].join(", ")),
        }
    }

    /// Returns how many rows have it, counted no further than to where it is common.
    fn count(&self, connection: &Connection) -> rusqlite::Result<u64> {
        let condition = self.condition();
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM catalog_tag WHERE {condition} LIMIT {RARE_MAX})");
        let parameters = self.parameters();
        connection.query_row(&sql, params_from_iter(bound(&parameters)), |row| super::stored::unsigned(row, 0))
    }
}

impl Catalog {
    /// As [`Catalog::select`], of rows that have the tags.
    pub fn select_tagged(
        &self,
        selection: &Selection<'_>,
        tags: Tagging<'_>,
        visit: &mut dyn FnMut(&Selected<'_>) -> ControlFlow<()>,
    ) -> Result<u64, CatalogError> {
        self.read(SELECT, |connection| {
            let Statement { sql, parameters } = statement(connection, selection, tags)?;
            run(connection, (&sql, &parameters), selection.columns, visit)
        })
    }

    /// Returns the statement of a selection and how SQLite runs it, one line per step.
    pub fn explain(
        &self,
        selection: &Selection<'_>,
        tags: Tagging<'_>,
    ) -> Result<(Statement, Vec<String>), CatalogError> {
        self.read(SELECT, |connection| {
            let statement = statement(connection, selection, tags)?;
            let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql))?;
            let steps = explained.query_map(params_from_iter(bound(&statement.parameters)), |row| row.get("detail"))?;
            let steps = steps.collect::<Result<_, _>>()?;
            Ok((statement, steps))
        })
    }
}

fn statement(connection: &Connection, selection: &Selection<'_>, tags: Tagging<'_>) -> rusqlite::Result<Statement> {
    let ways = ways(connection, selection.order, tags)?;
    let mut from = "catalog".to_owned();
    let mut order = selection.order_by();
    let mut conditions: Vec<_> = (selection.filter != "1").then(|| selection.filter.to_owned()).into_iter().collect();
    if tags.all.len() + conditions.len() > 1 {
        for filter in &mut conditions {
            *filter = format!("({filter})");
        }
    }
    let (mut walked, mut asked) = (Vec::new(), selection.parameters.to_vec());
    for (tag, way) in tags.all.iter().zip(ways) {
        let condition = tag.condition();
        match way {
            Way::First => conditions.push(tag.filter()),
            Way::Asked => conditions
                .push(format!("EXISTS (SELECT 1 FROM catalog_tag AS tag WHERE tag.seq = catalog.seq AND {condition})")),
            Way::Walked => {
                from = format!(
                    "(SELECT seq AS tagged FROM catalog_tag WHERE {condition}) CROSS JOIN catalog ON seq = tagged"
                );
                order = "tagged";
                walked = tag.parameters();
                continue;
            }
        }
        asked.extend(tag.parameters());
    }
    let condition = if conditions.is_empty() { "1".to_owned() } else { conditions.join(" AND ") };
    let (columns, limit) = (selection.columns_text(), selection.limit_text());
    let sql = format!("SELECT {columns} FROM {from} WHERE {condition} ORDER BY {order}{limit}");
    walked.append(&mut asked);
    Ok(Statement { sql, parameters: walked })
}

/// Returns the way to each tag: that of the rarest, if there is a fast one; the rows it finds are asked for the others.
fn ways(connection: &Connection, order: Order, tags: Tagging<'_>) -> rusqlite::Result<Vec<Way>> {
    let mut ways = vec![Way::Asked; tags.all.len()];
    if tags.is_indexed {
        return Ok(ways);
    }
    let mut fast = Vec::new();
    for (tag, index) in tags.all.iter().zip(0..) {
        // Only the rows of one value are in order.
        let is_walkable = tag.values.len() == 1 && order == Order::Stable;
        match tag.count(connection)? {
            RARE_MAX.. if is_walkable => fast.push((RARE_MAX, index, Way::Walked)),
            RARE_MAX.. => {}
            count => fast.push((count, index, Way::First)),
        }
    }
    let rarest = fast.into_iter().min_by_key(|(count, index, _)| (*count, *index));
    if let Some((_, index, way)) = rarest
        && let Some(slot) = ways.get_mut::<usize>(index)
    {
        *slot = way;
    }
    Ok(ways)
}
