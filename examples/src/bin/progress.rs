//! A job reports its progress, with a total and without one. Clients that did not negotiate the feature receive none.
//!
//! `cargo run -p nuncio-examples --bin progress`

use std::error::Error;

use nuncio_tokio::arcp::{
    Client, ClientConfig, EventKind, Failure, Feature, Features, JobContext, Refused, Server, Submit,
};
use nuncio_tokio::auth::StaticTokens;
use serde::Deserialize;

async fn copy(files: Vec<String>, ctx: JobContext) -> Result<usize, Failure> {
    // The amount of work is not known yet, so there is no total.
    ctx.progress(0).message("looking around").await?;
    for (done, file) in (1_u64..).zip(&files) {
        let total = u64::try_from(files.len()).unwrap_or(u64::MAX);
        ctx.progress(done).of(total).units("files").message(file).await?;
    }
    // Progress is only informational, but it has to be valid.
    let nonsense = ctx.progress(-1).await;
    assert!(matches!(nonsense, Err(Refused::Invalid(_))), "negative progress is refused");
    Ok(files.len())
}

#[derive(Deserialize)]
struct Progress {
    current: f64,
    total: Option<f64>,
    message: String,
}

impl Progress {
    fn line(&self) -> String {
        match self.total {
            Some(total) => format!("{:.0} % {}", 100.0 * self.current / total, self.message),
            None => format!("… {}", self.message),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tokens = StaticTokens::new().with("secret", "me@example.com");
    let server = Server::builder().verifier(tokens).agent("copy", copy).build()?;
    let listening = server.listen("127.0.0.1:0").await?;
    let submit = Submit::new("copy").input(&["a.txt", "b.txt", "c.txt", "d.txt"]);

    let client = Client::builder(listening.url(), "secret")?.connect().await?;
    let mut job = client.submit(&submit).await?;
    let mut lines = Vec::new();
    while let Some(event) = job.events().try_next().await? {
        if event.kind == EventKind::Progress {
            lines.push(event.body.parse::<Progress>()?.line());
        }
    }
    println!("{}", lines.join("\n"));
    assert_eq!(lines, ["… looking around", "25 % a.txt", "50 % b.txt", "75 % c.txt", "100 % d.txt"]);
    assert_eq!(job.collect(0).await?.json::<usize>()?, 4);

    // The agent does not have to know whether the client negotiated the feature. This one did not.
    let plain = ClientConfig::default().with(|config| config.features = Features::ALL.without(Feature::Progress));
    let client = Client::builder(listening.url(), "secret")?.config(plain).connect().await?;
    let mut job = client.submit(&submit).await?;
    while let Some(event) = job.events().try_next().await? {
        assert_ne!(event.kind, EventKind::Progress);
    }
    assert_eq!(job.collect(0).await?.json::<usize>()?, 4, "the job is the same");
    Ok(())
}
