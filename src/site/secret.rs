//! No password stands in a site file (`design.md` 3, rule 11), and none is repeated in a message.

use std::path::{Path, PathBuf};

use super::Secret;
use crate::problem::toml::{Field, Reported, Table};

/// The one key of a site file that says where a password is.
const PLACE: &str = "sql.auth.password";

const WRITTEN: &str = "a password is written in this file";
const POINT_TO_IT: &str = "never write it here: whoever reads the file or a copy of it has it. \
     Remove it, and point to it in [sql.auth]: `password = { env = \"PCHADR_SQL_PASSWORD\" }`, \
     `{ file = \"…\" }` or `{ prompt = true }`. Where others may have seen it, change it on the server";

/// Reports every password that is written anywhere in the file, under any known name.
pub(super) fn refuse_written(root: &Table<'_>) {
    // A list of what is still to be looked at: tables may be nested deeper than a stack is.
    let mut open = root.fields();
    while let Some(field) = open.pop() {
        if let Some(table) = field.as_table() {
            open.extend(table.fields());
        } else if is_secret(field.key()) && field.path() != PLACE
            || field.as_text().is_some_and(holds_secret)
        {
            field.refuse(WRITTEN, POINT_TO_IT);
        } else {
            open.extend(field.items());
        }
    }
}

/// Says whether a key's name promises a password as its value.
fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase().replace(['_', '-', ' '], "");
    let endings = ["password", "passwd", "passphrase", "pwd", "secret"];
    endings.iter().any(|e| key.ends_with(e)) || key == "pass" || key == "pw"
}

/// Says whether a text carries a password, as a connection string does.
fn holds_secret(text: &str) -> bool {
    let text = text.to_lowercase().replace(' ', "");
    ["password=", "passwd=", "pwd="]
        .iter()
        .any(|mark| text.contains(mark))
}

/// Reads `[sql.auth] password`.
pub(super) fn read(field: &Field<'_>, base_dir: &Path) -> Result<Secret, Reported> {
    let Some(mut table) = field.as_table() else {
        return Err(field.problem(WRITTEN, POINT_TO_IT));
    };
    let env = table.optional("env", variable);
    let file = table.optional("file", |f| f.text().map(PathBuf::from));
    let prompt = table.optional("prompt", |f| {
        if f.flag()? {
            Ok(())
        } else {
            Err(f.problem("is not true", "write `true`, or remove the key"))
        }
    });
    let refuse = |what| {
        let hint = "write one of `{ env = \"PCHADR_SQL_PASSWORD\" }`, `{ file = \"…\" }`, `{ prompt = true }`";
        Err(field.problem(what, hint))
    };
    let secret = match (env?, file?, prompt?) {
        (Some(name), None, None) => Ok(Secret::Env(name)),
        (None, Some(path), None) => Ok(Secret::File(base_dir.join(path))),
        (None, None, Some(())) => Ok(Secret::Prompt),
        (None, None, None) => refuse("says not where the password is"),
        _ => refuse("names more than one place"),
    };
    table.finish();
    secret
}

/// Reads the name of an environment variable. What is none is not repeated: it may be the
/// password itself.
fn variable(field: &Field<'_>) -> Result<String, Reported> {
    let name = field.text()?;
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_';
    if name.starts_with(starts) && name.chars().all(|c| starts(c) || c.is_ascii_digit()) {
        Ok(name.to_owned())
    } else {
        let hint = "write the variable's name, not what it holds: letters, digits and `_`, as in \
                    `PCHADR_SQL_PASSWORD`";
        Err(field.problem("is no name of an environment variable", hint))
    }
}
