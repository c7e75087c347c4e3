//! Two versions of an agent side by side: a client names one of them or gets the default.
//!
//! `cargo run -p nuncio-examples --bin agent_versions`

use std::error::Error;

use nuncio_tokio::arcp::{Client, ErrorCode, Failure, JobContext, RemoteFault, Server, Submit};
use nuncio_tokio::auth::StaticTokens;

async fn v1(words: Vec<String>, ctx: JobContext) -> Result<String, Failure> {
    assert_eq!(ctx.version(), Some("1.0.0"));
    Ok(words.join(" "))
}

async fn v2(words: Vec<String>, ctx: JobContext) -> Result<String, Failure> {
    assert_eq!(ctx.version(), Some("2.0.0"));
    Ok(words.join("-"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tokens = StaticTokens::new().with("secret", "me@example.com");
    let server = Server::builder()
        .verifier(tokens)
        .agent("join@1.0.0", v1)
        .agent("join@2.0.0", v2)
        .default_version("join", "1.0.0")
        .build()?;
    let listening = server.listen("127.0.0.1:0").await?;
    let client = Client::builder(listening.url(), "secret")?.connect().await?;

    // The welcome lists the agents and their versions.
    let welcome = client.welcome().ok_or("a connected client has no welcome")?;
    let join = welcome.agents.iter().find(|agent| agent.name == "join").ok_or("the agent is not listed")?;
    println!("{} in versions {:?}, by default {:?}", join.name, join.versions, join.default);
    assert_eq!(join.versions, ["1.0.0", "2.0.0"]);
    assert_eq!(join.default.as_deref(), Some("1.0.0"));

    for (wanted, resolved, joined) in
        [("join", "join@1.0.0", "to be"), ("join@1.0.0", "join@1.0.0", "to be"), ("join@2.0.0", "join@2.0.0", "to-be")]
    {
        let mut job = client.submit(&Submit::new(wanted).input(&["to", "be"])).await?;
        // The acceptance names the version. A later change of the default does not affect this job.
        assert_eq!(job.info().agent.as_deref(), Some(resolved));
        assert_eq!(job.collect(0).await?.json::<String>()?, joined);
        println!("{wanted} is {resolved}: {joined}");
    }

    // Versions are matched exactly, and a missing version is a different error than a missing agent.
    for (wanted, code) in [
        ("join@2", ErrorCode::AgentVersionNotAvailable),
        ("join@3.0.0", ErrorCode::AgentVersionNotAvailable),
        ("split", ErrorCode::AgentNotAvailable),
    ] {
        let refused =
            client.submit(&Submit::new(wanted)).await.err().ok_or("an agent that does not exist was accepted")?;
        println!("{refused}");
        assert_eq!(refused.fault().and_then(RemoteFault::known), Some(code));
    }
    Ok(())
}
