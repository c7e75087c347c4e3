//! The context that a task runs in. It is bound while its future is polled, so it is the same on every async runtime.

use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;

use nuncio_core::caracal::{BearerToken, Context, Header};

use super::fields::Fixed;
use crate::io::sync::lock;

thread_local! {
    static CURRENT: RefCell<Option<ActiveContext>> = const { RefCell::new(None) };
}

/// A context that futures can run in: who acts for whom, and for how many hops. Clones are the same context.
///
/// It dereferences to [`Context`].
#[derive(Clone, PartialEq)]
pub struct ActiveContext {
    parts: Arc<Parts>,
}

impl Eq for ActiveContext {}

struct Parts {
    context: Context,
    /// Whether the token is the application's own, so that calls are made with its latest one.
    has_own_token: bool,
    /// The header fields that are the same for all its calls, once there was one.
    headers: OnceLock<Arc<Fixed>>,
    /// This context with the latest token, once there was a later one.
    refreshed: Mutex<Option<ActiveContext>>,
}

impl PartialEq for Parts {
    fn eq(&self, other: &Parts) -> bool {
        self.has_own_token == other.has_own_token && self.context == other.context
    }
}

impl ActiveContext {
    pub(crate) fn own(context: Context) -> ActiveContext {
        ActiveContext::new(context, true)
    }

    pub(crate) fn inbound(context: Context) -> ActiveContext {
        ActiveContext::new(context, false)
    }

    fn new(context: Context, has_own_token: bool) -> ActiveContext {
        let (headers, refreshed) = (OnceLock::new(), Mutex::default());
        ActiveContext { parts: Arc::new(Parts { context, has_own_token, headers, refreshed }) }
    }

    /// Returns a context that follows from this one, with the same token.
    pub(crate) fn followed_by(&self, context: Context) -> ActiveContext {
        ActiveContext::new(context, self.parts.has_own_token)
    }

    /// Returns this context with a later token of the application. It is the same one for all calls with that token.
    pub(super) fn refreshed(&self, token: BearerToken) -> ActiveContext {
        let mut refreshed = lock(&self.parts.refreshed);
        match refreshed.as_ref().filter(|refreshed| *refreshed.token() == token) {
            Some(refreshed) => refreshed.clone(),
            None => refreshed.insert(self.followed_by(self.with_token(token))).clone(),
        }
    }

    /// Returns the header fields that are the same for all its calls. They are made of `headers` by the first one.
    pub(super) fn fixed_headers<E>(&self, headers: impl FnOnce() -> Result<Vec<Header>, E>) -> Result<&Arc<Fixed>, E> {
        if let Some(fixed) = self.parts.headers.get() {
            return Ok(fixed);
        }
        let fixed = Arc::new(Fixed::of(&headers()?));
        Ok(self.parts.headers.get_or_init(|| fixed))
    }

    pub(crate) fn has_own_token(&self) -> bool {
        self.parts.has_own_token
    }

    /// Returns a future that runs in this context, whichever thread polls it. A task that it spawns does not, unless its
    /// future is from [`in_current_context`].
    pub fn run<F: Future>(&self, future: F) -> InContext<F> {
        InContext::new(Some(self.clone()), future)
    }

    /// Calls a function in this context.
    pub fn call<T>(&self, function: impl FnOnce() -> T) -> T {
        let _bound = Bound::enter(Some(self.clone()));
        function()
    }
}

impl Deref for ActiveContext {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.parts.context
    }
}

impl fmt::Debug for ActiveContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.parts.context, f)
    }
}

/// Returns the context that the calling code runs in.
pub fn current() -> Option<ActiveContext> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Returns a future that runs in the present context, for tasks that are spawned.
///
/// ```
/// use nuncio_shared::caracal::{current, in_current_context};
///
/// let task = in_current_context(async { current() });
/// assert_eq!(futures_lite::future::block_on(task), None);
/// ```
pub fn in_current_context<F: Future>(future: F) -> InContext<F> {
    InContext::new(current(), future)
}

/// A future that runs in a context, from [`ActiveContext::run`] and [`in_current_context`].
pub struct InContext<F> {
    context: Option<ActiveContext>,
    /// Dropped in the context, too.
    future: Option<Pin<Box<F>>>,
}

impl<F> InContext<F> {
    pub(crate) fn new(context: Option<ActiveContext>, future: F) -> InContext<F> {
        InContext { context, future: Some(Box::pin(future)) }
    }
}

impl<F: Future> Future for InContext<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<F::Output> {
        let _bound = Bound::enter(self.context.clone());
        match &mut self.future {
            Some(future) => future.as_mut().poll(cx),
            // Only `drop` takes the future out.
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for InContext<F> {
    fn drop(&mut self) {
        let _bound = Bound::enter(self.context.take());
        drop(self.future.take());
    }
}

impl<F> fmt::Debug for InContext<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InContext").field("context", &self.context).finish_non_exhaustive()
    }
}

/// A context that is bound to the thread until this is dropped.
struct Bound {
    before: Option<ActiveContext>,
}

impl Bound {
    fn enter(context: Option<ActiveContext>) -> Bound {
        // While the thread ends, the variable may be gone.
        Bound { before: CURRENT.try_with(|current| current.replace(context)).ok().flatten() }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let before = self.before.take();
        let _is_gone = CURRENT.try_with(|current| current.replace(before)).is_err();
    }
}
