//! Interoperability with the Python SDK over real sockets, and the faults of other runtimes that ours does not have.
//!
//! - `python_client`: the unmodified Python client (the pip package, driven by the scripts in `py/`) against our
//!   `interop_agents`, for every feature of the client.
//! - `raw`: conversations in handwritten frames, one for each thing that deployed runtimes get wrong (core/docs/arcp.md,
//!   "Faults of other implementations"), each showing that ours gets it right.
//! - [`own_loop`]: part of both against the example that uses no driver.
//! - [`restart`]: the Python client across a runtime that is killed and started again.
//! - [`cap`]: CAP with a real nats-server, a real redis-server and the Python SDKs 2.10.0 and 2.17.0.
//! - [`caracal`]: the coordinator of Caracal with the Python SDKs 0.1.1 and 1.0.0.
//! - [`conformance`]: `nuncio conformance` with both drivers, and with the runtime of the Python SDK.
//! - [`python_runtime`]: our client against the same agents on the Python SDK (`py/python_runtime.py`).
//!
//! The Python client's stdio transport is not covered: `interop_agents` serves no stdio (`nuncio serve --stdio` does).
#![allow(clippy::duplicate_mod, reason = "the same conversations run against every server")]

mod cap;
mod caracal;
mod cases;
mod conformance;
mod own_loop;
mod python_runtime;
mod restart;
mod smol_driver;
mod tokio_driver;
