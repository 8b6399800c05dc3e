//! What a text prints for the operator to type, taken out of it as he would: what stands between two
//! backquotes, or from the program's name to the end of the line.

/// Something that is typed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Printed {
    /// A command of the program, by its words.
    Command(Vec<String>),
    /// T-SQL or PowerShell.
    Statement(String),
}

/// Where the name of the program begins no command.
const PROSE: [&str; 5] = [
    "pchadr at a terminal",
    "pchadr on Windows",
    "pchadr; keep the run folder",
    "pchadr or of the driver",
    "pchadr is started",
];

/// All of a text, in order.
pub(crate) fn printed(text: &str) -> Vec<Printed> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut rest = line;
        while let Some(at) = ["`", "pchadr "].iter().filter_map(|it| rest.find(it)).min() {
            rest = &rest[at..];
            if let Some(quoted) = rest.strip_prefix('`') {
                let Some((inside, behind)) = quoted.split_once('`') else {
                    panic!("a backquote without its other: {line}");
                };
                if inside.starts_with("pchadr ") {
                    found.push(Printed::Command(words(inside)));
                } else if line[..line.len() - rest.len()].ends_with("type ") {
                    found.push(Printed::Statement(inside.to_owned()));
                }
                rest = behind;
            } else if PROSE.iter().any(|it| rest.starts_with(it)) || is_version(rest) {
                rest = &rest["pchadr ".len()..];
            } else {
                found.push(Printed::Command(words(rest)));
                break;
            }
        }
    }
    found
}

/// The name and the version of the program.
fn is_version(text: &str) -> bool {
    let behind = text.strip_prefix("pchadr ");
    behind.is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()))
}

/// The words of a command line, as the shell of this system takes it apart.
pub(crate) fn words(line: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some('\'') if cfg!(windows) && rest.peek() == Some(&'\'') => {
                            rest.next();
                            word.push('\'');
                        }
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => panic!("a quote that is never closed: {line}"),
                    }
                }
            }
            '\\' if !cfg!(windows) => word.get_or_insert_default().extend(rest.next()),
            ' ' => words.extend(word.take()),
            // What a shell would not leave as it is must stand in quotes.
            '"' | '$' | ';' | '&' | '|' | '<' | '>' | '(' | ')' | '*' | '?' => {
                panic!("`{c}` means something to the shell: {line}")
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(unix)]
#[test]
fn a_line_is_taken_apart_as_a_shell_does() {
    assert_eq!(
        words(r"pchadr status --config '/tmp/it'\''s a site.toml' --resume=r1"),
        [
            "pchadr",
            "status",
            "--config",
            "/tmp/it's a site.toml",
            "--resume=r1"
        ]
    );
    assert_eq!(words("a  '' b"), ["a", "", "b"]);
    for line in ["a 'b", "a; b", "a $b"] {
        assert!(std::panic::catch_unwind(|| words(line)).is_err(), "{line}");
    }
}

#[test]
fn what_is_printed_is_found_in_backquotes_and_at_the_end_of_lines() {
    let command = |it: &[&str]| Printed::Command(it.iter().map(|it| (*it).to_owned()).collect());
    let text = "why: `RESTORE LOG x` failed\nto do: type `KILL 1`; run `pchadr fence`, then\nto go on: pchadr abort --yes\nstart pchadr at a terminal";
    assert_eq!(
        printed(text),
        [
            Printed::Statement("KILL 1".to_owned()),
            command(&["pchadr", "fence"]),
            command(&["pchadr", "abort", "--yes"]),
        ]
    );
}
