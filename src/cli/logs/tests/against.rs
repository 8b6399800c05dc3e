//! Compared with what a backup needs.

use super::super::against::Start;
use super::*;
use crate::cli::rehearse::Stage;
use crate::rehearsal::simulated::{Logs, Recipe};

fn need(start: u32) -> Need {
    Need {
        server: "sql3.dc2".to_owned(),
        database: "mgc".to_owned(),
        start: Ok(Start::At(Lsn::new(39, start, 1))),
    }
}

#[tokio::test]
async fn what_the_backup_needs_is_there_or_what_is_missing_is_said() {
    let files = BTreeMap::from([
        ("1.trn", whole(10, 20)),
        ("3.trn", whole(30, 40)),
        ("4.trn", whole(40, 50)),
    ]);
    let at = |block: u32| Lsn::new(39, block, 1).to_string();
    for (start, whole, lines) in [
        (
            30,
            true,
            vec![
                format!("there {} to {} in 2 sets", at(30), at(50)),
                "all ".to_owned(),
            ],
        ),
        (50, true, vec!["none ".to_owned()]),
        (60, true, vec!["none ".to_owned()]),
        (
            15,
            false,
            vec![
                format!("there {} to {} in 1 sets", at(15), at(20)),
                format!("GAP   {} to {} is missing", at(20), at(30)),
            ],
        ),
        (
            25,
            false,
            vec![format!("GAP   {} to {} is missing", at(25), at(30))],
        ),
    ] {
        let (text, told, aside) = of(&files, Some(need(start))).await;
        let told = &told["against"];
        let (_, text) = text.split_once("Log that mgc on sql3.dc2 needs").unwrap();
        assert!(
            text.starts_with(&format!(", from {} on\n", at(start))),
            "{text}"
        );
        let said: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(said.len(), lines.len(), "{start}: {text}");
        for (said, line) in said.iter().zip(&lines) {
            assert!(said.trim().starts_with(line), "{start}: {text}");
        }
        assert_eq!(told["whole"], whole, "{start}");
        assert_eq!(told["redo_start"], at(start));
        assert_eq!(aside.incomplete, !whole, "{start}");
    }
}

#[tokio::test]
async fn a_backup_that_does_not_tell_is_an_error_and_the_chains_are_shown() {
    let silent = Need {
        start: Err("it does not answer".into()),
        ..need(0)
    };
    let files = BTreeMap::from([("1.trn", whole(10, 20))]);
    let (text, told, aside) = of(&files, Some(silent)).await;
    assert!(text.contains("What mgc on sql3.dc2 needs is not known: it does not answer"));
    assert!(text.contains("Log chain of mgc"));
    assert_eq!(told["against"]["whole"], Value::Null);
    assert_eq!(told["against"]["error"], "it does not answer");
    assert_eq!(aside.not_told.unwrap().why, "it does not answer");
}

#[tokio::test(start_paused = true)]
async fn the_backup_of_a_site_tells_which_log_it_needs() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/litware.toml");
    let site = Site::load(&file).unwrap();
    let recipe = Recipe::disaster(Logs::Made(16));
    let stage = Stage::build(&site, &recipe).unwrap();
    let need = Need::ask(&site, &stage.access).await;
    assert!(matches!(need.start, Ok(Start::At(_))), "{need:?}");
    let dirs = [&site.shares.backup, &site.shares.copy].map(|it| it.as_str().to_owned());
    let shares = &*stage.access.shares;
    let mut out = Vec::new();
    let aside = run(&dirs, Some(need), false, shares, &mut out)
        .await
        .unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(!aside.incomplete, "{text}");
    assert!(text.contains("  all   what is needed"), "{text}");

    let served = Stage::build(&site, &Recipe::failed_over(Logs::Made(1))).unwrap();
    let need = Need::ask(&site, &served.access).await;
    assert_eq!(need.start, Ok(Start::Serves));
}
