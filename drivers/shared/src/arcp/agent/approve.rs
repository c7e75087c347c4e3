//! Operations that people approve before an agent does them.

use futures_channel::oneshot;
use nuncio_core::arcp::{Answer, Denied};
use nuncio_core::lease::Operation;

use super::context::{JobContext, denied};
use super::event::IntoNumber;
use super::reservation::Reservation;

impl JobContext {
    /// Checks that an operation is allowed now as [`authorize`](JobContext::authorize) does, and waits until people have
    /// approved it, if it is one that they [are asked about first](crate::arcp::ServerBuilder::ask_first). Act on the
    /// [`target`](Operation::target) that it returns.
    ///
    /// What people decide is on record for the same operation of this job: it is not asked for again, neither in this run
    /// nor in one after a restart.
    ///
    /// ```
    /// use nuncio_shared::arcp::{Failure, JobContext};
    ///
    /// # async fn send(_: &str) {}
    /// async fn pay(invoice: String, ctx: JobContext) -> Result<(), Failure> {
    ///     let operation = ctx.approve("tool.call", "payments.send").await?;
    ///     send(operation.target()).await;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Denied::Fault`] as of [`authorize`](JobContext::authorize), and with `PERMISSION_DENIED` if people have refused
    /// the operation, with their note, or did not approve it in time, or if the question was withdrawn;
    /// [`Denied::NotRunning`] if the job is cancelled or ends first.
    pub async fn approve(&self, namespace: &str, target: &str) -> Result<Operation, Denied> {
        let operation = Operation::new(namespace, target).map_err(|error| denied(&error))?;
        self.approve_operation(&operation).await?;
        Ok(operation)
    }

    /// Checks an operation as [`approve`](JobContext::approve) does.
    ///
    /// # Errors
    ///
    /// Those of [`approve`](JobContext::approve).
    pub async fn approve_operation(&self, operation: &Operation) -> Result<(), Denied> {
        let posed = self.pose_approval(operation).await?;
        if posed.answer.is_none() {
            return Ok(());
        }
        posed.decided().await?;
        self.authorize_operation(operation)
    }

    /// Checks an operation as [`approve`](JobContext::approve) does, and then reserves an amount for it as
    /// [`authorize_reserving`](JobContext::authorize_reserving) does. Nothing is held while people decide.
    ///
    /// # Errors
    ///
    /// Those of both.
    pub async fn approve_reserving(
        &self,
        namespace: &str,
        target: &str,
        currency: &str,
        amount: impl IntoNumber,
    ) -> Result<(Operation, Reservation), Denied> {
        self.approve(namespace, target).await?;
        self.authorize_reserving(namespace, target, currency, amount)
    }

    /// Checks an operation as [`approve`](JobContext::approve) does, asks people if they have to approve it and have not
    /// decided yet, and does not wait until they have.
    ///
    /// # Errors
    ///
    /// Those of [`approve`](JobContext::approve).
    pub async fn pose_approval(&self, operation: &Operation) -> Result<PosedApproval, Denied> {
        let answer = self.approval(operation).await?;
        Ok(PosedApproval { ctx: self.clone(), answer })
    }
}

/// An approval that was asked for with [`JobContext::pose_approval`].
#[must_use = "people decide until `decided` returns"]
pub struct PosedApproval {
    ctx: JobContext,
    /// `None` if the operation is allowed already.
    answer: Option<oneshot::Receiver<Answer>>,
}

impl PosedApproval {
    /// Waits until people have decided, or the time for it is over. What they have decided is what
    /// [`authorize`](JobContext::authorize) then answers.
    ///
    /// # Errors
    ///
    /// [`Denied::NotRunning`] if the job is cancelled or ends first.
    pub async fn decided(self) -> Result<(), Denied> {
        let PosedApproval { ctx, answer } = self;
        let Some(answer) = answer else { return Ok(()) };
        let cancelled = async {
            ctx.cancelled().await;
            Err(Denied::NotRunning)
        };
        let answered = async { answer.await.map(drop).map_err(|_| Denied::NotRunning) };
        futures_lite::future::or(answered, cancelled).await
    }
}

impl std::fmt::Debug for PosedApproval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PosedApproval").finish_non_exhaustive()
    }
}
