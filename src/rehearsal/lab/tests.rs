use std::fs;
use std::path::Path;
use std::sync::Mutex;

use super::event::{Event, Target, UnknownEvent};
use super::shares::Shares;
use super::*;
use crate::model::Role;
use crate::rehearsal::backup_set::Form;
use crate::rehearsal::manner::Manner;
use crate::rehearsal::tds::{Login, Server, Session};
use crate::rehearsal::trouble::{TROUBLES, Trouble};
use crate::rehearsal::value::ServerError;
use crate::rehearsal::world::FileView;
use crate::rehearsal::world::{LogRecipe, MadeLog, World};

#[test]
fn an_event_is_a_verb_and_what_it_happens_to() {
    let primary = Target::DataCenter { primary: true };
    assert_eq!("down primary".parse(), Ok(Event::Down(primary)));
    assert_eq!(" UP  Primary\r".parse(), Ok(Event::Up(primary)));
    assert_eq!(
        "up instance backup_mirror".parse(),
        Ok(Event::Up(Target::Instance(Role::BackupMirror)))
    );
    assert_eq!("Rebuild primary".parse(), Ok(Event::RebuildPrimary));
    assert_eq!(primary.roles(), [Role::Primary, Role::PrimaryMirror]);
    assert_eq!(
        Target::DataCenter { primary: false }.roles(),
        [Role::Backup, Role::BackupMirror]
    );
    assert_eq!(Target::Instance(Role::Backup).roles(), [Role::Backup]);
    let answers = Event::Answer(Role::Primary, Manner::OldTls);
    assert_eq!("answer primary old-tls".parse(), Ok(answers));
    for line in [
        "",
        "down",
        "answer primary no-answer",
        "answer primary",
        "primary",
        "down primary now",
        "kick primary",
        "rebuild backup",
        "down instance x",
    ] {
        let parsed = line.parse::<Event>();
        assert_eq!(parsed, Err(UnknownEvent(line.to_owned())));
    }
}

#[test]
fn every_event_that_help_lists_is_one() {
    for (line, _) in Event::HELP {
        let line = line.replace("ROLE", "primary").replace("WAY", "mute");
        let line = line.replace("KIND", "mirror-full");
        assert!(line.parse::<Event>().is_ok(), "{line}");
    }
}

#[test]
fn trouble_is_an_event_of_a_lab_where_a_lab_has_what_it_strikes() {
    for trouble in TROUBLES {
        let parsed = format!("practice {}", trouble.name).parse::<Event>();
        assert_eq!(parsed.is_ok(), trouble.in_lab(), "{}", trouble.name);
        assert!(Trouble::named(trouble.name) == Some(trouble));
    }
    let of_labs = TROUBLES.iter().filter(|it| it.in_lab()).count();
    assert!(of_labs > 10 && of_labs < TROUBLES.len(), "{of_labs}");
}

/// Lets everybody in, and keeps who came.
#[derive(Default)]
struct Open(Mutex<Vec<String>>);

impl Server for Open {
    fn name(&self) -> String {
        "SQL1".to_owned()
    }

    fn login(&self, login: &Login) -> Result<Box<dyn Session>, ServerError> {
        self.0.lock().unwrap().push(login.user.clone());
        Err(ServerError::new(0, "in"))
    }
}

#[test]
fn one_login_with_its_password_gets_in_and_nobody_else() {
    let inside = Arc::new(Open::default());
    let door = Guarded::new(Arc::clone(&inside) as Arc<dyn Server>, "pchadr", "right");
    for (user, password, number) in [
        ("pchadr", "right", 0),
        ("PCHADR", "right", 0),
        ("pchadr", "Right", 18456),
        ("pchadr", "", 18456),
        ("sa", "right", 18456),
        // Integrated sign-in.
        ("", "", 18456),
        ("", "right", 18456),
    ] {
        let login = Login {
            user: user.to_owned(),
            password: password.to_owned(),
            ..Login::default()
        };
        let refused = door.login(&login).err().unwrap();
        assert_eq!(refused.number, number, "{user} {password}");
    }
    assert_eq!(*inside.0.lock().unwrap(), ["pchadr", "PCHADR"]);
}

