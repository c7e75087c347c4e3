//! Counts the instructions of the hot paths of the core, which are the same on any day and under any load.
//!
//! `cargo run --release -p nuncio-tests --bin counts` runs each path under callgrind, and compares the counts with those in
//! `tests/counts/table.txt`. It fails if one differs by more than the tolerance. The counts of another compiler are shown, but
//! not compared. `-- --write` writes the table.
//! `-- run PATH N` runs one path alone, for a profile. `-- time PATH N` says how long one took without callgrind.

#[path = "../../core/benches/hot_paths/paths.rs"]
mod paths;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::process::{Command, ExitCode};
use std::time::Instant;

use paths::{HotPath, PATHS};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The difference from the table that is accepted, in per cent.
const TOLERANCE: u64 = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => check(),
        ["--write"] => write(),
        ["run", name, times] => run(name, times).map(|_| ()),
        ["time", name, times] => time(name, times),
        _ => Err("usage: counts [--write | run PATH N | time PATH N]".into()),
    };
    done.map_or_else(
        |error| {
            eprintln!("{error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn path(name: &str) -> Result<&'static HotPath> {
    let names = || PATHS.map(|path| path.name).join(", ");
    PATHS.iter().find(|path| path.name == name).ok_or_else(|| format!("there is no {name:?}: {}", names()).into())
}

fn run(name: &str, times: &str) -> Result<usize> {
    let times = times.parse()?;
    (path(name)?.run)(times);
    Ok(times)
}

#[expect(clippy::cast_precision_loss, reason = "the counts are small enough to be exact")]
fn time(name: &str, times: &str) -> Result<()> {
    let started = Instant::now();
    let times = run(name, times)?;
    let took = started.elapsed();
    println!(
        "{name}: {:.0} ns each, {:.0} in a second",
        took.as_nanos() as f64 / times as f64,
        times as f64 / took.as_secs_f64()
    );
    Ok(())
}

/// Returns the instructions of a path: those of many times, less those of the few that warm it up.
fn count(path: &HotPath) -> Result<u64> {
    let few = path.times.div_ceil(5);
    let (least, most) = (collected(path, few)?, collected(path, few + path.times)?);
    Ok(most.saturating_sub(least) / u64::try_from(path.times)?)
}

/// Runs a path under callgrind, and returns the instructions that it has collected.
fn collected(path: &HotPath, times: usize) -> Result<u64> {
    let this = std::env::current_exe()?;
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(this);
    command.args(["run", path.name, &times.to_string()]);
    let output = command.output().map_err(|error| format!("valgrind cannot be started: {error}. Install valgrind"))?;
    let text = String::from_utf8(output.stderr)?;
    let number = text.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    match number {
        Some(number) if output.status.success() => Ok(number),
        _ => Err(format!("{} has failed under valgrind: {text}", path.name).into()),
    }
}

/// Where the table is.
fn table() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("counts/table.txt")
}

/// Returns the name and version of the compiler.
fn compiler() -> Result<String> {
    let output = Command::new("rustc").arg("--version").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn write() -> Result<()> {
    let mut text = format!(
        "# Instructions of the hot paths, written by `counts --write`, in a release build of\n# {}\n",
        compiler()?
    );
    for path in &PATHS {
        writeln!(text, "{:<10} {:>9}  {}", path.name, count(path)?, path.once)?;
    }
    print!("{text}");
    Ok(std::fs::write(table(), text)?)
}

fn check() -> Result<()> {
    if cfg!(debug_assertions) {
        return Err("the table is that of a release build: use --release".into());
    }
    let text = std::fs::read_to_string(table())?;
    let rows = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?.parse::<u64>().ok()?))
    });
    let known: BTreeMap<&str, u64> = rows.collect();
    let compiler = compiler()?;
    let is_comparable = text.lines().any(|line| line.strip_prefix("# ") == Some(&compiler));
    if !is_comparable {
        println!("the table is that of another compiler than {compiler}: the counts are not compared");
    }
    let mut differ = Vec::new();
    for path in &PATHS {
        let known = known.get(path.name).copied().ok_or_else(|| format!("the table has no row for {}", path.name))?;
        let now = count(path)?;
        println!("{:<10} {now:>9}, {known:>9} in the table", path.name);
        if is_comparable && now.abs_diff(known) * 100 > known * TOLERANCE {
            differ.push(path.name);
        }
    }
    if differ.is_empty() {
        return Ok(());
    }
    let differ = differ.join(", ");
    Err(format!("{differ}: more than {TOLERANCE} % from the table. If that is meant, run `counts --write`").into())
}
