//! SQL Server Browser: which port a named instance listens on (SSRP, UDP 1434).
//!
//! The service does not answer for a name that it does not know. So the second of two questions
//! also asks for everything it knows: only then is "not listed" told from "silent".

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::net::UdpSocket;
use tokio::time::Instant;

/// Its port.
pub(super) const PORT: u16 = 1434;

/// How long each of the two questions waits for its answer.
pub(super) const WAIT: Duration = Duration::from_secs(1);

/// What the browser says of an instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    /// It listens there.
    Port(u16),
    /// It has TCP turned off.
    NoTcp,
    /// The browser knows others; their names.
    NotListed(Vec<String>),
    /// No answer.
    Silent,
}

/// Asks the browser of a host, at all its addresses at once.
pub(super) async fn find(
    addresses: &[IpAddr],
    port: u16,
    instance: &str,
    wait: Duration,
) -> Answer {
    let mut asking: FuturesUnordered<_> = addresses
        .iter()
        .map(|address| ask(*address, port, instance, wait))
        .collect();
    let mut best = Answer::Silent;
    while let Some(answer) = asking.next().await {
        if matches!(answer, Answer::Port(_)) {
            return answer;
        }
        best = best.min(answer);
    }
    best
}

async fn ask(address: IpAddr, port: u16, instance: &str, wait: Duration) -> Answer {
    let own: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let Ok(socket) = UdpSocket::bind((own, 0)).await else {
        return Answer::Silent;
    };
    // Connected: datagrams from elsewhere are not taken for the answer.
    if socket.connect((address, port)).await.is_err() {
        return Answer::Silent;
    }
    let mut by_name = vec![0x04];
    by_name.extend_from_slice(instance.as_bytes());
    by_name.push(0);
    let rounds: [&[&[u8]]; 2] = [&[&by_name], &[&by_name, &[0x03]]];
    let mut known = Answer::Silent;
    for (round, questions) in rounds.into_iter().enumerate() {
        for question in questions {
            // A lost datagram and one that was never sent look alike.
            let _ = socket.send(question).await;
        }
        let end = Instant::now() + wait;
        let mut datagram = vec![0; 65_535];
        while let Ok(Ok(length)) = tokio::time::timeout_at(end, socket.recv(&mut datagram)).await {
            let listed = read(datagram.get(..length).unwrap_or_default());
            let named = listed
                .iter()
                .find(|entry| entry.name.eq_ignore_ascii_case(instance));
            match named {
                Some(entry) => return entry.port.map_or(Answer::NoTcp, Answer::Port),
                // The first question gets an answer to its name only, or none.
                None if round > 0 && !listed.is_empty() => {
                    known = Answer::NotListed(listed.into_iter().map(|e| e.name).collect());
                    break;
                }
                None => {}
            }
        }
    }
    known
}

/// An instance as the browser lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    name: String,
    port: Option<u16>,
}

/// Reads an answer: `05`, length (two bytes, little-endian), then `key;value;…;;` for each instance.
/// What is malformed lists nothing.
fn read(datagram: &[u8]) -> Vec<Listed> {
    let [0x05, low, high, body @ ..] = datagram else {
        return Vec::new();
    };
    let Some(body) = body.get(..usize::from(u16::from_le_bytes([*low, *high]))) else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(body);
    let mut parts = text.split(';');
    let mut all = Vec::new();
    let mut name = None;
    let mut port = None;
    loop {
        let key = parts.next();
        match key {
            // An empty key ends an instance.
            None | Some("") => {
                if let Some(name) = name.take() {
                    all.push(Listed { name, port });
                }
                port = None;
                if key.is_none() {
                    return all;
                }
            }
            Some(key) => {
                let value = parts.next().unwrap_or_default();
                if key.eq_ignore_ascii_case("InstanceName") {
                    name = Some(value.to_owned()).filter(|name| !name.is_empty());
                } else if key.eq_ignore_ascii_case("tcp") {
                    port = value.parse().ok().filter(|port| *port != 0);
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use proptest::prelude::*;

    const CHAT: &str = r"ServerName;SQL3;InstanceName;CHAT;IsClustered;No;Version;12.0.2000.8;tcp;50123;np;\\SQL3\pipe\MSSQL$CHAT\sql\query;;";
    const QUIET: &str = "ServerName;SQL3;InstanceName;QUIET;IsClustered;No;Version;12.0.2000.8;;";

    fn datagram(text: &str) -> Vec<u8> {
        let mut bytes = vec![5];
        bytes.extend_from_slice(&u16::try_from(text.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    /// A browser that leaves the first `deaf` questions without an answer, and knows these.
    async fn browser(known: &'static [(&'static str, &'static str)], deaf: usize) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut bytes = [0; 64];
            let mut heard = 0;
            loop {
                let (length, from) = socket.recv_from(&mut bytes).await.unwrap();
                heard += 1;
                if heard <= deaf {
                    continue;
                }
                let answer: String = if bytes[0] == 3 {
                    known.iter().map(|(_, text)| *text).collect()
                } else {
                    let name = String::from_utf8_lossy(&bytes[1..length - 1]).to_uppercase();
                    let found = known.iter().find(|(known, _)| *known == name);
                    found.map_or_else(String::new, |(_, text)| (*text).to_owned())
                };
                if !answer.is_empty() {
                    socket.send_to(&datagram(&answer), from).await.unwrap();
                }
            }
        });
        address
    }

    async fn find_at(address: SocketAddr, instance: &str) -> Answer {
        let wait = Duration::from_millis(300);
        find(&[address.ip()], address.port(), instance, wait).await
    }

    #[tokio::test]
    async fn the_port_of_a_named_instance_is_found_in_any_case() {
        let address = browser(&[("CHAT", CHAT)], 0).await;
        assert_eq!(find_at(address, "chat").await, Answer::Port(50123));
    }

    #[tokio::test]
    async fn one_lost_question_is_asked_again() {
        let address = browser(&[("CHAT", CHAT)], 1).await;
        assert_eq!(find_at(address, "chat").await, Answer::Port(50123));
    }

    #[tokio::test]
    async fn a_browser_that_does_not_know_the_name_is_told_from_a_silent_one() {
        let address = browser(&[("CHAT", CHAT), ("QUIET", QUIET)], 0).await;
        let names = vec!["CHAT".to_owned(), "QUIET".to_owned()];
        assert_eq!(find_at(address, "mail").await, Answer::NotListed(names));
        assert_eq!(find_at(address, "quiet").await, Answer::NoTcp);
        let deaf = browser(&[("CHAT", CHAT)], usize::MAX).await;
        assert_eq!(find_at(deaf, "chat").await, Answer::Silent);
    }

    #[tokio::test]
    async fn a_closed_port_is_silent() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        drop(socket);
        assert_eq!(find_at(address, "chat").await, Answer::Silent);
    }

    #[test]
    fn an_answer_of_several_instances_is_read() {
        let listed = read(&datagram(&format!("{CHAT}{QUIET}")));
        let ports: Vec<_> = listed.iter().map(|entry| entry.port).collect();
        assert_eq!(ports, [Some(50123), None]);
    }

    #[test]
    fn a_length_beyond_the_datagram_lists_nothing() {
        let mut bytes = datagram(CHAT);
        bytes[1] += 1;
        assert_eq!(read(&bytes), []);
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            read(&bytes);
        }

        #[test]
        fn no_text_panics_the_reader(text in "(InstanceName|tcp|[a-z;0-9]{0,5}|;){0,20}") {
            let listed = read(&datagram(&text));
            prop_assert!(listed.iter().all(|entry| !entry.name.is_empty()));
        }
    }
}