/// A share with one log backup in it.
fn share() -> (tempfile::TempDir, Shares, PathBuf, MadeLog) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("share");
    fs::create_dir(&root).unwrap();
    let day = jiff::civil::date(2026, 1, 14).at(2, 33, 0, 0);
    let log = World::make_logs(&LogRecipe::new("mgc", "SQL1", 1, day)).remove(0);
    let shares = Shares::new(std::slice::from_ref(&root), &root).unwrap();
    let path = root.join(&log.name);
    shares
        .lay(
            &path,
            vec![log.set.clone()],
            log.size,
            Form::default(),
            false,
        )
        .unwrap();
    (folder, shares, path, log)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_backup_is_found_again_whatever_its_copy_is_called() {
    let (_folder, shares, path, log) = share();
    let copy = path.with_file_name("renamed.bin");
    fs::copy(&path, &copy).unwrap();
    for path in [&path, &copy] {
        let view = shares.open("backup", text(path)).unwrap();
        assert_eq!(view.sets, std::slice::from_ref(&log.set));
        assert!(!view.damaged);
        assert_eq!(view.size, fs::metadata(path).unwrap().len());
    }
}

#[test]
fn nothing_outside_of_the_shares_is_opened_or_written() {
    let (folder, shares, path, log) = share();
    let outside = folder.path().join("outside.trn");
    fs::copy(&path, &outside).unwrap();
    let around = path.parent().unwrap().join("../outside.trn");
    let paths = [
        outside,
        around,
        PathBuf::from("outside.trn"),
        PathBuf::from("/"),
        #[cfg(unix)]
        {
            let link = path.with_file_name("link");
            std::os::unix::fs::symlink(folder.path(), &link).unwrap();
            link.join("outside.trn")
        },
    ];
    for path in paths {
        let path = text(&path);
        assert!(matches!(shares.open("backup", path), Err(3 | 5)), "{path}");
        let written =
            shares.write_backup("backup", path, FileView::of(vec![log.set.clone()], 0), true);
        assert!(matches!(written, Err(3 | 5)), "{path}");
    }
}

#[test]
fn errors_are_those_that_windows_would_give() {
    let (_folder, shares, path, log) = share();
    let sets = || vec![log.set.clone()];
    let missing = path.with_file_name("missing.trn");
    assert_eq!(shares.open("backup", text(&missing)), Err(2));
    let nowhere = path.with_file_name("no").join("missing.trn");
    assert_eq!(shares.open("backup", text(&nowhere)), Err(3));
    let folder = path.with_file_name("folder");
    fs::create_dir(&folder).unwrap();
    assert_eq!(shares.open("backup", text(&folder)), Err(5));
    assert_eq!(
        shares.write_backup("backup", text(&path), FileView::of(sets(), 0), false),
        Err(80)
    );
    assert_eq!(
        shares.write_backup("backup", text(&path), FileView::of(sets(), 0), true),
        Ok(())
    );
    let left = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(left, 2, "no part of a file is left behind");
}

#[test]
fn a_file_of_another_site_is_a_backup_of_another_family() {
    let (_folder, shares, path, log) = share();
    let parent = path.parent().unwrap();
    let stranger = Shares::new(&[parent.to_owned()], parent).unwrap();
    let view = stranger.open("backup", text(&path)).unwrap();
    assert_eq!(view.sets[0].database, "mgc");
    assert_ne!(view.sets[0].family, log.set.family);
    assert!(!view.damaged);
    fs::write(&path, vec![7; 100_000]).unwrap();
    assert!(shares.open("backup", text(&path)).unwrap().sets.is_empty());
}

#[tokio::test]
async fn a_port_is_kept_while_nobody_listens_at_it() {
    let mut port = Port::reserve().unwrap();
    let number = port.address().port.unwrap();
    let connect = || tokio::net::TcpStream::connect(("127.0.0.1", number));
    assert!(!port.is_up());
    assert!(connect().await.is_err());
    let steal = || tokio::net::TcpListener::bind(("127.0.0.1", number));
    assert!(steal().await.is_err());
    port.serve(Terms {
        server: Arc::new(Open::default()),
        keys: Arc::new(Keys::none()),
        manner: Arc::default(),
    });
    for _ in 0..3 {
        port.up().unwrap();
        port.up().unwrap();
        assert!(port.is_up());
        let _open = connect().await.unwrap();
        port.down().await.unwrap();
        port.down().await.unwrap();
        assert!(!port.is_up());
        assert!(connect().await.is_err());
        assert!(steal().await.is_err());
    }
}
