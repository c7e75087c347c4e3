//! The server's side: with our client, with others, and with clients that break the protocol.

use nuncio_link::nats::{
    NatsClientFault, NatsConfig, NatsEvent, NatsLink, NatsServerClosed, NatsServerConfig, NatsServerEvent,
    NatsServerLink,
};

use super::support::{NOW, drain};

fn events(link: &mut NatsServerLink) -> Vec<NatsServerEvent> {
    std::iter::from_fn(|| link.poll_event()).collect()
}

fn written(link: &mut NatsServerLink) -> String {
    let mut bytes = Vec::new();
    link.take_output(&mut bytes);
    String::from_utf8(bytes).expect("the output of these tests is text")
}

/// Returns a link whose client has sent CONNECT with these options, and whose output is empty.
fn connected(config: NatsServerConfig, options: &str) -> NatsServerLink {
    let mut link = NatsServerLink::new(config, NOW);
    assert!(written(&mut link).starts_with("INFO {"), "the server speaks first");
    link.receive(NOW, format!("CONNECT {options}\r\n").as_bytes());
    assert_eq!(events(&mut link), []);
    written(&mut link);
    link
}

fn quiet() -> NatsServerLink {
    connected(NatsServerConfig::default(), r#"{"verbose":false,"headers":true,"no_responders":true}"#)
}

fn subscribe(sid: &str, subject: &str, group: Option<&str>) -> NatsServerEvent {
    NatsServerEvent::Subscribe { sid: sid.into(), subject: subject.into(), group: group.map(str::to_owned) }
}

fn publish(subject: &str, reply: Option<&str>, headers: &'static str, payload: &'static str) -> NatsServerEvent {
    NatsServerEvent::Publish {
        subject: subject.into(),
        reply: reply.map(str::to_owned),
        headers: headers.into(),
        payload: payload.into(),
    }
}

/// Moves what either side has written to the other, until there is nothing left.
fn exchange(client: &mut NatsLink, server: &mut NatsServerLink) -> (Vec<NatsEvent>, Vec<NatsServerEvent>) {
    let (mut of_client, mut of_server) = (Vec::new(), Vec::new());
    loop {
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        client.take_output(&mut to_server);
        server.take_output(&mut to_client);
        if to_server.is_empty() && to_client.is_empty() {
            return (of_client, of_server);
        }
        server.receive(NOW, &to_server);
        client.receive(NOW, &to_client);
        of_server.extend(events(server));
        of_client.extend(drain(client));
    }
}

#[test]
fn our_client_and_our_server_understand_each_other() {
    let mut client = NatsLink::new(NatsConfig::default(), NOW);
    let mut server = NatsServerLink::new(NatsServerConfig::default(), NOW);
    let (info, _) = exchange(&mut client, &mut server);
    assert!(matches!(&info[..], [NatsEvent::Info(info)] if info.headers && info.max_payload == 1 << 20), "{info:?}");
    client.login(NOW).expect("INFO has come");
    assert_eq!(exchange(&mut client, &mut server), (vec![NatsEvent::Ready], vec![]));

    client.subscribe(7, "job.*", Some("workers")).expect("it is valid");
    client.publish("job.echo", Some("_INBOX.1"), b"hello").expect("it is valid");
    let flush = client.flush().expect("the login was accepted");
    let (of_client, of_server) = exchange(&mut client, &mut server);
    assert_eq!(of_client, [NatsEvent::Flushed(flush)]);
    assert_eq!(
        of_server,
        [subscribe("7", "job.*", Some("workers")), publish("job.echo", Some("_INBOX.1"), "", "hello")]
    );

    assert!(server.deliver("7", "job.echo", Some("_INBOX.1"), b"\r\n\0"));
    assert!(server.no_responders("7", "job.none"));
    let (of_client, _) = exchange(&mut client, &mut server);
    let [NatsEvent::Message(message), NatsEvent::Message(nobody)] = &of_client[..] else { panic!("{of_client:?}") };
    assert_eq!((message.sid, &*message.subject, message.reply.as_deref()), (7, "job.echo", Some("_INBOX.1")));
    assert_eq!(message.payload, "\r\n\0");
    assert!(nobody.is_no_responders());

    client.unsubscribe(7).expect("the login was accepted");
    let (_, of_server) = exchange(&mut client, &mut server);
    assert_eq!(of_server, [NatsServerEvent::Unsubscribe { sid: "7".into() }]);
    server.receive_end();
    assert_eq!(events(&mut server), [NatsServerEvent::Closed(NatsServerClosed::Ended)]);
}

#[test]
fn commands_are_read_however_they_are_split_and_written() {
    let text = "sub\t a.>  7\r\nSUB b group x1\r\nPUB a 0\r\n\r\nHPUB a r.1 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPING\r\nUNSUB 7\r\n";
    let expected = [
        subscribe("7", "a.>", None),
        subscribe("x1", "b", Some("group")),
        publish("a", None, "", ""),
        publish("a", Some("r.1"), "NATS/1.0\r\n\r\n", "hi"),
        NatsServerEvent::Unsubscribe { sid: "7".into() },
    ];
    for size in 1..text.len() {
        let mut link = quiet();
        let mut seen = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            link.receive(NOW, piece);
            seen.extend(events(&mut link));
        }
        assert_eq!(seen, expected, "pieces of {size}");
        assert_eq!(written(&mut link), "PONG\r\n");
    }
}

