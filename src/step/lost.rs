//! Instances of the first data center that are lost for good (`design.md` 3, rules 13 and 16): going
//! back does without them, where that is said, and where only silence comes from there.

use serde::Serialize;

use crate::model::{Instance, Problem, Role};
use crate::site::Site;
use crate::step::observe::Observed;
use crate::step::observe::database::Database;
use crate::step::observe::instance::{Presence, presence};
use crate::step::terms::PRIMARY_LOST;
use crate::step::{Block, Context, Lift, Standing};

/// What is silent there, and what the operator says of it.
#[derive(Debug, Default, Serialize)]
pub(in crate::step) struct Lost {
    /// Nothing comes from there at all.
    dead: Vec<Role>,
    /// Nobody can say whether they are dead.
    unseen: Vec<Role>,
    /// The operator says that what is silent is lost.
    said: bool,
    /// Whether the run has begun to set up the primary's mirror: before, nothing that it restored can
    /// be there.
    mirror_begun: bool,
}

impl Lost {
    /// Asks these for a sign of life.
    pub(in crate::step) async fn look(cx: Context<'_>, silent: Vec<Role>) -> Self {
        let mut lost = Self {
            said: cx.terms.overrides(PRIMARY_LOST),
            mirror_begun: cx.mirror_begun,
            ..Self::default()
        };
        for role in silent {
            match presence(cx.access, Instance::chat(role)).await {
                Presence::Dead(_) => lost.dead.push(role),
                Presence::Unseen(_) => lost.unseen.push(role),
                Presence::Answers(_) | Presence::Lives(_) => {}
            }
        }
        lost
    }

    /// Somebody is in touch with that role: it lives, behind a cut of the network.
    pub(in crate::step) fn is_in_touch(&mut self, role: Role) {
        self.dead.retain(|it| *it != role);
        self.unseen.retain(|it| *it != role);
    }

    /// Whether nobody waits for that role any more.
    pub(in crate::step) fn has(&self, role: Role) -> bool {
        if self.dead.contains(&role) {
            let no_part = role == Role::PrimaryMirror && !self.mirror_begun;
            return self.said || no_part;
        }
        self.said && self.unseen.contains(&role)
    }

    /// What keeps going back from being safe, where that role cannot be read for that reason.
    pub(in crate::step) fn standing(&self, role: Role, why: &Problem) -> Standing {
        if !self.dead.contains(&role) && !self.unseen.contains(&role) {
            return Standing::unknown(why.about(format!("the {role}")));
        }
        let why = why.about(format!("the {role}")).with_remedy().or(format!(
            "or, where it is lost for good, say so with --override {PRIMARY_LOST}=REASON: the backup's chat database then serves without it"
        ));
        Standing::Blocked {
            blocks: vec![Block::site(PRIMARY_LOST, why, "").lifted_by(Lift::Override)],
        }
    }
}

/// What is said of an instance that is then left alone.
pub(in crate::step) fn not_asked(role: Role, why: &Problem) -> String {
    format!(
        "the {role} cannot be asked ({why}): when it is back, see first that its chat database is not ONLINE, for the backup's serves; `pchadr fence` closes it"
    )
}

/// The chat instances of the first data center that a site has.
pub(in crate::step) fn roles(site: &Site) -> impl Iterator<Item = Role> {
    let both = [Role::Primary, Role::PrimaryMirror].into_iter();
    both.filter(|role| site.chat(*role).is_some())
}

/// True for a database of the second data center that is open: nothing is left to lift of the fence,
/// and a primary side that is lost for good must not keep chat down.
pub(in crate::step) fn serves_alone(backup: &Observed<Database>) -> bool {
    backup.seen().is_some_and(Database::serves)
}
