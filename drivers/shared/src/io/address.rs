//! Addresses to listen on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where a server listens: socket addresses, of which the first that can be bound is used, or a name that is resolved
/// to such addresses first.
///
/// It is made from text such as `"127.0.0.1:7777"` or `"localhost:7777"`, from a host and a port, and from socket
/// addresses. Port 0 lets the system choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Socket addresses, in the order in which they are tried.
    Sockets(Vec<SocketAddr>),
    /// A host name and a port, `host:port`.
    Name(String),
}

/// Returns an address at which programs of this machine reach a server that listens on `address`: loopback in place of an
/// unspecified address.
///
/// ```
/// use nuncio_shared::io::reachable;
///
/// assert_eq!(reachable(([0, 0, 0, 0], 7777).into()), ([127, 0, 0, 1], 7777).into());
/// assert_eq!(reachable(([192, 0, 2, 1], 7777).into()), ([192, 0, 2, 1], 7777).into());
/// ```
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        SocketAddr::V4(_) | SocketAddr::V6(_) => address.ip(),
    };
    SocketAddr::new(ip, address.port())
}

impl From<String> for Address {
    fn from(text: String) -> Address {
        match text.parse() {
            Ok(address) => Address::Sockets(vec![address]),
            Err(_) => Address::Name(text),
        }
    }
}

impl From<&str> for Address {
    fn from(text: &str) -> Address {
        Address::from(text.to_owned())
    }
}

impl From<(&str, u16)> for Address {
    fn from((host, port): (&str, u16)) -> Address {
        match host.parse() {
            Ok(ip) => Address::Sockets(vec![SocketAddr::new(ip, port)]),
            Err(_) => Address::Name(format!("{host}:{port}")),
        }
    }
}

impl From<(IpAddr, u16)> for Address {
    fn from(address: (IpAddr, u16)) -> Address {
        SocketAddr::from(address).into()
    }
}

impl From<(Ipv4Addr, u16)> for Address {
    fn from(address: (Ipv4Addr, u16)) -> Address {
        SocketAddr::from(address).into()
    }
}

impl From<(Ipv6Addr, u16)> for Address {
    fn from(address: (Ipv6Addr, u16)) -> Address {
        SocketAddr::from(address).into()
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Sockets(vec![address])
    }
}

impl From<&[SocketAddr]> for Address {
    fn from(addresses: &[SocketAddr]) -> Address {
        Address::Sockets(addresses.to_vec())
    }
}

impl From<Vec<SocketAddr>> for Address {
    fn from(addresses: Vec<SocketAddr>) -> Address {
        Address::Sockets(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_is_reached_by_loopback() {
        for (listens, reached) in [
            ("0.0.0.0:7", "127.0.0.1:7"),
            ("[::]:7", "[::1]:7"),
            ("192.0.2.1:7", "192.0.2.1:7"),
            ("[2001:db8::1]:7", "[2001:db8::1]:7"),
        ] {
            assert_eq!(listens.parse().map(reachable), reached.parse(), "{listens}");
        }
    }

    #[test]
    fn text_is_resolved_only_where_it_is_a_name() {
        let loopback = Address::Sockets(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 80))]);
        for same in [Address::from("127.0.0.1:80"), ("127.0.0.1", 80).into(), (Ipv4Addr::LOCALHOST, 80).into()] {
            assert_eq!(same, loopback);
        }
        assert_eq!(Address::from(("::1", 80)), Address::from("[::1]:80"));
        assert_eq!(Address::from(("localhost", 80)), Address::Name("localhost:80".to_owned()));
    }
}
