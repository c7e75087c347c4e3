//! What listening sockets of every async runtime have in common.

use std::io;

/// Connections that may wait to be accepted.
#[cfg(unix)]
const BACKLOG: i32 = 1_024;

/// Lets 1 024 connections wait to be accepted on a socket that has just been bound; the standard library asks for 128.
#[cfg(unix)]
pub fn widen_backlog(socket: impl std::os::fd::AsFd) -> io::Result<()> {
    Ok(rustix::net::listen(socket, BACKLOG)?)
}

/// Changes nothing: the system has its own backlog.
#[cfg(not(unix))]
pub fn widen_backlog<S>(_socket: S) -> io::Result<()> {
    Ok(())
}
