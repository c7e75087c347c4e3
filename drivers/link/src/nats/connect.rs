//! The command CONNECT.

use serde::Serialize;

use super::config::{NatsConfig, NatsCredentials};

/// Appends the command.
pub(super) fn write(config: &NatsConfig, into: &mut Vec<u8>) {
    let json = serde_json::to_vec(&Connect::new(config)).expect("texts and flags are serialised");
    for part in [b"CONNECT ", &json[..], b"\r\n"] {
        into.extend_from_slice(part);
    }
}

/// The options of the command.
#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol has these")]
struct Connect<'a> {
    verbose: bool,
    pedantic: bool,
    protocol: u8,
    echo: bool,
    headers: bool,
    no_responders: bool,
    lang: &'static str,
    version: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<&'a str>,
}

impl<'a> Connect<'a> {
    fn new(config: &'a NatsConfig) -> Connect<'a> {
        let (auth_token, user, pass) = match &config.credentials {
            NatsCredentials::None => (None, None, None),
            NatsCredentials::Token(token) => (Some(token.expose()), None, None),
            NatsCredentials::Password { user, password } => (None, Some(user.as_str()), Some(password.expose())),
        };
        Connect {
            verbose: false,
            pedantic: false,
            protocol: 1,
            echo: config.echo,
            headers: true,
            no_responders: true,
            lang: "rust",
            version: env!("CARGO_PKG_VERSION"),
            name: &config.name,
            auth_token,
            user,
            pass,
        }
    }
}
