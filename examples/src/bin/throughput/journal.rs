//! Measures what a journal costs, compared with no journal and with the event log of the Python SDK.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nuncio_tokio::arcp::journal::{SqliteJournal, SqliteOptions, Sync};

use crate::nuncio::Nuncio;
use crate::recorded::Frames;
use crate::{Flags, MEASURES, Round, median};

const KINDS: [(&str, Option<Sync>); 3] = [("none", None), ("normal", Some(Sync::Normal)), ("full", Some(Sync::Full))];

/// Measures all kinds of journals in turn. Each round has a new server and a new file.
pub(crate) async fn measure(flags: &Flags, parent: &Path) -> Result<(), Box<dyn Error>> {
    let folder = Folder::new(parent)?;
    let mut rounds: [Vec<Round>; KINDS.len()] = Default::default();
    let mut frames = None;
    for number in 0..flags.rounds.max(1) {
        for ((kind, sync), rounds) in KINDS.iter().zip(&mut rounds) {
            let open = |sync: &Sync| {
                let options = SqliteOptions { sync: *sync, ..SqliteOptions::default() };
                SqliteJournal::open(folder.0.join(format!("{kind}-{number}")), options)
            };
            let nuncio = Nuncio::start(sync.as_ref().map(open).transpose()?).await?;
            if frames.is_none() {
                frames = Some(nuncio.record().await?);
            }
            rounds.push(nuncio.round(flags).await.map_err(|error| error.to_string())?);
            nuncio.stop().await;
        }
    }
    let [none, normal, full] = rounds;
    println!("medians of {} rounds; in parentheses: the ratio to no journal", none.len());
    for (what, value) in MEASURES {
        let [none, normal, full] = [&none, &normal, &full].map(|rounds| median(rounds, flags, value));
        println!(
            "{what:<28} none {none:>10.0}   normal {normal:>10.0} ({:.2})   full {full:>10.0} ({:.2})",
            normal / none,
            full / none
        );
    }
    if let (Some(python), Some(frames)) = (&flags.python, frames) {
        let theirs = python_log(python, &folder.0, &frames)?;
        let (what, events) = MEASURES[0];
        let [normal, full] = [&normal, &full].map(|rounds| median(rounds, flags, events) / theirs);
        println!("{what:<28} Python SDK {theirs:>8.0}   normal is {normal:.0} times that, full {full:.0} times");
    }
    Ok(())
}

/// Appends the same frames to the event log of the Python SDK, which is part of what its runtime does, and returns how
/// many it appends per second.
fn python_log(python: &Path, folder: &Path, frames: &Frames) -> Result<f64, Box<dyn Error>> {
    const SCRIPT: &str = r#"
import asyncio, json, sys, time
from arcp.runtime import SqliteEventLog

async def main():
    events = [json.loads(line) for line in open(sys.argv[1])]
    log = SqliteEventLog(sys.argv[2])
    await log.append("warm", events[0])
    began = time.perf_counter()
    for event in events:
        await log.append(event["session_id"], event)
    print(len(events) / (time.perf_counter() - began))
    await log.close()

asyncio.run(main())
"#;
    let events = folder.join("events.jsonl");
    let lines: Vec<&str> = frames.events.iter().map(tungstenite::Utf8Bytes::as_str).collect();
    fs::write(&events, lines.join("\n"))?;
    let output = Command::new(python).args(["-c", SCRIPT]).arg(events).arg(folder.join("python.db")).output()?;
    if !output.status.success() {
        return Err(format!("{}: {}", python.display(), String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// The directory of the journals. It is removed when the value is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(parent: &Path) -> std::io::Result<Folder> {
        let folder = parent.join(format!("nuncio-journals-{}", std::process::id()));
        fs::create_dir(&folder)?;
        Ok(Folder(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} cannot be removed: {error}", self.0.display());
        }
    }
}
