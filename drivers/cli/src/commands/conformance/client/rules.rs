//! The rules for clients, each a function of what was recorded.

use std::collections::BTreeSet;

use serde_json::Value;

use super::play::{BURST, CREDENTIALS, INTERVAL, LEFT_OUT, QUIET};
use super::recording::{Moment, Recording, resumed};
use crate::commands::conformance::finding::{Judged, Level, broken, expect, not_offered};
use crate::commands::conformance::frame::{dotted, is_terminal, kind, seq, text};

/// A rule for clients.
pub(super) struct ClientRule {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) level: Level,
    pub(super) sentence: &'static str,
    /// How the types begin of the frames that show it.
    pub(super) about: &'static [&'static str],
    pub(super) judge: fn(&Recording) -> Judged,
}

macro_rules! client_rules {
    ($($level:ident $section:literal $name:ident $about:expr, $sentence:literal;)+) => {
        pub(super) const RULES: &[ClientRule] = &[$(ClientRule {
            section: $section,
            name: stringify!($name),
            level: Level::$level,
            sentence: $sentence,
            about: &$about,
            judge: $name,
        }),+];
    };
}

client_rules! {
    Described "§5" envelopes [""], "Every message is a JSON object with arcp, id, type and payload.";
    Described "§5" ids ["session.hello", "session.ack", "job."], "Every message has an id of its own.";
    Must "§5" unknown_members ["job.accepted", "session.pong", "x-"], "Unknown members of envelopes are ignored, as are messages and events of unknown kinds.";
    Described "§6.1" hello_first ["session.hello", "session.resume", "job.submit"], "The first frame of a connection is a hello or a resume.";
    Described "§6.1" bearer ["session.hello"], "The hello has a bearer token.";
    Described "§6.2" hello ["session.hello"], "The hello names the client, its version and its features.";
    Described "§6.2" waits_for_welcome ["session.", "job.submit"], "Nothing is sent between the hello and the welcome.";
    Described "§6.2" session_id ["session.", "job.submit"], "Frames after the welcome name its session, or none.";
    Must "§6.2" negotiated ["session.welcome", "session.list_jobs", "job.subscribe", "job.unsubscribe"], "No feature is used that the welcome has not acknowledged.";
    Described "§6.3" newest_token ["session.hello", "session.resume", "session.welcome"], "A resume presents the newest token.";
    Described "§6.3" last_number ["session.hello", "session.resume", "job.event"], "A resume presents the number of the last event that was received.";
    Must "§6.4" pings ["session.ping", "session.pong"], "Every ping is answered with a pong that repeats its nonce, within one interval.";
    Should "§6.4" idle ["session.ping", "session.pong", "session.ack", "x-"], "The client sends something at least once in an interval, even while it is idle.";
    Described "§6.5" acks ["session.ack"], "Acknowledgements do not go back, nor beyond what was received.";
    Should "§6.5" few_acks ["session.ack"], "Not every event of a burst is acknowledged by itself.";
    Described "§6.7" close ["session.close", "session.bye", "job.result"], "The client ends its session with session.close.";
    Described "§6.7" nothing_after_close ["session.", "job.submit"], "Nothing but pongs follows session.close.";
    Described "§7.1" submit ["job.submit"], "A submit names an agent, and its members have the types of the specification.";
    Should "§7.7" resumes ["session.hello", "session.resume", "session.welcome"], "After a lost connection the client resumes its session.";
    Should "§8.3" gap ["job.event", "session.hello"], "A missing event_seq makes the client resume.";
    Must "§9.8.1" unknown_schemes ["job.accepted", "job.result", "session.ping", "session.pong", "session.close"], "A credential of an unknown scheme is ignored: the client goes on with the job.";
    Must "§14" credentials_stay ["job."], "The value of a credential is not sent back.";
}

