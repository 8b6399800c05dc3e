//! Dead, alive, unknown (`design.md` 3, rule 16): each way in which an instance of the primary side can
//! answer, with each thing that can be known beside it. Through TLS, as a real site.

use std::sync::Arc;

use jiff::Timestamp;
use pchadr::access::Access;
use pchadr::access::secret::Password;
use pchadr::access::sql::{DoorLimits, SignIn, SqlDoor};
use pchadr::cli::rehearse::{Stage, execute};
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::manner::{Keys, Manner};
use pchadr::rehearsal::simulated::addresses;
use pchadr::rehearsal::tds::Encryption;
use pchadr::run::event::{Event, RunFinished};
use pchadr::run::store::MemoryStore;
use pchadr::site::{Auth, Encrypt, Secret, Site, Tls};
use pchadr::step::terms::Terms;

use super::database::EVERY_INTERLOCK;
use super::{BACKUP, events, overriding, statements};
use crate::site::{disaster, litware, paused, terms};

/// What is known beside the answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    Nothing,
    /// The operator overrides everything.
    Word,
    /// The other instance answers as a mirror that has lost its partner.
    MirrorAlone,
    /// The other instance answers as a mirror that is in touch with its partner.
    MirrorInTouch,
    /// A Front End answers.
    FrontEnd,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Life {
    Dead,
    Unknown,
    Lives,
}

fn life(manner: Manner) -> Life {
    match manner {
        Manner::Refused | Manner::Unreachable | Manner::NoAnswer => Life::Dead,
        Manner::NoSuchName | Manner::BrowserSilent => Life::Unknown,
        _ => Life::Lives,
    }
}

/// A site whose doors speak TLS.
struct Secured {
    stage: Stage,
    _folder: tempfile::TempDir,
}

fn secured(site: &Site) -> Secured {
    let mut stage = Stage::build(site, &disaster()).expect("the site");
    let keys = Keys::new(Timestamp::now(), Encryption::Required).expect("keys");
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, keys.authority()).expect("a file");
    stage.simulated.keys = Arc::new(keys);
    let auth = Auth::Sql {
        user: "pchadr".to_owned(),
        password: Secret::Prompt,
    };
    let tls = Tls {
        encrypt: Encrypt::Required,
        ca: Some(ca),
        trust_server_certificate: false,
    };
    let password = Password::new("rehearsal".to_owned());
    let sign_in = SignIn::from_site(&auth, &tls, Some(password)).expect("a sign-in");
    let limits = DoorLimits {
        connect: site.limits.connect,
        login: site.limits.login,
        query: site.limits.query,
    };
    let door = SqlDoor::new(stage.simulated.dial(), addresses(site), sign_in, limits);
    stage.access = Access {
        sql: Arc::new(door),
        ..stage.access.clone()
    };
    Secured {
        stage,
        _folder: folder,
    }
}

async fn run(site: &Site, stage: &Stage, terms: &Terms) -> (RunFinished, MemoryStore) {
    let store = MemoryStore::default();
    let finished = execute(
        site,
        &crate::site::plan(site),
        terms,
        &stage.access,
        Box::new(store.clone()),
        Vec::new(),
    )
    .await
    .expect("a record");
    (finished, store)
}

/// Status, and words of cause and remedy; none where the run is done.
type Verdict = Option<(&'static str, &'static str)>;

fn verdict(role: Role, manner: Manner, known: Known) -> Verdict {
    let serves = manner == Manner::Well && role == Role::Primary;
    let told = match (life(manner), known) {
        _ if serves => ("its chat database is ONLINE", "cannot be overridden"),
        // A mirror that answers serves nobody.
        (Life::Lives, Known::Word) if manner == Manner::Well => return None,
        (Life::Lives, _) if manner == Manner::Well => (
            "alive as a mirror",
            "Invoke-CsDatabaseFailover -PoolFqdn pchat.litwareinc.com",
        ),
        (Life::Lives, _) => ("is alive, but whether", "Stop-Service -Force -Name"),
        (Life::Dead | Life::Unknown, Known::MirrorInTouch) => {
            ("its mirror is in touch with it", "Stop-Service")
        }
        (Life::Dead | Life::Unknown, Known::Word) | (Life::Dead, Known::Nothing) => return None,
        (Life::Unknown, _) => ("is dead cannot be seen", "--override primary-unseen=REASON"),
        (Life::Dead, Known::MirrorAlone) => ("alive as a mirror", "--override mirror-alive=REASON"),
        (Life::Dead, Known::FrontEnd) => (
            "the Front End fe1.dc1.litwareinc.com answers",
            "--override primary-answers=REASON",
        ),
    };
    Some(told)
}

