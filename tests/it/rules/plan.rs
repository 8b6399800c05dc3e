//! Rules 9 and 10: what leaves is what the plan shows, and values never become code.

use pchadr::cli::rehearse::Stage;
use pchadr::model::states::DatabaseState;
use pchadr::rehearsal::folders::Op;
use pchadr::rehearsal::simulated::{Change, Recipe};
use pchadr::rehearsal::world::{Backup, WorldOptions};
use pchadr::run::store::MemoryStore;
use pchadr::site::Site;

use super::{Bound, announced};
use crate::site::{disaster, litware, paused, plan, run};
use crate::variants::{BACKUP, vary};

/// What one run changed, and what it announced; both sorted.
struct Compared {
    effects: Vec<Bound>,
    announced: Vec<Bound>,
}

fn compare(site: &Site, recipe: &Recipe) -> Compared {
    paused(async {
        let stage = Stage::build(site, recipe).expect("the site");
        let store = MemoryStore::default();
        run(site, &plan(site), &stage, &store)
            .await
            .expect("a record");
        assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
        let fence = plan(site).fence;
        for change in stage.simulated.changes.all() {
            if let Change::Sql(executed) = change {
                let takes = executed.text.contains("CREATE TABLE msdb.dbo.pchadr_fence");
                let guard = if takes { String::new() } else { fence.guard(1) };
                assert_eq!(executed.guard, guard, "{}", executed.text);
            }
        }
        let mut effects: Vec<Bound> = stage
            .simulated
            .changes
            .all()
            .into_iter()
            .filter_map(|change| match change {
                Change::Sql(executed) => Some(Bound::Sql(executed.text)),
                Change::Cmdlet { cmdlet, parameters } => {
                    Some(Bound::Cmdlet(cmdlet, parameters.to_string()))
                }
                Change::File(effect) if effect.op == Op::Settle => {
                    let from = effect.from.expect("a source");
                    Some(Bound::Copy(from, effect.to.expect("a name")))
                }
                // The work file of a copy, and what the instances write themselves.
                Change::File(_) => None,
            })
            .collect();
        let mut announced: Vec<Bound> = announced(&plan(site), &store.bytes())
            .into_iter()
            .map(|(_, bound)| bound)
            .collect();
        effects.sort();
        announced.sort();
        Compared { effects, announced }
    })
}

#[test]
fn rule_9_every_effect_is_a_command_of_the_plan_with_its_holes_bound() {
    let variants: [fn(&mut WorldOptions); 6] = [
        |_| (),
        |options| options.backup = Backup::Standby,
        |options| options.leftover = Some(DatabaseState::Restoring),
        |options| options.copied = 0,
        |options| options.jobs_disabled = true,
        |options| {
            options.copy_job_runs = true;
            options.restore_job_runs = true;
        },
    ];
    for (n, options) in variants.into_iter().enumerate() {
        let compared = compare(&litware(), &vary(options));
        assert!(compared.effects.len() > 20, "variant {n} did nothing");
        assert_same(n, &compared);
    }
}

fn assert_same(variant: usize, compared: &Compared) {
    let Compared { effects, announced } = compared;
    let only = |of: &[Bound], not: &[Bound]| -> Vec<Bound> {
        let mut rest = not.to_vec();
        of.iter()
            .filter(|it| match rest.iter().position(|other| other == *it) {
                Some(index) => {
                    rest.remove(index);
                    false
                }
                None => true,
            })
            .cloned()
            .collect()
    };
    assert_eq!(
        (only(effects, announced), only(announced, effects)),
        (Vec::new(), Vec::new()),
        "variant {variant}: unannounced effects, announced without effect"
    );
}

#[test]
fn rule_9_a_command_that_was_refused_is_announced_and_no_effect() {
    let compared = compare(
        &litware(),
        &vary(|options| {
            options.monitor = Some("MON1".to_owned());
            options.monitor_dead = Some(32054);
        }),
    );
    assert_eq!(compared.announced.len(), compared.effects.len() + 1);
    for effect in &compared.effects {
        assert!(compared.announced.contains(effect), "{effect:?}");
    }
}

/// Names that are code wherever they are not quoted.
fn hostile() -> Site {
    let text = include_str!("../../../runbooks/litware.toml");
    let text = text
        .replace("chat = \"mgc\"", "chat = \"m]g'c\"")
        .replace("compliance = \"mgccomp\"", "compliance = \"c'o]mp; --\"")
        .replace(r"'\\fs1\pchat-logs'", r#""\\\\fs1\\it's logs""#)
        .replace(
            r"'\\sql3.dc2.litwareinc.com\pchat-copy'",
            r#""\\\\sql3.dc2.litwareinc.com\\o'copies""#,
        )
        .replace(r"'E:\pchat-copy'", r#""E:\\o'copies""#)
        .replace(r"'\\fs1\pchat-mirror'", r#""\\\\fs1\\m'irror $(x)""#);
    Site::parse(&text, "hostile.toml", std::path::Path::new("runbooks"))
        .unwrap_or_else(|problems| panic!("{problems:?}"))
}

#[test]
fn rule_10_names_with_quotes_and_brackets_stay_names() {
    let site = hostile();
    for recipe in [disaster(), vary(|options| options.backup = Backup::Standby)] {
        let compared = compare(&site, &recipe);
        assert_same(0, &compared);
        let restores: Vec<&String> = compared
            .effects
            .iter()
            .filter_map(|effect| match effect {
                Bound::Sql(text) if text.starts_with("RESTORE LOG") => Some(text),
                _ => None,
            })
            .collect();
        assert_eq!(restores.len(), 13);
        for restore in restores {
            let quoted = r"RESTORE LOG [m]]g'c] FROM DISK = N'E:\o''copies\m]g''c_";
            assert!(restore.starts_with(quoted), "{restore}");
        }
        let drop = "@secondary_database = N'm]g''c'; SELECT @rc AS rc;";
        assert!(
            compared
                .effects
                .iter()
                .any(|effect| matches!(effect, Bound::Sql(text) if text.ends_with(drop))),
            "no F1"
        );
        paused(async {
            let stage = Stage::build(&site, &recipe).expect("the site");
            let store = MemoryStore::default();
            let finished = run(&site, &plan(&site), &stage, &store).await;
            let finished = finished.expect("a record");
            assert_eq!(finished.exit, 0, "{:?}", finished.error);
            let summary = stage.simulated.world.summary();
            let chat = summary.database(BACKUP, "m]g'c").expect("the database");
            assert_eq!(chat.state, DatabaseState::Online);
            assert_eq!(chat.messages, 100 + 3 * 15);
            assert_eq!(stage.simulated.unknown(), Vec::<String>::new());
        });
    }
}
