//! `install-mirror`, F6: the backup's chat database gets a mirror on the backup mirror
//! (`steps.md` 4; `skype-powershell.md` 1.4, 4).

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use serde::Serialize;
use serde_json::{Value, json};

use super::command::{Command, Values};
use super::hands::{Hands, StepError};
use super::observe::Observed;
use super::observe::database::{Database, database};
use super::observe::instance::{Endpoint, Identity, endpoint, identity};
use super::observe::pool::{self, Service};
use super::save_log_shipping::one_instance;
use super::set_pool_state::not_serving;
use super::{Block, Context, Effect, Info, Kind, Standing};
use crate::model::states::{DatabaseState, MirroringRole, MirroringState};
use crate::model::{Instance, Role};
use crate::site::Site;

const INSTALL: usize = 1;
const INSTALL_OVER: usize = 2;

pub(super) struct InstallMirror;

/// One partner.
#[derive(Debug, Serialize)]
pub(super) struct Partner {
    identity: Observed<Identity>,
    database: Observed<Database>,
    endpoint: Observed<Endpoint>,
}

/// Both partners, and what the topology says.
#[derive(Debug, Serialize)]
pub struct Facts {
    principal: Partner,
    /// `None` where the site has no backup mirror.
    mirror: Option<Partner>,
    mirror_host: Option<String>,
    service: Observed<Service>,
    share: Option<String>,
}

impl Kind for InstallMirror {
    type Facts = Facts;

    const INFO: Info = Info {
        id: "install-mirror",
        vendor: Some("F6"),
        title: "Mirror the new primary to the backup mirror",
        effect: Effect::Reversible,
        checks: &[
            "both instances: same version and edition, we are sysadmin, endpoint started",
            "the backup mirror has no chat database in use; one left RESTORING is replaced",
            "the topology names the same backup mirror as the site file",
            "principal and mirror name one another, both SYNCHRONIZED",
        ],
    };

    fn commands(site: &Site) -> Vec<Command> {
        let (Some(backup), Some(_), Some(share)) = (
            site.chat(Role::Backup),
            site.chat(Role::BackupMirror),
            &site.shares.mirror,
        ) else {
            return Vec::new();
        };
        let parameters = |over: bool| {
            let mut parameters: Vec<(&'static str, Value)> = vec![
                ("DatabaseType", json!("PersistentChat")),
                ("SqlServerFqdn", json!(backup.host)),
            ];
            if let Some(instance) = &backup.instance {
                parameters.push(("SqlInstanceName", json!(instance)));
            }
            parameters.push(("FileShare", json!(share.as_str())));
            if over {
                parameters.push(("DropExistingDatabasesOnMirror", json!(true)));
            }
            parameters.push(("Confirm", json!(false)));
            parameters
        };
        vec![
            Command::powershell("Install-CsMirrorDatabase", parameters(false), Vec::new())
                .when("the backup mirror has no chat database"),
            Command::powershell("Install-CsMirrorDatabase", parameters(true), Vec::new())
                .when("the backup mirror has a chat database left RESTORING: it is dropped there"),
        ]
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let has_mirror = cx.site.chat(Role::BackupMirror);
        Facts {
            principal: partner(cx, Role::Backup).await,
            mirror: match has_mirror {
                Some(_) => Some(partner(cx, Role::BackupMirror).await),
                None => None,
            },
            mirror_host: has_mirror.map(|server| server.host.clone()),
            service: pool::service(cx.access, &cx.site.pool.fqdn).await,
            share: cx.site.shares.mirror.as_ref().map(ToString::to_string),
        }
    }

