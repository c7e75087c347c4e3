//! The servers themselves: they can be killed and started again, and keep their port and their data.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use nuncio_tests::peers::{Nats, Redis, wanted};

/// Sends a line and returns the line that the server answers or greets with.
pub(super) fn line(port: u16, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut lines = BufReader::new(stream).lines();
    lines.next()?.ok()
}

#[test]
fn a_nats_server_is_recent_and_starts_again_on_its_port() {
    if !wanted("a_nats_server_is_recent_and_starts_again_on_its_port") {
        return;
    }
    let mut nats = Nats::start(&["--auth", "secret"]);
    let port = nats.port();
    let info = line(port, "").expect("the server greets");
    let info: serde_json::Value = serde_json::from_str(info.trim_start_matches("INFO ")).expect("INFO is JSON");
    let version: Vec<u32> =
        info["version"].as_str().expect("a version").split('.').map(|part| part.parse().expect("a number")).collect();
    assert!(version >= vec![2, 10, 26], "{version:?}");
    assert_eq!(info["auth_required"], true);
    nats.kill();
    assert_eq!(line(port, ""), None, "a killed server does not listen");
    nats.restart();
    assert!(line(port, "").is_some_and(|greeting| greeting.starts_with("INFO ")));
    nats.stop();
    assert_eq!(line(port, ""), None, "a stopped server does not listen");
}

#[test]
fn a_redis_server_keeps_its_data_when_it_is_killed() {
    if !wanted("a_redis_server_keeps_its_data_when_it_is_killed") {
        return;
    }
    let mut redis = Redis::start(&[]);
    let port = redis.port();
    assert_eq!(line(port, "SET key value\r\n").as_deref(), Some("+OK"));
    redis.kill();
    assert_eq!(line(port, "PING\r\n"), None, "a killed server does not listen");
    redis.restart();
    assert_eq!(line(port, "STRLEN key\r\n").as_deref(), Some(":5"));
}