#[test]
fn a_subscription_ends_after_as_many_messages_as_the_client_has_said() {
    let mut link = quiet();
    link.receive(NOW, b"SUB a 1\r\nUNSUB 1 2\r\n");
    assert_eq!(events(&mut link), [subscribe("1", "a", None)]);
    assert!(link.deliver("1", "a", None, b"first"));
    assert!(!link.deliver("1", "a", None, b"second"), "it was the last one");
    assert!(!link.deliver("1", "a", None, b"third"));
    assert_eq!(written(&mut link), "MSG a 1 5\r\nfirst\r\nMSG a 1 6\r\nsecond\r\n");
    // The maximum counts from the beginning, and may have been reached when it is named.
    link.receive(NOW, b"SUB a 2\r\n");
    assert_eq!(events(&mut link).len(), 1);
    assert!(link.deliver("2", "a", None, b""));
    link.receive(NOW, b"UNSUB 2 1\r\n");
    assert_eq!(events(&mut link), [NatsServerEvent::Unsubscribe { sid: "2".into() }]);
    // An answer that there is no subscriber counts as one.
    link.receive(NOW, b"SUB r 3\r\nUNSUB 3 1\r\n");
    assert_eq!(events(&mut link).len(), 1);
    assert!(!link.no_responders("3", "r"));
}

#[test]
fn a_verbose_client_gets_an_acknowledgement_for_each_command() {
    let mut link = connected(NatsServerConfig::default(), "{}");
    link.receive(NOW, b"SUB a 1\r\nPUB a 1\r\nx\r\nPING\r\nUNSUB 1\r\n");
    assert_eq!(events(&mut link).len(), 3);
    assert_eq!(written(&mut link), "+OK\r\n+OK\r\nPONG\r\n+OK\r\n");
    // A client that does not know headers is not told by them.
    assert!(!link.no_responders("1", "a"));
    assert_eq!(written(&mut link), "");
}

