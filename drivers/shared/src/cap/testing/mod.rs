//! Tests of handlers, workers and clients without a server.
