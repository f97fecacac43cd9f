//! Finding artifacts for the functions of `data`.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use cel::common::types::{CelDouble, CelInt, CelList, CelNull, CelString};
use cel::common::value::Val;

use super::Access;
use super::record::{Group, Record};
use crate::catalog::{Column, Order, Parameter, Selection, TAG_EQUALS};
use crate::namespace::Namespace;
use crate::query::budget::{interrupt, pay};
use crate::query::compile::Query;
use crate::query::pushdown::Errors;
use crate::query::row::{RECORD, Row};
use crate::query::run::{Answer, Options, run_here};
use crate::query::{json, json_text};

type Found<'a> = Result<Box<dyn Val + 'a>, String>;

/// Calls a function.
pub(super) fn call<'a>(access: &'a Access<'a>, name: &str, arguments: &[&dyn Val]) -> Found<'a> {
    match (name, arguments) {
        ("latest", [model, name]) => access.latest(text(*model)?, text(*name)?.to_owned()),
        ("latest", [model, name, vary]) => access.latest(text(*model)?, varied(text(*name)?, *vary)?),
        ("version", [model, name, version]) => access.version(text(*model)?, text(*name)?.to_owned(), whole(*version)?),
        ("version", [model, name, vary, version]) => {
            access.version(text(*model)?, varied(text(*name)?, *vary)?, whole(*version)?)
        }
        ("listVersions", [model, name]) => access.versions(text(*model)?, text(*name)?.to_owned()),
        ("listVersions", [model, name, vary]) => access.versions(text(*model)?, varied(text(*name)?, *vary)?),
        ("findByTag", [key, value]) => access.by_tag(text(*key)?, text(*value)?),
        ("findBySpec", [model, spec]) => access.by_spec(text(*model)?, text(*spec)?),
        ("query", [predicate]) => access.query(text(*predicate)?, None),
        ("query", [predicate, select]) => access.query(text(*predicate)?, Some(text(*select)?)),
        (_, arguments) => Err(format!("it does not take {} arguments", arguments.len())),
    }
}

fn text(value: &dyn Val) -> Result<&str, String> {
    match value.downcast_ref::<CelString<'_>>() {
        Some(text) => Ok(text.inner()),
        None => Err(format!("a text is needed, not {}", value.get_type().name())),
    }
}

fn whole(value: &dyn Val) -> Result<i64, String> {
    if let Some(number) = value.downcast_ref::<CelInt>() {
        return Ok(*number.inner());
    }
    let number = value.downcast_ref::<CelDouble>().map(|number| *number.inner());
    #[expect(clippy::cast_possible_truncation, reason = "whole, and no version is as great as what would be cut off")]
    let whole = number.filter(|number| number.fract() == 0.0).map(|number| number as i64);
    whole.ok_or_else(|| format!("a whole number is needed, not {}", value.get_type().name()))
}

/// Appends what varies to a name: `{base}-{v1}-{v2}`.
fn varied(base: &str, vary: &dyn Val) -> Result<String, String> {
    let list = vary.downcast_ref::<CelList<'_>>().ok_or("a list of what varies is needed")?;
    let mut name = base.to_owned();
    for part in list.inner() {
        let part = match json::from_val(part.as_ref()).map_err(|error| error.to_string())? {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        if part.trim().is_empty() || part.contains(['/', '\\']) || part == "." || part == ".." {
            return Err(format!("`{part}` cannot be a part of a name"));
        }
        name.push('-');
        name.push_str(&part);
    }
    Ok(name)
}

/// A model, and where it is looked for.
struct Reference<'r> {
    /// `None` for everywhere.
    namespace: Option<String>,
    model: &'r str,
}

