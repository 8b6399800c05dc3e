//! What the words of a command line become.

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    rehearsal: RehearsalOptions,
}

fn typed(words: &[&str]) -> Result<RehearsalOptions, String> {
    let words = ["pchadr"].iter().chain(words);
    let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
    assert!(!(line.dry_run && line.rehearsal.rehearse));
    Ok(line.rehearsal)
}

#[test]
fn the_words_of_a_rehearsal_become_terms() {
    let options = typed(&[
        "--rehearse",
        "--yes",
        "--accept-loss-after=end-of-chain",
        "--override=share-lost=the file server burned",
        "--override=mirror-alive=a=b",
        "--disaster-at=2026-11-24T03:15:00",
    ]);
    let terms = options.map(|options| options.terms());
    let expected = Terms {
        rehearsal: true,
        yes: true,
        accepted: Some(AcceptedLoss::EndOfChain),
        overrides: [
            ("share-lost", "the file server burned"),
            ("mirror-alive", "a=b"),
        ]
        .map(|(id, reason)| (id.to_owned(), reason.to_owned()))
        .into(),
        disaster_at: Some(jiff::civil::date(2026, 11, 24).at(3, 15, 0, 0)),
        approved: None,
    };
    assert_eq!(terms, Ok(expected));
}

#[test]
fn without_words_nothing_is_allowed() {
    let terms = typed(&[]).map(|options| options.terms());
    assert_eq!(terms, Ok(Terms::default()));
}

#[test]
fn a_number_makes_log_backups_and_a_folder_has_them() {
    let logs = |text: &str| text.parse::<RehearsalLogs>();
    assert_eq!(logs("120"), Ok(RehearsalLogs::Simulated(120)));
    assert_eq!(logs("./120"), Ok(RehearsalLogs::Folder("./120".to_owned())));
    assert_eq!(logs(r"\\fs1\logs").map(|_| ()), Ok(()));
    let error = logs("99999999999").map_err(|error| error.to_string());
    assert!(error.is_err_and(|text| text.contains("./99999999999")));
}

#[test]
fn what_contradicts_itself_or_is_half_said_is_refused() {
    for words in [
        &["--rehearse", "--dry-run"][..],
        &["--seed", "1"],
        &["--rehearse-logs", "5"],
        &["--with", "mirror-down"],
        &["--rehearse", "--with", "rain"],
        &["--override", "share-lost"],
        &["--override", "share-lost= "],
        &["--override", "=because"],
        &["--override", "nosuch=because"],
        &["--disaster-at", "2026-11-24T03:15:00+01:00"],
        &["--accept-loss-after", "everything"],
        &["--disaster-at", "2026-11-24T03:15:00Z"],
    ] {
        assert!(typed(words).is_err(), "{words:?}");
    }
}
