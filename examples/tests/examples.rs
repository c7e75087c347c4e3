//! Every example runs, and finds itself right.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// A program of another package, brought up to date.
fn built(package: &str, name: &str) -> String {
    nuncio_tests::peers::binary(package, name).to_str().expect("a path that is text").to_owned()
}

fn run(program: &str) {
    run_with(program, &[]);
}

fn run_with(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().expect("the example starts");
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} ends with {}\n{said}\n{told}", output.status);
}

#[test]
fn submit_and_stream() {
    run(env!("CARGO_BIN_EXE_submit_and_stream"));
}

#[test]
fn delegate() {
    run(env!("CARGO_BIN_EXE_delegate"));
}

#[test]
fn resume() {
    run(env!("CARGO_BIN_EXE_resume"));
}

#[test]
fn cancel() {
    run(env!("CARGO_BIN_EXE_cancel"));
}

#[test]
fn tls() {
    run(env!("CARGO_BIN_EXE_tls"));
}

#[test]
fn host_axum() {
    run(env!("CARGO_BIN_EXE_host_axum"));
}

#[test]
fn host_tracing() {
    run(env!("CARGO_BIN_EXE_host_tracing"));
}

#[cfg(unix)]
#[test]
fn exec_agent() {
    run_with(env!("CARGO_BIN_EXE_exec_agent"), &[&built("nuncio-cli", "nuncio")]);
}

#[test]
fn embedded_pair() {
    run(env!("CARGO_BIN_EXE_embedded_pair"));
}

#[test]
fn stdio() {
    run(env!("CARGO_BIN_EXE_stdio"));
}

#[test]
fn idempotent_retry() {
    run(env!("CARGO_BIN_EXE_idempotent_retry"));
}

#[test]
fn lease_violation() {
    run(env!("CARGO_BIN_EXE_lease_violation"));
}

#[test]
fn vendor_extensions() {
    run(env!("CARGO_BIN_EXE_vendor_extensions"));
}

#[test]
fn custom_auth() {
    run(env!("CARGO_BIN_EXE_custom_auth"));
}

#[test]
fn agent_versions() {
    run(env!("CARGO_BIN_EXE_agent_versions"));
}

#[test]
fn list_jobs() {
    run(env!("CARGO_BIN_EXE_list_jobs"));
}

#[test]
fn subscribe() {
    run(env!("CARGO_BIN_EXE_subscribe"));
}

#[test]
fn progress() {
    run(env!("CARGO_BIN_EXE_progress"));
}

#[test]
fn result_chunk() {
    run(env!("CARGO_BIN_EXE_result_chunk"));
}

#[test]
fn cost_budget() {
    run(env!("CARGO_BIN_EXE_cost_budget"));
}

#[test]
fn lease_expires_at() {
    run(env!("CARGO_BIN_EXE_lease_expires_at"));
}

#[test]
fn provisioned_credentials() {
    run(env!("CARGO_BIN_EXE_provisioned_credentials"));
}

#[test]
fn heartbeat() {
    run(env!("CARGO_BIN_EXE_heartbeat"));
}

#[test]
fn ack_backpressure() {
    run(env!("CARGO_BIN_EXE_ack_backpressure"));
}

#[test]
fn throughput() {
    let program = env!("CARGO_BIN_EXE_throughput");
    run_with(program, &["--events", "2000", "--echoes", "100", "--rounds", "1"]);
}

#[test]
fn interop_agents_says_where_it_listens_and_ends_well_on_a_signal() {
    for signal in ["-INT", "-TERM"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_interop_agents"))
            .args(["--port", "0", "--creds", "--open-policy", "--compat", "python-1.1"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout is piped")).read_line(&mut line).expect("it can be read");
        let id = child.id().to_string();
        let rest = line.trim_end().strip_prefix("READY ws://127.0.0.1:").expect(&line);
        let (port, pid) = rest.split_once("/arcp pid=").expect(&line);
        assert!(port.parse::<u16>().is_ok_and(|port| port > 0), "{line}");
        assert_eq!(pid, id);
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill can be run").success());
        assert!(child.wait().expect("it can be waited for").success(), "{signal}");
    }
}
