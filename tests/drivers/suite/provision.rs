//! Credentials are recorded, then shown, then revoked.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::client::Client;
use super::server::Server;
use super::support::{builder, connect, within};
use nuncio_shared::arcp::journal::{Journal, JournalError, MemoryJournal, Record, ReplayRange, Replayed};
use nuncio_shared::arcp::{
    AnyPrincipal, ClientError, ClientOptions, Config, Credential, ErrorCode, Fault, FinalStatus, Grant, JobContext,
    ListQuery, ListenOptions, Provisioner, RequestFailure, Revocation, Secret, Shutdown, Submit, Transport, Via,
};
use serde_json::{Value, json};
use smol::channel::{Receiver, Sender, unbounded};
use smol::lock::Semaphore;
use smol::net::TcpStream;

/// An issuer that reports its calls.
struct Issuer {
    told: Sender<String>,
    fail_revocations: AtomicU32,
}

fn issuer() -> (Issuer, Receiver<String>) {
    let (told, heard) = unbounded();
    (Issuer { told, fail_revocations: AtomicU32::new(0) }, heard)
}

fn recorder(issuer: &Issuer) -> (Recorder, Arc<Semaphore>) {
    let may_record = Arc::new(Semaphore::new(0));
    (Recorder { told: issuer.told.clone(), may_record: Arc::clone(&may_record) }, may_record)
}

impl Provisioner for Issuer {
    async fn issue(&self, grant: &Grant) -> Result<Vec<Credential>, Fault> {
        self.told.try_send(format!("issue for {}", grant.principal)).unwrap();
        if grant.principal.as_ref() == "bob" {
            return Err(Fault::new(ErrorCode::InternalError, "no credentials for bob"));
        }
        Ok(vec![Credential {
            id: "cred_1".to_owned(),
            value: Secret::new("sk-1"),
            endpoint: "http://127.0.0.1:9/v1".to_owned(),
            profile: Some("openai".to_owned()),
            constraints: None,
        }])
    }

    async fn revoke(&self, revocation: &Revocation) -> io::Result<()> {
        self.told.try_send(format!("revoke {}", revocation.value.as_ref().unwrap().expose())).unwrap();
        if self.fail_revocations.load(Ordering::SeqCst) > 0 {
            self.fail_revocations.fetch_sub(1, Ordering::SeqCst);
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

/// A journal that reports which credentials it records, and waits for a permit before it does.
struct Recorder {
    told: Sender<String>,
    may_record: Arc<Semaphore>,
}

impl Journal for Recorder {
    fn load(&mut self, _: &mut dyn FnMut(u64, Record) -> bool) -> Result<(), JournalError> {
        Ok(())
    }

    fn commit(&mut self, records: &[(u64, Record)]) -> Result<(), JournalError> {
        let mut wait = false;
        for (_, record) in records {
            let what = match record {
                Record::CredentialIssued { id, .. } => format!("record {id}"),
                Record::CredentialRevoked { id, .. } => format!("record the end of {id}"),
                _ => continue,
            };
            wait = true;
            self.told.try_send(what).unwrap();
        }
        if wait {
            self.may_record.acquire_blocking().forget();
        }
        Ok(())
    }

    fn replay(&mut self, _: &ReplayRange, _: usize, _: usize) -> Result<Replayed, JournalError> {
        Ok(Replayed::default())
    }
}

fn submit(agent: &str) -> Submit {
    Submit::new(agent).lease(&json!({"model.use": ["fast/*"]}))
}

async fn rotates(_: Value, ctx: JobContext) -> Result<String, nuncio_shared::arcp::Failure> {
    ctx.rotate("cred_1", Secret::new("sk-2"))?;
    Ok(ctx.credentials()[0].value.expose().to_owned())
}

#[test]
fn a_credential_is_recorded_before_it_is_shown_and_revoked_at_the_end() {
    within(async {
        let (issuer, heard) = issuer();
        let (recorder, may_record) = recorder(&issuer);
        let server = builder().provisioner(issuer).journal(recorder).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let asking = smol::spawn({
            let client = client.clone();
            async move { client.submit(&submit("echo")).await }
        });
        assert_eq!(heard.recv().await.unwrap(), "issue for alice");
        assert_eq!(heard.recv().await.unwrap(), "record cred_1");
        // Nothing is sent before the credential is recorded. Even an answer that needs no record waits behind it.
        let query = nuncio_shared::arcp::ListQuery::default();
        let waiting = client.list(&query);
        let mut waiting = std::pin::pin!(waiting);
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await);
        assert!(!asking.is_finished());
        may_record.add_permits(100);
        let mut job = asking.await.unwrap();
        waiting.await.unwrap();
        let shown: Vec<_> = job.info().credentials.iter().map(|one| (one.id.as_str(), one.value.expose())).collect();
        assert_eq!(shown, [("cred_1", "sk-1")]);
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Success);
        assert_eq!(heard.recv().await.unwrap(), "revoke sk-1");
        assert_eq!(heard.recv().await.unwrap(), "record the end of cred_1");
    });
}

#[test]
fn a_rotated_credential_is_revoked_by_its_former_value_and_again_at_the_end() {
    within(async {
        let (issuer, heard) = issuer();
        let server = builder().provisioner(issuer).agent("rotates", rotates).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&submit("rotates")).await.unwrap();
        assert_eq!(job.collect(1_000).await.unwrap().json::<String>().unwrap(), "sk-2");
        let mut revoked = Vec::new();
        while revoked.len() < 2 {
            if let Some(value) = heard.recv().await.unwrap().strip_prefix("revoke ") {
                revoked.push(value.to_owned());
            }
        }
        assert_eq!(revoked, ["sk-1", "sk-2"]);
    });
}

