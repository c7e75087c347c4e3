//! Clients: waiting, dropping, stores.

use std::time::Duration;

use serde_json::Value;

use super::cap::{
    BlobStore as _, Bus as _, ClientRefused, JobContext, NoResult, ResultError, Submit, SubmitError, Worker,
};
use super::support::{Net, request};
use crate::on::within;

#[test]
fn the_input_is_stored_before_the_request_is_published() {
    within(async {
        let net = Net::new().await;
        let (client, _) = net.client();
        let mut job =
            client.submit(Submit::new("job.echo").job_id("job-1").input("hello").wait(Duration::ZERO)).await.unwrap();
        assert!(matches!(job.outcome().await, Err(NoResult::Unheard { .. })));
        assert_eq!(net.store.get("ctx:job-1", 99).await.unwrap().unwrap(), "\"hello\"");
        client.ready().await.unwrap();
        let seen = net.seen.lock().unwrap().clone();
        let submitted = seen.iter().find(|message| message.subject == "sys.job.submit");
        if let Some(message) = submitted {
            assert_eq!(request(message).context_ptr, "mem://ctx:job-1");
        }
    });
}

#[test]
fn a_job_is_awaited_once_by_its_id() {
    within(async {
        let net = Net::new().await;
        let (client, _) = net.client();
        let job = client.submit(Submit::new("job.echo").job_id("job-1")).await.unwrap();
        let again = client.submit(Submit::new("job.echo").job_id("job-1")).await;
        assert!(matches!(again, Err(SubmitError::Refused(ClientRefused::Known))));
        assert_eq!(client.awaited(), 1);
        drop(job);
        assert_eq!(client.awaited(), 0, "a handle that was dropped awaits nothing");
    });
}

#[test]
fn an_input_that_is_no_json_is_not_submitted() {
    within(async {
        let net = Net::new().await;
        let (client, _) = net.client();
        let by_number = std::collections::HashMap::from([(vec![1], 1)]);
        let submitted = client.submit(Submit::new("job.echo").input(&by_number)).await;
        assert!(matches!(submitted, Err(SubmitError::Input(_))));
        assert_eq!((client.awaited(), net.store.bytes_held()), (0, 0));
    });
}

#[test]
fn an_output_of_another_type_or_that_is_gone_is_an_error() {
    within(async {
        let net = Net::new().await;
        let (_worker, _) =
            net.worker(Worker::builder().job("job.echo", |_: JobContext, input: Value| async { Ok(input) })).await;
        let (client, _) = net.client();
        let mut job = client.submit(Submit::new("job.echo").job_id("job-1").input("text")).await.unwrap();
        assert!(matches!(job.result::<u8>().await, Err(ResultError::Decode(_))));
        net.store.delete("res:job-1").await.unwrap();
        assert!(matches!(job.result::<String>().await, Err(ResultError::Missing(at)) if at == "mem://res:job-1"));
    });
}

#[test]
fn a_closed_bus_ends_every_wait() {
    within(async {
        let net = Net::new().await;
        let (client, bus) = net.client();
        let mut job = client.submit(Submit::new("job.echo")).await.unwrap();
        bus.close().await;
        assert_eq!(job.outcome().await, Err(NoResult::Closed));
        assert!(client.ready().await.is_err());
        assert!(matches!(client.submit(Submit::new("job.echo")).await, Err(SubmitError::Closed)));
    });
}
