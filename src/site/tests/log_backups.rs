//! `[log_backups]`: optional, and never among the files of log shipping.

use super::{accepted_with, refused_with};

#[test]
fn log_backups_are_wanted_where_their_folder_is_named_every_quarter_of_an_hour() {
    assert_eq!(accepted_with("").log_backups, None);
    let site = accepted_with("[log_backups]\nfolder = 'D:\\chat-logs'");
    let wanted = site.log_backups.unwrap();
    assert_eq!(
        (wanted.folder.as_str(), wanted.every),
        (r"D:\chat-logs", 15)
    );
    let site = accepted_with("[log_backups]\nfolder = '/srv/own'\nevery = 5");
    assert_eq!(site.log_backups.unwrap().every, 5);
}

#[test]
fn a_folder_of_log_shipping_or_below_one_is_refused_however_it_is_spelled() {
    for folder in [
        r"\\FS1\pchat-logs",
        r"\\fs1\pchat-logs\own",
        r"\\sql3\pchat-copy\Own\",
    ] {
        let refused = refused_with(&format!("[log_backups]\nfolder = '{folder}'"));
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(
            refused[0].starts_with("16 log_backups.folder: lies in shares."),
            "{refused:?}"
        );
    }
    accepted_with("[log_backups]\nfolder = '\\\\fs1\\pchat-logs-of-the-failover'");
}

#[test]
fn a_section_without_a_folder_and_a_schedule_that_is_none_are_refused() {
    let refused = refused_with("[log_backups]\nevery = 0");
    assert_eq!(refused.len(), 2, "{refused:?}");
    for every in ["61", "0", "'15m'"] {
        let more = format!("[log_backups]\nfolder = 'D:\\own'\nevery = {every}");
        let refused = refused_with(&more);
        assert!(refused[0].contains("every"), "{refused:?}");
    }
}
