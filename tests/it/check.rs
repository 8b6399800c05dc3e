//! Whether a site is ready: a table of sites with both verdicts and the exit status of either runbook, and
//! what is shown of it.

mod sites;

use pchadr::check::{Check, State, Verdict};
use pchadr::cli::check::{exit, look};
use pchadr::cli::rehearse::{Stage, saved_before};
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::lab::{Event, Target};
use pchadr::rehearsal::simulated::{Logs, Recipe};
use pchadr::rehearsal::trouble::Trouble;
use pchadr::rehearsal::world::{Start, WorldOptions};
use pchadr::run::exit::Exit;
use pchadr::run::store::MemoryStore;
use pchadr::runbook::Direction;
use pchadr::site::Site;
use serde_json::Value;

use crate::program::Program;
use crate::site::{Drill, litware, paused, plan_of};

use Verdict::{NotReady, Ready, ReadyWithLoss};

/// The normal state, every log backup but the newest restored.
fn normal() -> Recipe {
    varied(in_step)
}

fn varied(vary: fn(&mut WorldOptions)) -> Recipe {
    Recipe {
        start: Start::Normal,
        vary,
        ..Recipe::disaster(Logs::Made(16))
    }
}

fn in_step(options: &mut WorldOptions) {
    options.copied = options.logs.len();
    options.restored = options.logs.len() - 1;
}

fn failed_over() -> Recipe {
    Recipe::failed_over(Logs::Made(16))
}

fn with(recipe: Recipe, kind: &str) -> Recipe {
    let with = vec![Trouble::named(kind).expect("such a trouble")];
    Recipe { with, ..recipe }
}

/// The first data center in step, and one instance of the site lost.
fn down(stage: &Stage, role: Role) {
    stage.simulated.happen(Event::Down(Target::Instance(role)));
}

/// One check on a stage, through doors of its own; nothing may be changed by it.
async fn check(site: &Site, stage: &mut Stage, direction: Direction) -> Check {
    stage.reopen(site);
    let saved = saved_before(site, &failed_over()).await.expect("a site");
    let before = stage.simulated.changes.all().len();
    let plan = plan_of(direction, site);
    let check = look(site, &plan, &stage.access, saved.as_ref(), Vec::new()).await;
    let after = stage.simulated.changes.all().len();
    assert_eq!(after, before, "a check changed something");
    assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
    check
}

/// What both runbooks say of a site: planned and forced of a failover, planned of a failback.
type Row = [Verdict; 3];

async fn row(site: &Site, stage: &mut Stage, name: &str) -> Row {
    let over = check(site, stage, Direction::Failover).await;
    let back = check(site, stage, Direction::Failback).await;
    assert_eq!(back.verdicts.forced, None, "{name}");
    let forced = over.verdicts.forced.expect("a failover can be forced");
    for (check, planned, verdict) in [
        (&over, false, forced),
        (&over, true, over.verdicts.planned),
        (&back, false, back.verdicts.planned),
    ] {
        let ready = matches!(verdict, Ready | ReadyWithLoss);
        let status = if ready { Exit::Done } else { Exit::Blocked };
        assert_eq!(exit(check, planned), status, "{name}");
    }
    [over.verdicts.planned, forced, back.verdicts.planned]
}

fn shown(check: &Check, quiet: bool) -> String {
    let mut text = Vec::new();
    check.write_human(quiet, &mut text).expect("a text");
    String::from_utf8(text).expect("a text")
}

#[test]
fn each_site_has_its_verdicts_and_exit_status_for_both_runbooks() {
    let site = litware();
    for (name, recipe, prepare, wanted) in sites::sites() {
        let seen = paused(async {
            let mut stage = Stage::build(&site, &recipe).expect("the site can be simulated");
            prepare(&stage);
            row(&site, &mut stage, name).await
        });
        assert_eq!(seen, wanted, "{name}");
    }
}

#[test]
fn a_switch_that_was_taken_in_part_or_whole_or_undone_is_judged_as_it_stands() {
    let site = litware();
    let over = || Drill::failover(site.clone());
    let back = || Drill::failback(site.clone());
    for (drill, until, undone, wanted) in [
        (
            over(),
            Some("apply-logs"),
            false,
            [NotReady, ReadyWithLoss, NotReady],
        ),
        (
            over(),
            Some("recover-database"),
            false,
            [NotReady, Ready, NotReady],
        ),
        (over(), None, false, [NotReady, Ready, NotReady]),
        (
            over(),
            Some("drop-log-shipping"),
            true,
            [NotReady, ReadyWithLoss, NotReady],
        ),
        (
            back(),
            Some("remove-mirroring"),
            false,
            [NotReady, Ready, Ready],
        ),
        (back(), None, false, [Ready, ReadyWithLoss, Ready]),
    ] {
        let mut drill = drill;
        if until.is_some() {
            drill.plan = drill.plan.part(None, until).expect("a part");
        }
        let name = format!("{} until {until:?}, undone: {undone}", drill.plan.runbook);
        let seen = paused(async {
            let mut stage = drill.stage();
            let store = MemoryStore::default();
            let finished = drill.run(&stage, &store).await.expect("a record");
            assert_eq!(finished.exit, 0, "{name}: {:?}", finished.error);
            if undone {
                stage.reopen(&site);
                let aborted = drill.abort(&stage, &store).await.expect("a way back");
                assert_eq!(aborted.exit, 0, "{name}: {:?}", aborted.error);
            }
            row(&site, &mut stage, &name).await
        });
        assert_eq!(seen, wanted, "{name}");
    }
}

