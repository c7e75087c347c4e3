//! Questions of agents: answers to them, and lists of those that are open.

use futures_channel::oneshot;
use nuncio_core::arcp::client::{AnsweredQuestion, QuestionPage, QuestionQuery};
use serde::Serialize;

use super::control::JobControl;
use super::error::ClientError;
use super::owner::Owner;
use super::{Client, Follow};
use crate::arcp::value::Invalid;

impl<D> Client<D> {
    /// Answers a question of a job with a value that serde can write, and with a note for the agent. Returns what the
    /// runtime has taken. The first answer wins; one that is repeated by the same principal is taken again.
    ///
    /// The question is an event of the job: [`JobEvent::question`](crate::arcp::JobEvent::question). Those that are open are
    /// also listed by [`questions`](Client::questions).
    ///
    /// Errors: [`ClientError::Failed`] if the runtime refuses the answer: the question is not open, the value does not fit
    /// it, or the policy does not let this principal answer.
    ///
    /// ```
    /// # use nuncio_smol::arcp::{Client, JobContext, Question, Server, Submit};
    /// # use nuncio_smol::auth::StaticTokens;
    /// # let agent = |_: (), ctx: JobContext| async move {
    /// #     let question = Question::new("Send the mail?").choices(["send", "do not send"]);
    /// #     Ok(ctx.ask(&question).await?.text())
    /// # };
    /// # smol::block_on(async {
    /// # let server = Server::builder().verifier(StaticTokens::new().with("secret", "me")).agent("mail", agent).build()?;
    /// # let client = Client::over(server.memory_connector(), "secret").connect().await?;
    /// let mut job = client.submit(&Submit::new("mail")).await?;
    /// while let Some(event) = job.events().try_next().await? {
    ///     if let Some(question) = event.question() {
    ///         assert_eq!(question.prompt, "Send the mail?");
    ///         client.answer(job.job_id(), &question.question_id, "send", None).await?;
    ///         break;
    ///     }
    /// }
    /// assert_eq!(job.result::<String>().await?, "send");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn answer(
        &self,
        job_id: impl AsRef<str>,
        question_id: &str,
        value: &(impl Serialize + ?Sized),
        note: Option<&str>,
    ) -> Result<AnsweredQuestion, ClientError> {
        answer(&self.owner, job_id.as_ref(), question_id, value, note).await
    }

    /// Returns a page of the open questions of all jobs that may be watched, or of one job.
    pub async fn questions(&self, query: &QuestionQuery<'_>) -> Result<QuestionPage, ClientError> {
        questions(&self.owner, query).await
    }
}

impl<I> Follow<I> {
    /// Answers a question of the job; see [`Client::answer`].
    pub async fn answer(
        &self,
        question_id: &str,
        value: &(impl Serialize + ?Sized),
        note: Option<&str>,
    ) -> Result<AnsweredQuestion, ClientError> {
        self.control().answer(question_id, value, note).await
    }

    /// Returns the job's open questions; see [`Client::questions`].
    pub async fn questions(&self) -> Result<QuestionPage, ClientError> {
        self.control().questions().await
    }
}

impl JobControl {
    /// Answers a question of the job; see [`Client::answer`].
    pub async fn answer(
        &self,
        question_id: &str,
        value: &(impl Serialize + ?Sized),
        note: Option<&str>,
    ) -> Result<AnsweredQuestion, ClientError> {
        answer(&self.owner, self.job_id.as_str(), question_id, value, note).await
    }

    /// Returns the job's open questions; see [`Client::questions`].
    pub async fn questions(&self) -> Result<QuestionPage, ClientError> {
        questions(&self.owner, &QuestionQuery { job_id: Some(self.job_id.as_str().into()), ..QuestionQuery::default() })
            .await
    }
}

async fn answer(
    owner: &Owner,
    job_id: &str,
    question_id: &str,
    value: &(impl Serialize + ?Sized),
    note: Option<&str>,
) -> Result<AnsweredQuestion, ClientError> {
    let mut invalid = Invalid::default();
    let value = invalid.json("answer", value);
    invalid.check()?;
    let Some(value) = value else { return Err(owner.hub.gone()) };
    let (sender, taken) = oneshot::channel();
    owner.hub.request(|state, now| {
        let request = state.client.answer(now, job_id, question_id, &value, note);
        let request = request.map_err(|refused| state.refusal(refused))?;
        state.answers.insert(request, sender);
        Ok::<_, ClientError>(())
    })?;
    taken.await.unwrap_or_else(|_| Err(owner.hub.gone()))
}

async fn questions(owner: &Owner, query: &QuestionQuery<'_>) -> Result<QuestionPage, ClientError> {
    let (sender, page) = oneshot::channel();
    owner.hub.request(|state, now| {
        let request = state.client.questions(now, query).map_err(|refused| state.refusal(refused))?;
        state.questions.insert(request, sender);
        Ok::<_, ClientError>(())
    })?;
    page.await.unwrap_or_else(|_| Err(owner.hub.gone()))
}
