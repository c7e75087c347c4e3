//! Ctrl-C, SIGTERM and SIGHUP.

use std::io;
#[cfg(unix)]
use std::io::IsTerminal as _;

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

    /// Starts counting SIGTERM and SIGHUP, too. SIGHUP counts as the first one only, because a terminal that is closed sends it
    /// more than once.
    pub(crate) fn listen_to_all() -> io::Result<Interrupts> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let mut ctrl_c = CtrlC::listen()?;
            let (mut terminate, mut hang_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
            let (sender, count) = watch::channel(0);
            tokio::spawn(async move {
                loop {
                    let least = tokio::select! {
                        _ = ctrl_c.pressed() => 0,
                        _ = terminate.recv() => 0,
                        _ = hang_up.recv() => 1,
                    };
                    sender.send_modify(|count| *count = if least > 0 { (*count).max(least) } else { *count + 1 });
                }
            });
            Ok(Interrupts(count))
        }
        #[cfg(not(unix))]
        Interrupts::listen()
    }

    /// Waits until Ctrl-C has been pressed `times` times, or another signal that counts has come.
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

/// SIGINT, SIGTERM and SIGHUP; on systems other than Unix, Ctrl-C.
pub(crate) struct Termination {
    ctrl_c: CtrlC,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hang_up: tokio::signal::unix::Signal,
    /// Which of stdin, stdout and stderr were terminals at the start.
    #[cfg(unix)]
    terminals: [bool; 3],
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signalled {
    /// To end.
    Stop,
    /// To read files again: SIGHUP, and not because the terminal was closed.
    Reload,
}

impl Termination {
    /// Starts listening. From then on none of the signals ends the process by itself.
    pub(crate) fn listen() -> io::Result<Termination> {
        #[cfg(unix)]
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Termination {
            ctrl_c: CtrlC::listen()?,
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate())?,
            #[cfg(unix)]
            hang_up: signal(SignalKind::hangup())?,
            #[cfg(unix)]
            terminals: terminals(),
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn requested(&mut self) {
        self.next().await;
    }

    /// Waits for the next signal, and returns what it asks for.
    pub(crate) async fn next(&mut self) -> Signalled {
        #[cfg(unix)]
        {
            tokio::select! {
                _ = self.ctrl_c.pressed() => Signalled::Stop,
                _ = self.terminate.recv() => Signalled::Stop,
                _ = self.hang_up.recv() => if self.terminal_is_gone() { Signalled::Stop } else { Signalled::Reload },
            }
        }
        #[cfg(not(unix))]
        {
            self.insisted().await;
            Signalled::Stop
        }
    }

    /// Waits for a signal that asks a process to end that is ending already. SIGHUP does not, because a terminal that is closed
    /// sends it more than once.
    pub(crate) async fn insisted(&mut self) {
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

    /// Returns whether a terminal that was there at the start was closed, after which it is none any more.
    #[cfg(unix)]
    fn terminal_is_gone(&self) -> bool {
        self.terminals.into_iter().zip(terminals()).any(|(was, is)| was && !is)
    }
}

#[cfg(unix)]
fn terminals() -> [bool; 3] {
    [io::stdin().is_terminal(), io::stdout().is_terminal(), io::stderr().is_terminal()]
}
