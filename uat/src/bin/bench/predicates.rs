//! Twenty predicates, from one that an index answers to those that SQLite cannot, with the SQL a person would write.

/// One query.
pub(crate) struct Case {
    pub(crate) predicate: &'static str,
    /// What follows `SELECT id FROM catalog WHERE`, the choice of the latest versions included.
    pub(crate) sql: &'static str,
    pub(crate) limit: Option<u64>,
}

const fn case(predicate: &'static str, sql: &'static str) -> Case {
    Case { predicate, sql, limit: None }
}

const fn limited(predicate: &'static str, sql: &'static str, limit: u64) -> Case {
    Case { predicate, sql, limit: Some(limit) }
}

/// All of them.
pub(crate) const CASES: [Case; 20] = [
    case(r#"workflowRunId == "run-00042""#, "is_latest = 1 AND workflow_run_id = 'run-00042'"),
    case(r#"name == "episode-000123""#, "is_latest = 1 AND data_name = 'episode-000123'"),
    case(
        r#"name.startsWith("episode-00012")"#,
        "is_latest = 1 AND data_name >= 'episode-00012' AND data_name < 'episode-00013'",
    ),
    case("has(tags.rare)", "is_latest = 1 AND seq IN (SELECT seq FROM catalog_tag WHERE key = 'rare')"),
    case(r#"modelName == "model-07""#, "is_latest = 1 AND model_name = 'model-07'"),
    case(
        r#"modelName in ["model-01", "model-02"] && size > 50000"#,
        "is_latest = 1 AND model_name IN ('model-01', 'model-02') AND size > 50000",
    ),
    case(
        r#"tags.workflow == "wf-3""#,
        "is_latest = 1 AND seq IN (SELECT seq FROM catalog_tag WHERE key = 'workflow' AND value = 'wf-3')",
    ),
    case(
        r#"modelName == "model-07" && tags.env == "prod" && size > 50000"#,
        "is_latest = 1 AND model_name = 'model-07' AND size > 50000 \
         AND seq IN (SELECT seq FROM catalog_tag WHERE key = 'env' AND value = 'prod')",
    ),
    case(
        r#"tags.env == "prod""#,
        "is_latest = 1 AND seq IN (SELECT seq FROM catalog_tag WHERE key = 'env' AND value = 'prod')",
    ),
    limited(
        r#"tags.env == "prod""#,
        "is_latest = 1 AND seq IN (SELECT seq FROM catalog_tag WHERE key = 'env' AND value = 'prod')",
        20,
    ),
    limited(r#"modelName != "model-07""#, "is_latest = 1 AND model_name <> 'model-07'", 20),
    case("size > 99000", "is_latest = 1 AND size > 99000"),
    case(r#"name.contains("999")"#, "is_latest = 1 AND instr(data_name, '999') > 0"),
    case("version > 3 && streaming", "version > 3 AND streaming = 1"),
    case(
        r#"!(tags.env == "prod") && streaming"#,
        "is_latest = 1 AND streaming = 1 \
         AND seq IN (SELECT seq FROM catalog_tag WHERE key = 'env' AND value <> 'prod')",
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
    case(
        r#"tags.exists(key, key == "rare")"#,
        "is_latest = 1 AND seq IN (SELECT seq FROM catalog_tag WHERE key = 'rare')",
    ),
];
