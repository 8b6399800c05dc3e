//! What is typed by hand: T-SQL on the instance that stands before it, a cmdlet where there is a
//! PowerShell.

use std::sync::Arc;

use pchadr::cli::rehearse::Stage;
use pchadr::model::{Instance, Role};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use crate::site::Drill;

/// The longer names first: each begins with a shorter one.
const ROLES: [(&str, Role); 4] = [
    ("the primary mirror", Role::PrimaryMirror),
    ("the backup mirror", Role::BackupMirror),
    ("the primary", Role::Primary),
    ("the backup", Role::Backup),
];

/// The statements of a text, each with the role that is named last before it.
pub(crate) fn statements(text: &str) -> Vec<(Option<Role>, String)> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut from = 0;
        while let Some(at) = line[from..].find("type `") {
            let begins = from + at + "type `".len();
            let Some(length) = line[begins..].find('`') else {
                panic!("a backquote without its other: {line}");
            };
            found.push((
                role_before(&line[..begins]),
                line[begins..begins + length].to_owned(),
            ));
            from = begins + length;
        }
    }
    found
}

fn role_before(text: &str) -> Option<Role> {
    let last = ROLES
        .iter()
        .filter_map(|(name, role)| Some((text.rfind(name)?, name.len(), *role)));
    last.max_by_key(|(at, length, _)| (*at, *length))
        .map(|(.., role)| role)
}

pub(crate) async fn type_it(
    stage: &mut Stage,
    drill: &Drill,
    role: Option<Role>,
    statement: &str,
) -> Result<(), String> {
    let begins = statement.split(' ').next().unwrap_or_default();
    if begins.contains("-Cs") {
        return cmdlet(stage, statement).await;
    }
    let Some(role) = role else {
        return Err(format!("nobody says where to type `{statement}`"));
    };
    stage.reopen(&drill.site);
    let opened = stage.access.sql.open(Instance::chat(role)).await;
    let mut session = opened.map_err(|error| format!("the {role}: {error}"))?;
    let sent = session.send(statement).await;
    sent.map(|_| ())
        .map_err(|error| format!("`{statement}`: {error}"))
}

/// Types a cmdlet into a PowerShell of another machine: each of its words that begins with `-` is the
/// name of a parameter, and the next one its value.
async fn cmdlet(stage: &Stage, line: &str) -> Result<(), String> {
    let (name, mut parameters) = taken_apart(line);
    // A person is asked, and says yes.
    parameters.insert("Confirm".to_owned(), json!(false));
    let (near, far) = tokio::io::duplex(64 << 10);
    tokio::spawn(Arc::clone(&stage.simulated.cmdlets).serve(far));
    let module = stage
        .simulated
        .pool
        .lock()
        .expect("the pool")
        .module
        .clone();
    let (reader, mut writer) = tokio::io::split(near);
    let mut lines = BufReader::new(reader).lines();
    for request in [
        json!({"nonce": "1", "import": module}),
        json!({"nonce": "2", "cmdlet": name, "parameters": parameters}),
    ] {
        let request = format!("{request}\n");
        writer
            .write_all(request.as_bytes())
            .await
            .expect("a stream");
        let answer = lines
            .next_line()
            .await
            .expect("a stream")
            .unwrap_or_default();
        let answer = answer.splitn(3, ' ').nth(2).unwrap_or_default().to_owned();
        let answer: Value = serde_json::from_str(&answer).map_err(|it| format!("{line}: {it}"))?;
        if answer["errors"].as_array().is_none_or(|it| !it.is_empty()) {
            return Err(format!("`{line}`: {}", answer["errors"]));
        }
    }
    Ok(())
}

/// The name of a cmdlet, and its parameters as the line protocol has them.
fn taken_apart(line: &str) -> (String, Map<String, Value>) {
    let plain = |text: &str| text.trim_matches('\'').to_owned();
    let mut words = line.split(' ').peekable();
    let name = words.next().unwrap_or_default().to_owned();
    let mut parameters = Map::new();
    while let Some(word) = words.next() {
        let Some(parameter) = word.strip_prefix('-') else {
            panic!("`{word}` is no parameter: {line}");
        };
        if let Some((parameter, value)) = parameter.split_once(':') {
            parameters.insert(parameter.to_owned(), json!(value == "$true"));
            continue;
        }
        let value = words.next_if(|it| !it.starts_with('-'));
        let value = match value.map(|it| (it, it.strip_prefix("@{"))) {
            None => json!(true),
            Some(("$null", _)) => Value::Null,
            Some((_, Some(table))) => {
                let (key, value) = table.trim_end_matches('}').split_once('=').expect("a pair");
                json!({ key: plain(value) })
            }
            Some((value, None)) => json!(plain(value)),
        };
        parameters.insert(parameter.to_owned(), value);
    }
    (name, parameters)
}

#[test]
fn a_cmdlet_is_taken_apart_as_powershell_does() {
    let (name, parameters) = taken_apart(
        "Set-CsPersistentChatActiveServer -ActiveServers @{Add='pc1.dc1'} -Identity 'x' -Confirm:$false",
    );
    assert_eq!(name, "Set-CsPersistentChatActiveServer");
    let wanted = json!({"ActiveServers": {"Add": "pc1.dc1"}, "Identity": "x", "Confirm": false});
    assert_eq!(Value::Object(parameters), wanted);
}

#[test]
fn a_statement_goes_to_the_instance_that_stands_before_it() {
    let text = "on the backup (sql3): type `A`; on the backup mirror type `B`\nthen type `C`";
    assert_eq!(
        statements(text),
        [
            (Some(Role::Backup), "A".to_owned()),
            (Some(Role::BackupMirror), "B".to_owned()),
            (None, "C".to_owned()),
        ]
    );
}
