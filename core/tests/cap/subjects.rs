//! Subjects, topics and component ids.

use nuncio_core::cap::{ComponentId, InvalidSubject, Subject, Topic};

use crate::support::live;

#[test]
fn subjects_of_the_bus_are_parsed_and_written_again() {
    for fixture in live() {
        let text = fixture.subject.unwrap();
        assert_eq!(Subject::parse(&text).unwrap().to_string(), text);
    }
    for text in ["sys.job.progress", "sys.job.cancel", "sys.job.dlq", "sys.alert", "sys.workflow.event"] {
        let subject = Subject::parse(text).unwrap();
        assert!(!matches!(subject, Subject::Topic(_)));
        assert_eq!(subject.to_string(), text);
    }
    let direct = Subject::Direct(ComponentId::new("a.b").unwrap());
    assert_eq!(Subject::parse("worker.a.b.jobs"), Ok(direct));
}

#[test]
fn only_submitted_jobs_and_results_may_be_kept_in_a_stream() {
    let kept = |text: &str| Subject::parse(text).unwrap().is_durable();
    assert!(kept("sys.job.submit") && kept("sys.job.result"));
    for text in [
        "sys.worker.handshake.challenge",
        "sys.worker.handshake.authenticate",
        "sys.handshake",
        "sys.heartbeat",
        "sys.job.progress",
        "sys.job.cancel",
        "sys.alert",
        "job.echo",
        "worker.w.jobs",
    ] {
        assert!(!kept(text), "{text}");
    }
}

#[test]
fn what_cannot_be_a_topic_is_refused_with_its_reason() {
    use InvalidSubject::{Character, Empty, EmptyToken, Reserved, TooLong, Wildcard};
    let long = "a".repeat(257);
    let refused = [
        ("", Empty),
        (&*long, TooLong),
        ("job echo", Character),
        ("job\r\n", Character),
        ("jöb", Character),
        ("job.*", Wildcard),
        ("job.>", Wildcard),
        (".job", EmptyToken),
        ("job..echo", EmptyToken),
        ("job.", EmptyToken),
        ("sys.job.submit", Reserved),
        ("worker.w.jobs", Reserved),
        ("_INBOX.a", Reserved),
        ("$JS.API", Reserved),
    ];
    for (text, reason) in refused {
        assert_eq!(Topic::new(text), Err(reason), "{text}");
    }
    assert_eq!(Subject::parse("worker..jobs"), Err(Empty));
    assert_eq!(Subject::parse("sys.unknown"), Err(Reserved));
    assert_eq!(Topic::new(&long[1..]).unwrap().as_str().len(), 256);
    assert_eq!(ComponentId::new("worker 1"), Err(Character));
}
