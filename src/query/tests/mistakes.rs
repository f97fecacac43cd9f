//! Mistakes are met with help before a row is read, and hostile text with an error.

use crate::error::Failure as _;
use crate::query::{FUNCTIONS, METHODS, Options, Query, QueryError, unknown_tags};

fn complaint(predicate: &str, select: Option<&str>) -> (String, Option<String>) {
    let error = Query::parse(predicate, select).unwrap_err();
    (error.to_string(), error.hint())
}

#[test]
fn an_unknown_field_is_named_with_its_place_and_the_nearest_one() {
    let (message, hint) = complaint("size > 3 && modelNam == \"x\"", None);

    assert_eq!(message, "unknown field `modelNam` at 1:13\n  size > 3 && modelNam == \"x\"\n              ^");
    assert!(hint.unwrap().starts_with("`modelName` was probably meant; fields are: attributes, content,"));
}

#[test]
fn the_selection_is_checked_too() {
    let (message, _) = complaint("true", Some("data.name"));

    assert_eq!(message, "unknown field `data` in the selection at 1:1\n  data.name\n  ^");
}

#[test]
fn variables_of_macros_are_no_fields() {
    for predicate in ["tags.exists(k, k == \"env\")", "cel.bind(x, size, x > 1)", "[1].all(x, [2].exists(y, x < y))"] {
        Query::parse(predicate, None).unwrap_or_else(|error| panic!("{predicate}: {error}"));
    }
    let (message, _) = complaint("tags.exists(k, k == \"env\") && k", None);
    assert!(message.starts_with("unknown field `k` at 1:31"), "{message}");
}

#[test]
fn a_syntax_error_shows_its_place() {
    let (message, hint) = complaint("modelName = \"x\"", None);

    assert!(message.ends_with("at 1:11\n  modelName = \"x\"\n            ^"), "{message}");
    assert_eq!(hint.as_deref(), Some("compare with `==`"));
    assert!(complaint("modelName ==", None).0.starts_with("syntax error: the expression ends too early at 1:13"));
    assert_eq!(complaint("namespace == \"x\"", None).1.as_deref(), Some("the namespace is called `ns`"));
    assert_eq!(complaint("streaming and isLatest", None).1.as_deref(), Some("write `&&`"));
    assert_eq!(complaint("name == 'x", None).1.as_deref(), Some("a text ends with the quote it starts with"));
}

#[test]
fn unknown_functions_and_unusable_patterns_are_refused() {
    let (message, hint) = complaint("name.contain(\"x\")", None);
    assert!(message.starts_with("unknown function `contain` at 1:"), "{message}");
    assert!(hint.unwrap().starts_with("`contains` was probably meant"));

    let (message, hint) = complaint("name.matches(\"a(?=b)\")", None);
    assert!(message.contains("look-around"), "{message}");
    assert!(hint.unwrap().contains("RE2"));
}

#[test]
fn functions_take_as_many_arguments_as_they_are_known_to() {
    let (message, hint) = complaint("name.contains()", None);
    assert!(message.starts_with("`contains` takes 1 argument, not 0 at 1:"), "{message}");
    assert_eq!(hint.as_deref(), Some("write it as `text.contains(\"part\")`"));

    assert!(complaint("size(name, 1) > 0", None).0.starts_with("`size` takes 1 argument, not 2 at 1:5"));
    assert!(complaint("name.split() == []", None).0.starts_with("`split` takes 1 to 2 arguments, not 0"));
    assert!(complaint("tags.all(k)", None).0.starts_with("`all` takes 2 arguments, not 1"));
    assert!(complaint("name.trim(1) == name", None).0.starts_with("`trim` takes no argument, not 1"));
    let (message, hint) = complaint("true", Some("math.gretest(1, 2)"));
    assert!(message.starts_with("unknown function `math.gretest` in the selection"), "{message}");
    assert!(hint.unwrap().starts_with("`math.greatest` was probably meant"));
    Query::parse("math.greatest(1, 2, size) + math.least([1, 2]) + math.ceil(1.5) > 0", None).unwrap();
}

#[test]
fn every_example_of_a_function_is_valid() {
    let names = [
        ("list", "[1]"),
        ("text", "name"),
        ("optional", "tags.?x"),
        ("value", "size"),
        ("time", "timestamp(createdAt)"),
        ("bytes", "b\"\""),
    ];
    let named = |name: &str| names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let functions = FUNCTIONS.iter().map(|function| function.usage.to_owned());
    let methods = METHODS.iter().map(|method| {
        let (target, call) = method.usage.split_once('.').unwrap();
        named(target).map_or_else(|| method.usage.to_owned(), |value| format!("{value}.{call}"))
    });

    for usage in functions.chain(methods) {
        let replace =
            |usage: String, (name, value): &(&str, &str)| usage.replace(&format!("({name})"), &format!("({value})"));
        let usage = names.iter().fold(usage, replace);
        if let Err(error) = Query::parse("true", Some(&usage)) {
            panic!("{usage}: {error}");
        }
    }
}