impl<'a> Access<'a> {
    fn reference<'r>(&self, reference: &'r str) -> Result<Reference<'r>, String> {
        let (namespace, model) = reference.split_once(':').unwrap_or(("", reference));
        if model.is_empty() && !namespace.is_empty() {
            return Err(format!("`{reference}` names no model"));
        }
        let namespace = match namespace {
            "" => Some(self.own.map_or("", Namespace::as_str).to_owned()),
            "*" => None,
            other => Some(other.parse::<Namespace>().map_err(|error| error.to_string())?.as_str().to_owned()),
        };
        Ok(Reference { namespace, model })
    }

    fn latest(&'a self, reference: &str, name: String) -> Found<'a> {
        let found = self.of_model(reference, "is_latest = 1 AND data_name = ?", vec![Parameter::Text(name)])?;
        Ok(self.last(found))
    }

    fn version(&'a self, reference: &str, name: String, version: i64) -> Found<'a> {
        let values = vec![Parameter::Text(name), Parameter::Integer(version)];
        let found = self.of_model(reference, "data_name = ? AND version = ?", values)?;
        Ok(self.last(found))
    }

    fn versions(&'a self, reference: &str, name: String) -> Found<'a> {
        let found = self.of_model(reference, "data_name = ?", vec![Parameter::Text(name)])?;
        let versions: BTreeSet<_> = found.iter().map(|row| row.integer(Column::Version)).collect();
        #[expect(clippy::cast_precision_loss, reason = "the catalog keeps no greater numbers than a double holds")]
        let versions = versions.into_iter().map(|version| Box::new(CelDouble::from(version as f64)) as Box<dyn Val>);
        Ok(Box::new(CelList::from(versions.collect::<Vec<_>>())))
    }

    fn by_tag(&'a self, key: &str, value: &str) -> Found<'a> {
        let own = self.own.map_or("", Namespace::as_str);
        let filter = format!("is_latest = 1 AND namespace = ? AND {TAG_EQUALS}");
        let values = [own, key, value].map(|text| Parameter::Text(text.to_owned()));
        let found = self.rows(&filter, &values)?;
        Ok(self.list(newest_of_each(found)))
    }

    fn by_spec(&'a self, reference: &str, spec: &str) -> Found<'a> {
        let values = vec![Parameter::Text(spec.to_owned())];
        let found = self.of_model(reference, "is_latest = 1 AND spec_name = ?", values)?;
        Ok(self.list(newest_of_each(found)))
    }

    fn query(&'a self, predicate: &str, select: Option<&str>) -> Found<'a> {
        let query = Query::parse_here(predicate, select, Errors::Skip).map_err(|complaint| complaint.to_string())?;
        let (mut rows, mut values) = (Vec::new(), Vec::new());
        let options = Options { interrupt: interrupt(), ..Options::default() };
        let outcome = run_here(&query, self.catalog, self.contents, &options, &mut |answer| {
            match answer {
                Answer::Row(row, _) => rows.push(row),
                Answer::Value(value) => values.push(value),
                Answer::Text(text) => values.push(text.into()),
            }
            ControlFlow::Continue(())
        });
        let report = outcome.map_err(|error| error.to_string())?;
        pay(usize::try_from(report.read).unwrap_or(usize::MAX)).map_err(|error| error.to_string())?;
        if select.is_none() {
            return Ok(self.list(rows));
        }
        let values = serde_json::Value::Array(values).to_string();
        json_text::parse(&values).map(|list| list as Box<dyn Val + 'a>).map_err(|error| error.to_string())
    }

    /// Returns the rows of a model, in order; it is an error if several namespaces have them.
    fn of_model(&self, reference: &str, filter: &str, mut values: Vec<Parameter>) -> Result<Vec<Row>, String> {
        let Reference { namespace, model } = self.reference(reference)?;
        let mut filter = format!("{filter} AND model_name = ?");
        values.push(Parameter::Text(model.to_owned()));
        if let Some(namespace) = namespace {
            filter.push_str(" AND namespace = ?");
            values.push(Parameter::Text(namespace));
        }
        let found = self.rows(&filter, &values)?;
        let namespaces: BTreeSet<_> = found.iter().map(|row| row.text(Column::Namespace)).collect();
        if namespaces.len() > 1 {
            let namespaces: Vec<_> = namespaces.into_iter().collect();
            let first = namespaces.first().copied().unwrap_or_default();
            let list = namespaces.join(", ");
            return Err(format!(
                "Ambiguous: \"{model}\" exists in namespaces [{list}], qualify it, as `{first}:{model}`"
            ));
        }
        Ok(found)
    }

    fn rows(&self, filter: &str, parameters: &[Parameter]) -> Result<Vec<Row>, String> {
        let columns = RECORD.map(|(_, column)| column);
        let selection = Selection { columns: &columns, filter, parameters, order: Order::Stable, limit: None };
        let mut rows = Vec::new();
        let selected = self.catalog.select(&selection, &mut |row| {
            rows.push(Row::copied(row, &columns));
            ControlFlow::Continue(())
        });
        selected.map_err(|error| error.to_string())?;
        pay(rows.len()).map_err(|error| error.to_string())?;
        Ok(rows)
    }

    /// Returns the most recently inserted of several rows as a record, `null` if there is none.
    fn last(&'a self, mut rows: Vec<Row>) -> Box<dyn Val + 'a> {
        match rows.pop() {
            Some(row) => Box::new(Record::new(self, Arc::new(Group::of(vec![row])), 0)),
            None => Box::new(CelNull),
        }
    }

    fn list(&'a self, rows: Vec<Row>) -> Box<dyn Val + 'a> {
        let group = Arc::new(Group::of(rows));
        let records = (0..group.len())
            .map(|index| Box::new(Record::new(self, Arc::clone(&group), index)) as Box<dyn Val + 'a>)
            .collect::<Vec<_>>();
        Box::new(CelList::from(records))
    }
}

/// Returns the newest row of each artifact and workflow step, in order.
fn newest_of_each(rows: Vec<Row>) -> Vec<Row> {
    let key = |row: &Row| {
        let [namespace, model, name, step, id] =
            [Column::Namespace, Column::ModelName, Column::DataName, Column::StepName, Column::Id]
                .map(|column| row.text(column).to_owned());
        if model.is_empty() { [namespace, id, String::new(), String::new()] } else { [namespace, model, name, step] }
    };
    let mut newest: HashMap<_, usize> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        let best = newest.entry(key(row)).or_insert(index);
        if rows.get(*best).is_some_and(|best| best.text(Column::CreatedAt) < row.text(Column::CreatedAt)) {
            *best = index;
        }
    }
    let chosen: BTreeSet<_> = newest.into_values().collect();
    rows.into_iter().enumerate().filter(|(index, _)| chosen.contains(index)).map(|(_, row)| row).collect()
}
