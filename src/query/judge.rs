//! What the predicate and the projection say about one row, with its content or before it is known.

use cel::ExecutionError;
use cel::common::types::CelBool;
use serde_json::Value;

use super::compile::{Query, Select};
use super::content::{Decoded, Form};
use super::error::QueryError;
use super::field::Field;
use super::json;
use super::program::Reason;
use super::row::{Columns, Known, Variables, field_json, has_content};
use crate::catalog::Column;

/// What the predicate says about a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Matches,
    /// It depends on the content.
    Open,
    Out,
    /// It cannot be evaluated.
    Failed(Reason),
}

/// Evaluates the residual, with the content once it is there.
pub(super) fn verdict<C: Columns>(query: &Query, row: &C, decoded: Option<&Decoded>) -> Result<Verdict, QueryError> {
    let Some(residual) = &query.residual else {
        return Ok(Verdict::Matches);
    };
    let nothing = Decoded::new(Form::Opaque, &[]);
    let variables = Variables::new(row, known(row, decoded, &nothing));
    let outcome = residual.evaluate(&variables, |value| {
        let flag = value.downcast_ref::<CelBool>().map(|flag| *flag.inner());
        flag.ok_or_else(|| ExecutionError::UnexpectedType {
            got: value.get_type().name().to_owned(),
            want: "true or false".to_owned(),
        })
    })?;
    Ok(match outcome {
        Ok(true) => Verdict::Matches,
        Ok(false) => Verdict::Out,
        Err(_) if variables.was_content_asked() => Verdict::Open,
        Err(reason) => Verdict::Failed(reason),
    })
}

/// Returns what the projection makes of a row, or why it makes nothing; nothing without a reason for want of the content.
pub(super) fn projection<C: Columns>(
    select: &Select,
    row: &C,
    decoded: Option<&Decoded>,
) -> Result<Result<Value, Option<Reason>>, QueryError> {
    if let Some(&Field { kind, column: Some(column), .. }) = select.field {
        return Ok(Ok(field_json(row, kind, column)));
    }
    let nothing = Decoded::new(Form::Opaque, &[]);
    let variables = Variables::new(row, known(row, decoded, &nothing));
    let value = select.program.evaluate(&variables, json::produced)?;
    Ok(value.map_err(|reason| (!variables.was_content_asked()).then_some(reason)))
}

/// Returns what is known of the content: that of a row without any is, before anything is fetched.
fn known<'a>(row: &dyn Columns, decoded: Option<&'a Decoded>, nothing: &'a Decoded) -> Known<'a> {
    match decoded {
        Some(decoded) => Known::Content(decoded),
        None if has_content(row) => Known::Nothing,
        None => Known::Content(nothing),
    }
}

/// Returns what a person would call a row.
pub(super) fn label(row: &dyn Columns) -> String {
    let namespace = match row.text(Column::Namespace) {
        "" => String::new(),
        slug => format!("{slug}:"),
    };
    let [model_type, model, name] = [Column::Type, Column::ModelId, Column::DataName].map(|column| row.text(column));
    format!("{namespace}{model_type}/{model}/{name}/{}", row.integer(Column::Version))
}
