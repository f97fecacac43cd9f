//! What evaluation says about each row.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cel::common::ast::IdedExpr;
use cel::{Context, Env, Value, extensions};
use swamp::catalog::Record;

/// Every row as variables.
pub(super) struct Oracle {
    env: Arc<Env>,
    rows: BTreeMap<String, Context<'static, 'static>>,
}

impl Oracle {
    pub(super) fn new(records: &[Record]) -> Self {
        let mut env = Env::stdlib();
        env.add_extension(extensions::strings).expect("the functions of texts");
        let env = Arc::new(env);
        let rows = records.iter().enumerate().map(|(index, record)| {
            let mut context = Context::with_env(Arc::clone(&env));
            for (name, value) in variables(record, index) {
                context.add_variable_from_value(name, value);
            }
            (record.id.clone(), context)
        });
        let rows = rows.collect();
        Self { env, rows }
    }

    /// Returns what a predicate says.
    pub(super) fn parsed(&self, source: &str) -> IdedExpr {
        self.env.parser().parse(source).expect("the predicates are well-formed")
    }

    /// Whether a predicate is true for the row of an id; an error is not.
    pub(super) fn is_true(&self, predicate: &IdedExpr, id: &str) -> bool {
        matches!(Value::resolve(predicate, &self.rows[id]), Ok(Value::Bool(true)))
    }

    /// Returns the ids of the rows for which a predicate is true, in order.
    pub(super) fn all_true(&self, predicate: &IdedExpr) -> Vec<String> {
        self.rows.keys().filter(|id| self.is_true(predicate, id)).cloned().collect()
    }
}

fn variables(record: &Record, index: usize) -> Vec<(&'static str, Value)> {
    let namespace = record.namespace.as_ref().map(ToString::to_string).unwrap_or_default();
    let texts = [
        ("id", &record.id),
        ("ns", &namespace),
        ("name", &record.data_name),
        ("modelId", &record.model_id),
        ("modelName", &record.model_name),
        ("modelType", &record.type_normalized),
        ("specName", &record.spec_name),
        ("dataType", &record.data_type),
        ("contentType", &record.content_type),
        ("lifetime", &record.lifetime),
        ("ownerType", &record.owner_type),
        ("ownerRef", &record.owner_ref),
        ("workflowRunId", &record.workflow_run_id),
        ("workflowName", &record.workflow_name),
        ("jobName", &record.job_name),
        ("stepName", &record.step_name),
        ("source", &record.source),
    ];
    let mut variables: Vec<_> = texts.into_iter().map(|(name, text)| (name, Value::from(text.as_str()))).collect();
    let tags: HashMap<String, String> = record.tags.clone().into_iter().collect();
    let attributes: HashMap<String, Value> = [
        ("n".to_owned(), double(index as u64 % 7)),
        ("status".to_owned(), Value::from(if index.is_multiple_of(3) { "failed" } else { "ok" })),
    ]
    .into_iter()
    .collect();
    variables.extend([
        ("createdAt", Value::from(record.created_at.to_string())),
        ("version", double(record.version)),
        ("size", double(record.size)),
        ("isLatest", Value::Bool(record.is_latest)),
        ("streaming", Value::Bool(record.streaming)),
        ("tags", Value::from(tags)),
        ("attributes", Value::from(attributes)),
    ]);
    variables
}

/// Numbers of rows are doubles.
#[expect(clippy::cast_precision_loss, reason = "they are below 2^53")]
fn double(number: u64) -> Value {
    Value::Float(number as f64)
}