#[test]
fn a_client_that_breaks_the_protocol_is_told_and_closed() {
    use NatsClientFault::{Line, LineTooLong, Operation, PayloadTooLarge, TooManySubscriptions, Unsupported};
    let config = NatsServerConfig { max_payload: 10, max_line: 100, max_subscriptions: 2, ..Default::default() };
    let subject = Line("a message on a subject that is not valid");
    let message = Line("a message whose line cannot be read");
    let cases: [(&str, NatsClientFault); 22] = [
        ("GET / HTTP/1.1\r\n", Operation),
        ("\r\n", Operation),
        ("PUB a 11\r\n", PayloadTooLarge { bytes: 11, max: 10 }),
        ("PUB a 99999999999999999999999\r\n", message),
        ("PUB a\r\n", message),
        ("PUB a b c 1\r\n", message),
        ("PUB a -1\r\n", message),
        ("PUB a.* 0\r\n", subject),
        ("PUB a > 0\r\n", subject),
        ("PUB a..b 0\r\n", subject),
        ("PUB a 1\r\nxyz\r\n", Line("a payload that is longer than its line says")),
        ("HPUB a 5 4\r\n", message),
        ("HPUB a 0 4\r\n", message),
        ("SUB a\r\n", Line("a SUB that cannot be read")),
        ("SUB a.>.b 1\r\n", Line("a SUB that cannot be read")),
        ("SUB a 1;\r\n", Line("a name of a subscription that is not letters and digits")),
        ("SUB a 1\r\nSUB b 1\r\n", Line("a SUB with a name that is taken")),
        ("SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n", TooManySubscriptions { max: 2 }),
        ("UNSUB 1 x\r\n", Line("an UNSUB that cannot be read")),
        ("CONNECT {\r\n", Line("a CONNECT that cannot be read")),
        ("CONNECT {\"echo\":false}\r\n", Unsupported("a connection without its own messages")),
        ("CONNECT {\"tls_required\":true}\r\n", Unsupported("TLS")),
    ];
    for (text, fault) in cases {
        let mut link = connected(config.clone(), r#"{"verbose":false}"#);
        link.receive(NOW, text.as_bytes());
        assert_eq!(events(&mut link).last(), Some(&NatsServerEvent::Closed(fault.into())), "{text:?}");
        let told = written(&mut link);
        assert!(told.starts_with("-ERR '") && told.ends_with("'\r\n"), "{text:?}: {told:?}");
        link.receive(NOW, b"PING\r\n");
        assert_eq!((events(&mut link), written(&mut link)), (vec![], String::new()), "nothing follows the end");
    }
    let mut link = connected(config, r#"{"verbose":false}"#);
    link.receive(NOW, &[b'x'; 102]);
    assert_eq!(events(&mut link), [NatsServerEvent::Closed(LineTooLong { max: 100 }.into())]);
}

#[test]
fn memory_is_bounded_in_both_directions() {
    let config = NatsServerConfig { max_output: 100, ..NatsServerConfig::default() };
    let mut link = connected(config, r#"{"verbose":false}"#);
    link.receive(NOW, b"SUB a 1\r\n");
    assert_eq!(events(&mut link).len(), 1);
    assert!(link.wants_messages());
    link.deliver("1", "a", None, &[b'x'; 200]);
    assert!(!link.wants_messages());
    written(&mut link);
    assert!(link.wants_messages());
    // Answers to pings that the client does not read stop its input.
    link.receive(NOW, &b"PING\r\n".repeat(10_000));
    assert_eq!(events(&mut link), []);
    assert!(!link.wants_input() && link.output_len() < 20_000, "{}", link.output_len());
    let mut pongs = 0;
    while link.output_len() > 0 {
        pongs += written(&mut link).matches("PONG").count();
        assert_eq!(events(&mut link), []);
    }
    assert_eq!(pongs, 10_000);
}

#[test]
fn the_bytes_that_are_held_are_those_of_input_and_output() {
    let mut link = quiet();
    let before = link.bytes_held();
    link.receive(NOW, &[b"SUB a 1\r\nPUB a 2000\r\n", &[b'x'; 1_000][..]].concat());
    assert_eq!(events(&mut link), [subscribe("1", "a", None)], "the message is not complete");
    let held = link.bytes_held();
    assert!((1_000..10_000).contains(&held), "{held}, and {before} before");
    assert!(link.deliver("1", "a", None, &[b'x'; 10_000]));
    assert!((10_000 + held..100_000).contains(&link.bytes_held()), "{}", link.bytes_held());
}

#[test]
fn a_refusal_is_one_line_whatever_its_text_is() {
    let mut link = quiet();
    link.refuse("no 'such'\r\nMSG a 1 0");
    assert_eq!(written(&mut link), "-ERR 'no  such   MSG a 1 0'\r\n");
}

/// Values that are logged show how much there is, and nothing of what peers have sent.
#[test]
fn the_debug_text_of_a_link_shows_sizes_and_no_messages() {
    let mut link = quiet();
    link.receive(NOW, b"SUB secret.subject 1\r\nPUB secret.subject 14\r\nsecret payload\r\n");
    assert_eq!(events(&mut link).len(), 2);
    let shown = format!("{link:?}");
    assert!(shown.contains("is_open: true") && shown.contains("subscriptions: 1"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
}
