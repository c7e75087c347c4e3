//! A job to its end, and those it delegates.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use nuncio_tokio::arcp::{ClientError, FinalStatus, Follow, JobHandle, Outcome, Product, SessionEvents, Update};

use crate::interrupt::Interrupts;
use crate::show::{Show, Who};
use crate::verdict::Trouble;

/// What is expected of a job.
pub(crate) struct Following {
    /// The first Ctrl-C cancels it.
    pub(crate) cancel: Option<Interrupts>,
    /// A streamed result without its beginning is an error.
    pub(crate) whole: bool,
}

/// Shows what happens to the job until it has ended.
pub(crate) async fn follow<I: Unpin>(
    session: &mut SessionEvents,
    root: Follow<I>,
    who: Who,
    show: &mut Show,
    mut following: Following,
) -> Result<Outcome, Trouble> {
    let control = root.control();
    let mut family = Family { root, who, children: Vec::new() };
    let mut asked = None;
    let mut fault = None;
    loop {
        tokio::select! {
            biased;
            () = pressed(&mut following.cancel), if asked.is_none() => {
                show.say("cancelling the job; Ctrl-C again leaves at once").await;
                let control = control.clone();
                following.cancel = None;
                asked = Some(Box::pin(async move { control.cancel(Some("interrupted")).await }));
            }
            answer = answered(&mut asked) => {
                asked = None;
                if let Err(error) = answer {
                    show.say(&format!("nuncio: the job could not be cancelled: {error}; Ctrl-C leaves it alone")).await;
                }
            }
            Some(event) = session.next() => show.session(&event).await?,
            step = family.next() => match step {
                Step::Update(who, Update::Event(event)) => show.event(&who, &event).await?,
                Step::Update(who, Update::Chunk(chunk)) if !who.child => show.chunk(&who, &chunk).await?,
                Step::Update(who, Update::ChunkFault(reason)) if !who.child => {
                    show.say(&format!("no more of the result is shown: {reason}")).await;
                    fault = Some(reason);
                }
                // Credentials are for the job; a child's result goes to its parent.
                Step::Update(..) => {}
                Step::Child(who, child) => {
                    show.accepted(&who, child.info()).await?;
                    family.children.push((who, *child));
                }
                Step::ChildEnded(who, mut child) => {
                    // The session's end is the root's, too.
                    if let Ok(outcome) = child.outcome().await {
                        show.child_ended(&who, &outcome).await?;
                    }
                }
                Step::Over => break,
            },
        }
    }
    let outcome = family.root.outcome().await.map_err(ClientError::Ended)?;
    match outcome.result {
        Product::Streamed { complete: false, .. } if following.whole && outcome.status == FinalStatus::Success => {
            Err(Trouble::Broken(fault.unwrap_or("the job ended before all of it came")))
        }
        Product::Streamed { .. } | Product::None | Product::Inline(_) | Product::Unknown => Ok(outcome),
    }
}

async fn pressed(interrupts: &mut Option<Interrupts>) {
    match interrupts {
        Some(interrupts) => interrupts.reach(1).await,
        None => std::future::pending().await,
    }
}

async fn answered<T>(request: &mut Option<Pin<Box<impl Future<Output = T>>>>) -> T {
    match request {
        Some(request) => request.await,
        None => std::future::pending().await,
    }
}

/// A job and those that it, and they, delegate: read together, for what one of them does not read stops all.
struct Family<I> {
    root: Follow<I>,
    who: Who,
    children: Vec<(Who, JobHandle)>,
}

enum Step {
    Update(Who, Update),
    Child(Who, Box<JobHandle>),
    ChildEnded(Who, Box<JobHandle>),
    Over,
}

impl<I: Unpin> Family<I> {
    async fn next(&mut self) -> Step {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if let Poll::Ready(step) = self.poll_children(cx) {
            return Poll::Ready(step);
        }
        match Pin::new(&mut self.root).poll_next(cx) {
            Poll::Ready(Some(update)) => Poll::Ready(step(&self.who, update)),
            // What came from a child while the root was asked.
            Poll::Ready(None) => match self.poll_children(cx) {
                Poll::Ready(step) => Poll::Ready(step),
                Poll::Pending => Poll::Ready(Step::Over),
            },
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_children(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        for place in 0..self.children.len() {
            let (who, child) = &mut self.children[place];
            match Pin::new(child).poll_next(cx) {
                Poll::Ready(Some(update)) => return Poll::Ready(step(who, update)),
                Poll::Ready(None) => {
                    let (who, child) = self.children.remove(place);
                    return Poll::Ready(Step::ChildEnded(who, Box::new(child)));
                }
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }
}

fn step(who: &Who, update: Update) -> Step {
    match update {
        Update::Child(child) => {
            let agent = child.info().agent.as_deref().unwrap_or("child");
            let who = Who { job_id: Arc::from(child.job_id()), agent: Arc::from(agent), child: true };
            Step::Child(who, child)
        }
        update => Step::Update(who.clone(), update),
    }
}
