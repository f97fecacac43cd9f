//! Our answers against those of cel-js, as swamp configures it, and of the interpreter underneath.

use std::collections::BTreeMap;

use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelNull, CelOptional, CelString, CelTimestamp, CelType, CelUInt,
};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;

use crate::query::compile::checked;
use crate::query::json_text;
use crate::query::program::{Program, Reason};
use crate::query::rewrite;
use crate::query::validate::Roots;

const TABLE: &str = include_str!("../../../tests/golden/cel-table.tsv");
const CONTEXT: &str = include_str!("../../../tests/golden/cel-context.json");

const NAMES: [&str; 28] = [
    "id",
    "name",
    "version",
    "isLatest",
    "createdAt",
    "attributes",
    "tags",
    "modelName",
    "modelType",
    "specName",
    "dataType",
    "contentType",
    "lifetime",
    "ownerType",
    "streaming",
    "size",
    "content",
    "ownerRef",
    "workflowRunId",
    "workflowName",
    "jobName",
    "stepName",
    "source",
    "ns",
    "nothing",
    "f",
    "inputs",
    "modelId",
];

/// Where our answer is neither that of cel-js nor, where that has none, the interpreter's; and why.
const EXCEPTIONS: [(&str, &str); 7] = [
    ("name.matches(\"episode-(?=001)\")", "patterns are linear in the text: no look-around, and that is said"),
    ("attributes.uni.lowerAscii()", "as the specification: only ASCII letters have another case"),
    ("attributes.uni.upperAscii()", "as the specification: only ASCII letters have another case"),
    ("base64.encode(b\"abc\")", "a function neither column had declared"),
    ("type(timestamp(createdAt))", "cel-js prints types in a form of its own"),
    ("type(1)", "cel-js prints types in a form of its own"),
    ("9223372036854775808", "cel-js does not check the range of integers"),
];

/// Values of names.
#[derive(Default)]
pub(super) struct Context(BTreeMap<String, Box<dyn Val>>);

impl VariableResolver for Context {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let name = variable.strip_prefix('.').unwrap_or(variable);
        self.0.get(name).map(|value| CowVal::Borrowed(value.as_ref()))
    }
}

fn context() -> Context {
    let values: BTreeMap<String, serde_json::Value> = serde_json::from_str(CONTEXT).unwrap();
    Context(values.into_iter().map(|(name, value)| (name, json_text::parse(&value.to_string()).unwrap())).collect())
}

/// Returns what an expression is, or why it is nothing.
pub(super) fn answer(source: &str, context: &Context) -> String {
    let expression = match checked(source, Roots::Named(&NAMES)) {
        Ok((expression, _, _)) => expression,
        Err(complaint) => return format!("ERR(parse): {complaint}"),
    };
    let program = Program::new(rewrite::numbers(expression));
    match program.evaluate(context, |value| Ok(shown(value))).unwrap() {
        Ok(text) => text,
        Err(Reason { message, .. }) => format!("ERR(eval): {message}"),
    }
}

/// Returns a value in the form of the table, without the sign that marks a double.
fn shown(value: &dyn Val) -> String {
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        serde_json::Value::from(text.inner()).to_string()
    } else if let Some(number) = value.downcast_ref::<CelDouble>() {
        number.inner().to_string()
    } else if let Some(number) = value.downcast_ref::<CelInt>() {
        number.inner().to_string()
    } else if let Some(number) = value.downcast_ref::<CelUInt>() {
        format!("{}u", number.inner())
    } else if let Some(flag) = value.downcast_ref::<CelBool>() {
        flag.inner().to_string()
    } else if value.downcast_ref::<CelNull>().is_some() {
        "null".to_owned()
    } else if let Some(optional) = value.downcast_ref::<CelOptional<'_>>() {
        optional.inner().map_or_else(|| "opt.none".to_owned(), |value| format!("opt({})", shown(value)))
    } else if let Some(kind) = value.downcast_ref::<CelType>() {
        format!("\"{}\"", kind.name())
    } else if let Some(time) = value.downcast_ref::<CelTimestamp>() {
        format!("timestamp:{}", time.inner().timestamp_millis())
    } else if let Some(duration) = value.downcast_ref::<CelDuration>() {
        format!("duration:{}", duration.inner().num_milliseconds())
    } else if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
        format!("bytes({:?})", bytes.inner())
    } else {
        container(value)
    }
}

fn container(value: &dyn Val) -> String {
    let mut elements = value.as_iterable().unwrap().iter();
    let mut parts = Vec::new();
    let map = value.as_indexer().filter(|_| value.get_type().name() == "map");
    while let Some(element) = elements.next() {
        parts.push(match map {
            Some(map) => {
                let key = shown(element);
                format!("{}:{}", key.trim_matches('"'), shown(map.get(element).unwrap().as_ref()))
            }
            None => shown(element),
        });
    }
    if map.is_some() {
        parts.sort();
        format!("{{{}}}", parts.join(","))
    } else {
        format!("[{}]", parts.join(","))
    }
}

/// Returns an answer of the table in the form of ours: doubles are not marked, optionals of both engines are alike.
fn plain(answer: &str) -> String {
    let doubles = regex::Regex::new(r"(\d)d\b").unwrap();
    let answer = doubles.replace_all(answer, "$1");
    answer.replace("opt(None)", "opt.none").replace("infd", "inf")
}

fn agrees(ours: &str, theirs: &str) -> bool {
    let theirs = plain(theirs);
    match theirs.strip_suffix('…') {
        Some(start) => ours.starts_with(start),
        None => ours == theirs,
    }
}

#[test]
fn answers_are_those_of_both_engines() {
    let context = context();
    let mut disagreements = Vec::new();

    for line in TABLE.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        let (expression, javascript, interpreter) = (columns[1], columns[3], &columns[4..7]);
        let ours = answer(expression, &context);
        let is_error = ours.starts_with("ERR");
        let is_as_expected = if javascript.starts_with("ERR") {
            is_error || interpreter.iter().any(|theirs| agrees(&ours, theirs))
        } else {
            agrees(&ours, javascript)
        };
        let is_excepted = EXCEPTIONS.iter().any(|(excepted, _)| *excepted == expression);
        if is_as_expected == is_excepted {
            disagreements.push(format!("{expression}\n  ours {ours}\n  js   {javascript}\n  cel  {}", interpreter[2]));
        }
    }

    assert!(disagreements.is_empty(), "{} disagree:\n{}", disagreements.len(), disagreements.join("\n"));
}
