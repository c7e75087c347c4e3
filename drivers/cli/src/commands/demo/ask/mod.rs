//! `nuncio demo --ask`: an agent asks people, and the demonstration answers for them.
//!
//! ```text
//! client of you: submits --> server with agent.rs, restarted while a question is open <-- client of the boss: answers
//!                     \                                                                /
//!                      ----------------> ledger.rs: was each question asked once? <----
//! ```

mod agent;
mod ledger;

use std::io;
use std::time::Duration;

use nuncio_tokio::arcp::journal::MemoryJournal;
use nuncio_tokio::arcp::{
    AskedQuestion, Client, Config, JobHandle, LeaseRequest, Namespace, OnRestart, Server, Submit, Transport, Update,
};
use nuncio_tokio::auth::StaticTokens;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;

use super::error::DemoError;
use super::narration::narrate;
use super::session::{SessionReport, report_session};
use crate::text::{print_line, sanitize};
use agent::{Campaign, MAIL, REFUND, SEND, campaign};
use ledger::Ledger;

/// The tokens of the demonstration, and their principals: who submits, who decides, and who may do neither.
const YOU: (&str, &str) = ("demo-token-you", "you@example.com");
const BOSS: (&str, &str) = ("demo-token-boss", "boss@example.com");
const OTHER: (&str, &str) = ("demo-token-other", "other@example.com");

/// The time in which a person reads a question.
const READING: Duration = Duration::from_millis(1_200);
const CUSTOMERS: u64 = 312;
const NOTE: &str = "not on a Sunday";

type Servers = watch::Receiver<Option<Server>>;

pub(super) async fn run() -> Result<(), DemoError> {
    print_line("An agent asks people before it goes on. The runtime is restarted while a question is open.");
    print_line("The client submits for you@example.com. boss@example.com may answer, and other@example.com may not.");
    print_line("");
    let journal = MemoryJournal::new();
    let (current, servers) = watch::channel(Some(start(journal.clone())?));
    narrate("runtime", "offers the agent campaign; mails and payments need an approval of boss@example.com");
    let you = connect(&servers, YOU.0).await?;
    let boss = connect(&servers, BOSS.0).await?;
    let (reports, mut sessions) = unbounded_channel::<SessionReport>();
    tokio::spawn(report_session(you.session_events(), reports));

    let lease = LeaseRequest::new().allow(Namespace::ToolCall, MAIL).allow(Namespace::ToolCall, REFUND);
    let mut job = you.submit(&Submit::new("campaign").input(&CUSTOMERS).lease(&lease)).await?;
    narrate("client", &format!("submits {}: campaign, for {CUSTOMERS} customers", job.job_id()));
    let mut ledger = Ledger::default();

    let first = asked(&mut job, &mut ledger).await?;
    let other = connect(&servers, OTHER.0).await?;
    let refused = other.answer(job.job_id(), &first.question_id, SEND, None).await;
    narrate("other", &format!("answers {}: {}", first.question_id, said(&refused)));
    ledger.tried(refused.is_err());
    decide(&boss, &job, &first, (SEND, None), &mut ledger).await?;

    let second = asked(&mut job, &mut ledger).await?;
    if let Some(server) = current.send_replace(None) {
        // The job is left to the next start, because its agent is run again.
        let _outcome = server.shutdown(Duration::ZERO).await;
    }
    narrate("runtime", &format!("is STOPPED while {} is open", second.question_id));
    current.send_replace(Some(start(journal.snapshot())?));
    narrate("runtime", "is started again from its journal, and runs the agent again");
    while let Some(report) = sessions.recv().await {
        report.narrate();
        if matches!(report, SessionReport::Resumed) {
            break;
        }
    }
    decide(&boss, &job, &second, ("approve", None), &mut ledger).await?;
    let third = asked(&mut job, &mut ledger).await?;
    decide(&boss, &job, &third, ("refuse", Some(NOTE)), &mut ledger).await?;
    let last = asked(&mut job, &mut ledger).await?;
    narrate("boss", &format!("does not answer {}", last.question_id));
    while let Some(update) = job.try_next().await? {
        ledger.note(&update);
    }
    let result: Campaign = job.result().await.map_err(|error| DemoError::Check(error.to_string()))?;
    if let Some(told) = &result.told {
        narrate("agent", &format!("is given the default answer of {}: {}", last.question_id, sanitize(told)));
    }
    narrate("agent", &format!("ends: mail sent, refund: {}", sanitize(&result.refund)));
    ledger.close(&result).map_err(DemoError::Check)
}

/// Builds the server from what its journal has.
fn start(journal: MemoryJournal) -> Result<Server, DemoError> {
    let tokens = [YOU, BOSS, OTHER].into_iter().fold(StaticTokens::new(), |all, (token, whose)| all.with(token, whose));
    let config = Config::default().with(|config| {
        config.approvers.insert(BOSS.1.to_owned());
    });
    let marked = LeaseRequest::new().allow(Namespace::ToolCall, "mail.*").allow(Namespace::ToolCall, "payments.*");
    let server = Server::builder()
        .verifier(tokens)
        .config(config)
        .ask_first(marked.build()?)
        .agent("campaign", campaign)
        .on_restart("campaign", OnRestart::Rerun)
        .journal(journal)
        .build()?;
    Ok(server)
}

/// Connects a client in this process, which also finds the server after its restart.
async fn connect(servers: &Servers, token: &str) -> Result<Client, DemoError> {
    let servers = servers.clone();
    Ok(Client::over(move || dial(servers.clone()), token.to_owned()).connect().await?)
}

async fn dial(mut servers: Servers) -> io::Result<Transport> {
    let server = servers.wait_for(Option::is_some).await.map_err(io::Error::other)?.clone();
    server.map(|server| server.connect_memory()).ok_or_else(|| io::ErrorKind::NotConnected.into())
}

/// Reads events up to the next question.
async fn asked(job: &mut JobHandle, ledger: &mut Ledger) -> Result<AskedQuestion, DemoError> {
    while let Some(update) = job.try_next().await? {
        ledger.note(&update);
        if let Update::Event(event) = update
            && let Some(question) = event.question()
        {
            let choices = question.choices.iter().flatten().map(|choice| sanitize(choice)).collect::<Vec<_>>();
            let prompt = sanitize(&question.prompt);
            narrate("agent", &format!("asks {}: {prompt} [{}]", question.question_id, choices.join(" | ")));
            return Ok(question);
        }
    }
    Err(DemoError::Check("the job has ended without a question".to_owned()))
}

/// Lets the boss read a question and answer it.
async fn decide(
    boss: &Client,
    job: &JobHandle,
    question: &AskedQuestion,
    (value, note): (&str, Option<&str>),
    ledger: &mut Ledger,
) -> Result<(), DemoError> {
    tokio::time::sleep(READING).await;
    boss.answer(job.job_id(), &question.question_id, value, note).await?;
    let note = note.map_or_else(String::new, |note| format!(", {note:?}"));
    narrate("boss", &format!("answers {}: {value}{note}", question.question_id));
    ledger.answered();
    Ok(())
}

fn said<T>(answer: &Result<T, nuncio_tokio::arcp::ClientError>) -> String {
    match answer {
        Ok(_) => "it is taken".to_owned(),
        Err(error) => format!("refused, {error}"),
    }
}
