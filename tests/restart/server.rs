//! The server that is killed: this program itself, as a child process.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use nuncio_shared::arcp::journal::{SqliteJournal, SqliteOptions, Sync};
use nuncio_shared::arcp::{
    Config, Credential, Delegation, Failure, Fault, Grant, JobContext, Level, OnRestart, Output, Provisioner, Refused,
    Revocation, Secret, ServerBuilder,
};
use nuncio_shared::auth::StaticTokens;
use nuncio_shared::io::Driver;
use serde::Deserialize;
use serde_json::{Value, json};

/// The arguments of the child process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of a command line")]
pub(crate) struct Serve {
    pub(crate) smol: bool,
    pub(crate) full: bool,
    /// Whether few events are held in memory, so that the journal is read back.
    pub(crate) small: bool,
    /// Whether warnings are logged to stdout.
    pub(crate) logs: bool,
    pub(crate) shards: u32,
    /// The journal of the first shard.
    pub(crate) journal: PathBuf,
    /// The address of the issuer of credentials.
    pub(crate) issuer: String,
}

impl Serve {
    pub(crate) fn arguments(&self) -> Vec<String> {
        let flag = |name: &str, set: bool| if set { name.to_owned() } else { format!("no-{name}") };
        vec![
            "serve".to_owned(),
            flag("smol", self.smol),
            flag("full", self.full),
            flag("small", self.small),
            flag("logs", self.logs),
            self.shards.to_string(),
            self.journal.display().to_string(),
            self.issuer.clone(),
        ]
    }

    pub(crate) fn parse(arguments: &[String]) -> Option<Serve> {
        let [serve, smol, full, small, logs, shards, journal, issuer] = arguments else { return None };
        (serve == "serve").then(|| Serve {
            smol: smol == "smol",
            full: full == "full",
            small: small == "small",
            logs: logs == "logs",
            shards: shards.parse().unwrap(),
            journal: journal.into(),
            issuer: issuer.clone(),
        })
    }

    /// The journals of all shards, in their order.
    pub(crate) fn journals(&self) -> impl Iterator<Item = PathBuf> {
        (0..self.shards).map(|shard| match shard {
            0 => self.journal.clone(),
            _ => self.journal.with_extension(shard.to_string()),
        })
    }

    /// Serves until stdin ends or the process is killed. Prints `OPENING`, then `READY <url>` or `FAILED <why>`.
    pub(crate) fn run(&self) {
        println!("OPENING");
        if self.logs {
            tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::WARN).init();
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let served = if self.smol {
            smol::block_on(async {
                let server =
                    self.offer(nuncio_smol::arcp::Server::builder())?.build().map_err(|error| error.to_string())?;
                let listening = server.listen("127.0.0.1:0").await.map_err(|error| error.to_string())?;
                ready(listening.url());
                Ok::<_, String>(())
            })
        } else {
            runtime.block_on(async {
                let server =
                    self.offer(nuncio_tokio::arcp::Server::builder())?.build().map_err(|error| error.to_string())?;
                let listening = server.listen("127.0.0.1:0").await.map_err(|error| error.to_string())?;
                ready(listening.url());
                Ok(())
            })
        };
        if let Err(why) = served {
            println!("FAILED {why}");
        }
    }

    fn offer<D: Driver>(&self, builder: ServerBuilder<D>) -> Result<ServerBuilder<D>, String> {
        let sync = if self.full { Sync::Full } else { Sync::Normal };
        let open = |file: PathBuf| SqliteJournal::open(&file, SqliteOptions { sync, ..SqliteOptions::default() });
        let journals: Result<Vec<_>, _> = self.journals().map(open).collect();
        let issuer = IssuerClient::at(&self.issuer);
        let tokens = StaticTokens::new().with("tok-alice", "alice").with("tok-bob", "bob");
        // At the end the clients repeat all their submits.
        let mut config = Config::default();
        config.limits.submit_ids = 1_000;
        if self.small {
            (config.limits.log_events, config.limits.history_events, config.limits.send_window) = (24, 8, 16);
        }
        Ok(builder
            .config(config)
            .verifier(tokens)
            .shards(self.shards)
            .journals(journals.map_err(|error| error.to_string())?)
            .agent("talk", talk)
            .agent("stream", stream)
            .agent("delegate", delegate)
            .agent("wait", wait)
            .agent("again", again)
            .on_restart("again", OnRestart::Rerun)
            .agent("queue", talk)
            .max_concurrent("queue", 1)
            .agent("rotate", {
                let issuer = issuer.clone();
                move |_: Value, ctx| rotate(issuer.clone(), ctx)
            })
            .provisioner(issuer))
    }
}

/// Prints the URL, and waits until the parent is gone.
fn ready(url: &str) {
    println!("READY {url}");
    // The parent writes nothing; stdin ends when it does.
    let _end = io::stdin().read_to_end(&mut Vec::new());
}

#[derive(Deserialize)]
struct Talk {
    events: u32,
    size: usize,
}

