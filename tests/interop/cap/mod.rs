//! CAP with real peers: a nats-server, a redis-server, and the Python SDKs 2.10.0 and 2.17.0.

mod servers;
