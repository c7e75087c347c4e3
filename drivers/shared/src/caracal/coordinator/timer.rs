//! The task that tells the machine the time.

use std::sync::Arc;

use futures_lite::future::or;

use super::hub::Hub;

/// Starts the task. It ends when the hub is stopped.
pub(super) fn start(hub: &Arc<Hub>) {
    let task = Arc::clone(hub);
    hub.io.spawn(Box::pin(async move { or(keep_time(&task), task.stopped()).await }));
}

async fn keep_time(hub: &Hub) {
    loop {
        match hub.arm() {
            Some(deadline) => {
                let due = async {
                    hub.io.sleep_until(hub.clock.instant(deadline)).await;
                    true
                };
                let moved = async {
                    hub.timer.notified().await;
                    false
                };
                if or(due, moved).await {
                    hub.expire();
                }
            }
            None => hub.timer.notified().await,
        }
    }
}
