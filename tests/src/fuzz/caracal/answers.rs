//! Answers of coordinators and token services.

use nuncio_core::caracal::{
    Answer, ApplicationId, Call, CallError, Delegate, EdgeId, IssuedToken, LeaseGeneration, SessionId, Spawn,
};
use nuncio_core::time::Time;

/// An answer is read as that to every call. Only a successful status, or a termination that has nothing to end, is an
/// answer, and a refusal keeps its status.
///
/// The first two bytes are the status; the rest is the body.
pub fn caracal_answers(data: &[u8]) {
    let Some((head, body)) = data.split_first_chunk::<2>() else { return };
    let status = u16::from_be_bytes(*head) % 600;
    let application = ApplicationId::new("app").expect("an id");
    let session = SessionId::new("s").expect("an id");
    let edge = EdgeId::new("e").expect("an id");
    let lease = LeaseGeneration::new(1).expect("a generation");
    let delegate = Delegate {
        issuer: application.clone(),
        source: session.clone(),
        target: session.clone(),
        receiver: application.clone(),
        scopes: Vec::new(),
        parent_edge: None,
        constraints: None,
        ttl: None,
    };
    let calls = [
        Call::Spawn(Spawn::new(application)),
        Call::Terminate { session: session.clone(), lease: None },
        Call::Heartbeat { session: session.clone(), lease },
        Call::AcquireLease { session: session.clone() },
        Call::Delegate(delegate),
        Call::Revoke { edge },
        Call::Inbound { session },
    ];
    for call in calls {
        match call.read(status, body) {
            Ok(Answer::Terminated { before: true }) => assert!(matches!(status, 404 | 409)),
            Ok(_) | Err(CallError::Malformed(_)) => assert!((200..300).contains(&status)),
            Err(CallError::Refused(fault)) => {
                assert_eq!(fault.status, status);
                let texts = [&fault.code, &fault.message, &fault.request_id];
                assert!(texts.into_iter().flatten().all(|text| text.len() <= 512));
                assert!(!fault.to_string().contains(char::is_control), "{fault}");
            }
        }
    }
    if let Ok(issued) = IssuedToken::read(status, body, Time(0)) {
        assert!((200..300).contains(&status));
        assert!(issued.token.to_authorization().expose().is_ascii());
    }
}
