//! Every example runs and exits with success.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use nuncio_tests::peers::{CapSdk, CaracalSdk, Nats, wanted};
use serde_json::{Value, json};

/// Builds a program of another package and returns its path.
fn built(package: &str, name: &str) -> String {
    nuncio_tests::peers::binary(package, name).to_str().expect("the path is UTF-8").to_owned()
}

fn run(program: &str) {
    run_with(program, &[]);
}

fn run_with(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().expect("the example starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} ends with {}\n{stdout}\n{stderr}", output.status);
}

#[test]
fn submit_and_stream() {
    run(env!("CARGO_BIN_EXE_submit_and_stream"));
}

#[test]
fn ask() {
    run(env!("CARGO_BIN_EXE_ask"));
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
fn cap_bridge() {
    run(env!("CARGO_BIN_EXE_cap_bridge"));
}

#[test]
fn cap_echo() {
    run(env!("CARGO_BIN_EXE_cap_echo"));
}

#[test]
fn cap_typed() {
    run(env!("CARGO_BIN_EXE_cap_typed"));
}

#[test]
fn cap_middleware() {
    run(env!("CARGO_BIN_EXE_cap_middleware"));
}

#[test]
fn cap_metrics() {
    run(env!("CARGO_BIN_EXE_cap_metrics"));
}

#[test]
fn cap_router() {
    run(env!("CARGO_BIN_EXE_cap_router"));
}

#[test]
fn cap_testing() {
    run(env!("CARGO_BIN_EXE_cap_testing"));
}

#[test]
fn cap_bench() {
    if !wanted("cap_bench") {
        return;
    }
    let (server, python) = (Nats::program(), CapSdk::V2_10.python());
    let text = |path: &Path| path.to_str().expect("the path is UTF-8").to_owned();
    let (server, python) = (text(&server), text(&python));
    let rounds = ["--nats-server", &server, "--peer", &python, "--jobs", "200", "--single", "20", "--rounds", "1"];
    run_with(env!("CARGO_BIN_EXE_cap_bench"), &rounds);
    run_with(env!("CARGO_BIN_EXE_cap_bench"), &[&rounds[..], &["--unsigned"]].concat());
}

#[test]
fn bench() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = |name: &str| folder.path().join(name).to_str().expect("the path is UTF-8").to_owned();
    let (json, plot) = (file("numbers.json"), file("plot.svg"));
    for driver in ["tokio", "smol"] {
        let long = ["--driver", driver, "--only", "long", "--rounds", "1", "--scale", "0"];
        run_with(env!("CARGO_BIN_EXE_bench"), &long);
        let rounds = ["--driver", driver, "--tls", "--rounds", "1", "--scale", "1", "--json", &json, "--plot", &plot];
        run_with(env!("CARGO_BIN_EXE_bench"), &rounds);
    }
    let numbers = std::fs::read_to_string(json).expect("the numbers are written");
    let numbers: serde_json::Value = serde_json::from_str(&numbers).expect("they are JSON");
    let rows = numbers["measurements"].as_array().expect("there are rows");
    assert_eq!(rows.len(), 9, "{rows:?}");
    assert!(rows.iter().all(|row| row["sides"].as_array().is_some_and(|sides| !sides.is_empty())), "{rows:?}");
    assert!(std::fs::read_to_string(plot).expect("the plot is drawn").contains("<svg"));
}

#[test]
fn interop_agents_prints_its_url_and_ends_cleanly_on_a_signal() {
    for signal in ["-INT", "-TERM"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_interop_agents"))
            .args(["--port", "0", "--creds", "--open-policy", "--compat", "python-1.1"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout is piped")).read_line(&mut line).expect("stdout can be read");
        let id = child.id().to_string();
        let rest = line.trim_end().strip_prefix("READY ws://127.0.0.1:").expect(&line);
        let (port, pid) = rest.split_once("/arcp pid=").expect(&line);
        assert!(port.parse::<u16>().is_ok_and(|port| port > 0), "{line}");
        assert_eq!(pid, id);
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill can be run").success());
        assert!(child.wait().expect("waiting for the program succeeds").success(), "{signal}");
    }
}

#[test]
fn mcp_bridge_is_an_mcp_server_whose_tool_runs_a_job() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mcp_bridge"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .env_remove("NUNCIO_URL")
        .spawn()
        .expect("the program starts");
    let mut to = child.stdin.take().expect("stdin is piped");
    let mut from = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let mut progress = Vec::new();
    let mut ask = |message: Value| -> Value {
        writeln!(to, "{message}").expect("the program reads stdin");
        let Some(id) = message.get("id") else { return Value::Null };
        loop {
            let line = from.next().expect("the program answers").expect("stdout can be read");
            let answer: Value = serde_json::from_str(&line).expect("only MCP messages are on stdout");
            if answer["method"] == "notifications/progress" {
                progress.push(answer["params"].clone());
            } else if answer.get("id") == Some(id) {
                return answer["result"].clone();
            }
        }
    };
    let client = json!({"name": "test", "version": "1"});
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client});
    let welcome = ask(json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}));
    assert!(welcome["capabilities"]["tools"].is_object(), "{welcome}");
    ask(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let tools = ask(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}));
    assert_eq!(tools["tools"][0]["name"], "submit_job");
    let call =
        json!({"name": "submit_job", "arguments": {"agent": "count", "input": 3}, "_meta": {"progressToken": "p"}});
    let result = ask(json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": call}));
    assert_eq!((&result["isError"], &result["content"][0]["text"]), (&json!(false), &json!("3")));
    let call = json!({"name": "submit_job", "arguments": {"agent": "nobody"}});
    let refused = ask(json!({"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": call}));
    assert_eq!(refused["isError"], true, "{refused}");
    let seen: Vec<_> = progress.iter().map(|one| (one["progress"].as_f64(), one["total"].as_f64())).collect();
    assert_eq!(seen, [1.0, 2.0, 3.0].map(|number| (Some(number), Some(3.0))));
    drop(to);
    assert!(child.wait().expect("waiting for the program succeeds").success(), "the program ends when stdin is closed");
}

#[test]
fn caracal_arcp() {
    run(env!("CARGO_BIN_EXE_caracal_arcp"));
}

#[test]
fn caracal_delegate() {
    run(env!("CARGO_BIN_EXE_caracal_delegate"));
}

#[test]
fn caracal_inbound() {
    run(env!("CARGO_BIN_EXE_caracal_inbound"));
}

#[test]
fn caracal_nested() {
    run(env!("CARGO_BIN_EXE_caracal_nested"));
}

#[test]
fn caracal_spawn() {
    run(env!("CARGO_BIN_EXE_caracal_spawn"));
}

#[test]
fn caracal_batch() {
    run(env!("CARGO_BIN_EXE_caracal_batch"));
}

#[test]
fn caracal_gateway() {
    run(env!("CARGO_BIN_EXE_caracal_gateway"));
}

#[test]
fn caracal_transport() {
    run(env!("CARGO_BIN_EXE_caracal_transport"));
}

#[test]
fn caracal_bench() {
    if !wanted("caracal_bench") {
        return;
    }
    let python = CaracalSdk::V0_1.python().expect("any Python is new enough");
    let python = python.to_str().expect("the path is UTF-8");
    let rounds = ["--peer", python, "--millis", "10", "--sessions", "40", "--single", "10", "--rounds", "1"];
    run_with(env!("CARGO_BIN_EXE_caracal_bench"), &rounds);
}

#[test]
fn shards_bench() {
    run_with(env!("CARGO_BIN_EXE_shards_bench"), &["--rounds", "1", "--jobs", "300"]);
}
