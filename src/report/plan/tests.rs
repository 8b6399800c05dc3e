use super::*;
use crate::report::sample;

fn written(write: impl FnOnce(&Plan, &mut Vec<u8>) -> io::Result<()>) -> String {
    let plan = sample::plan();
    let mut text = Vec::new();
    write(&plan, &mut text).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.replace(&plan.digest, "sha256:…")
}

#[test]
fn a_reviewer_sees_every_step_command_and_rule() {
    let text = written(human);
    assert_eq!(
        text,
        r"failover: 5 steps, 4 of them change the site
plan sha256:…

  1. save-log-shipping: read-only
     keeps the configuration
     looks at  what `save-log-shipping` needs
     looks at  the copy folder

  2. copy-backups (F2): reversible, together with apply-logs
     copies log backups
     looks at  what `copy-backups` needs
     looks at  the copy folder
      1) file copy
         once for each log backup that the copy folder lacks
         | copy \\fs1\pchat-logs\{name} to \\sql3\pchat-copy\{name}
         {name} = name of the log backup (name)

  3. apply-logs (F3): reversible, together with copy-backups
     applies them
     looks at  what `apply-logs` needs
     looks at  the copy folder
      1) T-SQL on the backup, sql3.dc2.litwareinc.com\chat
         once for each applicable log backup, by LSN
         | RESTORE LOG [mgc]
         | FROM DISK = {file} WITH NORECOVERY;
         {file} = the log backup in the copy folder (text)

  4. recover-database (F4): irreversible, POINT OF NO RETURN
     recovers `mgc`
     looks at  what `recover-database` needs
     looks at  the copy folder
      1) T-SQL on the backup, sql3.dc2.litwareinc.com\chat
         | RESTORE DATABASE [mgc] WITH RECOVERY;

  5. set-pool-state (F5): reversible
     sets the state
     looks at  what `set-pool-state` needs
     looks at  the copy folder
      1) PowerShell
         only when the pool is Normal
         | Set-CsPersistentChatState -PoolState 'FailedOver' -Confirm:$false
"
    );
}

#[test]
fn as_markdown_a_plan_is_a_runbook_with_boxes_to_tick() {
    let text = written(|plan, out| markdown(plan, "pchat.litwareinc.com", out));
    assert_eq!(
        text,
        r"# failover of pchat.litwareinc.com

5 steps, 4 of them change the site. Plan `sha256:…`.

Commands are shown with sample values; below each stands the rule by which a run finds the real ones.

## 1. save-log-shipping

keeps the configuration (read-only)

Look at, before and after:

- what `save-log-shipping` needs
- the copy folder

- [ ] nothing is sent

## 2. copy-backups (F2)

copies log backups (reversible, together with apply-logs)

Look at, before and after:

- what `copy-backups` needs
- the copy folder

- [ ] 1. file copy; once for each log backup that the copy folder lacks

  ```text
  copy \\fs1\pchat-logs\mgc_1.trn to \\sql3\pchat-copy\mgc_1.trn
  ```

  - `name`, here `mgc_1.trn`: name of the log backup

## 3. apply-logs (F3)

applies them (reversible, together with copy-backups)

Look at, before and after:

- what `apply-logs` needs
- the copy folder

- [ ] 1. T-SQL on the backup, `sql3.dc2.litwareinc.com\chat`; once for each applicable log backup, by LSN

  ```sql
  RESTORE LOG [mgc]
  FROM DISK = N'E:\mgc_1.trn' WITH NORECOVERY;
  ```

  - `file`, here `E:\mgc_1.trn`: the log backup in the copy folder

## 4. recover-database (F4)

**Point of no return: behind this step there is no way back.**

recovers `mgc` (irreversible)

Look at, before and after:

- what `recover-database` needs
- the copy folder

- [ ] 1. T-SQL on the backup, `sql3.dc2.litwareinc.com\chat`

  ```sql
  RESTORE DATABASE [mgc] WITH RECOVERY;
  ```

## 5. set-pool-state (F5)

sets the state (reversible)

Look at, before and after:

- what `set-pool-state` needs
- the copy folder

- [ ] 1. Skype for Business Server Management Shell; only when the pool is Normal

  ```powershell
  Set-CsPersistentChatState -PoolState 'FailedOver' -Confirm:$false
  ```
"
    );
}

#[test]
fn as_json_a_plan_has_the_keys_of_the_design() {
    let text = written(json);
    assert_eq!(
        text,
        r#"{"version":1,"runbook":"failover","digest":"sha256:…","fence":{"guard":"","commands":[]},"stages":[["save-log-shipping"],["copy-backups","apply-logs"],["recover-database"],["set-pool-state"]],"steps":[{"id":"save-log-shipping","vendor":null,"title":"keeps the configuration","stage":1,"effect":"read_only","point_of_no_return":false,"checks":["what `save-log-shipping` needs","the copy folder"],"commands":[]},{"id":"copy-backups","vendor":"F2","title":"copies log backups","stage":2,"effect":"reversible","point_of_no_return":false,"checks":["what `copy-backups` needs","the copy folder"],"commands":[{"n":1,"kind":"copy","from":"\\\\fs1\\pchat-logs\\{name}","to":"\\\\sql3\\pchat-copy\\{name}","when":null,"each":"log backup that the copy folder lacks","holes":[{"name":"name","type":"name","rule":"name of the log backup"}],"text":"copy \\\\fs1\\pchat-logs\\{name} to \\\\sql3\\pchat-copy\\{name}","sample":"copy \\\\fs1\\pchat-logs\\mgc_1.trn to \\\\sql3\\pchat-copy\\mgc_1.trn"}]},{"id":"apply-logs","vendor":"F3","title":"applies them","stage":2,"effect":"reversible","point_of_no_return":false,"checks":["what `apply-logs` needs","the copy folder"],"commands":[{"n":1,"kind":"tsql","instance":"backup","server":"sql3.dc2.litwareinc.com\\chat","when":null,"each":"applicable log backup, by LSN","holes":[{"name":"file","type":"text","rule":"the log backup in the copy folder"}],"text":"RESTORE LOG [mgc]\nFROM DISK = {file} WITH NORECOVERY;","sample":"RESTORE LOG [mgc]\nFROM DISK = N'E:\\mgc_1.trn' WITH NORECOVERY;"}]},{"id":"recover-database","vendor":"F4","title":"recovers `mgc`","stage":3,"effect":"irreversible","point_of_no_return":true,"checks":["what `recover-database` needs","the copy folder"],"commands":[{"n":1,"kind":"tsql","instance":"backup","server":"sql3.dc2.litwareinc.com\\chat","when":null,"each":null,"holes":[],"text":"RESTORE DATABASE [mgc] WITH RECOVERY;","sample":"RESTORE DATABASE [mgc] WITH RECOVERY;"}]},{"id":"set-pool-state","vendor":"F5","title":"sets the state","stage":4,"effect":"reversible","point_of_no_return":false,"checks":["what `set-pool-state` needs","the copy folder"],"commands":[{"n":1,"kind":"powershell","cmdlet":"Set-CsPersistentChatState","parameters":{"Confirm":false,"PoolState":"FailedOver"},"when":"the pool is Normal","each":null,"holes":[],"text":"Set-CsPersistentChatState -PoolState 'FailedOver' -Confirm:$false","sample":"Set-CsPersistentChatState -PoolState 'FailedOver' -Confirm:$false"}]}]}
"#
    );
}
