//! Servers that nobody can be moved to.

use super::refused;

#[test]
fn a_chat_server_that_is_an_address_is_refused_with_its_line() {
    assert_eq!(
        refused(
            "backup = ['pc5.dc2.litwareinc.com', ",
            "backup = ['10.2.0.5', 'pc5.dc2.litwareinc.com', "
        ),
        ["5 pool.servers.backup: `10.2.0.5` is an address, no name"]
    );
    assert_eq!(
        refused("fqdn = 'pchat.litwareinc.com'", "fqdn = '10.2.0.5'"),
        ["2 pool.fqdn: `10.2.0.5` is an address, no name"]
    );
    // The names of the example have digits, and are none.
    super::accepted_with("");
}

#[test]
fn a_failover_to_servers_of_the_lost_data_center_alone_is_refused_and_beside_others_it_is_not() {
    let failed_over = "failed_over = ['pc5.dc2.litwareinc.com']";
    assert_eq!(
        refused(
            failed_over,
            "failed_over = ['pc1.dc1.litwareinc.com', 'PC2.dc1.litwareinc.com']"
        ),
        [
            "8 pool.active_servers.failed_over: every server for the failed-over state stands in the first data center, which is lost then"
        ]
    );
    let both = super::LEAST.replace(
        failed_over,
        "failed_over = ['pc1.dc1.litwareinc.com', 'pc6.dc2.litwareinc.com']",
    );
    assert!(super::parse(&both).is_ok());
}
