//! Questions that an agent asks people.

use futures_channel::oneshot;
use nuncio_core::arcp::{Answer, Question, Refused};

use super::context::JobContext;

impl JobContext {
    /// Asks people a question and waits for the answer. The clients that follow the job see the question as an event, and
    /// may answer as the server's policy says: by default those of the principal that has submitted the job, and those of
    /// the server's approvers.
    ///
    /// The question stays open until it is answered or expires, until the job ends, and also if this future is dropped. If
    /// the server has a journal and the agent is [run again](crate::arcp::OnRestart::Rerun) after a restart, a question
    /// that it has asked before is not asked again, and its answer is returned. Give questions that are not always asked in
    /// the same order a [`key`](Question::key).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use nuncio_shared::arcp::{Failure, JobContext, Question};
    ///
    /// async fn mail(customers: usize, ctx: JobContext) -> Result<bool, Failure> {
    ///     let question = Question::new(format!("Send the mail to {customers} customers?"))
    ///         .choices(["send", "do not send"])
    ///         .deadline(Duration::from_secs(3_600))
    ///         .default("do not send");
    ///     let answer = ctx.ask(&question).await?;
    ///     Ok(answer.text().as_deref() == Some("send"))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Refused::Invalid`] for a question that cannot be asked, [`Refused::Limit`] for one too many or too large,
    /// [`Refused::Terminal`] if the job is cancelled or ends first, [`Refused::Stale`] if it [is
    /// left](JobContext::is_left); otherwise as [`emit`](JobContext::emit).
    pub async fn ask(&self, question: &Question) -> Result<Answer, Refused> {
        self.pose(question).await?.answer().await
    }

    /// Asks people a question as [`ask`](JobContext::ask) does, and does not wait for the answer. Questions without a key
    /// that are asked concurrently keep the order in which this returns.
    ///
    /// # Errors
    ///
    /// Those of [`ask`](JobContext::ask), except that the job may still be cancelled or end.
    pub async fn pose(&self, question: &Question) -> Result<Posed, Refused> {
        let answer = self.asked(question).await?;
        Ok(Posed { ctx: self.clone(), answer })
    }
}

/// A question that was asked with [`JobContext::pose`]. If it is dropped, the question stays open.
#[must_use = "the answer is what `answer` returns"]
pub struct Posed {
    ctx: JobContext,
    answer: oneshot::Receiver<Answer>,
}

impl Posed {
    /// Waits for the answer.
    ///
    /// # Errors
    ///
    /// [`Refused::Terminal`] if the job is cancelled or ends first, [`Refused::Stale`] if it [is left](JobContext::is_left).
    pub async fn answer(self) -> Result<Answer, Refused> {
        let Posed { ctx, answer } = self;
        let cancelled = async {
            ctx.cancelled().await;
            None
        };
        let answered = async { answer.await.ok() };
        match futures_lite::future::or(answered, cancelled).await {
            Some(answer) => Ok(answer),
            None if ctx.is_left() => Err(Refused::Stale),
            None => Err(Refused::Terminal),
        }
    }
}

impl std::fmt::Debug for Posed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Posed").finish_non_exhaustive()
    }
}
