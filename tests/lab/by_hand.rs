//! The vendor's failover, typed by hand: other spelling, other layout than ours.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use pchadr::model::Role;

use crate::bench::{Lab, Tsql};

/// A column of `RESTORE HEADERONLY`.
fn header(tsql: &Tsql, path: &Path, column: &str) -> String {
    let rows = tsql.rows(&format!(
        "restore headeronly from disk='{}'",
        path.display()
    ));
    let names: Vec<&str> = rows[0].split('\t').collect();
    let values: Vec<&str> = rows[1].split('\t').collect();
    let at = names.iter().position(|name| *name == column).unwrap();
    values[at].to_owned()
}

fn restore(tsql: &Tsql, path: &Path) -> String {
    let statement = format!(
        "restore /* the next one */ log mgc\n   from disk='{}' -- by hand\n with\n norecovery\ngo\n",
        path.display()
    );
    tsql.run(&statement).1
}

#[test]
fn the_vendors_failover_is_typed_by_hand() {
    let lab = Lab::open(&["--state", "disaster", "--logs", "24"]);
    let Some(tsql) = Tsql::of(&lab, Role::Backup) else {
        return;
    };
    // F1
    let rows = tsql.rows("exec sp_delete_log_shipping_secondary_database mgc");
    assert_eq!(rows, Vec::<String>::new());
    let count = "select n = count(*) from msdb.dbo.log_shipping_secondary";
    assert_eq!(tsql.rows(count), ["n", "0"]);

    // F2, by a program that knows nothing of the lab
    let (made, copied) = (lab.files("backup"), lab.files("copy"));
    assert_eq!((made.len(), copied.len()), (24, 6));
    let copy = lab.folder.join("shares/copy");
    for file in &made[copied.len()..] {
        fs::copy(file, copy.join(file.file_name().unwrap())).unwrap();
    }

    // F3
    let files = lab.files("copy");
    assert_eq!(files.len(), 24);
    let first = header(&tsql, &files[6], "FirstLSN");
    assert_eq!(first, header(&tsql, &files[5], "LastLSN"));
    assert!(
        restore(&tsql, &files[7]).contains("4305"),
        "one is left out"
    );
    for (index, file) in files.iter().enumerate() {
        let said = restore(&tsql, file);
        // The first ones were applied before the disaster.
        let number = if index < 2 { "4326" } else { "3014" };
        assert!(said.contains(number), "{index}: {said}");
    }

    // F4
    assert_eq!(
        tsql.rows("select name, state_desc from sys.databases where name='mgc'")[1],
        "mgc\tRESTORING"
    );
    tsql.rows("restore\n\tdatabase [mgc]\nwith recovery;");
    assert_eq!(
        tsql.rows("select name, state_desc from sys.databases where name='mgc'")[1],
        "mgc\tONLINE"
    );
    assert!(restore(&tsql, &files[23]).contains("3117"));
}

/// Restores a file, which must give that number.
fn refused(tsql: &Tsql, path: &Path, number: &str) {
    let said = restore(tsql, path);
    assert!(said.contains(number), "{number}: {said}");
}

/// Changes a byte of a file.
fn spoil(file: &Path, at: u64) {
    let mut file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(file)
        .unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte[0] ^ 0x55]).unwrap();
}

#[test]
fn a_damaged_or_cut_copy_is_no_backup_until_it_is_copied_again() {
    let lab = Lab::open(&["--state", "disaster", "--logs", "24"]);
    let Some(tsql) = Tsql::of(&lab, Role::Backup) else {
        return;
    };
    // Three are applied.
    let copy = lab.files("copy").remove(3);
    let whole = lab.files("backup").remove(3);
    let size = fs::metadata(&whole).unwrap().len();

    // Inside: the header answers, the data does not.
    spoil(&copy, size / 2);
    assert_eq!(header(&tsql, &copy, "DatabaseName"), "mgc");
    refused(&tsql, &copy, "3183");
    // In the padding of the opening headers, which no field covers.
    fs::copy(&whole, &copy).unwrap();
    spoil(&copy, 0x1FF0);
    refused(&tsql, &copy, "3183");
    // In a field of the header.
    fs::copy(&whole, &copy).unwrap();
    spoil(&copy, 0xE6E);
    refused(&tsql, &copy, "3241");
    // Cut short.
    fs::copy(&whole, &copy).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&copy).unwrap();
    file.set_len(size - 512).unwrap();
    refused(&tsql, &copy, "3241");
    // Gone, and outside of the shares.
    fs::remove_file(&copy).unwrap();
    refused(&tsql, &copy, "3201");
    refused(&tsql, Path::new("/etc/passwd"), "3201");
    let around = lab.folder.join("shares/copy/../../ca.pem");
    refused(&tsql, &around, "3201");

    fs::copy(&whole, &copy).unwrap();
    let third = lab.files("backup").remove(2);
    let _ = restore(&tsql, &third);
    refused(&tsql, &copy, "3014");
}

#[test]
fn a_backup_is_a_real_file_that_another_instance_reads() {
    let lab = Lab::open(&["--state", "normal", "--logs", "4"]);
    let (Some(primary), Some(backup)) =
        (Tsql::of(&lab, Role::Primary), Tsql::of(&lab, Role::Backup))
    else {
        return;
    };
    let path = lab.folder.join("shares/archive/tail.trn");
    primary.rows(&format!("backup log mgc to disk = N'{}'", path.display()));
    primary.rows(&format!("backup log mgc to disk = N'{}'", path.display()));
    assert_eq!(header(&backup, &path, "ServerName"), "SQL1");
    let positions = backup
        .rows(&format!(
            "restore headeronly from disk='{}'",
            path.display()
        ))
        .len();
    assert_eq!(positions, 1 + 2, "a second backup is appended to the first");
    let outside = lab.folder.join("elsewhere.trn");
    let (_, err) = primary.run(&format!(
        "backup log mgc to disk = N'{}'\ngo\n",
        outside.display()
    ));
    assert!(err.contains("3201"), "{err}");
    assert!(!outside.exists());
}

#[test]
fn log_shipping_jobs_work_on_the_real_files() {
    let lab = Lab::open(&["--state", "normal", "--logs", "4"]);
    let (Some(primary), Some(backup)) =
        (Tsql::of(&lab, Role::Primary), Tsql::of(&lab, Role::Backup))
    else {
        return;
    };
    let job = |tsql: &Tsql, like: &str| {
        let name = tsql.rows(&format!(
            "select name from msdb.dbo.sysjobs where name like '{like}%'"
        ));
        tsql.rows(&format!(
            "exec msdb.dbo.sp_start_job @job_name = N'{}'",
            name[1]
        ));
    };
    let before = lab.files("backup").len();
    job(&primary, "LSBackup");
    assert_eq!(lab.files("backup").len(), before + 1);
    job(&backup, "LSCopy");
    let names = |share| -> Vec<_> {
        let files = lab.files(share);
        files
            .iter()
            .map(|f| f.file_name().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("copy"), names("backup"));
    for (copy, made) in lab.files("copy").iter().zip(lab.files("backup")) {
        assert!(
            fs::read(copy).unwrap() == fs::read(made).unwrap(),
            "{copy:?}"
        );
    }
    job(&backup, "LSRestore");
    let last = backup
        .rows("select last_restored_file as f from msdb.dbo.log_shipping_secondary_databases");
    assert_eq!(Path::new(&last[1]), lab.files("copy").last().unwrap());
}
