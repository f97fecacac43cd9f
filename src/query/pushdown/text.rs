//! `contains`, `startsWith`, `endsWith` and `matches`.

use super::Mutant;
use super::condition::{Condition, Join, Sql, Test};
use super::operand::{Kind, Operand, Origin};
use super::pattern::{Demand, demand};
use super::predicate::{Translation, Wanted};
use crate::catalog::Parameter;

impl Translation {
    /// Returns for which rows a function of two texts has the outcome.
    pub(super) fn tested(&self, function: &str, (subject, part): (Operand, Operand), wanted: Wanted) -> Condition {
        if subject.kind != Kind::Text || part.kind != Kind::Text {
            return Condition::UNKNOWN;
        }
        match (function, &part.origin) {
            ("contains", _) => self.contains(subject, part, wanted),
            ("startsWith", Origin::Text(prefix)) => starts_with(subject, prefix, wanted),
            ("endsWith", Origin::Text(suffix)) => ends_with(subject, suffix, wanted),
            ("matches", Origin::Text(pattern)) => match demand(pattern) {
                Some(Demand::Contains(_)) => self.contains(subject, part, wanted),
                Some(Demand::StartsWith(prefix)) if wanted == Wanted::True => {
                    starts_with(subject, &prefix, wanted).widened()
                }
                Some(Demand::StartsWith(_)) | None => Condition::UNKNOWN,
            },
            _ => Condition::UNKNOWN,
        }
    }

    fn contains(&self, subject: Operand, part: Operand, wanted: Wanted) -> Condition {
        if self.mutant == Some(Mutant::Like) {
            let word = match wanted {
                Wanted::True => " LIKE '%' || ",
                Wanted::False => " NOT LIKE '%' || ",
            };
            return Condition::of(subject.sql.text(word).sql(part.sql).text(" || '%'"));
        }
        let found = match wanted {
            Wanted::True => ") > 0",
            Wanted::False => ") = 0",
        };
        Condition::of(Sql::default().text("instr(").sql(subject.sql).text(", ").sql(part.sql).text(found))
    }
}

fn starts_with(subject: Operand, prefix: &str, wanted: Wanted) -> Condition {
    if prefix.is_empty() {
        return empty(&subject, wanted);
    }
    let Origin::Column(_) = subject.origin else {
        let length = Parameter::Integer(length(prefix));
        return part_equals(subject, ", 1, ?)", length, (prefix, wanted));
    };
    // The texts with a prefix are those from it up to the next text of its length: an index can answer that.
    let bound = |word: &str, text: String| {
        Condition::of(subject.sql.clone().text(word).sql(Sql::new("?", vec![Parameter::Text(text)])))
    };
    match (wanted, successor(prefix)) {
        (Wanted::True, Some(end)) => bound(" >= ", prefix.to_owned()).and(bound(" < ", end)),
        (Wanted::True, None) => bound(" >= ", prefix.to_owned()),
        (Wanted::False, Some(end)) => bound(" < ", prefix.to_owned()).or(bound(" >= ", end)),
        (Wanted::False, None) => bound(" < ", prefix.to_owned()),
    }
}

fn ends_with(subject: Operand, suffix: &str, wanted: Wanted) -> Condition {
    if suffix.is_empty() {
        return empty(&subject, wanted);
    }
    // A text that is shorter is returned whole, and differs in its length.
    part_equals(subject, ", ?)", Parameter::Integer(-length(suffix)), (suffix, wanted))
}

/// Every text contains the empty one, everywhere.
fn empty(subject: &Operand, wanted: Wanted) -> Condition {
    match wanted {
        Wanted::True => subject.defined(),
        Wanted::False => Condition::NEVER,
    }
}

fn part_equals(subject: Operand, of: &str, place: Parameter, (part, wanted): (&str, Wanted)) -> Condition {
    let word = match wanted {
        Wanted::True => " = ?",
        Wanted::False => " <> ?",
    };
    let mut sql = Sql::default().text("substr(").sql(subject.sql).sql(Sql::new(of, vec![place]));
    sql = sql.sql(Sql::new(word, vec![Parameter::Text(part.to_owned())]));
    Condition { test: Test::Sql { sql, join: Join::Atom }, is_exact: true }
}

fn length(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

/// Returns the first text after all that start with `prefix`, `None` if there is none.
fn successor(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}
