use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use nuncio_core::time::Time;
use serde::Serialize;

use super::config::NatsServerConfig;
use super::event::{NatsClientFault, NatsServerClosed, NatsServerEvent};
use super::parser::{Command, Connect, Parser};
use crate::buffer::Output;

/// One connection from a NATS client, without IO. See the [module](crate::nats).
///
/// The driver writes the output at once, because the server speaks first. It hands what it reads to
/// [`receive`](NatsServerLink::receive), polls the events, and writes what is queued. A message for a subscription is handed
/// to [`deliver`](NatsServerLink::deliver) while the link [wants messages](NatsServerLink::wants_messages). At the time of
/// [`poll_timeout`](NatsServerLink::poll_timeout) it calls [`handle_timeout`](NatsServerLink::handle_timeout).
///
/// ```
/// use nuncio_core::time::Time;
/// use nuncio_link::nats::{NatsServerConfig, NatsServerEvent, NatsServerLink};
///
/// let now = Time(1_700_000_000_000_000);
/// let mut link = NatsServerLink::new(NatsServerConfig::default(), now);
/// let mut bytes = Vec::new();
/// link.take_output(&mut bytes);
/// assert!(bytes.starts_with(b"INFO {"));
///
/// link.receive(now, b"CONNECT {\"verbose\":false}\r\nPING\r\nSUB job.* workers 7\r\n");
/// let subscribed = link.poll_event();
/// assert!(matches!(subscribed, Some(NatsServerEvent::Subscribe { subject, .. }) if subject == "job.*"));
/// assert!(link.deliver("7", "job.echo", None, b"hello"));
/// bytes.clear();
/// link.take_output(&mut bytes);
/// assert_eq!(bytes, b"PONG\r\nMSG job.echo 7 5\r\nhello\r\n");
/// ```
pub struct NatsServerLink {
    config: NatsServerConfig,
    parser: Parser,
    output: Output,
    options: Connect,
    subscriptions: BTreeMap<String, Subscription>,
    /// Whether the stream has ended behind the bytes of the parser.
    ended: bool,
    is_open: bool,
    /// Whether CONNECT has come.
    is_connected: bool,
    /// When the connection was accepted, when the client last sent something, or was last sent a PING.
    active: Time,
    /// The number of PINGs since the client last sent something.
    unanswered: u32,
    /// The end, until it is taken.
    end: Option<NatsServerClosed>,
}

#[derive(Default)]
struct Subscription {
    delivered: u64,
    /// After how many messages it ends.
    max: Option<u64>,
}

/// What a client is told first.
#[derive(Serialize)]
struct Info<'a> {
    server_id: &'a str,
    server_name: &'a str,
    version: &'static str,
    proto: u8,
    headers: bool,
    max_payload: usize,
}

/// How many bytes of answers to pings and of acknowledgements may wait to be written until no more input is processed. The
/// client alone decides how many there are.
const MAX_ANSWERS: usize = 16 * 1024;

impl NatsServerLink {
    /// Returns a link for a connection that was just accepted. INFO is queued.
    pub fn new(config: NatsServerConfig, now: Time) -> NatsServerLink {
        let mut output = Output::default();
        write_info(&config, &mut output);
        NatsServerLink {
            parser: Parser::new(config.max_line, config.max_payload),
            output,
            options: Connect::default(),
            subscriptions: BTreeMap::new(),
            ended: false,
            is_open: true,
            is_connected: false,
            active: now,
            unanswered: 0,
            end: None,
            config,
        }
    }

    /// Takes bytes that the client has sent.
    pub fn receive(&mut self, now: Time, bytes: &[u8]) {
        if self.is_open {
            self.parser.push(bytes);
            if self.is_connected {
                (self.active, self.unanswered) = (now, 0);
            }
        }
    }

    /// Notes that the client will send no more bytes.
    pub fn receive_end(&mut self) {
        self.ended = true;
    }

    /// Returns the next event.
    pub fn poll_event(&mut self) -> Option<NatsServerEvent> {
        loop {
            if !self.is_open {
                return self.end.take().map(NatsServerEvent::Closed);
            }
            if !self.wants_input() {
                return None;
            }
            match self.parser.next() {
                Ok(None) if self.ended => self.finish(NatsServerClosed::Ended),
                Ok(None) => return None,
                Ok(Some(command)) => match self.command(command) {
                    Ok(None) => {}
                    Ok(event) => return event,
                    Err(fault) => self.fail(fault),
                },
                Err(fault) => self.fail(fault),
            }
        }
    }

