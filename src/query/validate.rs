//! Checks an expression before any row is read: names in their scopes, functions, patterns.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};

use super::environment::Text;
use super::error::Complaint;
use super::field::FIELDS;
use super::rewrite;
use super::vocabulary::{DATA_FUNCTIONS, FUNCTIONS, Function, METHODS, SPACES, TYPES, nearest};

/// The deepest nesting of loops.
const LOOPS_MAX: usize = 3;

/// What the names at the roots of an expression may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Roots {
    /// Fields of a row.
    Fields,
    /// The data, through its functions.
    Data,
    /// What a test says.
    #[cfg(test)]
    Named(&'static [&'static str]),
}

impl Roots {
    fn names(self) -> Vec<&'static str> {
        match self {
            Self::Fields => FIELDS.iter().map(|field| field.name).collect(),
            Self::Data => Vec::new(),
            #[cfg(test)]
            Self::Named(names) => names.to_vec(),
        }
    }
}

/// Returns the root names an expression uses, or what is wrong with it.
pub(super) fn check(expression: &IdedExpr, text: &Text, roots: Roots) -> Result<BTreeSet<&'static str>, Complaint> {
    let mut check = Check { text, roots, names: roots.names(), scopes: Vec::new(), loops: 0, used: BTreeSet::new() };
    check.walk(expression)?;
    Ok(check.used)
}

struct Check<'a> {
    text: &'a Text,
    roots: Roots,
    names: Vec<&'static str>,
    scopes: Vec<String>,
    loops: usize,
    used: BTreeSet<&'static str>,
}

