//! The builders of the requests of clients and agents.

use std::collections::BTreeMap;

use nuncio_shared::arcp::{
    ClientError, Config, Delegation, Denied, ErrorCode, Failure, JobContext, LeaseRequest, Namespace, RemoteFault,
    Submit,
};
use serde_json::{Value, json};

use super::client::Client;
use super::support::{builder, connect, memory_connector, within};

/// A value that cannot be written as JSON, whose keys must be strings.
fn unwritable() -> BTreeMap<Vec<u8>, u8> {
    BTreeMap::from([(vec![1], 2)])
}

#[test]
fn the_first_value_that_cannot_be_written_is_reported_by_submit_and_nothing_is_sent() {
    within(async {
        let server = builder().build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let submit = Submit::new("echo").lease(&unwritable()).input(&unwritable()).idempotency_key("k");
        let error = client.submit(&submit).await.unwrap_err();
        let ClientError::Invalid(invalid) = &error else { panic!("{error}") };
        assert_eq!(invalid.member(), "lease");
        assert_eq!(error.to_string(), "the lease cannot be written as JSON: key must be a string");
        // The key belongs to no request yet.
        client.submit(&Submit::new("echo").idempotency_key("k")).await.unwrap();
    });
}

#[test]
fn the_first_value_that_cannot_be_written_is_reported_by_delegate_and_nothing_runs() {
    within(async {
        let parent = |_: Value, ctx: JobContext| async move {
            let work = Delegation::new("echo").input(&unwritable()).lease(&json!({}));
            let Err(Denied::Fault(fault)) = ctx.delegate(&work).await else { return Ok(json!("it runs")) };
            Ok(json!([fault.code, fault.message]))
        };
        let server = builder().agent("parent", parent).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("parent").lease(&json!({"agent.delegate": ["echo"]}))).await.unwrap();
        let seen: Value = job.collect(1_000).await.unwrap().json().unwrap();
        assert_eq!(seen, json!(["INVALID_REQUEST", "the input cannot be written as JSON: key must be a string"]));
    });
}

#[test]
fn a_lease_may_be_typed_or_json_and_is_the_same_on_the_wire() {
    within(async {
        let shows = |_: Value, ctx: JobContext| async move { Ok(json!(ctx.lease())) };
        let server = builder().agent("shows", shows).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let json = json!({"fs.read": ["/ws/**", "/tmp/*"], "cost.budget": ["USD:1.50", "EUR:2"]});
        let request = LeaseRequest::new()
            .allow(Namespace::FsRead, "/ws/**")
            .budget("USD", "1.50")
            .allow(Namespace::FsRead, "/tmp/*")
            .budget("EUR", "2");
        let lease = request.build().unwrap();
        let submits = [
            Submit::new("shows").lease(&json),
            Submit::new("shows").lease(&request),
            Submit::new("shows").lease(&lease),
        ];
        for submit in submits {
            let mut job = client.submit(&submit).await.unwrap();
            assert_eq!(job.collect(1_000).await.unwrap().json::<Value>().unwrap(), json);
        }
    });
}

#[test]
fn a_typed_lease_that_breaks_a_rule_is_reported_by_submit() {
    within(async {
        let server = builder().build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let request = LeaseRequest::new().allow(Namespace::FsRead, "not/absolute");
        let error = client.submit(&Submit::new("echo").lease(&request)).await.unwrap_err();
        let ClientError::Invalid(_) = &error else { panic!("{error}") };
        assert!(error.to_string().contains("\"not/absolute\" of fs.read"), "{error}");
        // The runtime refuses it, because JSON text is not checked by the client.
        let error = client.submit(&Submit::new("echo").lease(&json!({"fs.read": ["not/absolute"]}))).await.unwrap_err();
        assert_eq!(error.fault().and_then(RemoteFault::known), Some(ErrorCode::InvalidRequest));
    });
}

/// Once a client has acknowledged events, a runtime expects it to go on with it, and reminds it when it does not.
#[test]
fn events_are_acknowledged_when_the_client_says_so() {
    async fn counts(to: u64, ctx: JobContext) -> Result<(), Failure> {
        for number in 0..to {
            ctx.metric("n", number).await?;
        }
        Ok(())
    }
    within(async {
        let config = Config::default().with(|config| config.limits.back_pressure = 4);
        let server = builder().config(config).agent("counts", counts).build().unwrap();
        let client = Client::over(memory_connector(&server), "tok-alice").auto_ack(None).connect().await.unwrap();
        let reminders = async || {
            let mut job = client.submit(&Submit::new("counts").input(&20)).await.unwrap();
            let mut reminders = 0;
            while let Some(event) = job.events().try_next().await.unwrap() {
                let body: Value = event.body.parse().unwrap();
                reminders += usize::from(body["phase"] == "back_pressure");
            }
            reminders
        };
        assert_eq!(reminders().await, 0, "it has acknowledged nothing");
        client.ack(None).unwrap();
        assert_eq!(reminders().await, 1);
        assert_eq!(reminders().await, 0, "it was reminded");
        client.ack(Some(1)).unwrap();
        assert_eq!(reminders().await, 0, "it had acknowledged more");
        client.ack(None).unwrap();
        assert_eq!(reminders().await, 1);
        client.close().await;
        assert!(client.ack(None).is_err(), "the session is over");
    });
}