    /// Returns when [`handle_timeout`](NatsServerLink::handle_timeout) is due, or `None` once the link has ended.
    pub fn poll_timeout(&self) -> Option<Time> {
        let within = if self.is_connected { self.config.ping_interval } else { self.config.connect_within };
        self.is_open.then(|| self.active.plus(within))
    }

    /// Ends the link if the client has not sent CONNECT in time or has answered none of its pings, and queues a PING for a
    /// silent one.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return;
        }
        if !self.is_connected {
            self.fail(NatsClientFault::NotConnected);
        } else if self.unanswered >= self.config.unanswered_pings {
            self.fail(NatsClientFault::Silent(self.unanswered));
        } else {
            (self.active, self.unanswered) = (now, self.unanswered + 1);
            write(&mut self.output, &[b"PING\r\n"]);
        }
    }

    /// Ends the link because of a fault that the driver has found, of which the client is told.
    pub fn close(&mut self, fault: NatsClientFault) {
        if self.is_open {
            self.fail(fault);
        }
    }

    /// Returns false while so many answers wait to be written that no input is processed.
    pub fn wants_input(&self) -> bool {
        self.output.own() <= MAX_ANSWERS
    }

    /// Returns false while so many bytes wait to be written that no message should be [delivered](NatsServerLink::deliver).
    pub fn wants_messages(&self) -> bool {
        self.output_len() <= self.config.max_output
    }

    /// Queues a message of a subscription, unless the subscription has ended. Returns whether the client wants more of them;
    /// if not, the driver ends the subscription, as after [`Unsubscribe`](NatsServerEvent::Unsubscribe).
    pub fn deliver(&mut self, sid: &str, subject: &str, reply: Option<&str>, payload: &[u8]) -> bool {
        let (is_wanted, wants_more) = self.count(sid);
        if !is_wanted {
            return false;
        }
        let (space, reply): (&[u8], &[u8]) = reply.map_or((&[], &[]), |reply| (b" ", reply.as_bytes()));
        let length = payload.len().to_string();
        let parts = [b"MSG ", subject.as_bytes(), b" ", sid.as_bytes(), space, reply, b" ", length.as_bytes(), b"\r\n"];
        write(&mut self.output, &parts);
        write(&mut self.output, &[payload, b"\r\n"]);
        wants_more
    }

    /// Tells the client that its request on a subject has no subscriber, if it wants to know. `reply` is the subject of the
    /// answer, and `sid` the subscription of the client to it. Returns whether the client wants more of that subscription, as
    /// [`deliver`](NatsServerLink::deliver) does.
    pub fn no_responders(&mut self, sid: &str, reply: &str) -> bool {
        const HEADERS: &[u8] = b"NATS/1.0 503\r\n\r\n";
        if !(self.options.headers && self.options.no_responders) {
            return self.subscriptions.contains_key(sid);
        }
        let (is_wanted, wants_more) = self.count(sid);
        if !is_wanted {
            return false;
        }
        let length = HEADERS.len().to_string();
        let length = length.as_bytes();
        write(
            &mut self.output,
            &[b"HMSG ", reply.as_bytes(), b" ", sid.as_bytes(), b" ", length, b" ", length, b"\r\n"],
        );
        write(&mut self.output, &[HEADERS, b"\r\n"]);
        wants_more
    }

    /// Tells the client that something that it has asked for was refused. The connection goes on. Line breaks and quotes of
    /// the text are replaced.
    pub fn refuse(&mut self, text: &str) {
        if self.is_open {
            self.error(text);
        }
    }

    /// Moves the bytes that wait to be written to the end of `into`.
    pub fn take_output(&mut self, into: &mut Vec<u8>) {
        self.output.take(into);
    }

    /// Returns how many bytes wait to be written.
    pub fn output_len(&self) -> usize {
        self.output.buffer.len()
    }

    /// Returns the memory that the link holds, in bytes, without that of its constant size and of its subscriptions.
    pub fn bytes_held(&self) -> usize {
        self.parser.bytes_held() + self.output.buffer.capacity()
    }

    fn command(&mut self, command: Command) -> Result<Option<NatsServerEvent>, NatsClientFault> {
        match command {
            Command::Connect(options) => {
                if options.tls_required {
                    return Err(NatsClientFault::Unsupported("TLS"));
                }
                if !options.echo {
                    return Err(NatsClientFault::Unsupported("a connection without its own messages"));
                }
                self.options = options;
                self.is_connected = true;
                self.acknowledge();
                Ok(None)
            }
            Command::Ping => {
                self.answer(b"PONG\r\n");
                Ok(None)
            }
            Command::Pong => Ok(None),
            Command::Subscribe { sid, subject, group } => {
                let count = self.subscriptions.len();
                match self.subscriptions.entry(sid.clone()) {
                    Entry::Occupied(_) => return Err(NatsClientFault::Line("a SUB with a name that is taken")),
                    Entry::Vacant(_) if count >= self.config.max_subscriptions => {
                        return Err(NatsClientFault::TooManySubscriptions { max: self.config.max_subscriptions });
                    }
                    Entry::Vacant(entry) => drop(entry.insert(Subscription::default())),
                }
                self.acknowledge();
                Ok(Some(NatsServerEvent::Subscribe { sid, subject, group }))
            }
            Command::Unsubscribe { sid, max } => {
                self.acknowledge();
                // It may have got its last message already.
                let Some(subscription) = self.subscriptions.get_mut(&sid) else { return Ok(None) };
                subscription.max = max;
                if max.is_some_and(|max| subscription.delivered < max) {
                    return Ok(None);
                }
                self.subscriptions.remove(&sid);
                Ok(Some(NatsServerEvent::Unsubscribe { sid }))
            }
            Command::Publish { subject, reply, headers, payload } => {
                self.acknowledge();
                Ok(Some(NatsServerEvent::Publish { subject, reply, headers, payload }))
            }
        }
    }

    /// Counts a message for a subscription. Returns whether the client wants it, and whether it wants more.
    fn count(&mut self, sid: &str) -> (bool, bool) {
        let Some(subscription) = self.subscriptions.get_mut(sid).filter(|_| self.is_open) else {
            return (false, false);
        };
        subscription.delivered += 1;
        let wants_more = subscription.max.is_none_or(|max| subscription.delivered < max);
        if !wants_more {
            self.subscriptions.remove(sid);
        }
        (true, wants_more)
    }

    fn acknowledge(&mut self) {
        if self.options.verbose {
            self.answer(b"+OK\r\n");
        }
    }

    fn answer(&mut self, bytes: &[u8]) {
        let before = self.output.buffer.len();
        write(&mut self.output, &[bytes]);
        self.output.count_own(before);
    }

    fn error(&mut self, text: &str) {
        let text: String =
            text.chars().map(|each| if each.is_control() || each == '\'' { ' ' } else { each }).take(256).collect();
        self.answer(format!("-ERR '{text}'\r\n").as_bytes());
    }

    fn fail(&mut self, fault: NatsClientFault) {
        self.error(&fault.text());
        self.finish(fault.into());
    }

    fn finish(&mut self, end: NatsServerClosed) {
        self.is_open = false;
        self.end = Some(end);
        self.parser.clear();
        self.subscriptions.clear();
    }
}

impl fmt::Debug for NatsServerLink {
    /// Shows no messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsServerLink")
            .field("is_open", &self.is_open)
            .field("subscriptions", &self.subscriptions.len())
            .field("output", &self.output_len())
            .finish_non_exhaustive()
    }
}

fn write_info(config: &NatsServerConfig, output: &mut Output) {
    let NatsServerConfig { name, max_payload, .. } = config;
    let info = Info {
        server_id: name,
        server_name: name,
        version: env!("CARGO_PKG_VERSION"),
        proto: 1,
        headers: true,
        max_payload: *max_payload,
    };
    let json = serde_json::to_vec(&info).expect("texts and flags are serialised");
    write(output, &[b"INFO ", &json, b"\r\n"]);
}

fn write(output: &mut Output, parts: &[&[u8]]) {
    let output = output.buffer.tail();
    for part in parts {
        output.extend_from_slice(part);
    }
}
