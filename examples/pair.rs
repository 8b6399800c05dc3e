//! Copying and applying log backups side by side, in simulated time: how much longer it takes than
//! the longer of the two alone. Prints each case, and the ratio.

use std::error::Error;
use std::path::Path;

use jiff::Timestamp;
use pchadr::cli::rehearse::{Stage, execute_with};
use pchadr::plan::Plan;
use pchadr::rehearsal::simulated::{Logs, Recipe};
use pchadr::report::read_lines;
use pchadr::run::event::Event;
use pchadr::run::store::MemoryStore;
use pchadr::runbook::{Direction, FAILOVER, Runbook};
use pchadr::site::Site;
use pchadr::step::Step;
use pchadr::step::terms::Terms;

type Any = Box<dyn Error>;

/// Log backups of the site; the restore job has applied some of them.
const LOGS: usize = 400;

/// More than this, of the longer of the two, is a step back.
const MOST: f64 = 1.05;

/// Seconds from the beginning of the copies to the end of what is applied. Bytes a second of the
/// shares and of RESTORE; `None`: without time.
async fn seconds(site: &Site, copy: Option<u64>, restore: Option<u64>) -> Result<f64, Any> {
    let ids: Vec<&str> = Step::of(Direction::Failover)
        .iter()
        .map(|step| step.id())
        .collect();
    let runbook = Runbook::parse(FAILOVER, "failover.toml", &ids)?;
    let plan = Plan::bind(&runbook, site)?;
    let stage = Stage::build(site, &Recipe::disaster(Logs::Made(LOGS)))?;
    for share in ["backup", "copy"] {
        stage.simulated.folders.change(share, |volume| {
            volume.throughput = copy;
            volume.latency = std::time::Duration::ZERO;
        });
    }
    stage.simulated.world.with(|state| {
        state.service.media = std::time::Duration::ZERO;
        state.service.throughput = restore;
    });
    let terms = Terms {
        rehearsal: true,
        ..Terms::default()
    };
    let store = MemoryStore::default();
    let record = Box::new(store.clone());
    let finished = execute_with(site, &plan, &terms, &stage.access, None, record, vec![]).await?;
    if finished.exit != 0 {
        return Err(format!("the rehearsal ended otherwise: {:?}", finished.error).into());
    }
    let mut began: Option<Timestamp> = None;
    let mut ended = None;
    for record in read_lines(&store.bytes()).records() {
        match record.event {
            Event::StepStarted { id } if id == "copy-backups" => began = Some(record.at),
            Event::StepFinished { id, .. } if id == "apply-logs" => ended = Some(record.at),
            _ => {}
        }
    }
    let (began, ended) = began.zip(ended).ok_or("the pair did not run")?;
    Ok(ended.duration_since(began).as_secs_f64())
}

#[expect(clippy::print_stdout, reason = "the figures are all that it is for")]
fn main() -> Result<(), Any> {
    let site = Site::load(Path::new("runbooks/litware.toml")).map_err(|it| format!("{it:?}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    println!("copy-backups and apply-logs side by side, {LOGS} log backups, simulated time");
    let mut missed = Vec::new();
    for (case, copy, restore) in [
        ("the copies are slower", 20_000_000, 60_000_000),
        ("alike", 40_000_000, 40_000_000),
        ("the restores are slower", 60_000_000, 20_000_000),
    ] {
        let copies = runtime.block_on(seconds(&site, Some(copy), None))?;
        let restores = runtime.block_on(seconds(&site, None, Some(restore)))?;
        let pair = runtime.block_on(seconds(&site, Some(copy), Some(restore)))?;
        let ratio = pair / copies.max(restores);
        println!(
            "  {case}: copies {copies:.0} s, restores {restores:.0} s, together {pair:.0} s: {ratio:.2} of the longer"
        );
        if ratio > MOST {
            missed.push(format!("{case}: {ratio:.2} of {MOST}"));
        }
    }
    if missed.is_empty() {
        Ok(())
    } else {
        Err(missed.join("; ").into())
    }
}
