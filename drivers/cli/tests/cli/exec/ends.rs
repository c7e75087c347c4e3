//! Programs end with their job and with nuncio, and leave nothing behind.

use std::os::fd::OwnedFd;

use super::*;

#[test]
fn a_result_in_single_quotes_fails_a_job_that_has_no_other() {
    let output = submit(&python("print({'result': 42})", &[]), &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = "the program gave no result, and line 1 is no message: JSON has double quotes, not single ones, in {'result': 42}";
    assert!(stderr(&output).contains(said), "{}", stderr(&output));
    let output = submit(&python("print({'result': 42})\nsay(result=7)", &[]), &[]);
    assert_eq!(succeeded(&output), "7");
}

#[test]
fn a_program_that_waits_for_the_end_of_its_stdin_is_said_once() {
    let mut serving = serving(&["--agent", "it=wc -w"]);
    let first = Following::start(&serving, &[]);
    let line = serving.until("has written no line for 5 s");
    assert!(line.contains("its stdin stays open for answers") && line.contains("give it --result it=stdout"), "{line}");
    drop(first);
}

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

/// Seconds after which a job ends: the first in which its program has started in time.
const SECONDS: [u64; 3] = [2, 10, 60];

#[test]
fn a_job_that_times_out_ends_its_program() {
    let serving = python(STUBBORN, &["--kill-grace", "100ms"]);
    let mut started = SECONDS.iter().filter_map(|seconds| {
        let (code, shown) = Following::start(&serving, &["--max-runtime", &seconds.to_string()]).end();
        assert_eq!(code, Some(4), "{shown}");
        pids_in(&shown)
    });
    all_end(&started.next().expect("the program starts within a minute"));
}

#[tokio::test]
async fn an_expired_lease_ends_the_program() {
    let serving = python(STUBBORN, &["--kill-grace", "100ms"]);
    let client = Client::builder(&serving.url, "t").expect("a URL").connect().await.expect("a session");
    for seconds in SECONDS {
        let end = SystemTime::now() + Duration::from_secs(seconds);
        let micros = end.duration_since(UNIX_EPOCH).expect("the time").as_micros();
        let submit = Submit::new("it").expires_at(Time(u64::try_from(micros).expect("a time")));
        let mut job = client.submit(&submit).await.expect("it is accepted");
        let mut pids = None;
        while let Some(event) = job.events().try_next().await.expect("the session goes on") {
            pids = pids.or_else(|| pids_in(event.body.as_str()));
        }
        let outcome = job.outcome().await.expect("it ends");
        assert_eq!(outcome.fault.expect("a fault").code, "LEASE_EXPIRED");
        if let Some(pids) = pids {
            assert_eq!(pids.len(), 2);
            return all_end(&pids);
        }
    }
    panic!("the program does not start within a minute");
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

#[test]
fn a_killed_nuncio_waits_for_no_program_longer_than_a_second() {
    // The programs ignore SIGTERM, and would have an hour if nuncio went on.
    let serving = python(STUBBORN, &["--kill-grace", "1h"]);
    let mut job = Following::start(&serving, &[]);
    let pids = job.pids();
    send("KILL", &serving.child);
    all_end(&pids);
}

#[test]
fn a_closed_terminal_stops_nuncio_and_its_programs() {
    let (terminal, theirs) = terminal();
    let agent = format!("it=python3 -c {}", quoted(&format!("import os, signal, subprocess, sys, time\n{FAMILY}")));
    let mut command = nuncio(&["serve", "--listen", "127.0.0.1:0", "--token", "t=alice", "--agent", &agent]);
    command.args(["--drain", "0s"]).stdin(Stdio::from(theirs));
    let mut serving = Serving::of(command);
    let mut job = Following::start(&serving, &[]);
    let pids = job.pids();
    // While the terminal is there, SIGHUP does not end anything.
    send("HUP", &serving.child);
    serving.until("were read again");
    assert!(pids.iter().all(|pid| is_running(*pid)));
    drop(terminal);
    send("HUP", &serving.child);
    assert_eq!(serving.ended(), (Some(0), String::new()), "it ended after its drain");
    assert!(pids.iter().all(|pid| !is_running(*pid)), "nuncio ended before its programs");
}

/// A terminal: the end that belongs to its window, and the end of a program.
fn terminal() -> (OwnedFd, OwnedFd) {
    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let window = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    rustix::io::fcntl_setfd(&window, rustix::io::FdFlags::CLOEXEC).expect("it is not inherited");
    grantpt(&window).and_then(|()| unlockpt(&window)).expect("it can be opened");
    let name = ptsname(&window, Vec::new()).expect("a name");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    (window, rustix::fs::open(name, flags, Mode::empty()).expect("it opens"))
}

#[test]
fn a_program_on_a_terminal_is_heard_at_once() {
    // The program does not flush, and ends when the test writes to this pipe.
    let directory = Scratch::new("pty");
    let fifo = directory.0.join("go");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    let program = format!(
        "import json, os, sys\ninput()\nprint('heard', sys.stdout.isatty(), os.environ['TERM'])\n\
         open({:?}).read()\nprint(json.dumps({{'result': 'a\\nb'}}))",
        fifo.display().to_string()
    );
    let agent = format!("it=python3 -c {}", quoted(&program));
    let mut command = nuncio(&["serve", "--listen", "127.0.0.1:0", "--token", "t=alice", "--agent", &agent]);
    // What the user sets wins, so Python buffers what it writes to a pipe.
    command.args(["--pty", "it"]).env("PYTHONUNBUFFERED", "");
    let serving = Serving::of(command);
    let mut job = Following::start(&serving, &[]);
    let line = job.until("heard");
    assert!(line.contains("heard True dumb"), "{line}");
    std::fs::write(&fifo, "go\n").expect("the program reads it");
    let (code, rest) = job.end();
    assert_eq!(code, Some(0), "{rest}");
}

#[tokio::test]
async fn a_large_lease_is_passed_in_a_file() {
    let serving = python(
        r#"hear()
path = os.environ["NUNCIO_LEASE_FILE"]
lease = json.load(open(path))
say(result=["NUNCIO_LEASE" in os.environ, len(lease["net.fetch"]), os.stat(path).st_mode & 0o777, path])
"#,
        &[],
    );
    let client = Client::builder(&serving.url, "t").expect("a URL").connect().await.expect("a session");
    let patterns: Vec<String> =
        (0..1_000).map(|at| format!("https://a.example/{}{at:04}/**", "path/".repeat(32))).collect();
    let lease = serde_json::json!({ "net.fetch": patterns });
    assert!(lease.to_string().len() > 180_000);
    let mut job = client.submit(&Submit::new("it").lease(&lease)).await.expect("it is accepted");
    let (in_variable, count, mode, path): (bool, usize, u32, PathBuf) = job.result().await.expect("it succeeds");
    assert_eq!((in_variable, count, mode), (false, 1_000, 0o600));
    assert!(!path.exists(), "the file is removed with the job");
    // A small one is in the variable.
    let mut job = client.submit(&Submit::new("it")).await.expect("it is accepted");
    let failed = job.outcome().await.expect("it ends").fault.expect("there is no file, so the program fails");
    assert_eq!(failed.code, "INTERNAL_ERROR");
}

#[cfg(target_os = "linux")]
#[test]
fn the_first_process_of_a_container_reaps_what_programs_leave_behind() {
    // The program leaves a process behind that has left its group, and that ends when the test writes to this pipe.
    let directory = Scratch::new("init");
    let fifo = directory.0.join("go");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    let program = format!(
        "import os, subprocess\norphan = subprocess.Popen(['sh', '-c', 'read go < {}'], start_new_session=True, \
         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\nprint('pids', orphan.pid)",
        fifo.display()
    );
    let agent = format!("it=python3 -c {}", quoted(&program));
    let arguments = ["agent-init", "serve", "--listen", "127.0.0.1:0", "--token", "t=alice", "--agent", &agent];
    let serving = Serving::of(nuncio(&arguments));
    let mut job = Following::start(&serving, &[]);
    let pids = job.pids();
    assert_eq!(job.end().0, Some(0));
    assert!(pids.iter().all(|pid| is_running(*pid)), "it outlives its program");
    std::fs::write(&fifo, "go\n").expect("the process reads it");
    let entry = PathBuf::from(format!("/proc/{}", pids[0]));
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    while entry.exists() {
        assert!(std::time::Instant::now() < deadline, "it is a zombie");
        std::thread::yield_now();
    }
    assert_eq!(serving.stop("TERM"), (Some(0), String::new()), "signals are passed on, and the exit code comes back");
}