fn envelopes(recording: &Recording) -> Judged {
    expect(!recording.moments().any(|moment| *moment == Moment::Garbage), || "a message is no JSON object".to_owned())?;
    let bad = recording.received().find(|frame| {
        !text(frame, "/arcp").starts_with('1')
            || text(frame, "/id").is_empty()
            || kind(frame).is_empty()
            || !frame["payload"].is_object()
    });
    bad.map_or(Ok(()), |frame| broken(format!("a {} lacks one of them", kind(frame))))
}

fn ids(recording: &Recording) -> Judged {
    let mut known = BTreeSet::new();
    let repeated = recording.received().map(|frame| text(frame, "/id")).find(|id| !known.insert(*id));
    repeated.map_or(Ok(()), |_| broken("two messages have the same id"))
}

/// Returns whether a pong followed the burst of events, behind which a ping was sent.
fn has_read(recording: &Recording) -> bool {
    let read = |frame: &Value| text(frame, "/payload/ping_nonce").starts_with("read_");
    recording.received_of("session.pong").any(read)
}

fn unknown_members(recording: &Recording) -> Judged {
    if recording.sent_of("job.accepted").next().is_none() {
        return not_offered("the client submits no job");
    }
    expect(has_read(recording) || recording.connections() > 1, || {
        "the client is silent after frames with unknown members, types and kinds".to_owned()
    })
}

fn hello_first(recording: &Recording) -> Judged {
    let bad = recording.greetings().find(|(_, frame)| !matches!(kind(frame), "session.hello" | "session.resume"));
    bad.map_or(Ok(()), |(_, frame)| broken(format!("it is {}", kind(frame))))
}

fn first_hello(recording: &Recording) -> Judged<&Value> {
    recording.received_of("session.hello").next().map_or_else(|| broken("no hello comes"), Ok)
}

fn bearer(recording: &Recording) -> Judged {
    let hello = first_hello(recording)?;
    expect(text(hello, "/payload/auth/scheme") == "bearer", || "auth.scheme is not bearer".to_owned())?;
    expect(!text(hello, "/payload/auth/token").is_empty(), || "auth.token is missing".to_owned())
}

fn hello(recording: &Recording) -> Judged {
    let hello = first_hello(recording)?;
    for member in ["/payload/client/name", "/payload/client/version"] {
        expect(!text(hello, member).is_empty(), || format!("{} is missing", dotted(member)))?;
    }
    let features = hello.pointer("/payload/capabilities/features").and_then(Value::as_array);
    expect(features.is_some_and(|names| names.iter().all(Value::is_string)), || {
        "capabilities.features is no list of names".to_owned()
    })
}

fn waits_for_welcome(recording: &Recording) -> Judged {
    for connection in 1..=recording.connections() {
        let before = recording.of(connection).take_while(|moment| moment.sent().is_none());
        let early = before.filter_map(Moment::received).nth(1);
        expect(early.is_none(), || format!("{} follows the hello at once", early.map(kind).unwrap_or_default()))?;
    }
    Ok(())
}

