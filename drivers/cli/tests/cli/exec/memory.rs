//! What a server holds of the jobs of programs.

use super::*;

/// The memory of a process that is in use, in bytes.
fn resident(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the status of a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}

/// It was held three times: by the runtime, by the agent, and by the task that had written it.
#[tokio::test]
async fn an_input_is_held_once_while_its_program_runs() {
    const JOBS: usize = 24;
    let serving = shell("head -n 1 > /dev/null; echo read; exec sleep 600", &[]);
    let client = Client::builder(&serving.url, "t").expect("a URL").connect().await.expect("a session");
    let input = "x".repeat(900_000);
    let mut jobs = Vec::new();
    // What the first one takes is there for the others too.
    let mut before = 0;
    for _ in 0..=JOBS {
        let mut job = client.submit(&Submit::new("it").input(&input)).await.expect("it is accepted");
        while job.events().try_next().await.expect("a session").expect("an event").kind.as_str() != "log" {}
        if jobs.is_empty() {
            before = resident(serving.child.id());
        }
        jobs.push(job);
    }
    let grown = resident(serving.child.id()).saturating_sub(before);
    let inputs = JOBS * input.len();
    assert!(grown < 2 * inputs, "{grown} bytes for {inputs} bytes of inputs");
}
