//! One execution of the program, and how it ended.

use std::pin::Pin;

use pchadr::access::Access;
use pchadr::cli::rehearse::Part;
use pchadr::run::event::RunFinished;
use pchadr::run::executor::Way;
use pchadr::run::executor::undo::NotUndone;
use pchadr::run::journal::JournalError;
use pchadr::run::store::Store;
use pchadr::step::terms::{AcceptedLoss, Terms};

use super::schedule::Consents;
use super::setting::Setting;
use crate::site::terms;

/// How an execution ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Finished(Box<RunFinished>),
    /// Nothing was sent, and nothing recorded.
    Refused(String),
    /// Its record cannot be written or read, or is another's.
    Broken(JournalError),
}

impl Ended {
    pub(crate) fn is_held(&self) -> bool {
        match self {
            Self::Refused(why) => why.contains("holds"),
            Self::Broken(JournalError::Refused { reason, .. }) => reason.contains("holds"),
            Self::Finished(_) | Self::Broken(_) => false,
        }
    }
}

pub(super) fn terms_of(consents: Consents) -> Terms {
    match consents {
        Consents::All => terms(),
        Consents::Options => Terms {
            yes: true,
            accepted: Some(AcceptedLoss::EndOfChain),
            ..Terms::default()
        },
        Consents::YesAlone => Terms {
            yes: true,
            ..Terms::default()
        },
    }
}

/// One execution of the program, with doors that close with it.
pub(super) fn execution<'a>(
    setting: &'a Setting,
    terms: Terms,
    access: Access,
    store: Box<dyn Store>,
    run: &'static str,
    way: Way,
) -> Pin<Box<dyn Future<Output = Ended> + 'a>> {
    Box::pin(async move {
        let drill = &setting.drill;
        let part = Part {
            site: &drill.site,
            plan: &drill.plan,
            terms: &terms,
            access: &access,
            saved: drill.saved.as_ref(),
            run,
        };
        let ended = match way {
            Way::On => part
                .execute(store, Vec::new())
                .await
                .map_err(NotUndone::Journal),
            Way::Back => part.abort(store).await,
        };
        match ended {
            Ok(finished) => Ended::Finished(Box::new(finished)),
            Err(NotUndone::Refused(problem)) => Ended::Refused(problem.why),
            Err(NotUndone::NoConsent(run)) => Ended::Refused(format!("no consent to undo {run}")),
            Err(NotUndone::Journal(error)) => Ended::Broken(error),
        }
    })
}

pub(crate) fn short(ended: &Ended) -> String {
    match ended {
        Ended::Finished(it) => {
            let why = it.error.as_ref().map(|it| it.why.as_str());
            let at = it.stopped_at.as_deref().unwrap_or("-");
            format!(
                "{:?}, exit {}, at {at}: {}",
                it.outcome,
                it.exit,
                why.unwrap_or("-")
            )
        }
        Ended::Refused(why) => format!("refused: {why}"),
        Ended::Broken(error) => format!("broken: {error}"),
    }
}
