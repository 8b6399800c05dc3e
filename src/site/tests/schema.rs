//! The schema of a site file knows exactly the keys that the loader knows.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::*;
use super::{LEAST, parse};

/// The tables of a schema, each by its path, with the keys that it has.
fn tables(schema: &Value) -> Vec<(String, BTreeSet<String>)> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), schema)];
    while let Some((path, table)) = open.pop() {
        let keys = table["properties"].as_object().unwrap();
        for (key, inner) in keys {
            if inner["properties"].is_object() {
                let below = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                open.push((below, inner));
            }
        }
        assert_eq!(table["additionalProperties"], false, "{path}");
        found.push((path, keys.keys().cloned().collect()));
    }
    found
}

/// The keys that the loader says are known in that table.
fn known(path: &str) -> BTreeSet<String> {
    let unknown = "zzzzzzzzzzzzzzzz = 1";
    let text = match path {
        "" => format!("{unknown}\n{LEAST}"),
        // Whoever has another mode has no use for a password, and it is known all the same.
        "sql.auth.password" => {
            format!(
                "{LEAST}[sql.auth]\nmode = 'sql'\nuser = 'x'\npassword = {{ env = 'A', {unknown} }}\n"
            )
        }
        "sql.compliance" => {
            format!(
                "{LEAST}[database]\nchat = 'mgc'\ncompliance = 'mgccomp'\n[sql.compliance]\n{unknown}\n"
            )
        }
        path if LEAST.contains(&format!("[{path}]\n")) => {
            LEAST.replace(&format!("[{path}]\n"), &format!("[{path}]\n{unknown}\n"))
        }
        path => format!("{LEAST}[{path}]\n{unknown}\n"),
    };
    let problems = parse(&text).unwrap_err().problems;
    let is_it = |key: &str| key.ends_with("zzzzzzzzzzzzzzzz");
    let problem = problems.iter().find(|it| is_it(&it.key)).unwrap();
    let hint = problem.hint.as_deref().unwrap();
    let listed = hint.strip_prefix("known here: ").unwrap();
    listed
        .split(", ")
        .map(|key| key.trim_matches('`').to_owned())
        .collect()
}

#[test]
fn the_schema_has_the_keys_that_the_loader_knows_in_every_table_and_no_other() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let tables = tables(&schema);
    assert!(tables.len() > 15, "{tables:?}");
    for (path, keys) in tables {
        assert_eq!(known(&path), keys, "[{path}]");
    }
}

#[test]
fn every_key_of_the_example_stands_in_the_schema_also_those_behind_a_mark() {
    // What is left out of the example stands in it behind `# `.
    let is_key = |line: &str| {
        let word = line.split(" = ").next().unwrap_or_default();
        line.contains(" = ") && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    let lines = EXAMPLE.lines().map(|line| {
        let open = line.strip_prefix("# ").unwrap_or(line);
        let is_table = open.starts_with('[') && open.ends_with(']');
        if is_table || is_key(open) { open } else { line }
    });
    // Of a key with several examples the first counts.
    let mut seen = BTreeSet::new();
    let mut table = String::new();
    let mut text = String::new();
    for line in lines {
        if line.starts_with('[') {
            line.clone_into(&mut table);
        }
        let key = line.split(" = ").next().unwrap_or_default();
        if line.starts_with('#') || !line.contains(" = ") || seen.insert(format!("{table}{key}")) {
            text += line;
            text.push('\n');
        }
    }
    let value: toml::Value = toml::from_str(&text).unwrap();
    let value = serde_json::to_value(value).unwrap();
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut walked = 0;
    let mut open = vec![(String::new(), &value, &schema)];
    while let Some((path, value, schema)) = open.pop() {
        for (key, inner) in value.as_object().into_iter().flatten() {
            let known = &schema["properties"][key];
            assert!(known.is_object(), "{path}.{key} is not in the schema");
            walked += 1;
            open.push((format!("{path}.{key}"), inner, known));
        }
    }
    assert!(walked > 60, "{walked}");
}

#[test]
fn what_the_schema_requires_the_loader_misses() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let missing: Vec<String> = parse("")
        .unwrap_err()
        .problems
        .into_iter()
        .map(|it| it.key)
        .collect();
    let required: BTreeSet<&str> = schema["required"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(
        missing.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        required
    );
    for limit in schema["properties"]["limits"]["properties"]
        .as_object()
        .unwrap()
    {
        let (key, inner) = limit;
        let default = inner["default"].as_str().unwrap();
        let site = parse(&format!("{LEAST}[limits]\n{key} = '{default}'\n"));
        assert_eq!(site.unwrap().limits, Limits::default(), "{key}");
    }
}
