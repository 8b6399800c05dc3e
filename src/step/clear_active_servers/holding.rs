//! Chat servers that keep sessions though none is active, and the services that keep them
//! (`steps.md` 6, B1; 8: whether idle servers do so is not known).

use serde::Serialize;
use serde_json::json;

use super::super::command::{Command, Hole, HoleType, Values};
use crate::access::Access;
use crate::site::Site;
use crate::step::end_connections::is_from;
use crate::step::observe::Observed;
use crate::step::observe::pool::{self, ChatService};
use crate::step::observe::sessions::Holder;

/// A server that holds on.
#[derive(Debug, Serialize)]
pub(super) struct Holding {
    /// Its whole name.
    server: String,
    /// It holds the compliance database.
    compliance: bool,
    services: Observed<Vec<ChatService>>,
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
        let label = server.split('.').next().unwrap_or(server).to_lowercase();
        let labels = std::slice::from_ref(&label);
        let (mut holds, mut compliance) = (false, false);
        for (holder, on_compliance) in sessions {
            if is_from(holder, labels) {
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
/// the server holds the compliance database.
pub(super) fn to_stop(holding: &[Holding]) -> Vec<Service> {
    let mut services = Vec::new();
    for server in holding {
        for service in server.services.seen().into_iter().flatten() {
            let keeps = !service.compliance || server.compliance;
            if let (Some(name), true, true) = (&service.name, keeps, service.runs == Some(true)) {
                services.push((server.server.clone(), name.clone()));
            }
        }
    }
    services
}

/// Servers whose services cannot be told.
pub(super) fn unseen(holding: &[Holding]) -> Vec<String> {
    holding
        .iter()
        .filter_map(|it| Some(format!("{} ({})", it.server, it.services.unknown()?)))
        .collect()
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
        let names = |holding: &[Holding]| describe(&to_stop(holding));
        assert_eq!(names(&holding(false, Some(true))), "CHAT on pc5");
        assert_eq!(
            names(&holding(true, Some(true))),
            "CHAT on pc5, COMPLIANCE on pc5"
        );
        assert_eq!(names(&holding(true, Some(false))), "");
        assert_eq!(names(&holding(true, None)), "");
    }
}
