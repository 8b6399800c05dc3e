use super::*;
use crate::report::sample::{self, Paper, resumed_run, stopped_run};

fn run(plan: Option<Plan>, earlier: &[Record], records: &[Record]) -> String {
    let paper = Paper::default();
    let mut sink = Markdown::new(Box::new(paper.clone()), plan);
    for record in earlier {
        sink.earlier(record);
    }
    for record in records {
        sink.record(record);
    }
    paper.text()
}

/// The sample run, as run by the sample plan.
fn by_plan(mut records: Vec<Record>) -> Vec<Record> {
    if let Some(Record {
        event: Event::RunStarted(started),
        ..
    }) = records.first_mut()
    {
        started.plan_digest = sample::plan().digest;
    }
    records
}

#[test]
fn a_run_with_its_plan_is_a_record_for_the_ticket() {
    let digest = sample::plan().digest;
    let text = run(Some(sample::plan()), &[], &by_plan(stopped_run()));
    assert_eq!(
        text.replace(&digest, "sha256:…"),
        r"# failover of pchat.litwareinc.com

| | |
|---|---|
| run | r7 |
| by | ann on adm1, pchadr 0.1.0 |
| outcome | stopped at `recover-database` (4/5): something was changed, not everything |
| clock | simulated: a rehearsal; nothing of the site was touched |
| began | 2027-01-15 08:00:00 UTC |
| ended | 2027-01-15 10:05:31 UTC |
| time | 2 h 05 min simulated, 2 s real |
| loss (RPO) | at most 4 min 12 s of chat |
| plan | sha256:… |

## Steps

| | step | | outcome | began | time | note |
|---|---|---|---|---|---|---|
| 1 | drop-log-shipping | F1 | done before |  |  | no row and no job |
| 2 | copy-backups | F2 | done | 2027-01-15 08:00:03 UTC | 2 h 05 min | 2 files, 3.1 GB |
| 3 | end-connections | F4 | overtaken |  |  | `mgc` is restoring |
| 4 | recover-database | F4 | stopped | 2027-01-15 10:05:07 UTC | 24 s | error 3101 in use \| by 57 |
| 5 | set-pool-state | F5 | not reached |  |  |  |

## Warnings

| when | step | | what |
|---|---|---|---|
| 2027-01-15 08:00:01 UTC | recover-database | interlock | a fresh `mgc` is on the primary |

## Consents

| when | step | what | how |
|---|---|---|---|
| 2027-01-15 10:05:06 UTC | recover-database | lose at most 4 min 12 s of chat | --accept-loss-after end-of-chain |

## Commands

Each was recorded before it was sent; what came of it is the outcome of its step.

### 2. copy-backups

- 2027-01-15 08:00:04 UTC, command 1, file copy

  ```text
  copy \\fs1\pchat-logs\mgc_1.trn to \\sql3\pchat-copy\mgc_1.trn
  copy \\fs1\pchat-logs\mgc_2.trn to \\sql3\pchat-copy\mgc_2.trn
  ```

### 4. recover-database

- 2027-01-15 10:05:08 UTC, command 1, T-SQL on the backup, `sql3.dc2.litwareinc.com\chat`

  ```sql
  RESTORE DATABASE [mgc] WITH RECOVERY;
  ```

## What was seen

The last look before each step acted, the last one after it, and what differs between them; the journal has every look whole.

### 4. recover-database: before and after

- before, 2027-01-15 08:00:03 UTC: blocked: a fresh `mgc` is on the primary

## What went wrong

**`mgc` was not recovered (on sql3.dc2.litwareinc.com\\chat, error 3101)**

- why: Exclusive access could not be obtained because the database is in use.
- what to do: end the sessions that hold `mgc`, then go on

To go on:

```
pchadr failover --resume=r7
```
"
    );
}

