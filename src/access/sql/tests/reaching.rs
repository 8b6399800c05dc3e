//! Names, ports and addresses, over real sockets.

use std::net::SocketAddr;

use tokio::net::{TcpListener, UdpSocket};
use tokio::time::Instant;

use super::*;

async fn dial(tcp: &Tcp) -> Result<(), Failure> {
    match tcp.dial(BACKUP).await {
        Ok(_) => Ok(()),
        Err(cause) => Err(cause.downcast::<Failure>().unwrap()),
    }
}

fn tcp(server: &str) -> Tcp {
    let servers = BTreeMap::from([(BACKUP, server.parse().unwrap())]);
    Tcp::new(servers, 5 * SECOND)
}

/// A browser that gives this port for the instance CHAT.
async fn browser(port: u16) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut bytes = [0; 64];
        loop {
            let (length, from) = socket.recv_from(&mut bytes).await.unwrap();
            let wanted = bytes[..length] == *b"\x04chat\0" || bytes[..length] == *b"\x03";
            if wanted {
                let text = format!("ServerName;SQL3;InstanceName;CHAT;tcp;{port};;");
                let length = u16::try_from(text.len()).unwrap().to_le_bytes();
                let answer = [&[5, length[0], length[1]], text.as_bytes()].concat();
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    });
    address
}

#[tokio::test]
async fn a_named_instance_is_found_through_its_browser() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let browser = browser(port).await;
    let tcp = tcp(r"localhost\chat").with_browser(browser.port());
    assert_eq!(tcp.peer(BACKUP), None);
    dial(&tcp).await.unwrap();
    let host = "localhost".to_owned();
    assert_eq!(tcp.peer(BACKUP), Some(Peer { host, port }));
}

#[tokio::test]
async fn a_stated_port_wins() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let misleading = browser(1).await;
    let tcp = tcp(&format!(r"127.0.0.1\chat,{port}")).with_browser(misleading.port());
    dial(&tcp).await.unwrap();
    assert_eq!(tcp.peer(BACKUP).unwrap().port, port);
}

#[tokio::test]
async fn an_instance_that_is_not_listed_is_told_with_those_that_are() {
    let browser = browser(1433).await;
    let tcp = tcp(r"127.0.0.1\mail").with_browser(browser.port());
    let failure = dial(&tcp).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "SQL Server Browser on `127.0.0.1` knows no instance `mail`, only CHAT"
    );
}

#[tokio::test]
async fn a_silent_browser_is_told() {
    let deaf = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let tcp = tcp(r"127.0.0.1\chat").with_browser(deaf.local_addr().unwrap().port());
    let began = Instant::now();
    let host = "127.0.0.1".to_owned();
    let refused = None;
    assert_eq!(
        dial(&tcp).await,
        Err(Failure::BrowserSilent { host, refused })
    );
    assert!(began.elapsed() < 4 * SECOND);
}

#[tokio::test]
async fn where_no_browser_answers_the_port_of_the_last_look_is_tried_and_its_refusal_is_no_death() {
    let deaf = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tcp = tcp(r"127.0.0.1\chat")
        .with_browser(deaf.local_addr().unwrap().port())
        .with_recorded(BTreeMap::from([(BACKUP, port)]));
    dial(&tcp).await.unwrap();
    assert_eq!(tcp.peer(BACKUP).unwrap().port, port);
    // Its host lives: it may have started again at another port.
    drop(listener);
    let failure = dial(&tcp).await.unwrap_err();
    let (host, refused) = ("127.0.0.1".to_owned(), Some(port));
    assert_eq!(failure, Failure::BrowserSilent { host, refused });
    assert_eq!(failure.life(), Life::Unknown);
}

#[tokio::test]
async fn a_refused_connection_is_told_with_its_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let tcp = tcp(&format!("127.0.0.1,{}", address.port()));
    let address = address.to_string();
    assert_eq!(
        dial(&tcp).await,
        Err(Failure::ConnectionRefused { address })
    );
}

#[tokio::test]
async fn a_name_without_an_address_is_told() {
    let failure = dial(&tcp("no-such-host.invalid,1433")).await.unwrap_err();
    // A machine without DNS may wait for one instead; that says no more.
    assert!(
        matches!(&failure, Failure::NameNotFound { host, .. } if host == "no-such-host.invalid"),
        "{failure}"
    );
    assert_eq!(failure.life(), Life::Unknown);
}

/// A full accept queue drops what comes next, on Linux.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_host_that_does_not_answer_costs_the_connect_limit() {
    use socket2::{Domain, Socket, Type};

    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let _first = tokio::net::TcpStream::connect(address).await.unwrap();
    let server = format!("127.0.0.1,{}", address.port()).parse().unwrap();
    let tcp = Tcp::new(BTreeMap::from([(BACKUP, server)]), SECOND / 2);
    let failure = dial(&tcp).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        format!(
            "not reachable: no answer from `127.0.0.1` on port {} within 0.5 s",
            address.port()
        )
    );
}
