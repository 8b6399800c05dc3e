//! `install-mirror`, F6: the backup's chat database gets a mirror on the backup mirror
//! (`steps.md` 4; `skype-powershell.md` 1.4, 4).

mod fits;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod without;

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::states::{DatabaseState, MirroringRole, MirroringState};
use crate::model::{Instance, Problem, Role};
use crate::site::{Limits, Site};
use crate::step::command::{Command, Values};
use crate::step::hands::{Hands, StepError};
use crate::step::observe::Observed;
use crate::step::observe::database::{Database, database};
use crate::step::observe::instance::{Endpoint, Identity, endpoint, identity};
use crate::step::observe::pool::{self, Service};
use crate::step::pool::not_serving;
use crate::step::shared::one_instance;
use crate::step::undo::Nothing;
use crate::step::{Block, Context, Earlier, Effect, Info, Kind, Optional, Standing, Step};
use fits::Fits;
use without::or_without;

/// Which set-up, with or without the switch that drops what the mirror has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Chat { over: bool },
    Compliance { over: bool },
}

pub(in crate::step) struct InstallMirror;

/// Interlock: the failover goes on without a mirror.
pub(super) const NO_MIRROR: &str = "no-mirror";

/// One partner.
#[derive(Debug, Serialize)]
pub(in crate::step) struct Partner {
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
    /// Whether it fits there, as long as there is no mirror.
    fits: Option<Fits>,
}

impl Kind for InstallMirror {
    type Facts = Facts;
    type Undo = Nothing<Self>;
    type Key = Key;

    const INFO: Info = Info {
        id: "install-mirror",
        vendor: Some("F6"),
        title: "Mirror the new primary to the backup mirror",
        effect: Effect::Reversible,
        checks: &[
            "both instances: same version and edition, we are sysadmin, endpoint started",
            "the backup mirror has no chat database in use; one left RESTORING is replaced",
            "room on the backup mirror's volumes for the files, and the certificate of an encrypted database; what cannot be seen is named",
            "not tried: whether the user of PowerShell is sysadmin on both instances, as the set-up needs",
            "the topology names the same backup mirror as the site file",
            "principal and mirror name one another, both SYNCHRONIZED: waited for behind the step that serves users",
            "behind recovery, a mirror that cannot be set up is left out: users do not wait for it",
        ],
    };

    const AFTER: Earlier = Earlier::These(&[Step::RecoverDatabase, Step::SetPoolState]);

    const OPTIONAL: Option<Optional> = Some(Optional {
        without: "a mirror",
        interlock: NO_MIRROR,
        serves: Step::SetActiveServers,
        risk: Some(
            "users are served before the mirror is set up: until it is synchronized, what they write exists on one instance only, and if that is lost, it is lost",
        ),
    });

    fn limit(limits: &Limits) -> Option<Duration> {
        Some(limits.mirror)
    }

    fn settle(limits: &Limits) -> Duration {
        limits.mirror
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        installs(site, &BACKUP_SIDE, false)
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let mut facts = look(cx, &BACKUP_SIDE).await;
        if matches!(
            judge(&facts, &BACKUP_SIDE),
            Standing::Pending { .. } | Standing::Blocked { .. }
        ) && facts.mirror_is_silent().is_none()
            && facts.mirror.is_some()
        {
            facts.fits = Some(Fits::look(cx).await);
        }
        facts
    }

    fn judge(facts: &Facts) -> Standing {
        let standing = judge(facts, &BACKUP_SIDE);
        let standing = facts
            .fits
            .as_ref()
            .map_or(standing.clone(), |fits| fits.add_to(standing));
        or_without(facts, standing)
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let over = facts.is_over();
        hands
            .call_within(
                cx.access,
                Key::Chat { over },
                &Values::new(),
                cx.site.limits.mirror,
            )
            .await
    }
}

