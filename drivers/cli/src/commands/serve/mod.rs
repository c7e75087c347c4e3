//! `nuncio serve`.
//!
//! ```text
//! options.rs + file.rs --settings.rs--> Settings --build.rs--> Service: the server and its programs
//!                                          |                      |
//!                                       check.rs            run, below, until a signal or the end of stdin
//! ```
//!
//! [`exec`] runs programs as agents.

mod addresses;
mod agent;
mod ask;
mod build;
mod check;
mod console_port;
mod demo_agents;
mod error;
#[cfg(unix)]
mod exec;
mod exposed;
mod exposition;
mod file;
mod journal;
mod limits;
mod metrics;
mod metrics_port;
mod no_effect;
mod options;
mod parse;
mod pool;
mod reload;
mod security;
mod settings;
mod systemd;
mod watch;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use nuncio_tokio::arcp::{BuildError, ListenOptions, Listening, Shutdown};

use crate::descriptors;
use crate::exit::Exit;
use crate::logging;
use crate::signals::{Signalled, Termination};
use crate::text::{count, eprint_line};
use addresses::Addresses;
use build::Service;
use error::ServeError;
pub(crate) use options::Options;
use reload::Reload;
use settings::Settings;
use systemd::ServiceManager;

/// Serves until a signal, or until the end of stdin with `--stdio`.
pub(crate) async fn run(options: Options) -> Exit {
    match serve(options).await {
        Ok(()) => Exit::Success,
        Err(error) => {
            // An error in the configuration file may span several lines.
            for line in format!("nuncio: {error}").lines() {
                eprint_line(line);
            }
            error.exit()
        }
    }
}

async fn serve(options: Options) -> Result<(), ServeError> {
    let check_only = options.check;
    let settings = Settings::new(options)?;
    if check_only {
        // A check connects to nothing, and would say that it does.
        logging::install_for_client();
    } else {
        logging::install_for_server(settings.logs);
    }
    descriptors::raise_limit();
    let addresses = Addresses::resolve(&settings).await?;
    let pool = match &settings.pool {
        Some(pool) if check_only => Some(pool.check()?),
        Some(pool) => Some(pool.connect().await?),
        None => None,
    };
    let listen_options = settings.security.listen_options()?;
    if !check_only {
        addresses.check_free(&settings)?;
    }
    let service = Service::build(&settings, pool.as_ref(), check_only)?;
    if check_only {
        for warning in no_effect::strangers(&settings).into_iter().chain(exposed::warnings(&settings, &addresses)) {
            eprint_line(&warning);
        }
        return check::print(&service, &settings).map_err(ServeError::Stdout);
    }
    for warning in no_effect::warnings(&settings).into_iter().chain(exposed::warnings(&settings, &addresses)) {
        eprint_line(&warning);
    }
    let mut termination = Termination::listen()?;
    let mut reload =
        Reload::new(&settings, service.verifier.clone(), service.mandates.clone(), listen_options.tls.clone());
    let console_options = listen_options.clone();
    let listening = match &settings.listen {
        Some(address) => Some(listen(&service, address, &addresses.listen, listen_options, &settings).await?),
        None => None,
    };
    if let Some(address) = &settings.metrics {
        let bound = metrics::serve(&addresses.metrics, &service.server).await;
        let failed = |error| ServeError::Listen { address: address.clone(), error, option: "--metrics" };
        let bound = bound.map_err(failed)?;
        eprint_line(&format!("nuncio: metrics on http://{bound}/metrics"));
    }
    let _console = match &settings.console {
        Some(address) => {
            let served = console_port::serve(address, &addresses.console, &service.server, console_options, &settings);
            Some(served.await?)
        }
        None => None,
    };
    if let Some(journal) = &settings.journal {
        journal.print_restored(&service.server, service.is_journal_new);
    }
    let manager = ServiceManager::of_environment();
    let url = listening.as_ref().map_or("stdio", Listening::url);
    if service.generated_token.is_some() {
        let clients = listening.as_ref().map(|listening| {
            let url = listening.url();
            format!("before you start a client, enter: export NUNCIO_URL={url} NUNCIO_TOKEN=<the text after TOKEN>")
        });
        let console = settings.console.as_ref().map(|_| "to log in to the console, enter it there".to_owned());
        let uses: Vec<String> = clients.into_iter().chain(console).collect();
        eprint_line(&format!(
            "nuncio: no token was given, so one was generated, which is valid until nuncio stops; {}",
            uses.join("; ")
        ));
    }
    print_ready(&service, url, settings.stdio).map_err(ServeError::Stdout)?;
    manager.ready(url);
    manager.watch(&service.server);
    tokio::select! {
        () = service.server.serve_stdio(), if settings.stdio => {}
        () = until_stopped(&mut termination, &mut reload, &manager, url) => {}
        error = service.server.journal_lost() => {
            manager.stopping(Duration::ZERO);
            service.kill().await;
            return Err(match &settings.journal {
                Some(journal) => journal.lost(error),
                None => BuildError::Journal(error).into(),
            });
        }
    }
    manager.stopping(settings.drain.get().saturating_add(settings.kill_grace.get()));
    stop(&service, &settings, &mut termination).await;
    Ok(())
}