#[test]
fn a_resumed_run_tells_of_both_executions_and_without_its_plan_shows_values() {
    let (first, second) = resumed_run();
    let text = run(Some(sample::plan()), &first, &second);
    assert_eq!(
        text,
        r#"# failover of pchat.litwareinc.com

| | |
|---|---|
| run | r7 |
| by | ann on adm1, pchadr 0.1.0 |
| outcome | done: everything is as the runbook wants it |
| clock | simulated: a rehearsal; nothing of the site was touched |
| began | 2027-01-15 08:00:00 UTC |
| resumed | 2027-01-15 10:13:20 UTC, by bob on adm2 |
| ended | 2027-01-15 10:14:55 UTC |
| time | 1 min 35 s simulated, under 1 s real, since it was resumed |
| loss (RPO) | not known: the record does not say when the disaster was (--disaster-at) |
| plan | sha256:p1 |

## Steps

| | step | | outcome | began | time | note |
|---|---|---|---|---|---|---|
| 1 | drop-log-shipping | F1 | done before |  |  | no row and no job |
| 2 | copy-backups | F2 | done | 2027-01-15 08:00:03 UTC | 2 h 05 min | 2 files, 3.1 GB |
| 3 | end-connections | F4 | overtaken |  |  | `mgc` is restoring |
| 4 | recover-database | F4 | done |  |  | `mgc` is ONLINE |
| 5 | set-pool-state | F5 | done | 2027-01-15 10:13:22 UTC | 1 min 33 s | FailedOver |

## Warnings

| when | step | | what |
|---|---|---|---|
| 2027-01-15 08:00:01 UTC | recover-database | interlock | a fresh `mgc` is on the primary |

## Consents

| when | step | what | how |
|---|---|---|---|
| 2027-01-15 10:05:06 UTC | recover-database | lose at most 4 min 12 s of chat | --accept-loss-after end-of-chain |

## Commands

Each was recorded before it was sent; what came of it is the outcome of its step.

### 2. copy-backups

- 2027-01-15 08:00:04 UTC, command 1, with the values

  ```json
  {"name":"mgc_1.trn"}
  {"name":"mgc_2.trn"}
  ```

### 4. recover-database

- 2027-01-15 10:05:08 UTC, command 1, with the values

  ```json
  {}
  ```

## What was seen

The last look before each step acted, the last one after it, and what differs between them; the journal has every look whole.

### 4. recover-database: before and after

- before, 2027-01-15 08:00:03 UTC: blocked: a fresh `mgc` is on the primary
"#
    );
}

#[test]
fn a_run_that_was_killed_can_be_written_too() {
    let (first, _) = resumed_run();
    let mut text = Vec::new();
    write_run(&Account::of(&first), None, &mut text).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("| outcome | not finished |"), "{text}");
    assert!(
        text.contains("| in doubt | 2027-01-15 10:05:07 UTC |  | no end is recorded |"),
        "{text}"
    );
}

#[test]
fn a_long_each_is_cut_and_says_so() {
    let mut records = by_plan(stopped_run());
    for record in &mut records {
        if let Event::Command { step, values, .. } = &mut record.event
            && step == "copy-backups"
        {
            let sets = (0..1000).map(|i| serde_json::json!({"name": format!("mgc_{i}.trn")}));
            *values = sets.collect();
        }
    }
    let text = run(Some(sample::plan()), &[], &records);
    assert!(text.contains("mgc_19.trn") && !text.contains("mgc_20.trn"));
    assert!(text.contains("and 980 more, which the journal names"));
}

#[test]
fn no_text_ends_its_block_its_span_or_its_cell() {
    assert_eq!(
        fence("sql", "a\n```\n````b", ""),
        "`````sql\na\n```\n````b\n`````\n"
    );
    assert_eq!(
        fence("", "a \n\n\tb\n\u{1b}[2J", "  "),
        "  ```\n  a \n\n  \tb\n  \\u{1b}[2J\n  ```\n"
    );
    assert_eq!(code("a`b"), "``a`b``");
    assert_eq!(code("`"), "`` ` ``");
    assert_eq!(
        inline("a | `b|c\\d` \\e <f> *"),
        "a \\| `b\\|c\\d` \\\\e \\<f> \\*"
    );
    assert_eq!(inline("an `odd mark\n| x"), "an \\`odd mark \\| x");
}
