//! Programs end with their job and with nuncio, and leave nothing behind.

use super::*;

#[test]
fn a_cancelled_job_ends_the_program_and_its_children() {
    let serving = python(FAMILY, &[]);
    let mut job = Following::start(&serving, &[]);
    let pids = job.pids();
    assert!(pids.len() == 2 && pids.iter().all(|pid| is_running(*pid)), "{pids:?}");
    send("INT", &job.child);
    assert_eq!(job.end().0, Some(3));
    all_end(&pids);
}

#[test]
fn a_cancelled_program_may_clean_up() {
    let serving = python(
        r#"def stop(*_):
    print("cleaned up", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
time.sleep(1000000)"#,
        &["--kill-grace", "1h"],
    );
    let mut job = Following::start(&serving, &[]);
    job.until("ready");
    send("INT", &job.child);
    let (code, rest) = job.end();
    assert_eq!(code, Some(3), "{rest}");
    assert!(rest.contains("cleaned up"), "{rest}");
}

#[test]
fn a_program_that_ignores_sigterm_is_killed() {
    let serving = python(STUBBORN, &["--kill-grace", "100ms"]);
    let mut job = Following::start(&serving, &[]);
    let pids = job.pids();
    send("INT", &job.child);
    assert_eq!(job.end().0, Some(3));
    all_end(&pids);
}

#[test]
fn a_job_that_times_out_ends_its_program() {
    let serving = python(STUBBORN, &["--kill-grace", "100ms"]);
    let mut job = Following::start(&serving, &["--max-runtime", "2"]);
    let pids = job.pids();
    assert_eq!(job.end().0, Some(4));
    all_end(&pids);
}

#[tokio::test]
async fn an_expired_lease_ends_the_program() {
    let serving = python(STUBBORN, &["--kill-grace", "100ms"]);
    let client = Client::builder(&serving.url, "t").expect("a URL").connect().await.expect("a session");
    let in_two_seconds = SystemTime::now() + Duration::from_secs(2);
    let micros = in_two_seconds.duration_since(UNIX_EPOCH).expect("the time").as_micros();
    let submit = Submit::new("it").expires_at(Time(u64::try_from(micros).expect("a time")));
    let mut job = client.submit(&submit).await.expect("it is accepted");
    let mut pids = Vec::new();
    while let Some(event) = job.events().try_next().await.expect("the session goes on") {
        let body = event.body.as_str().to_owned();
        if let Some((_, list)) = body.split_once("pids ") {
            let list = list.split('"').next().unwrap_or_default();
            pids.extend(list.split(' ').map(|pid| pid.parse::<u32>().expect("a process id")));
        }
    }
    let outcome = job.outcome().await.expect("it ends");
    assert_eq!(outcome.fault.expect("a fault").code, "LEASE_EXPIRED");
    assert_eq!(pids.len(), 2);
    all_end(&pids);
}

#[test]
fn back_pressure_reaches_the_program_and_loses_nothing() {
    // Far more events than the log holds.
    let serving = python(
        r#"hear()
for n in range(5000): say(kind="progress", body={"current": n, "message": "x" * 500})
say(result="all")
"#,
        &["--log-events", "100"],
    );
    let output = submit(&serving, &[]);
    assert_eq!(succeeded(&output), r#""all""#);
    assert_eq!(bodies(&output, "progress").len(), 5000);
}

#[test]
fn a_program_that_was_deleted_fails_only_its_own_job() {
    let directory = Scratch::new("gone");
    let program = directory.0.join("agent");
    std::fs::copy("/bin/true", &program).expect("a copy");
    let serving = serving(&["--agent", &format!("it={}", program.display())]);
    std::fs::remove_file(&program).expect("it is there");
    let output = submit(&serving, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot be started"), "{}", stderr(&output));
    assert_eq!(serving.submit("t", &["echo"]).status.code(), Some(0));
}

#[test]
fn sigterm_lets_running_jobs_end() {
    // The program ends when the test writes to this pipe.
    let directory = Scratch::new("drain");
    let fifo = directory.0.join("go");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    let script = format!("echo ready; read go < {}; echo '{{\"result\":\"went well\"}}'", fifo.display());
    let serving = shell(&script, &["--drain", "1h"]);
    let mut job = Following::start(&serving, &[]);
    job.until("ready");
    send("TERM", &serving.child);
    std::fs::write(&fifo, "go\n").expect("the program reads it");
    assert_eq!(job.end().0, Some(0));
    assert_eq!(serving.ended(), (Some(0), String::new()));
}

#[test]
fn after_the_drain_programs_are_ended_with_their_children() {
    let serving = python(FAMILY, &["--drain", "0s"]);
    let mut job = Following::start(&serving, &[]);
    let pids = job.pids();
    assert_eq!(serving.stop("TERM"), (Some(0), String::new()));
    assert!(pids.iter().all(|pid| !is_running(*pid)), "nuncio ended before its programs");
}

#[test]
fn a_second_signal_ends_everything_at_once() {
    let mut serving = python(STUBBORN, &["--drain", "1h", "--kill-grace", "1h"]);
    let mut job = Following::start(&serving, &[]);
    let pids = job.pids();
    send("TERM", &serving.child);
    serving.until("stopping");
    assert_eq!(serving.stop("TERM").0, Some(0));
    assert!(pids.iter().all(|pid| !is_running(*pid)), "nuncio ended before its programs");
}

#[test]
fn a_killed_nuncio_leaves_no_programs_behind() {
    let serving = python(STUBBORN, &["--kill-grace", "100ms"]);
    let mut job = Following::start(&serving, &[]);
    let pids = job.pids();
    send("KILL", &serving.child);
    all_end(&pids);
}
