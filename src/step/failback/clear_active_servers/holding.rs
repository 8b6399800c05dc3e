//! Chat servers that keep sessions though none is active, and the services that keep them
//! (`steps.md` 6, B1; 8: whether idle servers do so is not known).

use serde::Serialize;
use serde_json::json;

use crate::access::Access;
use crate::site::Site;
use crate::step::command::{Command, Hole, HoleType, Values};
use crate::step::observe::Observed;
use crate::step::observe::pool::{self, ChatService};
use crate::step::observe::sessions::Holder;
use crate::step::observe::sessions::is_from;

/// A server that holds on.
#[derive(Debug, Serialize)]
pub(super) struct Holding {
    /// Its whole name.
    pub(super) server: String,
    /// It holds the compliance database.
    pub(super) compliance: bool,
    pub(super) services: Observed<Vec<ChatService>>,
}

/// Server and short name of a service.
pub(in crate::step) type Service = (String, String);

/// The servers behind these sessions; with each session stands whether it is on the compliance
/// database.
pub(super) async fn look(
    access: &Access,
    servers: &[String],
    sessions: &[(Holder, bool)],
) -> Vec<Holding> {
    let mut holding = Vec::new();
    for server in servers {
        let own = std::slice::from_ref(server);
        let (mut holds, mut compliance) = (false, false);
        for (holder, on_compliance) in sessions {
            if is_from(holder, own) {
                holds = true;
                compliance |= on_compliance;
            }
        }
        if holds {
            holding.push(Holding {
                server: server.clone(),
                compliance,
                services: pool::chat_services(access, server).await,
            });
        }
    }
    holding
}

/// The services that run and keep the sessions: the chat service; the compliance service too, where
/// the server holds the compliance database and no event waits there.
pub(super) fn to_stop(holding: &[Holding], drained: bool) -> Vec<Service> {
    let mut services = Vec::new();
    for server in holding {
        for service in server.services.seen().into_iter().flatten() {
            let keeps = !service.compliance || (server.compliance && drained);
            if let (Some(name), true, true) = (&service.name, keeps, service.runs == Some(true)) {
                services.push((server.server.clone(), name.clone()));
            }
        }
    }
    services
}

/// Servers that hold on though no service of theirs is seen to run, and why, where that is known.
pub(super) fn not_told(holding: &[Holding]) -> Vec<(&str, String)> {
    let mut servers = Vec::new();
    for it in holding {
        if to_stop(std::slice::from_ref(it), true).is_empty() {
            let why = it.services.unknown().map(|why| format!(" ({why})"));
            servers.push((it.server.as_str(), why.unwrap_or_default()));
        }
    }
    servers
}

/// True where one of them holds the compliance database.
pub(super) fn has_compliance(holding: &[Holding]) -> bool {
    holding.iter().any(|it| it.compliance)
}

pub(in crate::step) fn describe(services: &[Service]) -> String {
    let named = services
        .iter()
        .map(|(server, service)| format!("{service} on {server}"));
    named.collect::<Vec<_>>().join(", ")
}

/// `Stop-CsWindowsService` or `Start-CsWindowsService`, for one service of one server.
pub(in crate::step) fn change(
    cmdlet: &'static str,
    site: &Site,
    sample: Option<String>,
) -> Command {
    let server = sample
        .or_else(|| site.chat_servers().next().map(ToString::to_string))
        .unwrap_or_else(|| "pc5.dc2.litwareinc.com".to_owned());
    Command::powershell(
        cmdlet,
        vec![
            ("Name", json!("{service}")),
            ("ComputerName", json!("{server}")),
            ("Confirm", json!(false)),
        ],
        vec![
            Hole::new(
                "service",
                HoleType::Text,
                "Name that Get-CsWindowsService gives the service whose DisplayName has `Persistent Chat`, or `Persistent Chat Compliance`",
                "RTCCHAT",
            ),
            Hole::new("server", HoleType::Text, "FQDN of the server", server),
        ],
    )
}

/// Values of that command.
pub(in crate::step) fn values(service: &Service) -> Values {
    Values::from([
        ("server".to_owned(), json!(service.0)),
        ("service".to_owned(), json!(service.1)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compliance_service_is_to_stop_only_where_its_database_is_held_and_only_one_that_runs() {
        let service = |name: &str, compliance, runs| ChatService {
            name: Some(name.to_owned()),
            compliance,
            runs,
        };
        let holding = |compliance, runs| {
            vec![Holding {
                server: "pc5".to_owned(),
                compliance,
                services: Observed::Seen(vec![
                    service("CHAT", false, runs),
                    service("COMPLIANCE", true, runs),
                ]),
            }]
        };
        let names = |holding: &[Holding]| describe(&to_stop(holding, true));
        assert_eq!(names(&holding(false, Some(true))), "CHAT on pc5");
        assert_eq!(
            names(&holding(true, Some(true))),
            "CHAT on pc5, COMPLIANCE on pc5"
        );
        assert_eq!(names(&holding(true, Some(false))), "");
        assert_eq!(names(&holding(true, None)), "");
        // Events wait for it.
        let waited_for = to_stop(&holding(true, Some(true)), false);
        assert_eq!(describe(&waited_for), "CHAT on pc5");
        // Somebody has to stop it by hand.
        assert!(not_told(&holding(true, Some(true))).is_empty());
        let by_hand = holding(true, None);
        assert_eq!(not_told(&by_hand), [("pc5", String::new())]);
    }
}