/// Which of the two mirrors is set up.
pub(in crate::step) struct Pair {
    pub(in crate::step) principal: Role,
    pub(in crate::step) mirror: Role,
    /// What the site file is to name.
    pub(in crate::step) key: &'static str,
}

pub(in crate::step) const BACKUP_SIDE: Pair = Pair {
    principal: Role::Backup,
    mirror: Role::BackupMirror,
    key: "backup_mirror",
};

impl Pair {
    fn in_topology<'a>(&self, service: &'a Service) -> &'a Observed<String> {
        if self.mirror == Role::BackupMirror {
            &service.backup_mirror
        } else {
            &service.primary_mirror
        }
    }
}

/// The set-up, without and with the switch that drops what the mirror has.
pub(in crate::step) fn installs(site: &Site, pair: &Pair, compliance: bool) -> Vec<(Key, Command)> {
    let (database_type, key): (_, fn(bool) -> Key) = if compliance {
        ("PersistentChatCompliance", |over| Key::Compliance { over })
    } else {
        ("PersistentChat", |over| Key::Chat { over })
    };
    let instance = |role| Instance { role, compliance };
    let (Some(principal), Some(_), Some(share)) = (
        site.server(instance(pair.principal)),
        site.server(instance(pair.mirror)),
        &site.shares.mirror,
    ) else {
        return Vec::new();
    };
    let what = if compliance { "compliance" } else { "chat" };
    let parameters = |over: bool| {
        let mut parameters: Vec<(&'static str, Value)> = vec![
            ("DatabaseType", json!(database_type)),
            ("SqlServerFqdn", json!(principal.host)),
        ];
        if let Some(instance) = &principal.instance {
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
            .when(format!("the {} has no {what} database", pair.mirror))
            .keyed(key(false)),
        Command::powershell("Install-CsMirrorDatabase", parameters(true), Vec::new())
            .when(format!(
                "the {} has a {what} database left RESTORING: it is dropped there",
                pair.mirror
            ))
            .keyed(key(true)),
    ]
}

pub(in crate::step) async fn look(cx: Context<'_>, pair: &Pair) -> Facts {
    let has_mirror = cx.site.chat(pair.mirror);
    Facts {
        principal: partner(cx, pair.principal).await,
        mirror: match has_mirror {
            Some(_) => Some(partner(cx, pair.mirror).await),
            None => None,
        },
        mirror_host: has_mirror.map(|server| server.host.clone()),
        service: pool::service(cx.access, &cx.site.pool.fqdn).await,
        share: cx.site.shares.mirror.as_ref().map(ToString::to_string),
        fits: None,
    }
}

impl Facts {
    /// True where the mirror has a copy that the set-up must drop.
    pub(in crate::step) fn is_over(&self) -> bool {
        self.mirror
            .as_ref()
            .is_some_and(|mirror| mirror.database.seen().is_some())
    }

    /// Why the mirror's instance cannot be asked, where it cannot.
    pub(in crate::step) fn mirror_is_silent(&self) -> Option<&Problem> {
        self.mirror.as_ref()?.database.unknown()
    }

    /// The principal's database.
    pub(in crate::step) fn principal(&self) -> &Observed<Database> {
        &self.principal.database
    }
}

/// The standing of one pair.
pub(in crate::step) fn judge(facts: &Facts, pair: &Pair) -> Standing {
    let service = match &facts.service {
        Observed::Seen(service) => service,
        Observed::Unknown(why) => return Standing::unknown(why),
        Observed::Absent => return Standing::unknown("the pool's service"),
    };
    let Some(mirror) = &facts.mirror else {
        return match pair.in_topology(service) {
            Observed::Absent => Standing::satisfied(format!(
                "neither the site nor the topology has a {}",
                pair.mirror
            )),
            // The property's name comes from one source; the site file's word is there.
            Observed::Unknown(why) => Standing::satisfied(format!(
                "the site has no {}; whether the topology has one is not known: {why}",
                pair.mirror
            )),
            Observed::Seen(host) => Standing::Blocked {
                blocks: vec![Block::site(
                    "mirror-not-in-site",
                    format!(
                        "the topology has a {} on `{host}`, the site file has none",
                        pair.mirror
                    ),
                    format!("add `[sql] {}`", pair.key),
                )],
            },
        };
    };
    match (&facts.principal.database, &mirror.database) {
        (Observed::Unknown(why), _) | (_, Observed::Unknown(why)) => {
            return Standing::unknown(why);
        }
        (Observed::Seen(principal), other) if principal.mirroring.is_some() => {
            return judge_mirrored(facts, pair, principal, other.seen(), mirror);
        }
        _ => {}
    }
    let mut blocks = match instance_blocks(facts, pair, mirror) {
        Ok(blocks) => blocks,
        Err(why) => return Standing::unknown(why),
    };
    if pair.principal == Role::Backup {
        blocks.extend(not_serving(&facts.principal.database));
    }
    match (pair.in_topology(service), &facts.mirror_host) {
        (Observed::Seen(host), Some(ours)) if !pool::may_be_same_host(host, ours) => {
            blocks.push(Block::site(
                "other-mirror",
                format!(
                    "the topology's {} is `{host}`, the site file's `{ours}`",
                    pair.mirror
                ),
                format!(
                    "see which is right: `[sql] {}`, or Topology Builder",
                    pair.key
                ),
            ));
        }
        // The cmdlet takes the mirror from there.
        (Observed::Absent, _) => blocks.push(Block::site(
            "no-mirror-in-topology",
            format!("the topology has no {} for this pool", pair.mirror),
            format!(
                "add it in Topology Builder and publish, or remove `[sql] {}`",
                pair.key
            ),
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
                "the {}'s chat database is mirrored with {}, and the {}'s is not mirrored",
                pair.mirror,
                mirroring.partner.as_deref().unwrap_or("another instance"),
                pair.principal
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
                "the {} has a chat database that is {}: somebody's data",
                pair.mirror, row.state
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
    pair: &Pair,
    principal: &Database,
    other: Option<&Database>,
    mirror: &Partner,
) -> Standing {
    let blocked = |id, why: String, hint: &'static str| Standing::Blocked {
        blocks: vec![Block::site(id, why, hint)],
    };
    let ours = principal.mirroring.as_ref();
    let theirs = other.and_then(|row| row.mirroring.as_ref());
    if ours.and_then(|it| it.role) != Some(MirroringRole::Principal) {
        return blocked(
            "not-principal",
            format!("the {}'s chat database is a mirror itself", pair.principal),
            "fail it over: ALTER DATABASE … SET PARTNER FAILOVER on the other side",
        );
    }
    let Some(theirs) = theirs else {
        return blocked(
            "one-sided",
            format!(
                "the {}'s chat database is mirrored, but not to the {}",
                pair.principal, pair.mirror
            ),
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
            format!(
                "the {} and the {} do not name one another as partners",
                pair.principal, pair.mirror
            ),
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
fn instance_blocks(facts: &Facts, pair: &Pair, mirror: &Partner) -> Result<Vec<Block>, Problem> {
    let identities = [&facts.principal.identity, &mirror.identity];
    if let Some(why) = identities.iter().find_map(|identity| identity.unknown()) {
        return Err(why.clone());
    }
    let [Some(principal), Some(other)] = identities.map(Observed::seen) else {
        return Err(format!(
            "who the {} or the {} is could not be seen",
            pair.principal, pair.mirror
        )
        .into());
    };
    let mut blocks = Vec::new();
    blocks.extend(one_instance([
        (pair.principal, principal.server_name.as_str()),
        (pair.mirror, other.server_name.as_str()),
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
        (pair.principal, &facts.principal.endpoint),
        (pair.mirror, &mirror.endpoint),
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
