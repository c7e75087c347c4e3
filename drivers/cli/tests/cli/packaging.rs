//! The unit file, the Dockerfile and the configuration of `drivers/cli/packaging`.

use std::fs;

use crate::support::{run, stderr, stdout};

const UNIT: &str = include_str!("../../packaging/nuncio.service");
const DOCKERFILE: &str = include_str!("../../packaging/Dockerfile");
const CONFIGURATION: &str = include_str!("../../packaging/nuncio.toml");
const GUIDE: &str = include_str!("../../packaging/README.md");

/// The values of a setting of the unit.
fn settings(name: &str) -> Vec<&'static str> {
    UNIT.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect()
}

/// The list of an instruction of the Dockerfile in its exec form.
fn instruction(name: &str) -> Vec<String> {
    let line = DOCKERFILE.lines().find_map(|line| line.strip_prefix(name)).expect("the instruction is there");
    serde_json::from_str(line).expect("it has the exec form")
}

/// Checks that nuncio takes these arguments, with the paths of the packaging in a folder of the test.
fn check(arguments: &[String]) {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |path: &str| path.replace("/etc/nuncio", folder.path().to_str().expect("a path that is text"));
    fs::write(at("/etc/nuncio/nuncio.toml"), at(CONFIGURATION)).expect("a file");
    fs::write(at("/etc/nuncio/tokens"), "t=me\n").expect("a file");
    let arguments: Vec<String> =
        arguments.iter().map(|argument| at(&argument.replace("/var/lib/nuncio", "/etc/nuncio"))).collect();
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(arguments.first(), Some(&"serve"));
    arguments.push("--check");
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    assert!(stdout(&output).contains("agent    count: wc -w"), "{}", stdout(&output));
}

#[test]
fn the_unit_starts_a_server_that_nuncio_accepts() {
    let [start] = settings("ExecStart")[..] else { panic!("one command is started") };
    let mut words = start.split(' ').map(str::to_owned);
    assert_eq!(words.next().as_deref(), Some("/usr/local/bin/nuncio"));
    check(&words.collect::<Vec<String>>());
}

#[test]
fn the_unit_fits_what_the_server_does() {
    for (name, value) in [
        // It reports that it is ready and alive, and reads files again on SIGHUP.
        ("Type", "notify"),
        ("WatchdogSec", "30s"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
        // It stops the programs of agents itself, after their jobs had time to end.
        ("KillMode", "mixed"),
        ("RestartPreventExitStatus", "2"),
        ("DynamicUser", "yes"),
        ("StateDirectory", "nuncio"),
        ("ProtectSystem", "strict"),
    ] {
        assert_eq!(settings(name), [value], "{name}");
    }
}

#[test]
fn the_image_starts_a_server_that_nuncio_accepts() {
    assert_eq!(instruction("ENTRYPOINT "), ["/usr/local/bin/nuncio"]);
    check(&instruction("CMD "));
    let user = DOCKERFILE.lines().rfind(|line| line.starts_with("USER ")).expect("a user");
    assert_eq!(user, "USER 65532:65532", "it does not run as root");
    let compiler = concat!("FROM rust:", env!("CARGO_PKG_RUST_VERSION"), "-");
    assert!(DOCKERFILE.contains(compiler), "it is built by the oldest compiler that is promised");
}

#[test]
fn every_option_that_the_packaging_names_is_one_of_serve() {
    /// Those of other commands.
    const OTHERS: [&str; 12] = [
        "--locked",
        "--path",
        "--root",
        "--system",
        "--now",
        "--init",
        "--stop-timeout",
        "--name",
        "--release",
        "--mount",
        "--no-install-recommends",
        "--from",
    ];
    let help = run(&["serve", "--help"]);
    let help = stdout(&help);
    let mut found = 0;
    for text in [UNIT, DOCKERFILE, CONFIGURATION, GUIDE] {
        let words = text.split(|next: char| !next.is_ascii_alphanumeric() && next != '-');
        let options =
            words.filter(|word| word.starts_with("--") && word.ends_with(|last: char| last.is_ascii_alphanumeric()));
        for option in options.filter(|option| !OTHERS.contains(option)) {
            let is_known =
                help.split(|next: char| !next.is_ascii_alphanumeric() && next != '-').any(|word| word == option);
            assert!(is_known, "serve has no {option}");
            found += 1;
        }
    }
    assert!(found > 10, "only {found} options were found");
}