    fn judge(facts: &Facts) -> Standing {
        let service = match &facts.service {
            Observed::Seen(service) => service,
            Observed::Unknown(why) => return Standing::unknown(why),
            Observed::Absent => return Standing::unknown("the pool's service"),
        };
        let Some(mirror) = &facts.mirror else {
            return match &service.backup_mirror {
                Observed::Absent => {
                    Standing::satisfied("neither the site nor the topology has a backup mirror")
                }
                // The property's name comes from one source; the site file's word is there.
                Observed::Unknown(why) => Standing::satisfied(format!(
                    "the site has no backup mirror; whether the topology has one is not known: {why}"
                )),
                Observed::Seen(host) => Standing::Blocked {
                    blocks: vec![Block::site(
                        "mirror-not-in-site",
                        format!(
                            "the topology has a backup mirror on `{host}`, the site file has none"
                        ),
                        "add `[sql] backup_mirror`",
                    )],
                },
            };
        };
        match (&facts.principal.database, &mirror.database) {
            (Observed::Unknown(why), _) | (_, Observed::Unknown(why)) => {
                return Standing::unknown(why);
            }
            (Observed::Seen(principal), other) if principal.mirroring.is_some() => {
                return judge_mirrored(facts, principal, other.seen(), mirror);
            }
            _ => {}
        }
        let mut blocks = match instance_blocks(facts, mirror) {
            Ok(blocks) => blocks,
            Err(why) => return Standing::unknown(why),
        };
        blocks.extend(not_serving(&facts.principal.database));
        match (&service.backup_mirror, &facts.mirror_host) {
            (Observed::Seen(host), Some(ours)) if !pool::may_be_same_host(host, ours) => {
                blocks.push(Block::site(
                    "other-mirror",
                    format!("the topology's backup mirror is `{host}`, the site file's `{ours}`"),
                    "see which is right: `[sql] backup_mirror`, or Topology Builder",
                ));
            }
            // The cmdlet takes the mirror from there.
            (Observed::Absent, _) => blocks.push(Block::site(
                "no-mirror-in-topology",
                "the topology has no backup mirror for this pool",
                "add it in Topology Builder and publish, or remove `[sql] backup_mirror`",
            )),
            _ => {}
        }
        if let Some(mirroring) = mirror
            .database
            .seen()
            .and_then(|row| row.mirroring.as_ref())
        {
            blocks.push(Block::site(
                "mirror-of-another",
                format!(
                    "the backup mirror's chat database is mirrored with {}, and the backup's is not mirrored",
                    mirroring.partner.as_deref().unwrap_or("another instance")
                ),
                "see whose it is; if it is a leftover: ALTER DATABASE … SET PARTNER OFF there",
            ));
        }
        if let Some(row) = mirror.database.seen()
            && row.state != DatabaseState::Restoring
        {
            blocks.push(Block::site(
                "mirror-in-use",
                format!(
                    "the backup mirror has a chat database that is {}: somebody's data",
                    row.state
                ),
                "see what it holds; keep it and drop it there, then go on",
            ));
        }
        if facts.share.is_none() {
            blocks.push(Block::site(
                "no-mirror-share",
                "the site file names no share for the set-up of the mirror",
                "add `[shares] mirror`",
            ));
        }
        Standing::unless(blocks, || {
            Standing::pending(if mirror.database.is_absent() {
                "set up the mirror"
            } else {
                "set up the mirror over the copy that was left RESTORING"
            })
        })
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_>) -> Result<(), StepError> {
        let over = facts
            .mirror
            .as_ref()
            .is_some_and(|mirror| mirror.database.seen().is_some());
        let n = if over { INSTALL_OVER } else { INSTALL };
        hands
            .call_within(cx.access, n, &Values::new(), cx.site.limits.mirror)
            .await
    }
}

async fn partner(cx: Context<'_>, role: Role) -> Partner {
    let instance = Instance::chat(role);
    Partner {
        identity: identity(cx.access, instance).await,
        database: database(cx.access, instance, &cx.site.database.chat).await,
        endpoint: endpoint(cx.access, instance).await,
    }
}

