use super::*;
use crate::model::states::{MirroringRole, MirroringState};
use crate::step::observe::Observed;
use crate::step::observe::database::Database;
use crate::step::sample::{in_short, mirrored, online, restoring, unknown};

fn judged(principal: Observed<Database>, mirror: Observed<Database>, beside: bool) -> Standing {
    let compliance = Compliance::of(principal, mirror, beside);
    MirrorCompliance::judge(&Facts(Some(compliance)))
}

fn told_by(standing: &Standing) -> Vec<Option<&str>> {
    match standing {
        Standing::Blocked { blocks } => {
            assert!(blocks.iter().all(|it| it.lift == Lift::Override));
            blocks.iter().map(|it| it.cleared_by.as_deref()).collect()
        }
        Standing::Satisfied { .. } | Standing::Pending { .. } | Standing::Unknown(_) => Vec::new(),
    }
}

#[test]
fn what_keeps_compliance_from_its_mirror_is_an_interlock_and_said_by_one_step_only() {
    let seen = |row: Database| Observed::Seen(row);
    let none = || Observed::Absent;
    for (principal, mirror, beside, said_by) in [
        // Its own: somebody's data lies there; an instance of its own is silent.
        (seen(online()), seen(online()), true, None),
        (seen(online()), unknown(), false, None),
        // F6 says that the instance of the chat mirror is silent, F7 that the database does not serve.
        (seen(online()), unknown(), true, Some("install-mirror")),
        (seen(restoring()), none(), true, Some("set-active-servers")),
        (none(), none(), true, Some("set-active-servers")),
        (unknown(), none(), true, Some("set-active-servers")),
    ] {
        let standing = judged(principal, mirror, beside);
        assert_eq!(in_short(&standing), NO_MIRROR);
        assert_eq!(told_by(&standing), [said_by]);
    }
}

#[test]
fn it_is_done_once_both_are_in_step() {
    let in_state = |state| {
        let principal = mirrored(online(), MirroringRole::Principal, state, "SQL4");
        let standing = judged(Observed::Seen(principal), Observed::Seen(restoring()), true);
        in_short(&standing)
    };
    assert_eq!(in_state(MirroringState::Synchronized), "satisfied");
    assert_eq!(in_state(MirroringState::Synchronizing), "underway");
    assert_eq!(in_state(MirroringState::Suspended), NO_MIRROR);
    let to_do = judged(Observed::Seen(online()), Observed::Absent, true);
    assert_eq!(in_short(&to_do), "pending");
    assert_eq!(
        in_short(&MirrorCompliance::judge(&Facts(None))),
        "satisfied"
    );
}
