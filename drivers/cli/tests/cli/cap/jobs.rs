//! Jobs, keys, and what is said when something is missing.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use nuncio_tests::peers::wanted;

use super::site::{Component, ECHO, Site, script};
use crate::support::{Serving, nuncio, run, send, stderr, stdout};

#[test]
fn a_program_runs_the_jobs_of_a_topic() {
    if !wanted("a_program_runs_the_jobs_of_a_topic") {
        return;
    }
    let site = Site::start();
    script(site.folder.path(), "echo.sh", ECHO);
    let _router = site.router();
    let worker = site.worker(&["job.echo=sh echo.sh", "job.fail=false", "job.broken=echo '{\"result\": NaN}'"]);

    let done = site.submit(&["job.echo", "--input", "{\"a\": [1, 2]}", "--job-id", "job-1"]);
    assert_eq!((done.status.code(), stdout(&done)), (Some(0), "{\"a\":[1,2]}\n"), "{}", stderr(&done));
    assert!(stderr(&done).contains("submitted job-1") && stderr(&done).contains("50 % half"), "{}", stderr(&done));

    // The same id is the same job, whose result is there.
    let again = site.submit(&["job.echo", "--input", "{\"a\": [1, 2]}", "--job-id", "job-1"]);
    assert_eq!((again.status.code(), stdout(&again)), (Some(0), "{\"a\":[1,2]}\n"), "{}", stderr(&again));

    let failed = site.submit(&["job.fail", "--input", "1"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        stderr(&failed).contains("ended with FAILED: \"the program ended with exit status 1\""),
        "{}",
        stderr(&failed)
    );

    // An output that cannot be read is not a success.
    let broken = site.submit(&["job.broken", "--input", "1"]);
    assert_eq!(broken.status.code(), Some(1), "{}", stdout(&broken));
    assert!(stderr(&broken).contains("cannot be read"), "{}", stderr(&broken));

    worker.signal();
}

#[test]
fn a_job_that_is_submitted_while_the_router_is_away_waits_in_the_stream() {
    if !wanted("a_job_that_is_submitted_while_the_router_is_away_waits_in_the_stream") {
        return;
    }
    let streams = tempfile::tempdir().unwrap();
    let site = Site::start_with(&["--jetstream", "--store_dir", streams.path().to_str().unwrap()]);
    script(site.folder.path(), "echo.sh", ECHO);
    let router = ["router", "--id", "router-1", "--keys", "keys", "--store", "jobs.db", "--jetstream"];
    drop(site.component(&router));
    let _worker = site.worker(&["job.echo=sh echo.sh"]);
    let mut submit = site.cap(&["submit", "job.echo", "--input", "7", "--id", "client-1", "--keys", "keys"]);
    let mut submit = submit.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(submit.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("submitted ")));
    let _router = site.component(&router);
    let done = submit.wait_with_output().unwrap();
    assert_eq!((done.status.code(), stdout(&done)), (Some(0), "7\n"));

    // The stream belongs to that router.
    let other = ["router", "--id", "router-2", "--unsigned", "--store", "other.db", "--jetstream=NUNCIO_CAP"];
    let other = site.cap(&other).output().unwrap();
    assert_eq!(other.status.code(), Some(6), "{}", stderr(&other));
    assert!(stderr(&other).contains("belongs to a router with another name"), "{}", stderr(&other));
    let forgetful = site.cap(&["router", "--id", "router-1", "--unsigned", "--jetstream"]).output().unwrap();
    assert_eq!(forgetful.status.code(), Some(2), "{}", stderr(&forgetful));
    assert!(stderr(&forgetful).contains("--store"), "{}", stderr(&forgetful));
}

