//! What a query can name: the fields of a row, with their types, columns and examples.

use crate::catalog::Column;

/// What kind of value a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// A text.
    Text,
    /// A number; every number of a row is a double, as in JSON.
    Number,
    /// `true` or `false`.
    Flag,
    /// A map of texts.
    Tags,
    /// What the artifact's bytes say; they are fetched when it is named.
    Content,
}

impl FieldKind {
    /// Returns the word for it in messages and help.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Flag => "true or false",
            Self::Tags => "map of texts",
            Self::Content => "content",
        }
    }
}

/// A field of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name in expressions.
    pub name: &'static str,
    /// What kind of value it has.
    pub kind: FieldKind,
    /// The column of the catalog that holds it; content is in none.
    pub column: Option<Column>,
    /// What it is, as a clause.
    pub about: &'static str,
    /// A predicate that uses it.
    pub example: &'static str,
}

const fn text(name: &'static str, column: Column, about: &'static str, example: &'static str) -> Field {
    Field { name, kind: FieldKind::Text, column: Some(column), about, example }
}

const fn other(
    name: &'static str,
    kind: FieldKind,
    column: Option<Column>,
    about: &'static str,
    example: &'static str,
) -> Field {
    Field { name, kind, column, about, example }
}

/// Every field, by name.
pub const FIELDS: [Field; 25] = [
    other(
        "attributes",
        FieldKind::Content,
        None,
        "the content of an `application/json` artifact, an empty map for others",
        "attributes.status == \"failed\"",
    ),
    other(
        "content",
        FieldKind::Content,
        None,
        "as `attributes` for JSON, the text of text artifacts, empty for others",
        "content.contains(\"timeout\")",
    ),
    text("contentType", Column::ContentType, "the media type", "contentType == \"text/plain\""),
    text(
        "createdAt",
        Column::CreatedAt,
        "when the version was written",
        "timestamp(createdAt) > timestamp(\"2026-01-01T00:00:00Z\")",
    ),
    text("dataType", Column::DataType, "the tag `type`", "dataType == \"resource\""),
    text("id", Column::Id, "the id of the version", "id.startsWith(\"5b7d\")"),
    other(
        "isLatest",
        FieldKind::Flag,
        Some(Column::IsLatest),
        "whether it is the newest version; naming it opens history",
        "!isLatest",
    ),
    text("jobName", Column::JobName, "the workflow job that wrote it", "jobName == \"collect\""),
    text("lifetime", Column::Lifetime, "how long it is kept", "lifetime == \"7d\""),
    text("modelId", Column::ModelId, "the id of its model", "modelId.startsWith(\"0bc7\")"),
    text("modelName", Column::ModelName, "the name of its model", "modelName == \"vpc-main\""),
    text("modelType", Column::Type, "the type of its model", "modelType == \"aws/ec2/vpc\""),
    text("name", Column::DataName, "the name of the artifact", "name.contains(\"episode\")"),
    text("ns", Column::Namespace, "the namespace", "ns == \"security\""),
    text("ownerRef", Column::OwnerRef, "what owns it", "ownerRef != \"\""),
    text("ownerType", Column::OwnerType, "what kind of thing owns it", "ownerType == \"workflow-step\""),
    other("size", FieldKind::Number, Some(Column::Size), "the length in bytes", "size > 1024"),
    text("source", Column::Source, "where it comes from", "source == \"step-output\""),
    text("specName", Column::SpecName, "the tag `specName`", "specName == \"result\""),
    text("stepName", Column::StepName, "the workflow step that wrote it", "stepName.startsWith(\"scan\")"),
    other("streaming", FieldKind::Flag, Some(Column::Streaming), "whether it is written in pieces", "streaming"),
    other("tags", FieldKind::Tags, Some(Column::Tags), "its tags", "tags.env == \"prod\""),
    other(
        "version",
        FieldKind::Number,
        Some(Column::Version),
        "the version, from 1; naming it opens history",
        "version >= 3",
    ),
    text("workflowName", Column::WorkflowName, "the workflow that wrote it", "workflowName == \"nightly\""),
    text("workflowRunId", Column::WorkflowRunId, "the run that wrote it", "workflowRunId == \"4f1c\""),
];

/// Returns the field of a name.
pub(super) fn field(name: &str) -> Option<&'static Field> {
    FIELDS.binary_search_by(|field| field.name.cmp(name)).ok().and_then(|index| FIELDS.get(index))
}

#[cfg(test)]
mod tests {
    use super::FIELDS;

    #[test]
    fn fields_are_sorted() {
        assert!(FIELDS.is_sorted_by_key(|field| field.name));
    }
}
