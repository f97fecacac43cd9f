//! From the text of a query to what is run: parsed, checked, rewritten, split.

use std::collections::BTreeSet;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, MapEntryExpr};

use super::deep::on_big_stack;
use super::environment::{self, Text};
use super::error::{Complaint, QueryError};
use super::field::{Field, field};
use super::program::Program;
use super::pushdown::{Errors, Mutant, PushdownContext, Split, Versions, split, split_mutated};
use super::rewrite;
use super::spell;
use super::suspicion;
use super::tag_names;
use super::validate::{self, Roots};
use crate::catalog::Column;

/// The columns by which an artifact and its content are found.
const ARTIFACT_COLUMNS: [Column; 7] = [
    Column::Namespace,
    Column::Type,
    Column::ModelId,
    Column::DataName,
    Column::Version,
    Column::ContentType,
    Column::Size,
];

/// A query that is ready to be run.
#[derive(Debug)]
pub struct Query {
    predicate: String,
    pub(super) errors: Errors,
    pub(super) split: Split,
    pub(super) residual: Option<Program>,
    pub(super) residual_text: Option<String>,
    pub(super) select: Option<Select>,
    names: BTreeSet<&'static str>,
    suspicions: Vec<Complaint>,
    /// The keys of tags that the predicate names.
    pub(super) tags: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Select {
    pub(super) program: Program,
    /// The field that the expression is, where it is nothing else.
    pub(super) field: Option<&'static Field>,
    names: BTreeSet<&'static str>,
    /// The keys it writes out, where it is a map; their numbers, where it is a list.
    header: Option<Vec<String>>,
}

impl Select {
    pub(super) fn names_content(&self) -> bool {
        names_content(&self.names)
    }
}

impl Query {
    /// Parses and checks a predicate, and the expression that is made of each row that matches.
    pub fn parse(predicate: &str, select: Option<&str>) -> Result<Self, QueryError> {
        on_big_stack(|| Self::parse_here(predicate, select, Errors::Skip).map_err(QueryError::invalid))
    }

    /// As [`Self::parse`], for a query that fails at the first row that cannot be evaluated.
    pub fn parse_strict(predicate: &str, select: Option<&str>) -> Result<Self, QueryError> {
        on_big_stack(|| Self::parse_here(predicate, select, Errors::Fail).map_err(QueryError::invalid))
    }

    /// As [`Self::parse`], with a filter that is wrong in one way.
    #[doc(hidden)]
    pub fn parse_mutated(predicate: &str, select: Option<&str>, mutant: Mutant) -> Result<Self, QueryError> {
        let split = move |predicate: &IdedExpr, context: &PushdownContext| split_mutated(predicate, context, mutant);
        on_big_stack(|| Self::parse_with(predicate, select, Errors::Skip, split).map_err(QueryError::invalid))
    }

    pub(super) fn parse_here(predicate: &str, select: Option<&str>, errors: Errors) -> Result<Self, Complaint> {
        Self::parse_with(predicate, select, errors, split)
    }

    fn parse_with(
        predicate: &str,
        select: Option<&str>,
        errors: Errors,
        split: impl FnOnce(&IdedExpr, &PushdownContext) -> Split,
    ) -> Result<Self, Complaint> {
        let (expression, text, names) = checked(predicate, Roots::Fields)?;
        let suspicions = suspicion::of_predicate(&expression, &text);
        let tags = if names.contains("tags") { tag_names::named(&expression) } else { Vec::new() };
        let opens_history = names.contains("version") || names.contains("isLatest");
        let versions = if opens_history { Versions::All } else { Versions::Latest };
        let select = match select {
            None => None,
            Some(select) => {
                let (expression, _, names) = checked(select, Roots::Fields).map_err(in_select)?;
                let field = match &expression.expr {
                    Expr::Ident(name) => field(name).filter(|field| field.column.is_some()),
                    _ => None,
                };
                let header = header(&expression);
                Some(Select { program: Program::new(rewrite::numbers(expression)), field, names, header })
            }
        };
        let mut split = split(&rewrite::numbers(expression), &PushdownContext { versions, errors });
        let residual_text = split.residual.as_ref().map(spell::spelled);
        let residual = split.residual.take().map(Program::new);
        let predicate = predicate.to_owned();
        Ok(Self { predicate, errors, split, residual, residual_text, select, names, suspicions, tags })
    }

    /// Returns the text of the predicate.
    pub fn predicate(&self) -> &str {
        &self.predicate
    }

    /// Returns what looks wrong with the predicate, though it can be run.
    pub fn suspicions(&self) -> &[Complaint] {
        &self.suspicions
    }

    /// Returns whether rows are made into values.
    pub fn is_projected(&self) -> bool {
        self.select.is_some()
    }

    /// Returns the titles of the columns that the projection writes out; nothing where only values show them.
    pub fn header(&self) -> Option<&[String]> {
        self.select.as_ref()?.header.as_deref()
    }

    /// Returns whether the predicate or the projection names content.
    pub fn names_content(&self) -> bool {
        names_content(&self.names) || self.select.as_ref().is_some_and(Select::names_content)
    }

    /// Returns the columns to read, `further` ones included.
    pub(super) fn columns(&self, further: &[Column]) -> Vec<Column> {
        let selected = self.select.iter().flat_map(|select| select.names.iter());
        let predicate = self.names.iter().filter(|_| self.residual.is_some());
        let mut columns: Vec<_> =
            predicate.chain(selected).filter_map(|name| field(name)?.column).chain(further.iter().copied()).collect();
        // What is evaluated may fail, and then says on which row.
        let is_evaluated = self.select.as_ref().is_some_and(|select| select.field.is_none());
        if self.residual.is_some() || is_evaluated {
            columns.extend(ARTIFACT_COLUMNS);
        }
        let mut seen = BTreeSet::new();
        columns.retain(|column| seen.insert(*column as usize));
        columns
    }
}

fn names_content(names: &BTreeSet<&'static str>) -> bool {
    names.contains("attributes") || names.contains("content")
}

fn header(select: &IdedExpr) -> Option<Vec<String>> {
    match &select.expr {
        Expr::Map(map) => map.entries.iter().map(|entry| key(&entry.expr)).collect(),
        Expr::List(list) => Some((1..=list.elements.len()).map(|number| number.to_string()).collect()),
        _ => None,
    }
}

fn key(entry: &EntryExpr) -> Option<String> {
    match entry {
        EntryExpr::MapEntry(MapEntryExpr { key, .. }) => match &key.expr {
            Expr::Literal(LiteralValue::String(key)) => Some(key.inner().to_owned()),
            _ => None,
        },
        EntryExpr::StructField(_) => None,
    }
}

fn in_select(mut complaint: Complaint) -> Complaint {
    complaint.message = format!("{} in the selection", complaint.message);
    complaint
}

type Checked = (IdedExpr, Text, BTreeSet<&'static str>);

pub(super) fn checked(source: &str, roots: Roots) -> Result<Checked, Complaint> {
    let (expression, text) = environment::parse(source)?;
    let names = validate::check(&expression, &text, roots)?;
    Ok((expression, text, names))
}
