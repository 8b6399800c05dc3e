//! SQL Server Browser: tells over UDP at which port the instances of a machine listen (SSRP).

use std::fmt::Write;
use std::io;

use tokio::net::UdpSocket;

use super::prelogin::VERSION;

/// Requests: all instances of whoever hears it, of this machine, one instance of it.
const ALL_BROADCAST: u8 = 0x02;
const ALL: u8 = 0x03;
const ONE: u8 = 0x04;
/// The answer.
const LIST: u8 = 0x05;

/// No request is longer: its kind, a name of 32 bytes, a zero.
const LONGEST_REQUEST: usize = 34;

/// An instance that the browser knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Name of the machine.
    pub server: String,
    /// Of the instance; `MSSQLSERVER` for the default one.
    pub instance: String,
    /// Its TCP port.
    pub port: u16,
}

/// Answers requests at a socket until it fails or the future is dropped. What it does not know, it
/// leaves unanswered, as SQL Server Browser does.
///
/// # Errors
/// When the socket fails.
pub async fn browse(socket: &UdpSocket, instances: &[Listed]) -> io::Result<()> {
    // One byte more than fits, so that a longer request is seen to be one.
    let mut request = [0; LONGEST_REQUEST + 1];
    loop {
        let (length, client) = match socket.recv_from(&mut request).await {
            // Windows says of an earlier answer that nobody took it, or that a request was cut.
            Err(error) if tells_of_a_datagram(&error) => continue,
            received => received?,
        };
        if let Some(answer) = answer(&request[..length], instances) {
            // A client that cannot be reached asks again.
            let _ = socket.send_to(&answer, client).await;
        }
    }
}

/// Whether an error concerns one datagram and not the socket.
fn tells_of_a_datagram(error: &io::Error) -> bool {
    const MESSAGE_TOO_LONG: i32 = 10040; // WSAEMSGSIZE
    error.kind() == io::ErrorKind::ConnectionReset
        || (cfg!(windows) && error.raw_os_error() == Some(MESSAGE_TOO_LONG))
}

/// The answer to a request, if it has one.
fn answer(request: &[u8], instances: &[Listed]) -> Option<Vec<u8>> {
    let asked: Vec<&Listed> = match request {
        [ALL_BROADCAST | ALL] => instances.iter().collect(),
        [ONE, name @ ..] if request.len() <= LONGEST_REQUEST => {
            // Some clients leave the zero out.
            let name = name.strip_suffix(&[0]).unwrap_or(name);
            let known = |listed: &&Listed| listed.instance.as_bytes().eq_ignore_ascii_case(name);
            instances.iter().find(known).into_iter().collect()
        }
        _ => Vec::new(),
    };
    if asked.is_empty() {
        return None;
    }
    let [major, minor, high, low] = VERSION;
    let build = u16::from_be_bytes([high, low]);
    let mut list = String::new();
    for Listed {
        server,
        instance,
        port,
    } in asked
    {
        let _ = write!(
            list,
            "ServerName;{server};InstanceName;{instance};IsClustered;No;\
             Version;{major}.{minor}.{build}.0;tcp;{port};;"
        );
    }
    let length = u16::try_from(list.len()).ok()?;
    let mut answer = vec![LIST];
    answer.extend_from_slice(&length.to_le_bytes());
    answer.extend_from_slice(list.as_bytes());
    Some(answer)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    fn instances() -> Vec<Listed> {
        [("CHAT", 14_331), ("MSSQLSERVER", 1433)]
            .into_iter()
            .map(|(instance, port)| Listed {
                server: "SQL1".to_owned(),
                instance: instance.to_owned(),
                port,
            })
            .collect()
    }

    #[test]
    fn one_instance_is_found_by_its_name_in_any_case() {
        let list =
            "ServerName;SQL1;InstanceName;CHAT;IsClustered;No;Version;12.0.6024.0;tcp;14331;;";
        let expected = [&[5, 80, 0][..], list.as_bytes()].concat();
        for request in ["\u{4}chat\0", "\u{4}CHAT"] {
            let answer = answer(request.as_bytes(), &instances());
            assert_eq!(answer.unwrap(), expected, "{request:?}");
        }
    }

    #[test]
    fn all_instances_are_one_list() {
        for kind in [2, 3] {
            let answer = answer(&[kind], &instances()).unwrap();
            assert_eq!(u16::from_le_bytes([answer[1], answer[2]]), 166);
            let list = str::from_utf8(&answer[3..]).unwrap();
            assert_eq!(list.len(), 166);
            assert!(list.contains(";tcp;14331;;ServerName;SQL1;InstanceName;MSSQLSERVER;"));
        }
    }

    #[test]
    fn what_is_not_known_is_not_answered() {
        for request in [
            &b""[..],
            b"\x04other\0",
            b"\x04",
            b"\x03CHAT",
            b"\x0F\x01CHAT\0",
        ] {
            assert_eq!(answer(request, &instances()), None, "{request:?}");
        }
        assert_eq!(answer(&[ALL], &[]), None);
    }

    #[tokio::test]
    async fn a_client_asks_over_udp() {
        let browser = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(browser.local_addr().unwrap()).await.unwrap();
        let served = tokio::spawn(async move { browse(&browser, &instances()).await });
        client.send(&[0xFF; 200]).await.unwrap();
        client.send(b"\x04CHAT\0").await.unwrap();
        let mut answer = [0; 200];
        let received = client.recv(&mut answer);
        let second = Duration::from_secs(10);
        let length = tokio::time::timeout(second, received)
            .await
            .unwrap()
            .unwrap();
        assert!(answer[..length].ends_with(b";tcp;14331;;"));
        served.abort();
    }

    proptest! {
        #[test]
        fn no_request_panics(request in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = answer(&request, &instances());
        }
    }
}