#[test]
fn what_can_never_hold_is_said() {
    let suspicions = |predicate: &str| -> Vec<String> {
        let query = Query::parse(predicate, None).unwrap();
        query.suspicions().iter().map(|suspicion| suspicion.message.clone()).collect()
    };

    assert_eq!(suspicions("size == \"x\""), ["`==` of a number and a text is never true"]);
    assert_eq!(
        suspicions("name > 3 && true"),
        ["`>` of a text and a number always fails; write the number as `\"3\"`, a text"]
    );
    assert_eq!(
        suspicions("tags.env != 1"),
        ["`!=` of a text and a number is always true; write the number as `\"1\"`, a text"]
    );
    assert_eq!(
        suspicions("\"5\" <= size"),
        ["`<=` of a text and a number always fails; write the number as `5`, without quotes"]
    );
    assert_eq!(suspicions("modelName"), ["the predicate is a text, not true or false, so nothing matches"]);
    assert_eq!(suspicions("name && true"), ["`&&` is given a text"]);
    assert_eq!(
        suspicions("createdAt > timestamp(\"2026-01-01T00:00:00Z\")"),
        ["`>` of a text and a time always fails; write the text as `timestamp(createdAt)`"]
    );
    assert_eq!(
        suspicions("timestamp(createdAt) > timestamp(\"2026-01-01\")"),
        ["`timestamp` of this text always fails; write it as `2026-01-31T00:00:00Z`"]
    );
    assert_eq!(suspicions("attributes.x == 1 && tags.exists(size, size == \"x\")"), Vec::<String>::new());
}

#[test]
fn tags_that_no_version_has_are_named_with_the_nearest_one() {
    let world = super::two_namespaces();
    let unknown = |predicate: &str| -> Vec<(String, Option<String>)> {
        let query = Query::parse(predicate, None).unwrap();
        let unknown = unknown_tags(&query, &world.catalog).unwrap();
        unknown.into_iter().map(|unknown| (unknown.key, unknown.nearest)).collect()
    };
    let tag = |key: &str, nearest: Option<&str>| (key.to_owned(), nearest.map(str::to_owned));

    assert_eq!(unknown("tags.evn == \"prod\" || tags.evn == \"dev\""), [tag("evn", Some("env"))]);
    assert_eq!(
        unknown("tags[\"modell\"] == \"x\" && \"region\" in tags && has(tags.zone) && tags.?envv.hasValue()"),
        [tag("modell", Some("model")), tag("region", None), tag("zone", None), tag("envv", Some("env"))]
    );
    assert_eq!(unknown("tags.env == \"none\" && tags.model == \"none\""), []);
    assert_eq!(unknown("attributes.evn == 1"), []);
}

#[test]
fn hostile_text_is_an_error_or_an_answer() {
    let texts = [
        format!("1{} == 1", "+1".repeat(990)),
        format!("{}true", "!".repeat(990)),
        format!("attributes{}", ".a".repeat(990)),
        format!("attributes{}", ".?a".repeat(490)),
        format!("name{}", ".trim()".repeat(320)),
        format!("{}1{} == 1", "(".repeat(60), ")".repeat(60)),
        format!("{}1{} == 1", "[".repeat(64), "]".repeat(64)),
        format!("true{}", " ? true : true".repeat(300)),
        format!("{}true{}", "true ? (".repeat(60), ") : false".repeat(60)),
        format!("true{}", " || true".repeat(900)),
        "(".repeat(8_000),
        "\"".repeat(8_000),
        "a".repeat(9_000),
        "{".repeat(64),
        "[?".repeat(60),
        "\u{0}\u{1}\u{feff}".to_owned(),
        "@add(1, 2)".to_owned(),
        "`".repeat(100),
    ];

    for text in texts {
        // Whether it is one or the other does not matter: it ends.
        drop(Query::parse(&text, Some(&text)));
    }
}

#[test]
fn loops_nest_three_deep() {
    let nested = |depth: usize| format!("{}true{}", "[1].all(x, ".repeat(depth), ")".repeat(depth));

    Query::parse(&nested(3), None).unwrap();
    let error = Query::parse(&nested(4), None).unwrap_err();
    assert!(matches!(&error, QueryError::Invalid { complaint } if complaint.message == "loops nest deeper than 3"));
}

/// What random expressions are made of.
const TOKENS: [&str; 60] = [
    "name",
    "tags",
    "size",
    "attributes",
    "isLatest",
    "x",
    "k",
    "version",
    "content",
    "ns",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ".",
    ".?",
    "[?",
    ",",
    "?",
    ":",
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    ">=",
    "&&",
    "||",
    "!",
    " in ",
    "\"a\"",
    "'b'",
    "r\"\\d\"",
    "1",
    "2.5",
    "3u",
    "null",
    "true",
    "false",
    "0x1f",
    "9223372036854775807",
    ".map(x, ",
    ".all(x, ",
    ".exists(k, ",
    ".filter(x, ",
    ".matches(",
    ".replace(\"a\", ",
    ".size()",
    "has(",
    "string(",
    "timestamp(",
    "duration(\"1h\")",
    "optional.of(",
    ".orValue(",
    "// c\n",
];

#[test]
fn random_text_is_an_error_or_an_answer() {
    let mut random = fastrand::Rng::with_seed(4_711);
    let world = super::two_namespaces();
    let mut answered = 0;

    for _ in 0..4_000 {
        let text: String = (0..random.usize(1..24)).map(|_| TOKENS[random.usize(..TOKENS.len())]).collect();
        if world.run(&text, Some(&text), &Options::default()).is_ok() {
            answered += 1;
        }
    }

    assert!(answered > 20, "only {answered} texts were expressions");
}
