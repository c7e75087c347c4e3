//! Ctrl-C, counted.

use tokio::sync::watch;

/// How often Ctrl-C was pressed since this was made. Clones count the same.
#[derive(Clone, Debug)]
pub(crate) struct Interrupts(watch::Receiver<u32>);

impl Interrupts {
    /// From now on Ctrl-C ends nothing by itself.
    pub(crate) fn listen() -> std::io::Result<Interrupts> {
        let mut source = Source::install()?;
        let (pressed, count) = watch::channel(0);
        tokio::spawn(async move {
            while source.next().await {
                pressed.send_modify(|count| *count += 1);
            }
            // A system that tells of no more leaves those who wait for it waiting.
            pressed.closed().await;
        });
        Ok(Interrupts(count))
    }

    /// Waits until it was pressed so many times.
    pub(crate) async fn reach(&mut self, times: u32) {
        if self.0.wait_for(|count| *count >= times).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
struct Source(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Source {
    fn install() -> std::io::Result<Source> {
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).map(Source)
    }

    async fn next(&mut self) -> bool {
        self.0.recv().await.is_some()
    }
}

#[cfg(not(unix))]
struct Source;

#[cfg(not(unix))]
impl Source {
    fn install() -> std::io::Result<Source> {
        Ok(Source)
    }

    async fn next(&mut self) -> bool {
        tokio::signal::ctrl_c().await.is_ok()
    }
}