#[test]
fn an_unsigned_or_foreign_request_is_not_run() {
    if !wanted("an_unsigned_or_foreign_request_is_not_run") {
        return;
    }
    let site = Site::start();
    script(site.folder.path(), "echo.sh", ECHO);
    let (_router, _worker) = (site.router(), site.worker(&["job.echo=sh echo.sh"]));
    let arguments = ["submit", "job.echo", "--id", "client-1", "--input", "1", "--wait", "1s"];
    let unsigned = site.cap(&arguments).arg("--unsigned").output().unwrap();
    assert_eq!(unsigned.status.code(), Some(4), "{}", stderr(&unsigned));
    let made = site.cap(&["keygen", "client-1", "--dir", "others"]).output().unwrap();
    assert_eq!(made.status.code(), Some(0));
    let foreign = site.cap(&arguments).args(["--keys", "keys", "--key", "others/client-1.key.pem"]).output().unwrap();
    assert_eq!(foreign.status.code(), Some(4), "{}", stderr(&foreign));
}

#[test]
fn a_router_that_is_killed_goes_on_with_its_store() {
    if !wanted("a_router_that_is_killed_goes_on_with_its_store") {
        return;
    }
    let site = Site::start();
    script(site.folder.path(), "echo.sh", ECHO);
    // Nobody serves the topic yet, so the job is left with the router. It may have sent it already, and sends it again.
    let start = || {
        let router = ["router", "--id", "router-1", "--keys", "keys", "--store", "jobs.db", "--dispatch-timeout", "1s"];
        site.component(&router)
    };
    let router = start();
    let sent = site.submit(&["job.echo", "--input", "7", "--job-id", "job-7", "--no-wait"]);
    assert_eq!((sent.status.code(), stdout(&sent)), (Some(0), "job-7\n"), "{}", stderr(&sent));
    drop(router);
    let _worker = site.worker(&["job.echo=sh echo.sh"]);
    let _router = start();
    let done = site.submit(&["job.echo", "--input", "7", "--job-id", "job-7"]);
    assert_eq!((done.status.code(), stdout(&done)), (Some(0), "7\n"), "{}", stderr(&done));
}

/// Tells the test that it has begun, and ends when the test says so.
const GATED: &str = r#"read input
echo run >> runs
echo begun > begun
read go < gate
echo "{\"result\": $input}"
"#;

#[test]
fn a_server_that_is_killed_finds_the_jobs_of_its_pool_again() {
    if wanted("a_server_that_is_killed_finds_the_jobs_of_its_pool_again") {
        finds_the_jobs_of_its_pool_after("KILL");
    }
}

#[test]
fn a_server_that_is_stopped_finds_the_jobs_of_its_pool_again() {
    if wanted("a_server_that_is_stopped_finds_the_jobs_of_its_pool_again") {
        finds_the_jobs_of_its_pool_after("TERM");
    }
}

