//! How the log chain's time grows: ten times the files, as a ratio in one run. Prints the two
//! figures and the ratio; a linear chain stays near 10.

use std::time::Instant;

use jiff::civil::date;
use pchadr::model::chain::LogFile;
use pchadr::model::header::BackupKind;
use pchadr::model::{BackupHeader, LogChain, Lsn};

fn files(count: u32) -> Vec<LogFile> {
    let lsn = |n: u32| Lsn::new(40, n, 1);
    let day = date(2026, 1, 14).at(0, 0, 0, 0);
    (0..count)
        // From the last to the first: sorting must have something to do.
        .rev()
        .map(|n| LogFile {
            path: format!(r"\\fs1\pchat-logs\mgc_{n}.trn"),
            size: 65_536,
            fingerprint: [0; 32],
            header: BackupHeader {
                server: r"SQL1\CHAT".to_owned(),
                database: "mgc".to_owned(),
                kind: BackupKind::Log,
                position: 1,
                first_lsn: lsn(n),
                last_lsn: lsn(n + 1),
                checkpoint_lsn: lsn(0),
                database_backup_lsn: lsn(0),
                database_created: day,
                started: day,
                finished: Some(day),
                software: (13, 0, 5026),
                compatibility_level: 110,
                database_version: 852,
                complete: true,
            },
        })
        .collect()
}

fn seconds(count: u32) -> f64 {
    let files = files(count);
    let best = (0..5)
        .map(|_| {
            let began = Instant::now();
            let chain = LogChain::build(&files, "mgc", Lsn::new(40, 0, 1));
            assert_eq!(chain.links.len(), files.len());
            began.elapsed()
        })
        .min();
    best.unwrap_or_default().as_secs_f64()
}

#[expect(clippy::print_stdout, reason = "the figures are all that it is for")]
fn main() {
    let (few, many) = (seconds(10_000), seconds(100_000));
    println!(
        "chain: 10,000 files {:.1} ms, 100,000 files {:.1} ms, ratio {:.1}",
        few * 1e3,
        many * 1e3,
        many / few
    );
    assert!(many < 20.0 * few, "the chain is not linear");
}