/// Waits for a signal to stop. Meanwhile tokens, keys and certificates are read again on SIGHUP and when their files change.
async fn until_stopped(termination: &mut Termination, reload: &mut Reload, manager: &ServiceManager, url: &str) {
    loop {
        let signalled = tokio::select! {
            signalled = termination.next() => signalled,
            () = reload.changed() => Signalled::Reload,
        };
        match signalled {
            Signalled::Stop => return,
            Signalled::Reload => {
                manager.reloading();
                reload.now();
                manager.ready(url);
            }
        }
    }
}

async fn stop(service: &Service, settings: &Settings, termination: &mut Termination) {
    let stats = service.server.stats();
    let running = (stats.jobs_running + stats.jobs_cancelling) as u64;
    if running > 0 {
        let (jobs, drain) = (count(running, "running job"), settings.drain);
        eprint_line(&format!("nuncio: stopping; {jobs} may take {drain} to end; a second signal stops at once"));
    } else {
        eprint_line("nuncio: stopping");
    }
    tokio::select! {
        outcome = service.shutdown(settings.drain.get()) => {
            if outcome == Shutdown::Aborted {
                eprint_line(match settings.journal {
                    None => "nuncio: the jobs that were still running have been ended",
                    Some(_) => {
                        "nuncio: the jobs that were still running have been stopped; those that go on after a restart are \
                         in the journal"
                    }
                });
            }
            eprint_line("nuncio: stopped");
        }
        () = termination.insisted() => {
            service.kill().await;
            eprint_line("nuncio: stopped at once");
        }
    }
}

async fn listen(
    service: &Service,
    address: &str,
    addresses: &[SocketAddr],
    options: ListenOptions,
    settings: &Settings,
) -> Result<Listening, ServeError> {
    let path = settings.path.as_ref().map(|path| path.as_str().to_owned());
    let listening = service
        .server
        .listen_with(addresses, ListenOptions { path, behind_proxy: settings.behind_proxy, ..options })
        .await;
    listening.map_err(|error| ServeError::Listen { address: address.to_owned(), error, option: "--listen" })
}

/// Prints the generated token, if there is one, and where the server listens: on stdout, or on stderr if stdout is served.
fn print_ready(service: &Service, url: &str, stdio: bool) -> Result<(), io::Error> {
    let mut lines = String::new();
    if let Some(token) = &service.generated_token {
        // Writing into a string cannot fail.
        let _infallible = writeln!(lines, "TOKEN {token}");
    }
    let _infallible = writeln!(lines, "READY {url}");
    if stdio {
        io::stderr().write_all(lines.as_bytes())
    } else {
        let mut out = io::stdout().lock();
        out.write_all(lines.as_bytes())?;
        out.flush()
    }
}
