//! `swamp query --fields`: everything an expression can name.

use serde::Serialize;
use swamp::query::{DATA_FUNCTIONS, FIELDS, FUNCTIONS, Function, METHODS};

use crate::cli::output::{Output, table};
use crate::cli::report::Outcome;

#[derive(Debug, Serialize)]
struct Vocabulary {
    fields: Vec<Named>,
    functions: Vec<Callable>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    about: &'static str,
    example: &'static str,
}

#[derive(Debug, Serialize)]
struct Callable {
    name: &'static str,
    example: &'static str,
}

/// Prints it.
pub(super) fn print(output: Output) -> Outcome {
    let fields = FIELDS.iter().map(|field| Named {
        name: field.name,
        kind: field.kind.name(),
        about: field.about,
        example: field.example,
    });
    let callable = |function: &Function| Callable { name: function.name, example: function.usage };
    let functions = FUNCTIONS.iter().chain(&METHODS).chain(&DATA_FUNCTIONS).map(callable);
    let vocabulary = Vocabulary { fields: fields.collect(), functions: functions.collect() };
    output.emit(&vocabulary, text)
}

fn text(vocabulary: &Vocabulary) -> String {
    let fields = vocabulary.fields.iter().map(|field| {
        let Named { name, kind, about, example } = field;
        [*name, *kind, *example, *about].map(str::to_owned)
    });
    let functions = vocabulary.functions.iter().map(|function| [function.name, function.example].map(str::to_owned));
    format!(
        "{}\n{}\nfunctions of `data` belong to `swamp eval`\n",
        table(["field", "type", "example", "meaning"], &fields.collect::<Vec<_>>()),
        table(["function", "example"], &functions.collect::<Vec<_>>()),
    )
}
