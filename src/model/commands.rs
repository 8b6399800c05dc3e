//! Commands of this program as they are printed: each can be pasted, in any folder.

use std::borrow::Cow;
use std::cell::RefCell;
use std::path::Path;

/// Those that need a site file.
const OF_A_SITE: [&str; 10] = [
    "status",
    "check failover",
    "check failback",
    "failover",
    "failback",
    "fence",
    "abort",
    "runs list",
    "runs verify",
    "plan verify",
];

/// Words behind the name of the program that begin a command.
pub(crate) const ALL: [&str; 14] = [
    "status",
    "check",
    "failover",
    "failback",
    "fence",
    "abort",
    "runs",
    "plan",
    "logs",
    "lab",
    "init",
    "schema",
    "completions",
    "man",
];

thread_local! {
    /// ` --config FILE` of the site file that this thread works with.
    static SITE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From here on commands are printed with that site file.
pub fn name_site(file: &Path) {
    let option = config_option(file);
    SITE.with(|site| *site.borrow_mut() = option);
}

/// ` --config FILE` of the site file that was named last; nothing where none was.
pub fn site_option() -> String {
    SITE.with(|site| site.borrow().clone())
}

/// ` --config FILE`, whole and quoted as the shell of this system wants it.
pub fn config_option(file: &Path) -> String {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    format!(" --config {}", quoted(&file.display().to_string()))
}

/// One word of a command line, quoted where the shell of this system would take it apart. What is read
/// from a record may have been written by somebody else.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:\\-".contains(c);
    // A backslash is plain to PowerShell alone.
    if !text.is_empty() && text.chars().all(plain) && (cfg!(windows) || !text.contains('\\')) {
        return text.to_owned();
    }
    let quote = if cfg!(windows) { "''" } else { r"'\''" };
    format!("'{}'", text.replace('\'', quote))
}

/// A text with the site file in each command of it that names none.
pub(crate) fn spelled(text: &str) -> Cow<'_, str> {
    let option = site_option();
    if option.is_empty() || !text.contains("pchadr ") {
        return Cow::Borrowed(text);
    }
    let mut spelled = String::with_capacity(text.len() + option.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("pchadr ") {
        // Behind a quote or within a path it is a statement's own text.
        let begins_here = |c: char| c.is_whitespace() || "`(".contains(c);
        let is_ours = match before.chars().next_back() {
            Some(c) => begins_here(c),
            None => spelled.chars().next_back().is_none_or(begins_here),
        };
        spelled.push_str(before);
        spelled.push_str("pchadr ");
        rest = behind;
        if !is_ours {
            continue;
        }
        let begins = |command: &&&str| {
            let end = behind.strip_prefix(**command).map(|end| end.chars().next());
            end.is_some_and(|next| next.is_none_or(|c| !c.is_alphanumeric() && c != '-'))
        };
        if let Some(command) = OF_A_SITE.iter().find(begins) {
            spelled.push_str(command);
            rest = &behind[command.len()..];
            if !rest.starts_with(" --config") {
                spelled.push_str(&option);
            }
        }
    }
    spelled.push_str(rest);
    Cow::Owned(spelled)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_printed_with_its_site_file_whole_and_quoted() {
        let text = "see `pchadr status`, then run pchadr failover --resume=r1; pchadr abort";
        assert_eq!(spelled(text), text);
        name_site(Path::new("/etc/it's my/site.toml"));
        let file = r"--config '/etc/it'\''s my/site.toml'";
        for (given, wanted) in [
            ("`pchadr status`", format!("`pchadr status {file}`")),
            (
                "pchadr failover --resume=r1; or pchadr abort",
                format!("pchadr failover {file} --resume=r1; or pchadr abort {file}"),
            ),
            (
                "pchadr runs verify r1",
                format!("pchadr runs verify {file} r1"),
            ),
            // Text of a statement.
            (
                "New-NetFirewallRule -DisplayName 'pchadr fence' -LocalPort 1433",
                "New-NetFirewallRule -DisplayName 'pchadr fence' -LocalPort 1433".to_owned(),
            ),
            (
                r"DISK = N'\\fs1\pchadr failover\tail.bak'",
                r"DISK = N'\\fs1\pchadr failover\tail.bak'".to_owned(),
            ),
            // Named already, of no site, or no command.
            (
                "pchadr fence --config x",
                "pchadr fence --config x".to_owned(),
            ),
            ("pchadr logs /share", "pchadr logs /share".to_owned()),
            ("pchadr failover-ish", "pchadr failover-ish".to_owned()),
            (
                "pchadr 0.1.0 and pchadr",
                "pchadr 0.1.0 and pchadr".to_owned(),
            ),
        ] {
            assert_eq!(spelled(given), wanted);
        }
        for (word, whole) in [("r1", "r1"), ("r1;touch x", "'r1;touch x'"), ("", "''")] {
            assert_eq!(quoted(word), whole);
        }
        name_site(Path::new("/etc/pchadr/site.toml"));
        assert_eq!(site_option(), " --config /etc/pchadr/site.toml");
    }
}
