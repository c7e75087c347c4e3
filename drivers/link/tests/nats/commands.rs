//! Commands, and what is refused.

use nuncio_core::arcp::Secret;
use nuncio_link::nats::{InvalidSubject, NatsConfig, NatsCredentials, NatsEvent, NatsLink, NatsRefused};

use crate::support::{INFO, NOW, drain, output, ready};

fn connect(config: NatsConfig) -> String {
    let mut link = NatsLink::new(config, NOW);
    link.receive(NOW, INFO);
    drain(&mut link);
    link.login(NOW).expect("INFO has come");
    output(&mut link)
}

#[test]
fn connect_has_the_options_of_the_client() {
    let version = env!("CARGO_PKG_VERSION");
    let common = format!(
        "\"verbose\":false,\"pedantic\":false,\"protocol\":1,\"echo\":true,\"headers\":true,\"no_responders\":true,\
         \"lang\":\"rust\",\"version\":\"{version}\",\"name\":\"nuncio\""
    );
    assert_eq!(connect(NatsConfig::default()), format!("CONNECT {{{common}}}\r\nPING\r\n"));
    let credentials = NatsCredentials::Token(Secret::new("t\"\r\nPUB a 0"));
    let token = connect(NatsConfig { credentials, ..NatsConfig::default() });
    assert_eq!(token, format!("CONNECT {{{common},\"auth_token\":\"t\\\"\\r\\nPUB a 0\"}}\r\nPING\r\n"));
    let credentials = NatsCredentials::Password { user: "u".to_owned(), password: Secret::new("p") };
    let password = connect(NatsConfig { credentials, echo: false, ..NatsConfig::default() });
    assert!(password.contains("\"echo\":false") && password.contains("\"user\":\"u\",\"pass\":\"p\""), "{password}");
}

#[test]
fn the_debug_form_shows_no_secrets() {
    let credentials = NatsCredentials::Password { user: "u".to_owned(), password: Secret::new("s3cret") };
    let config = NatsConfig { credentials, ..NatsConfig::default() };
    assert!(!format!("{config:?} {:?}", NatsLink::new(config.clone(), NOW)).contains("s3cret"));
}

#[test]
fn commands_are_written_in_their_order() {
    let mut link = ready(NatsConfig::default());
    link.subscribe(1, "job.*", None).expect("it is valid");
    link.subscribe(2, "job.echo", Some("workers")).expect("it is valid");
    link.publish("job.echo", Some("_INBOX.a.1"), b"x\r\ny").expect("it is valid");
    link.publish("job.echo", None, b"").expect("it is valid");
    link.unsubscribe(1).expect("it is valid");
    let flush = link.flush().expect("few are open");
    assert_eq!(
        output(&mut link),
        "SUB job.* 1\r\nSUB job.echo workers 2\r\nPUB job.echo _INBOX.a.1 4\r\nx\r\ny\r\nPUB job.echo 0\r\n\r\n\
         UNSUB 1\r\nPING\r\n"
    );
    link.receive(NOW, b"PONG\r\n");
    assert_eq!(drain(&mut link), [NatsEvent::Flushed(flush)]);
}

#[test]
fn nothing_can_be_injected() {
    let mut link = ready(NatsConfig::default());
    for text in ["a b", "a\r\nPUB b 0\r\n", "a\tb", "", "a..b", "a\n"] {
        let wrong = |result: Result<(), NatsRefused>| {
            assert!(matches!(result, Err(NatsRefused::Subject { .. })), "{text:?}: {result:?}");
        };
        wrong(link.publish(text, None, b""));
        wrong(link.publish("a", Some(text), b""));
        wrong(link.subscribe(1, text, None));
        if text != "a..b" {
            wrong(link.subscribe(1, "a", Some(text)));
        }
    }
    let error = link.publish("a.*", None, b"").expect_err("it has a wildcard");
    let expected = NatsRefused::Subject { text: "a.*".to_owned(), what: "subject", error: InvalidSubject::Wildcard };
    assert_eq!(error, expected);
    assert_eq!(link.output_len(), 0);
}

#[test]
fn commands_need_a_login() {
    let mut link = NatsLink::new(NatsConfig::default(), NOW);
    assert_eq!(link.login(NOW), Err(NatsRefused::NotReady));
    link.receive(NOW, INFO);
    drain(&mut link);
    link.login(NOW).expect("INFO has come");
    assert_eq!(link.login(NOW), Err(NatsRefused::NotReady));
    assert_eq!(link.publish("a", None, b""), Err(NatsRefused::NotReady));
    assert_eq!(link.subscribe(1, "a", None), Err(NatsRefused::NotReady));
    assert_eq!(link.flush(), Err(NatsRefused::NotReady));
    link.close();
    assert_eq!(link.publish("a", None, b""), Err(NatsRefused::NotReady));
}

#[test]
fn the_limit_of_the_server_holds_for_payloads() {
    let mut link = ready(NatsConfig::default());
    assert_eq!(link.publish("a", None, &[0; 1000]), Ok(()));
    let refused = NatsRefused::PayloadTooLarge { bytes: 1001, max: 1000 };
    assert_eq!(link.publish("a", None, &[0; 1001]), Err(refused));
    link.receive(NOW, b"INFO {\"max_payload\":2000}\r\n");
    drain(&mut link);
    assert_eq!(link.publish("a", None, &[0; 1001]), Ok(()));
}

#[test]
fn the_output_is_bounded_but_always_takes_one_command() {
    let mut link = ready(NatsConfig { max_output: 40, ..NatsConfig::default() });
    assert_eq!(link.publish("a", None, &[b'x'; 500]), Ok(()));
    assert_eq!(link.publish("a", None, b""), Err(NatsRefused::OutputFull));
    output(&mut link);
    assert_eq!(link.publish("a", None, &[b'x'; 10]), Ok(()));
    assert_eq!(link.publish("a", None, &[b'x'; 10]), Err(NatsRefused::OutputFull));
    assert_eq!(output(&mut link), "PUB a 10\r\nxxxxxxxxxx\r\n");
}

#[test]
fn flushes_are_bounded() {
    let mut link = ready(NatsConfig { max_flushes: 2, ..NatsConfig::default() });
    let (first, second) = (link.flush().expect("few are open"), link.flush().expect("few are open"));
    assert_ne!(first, second, "each has an id of its own");
    assert_eq!(link.flush(), Err(NatsRefused::TooManyFlushes));
    link.receive(NOW, b"PONG\r\nPONG\r\n");
    assert_eq!(drain(&mut link), [NatsEvent::Flushed(first), NatsEvent::Flushed(second)]);
    let third = link.flush().expect("none is open");
    assert!(third != first && third != second, "an id is not used again");
}