/// Ends a server with a signal while a worker runs its job, and starts it again.
fn finds_the_jobs_of_its_pool_after(signal: &str) {
    let site = Site::start();
    script(site.folder.path(), "gated.sh", GATED);
    for pipe in ["begun", "gate"] {
        assert!(Command::new("mkfifo").arg(site.path(pipe)).status().unwrap().success());
    }
    let (_router, _worker) = (site.router(), site.worker(&["job.gated=sh gated.sh"]));
    let serve = || {
        let mut command = nuncio(&["serve", "--listen", "127.0.0.1:0", "--token", "s3cret=me", "--journal", "journal"]);
        command.args(["--drain", "10ms"]);
        command.args(["--cap-agent", "gated=job.gated", "--cap-id", "client-1", "--cap-keys", "keys"]);
        command.env("NUNCIO_CAP", &site.nats).env("NUNCIO_CAP_REDIS", &site.redis).current_dir(site.folder.path());
        Serving::of(command)
    };
    let submit = |url: &str| {
        let mut command =
            nuncio(&["submit", "gated", "--token", "s3cret", "--input", "7", "--idempotency-key", "once"]);
        command.args(["--url", url]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let server = serve();
    let mut first = submit(&server.url);
    assert_eq!(fs::read_to_string(site.path("begun")).unwrap(), "begun\n");
    server.stop(signal);
    first.kill().unwrap();
    first.wait().unwrap();

    let server = serve();
    fs::write(site.path("gate"), "go\n").unwrap();
    let again = submit(&server.url).wait_with_output().unwrap();
    assert_eq!((again.status.code(), stdout(&again)), (Some(0), "7\n"), "{}", stderr(&again));
    assert_eq!(fs::read_to_string(site.path("runs")).unwrap(), "run\n", "the job ran once");
}

#[test]
fn watch_prints_each_packet_with_what_is_known_of_its_signature() {
    if !wanted("watch_prints_each_packet_with_what_is_known_of_its_signature") {
        return;
    }
    let site = Site::start();
    script(site.folder.path(), "echo.sh", ECHO);
    let (_router, _worker) = (site.router(), site.worker(&["job.echo=sh echo.sh"]));
    let mut watching = site
        .cap(&["watch", "--keys", "keys", "--json", "--job", "job-1", "--count", "4"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut begins = String::new();
    BufReader::new(watching.stderr.take().unwrap()).read_line(&mut begins).unwrap();
    assert!(begins.starts_with("watching"), "{begins}");
    let done = site.submit(&["job.echo", "--input", "1", "--job-id", "job-1"]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let output = watching.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let lines: Vec<serde_json::Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let subjects: Vec<&str> = lines.iter().map(|line| line["subject"].as_str().unwrap()).collect();
    for subject in ["sys.job.submit", "job.echo", "sys.job.progress", "sys.job.result"] {
        assert!(subjects.contains(&subject), "{subjects:?}");
    }
    assert!(lines.iter().all(|line| line["signature"] == "verified" && line["job_id"] == "job-1"), "{lines:?}");
}

#[test]
fn the_demonstration_loses_no_job() {
    let output = run(&["cap", "demo"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let last = stdout(&output).lines().last().unwrap();
    assert!(
        last.starts_with("OK: jobs 60, workers killed 1, jobs sent again ") && last.ends_with(", jobs lost 0."),
        "{last}"
    );
    let numbers: Vec<usize> = last.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
    assert_eq!(numbers[2], numbers[3] + numbers[4], "the parts add up: {last}");
}

#[test]
fn what_is_missing_is_said_with_what_to_do() {
    let refused = |arguments: &[&str], code: i32, sentence: &str| {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains(sentence), "{}", stderr(&output));
    };
    let submit = ["cap", "submit", "job.a", "--id", "c", "--input", "1"];
    refused(&submit, 2, "give --keys DIR");
    refused(&[&submit[..], &["--keys", "/nowhere"]].concat(), 2, "cannot read the private key");
    refused(&[&submit[..], &["--unsigned", "--nats", "nats://127.0.0.1:1"]].concat(), 6, "check that nats-server");
    refused(&[&submit[..], &["--unsigned", "--nats", "http://h"]].concat(), 2, "--nats: ");
    refused(
        &["cap", "submit", "job.a", "--id", "c", "--unsigned", "--input", "{"],
        2,
        "this is not JSON, because its end is missing",
    );
    refused(&["cap", "keygen", "a/b"], 2, "slash");
    let serve = ["serve", "--check", "--cap-agent", "a=job.a"];
    refused(&serve, 2, "needs --cap URL");
    refused(&[&serve[..], &["--cap", "nats://h"]].concat(), 2, "needs --cap-id ID");
    let named = [&serve[..], &["--cap", "nats://127.0.0.1:1", "--cap-id", "front-1"]].concat();
    refused(&named, 2, "needs --cap-keys DIR");
    refused(&[&named[..], &["--cap-keys", "/nowhere"]].concat(), 2, "cannot read the private key");
    refused(&[&["serve"][..], &named[2..], &["--cap-unsigned"]].concat(), 1, "cannot be reached");
    let reserved = r#"the topic "sys.x" cannot be used"#;
    refused(&["cap", "submit", "sys.x", "--id", "client-1", "--unsigned"], 2, reserved);
    refused(&["cap", "worker", "--id", "worker-1", "--topic", "sys.x=cat", "--unsigned"], 2, reserved);
    refused(&["serve", "--check", "--cap-agent", "a=sys.x"], 2, reserved);
}

#[test]
fn a_key_is_never_overwritten_and_only_its_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let keygen = || run(&["cap", "keygen", "worker-1", "--dir", folder.path().to_str().unwrap()]);
    assert_eq!(keygen().status.code(), Some(0));
    let private = folder.path().join("worker-1.key.pem");
    let before = fs::read(&private).unwrap();
    let again = keygen();
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("never overwritten; choose another id or --dir"), "{}", stderr(&again));
    assert_eq!(fs::read(&private).unwrap(), before);
    assert_eq!(private.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_submit_of_which_nothing_is_heard_says_once_what_to_check_and_goes_on() {
    let site = Site::on_own_bus();
    script(site.folder.path(), "echo.sh", ECHO);
    let submit = |more: &[&str]| {
        let common = ["submit", "job.echo", "--input", "7", "--id", "client-1"];
        Component::of(site.cap(&[&common[..], more].concat()))
    };
    let (signed, unsigned) = (submit(&["--keys", "keys"]), submit(&["--unsigned"]));
    let sealed = ["--keys", "keys", "--production", "--tenant", "tenant-1", "--peer", "router-1"];
    let advice = |submit: &Component| {
        submit.until("nothing has been heard of the job for 3 s; still waiting. Check that");
        submit.lines_until("If all this is so")
    };
    let (router, worker) = ("- `nuncio cap router` is running on this bus", "- a worker serves the topic, such as");
    let key = "- the router has the public key of this client in its --keys";
    for (submit, causes) in [
        (
            &submit(&sealed),
            &[router, "--submitter client-1=tenant-1", key, "- --peer names the router and each", worker][..],
        ),
        (&unsigned, &[router, "- the router has --unsigned", worker]),
        (&signed, &[router, key, "- the router has no --production", worker]),
    ] {
        let lines = advice(submit);
        assert_eq!(lines.len(), causes.len(), "a line has one cause: {lines:?}");
        for (line, cause) in lines.iter().zip(causes) {
            assert!(line.contains(cause) && line.len() <= 100, "{cause}: {line}");
        }
    }
    // What it waited for comes.
    let (_router, _worker) = (site.router(), site.worker(&["job.echo=sh echo.sh"]));
    let rest = signed.ended(0);
    assert!(rest.iter().any(|line| line.contains("50 % half")), "{rest:?}");
    assert!(rest.iter().all(|line| !line.contains("nothing has been heard")), "it is said once: {rest:?}");
}

#[test]
fn the_input_of_a_job_may_be_in_a_file_or_on_stdin() {
    let site = Site::on_own_bus();
    script(site.folder.path(), "echo.sh", ECHO);
    fs::write(site.path("input.json"), "[1, 2]\n").unwrap();
    fs::write(site.path("wrong.json"), "[1, \n").unwrap();
    let _router = site.component(&["router", "--id", "router-1", "--unsigned"]);
    let _worker = site.component(&["worker", "--id", "worker-1", "--unsigned", "--topic", "job.echo=sh echo.sh"]);
    let submit = |input: &[&str]| {
        let mut command = site.cap(&[&["submit", "job.echo", "--id", "client-1", "--unsigned"], input].concat());
        command.stdin(fs::File::open(site.path("input.json")).unwrap()).output().unwrap()
    };
    for input in [&["--input", "@input.json"][..], &["--input", "-"], &["--input", "@-"], &[]] {
        let done = submit(input);
        assert_eq!((done.status.code(), stdout(&done)), (Some(0), "[1,2]\n"), "{input:?}: {}", stderr(&done));
    }
    for (input, sentence) in [
        ("@wrong.json", "--input: wrong.json is not JSON"),
        ("@none.json", "--input: cannot read none.json"),
        ("@", "write @FILE"),
        ("text", "write a text with its quotes"),
    ] {
        let refused = submit(&["--input", input]);
        assert_eq!((refused.status.code(), stdout(&refused)), (Some(2), ""), "{input}");
        assert!(stderr(&refused).contains(sentence), "{input}: {}", stderr(&refused));
    }
}

/// Everything without a nats-server and a Redis server.
#[test]
fn the_bus_of_the_command_carries_jobs() {
    let site = Site::on_own_bus();
    script(site.folder.path(), "echo.sh", ECHO);
    let _router = site.component(&["router", "--id", "router-1", "--unsigned"]);
    let _worker = site.component(&["worker", "--id", "worker-1", "--unsigned", "--topic", "job.echo=sh echo.sh"]);
    let mut submit = site.cap(&["submit", "job.echo", "--id", "client-1", "--unsigned", "--input", "[1, 2]"]);
    let done = submit.output().unwrap();
    assert_eq!((done.status.code(), stdout(&done)), (Some(0), "[1,2]\n"), "{}", stderr(&done));
    // It serves this machine only.
    let refused = run(&["cap", "bus", "--listen", "0.0.0.0:0", "--listen-redis", "127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("not a loopback address"), "{}", stderr(&refused));
}

#[test]
fn sighup_ends_a_worker_after_its_jobs_and_the_others_in_order() {
    let site = Site::on_own_bus();
    let fifo = site.path("go");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut router = site.router();
    let mut worker = site.worker(&["job.wait=sh -c 'read go < go; echo {\\\"result\\\":1}'"]);
    let mut submit = site.cap(&["submit", "job.wait", "--input", "1", "--id", "client-1", "--keys", "keys"]);
    let mut submit = submit.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The pipe opens once the program reads it.
    let mut go = fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    send("HUP", &worker.child);
    worker.until("waiting for 1 job to end");
    go.write_all(b"go\n").unwrap();
    assert_eq!(worker.child.wait().unwrap().code(), Some(0));
    assert_eq!(submit.wait().unwrap().code(), Some(0), "the job has its result");
    send("HUP", &router.child);
    assert_eq!(router.child.wait().unwrap().code(), Some(0));
}

#[test]
fn members_whose_bus_has_died_end_at_once_if_they_have_nothing_to_send() {
    let mut site = Site::on_own_bus();
    let router = site.router();
    let worker = ["worker", "--id", "worker-1", "--unsigned", "--topic", "job.a=cat", "--drain", "1h"];
    let worker = site.component(&worker);
    site.kill_bus();
    for component in [worker, router] {
        component.signal();
        component.ended(0);
    }
}

#[test]
fn a_signal_ends_a_command_that_does_not_reach_the_bus() {
    let nowhere = ["--unsigned", "--nats", "nats://u:s3cret@127.0.0.1:1"];
    let start = |arguments: &[&str]| Component::of(nuncio(&[&["cap"], arguments, &nowhere].concat()));
    let submit = start(&["submit", "job.a", "--id", "client-1", "--input", "1"]);
    let router = start(&["router", "--id", "router-1"]);
    let worker = start(&["worker", "--id", "worker-1", "--topic", "job.a=true"]);
    for component in [&submit, &router, &worker] {
        let line = component.until("cannot be reached yet");
        assert!(line.contains("nats://127.0.0.1:1") && !line.contains("s3cret"), "{line}");
    }
    send("INT", &submit.child);
    let rest = submit.ended(130);
    assert!(rest.iter().any(|line| line.contains("nothing was submitted")), "{rest:?}");
    for component in [router, worker] {
        component.signal();
        component.ended(0);
    }
}

#[test]
fn a_second_router_on_a_file_says_that_it_is_in_use() {
    let site = Site::on_own_bus();
    let router = site.router();
    let second = site.cap(&["router", "--id", "router-2", "--unsigned", "--store", "jobs.db"]).output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    let holder =
        format!("jobs.db: the file is in use by another process; stop that process, whose id is {}", router.child.id());
    assert!(stderr(&second).contains(&holder), "{}", stderr(&second));
}

#[test]
fn a_job_of_a_topic_that_no_worker_serves_ends_and_says_so() {
    let site = Site::on_own_bus();
    let router = ["router", "--id", "router-1", "--unsigned", "--dispatch-timeout", "1ms"];
    let router = site.component(&router);
    let submit = ["submit", "job.cuont", "--id", "client-1", "--unsigned", "--input", "1"];
    let output = site.cap(&submit).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains("no worker that has announced itself serves the topic"), "{}", stderr(&output));
    assert!(router.until("no worker that has announced itself").contains("job.cuont"));
}
