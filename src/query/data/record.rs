//! A record: a version of an artifact as a value, whose content is fetched when it is named.
//!
//! Records that were found together fetch together: naming the content of one of a list fetches that of the next ones.

use std::sync::{Arc, OnceLock};

use cel::ExecutionError;
use cel::common::traits::{self, Container, Indexer, Iterable, Sizer};
use cel::common::types::{CelBool, CelDouble, CelInt, CelString, MAP_TYPE, Type};
use cel::common::value::{CowVal, Val};

use super::Access;
use crate::catalog::Column;
use crate::query::content::{Decoded, Form, artifact, tags};
use crate::query::map::{OrderedMap, shown};
use crate::query::row::{RECORD, Row};

/// The most artifacts fetched at a time.
const BATCH_MAX: usize = 64;

/// Records that were found together.
#[derive(Debug)]
pub(super) struct Group(Vec<Member>);

#[derive(Debug)]
struct Member {
    row: Row,
    tags: OnceLock<Box<dyn Val>>,
    decoded: OnceLock<Result<Decoded, String>>,
}

impl Group {
    pub(super) fn of(rows: Vec<Row>) -> Self {
        let member = |row| Member { row, tags: OnceLock::new(), decoded: OnceLock::new() };
        Self(rows.into_iter().map(member).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Record<'a> {
    access: &'a Access<'a>,
    group: Arc<Group>,
    index: usize,
}

impl<'a> Record<'a> {
    pub(super) fn new(access: &'a Access<'a>, group: Arc<Group>, index: usize) -> Self {
        Self { access, group, index }
    }

    fn member(&self) -> Result<&Member, ExecutionError> {
        self.group.0.get(self.index).ok_or_else(|| ExecutionError::InternalError("no such record".to_owned()))
    }

    fn decoded(&self) -> Result<&Decoded, ExecutionError> {
        let member = self.member()?;
        if member.decoded.get().is_none() {
            self.fetch();
        }
        let decoded = member.decoded.get_or_init(|| Err("its content is missing".to_owned()));
        decoded.as_ref().map_err(|reason| {
            let label = crate::query::judge::label(&member.row);
            ExecutionError::InternalError(format!("`{label}`: {reason}"))
        })
    }

    /// Fetches the content of this record and of the next ones that have none yet.
    fn fetch(&self) {
        let mut members = Vec::new();
        let mut artifacts = Vec::new();
        let next = self.group.0.iter().skip(self.index).filter(|member| member.decoded.get().is_none());
        for member in next.take(BATCH_MAX) {
            let form = Form::of(member.row.text(Column::ContentType));
            if form == Form::Opaque {
                member.decoded.get_or_init(|| Ok(Decoded::new(form, &[])));
                continue;
            }
            match artifact(&member.row) {
                Ok(artifact) => {
                    members.push((member, form));
                    artifacts.push(artifact);
                }
                Err(reason) => {
                    member.decoded.get_or_init(|| Err(reason));
                }
            }
        }
        if artifacts.is_empty() {
            return;
        }
        let contents = self.access.contents.fetch(&artifacts);
        for ((member, form), content) in members.into_iter().zip(contents) {
            member.decoded.get_or_init(|| match content {
                Ok(Some(bytes)) => Ok(Decoded::new(form, &bytes)),
                Ok(None) => Err("its content is missing".to_owned()),
                Err(why) => {
                    let reason = format!("its content cannot be fetched: {}", why.reason);
                    self.access.unfetched.get_or_init(|| why);
                    Err(reason)
                }
            });
        }
    }

    fn value<'b>(&'b self, name: &str) -> Result<Option<CowVal<'b, 'b>>, ExecutionError> {
        let member = self.member()?;
        Ok(Some(match name {
            "attributes" => CowVal::Borrowed(self.decoded()?.attributes()),
            "content" => CowVal::Borrowed(self.decoded()?.content()),
            "tags" => CowVal::Borrowed(member.tags.get_or_init(|| tags(member.row.text(Column::Tags))).as_ref()),
            "ns" => CowVal::owned(CelString::from(member.row.text(Column::Namespace))),
            name => {
                let Some((_, column)) = RECORD.iter().find(|(known, _)| *known == name) else {
                    return Ok(None);
                };
                match column {
                    #[expect(clippy::cast_precision_loss, reason = "the catalog keeps nothing greater than a double")]
                    Column::Version | Column::Size => {
                        CowVal::owned(CelDouble::from(member.row.integer(*column) as f64))
                    }
                    Column::IsLatest | Column::Streaming => {
                        CowVal::owned(CelBool::from(member.row.integer(*column) != 0))
                    }
                    _ => CowVal::owned(CelString::from(member.row.text(*column))),
                }
            }
        }))
    }
}

impl Val for Record<'_> {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    /// Records are equal if they are of the same version of the same artifact.
    fn equals(&self, other: &dyn Val) -> bool {
        let (Some(size), Some(other_keys)) = (other.as_sizer(), other.as_indexer()) else {
            return false;
        };
        // A value that borrows cannot be asked for its Rust type.
        let is_record =
            other.get_type() == &MAP_TYPE && size.size() == self.size() && other.downcast_ref::<OrderedMap>().is_none();
        is_record
            && IDENTITY.iter().all(|key| {
                let key = CelString::from(*key);
                let (ours, theirs) = (self.get(&key), other_keys.get(&key));
                matches!((ours, theirs), (Ok(ours), Ok(theirs)) if ours.equals(theirs.as_ref()))
            })
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }
}

/// The keys that tell versions apart.
const IDENTITY: [&str; 5] = ["namespace", "modelType", "modelId", "name", "version"];

impl Container for Record<'_> {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        let key = key.downcast_ref::<CelString<'_>>().map_or("", |key| key.inner());
        Ok(KEYS.contains(&key))
    }
}

impl Indexer for Record<'_> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let name = key.downcast_ref::<CelString<'_>>().map_or("", |key| key.inner());
        match self.value(name)? {
            Some(value) => Ok(CowVal::Owned(crate::query::json::owned(value.as_ref()))),
            None => Err(ExecutionError::no_such_key(&shown(key))),
        }
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(key).map(CowVal::into_owned)
    }
}

/// The keys of a record, in the order in which it is printed.
const KEYS: [&str; 25] = {
    let mut keys = [""; 25];
    let mut index = 0;
    while index < RECORD.len() {
        keys[index] = RECORD[index].0;
        index += 1;
    }
    keys[23] = "attributes";
    keys[24] = "content";
    keys
};

static KEY_VALUES: std::sync::LazyLock<Vec<CelString<'static>>> =
    std::sync::LazyLock::new(|| KEYS.iter().map(|key| CelString::from((*key).to_owned())).collect());

impl Iterable for Record<'_> {
    fn iter<'b, 'v>(&'b self) -> Box<dyn traits::Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Keys(KEY_VALUES.iter()))
    }
}

struct Keys<'b>(std::slice::Iter<'b, CelString<'static>>);

impl<'b, 'v> traits::Iterator<'b, 'v> for Keys<'b> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        let key: &'b (dyn Val + 'v) = self.0.next()?;
        Some(key)
    }
}

impl Sizer for Record<'_> {
    fn size(&self) -> CelInt {
        i64::try_from(KEYS.len()).unwrap_or(i64::MAX).into()
    }
}