fn session_id(recording: &Recording) -> Judged {
    let mut session = "";
    for moment in recording.moments() {
        match moment {
            Moment::Sent(frame) if kind(frame) == "session.welcome" => session = text(frame, "/session_id"),
            Moment::Opened => session = "",
            Moment::Received(frame) if !session.is_empty() => {
                let named = text(frame, "/session_id");
                expect(named.is_empty() || named == session, || format!("a {} names another session", kind(frame)))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn negotiated(recording: &Recording) -> Judged {
    let used = recording.received().find(|frame| LEFT_OUT.iter().any(|(_, types)| types.contains(&kind(frame))));
    used.map_or(Ok(()), |frame| broken(format!("{} is sent", kind(frame))))
}

/// The connections that follow a loss, with what their greetings resume.
fn resumes_of(recording: &Recording) -> impl Iterator<Item = (usize, Option<(String, String, u64)>)> {
    recording
        .greetings()
        .filter(|(connection, _)| *connection > 1)
        .map(|(connection, frame)| (connection, resumed(frame)))
}

fn newest_token(recording: &Recording) -> Judged {
    let mut found = not_offered("the client does not resume");
    for (connection, resumed) in resumes_of(recording) {
        let (Some((_, token, _)), Some(welcome)) = (resumed, recording.welcome_before(connection)) else { continue };
        expect(token == text(welcome, "/payload/resume_token"), || "it presents an older token".to_owned())?;
        found = Ok(());
    }
    found
}

fn last_number(recording: &Recording) -> Judged {
    let mut found = not_offered("the client does not resume");
    for (connection, resumed) in resumes_of(recording) {
        let Some((.., number)) = resumed else { continue };
        let due = recording.number_before(connection);
        expect(number == due, || format!("it presents {number}; {due} was received"))?;
        found = Ok(());
    }
    found
}

fn pings(recording: &Recording) -> Judged {
    let mut judged = 0;
    for connection in 1..=recording.connections() {
        let moments: Vec<&Moment> = recording.of(connection).collect();
        let late = INTERVAL.as_secs();
        for (place, moment) in moments.iter().enumerate() {
            let Some(nonce) =
                moment.sent().filter(|frame| kind(frame) == "session.ping").map(|frame| text(frame, "/payload/nonce"))
            else {
                continue;
            };
            let rest = moments.get(place..).unwrap_or_default();
            let is_pong = |moment: &&&Moment| {
                moment
                    .received()
                    .is_some_and(|frame| kind(frame) == "session.pong" && text(frame, "/payload/ping_nonce") == nonce)
            };
            let answered = rest.iter().any(|moment| is_pong(&moment));
            // Two pings of the runtime are an interval apart or more.
            let next =
                rest.iter().skip(1).any(|moment| moment.sent().is_some_and(|frame| kind(frame) == "session.ping"));
            expect(answered || !next, || format!("a ping is not answered within {late} s"))?;
            judged += usize::from(answered);
        }
    }
    if judged > 0 { Ok(()) } else { not_offered("the client leaves before a pong is due") }
}

fn idle(recording: &Recording) -> Judged {
    let spoken = recording.moments().find_map(|moment| match moment {
        Moment::Quiet { has_spoken } => Some(*has_spoken),
        _ => None,
    });
    match spoken {
        Some(true) => Ok(()),
        Some(false) => broken(format!(
            "without pings of the runtime the client sends nothing for {} s; the interval is {} s",
            QUIET.as_secs(),
            INTERVAL.as_secs()
        )),
        None => not_offered("the client does not offer heartbeat, or does not read the events of a job"),
    }
}

fn acks(recording: &Recording) -> Judged {
    let (mut sent, mut acked, mut any) = (0, 0, false);
    for moment in recording.moments() {
        match moment {
            Moment::Sent(frame) => sent = sent.max(seq(frame).unwrap_or(0)),
            Moment::Received(frame) if kind(frame) == "session.ack" => {
                let Some(number) = frame["payload"]["last_processed_seq"].as_u64() else {
                    return broken("last_processed_seq is no number");
                };
                expect(number >= acked, || format!("{number} follows {acked}"))?;
                expect(number <= sent, || format!("{number} is acknowledged, but {sent} was the last to be sent"))?;
                (acked, any) = (number, true);
            }
            _ => {}
        }
    }
    if any { Ok(()) } else { not_offered("the client does not acknowledge") }
}

fn few_acks(recording: &Recording) -> Judged {
    let acks = recording.received_of("session.ack").count();
    match acks {
        0 => not_offered("the client does not acknowledge"),
        _ => expect(acks <= BURST / 2, || format!("{acks} acknowledgements come for a burst of {BURST} events")),
    }
}

fn close(recording: &Recording) -> Judged {
    let byes = recording.received().filter(|frame| matches!(kind(frame), "session.close" | "session.bye"));
    match byes.map(kind).last() {
        Some("session.close") => Ok(()),
        Some(other) => broken(format!("it sends {other}")),
        None => broken("the connection just ends"),
    }
}

fn nothing_after_close(recording: &Recording) -> Judged {
    let is_close = |moment: &&Moment| moment.is_received("session.close") || moment.is_received("session.bye");
    let Some(place) = recording.moments().position(|moment| is_close(&moment)) else {
        return not_offered("the client does not close its session");
    };
    let after = recording.moments().skip(place + 1).filter_map(Moment::received);
    let late = after.map(kind).find(|name| *name != "session.pong");
    late.map_or(Ok(()), |name| broken(format!("{name} follows")))
}

fn submit(recording: &Recording) -> Judged {
    let mut found = not_offered("the client submits no job");
    for frame in recording.received_of("job.submit") {
        let payload = &frame["payload"];
        let bare = text(payload, "/agent").split('@').next().unwrap_or_default();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        expect(!bare.is_empty() && bare.chars().all(fits), || "agent is no name of an agent".to_owned())?;
        for member in ["lease_request", "lease_constraints"] {
            expect(payload[member].is_null() || payload[member].is_object(), || format!("{member} is no object"))?;
        }
        let key = &payload["idempotency_key"];
        expect(key.is_null() || key.as_str().is_some_and(|key| !key.is_empty()), || {
            "idempotency_key is no text".to_owned()
        })?;
        found = Ok(());
    }
    found
}

fn was_cut(recording: &Recording) -> Judged {
    let cut = recording.moments().any(|moment| *moment == Moment::Cut);
    if cut { Ok(()) } else { not_offered("the client submits no job, so its connection was not cut") }
}

fn resumes(recording: &Recording) -> Judged {
    was_cut(recording)?;
    match resumes_of(recording).next() {
        None => broken("the client does not come back"),
        Some((connection, resumed)) => {
            let welcome =
                recording.welcome_before(connection).map(|frame| text(frame, "/session_id")).unwrap_or_default();
            let Some((session, ..)) = resumed else { return broken("the client opens a new session") };
            expect(session.is_empty() || session == welcome, || "it resumes another session".to_owned())
        }
    }
}

fn gap(recording: &Recording) -> Judged {
    let numbers: Vec<u64> = recording.moments().filter_map(Moment::sent).filter_map(seq).collect();
    let skipped = numbers.windows(2).any(|pair| matches!(pair, [one, two] if *two > one + 1));
    if !skipped {
        return not_offered("the client does not come back after the first loss");
    }
    expect(recording.connections() > 2, || "the client goes on as if nothing were missing".to_owned())
}

/// Requires that the client was sent credentials.
fn has_credentials(recording: &Recording) -> Judged {
    let shown = recording.sent_of("job.accepted").any(|frame| frame["payload"]["credentials"].is_array());
    if shown { Ok(()) } else { not_offered("the client does not offer provisioned_credentials, or submits no job") }
}

fn unknown_schemes(recording: &Recording) -> Judged {
    has_credentials(recording)?;
    let answers = |frame: &Value| text(frame, "/payload/ping_nonce").starts_with("accepted_");
    let is_alive = recording.received_of("session.pong").any(answers) || recording.connections() > 1;
    expect(is_alive, || "the client is silent after a job.accepted with such a credential".to_owned())?;
    let mut moments = recording.moments();
    let is_close = |moment: &Moment| moment.is_received("session.close") || moment.is_received("session.bye");
    let is_end = |moment: &Moment| moment.sent().is_some_and(is_terminal);
    let first = moments.find(|moment| is_close(moment) || is_end(moment));
    expect(!first.is_some_and(is_close), || "the client closes its session before the job has ended".to_owned())
}

fn credentials_stay(recording: &Recording) -> Judged {
    has_credentials(recording)?;
    let echoed = recording.received().find(|frame| {
        let frame = frame.to_string();
        CREDENTIALS.iter().any(|value| frame.contains(value))
    });
    echoed.map_or(Ok(()), |frame| broken(format!("a {} contains it", kind(frame))))
}