fn hold(role: Role, manner: Manner, known: Known) {
    let site = litware();
    let what = format!("{role}, {manner:?}, {known:?}");
    paused(async {
        let Secured { stage, _folder } = secured(&site);
        let simulated = &stage.simulated;
        simulated.manners.set(Instance::chat(role), manner);
        // What lives serves; what cannot be seen may, unless the operator knows better.
        let is_up = match life(manner) {
            Life::Dead => known == Known::MirrorInTouch,
            // A mirror that is alone has lost it.
            Life::Unknown => !matches!(known, Known::Word | Known::MirrorAlone),
            Life::Lives => true,
        };
        if is_up {
            simulated.world.up(role);
        }
        match known {
            Known::Nothing | Known::Word => {}
            Known::MirrorAlone | Known::MirrorInTouch => simulated.world.up(Role::PrimaryMirror),
            Known::FrontEnd => {
                let mut pool = simulated.pool.lock().expect("the pool");
                pool.hosts.insert("fe1.dc1.litwareinc.com".to_owned(), true);
            }
        }
        let terms = match known {
            Known::Word => overriding(EVERY_INTERLOCK),
            _ => terms(),
        };
        let (finished, store) = run(&site, &stage, &terms).await;
        assert_eq!(simulated.unknown(), Vec::<String>::new(), "{what}");
        // The judge is the history of the world.
        assert_eq!(
            simulated.world.two_writable(),
            Vec::<String>::new(),
            "{what}"
        );
        let changes = simulated.changes.all();
        let recovered = statements(&changes)
            .iter()
            .any(|text| text.contains("WITH RECOVERY"));
        let Some((why, hint)) = verdict(role, manner, known) else {
            assert_eq!(finished.exit, 0, "{what}: {:?}", finished.error);
            assert!(recovered, "{what}");
            return;
        };
        let error = finished.error.expect("an error");
        assert_eq!(finished.exit, 3, "{what}: {error:?}");
        assert!(error.why.contains(why), "{what}: {error:?}");
        assert!(error.hint.contains(hint), "{what}: {error:?}");
        assert_eq!(changes, [], "{what}");
        for line in [
            "primary sql1.dc1.litwareinc.com",
            "primary mirror sql2.dc1.litwareinc.com",
            "Front End fe1.dc1.litwareinc.com, TCP 5061:",
            "chat server pc1.dc1.litwareinc.com, TCP 5041:",
            "newest log backup on the share: `",
        ] {
            let found = error.evidence.iter().any(|it| it.starts_with(line));
            assert!(found, "{what}: no `{line}` in {:#?}", error.evidence);
        }
        let recorded = events(&store).into_iter().any(
            |event| matches!(event, Event::StepChecked { facts, .. } if facts["hosts"][0]["came"].is_string()),
        );
        assert!(recorded, "{what}: no evidence in the record");
    });
}

#[test]
fn only_silence_is_death_whatever_else_is_known() {
    let manners = Manner::OTHERS.iter().map(|(manner, ..)| *manner);
    let all: Vec<Manner> = manners.chain([Manner::Well]).collect();
    assert!(all.len() >= 14);
    let known = [
        Known::Nothing,
        Known::Word,
        Known::MirrorAlone,
        Known::MirrorInTouch,
        Known::FrontEnd,
    ];
    let mut points = Vec::new();
    for manner in all {
        for known in known {
            // A mirror that is alone has a dead partner.
            let alone = known == Known::MirrorAlone && life(manner) == Life::Lives;
            if !alone {
                points.push((Role::Primary, manner, known));
            }
            // Of itself a mirror knows nothing more.
            if matches!(known, Known::Nothing | Known::Word | Known::FrontEnd) {
                points.push((Role::PrimaryMirror, manner, known));
            }
        }
    }
    std::thread::scope(|scope| {
        for half in points.chunks(points.len().div_ceil(2)) {
            scope.spawn(move || {
                for (role, manner, known) in half {
                    hold(*role, *manner, *known);
                }
            });
        }
    });
}

#[test]
fn an_instance_that_lives_is_silenced_and_then_the_run_goes_on() {
    let site = litware();
    for manner in [Manner::Expired, Manner::Mute, Manner::QueryHangs] {
        paused(async {
            let Secured { stage, _folder } = secured(&site);
            let primary = Instance::chat(Role::Primary);
            stage.simulated.manners.set(primary, manner);
            stage.simulated.world.up(Role::Primary);
            let (refused, _) = run(&site, &stage, &terms()).await;
            assert_eq!(refused.exit, 3, "{:?}", refused.error);
            // Its service is stopped.
            stage.simulated.world.down(Role::Primary);
            stage.simulated.manners.set(primary, Manner::Refused);
            let (done, _) = run(&site, &stage, &terms()).await;
            assert_eq!(done.exit, 0, "{:?}", done.error);
            assert!(stage.simulated.world.two_writable().is_empty());
            let summary = stage.simulated.world.summary();
            assert!(summary.database(BACKUP, "mgc").is_some());
        });
    }
}