#[test]
fn a_failed_revocation_is_retried() {
    within(async {
        let (issuer, heard) = issuer();
        issuer.fail_revocations.store(1, Ordering::SeqCst);
        let server = builder().provisioner(issuer).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        client.submit(&submit("echo")).await.unwrap().outcome().await.unwrap();
        let mut revocations = 0;
        while revocations < 2 {
            revocations += usize::from(heard.recv().await.unwrap() == "revoke sk-1");
        }
    });
}

#[test]
fn the_order_of_a_builders_calls_does_not_matter() {
    within(async {
        let (issuer, _heard) = issuer();
        let config = Config::default().with(|config| config.limits.jobs_per_session = 1);
        let server = builder().provisioner(issuer).policy(AnyPrincipal).config(config).build().unwrap();
        let alice = connect(&server, "tok-alice").await;
        let mut job = alice.submit(&submit("echo")).await.unwrap();
        assert_eq!(job.info().credentials.len(), 1, "the provisioner was set before the configuration");
        job.outcome().await.unwrap();
        let page = connect(&server, "tok-bob").await.list(&ListQuery::default()).await.unwrap();
        assert_eq!(page.jobs.len(), 1, "so was the policy, which shows the job to another principal");
    });
}

#[test]
fn a_refusing_provisioner_refuses_the_submit() {
    within(async {
        let (issuer, _heard) = issuer();
        let server = builder().provisioner(issuer).build().unwrap();
        let client = connect(&server, "tok-bob").await;
        let error = client.submit(&submit("echo")).await.unwrap_err();
        let ClientError::Failed(RequestFailure::Refused(fault)) = error else { panic!("{error}") };
        assert_eq!(fault.message, "no credentials for bob");
    });
}

/// An issuer that mints for every job and reports its revocations.
struct Mint(Sender<Revocation>);

impl Provisioner for Mint {
    async fn issue(&self, _: &Grant) -> Result<Vec<Credential>, Fault> {
        let (id, endpoint) = ("cred_1".to_owned(), "http://127.0.0.1:9/v1".to_owned());
        let minted = Credential { id, value: Secret::new("sk-1"), endpoint, profile: None, constraints: None };
        Ok(vec![minted])
    }

    async fn revoke(&self, revocation: &Revocation) -> io::Result<()> {
        self.0.send(revocation.clone()).await.map_err(io::Error::other)
    }
}

/// Runs until its process ends.
async fn holds(_: Value, _: JobContext) -> Result<Value, nuncio_shared::arcp::Failure> {
    std::future::pending().await
}

