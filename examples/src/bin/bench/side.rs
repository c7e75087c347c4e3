//! A server and a client of one kind, each a process.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use clap::ValueEnum as _;
use nuncio_examples::bench::Talker;

use crate::measure::Measure;
use crate::nuncio::write_certificate;
use crate::raw::{Socket, bye, hello};
use crate::recorded::Frames;
use crate::{Flags, Result, Runtime, python};

/// A server, its client, and what it is called.
pub(crate) struct Side {
    pub(crate) name: String,
    url: String,
    server: Talker,
    client: Talker,
    /// Whether it is slower by far and is measured with less.
    is_peer: bool,
}

/// How Nuncio is measured.
enum Kind<'a> {
    Plain,
    /// With a certificate in a folder.
    Tls(&'a Path),
    /// With a journal in a folder, which survives a power failure or not.
    Journal(&'a Path, bool),
}

/// Starts all sides: the floor, Nuncio, Nuncio over TLS and with journals, and the peer.
pub(crate) fn all(flags: &Flags, folder: &Path) -> Result<Vec<Side>> {
    let frames = folder.join("frames");
    let nuncio = Side::nuncio(flags.driver, &Kind::Plain)?;
    Frames::record(&nuncio.url)?.write(&frames)?;
    let mut sides = vec![Side::floor(&frames)?, nuncio];
    if flags.tls {
        write_certificate(folder)?;
        sides.push(Side::nuncio(flags.driver, &Kind::Tls(folder))?);
    }
    if flags.journal.is_some() {
        for full in [false, true] {
            sides.push(Side::nuncio(flags.driver, &Kind::Journal(folder, full))?);
        }
    }
    if let Some(interpreter) = &flags.peer {
        sides.push(Side::python(interpreter)?);
    }
    Ok(sides)
}

/// Returns a command that starts this program as one of its processes.
fn this(process: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(process);
    Ok(command)
}

impl Side {
    fn nuncio(driver: Runtime, kind: &Kind<'_>) -> Result<Side> {
        let (mut serve, mut drive) = (this("serve")?, this("drive")?);
        for command in [&mut serve, &mut drive] {
            command.args(["--driver", driver.name()]);
        }
        let mut name = format!("nuncio ({})", driver.name());
        match *kind {
            Kind::Plain => {}
            Kind::Tls(folder) => {
                name += ", TLS";
                for command in [&mut serve, &mut drive] {
                    command.arg("--tls").arg(folder);
                }
            }
            Kind::Journal(folder, full) => {
                let kind = if full { "full" } else { "normal" };
                name = format!("{name}, journal {kind}");
                serve.arg("--journal").arg(folder.join(kind));
                if full {
                    serve.arg("--full");
                }
            }
        }
        Side::start(name, serve, drive, false)
    }

    fn floor(frames: &Path) -> Result<Side> {
        let (mut serve, mut drive) = (this("floor-serve")?, this("floor-drive")?);
        serve.arg(frames);
        drive.arg(frames);
        Side::start("floor".to_owned(), serve, drive, false)
    }

    fn python(interpreter: &Path) -> Result<Side> {
        Side::start("python".to_owned(), python::server(interpreter), python::client(interpreter), true)
    }

    /// Starts the server, asks it where it is, and tells the client.
    fn start(name: String, serve: Command, mut drive: Command, is_peer: bool) -> Result<Side> {
        let mut server = Talker::start(serve).map_err(|error| format!("the server of {name}: {error}"))?;
        let url = server.ask("where")?;
        drive.arg(&url);
        let client = Talker::start(drive).map_err(|error| format!("the client of {name}: {error}"))?;
        Ok(Side { name, url, server, client, is_peer })
    }

    /// Measures once. Returns a number for each column, or none if this side does not have the measurement.
    pub(crate) fn measure(&mut self, measure: Measure, scale: u64) -> Result<Vec<f64>> {
        let amount = if self.is_peer { measure.amount_of_peer(scale) } else { measure.amount(scale) };
        let is_floor = self.name == "floor";
        match measure {
            Measure::Watch | Measure::Stream | Measure::Long if self.is_peer => Ok(Vec::new()),
            Measure::Idle | Measure::Long if is_floor => Ok(Vec::new()),
            // The sessions that do nothing are those of sockets without TLS.
            Measure::Idle if self.url.starts_with("wss:") => Ok(Vec::new()),
            Measure::Idle => self.idle(amount),
            Measure::Long => {
                Ok(vec![self.growth(Measure::Flight, amount)?, self.growth(Measure::Events, 10 * amount)?])
            }
            Measure::Stream => {
                let before = Memory::of(self.server.id())?;
                before.forget_peak()?;
                let mut values = self.ask(measure, amount)?;
                values.push((Memory::of(self.server.id())?.peak - before.resident).max(0.0) / 1_024.0);
                Ok(values)
            }
            _ => self.ask(measure, amount),
        }
    }

    fn ask(&mut self, measure: Measure, amount: u64) -> Result<Vec<f64>> {
        let name = measure.to_possible_value().ok_or("each measure has a name")?;
        let line = self.client.ask(&format!("{} {amount}", name.get_name()))?;
        let values: std::result::Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
        values.map_err(|_| format!("the client of {} has failed: {line:?}", self.name).into())
    }

    /// Returns by how many per cent the server's memory grows after a tenth of the jobs or events.
    fn growth(&mut self, measure: Measure, amount: u64) -> Result<f64> {
        self.ask(measure, amount / 10)?;
        let before = Memory::of(self.server.id())?;
        self.ask(measure, amount - amount / 10)?;
        Ok((Memory::of(self.server.id())?.resident / before.resident - 1.0) * 100.0)
    }

    /// Opens sessions, and looks at the server's memory and at its CPU time over five seconds.
    fn idle(&mut self, sessions: u64) -> Result<Vec<f64>> {
        let pid = self.server.id();
        let before = Memory::of(pid)?;
        let open: Vec<Socket> =
            (0..sessions).map(|_| hello(&self.url, &["heartbeat", "ack"])).collect::<Result<_>>()?;
        let after = Memory::of(pid)?;
        let (started, ticks) = (Instant::now(), cpu_ticks(pid)?);
        std::thread::sleep(Duration::from_secs(5));
        let used = (cpu_ticks(pid)? - ticks) / TICKS_PER_SECOND / started.elapsed().as_secs_f64();
        // Otherwise Nuncio keeps the sessions of each round, since they can be resumed. The peer does not answer a bye.
        if !self.is_peer {
            open.into_iter().try_for_each(bye)?;
        }
        #[expect(clippy::cast_precision_loss, reason = "the counts are small enough to be exact")]
        let each = (after.resident - before.resident) / sessions as f64;
        Ok(vec![each, used * 100.0])
    }
}

/// Linux counts the CPU time of processes in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// Returns the CPU time that a process has used.
fn cpu_ticks(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program is in parentheses, and may contain spaces.
    let (_, rest) = text.rsplit_once(')').ok_or("the name is in parentheses")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).ok_or("there is no CPU time");
    Ok(number(11)? + number(12)?)
}

/// The memory of a process in KiB.
struct Memory {
    pid: u32,
    resident: f64,
    peak: f64,
}

impl Memory {
    fn of(pid: u32) -> Result<Memory> {
        let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let number = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).ok_or(format!("there is no {name}"))
        };
        Ok(Memory { pid, resident: number("VmRSS:")?, peak: number("VmHWM:")? })
    }

    /// Makes the peak begin anew.
    fn forget_peak(&self) -> Result<()> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.pid), "5")?)
    }
}
