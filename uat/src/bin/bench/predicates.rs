//! Twenty predicates, from one that an index answers to those that SQLite cannot, with the SQL a person would write.

/// One query.
pub(crate) struct Case {
    pub(crate) predicate: &'static str,
    /// What follows `WHERE`, the choice of the latest versions included.
    pub(crate) sql: &'static str,
    /// The tag whose rows the statement walks.
    tag: Option<&'static str>,
    pub(crate) limit: Option<u64>,
}

impl Case {
    /// Returns what follows `SELECT id FROM`, without the limit.
    pub(crate) fn statement(&self) -> String {
        match self.tag {
            None => format!("catalog WHERE {} ORDER BY seq", self.sql),
            Some(tag) => format!(
                "catalog_tag AS tag CROSS JOIN catalog USING (seq) WHERE {tag} AND {} ORDER BY tag.seq",
                self.sql
            ),
        }
    }

    const fn limited(self, limit: u64) -> Self {
        Self { limit: Some(limit), ..self }
    }
}

const fn case(predicate: &'static str, sql: &'static str) -> Case {
    Case { predicate, sql, tag: None, limit: None }
}

const fn tagged(predicate: &'static str, tag: &'static str, sql: &'static str) -> Case {
    Case { predicate, sql, tag: Some(tag), limit: None }
}

/// All of them.
pub(crate) const CASES: [Case; 20] = [
    case(r#"workflowRunId == "run-00042""#, "is_latest = 1 AND workflow_run_id = 'run-00042'"),
    case(r#"name == "episode-000123""#, "is_latest = 1 AND data_name = 'episode-000123'"),
    case(
        r#"name.startsWith("episode-00012")"#,
        "is_latest = 1 AND data_name >= 'episode-00012' AND data_name < 'episode-00013'",
    ),
    tagged("has(tags.rare)", "tag.key = 'rare'", "is_latest = 1"),
    case(r#"modelName == "model-07""#, "is_latest = 1 AND model_name = 'model-07'"),
    case(
        r#"modelName in ["model-01", "model-02"] && size > 50000"#,
        "is_latest = 1 AND model_name IN ('model-01', 'model-02') AND size > 50000",
    ),
    tagged(r#"tags.workflow == "wf-3""#, "tag.key = 'workflow' AND tag.value = 'wf-3'", "is_latest = 1"),
    case(
        r#"modelName == "model-07" && tags.env == "prod" && size > 50000"#,
        "is_latest = 1 AND model_name = 'model-07' AND size > 50000 AND EXISTS (SELECT 1 FROM catalog_tag AS tag \
         WHERE tag.seq = catalog.seq AND tag.key = 'env' AND tag.value = 'prod')",
    ),
    tagged(r#"tags.env == "prod""#, "tag.key = 'env' AND tag.value = 'prod'", "is_latest = 1"),
    tagged(r#"tags.env == "prod""#, "tag.key = 'env' AND tag.value = 'prod'", "is_latest = 1").limited(20),
    case(r#"modelName != "model-07""#, "is_latest = 1 AND model_name <> 'model-07'").limited(20),
    case("size > 99000", "is_latest = 1 AND size > 99000"),
    case(r#"name.contains("999")"#, "is_latest = 1 AND instr(data_name, '999') > 0"),
    case("version > 3 && streaming", "version > 3 AND streaming = 1"),
    case(
        r#"!(tags.env == "prod") && streaming"#,
        "is_latest = 1 AND streaming = 1 \
         AND (SELECT value FROM catalog_tag AS tag WHERE tag.seq = catalog.seq AND tag.key = 'env') <> 'prod'",
    ),
    case(
        r#"timestamp(createdAt) >= timestamp("2026-01-15T23:30:00Z")"#,
        "is_latest = 1 AND created_at >= '2026-01-15T23:30:00.000Z'",
    ),
    case(r#"modelName == "model-07" && size % 7 == 3"#, "is_latest = 1 AND model_name = 'model-07' AND size % 7 = 3"),
    case(
        r#"name.matches("^episode-0001[0-9]+$")"#,
        "is_latest = 1 AND data_name >= 'episode-0001' AND data_name < 'episode-0002' AND data_name GLOB 'episode-0001[0-9]*'",
    ),
    case("size % 1000 == 7", "is_latest = 1 AND size % 1000 = 7"),
    tagged(r#"tags.exists(key, key == "rare")"#, "tag.key = 'rare'", "is_latest = 1"),
];
