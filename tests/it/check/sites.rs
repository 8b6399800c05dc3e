//! The table of sites.

use pchadr::check::Verdict;
use pchadr::cli::rehearse::Stage;
use pchadr::model::Role;
use pchadr::rehearsal::lab::Event;
use pchadr::rehearsal::manner::Manner;
use pchadr::rehearsal::simulated::{Logs, Recipe};
use pchadr::rehearsal::world::{Backup, PrimarySide, Start};

use super::{Row, down, failed_over, in_step, normal, varied, with};

use Verdict::{NotReady, Ready, ReadyWithLoss, Unknown};

pub(super) type Prepare = fn(&Stage);
const AS_IT_IS: Prepare = |_| ();

/// A site by its name, how it begins, what happens to it, and what both runbooks say.
pub(super) type Case = (&'static str, Recipe, Prepare, Row);

pub(super) fn sites() -> Vec<Case> {
    vec![
        ("normal", normal(), AS_IT_IS, [Ready, ReadyWithLoss, Ready]),
        (
            "lag",
            varied(|_| ()),
            AS_IT_IS,
            [Ready, ReadyWithLoss, Ready],
        ),
        (
            "a log backup missing",
            with(varied(|_| ()), "log-gap"),
            AS_IT_IS,
            [NotReady, ReadyWithLoss, Ready],
        ),
        (
            "share gone",
            with(normal(), "share-gone"),
            AS_IT_IS,
            [NotReady, NotReady, Ready],
        ),
        (
            "share closed to the engines",
            with(normal(), "share-closed"),
            AS_IT_IS,
            [Ready, ReadyWithLoss, Ready],
        ),
        (
            "half alive: the primary dead, its mirror alive",
            normal(),
            |stage| down(stage, Role::Primary),
            [NotReady, ReadyWithLoss, NotReady],
        ),
        (
            "the primary answers garbage",
            normal(),
            |stage| {
                let answer = Event::Answer(Role::Primary, Manner::Garbage);
                stage.simulated.happen(answer);
            },
            [Unknown, ReadyWithLoss, NotReady],
        ),
        (
            "the first data center dead",
            Recipe {
                start: Start::Disaster,
                ..normal()
            },
            AS_IT_IS,
            [NotReady, ReadyWithLoss, NotReady],
        ),
        (
            "backup mirror down",
            with(normal(), "mirror-down"),
            AS_IT_IS,
            [NotReady, NotReady, Ready],
        ),
        (
            "backup down",
            normal(),
            |stage| down(stage, Role::Backup),
            [Unknown, Unknown, NotReady],
        ),
        (
            "no PowerShell",
            with(normal(), "powershell-missing"),
            AS_IT_IS,
            [NotReady, NotReady, NotReady],
        ),
        (
            "the Central Management Store dead",
            with(normal(), "store-dead"),
            AS_IT_IS,
            [NotReady, NotReady, NotReady],
        ),
        (
            "wrong password",
            varied(|options| {
                in_step(options);
                options.password = Some("another".to_owned());
            }),
            AS_IT_IS,
            [Unknown, Unknown, NotReady],
        ),
        (
            "no sysadmin",
            varied(|options| {
                in_step(options);
                options.sysadmin = false;
            }),
            AS_IT_IS,
            [NotReady, NotReady, NotReady],
        ),
        (
            "STANDBY",
            varied(|options| {
                in_step(options);
                options.backup = Backup::Standby;
            }),
            AS_IT_IS,
            [Ready, ReadyWithLoss, Ready],
        ),
        (
            "the backup's database created empty",
            varied(|options| {
                in_step(options);
                options.backup = Backup::CreatedEmpty;
            }),
            AS_IT_IS,
            [NotReady, NotReady, NotReady],
        ),
        (
            "failed over, the first data center rebuilt",
            failed_over(),
            AS_IT_IS,
            [NotReady, Ready, Ready],
        ),
        (
            "failed over, the first data center down",
            Recipe {
                vary: |options| options.primary = PrimarySide::Down,
                ..failed_over()
            },
            AS_IT_IS,
            [NotReady, Ready, NotReady],
        ),
        (
            "failed over, the first data center back as it was",
            Recipe::returned(Logs::Made(16)),
            AS_IT_IS,
            // The way home closes it.
            [NotReady, NotReady, Ready],
        ),
        (
            "failed over, the backup mirror lost",
            with(failed_over(), "mirror-down"),
            AS_IT_IS,
            [NotReady, NotReady, Ready],
        ),
    ]
}
