//! What systemd is told of a server, in the datagrams of `sd_notify(3)`: that it is ready, reads files again, or stops, and
//! while a watchdog is asked for, that it responds.
//!
//! The crate `sd-notify` 0.5 does not send to abstract sockets, which systemd hands to services of users and to containers.

use std::time::Duration;

use nuncio_tokio::arcp::Server;
use tokio::time::MissedTickBehavior;

use crate::text::eprint_line;
use socket::Socket;

/// The time that a stop takes at most besides what it waits for.
const MARGIN: Duration = Duration::from_secs(10);

/// The service manager that has started this process, if it is one that wants to be told.
pub(super) struct ServiceManager {
    socket: Option<Socket>,
    /// The time within which it has to be told again that the server is alive.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// Returns the one that `NOTIFY_SOCKET` and `WATCHDOG_USEC` tell of.
    pub(super) fn of_environment() -> ServiceManager {
        let socket = Socket::of_environment().unwrap_or_else(|error| {
            eprint_line(&format!("nuncio: warning: NOTIFY_SOCKET cannot be used, so systemd is not notified: {error}"));
            None
        });
        ServiceManager { socket, watchdog: watchdog(|name| std::env::var(name).ok(), std::process::id()) }
    }

    /// The server listens, or has read its files again.
    pub(super) fn ready(&self, url: &str) {
        if let Some(socket) = &self.socket {
            tell(socket, &format!("READY=1\nSTATUS=Serving {url}"));
        }
    }

    /// The server reads its files again. [`ready`](ServiceManager::ready) follows.
    pub(super) fn reloading(&self) {
        if let Some(socket) = &self.socket {
            tell(socket, &format!("RELOADING=1\nMONOTONIC_USEC={}", Socket::clock().as_micros()));
        }
    }

    /// The server stops, and waits for its jobs and programs for `wait` at most.
    pub(super) fn stopping(&self, wait: Duration) {
        if let Some(socket) = &self.socket {
            let micros = wait.saturating_add(MARGIN).as_micros();
            tell(socket, &format!("STOPPING=1\nSTATUS=Stopping\nEXTEND_TIMEOUT_USEC={micros}"));
        }
    }

    /// Tells it again and again that the server is alive, if it wants that, for as long as the server responds.
    pub(super) fn watch(&self, server: &Server) {
        if let (Some(period), Some(socket)) = (self.watchdog, &self.socket) {
            let (server, socket) = (server.clone(), socket.clone());
            tokio::spawn(async move {
                keep_alive(period / 2, || server.responds(), || tell(&socket, "WATCHDOG=1")).await;
            });
        }
    }
}

fn tell(socket: &Socket, message: &str) {
    if let Err(error) = socket.send(message) {
        eprint_line(&format!("nuncio: warning: cannot notify systemd of {message:?}: {error}"));
    }
}

/// Calls `ping` every `period`, each time after the server has responded, until it has ended.
async fn keep_alive<R: Future<Output = bool>>(period: Duration, responds: impl Fn() -> R, ping: impl Fn()) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !responds().await {
            return;
        }
        ping();
    }
}

/// Returns the time within which the process `own` has to report, as `sd_watchdog_enabled(3)` reads it.
fn watchdog(variable: impl Fn(&str) -> Option<String>, own: u32) -> Option<Duration> {
    let period = variable("WATCHDOG_USEC")?.parse().ok().filter(|micros| *micros > 0).map(Duration::from_micros);
    let is_for_us = variable("WATCHDOG_PID").is_none_or(|process| process.parse() == Ok(own));
    period.filter(|_| is_for_us)
}

#[cfg(unix)]
mod socket {
    use std::ffi::OsStr;
    use std::io;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::sync::Arc;
    use std::time::Duration;

    /// The time after which a datagram that cannot be sent is given up.
    const TIMEOUT: Duration = Duration::from_secs(1);

    /// A socket, and the address of the service manager's.
    #[derive(Clone)]
    pub(super) struct Socket {
        socket: Arc<UnixDatagram>,
        manager: SocketAddr,
    }

    impl Socket {
        /// Returns the socket that `NOTIFY_SOCKET` names, if it is set.
        pub(super) fn of_environment() -> io::Result<Option<Socket>> {
            let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return Ok(None) };
            let manager = address(&name)?;
            let socket = UnixDatagram::unbound()?;
            socket.set_write_timeout(Some(TIMEOUT))?;
            Ok(Some(Socket { socket: Arc::new(socket), manager }))
        }

        pub(super) fn send(&self, message: &str) -> io::Result<()> {
            self.socket.send_to_addr(message.as_bytes(), &self.manager).map(drop)
        }

        /// Returns the time of the clock by which systemd orders reloads.
        pub(super) fn clock() -> Duration {
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            Duration::try_from(now).unwrap_or_default()
        }
    }

    /// Reads an address as systemd writes it: a path, or the name of an abstract socket after an `@`.
    fn address(name: &OsStr) -> io::Result<SocketAddr> {
        match name.as_bytes() {
            [b'/', ..] => SocketAddr::from_pathname(name),
            #[cfg(target_os = "linux")]
            [b'@', name @ ..] => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name),
            _ => Err(io::Error::other("it is neither a path nor the name of an abstract socket")),
        }
    }
}

/// systemd runs on Linux only.
#[cfg(not(unix))]
mod socket {
    use std::io;
    use std::time::Duration;

    #[derive(Clone)]
    pub(super) enum Socket {}

    impl Socket {
        #[expect(clippy::unnecessary_wraps, reason = "it can fail on Unix")]
        pub(super) fn of_environment() -> io::Result<Option<Socket>> {
            Ok(None)
        }

        pub(super) fn send(&self, _message: &str) -> io::Result<()> {
            match *self {}
        }

        pub(super) fn clock() -> Duration {
            Duration::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, poll_fn};
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    #[test]
    fn the_watchdog_is_for_the_process_that_is_named() {
        let read = |usec: Option<&str>, process: Option<&str>| {
            let (usec, process) = (usec.map(str::to_owned), process.map(str::to_owned));
            watchdog(|name| if name == "WATCHDOG_USEC" { usec.clone() } else { process.clone() }, 7)
        };
        let second = Some(Duration::from_secs(1));
        assert_eq!(read(Some("1000000"), None), second);
        assert_eq!(read(Some("1000000"), Some("7")), second);
        assert_eq!(read(Some("1000000"), Some("8")), None);
        for none in [None, Some("0"), Some("-1"), Some("soon"), Some("")] {
            assert_eq!(read(none, None), None, "{none:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_hangs_is_not_reported_alive() {
        let (asked, pings) = (Cell::new(0), Cell::new(0));
        let responds = || {
            asked.set(asked.get() + 1);
            let hangs = asked.get() == 3;
            async move { if hangs { pending().await } else { true } }
        };
        let mut watching = pin!(keep_alive(Duration::from_millis(1), responds, || pings.set(pings.get() + 1)));
        // The third time it is asked, it does not answer.
        poll_fn(|context| {
            assert!(watching.as_mut().poll(context).is_pending());
            if asked.get() == 3 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert_eq!(pings.get(), 2);
    }

    #[tokio::test]
    async fn a_server_that_has_ended_is_watched_no_more() {
        let left = Cell::new(3);
        let responds = || {
            left.set(left.get() - 1);
            let is_there = left.get() > 0;
            async move { is_there }
        };
        let pings = Cell::new(0);
        keep_alive(Duration::from_millis(1), responds, || pings.set(pings.get() + 1)).await;
        assert_eq!(pings.get(), 2);
    }
}
