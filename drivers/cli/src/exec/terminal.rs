//! A pseudo-terminal in the place of a program's stdout: to a terminal most languages write each line at once.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::pipe::Receiver;

/// The end of a terminal that nuncio reads.
pub(crate) struct Terminal(Receiver);

impl Terminal {
    /// Opens a terminal. Returns it with the program's end, on which nothing is translated or echoed. It is the terminal of no
    /// session, so no signal comes from it.
    pub(crate) fn open() -> io::Result<(Terminal, OwnedFd)> {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        fcntl_setfd(&ours, FdFlags::CLOEXEC)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let name = ptsname(&ours, Vec::new())?;
        let theirs = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let mut settings = tcgetattr(&theirs)?;
        settings.make_raw();
        tcsetattr(&theirs, OptionalActions::Now, &settings)?;
        ioctl_fionbio(&ours, true)?;
        // It is read as a pipe is, apart from its end.
        Ok((Terminal(Receiver::from_owned_fd_unchecked(ours)?), theirs))
    }
}

impl AsyncRead for Terminal {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.0).poll_read(cx, buffer) {
            // The program's end is closed.
            Poll::Ready(Err(error)) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => Poll::Ready(Ok(())),
            read => read,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tokio::io::AsyncReadExt as _;

    use super::Terminal;

    #[tokio::test]
    async fn bytes_pass_unchanged_and_end_with_the_program() {
        let (mut ours, theirs) = Terminal::open().expect("a terminal");
        assert!(rustix::termios::isatty(&theirs));
        let mut theirs = std::fs::File::from(theirs);
        theirs.write_all(b"a\n\x03\r\x1b\xff").expect("it is written");
        drop(theirs);
        let mut read = Vec::new();
        ours.read_to_end(&mut read).await.expect("it is read");
        assert_eq!(read, b"a\n\x03\r\x1b\xff");
    }
}
