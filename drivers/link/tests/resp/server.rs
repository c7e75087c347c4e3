//! The server's side.

use std::time::Duration;

use nuncio_link::resp::{
    RespClientFault, RespCommand, RespConfig, RespLink, RespReply, RespRequest, RespServerConfig, RespServerLink,
};

fn written(link: &mut RespServerLink) -> String {
    let mut bytes = Vec::new();
    link.take_output(&mut bytes);
    String::from_utf8(bytes).expect("the output of these tests is text")
}

fn of(words: &[&str]) -> Vec<u8> {
    let words: Vec<String> = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{}", words.len(), words.concat()).into_bytes()
}

fn read(words: &[&str]) -> RespCommand {
    let mut link = RespServerLink::new(RespServerConfig::default());
    link.receive(&of(words));
    link.poll_command().expect("it is a command").expect("it is complete")
}

#[test]
fn our_client_and_our_server_understand_each_other() {
    let (mut client, mut server) =
        (RespLink::new(RespConfig::default()), RespServerLink::new(RespServerConfig::default()));
    let ttl = Some(Duration::from_millis(1500));
    let requests = [
        (RespRequest::Ping, RespCommand::Ping(None), RespReply::Simple("PONG".into())),
        (RespRequest::Select(3), RespCommand::Select(3), RespReply::Error("ERR there is only 0".into())),
        (RespRequest::Set { key: "k", value: b"\r\n\0", ttl }, set("k", "\r\n\0", ttl), RespReply::Simple("OK".into())),
        (RespRequest::Set { key: "k", value: b"", ttl: None }, set("k", "", None), RespReply::Simple("OK".into())),
        (RespRequest::Get("k"), RespCommand::Get("k".into()), RespReply::Bulk("\r\n\0".into())),
        (RespRequest::Get("none"), RespCommand::Get("none".into()), RespReply::Null),
        (RespRequest::Length("k"), RespCommand::Length("k".into()), RespReply::Integer(3)),
        (RespRequest::Delete("k"), RespCommand::Delete(vec!["k".into()]), RespReply::Integer(1)),
    ];
    let mut bytes = Vec::new();
    for (request, ..) in &requests {
        client.request(request, 1024).expect("few requests wait");
    }
    client.take_output(&mut bytes);
    // Byte by byte.
    let mut commands = Vec::new();
    for byte in bytes {
        server.receive(&[byte]);
        while let Some(command) = server.poll_command().expect("our client keeps the protocol") {
            commands.push(command);
        }
    }
    for ((_, expected, reply), command) in requests.iter().zip(&commands) {
        assert_eq!(command, expected);
        server.reply(reply);
    }
    assert_eq!(commands.len(), requests.len());
    let mut bytes = Vec::new();
    server.take_output(&mut bytes);
    client.receive(&bytes);
    for (.., reply) in requests {
        assert_eq!(client.poll_reply(), Ok(Some(reply)));
    }
}

fn set(key: &str, value: &'static str, ttl: Option<Duration>) -> RespCommand {
    RespCommand::Set { key: key.into(), value: value.into(), ttl }
}

#[test]
fn commands_are_read_in_any_case_and_others_are_named() {
    assert_eq!(read(&["set", "k", "v", "ex", "7"]), set("k", "v", Some(Duration::from_secs(7))));
    assert_eq!(read(&["Exists", "a", "b"]), RespCommand::Exists(vec!["a".into(), "b".into()]));
    assert_eq!(read(&["CLIENT", "SETINFO", "LIB-NAME", "x"]), RespCommand::Client);
    assert_eq!(read(&["PING", "x"]), RespCommand::Ping(Some("x".into())));
    assert_eq!(read(&["QUIT"]), RespCommand::Quit);
    assert_eq!(read(&["GETRANGE", "k", "0", "-1"]), RespCommand::Range { key: "k".into(), from: 0, to: -1 });
    for words in [
        &["HELLO", "3", "AUTH", "user", "password"][..],
        &["GET"],
        &["GET", "a", "b"],
        &["GETRANGE", "a", "0", "x"],
        &["SET", "a"],
        &["SET", "a", "b", "NX"],
        &["SET", "a", "b", "EX", "0"],
        &["SET", "a", "b", "EX", "-1"],
        &["SELECT", "x"],
        &["DEL"],
        &["CLIENT"],
        &[""],
    ] {
        let command = read(words);
        assert!(matches!(&command, RespCommand::Unknown(text) if text.starts_with("ERR ")), "{words:?}: {command:?}");
    }
}