/// It is mirrored: with the right partner, and how far.
fn judge_mirrored(
    facts: &Facts,
    principal: &Database,
    other: Option<&Database>,
    mirror: &Partner,
) -> Standing {
    let blocked = |id, why: String, hint: &str| Standing::Blocked {
        blocks: vec![Block::site(id, why, hint)],
    };
    let ours = principal.mirroring.as_ref();
    let theirs = other.and_then(|row| row.mirroring.as_ref());
    if ours.and_then(|it| it.role) != Some(MirroringRole::Principal) {
        return blocked(
            "not-principal",
            "the backup's chat database is a mirror itself".to_owned(),
            "fail it over to the backup: ALTER DATABASE … SET PARTNER FAILOVER on the other side",
        );
    }
    let Some(theirs) = theirs else {
        return blocked(
            "one-sided",
            "the backup's chat database is mirrored, but not to the backup mirror".to_owned(),
            "see mirroring_partner_name; remove that mirroring first (SET PARTNER OFF)",
        );
    };
    let names = |partner: Option<&String>, identity: &Observed<Identity>| match (
        partner,
        identity.seen(),
    ) {
        (Some(partner), Some(identity)) => partner.eq_ignore_ascii_case(&identity.server_name),
        // Not told: the roles decide.
        _ => true,
    };
    if !names(ours.and_then(|it| it.partner.as_ref()), &mirror.identity)
        || !names(theirs.partner.as_ref(), &facts.principal.identity)
    {
        return blocked(
            "other-partner",
            "the backup and the backup mirror do not name one another as partners".to_owned(),
            "remove that mirroring first (SET PARTNER OFF)",
        );
    }
    match (ours.and_then(|it| it.state), theirs.state) {
        (Some(MirroringState::Synchronized), Some(MirroringState::Synchronized)) => {
            Standing::satisfied("mirrored, SYNCHRONIZED on both partners")
        }
        (Some(MirroringState::Suspended | MirroringState::Disconnected), _)
        | (_, Some(MirroringState::Suspended | MirroringState::Disconnected)) => blocked(
            "mirror-broken",
            "the mirror is SUSPENDED or DISCONNECTED".to_owned(),
            "see the error logs of both instances; endpoints, port, service accounts",
        ),
        (Some(MirroringState::Synchronized), Some(state)) | (Some(state), Some(_)) => {
            Standing::underway(format!("the mirror is {state}"))
        }
        _ => Standing::unknown("the mirroring state"),
    }
}

/// What the two instances are; an error says what is unknown of them.
fn instance_blocks(facts: &Facts, mirror: &Partner) -> Result<Vec<Block>, String> {
    let identities = [&facts.principal.identity, &mirror.identity];
    if let Some(why) = identities.iter().find_map(|identity| identity.unknown()) {
        return Err(why.to_owned());
    }
    let [Some(principal), Some(other)] = identities.map(Observed::seen) else {
        return Err("who the backup or the backup mirror is".to_owned());
    };
    let mut blocks = Vec::new();
    blocks.extend(one_instance([
        (Role::Backup, principal.server_name.as_str()),
        (Role::BackupMirror, other.server_name.as_str()),
    ]));
    if principal.major != other.major || principal.edition != other.edition {
        blocks.push(Block::site(
            "versions-differ",
            format!(
                "version or edition differ: {} and {}",
                principal.version, other.version
            ),
            "a mirror needs the same version and edition on both partners",
        ));
    }
    if !principal.sysadmin || !other.sysadmin {
        blocks.push(Block::site(
            "not-sysadmin",
            "we are not sysadmin on both partners",
            "sign in as a member of sysadmin on both",
        ));
    }
    for (name, endpoint) in [
        ("backup", &facts.principal.endpoint),
        ("backup mirror", &mirror.endpoint),
    ] {
        if endpoint.seen().is_some_and(|endpoint| !endpoint.started) {
            blocks.push(Block::site(
                "endpoint-stopped",
                format!("the mirroring endpoint of the {name} is not STARTED"),
                "ALTER ENDPOINT … STATE = STARTED there",
            ));
        }
    }
    Ok(blocks)
}
