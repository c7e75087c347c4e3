//! The agent of the demonstration: it asks people, and does two operations that they have to approve.

use std::time::Duration;

use nuncio_tokio::arcp::{Failure, JobContext, Question};
use serde::{Deserialize, Serialize};

/// What the agent may do only after people have approved it.
pub(super) const MAIL: &str = "mail.send";
pub(super) const REFUND: &str = "payments.refund";

pub(super) const SEND: &str = "send";
/// The answer to the question that nobody answers.
pub(super) const NOT_TOLD: &str = "no";

/// The result of the agent.
#[derive(Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Campaign {
    pub(super) mailed: bool,
    pub(super) refund: String,
    pub(super) told: Option<String>,
    pub(super) restarts: u32,
}

/// Mails customers: it asks whether to send, and needs approvals for sending and for a refund.
pub(super) async fn campaign(customers: u64, ctx: JobContext) -> Result<Campaign, Failure> {
    let question = Question::new(format!("Send the mail to {customers} customers?")).choices([SEND, "do not send"]);
    let sends = ctx.ask(&question).await?.text().as_deref() == Some(SEND);
    let mailed = sends && ctx.approve("tool.call", MAIL).await.is_ok();
    let refund = match ctx.approve("tool.call", REFUND).await {
        Ok(_) => "done".to_owned(),
        Err(denied) => denied.fault().message.to_string(),
    };
    let tell = Question::new("Tell the team?").choices(["yes", NOT_TOLD]).default(NOT_TOLD);
    let told = ctx.ask(&tell.deadline(Duration::from_millis(800))).await?.text();
    Ok(Campaign { mailed, refund, told, restarts: ctx.restarts() })
}