impl Check<'_> {
    fn walk(&mut self, node: &IdedExpr) -> Result<(), Complaint> {
        match &node.expr {
            Expr::Ident(name) => self.root(name, node.id),
            Expr::Select(select) => match qualified(node) {
                Some(name) if TYPES.contains(&name.as_str()) => Ok(()),
                Some(_) | None => self.walk(&select.operand),
            },
            Expr::Call(call) => self.call(call, node.id),
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.walk(element)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.walk(&entry.key)?;
                    self.walk(&entry.value)
                }
                EntryExpr::StructField(_) => Ok(()),
            }),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, node.id),
            Expr::Struct(message) => {
                Err(self.complaint(format!("`{}{{…}}` is no value here", message.type_name), node.id))
            }
            Expr::Literal(_) => Ok(()),
            Expr::Unspecified => Err(self.complaint("an expression is missing".to_owned(), node.id)),
        }
    }

    fn complaint(&self, message: String, id: u64) -> Complaint {
        Complaint::new(message, self.text.place(id))
    }

    fn root(&mut self, name: &str, id: u64) -> Result<(), Complaint> {
        let name = name.strip_prefix('.').unwrap_or(name);
        if name.starts_with('@') || TYPES.contains(&name) || self.scopes.iter().any(|local| local == name) {
            return Ok(());
        }
        if let Some(known) = self.names.iter().find(|known| **known == name) {
            self.used.insert(known);
            return Ok(());
        }
        let complaint = self.complaint(format!("unknown field `{name}`"), id);
        let available = self.names.join(", ");
        Err(match (self.roots, nearest(name, self.names.iter().copied())) {
            (Roots::Data, _) => {
                complaint.with_hint("fields belong to rows; data is reached with `data.latest(…)` and the like")
            }
            (_, Some(meant)) => complaint.with_hint(format!("`{meant}` was probably meant; fields are: {available}")),
            (_, None) => complaint.with_hint(format!("fields are: {available}")),
        })
    }

    fn call(&mut self, call: &CallExpr, id: u64) -> Result<(), Complaint> {
        let CallExpr { func_name: name, target, args } = call;
        match target {
            Some(target) => {
                let space = match &target.expr {
                    Expr::Ident(space) if !self.scopes.contains(space) => Some(space.as_str()),
                    _ => None,
                };
                match space {
                    Some(space)
                        if SPACES.contains(&space) || (space == "data" && matches!(self.roots, Roots::Data)) =>
                    {
                        self.function(&format!("{space}.{name}"), args.len(), id)?;
                    }
                    Some(_) | None => {
                        self.walk(target)?;
                        self.method(name, args.len(), id)?;
                    }
                }
            }
            None => self.function(name, args.len(), id)?,
        }
        args.iter().try_for_each(|argument| self.walk(argument))?;
        self.pattern(call, id)
    }

    fn function(&self, name: &str, count: usize, id: u64) -> Result<(), Complaint> {
        // Operators, and what macros make, are spelled so that no function can be.
        if !name.starts_with(|first: char| first.is_ascii_alphabetic()) || name.contains('@') {
            return Ok(());
        }
        let known = || FUNCTIONS.iter().chain(DATA_FUNCTIONS.iter());
        if let Some(function) = known().find(|known| known.name == name) {
            return self.count(function, count, id);
        }
        let meant = nearest(name, known().map(|function| function.name));
        self.unknown(name, meant, METHODS.iter().any(|method| method.name == name), id)
    }

    fn method(&self, name: &str, count: usize, id: u64) -> Result<(), Complaint> {
        if name.starts_with('@') {
            return Ok(());
        }
        if let Some(method) = METHODS.iter().find(|known| known.name == name) {
            return self.count(method, count, id);
        }
        let meant = nearest(name, METHODS.iter().map(|method| method.name));
        self.unknown(name, meant, FUNCTIONS.iter().any(|function| function.name == name), id)
    }

    fn count(&self, function: &Function, count: usize, id: u64) -> Result<(), Complaint> {
        match function.objection(count) {
            None => Ok(()),
            Some(objection) => {
                Err(self.complaint(objection, id).with_hint(format!("write it as `{}`", function.usage)))
            }
        }
    }

    fn unknown(&self, name: &str, meant: Option<&str>, exists_elsewhere: bool, id: u64) -> Result<(), Complaint> {
        let complaint = self.complaint(format!("unknown function `{name}`"), id);
        Err(match meant {
            _ if exists_elsewhere => {
                complaint.with_hint("it is written on the other side of the dot; see `swamp query --fields`")
            }
            Some(meant) => complaint.with_hint(format!("`{meant}` was probably meant; see `swamp query --fields`")),
            None => complaint.with_hint("`swamp query --fields` lists the functions"),
        })
    }

    fn comprehension(&mut self, comprehension: &ComprehensionExpr, id: u64) -> Result<(), Complaint> {
        let ComprehensionExpr { iter_range, iter_var, accu_var, accu_init, loop_cond, loop_step, result, .. } =
            comprehension;
        self.walk(iter_range)?;
        self.walk(accu_init)?;
        let depth = usize::from(iter_var != "#unused");
        self.loops += depth;
        if self.loops > LOOPS_MAX {
            return Err(self.complaint(format!("loops nest deeper than {LOOPS_MAX}"), id));
        }
        let outer = self.scopes.len();
        self.scopes.push(accu_var.clone());
        self.walk(result)?;
        self.scopes.push(iter_var.clone());
        self.walk(loop_cond)?;
        self.walk(loop_step)?;
        self.scopes.truncate(outer);
        self.loops -= depth;
        Ok(())
    }

    fn pattern(&self, call: &CallExpr, id: u64) -> Result<(), Complaint> {
        let argument = match (&call.target, call.args.as_slice()) {
            (Some(_), [pattern]) | (None, [_, pattern]) if call.func_name == "matches" => pattern,
            _ => return Ok(()),
        };
        let Expr::Literal(LiteralValue::String(pattern)) = &argument.expr else {
            return Ok(());
        };
        let Err(error) = rewrite::pattern(pattern.inner()) else {
            return Ok(());
        };
        let place = self.text.place(argument.id).or_else(|| self.text.place(id));
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        let complaint = Complaint::new(format!("the pattern cannot be used: {reason}"), place);
        Err(if reason.contains("look-around") || reason.contains("backreferences") {
            complaint.with_hint("patterns are those of RE2: linear in the length of the text, without look-around")
        } else {
            complaint
        })
    }
}

/// Returns the dotted name an expression spells.
fn qualified(node: &IdedExpr) -> Option<String> {
    match &node.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => Some(format!("{}.{}", qualified(&select.operand)?, select.field)),
        _ => None,
    }
}
