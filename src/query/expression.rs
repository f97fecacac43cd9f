//! Expressions by themselves: `data.latest("infra:vpc-main", "state").attributes.cidr`.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use cel::context::VariableResolver;
use serde_json::Value;

use super::budget::{Interrupt, listen_to};
use super::cached::Cached;
use super::compile::{Query, checked};
use super::content::Contents;
use super::data::{Access, Data};
use super::deep::on_big_stack;
use super::error::{Complaint, QueryError};
use super::json;
use super::program::{Cause, Program, Reason};
use super::pushdown::Errors;
use super::rewrite;
use super::validate::Roots;
use crate::catalog::Catalog;
use crate::namespace::Namespace;
use cel::common::value::CowVal;

/// What an expression reaches.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The versions of every namespace.
    pub catalog: &'a Catalog,
    /// Their content.
    pub contents: &'a dyn Contents,
    /// The namespace that a reference without one means.
    pub own: Option<&'a Namespace>,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("own", &self.own).finish_non_exhaustive()
    }
}

/// Evaluates an expression.
pub fn evaluate(source: &str, around: Surroundings<'_>, interrupt: &Interrupt) -> Result<Value, QueryError> {
    on_big_stack(|| {
        listen_to(interrupt);
        let (expression, _, _) = checked(source, Roots::Data).map_err(QueryError::invalid)?;
        let expression = check_queries(expression).map_err(QueryError::invalid)?;
        let program = Program::new(rewrite::data_calls(rewrite::numbers(expression)));
        let contents = Cached::new(around.contents);
        let access = Access::new(around.catalog, &contents, around.own);
        let names = Names { data: Data::new(&access) };
        program.evaluate(&names, json::produced)?.map_err(|reason| failure(reason, &access))
    })
}

fn failure(reason: Reason, access: &Access<'_>) -> QueryError {
    let Reason { message, cause } = reason;
    if let Some(why) = access.unfetched().filter(|why| message.contains(&why.reason)) {
        return QueryError::Unfetched { message, why: why.clone() };
    }
    match access.missed().filter(|_| cause == Cause::Null) {
        None => QueryError::Evaluation { message, hint: cause.hint() },
        Some(call) => {
            let hint = "check the model and the name, or write `.?attributes` where nothing may be found";
            QueryError::Evaluation { message: format!("{message}: `{call}` found nothing"), hint: Some(hint) }
        }
    }
}

/// Returns the expression, or what is wrong with the text of a `data.query` in it, before anything is evaluated.
fn check_queries(expression: IdedExpr) -> Result<IdedExpr, Complaint> {
    let mut wrong = None;
    let expression = rewrite::each_node(expression, &mut |node| {
        if let Expr::Call(CallExpr { func_name, target: Some(target), args }) = &node
            && func_name == "query"
            && rewrite::is_name(target, "data")
            && let Some(predicate) = args.first().and_then(literal)
        {
            let query = Query::parse_here(predicate, args.get(1).and_then(literal), Errors::Skip);
            wrong = wrong.take().or(query.err());
        }
        node
    });
    match wrong {
        None => Ok(expression),
        Some(complaint) => Err(Complaint { message: format!("`data.query`: {}", complaint.message), ..complaint }),
    }
}

fn literal(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

struct Names<'a> {
    data: Data<'a>,
}

impl VariableResolver for Names<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        (variable == rewrite::DATA).then(|| CowVal::Borrowed(&self.data))
    }
}
