//! An agent asks people before it acts: one question is answered, and one expires with its default.
//!
//! `cargo run -p nuncio-examples --bin ask`

use std::error::Error;
use std::time::Duration;

use nuncio_tokio::arcp::{Client, Failure, JobContext, Question, QuestionOutcome, Server, Submit};
use nuncio_tokio::auth::StaticTokens;
use serde_json::json;

/// Sends a mail if a person agrees, at the time that the person names.
async fn mail(customers: usize, ctx: JobContext) -> Result<String, Failure> {
    let question = Question::new(format!("Send the mail to {customers} customers?")).choices(["send", "do not send"]);
    let answer = ctx.ask(&question).await?;
    if answer.text().as_deref() != Some("send") {
        return Ok(format!("not sent: {}", answer.note().unwrap_or("no reason")));
    }
    let hour = json!({"type": "integer", "minimum": 0, "maximum": 23});
    let question = Question::new("At which hour?").schema(&hour).default(&9).deadline(Duration::from_millis(50));
    let hour = ctx.ask(&question).await?;
    let hour = hour.value().map_or("no", |hour| hour.get());
    Ok(format!("sent at {hour} o'clock, as {} has agreed", answer.by().unwrap_or("nobody")))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tokens = StaticTokens::new().with("secret", "me@example.com");
    let server = Server::builder().verifier(tokens).agent("mail", mail).build()?;
    let listening = server.listen("127.0.0.1:0").await?;
    let client = Client::builder(listening.url(), "secret")?.connect().await?;

    let mut job = client.submit(&Submit::new("mail").input(&312)).await?;
    let control = job.control();
    let mut outcomes = Vec::new();
    while let Some(event) = job.events().try_next().await? {
        if let Some(question) = event.question() {
            println!("{}: {:?}", question.prompt, question.choices);
            // The second question is left to its default.
            if question.choices.is_some() {
                let refused =
                    control.answer(&question.question_id, "perhaps", None).await.expect_err("it is no choice");
                println!("{refused}");
                control.answer(&question.question_id, "send", Some("after the review")).await?;
            }
        }
        if let Some(answered) = event.answered() {
            println!("{:?} {:?}", answered.outcome, answered.value);
            outcomes.push(answered.outcome);
        }
    }
    let result: String = job.result().await?;
    assert_eq!(outcomes, [QuestionOutcome::Answered, QuestionOutcome::Default]);
    assert_eq!(result, "sent at 9 o'clock, as me@example.com has agreed");
    println!("{result}");
    client.close().await;
    Ok(())
}
