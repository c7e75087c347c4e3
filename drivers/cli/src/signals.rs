//! Ctrl-C and SIGTERM.

use std::io;

use tokio::sync::watch;

/// Counts how often Ctrl-C has been pressed. Clones share the count.
#[derive(Clone, Debug)]
pub(crate) struct Interrupts(watch::Receiver<u32>);

impl Interrupts {
    /// Starts counting. From then on Ctrl-C no longer ends the process by itself.
    pub(crate) fn listen() -> io::Result<Interrupts> {
        let mut ctrl_c = CtrlC::listen()?;
        let (sender, count) = watch::channel(0);
        tokio::spawn(async move {
            while ctrl_c.pressed().await {
                sender.send_modify(|count| *count += 1);
            }
            // The system reports no more signals. The sender stays alive, so that `reach` keeps waiting.
            sender.closed().await;
        });
        Ok(Interrupts(count))
    }

    /// Waits until Ctrl-C has been pressed `times` times.
    pub(crate) async fn reach(&mut self, times: u32) {
        if self.0.wait_for(|count| *count >= times).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
struct CtrlC(tokio::signal::unix::Signal);

#[cfg(unix)]
impl CtrlC {
    fn listen() -> io::Result<CtrlC> {
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).map(CtrlC)
    }

    /// Waits for the next Ctrl-C; `false` if there will be none.
    async fn pressed(&mut self) -> bool {
        self.0.recv().await.is_some()
    }
}

#[cfg(not(unix))]
struct CtrlC;

#[cfg(not(unix))]
impl CtrlC {
    #[expect(clippy::unnecessary_wraps, reason = "it can fail on Unix")]
    fn listen() -> io::Result<CtrlC> {
        Ok(CtrlC)
    }

    async fn pressed(&mut self) -> bool {
        tokio::signal::ctrl_c().await.is_ok()
    }
}

/// SIGINT and SIGTERM; on systems other than Unix, Ctrl-C.
pub(crate) struct Termination {
    ctrl_c: CtrlC,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Termination {
    /// Starts listening. From then on neither signal ends the process by itself.
    pub(crate) fn listen() -> io::Result<Termination> {
        Ok(Termination {
            ctrl_c: CtrlC::listen()?,
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn requested(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.ctrl_c.pressed() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        if !self.ctrl_c.pressed().await {
            std::future::pending::<()>().await;
        }
    }
}