#[test]
fn a_client_chooses_the_version_of_the_protocol() {
    assert_eq!(read(&["hello", "3"]), RespCommand::Hello(Some(3)));
    assert_eq!(read(&["HELLO"]), RespCommand::Hello(None));
    for version in ["1", "4", "x", ""] {
        let command = read(&["HELLO", version]);
        assert!(matches!(&command, RespCommand::Unknown(text) if text.starts_with("NOPROTO ")), "{command:?}");
    }
    let mut link = RespServerLink::new(RespServerConfig::default());
    let properties = [("server", RespReply::Bulk("x".into()))];
    link.greet(None, &properties);
    assert_eq!(written(&mut link), "*4\r\n$5\r\nproto\r\n:2\r\n$6\r\nserver\r\n$1\r\nx\r\n");
    link.greet(Some(3), &properties);
    link.reply(&RespReply::Null);
    assert_eq!(written(&mut link), "%2\r\n$5\r\nproto\r\n:3\r\n$6\r\nserver\r\n$1\r\nx\r\n_\r\n");
    link.greet(Some(2), &properties);
    link.reply(&RespReply::Null);
    assert!(written(&mut link).ends_with("$1\r\nx\r\n$-1\r\n"));
}

#[test]
fn what_is_no_command_ends_the_connection_and_the_client_is_told() {
    let config = RespServerConfig { max_line: 50, max_words: 4, max_command: 10 };
    let long = "x".repeat(60);
    let cases: [(&[u8], RespClientFault); 10] = [
        (b"PING\r\n", RespClientFault::NoCommand),
        (b"+OK\r\n", RespClientFault::NoCommand),
        (b"$4\r\nPING\r\n", RespClientFault::NoCommand),
        (b"*0\r\n", RespClientFault::NoCommand),
        (b"*-1\r\n", RespClientFault::NoCommand),
        (b"*1\r\n$x\r\n", RespClientFault::NoCommand),
        (b"*1\r\n$4\r\nPINGPONG\r\n", RespClientFault::NoCommand),
        (b"*5\r\n", RespClientFault::Limit),
        (b"*1\r\n*1\r\n", RespClientFault::Limit),
        (long.as_bytes(), RespClientFault::Limit),
    ];
    for (bytes, fault) in cases {
        let mut link = RespServerLink::new(config);
        link.receive(bytes);
        assert_eq!(link.poll_command(), Err(fault), "{bytes:?}");
        let told = written(&mut link);
        assert!(told.starts_with("-ERR Protocol error: ") && told.ends_with("\r\n"), "{told:?}");
        link.receive(&of(&["PING"]));
        assert_eq!(link.poll_command(), Err(fault), "nothing is read after it");
    }
    let mut link = RespServerLink::new(config);
    link.receive(&of(&["SET", "key", &long]));
    assert_eq!(link.poll_command(), Err(RespClientFault::TooLarge { max: 10 }));
    assert!(link.bytes_held() < 1024, "a value that is too large is not kept");
}

#[test]
fn a_reply_is_what_it_is_whatever_its_text_is() {
    let mut link = RespServerLink::new(RespServerConfig::default());
    link.reply(&RespReply::Error("ERR a\r\n+OK".into()));
    link.reply(&RespReply::Array(vec![RespReply::Null, RespReply::Integer(-1)]));
    assert_eq!(written(&mut link), "-ERR a  +OK\r\n*2\r\n$-1\r\n:-1\r\n");
}

#[test]
fn the_bytes_that_are_held_are_those_of_commands_and_replies() {
    let mut link = RespServerLink::new(RespServerConfig::default());
    assert_eq!(link.bytes_held(), 0);
    link.receive(b"*1\r\n$4\r\nPI");
    let held = link.bytes_held();
    assert!((10..1_000).contains(&held), "{held}");
    link.reply(&RespReply::Bulk(vec![b'x'; 10_000].into()));
    assert!((10_000 + held..100_000).contains(&link.bytes_held()), "{}", link.bytes_held());
}
