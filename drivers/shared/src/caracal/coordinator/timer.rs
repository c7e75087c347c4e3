//! The task that tells the machine the time.

use std::sync::Arc;

use futures_lite::future::or;

use super::hub::Hub;
use crate::io::timer::watch_deadlines;

/// Starts the task. It ends when the hub is stopped.
pub(super) fn start(hub: &Arc<Hub>) {
    let task = Arc::clone(hub);
    hub.io.spawn(Box::pin(async move { or(keep_time(&task), task.stopped()).await }));
}

async fn keep_time(hub: &Hub) {
    watch_deadlines(&*hub.io, &hub.clock, &hub.timer, || hub.arm(), || hub.expire()).await;
}