/// Emits many events and a small cost.
async fn talk(input: Talk, ctx: JobContext) -> Result<Value, Failure> {
    let text = "x".repeat(input.size);
    for number in 0..input.events {
        ctx.log(Level::Info, &format!("{number} {text}")).await?;
    }
    if ctx.budget().is_some() {
        ctx.metric("cost.words", 1).unit("USD").await?;
    }
    Ok(json!({ "said": input.events }))
}

async fn stream(input: Talk, ctx: JobContext) -> Result<Output, Failure> {
    let mut writer = ctx.writer();
    for number in 0..input.events {
        writer.write_text(&format!("{number} {}", "y".repeat(input.size))).await?;
    }
    writer.finish().await?;
    Ok(Output::Streamed { summary: None })
}

async fn delegate(input: Value, ctx: JobContext) -> Result<Value, Failure> {
    let asked = Delegation::new("talk").input(&input);
    // If the lease has credentials minted, the child\'s has, too.
    let lease: Value = serde_json::from_str(&ctx.lease().to_json()).unwrap_or_default();
    let asked = match lease.get("model.use") {
        Some(models) => asked.lease(&json!({ "model.use": models })),
        None => asked,
    };
    let mut child = ctx.delegate(&asked).await?;
    ctx.log(Level::Info, "delegated").await?;
    let outcome = child.outcome().await;
    Ok(json!({ "child": outcome.status.as_str() }))
}

/// Emits events as `talk` does, and goes on after a restart where its note says.
async fn again(input: Talk, ctx: JobContext) -> Result<Value, Failure> {
    let noted = match ctx.noted() {
        Some(note) => String::from_utf8_lossy(&note).parse().ok(),
        None => Some(0),
    };
    let first = noted.ok_or_else(|| Failure::internal("the note is not a number"))?;
    if first > 0 && ctx.restarts() == 0 {
        return Err(Failure::internal("a note in the first run"));
    }
    let text = "z".repeat(input.size);
    for number in first..input.events {
        ctx.log(Level::Info, &format!("{number} {text}")).await?;
        ctx.note((number + 1).to_string()).await?;
    }
    Ok(json!({ "restarts": ctx.restarts() }))
}

/// Waits until it is cancelled.
async fn wait(_: Value, ctx: JobContext) -> Result<Value, Failure> {
    ctx.status("waiting").await?;
    ctx.cancelled().await;
    ctx.log(Level::Info, "cancelled").await?;
    Ok(Value::Null)
}

async fn rotate(issuer: IssuerClient, ctx: JobContext) -> Result<Value, Failure> {
    for turn in 0..2 {
        for credential in ctx.credentials() {
            let value = issuer.ask(&format!("rotate {} {}", ctx.job_id(), credential.id)).map_err(failed)?;
            while let Err(refused) = ctx.rotate(&credential.id, Secret::new(value.as_str())) {
                if refused != Refused::Blocked {
                    return Err(refused.into());
                }
                // An emitted event waits until there is room.
                ctx.thought("no room").await?;
            }
            ctx.log(Level::Info, &format!("rotated {turn}")).await?;
        }
    }
    Ok(Value::Null)
}

#[expect(clippy::needless_pass_by_value, reason = "it is an argument of map_err")]
fn failed(error: io::Error) -> Failure {
    Failure::internal(error.to_string())
}

/// The child's connection to the issuer of credentials: one line is sent, one line is received.
#[derive(Clone)]
struct IssuerClient(Arc<Mutex<BufReader<TcpStream>>>);

impl IssuerClient {
    fn at(address: &str) -> IssuerClient {
        IssuerClient(Arc::new(Mutex::new(BufReader::new(TcpStream::connect(address).unwrap()))))
    }

    fn ask(&self, request: &str) -> io::Result<String> {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stream.get_mut().write_all(format!("{request}\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_line(&mut answer)?;
        match answer.trim_end() {
            "" => Err(io::ErrorKind::UnexpectedEof.into()),
            answer => Ok(answer.to_owned()),
        }
    }
}

impl Provisioner for IssuerClient {
    async fn issue(&self, grant: &Grant) -> Result<Vec<Credential>, Fault> {
        if !grant.lease.to_json().contains("model.use") {
            return Ok(Vec::new());
        }
        let value = self.ask(&format!("mint {} cred_1", grant.job));
        let value =
            value.map_err(|error| Fault::new(nuncio_shared::arcp::ErrorCode::InternalError, error.to_string()))?;
        Ok(vec![Credential {
            id: "cred_1".to_owned(),
            value: Secret::new(value),
            endpoint: "http://127.0.0.1:9/v1".to_owned(),
            profile: None,
            constraints: None,
        }])
    }

    async fn revoke(&self, revocation: &Revocation) -> io::Result<()> {
        let value = revocation.value.as_ref().map_or("*", |value| value.expose());
        let id = revocation.id.as_deref().unwrap_or("*");
        match self.ask(&format!("revoke {} {id} {value}", revocation.job))?.as_str() {
            "done" => Ok(()),
            other => Err(io::Error::other(other.to_owned())),
        }
    }
}