#[test]
fn pending_revocations_wait_for_a_provisioner() {
    within(async {
        let journal = MemoryJournal::new();
        let (told, revoked) = unbounded();
        let server_a =
            builder().agent("holds", holds).journal(journal.clone()).provisioner(Mint(told.clone())).build().unwrap();
        let client = connect(&server_a, "tok-alice").await;
        client.submit(&Submit::new("holds")).await.unwrap();
        let crashed = journal.snapshot();
        let without = builder().journal(crashed.clone()).build().unwrap();
        connect(&without, "tok-alice").await.submit(&Submit::new("echo")).await.unwrap().outcome().await.unwrap();
        assert_eq!(without.shutdown(Duration::from_secs(5)).await, Shutdown::Drained);
        let revocations = crashed.records().iter().filter(|(_, record)| record.kind() == "credential_revoked").count();
        assert_eq!(revocations, 0, "no revocation is on record");
        let _with = builder().journal(crashed).provisioner(Mint(told)).build().unwrap();
        let revocation = revoked.recv().await.unwrap();
        assert_eq!((revocation.id.as_deref(), revocation.value), (Some("cred_1"), None));
    });
}

#[test]
fn a_credential_value_in_use_refuses_the_submit() {
    within(async {
        let (told, revoked) = unbounded();
        let server = builder().agent("holds", holds).provisioner(Mint(told)).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let first = client.submit(&Submit::new("holds")).await.unwrap();
        let error = client.submit(&Submit::new("echo")).await.unwrap_err();
        let ClientError::Failed(RequestFailure::Refused(fault)) = error else { panic!("{error}") };
        assert_eq!(
            (fault.code.as_str(), fault.message.as_str()),
            ("INTERNAL_ERROR", "the job's credentials could not be issued")
        );
        let revocation = revoked.recv().await.unwrap();
        assert_ne!(revocation.job, *first.job_id(), "the first job keeps its credential");
        assert_eq!((revocation.id, revocation.value), (None, None), "everything minted for the second job is revoked");
    });
}

/// An issuer whose credentials have a value of their own, since the one of an ended job is in use until it is revoked.
#[derive(Default)]
struct Fresh(AtomicU32);

impl Provisioner for Fresh {
    async fn issue(&self, _: &Grant) -> Result<Vec<Credential>, Fault> {
        Ok(vec![Credential {
            id: "cred_1".to_owned(),
            value: Secret::new(format!("sk-{}", self.0.fetch_add(1, Ordering::SeqCst))),
            endpoint: "http://127.0.0.1:9/v1".to_owned(),
            profile: None,
            constraints: None,
        }])
    }

    async fn revoke(&self, _: &Revocation) -> io::Result<()> {
        Ok(())
    }
}

/// Connects with these headers and returns how many credentials the client is shown.
async fn shown_by_a_proxy(server: &Server, options: ListenOptions, headers: &[(&str, &str)]) -> usize {
    let listening = server.listen_with("127.0.0.1:0", options).await.unwrap();
    let mut request = ClientOptions::new(listening.url()).unwrap();
    for (name, value) in headers {
        request = request.header(name, value).unwrap();
    }
    let address = listening.address();
    let connector = move || {
        let request = request.clone();
        async move { Ok(Transport::websocket(Box::pin(TcpStream::connect(address).await?), request)) }
    };
    let client = Client::over(connector, "tok-alice").connect().await.unwrap();
    client.submit(&submit("echo")).await.unwrap().info().credentials.len()
}

#[test]
fn a_proxy_on_this_machine_does_not_make_its_clients_local() {
    within(async {
        let server = builder().provisioner(Fresh::default()).build().unwrap();
        let https = ("X-Forwarded-Proto", "https");
        let http = ("Forwarded", "for=10.0.0.1;proto=http");
        for (behind_proxy, headers, expected) in [
            (false, &[][..], 1),
            (false, &[https][..], 1),
            (false, &[http], 0),
            (false, &[https, http], 0),
            (false, &[("X-Forwarded-For", "10.0.0.1")], 0),
            (true, &[], 0),
            (true, &[https], 1),
            (true, &[http], 0),
        ] {
            let options = ListenOptions { behind_proxy, ..ListenOptions::default() };
            let shown = shown_by_a_proxy(&server, options, headers).await;
            assert_eq!(shown, expected, "{behind_proxy} {headers:?}");
        }
        // What a proxy on another machine says is believed only if the server is told that there is one.
        for (behind_proxy, expected) in [(false, 0), (true, 1)] {
            let options = ListenOptions { via: Some(Via::Plain), behind_proxy, ..ListenOptions::default() };
            assert_eq!(shown_by_a_proxy(&server, options, &[https]).await, expected);
        }
    });
}