/// The check of a failover on that site.
fn failover(recipe: &Recipe, prepare: impl AsyncFnOnce(&Stage)) -> Check {
    let site = litware();
    paused(async {
        let mut stage = Stage::build(&site, recipe).expect("the site can be simulated");
        prepare(&stage).await;
        check(&site, &mut stage, Direction::Failover).await
    })
}

#[test]
fn what_would_be_lost_now_is_a_number_and_no_more_than_that_is_in_the_way() {
    let check = failover(&normal(), async |_| ());
    let lost = check.loss_seconds.expect("a number");
    // 27 minutes from the last log backup to the first look, and what the looks take.
    assert!((27 * 60..29 * 60).contains(&lost), "{lost}");
    let told = shown(&check, false);
    for line in [
        "planned     ready, though this version runs none\n",
        "forced      ready, with loss: at most 27m ",
        "recover-database, loss: ",
        "untried     set-pool-state, set-cmdlets: ",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(check.is_well(false) && check.is_well(true), "{told}");
}

#[test]
fn what_follows_from_a_cause_stands_under_it_and_is_not_told_again() {
    let check = failover(&normal(), async |stage| down(stage, Role::Backup));
    let told = shown(&check, true);
    assert_eq!(told.matches("not reachable").count(), 1, "{told}");
    assert!(told.contains("and so      recover-database unknown, copy-backups unknown"));
    let recover = check.checks.iter().find(|it| it.id == "recover-database");
    assert_eq!(
        recover.expect("its check").because_of.as_deref(),
        Some("backup")
    );
}

#[test]
fn a_failback_of_a_pool_at_home_names_that_and_no_other_remedy() {
    let site = litware();
    let recipe = Recipe {
        start: Start::Disaster,
        ..normal()
    };
    let check = paused(async {
        let mut stage = Stage::build(&site, &recipe).expect("the site can be simulated");
        check(&site, &mut stage, Direction::Failback).await
    });
    assert_eq!(check.checks[0].id, "pool-not-failed-over");
    let told = shown(&check, true);
    assert!(!told.contains("RESTORE DATABASE"), "{told}");
}

#[test]
fn a_right_that_lacks_is_named_with_the_statement_that_gives_it() {
    let recipe = varied(|options| {
        in_step(options);
        options.sysadmin = false;
    });
    let check = failover(&recipe, async |_| ());
    let lacking = check.checks.iter().filter(|it| it.id == "not-sysadmin");
    let lacking: Vec<_> = lacking.filter(|it| it.because_of.is_none()).collect();
    assert_eq!(lacking.len(), 4, "one an instance");
    for it in lacking {
        let grant = it.remedies.iter().find(|it| it.kind == "statement");
        let grant = &grant.expect("a statement").text;
        assert_eq!(grant, "ALTER SERVER ROLE [sysadmin] ADD MEMBER [pchadr];");
    }
}

/// Ids of the checks that warn.
fn warnings(check: &Check) -> Vec<&str> {
    let warning = check.checks.iter().filter(|it| it.state == State::Warning);
    warning.map(|it| it.id.as_str()).collect()
}

#[test]
fn log_shipping_that_lags_and_a_chain_that_somebody_broke_are_warned_of_while_there_is_time() {
    let lag = failover(&varied(|_| ()), async |_| ());
    assert_eq!(warnings(&lag), ["loss", "copy-lag", "restore-lag"]);
    assert!(!lag.is_well(false));

    let old = failover(&normal(), async |_| {
        tokio::time::sleep(std::time::Duration::from_hours(100)).await;
    });
    assert_eq!(warnings(&old), ["loss", "log-age", "retention"]);

    let broken = failover(&normal(), async |stage| {
        let primary = Instance::chat(Role::Primary);
        let mut session = stage.access.sql.open(primary).await.expect("a session");
        let text = r"BACKUP LOG [mgc] TO DISK = N'\\fs1\pchat-mirror\nightly.trn' WITH INIT;";
        session.send(text).await.expect("a backup");
    });
    assert_eq!(warnings(&broken), ["loss", "taken-elsewhere"]);
    // The end of its log would not join: no planned switch without that file.
    assert_eq!(broken.verdicts.planned, NotReady);
    assert_eq!(broken.verdicts.forced, Some(ReadyWithLoss));
    let told = shown(&broken, true);
    assert!(
        told.contains(r"pchat-mirror\nightly.trn was taken by another job"),
        "{told}"
    );
}

#[test]
fn what_stands_in_the_first_data_center_is_lost_with_it() {
    let mut site = litware();
    site.shares.hosts_in_primary = vec!["fs1.dc1.litwareinc.com".parse().expect("a name")];
    site.run.mirror = r"\\fs1\pchadr-runs".to_owned();
    let check = paused(async {
        let mut stage = Stage::build(&site, &normal()).expect("the site can be simulated");
        check(&site, &mut stage, Direction::Failover).await
    });
    assert_eq!(check.verdicts.planned, Ready);
    assert_eq!(check.verdicts.forced, Some(NotReady));
    let told = shown(&check, true);
    for line in [
        r"interlock   share-in-primary (for a forced one): `\\fs1\pchat-logs` stands in the first data center",
        "warning     mirror-share-in-primary",
        "warning     record-in-primary",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
}

#[test]
fn the_log_of_a_pool_that_is_failed_over_grows_until_somebody_takes_log_backups() {
    let site = litware();
    paused(async {
        let mut stage = Stage::build(&site, &failed_over()).expect("the site can be simulated");
        tokio::time::sleep(std::time::Duration::from_hours(2)).await;
        let check = check(&site, &mut stage, Direction::Failback).await;
        assert_eq!(warnings(&check), ["log-grows"]);
        assert_eq!(check.verdicts.planned, Ready);
    });
}

#[test]
fn a_check_is_one_line_of_json_with_its_verdicts_and_every_check() {
    let check = failover(&normal(), async |_| ());
    let mut json = Vec::new();
    check.write_json(&mut json).expect("a text");
    assert_eq!(json.split_inclusive(|byte| *byte == b'\n').count(), 1);
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["version"], 1);
    assert_eq!(json["runbook"], "failover");
    let verdicts = serde_json::json!({"planned": "ready", "forced": "ready_with_loss"});
    assert_eq!(json["verdicts"], verdicts);
    assert_eq!(json["loss_seconds"], check.loss_seconds.expect("a number"));
    let checks = json["checks"].as_array().expect("checks");
    assert_eq!(checks.len(), check.checks.len());
    for it in checks {
        for key in ["id", "state", "what", "why"] {
            assert!(
                it[key].as_str().is_some_and(|text| !text.is_empty()),
                "{it}"
            );
        }
        assert!(it["step"].is_null() || it["step"].is_string(), "{it}");
        assert!(
            it["remedies"].is_array() && it["counts_for"].is_array(),
            "{it}"
        );
    }
    let loss = checks.iter().find(|it| it["id"] == "loss").expect("a loss");
    assert_eq!(loss["state"], "warning");
    assert_eq!(loss["step"], "recover-database");
    assert_eq!(loss["remedies"][0]["kind"], "sentence");
}

#[test]
fn a_check_of_the_simulated_site_shows_the_screen_and_a_quiet_one_only_what_is_not_well() {
    let program = Program::new();
    let site = crate::program::litware();
    let site = site.to_str().expect("a path");
    let words = |more: &[&'static str]| {
        let words = ["check", more[0], "--rehearse", "--config", site];
        [&words[..], &more[1..]].concat().join("\n")
    };
    let say = |more: &[&'static str]| {
        let words = words(more);
        let words: Vec<&str> = words.split('\n').collect();
        program.run(&words).done()
    };
    let whole = say(&["failover"]);
    assert!(
        whole.contains("\nok ") && whole.contains("\nplanned     ready, though"),
        "{whole}"
    );
    let quiet = say(&["failover", "--quiet"]);
    assert!(
        !quiet.contains("\nok ") && quiet.contains("copy-lag"),
        "{quiet}"
    );
    assert_eq!(say(&["failback", "--quiet"]), "");
    let json: Value = serde_json::from_str(&say(&["failback", "--output", "json"])).expect("JSON");
    assert_eq!(json["verdicts"]["forced"], Value::Null);
}

#[test]
fn a_quiet_check_is_silent_only_where_nothing_but_the_usual_loss_is_to_be_told() {
    type Row = (Recipe, fn(&Stage), bool, &'static str);
    let wanted: [Row; 3] = [
        (normal(), |_| (), true, "planned"),
        (
            normal(),
            |stage| down(stage, Role::Primary),
            false,
            "primary",
        ),
        (with(normal(), "share-gone"), |_| (), false, "share"),
    ];
    for (recipe, prepare, silent, told) in wanted {
        let check = failover(&recipe, async |stage| prepare(stage));
        let text = shown(&check, true);
        assert_eq!(check.is_well(false), silent, "{text}");
        assert!(text.contains(told), "{told}: {text}");
    }
}
