//! `data`: the functions by which an expression reaches artifacts.
//!
//! A reference names a model of our own namespace (`m` or `:m`), of another one (`ns:m`, which always means that namespace:
//! trap T9), or of any (`*:m`, an error where several have it).

mod find;
mod record;

use std::fmt;
use std::sync::OnceLock;

use cel::ExecutionError;
use cel::common::traits::Indexer;
use cel::common::types::{CelList, CelNull, CelString, DYN_TYPE, Type};
use cel::common::value::{CowVal, Val};

use super::budget::pay;
use super::content::{Contents, Unfetched};
use super::json::from_val;
use crate::catalog::Catalog;
use crate::namespace::Namespace;

/// What a call costs, besides the rows it finds.
const CALL_STEPS: usize = 10;

/// What the functions work on.
pub(super) struct Access<'a> {
    catalog: &'a Catalog,
    contents: &'a dyn Contents,
    own: Option<&'a Namespace>,
    /// The first call that found nothing, in words.
    missed: OnceLock<String>,
    /// Why the first content that was named could not be fetched.
    unfetched: OnceLock<Unfetched>,
}

impl<'a> Access<'a> {
    pub(super) fn new(catalog: &'a Catalog, contents: &'a dyn Contents, own: Option<&'a Namespace>) -> Self {
        Self { catalog, contents, own, missed: OnceLock::new(), unfetched: OnceLock::new() }
    }

    /// Returns the first call that found nothing.
    pub(super) fn missed(&self) -> Option<&str> {
        self.missed.get().map(String::as_str)
    }

    /// Returns why the first content that was named could not be fetched.
    pub(super) fn unfetched(&self) -> Option<&Unfetched> {
        self.unfetched.get()
    }

    fn miss(&self, name: &str, arguments: &[&dyn Val]) {
        self.missed.get_or_init(|| {
            let argument = |value: &&dyn Val| from_val(*value).map(|json| json.to_string()).unwrap_or_default();
            format!("data.{name}({})", arguments.iter().map(argument).collect::<Vec<_>>().join(", "))
        });
    }
}

impl fmt::Debug for Access<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("own", &self.own).finish_non_exhaustive()
    }
}

/// The value that an expression calls: indexing it with a function's name and arguments is the call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data<'a> {
    access: &'a Access<'a>,
}

impl<'a> Data<'a> {
    pub(super) fn new(access: &'a Access<'a>) -> Self {
        Self { access }
    }
}

impl Val for Data<'_> {
    fn get_type(&self) -> &Type {
        &DYN_TYPE
    }

    fn cel_type() -> &'static Type {
        static TYPE: Type = DYN_TYPE;
        &TYPE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(*self)
    }
}

impl Indexer for Data<'_> {
    fn get<'b, 'v>(&'b self, request: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        pay(CALL_STEPS)?;
        let request = request.downcast_ref::<CelList<'_>>().map(CelList::inner).unwrap_or_default();
        let (name, arguments) = match request.split_first() {
            Some((name, arguments)) => (name.downcast_ref::<CelString<'_>>(), arguments),
            None => (None, request),
        };
        let name = name.map_or("", |name| name.inner());
        let arguments: Vec<&dyn Val> = arguments.iter().map(AsRef::as_ref).collect();
        let value = find::call(self.access, name, &arguments);
        let value = value.map_err(|message| ExecutionError::InternalError(format!("`data.{name}`: {message}")))?;
        if value.downcast_ref::<CelNull>().is_some() {
            self.access.miss(name, &arguments);
        }
        Ok(CowVal::Owned(value))
    }

    fn steal<'v>(self: Box<Self>, request: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(request).map(CowVal::into_owned)
    }
}
