//! Serving: a listener, a token where one is due, the engine, and an orderly end.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use op_catalog::wire::PROTOCOL_VERSION;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::backend::Offer;
use crate::cli::Serve;
use crate::device::{allowed_cores, best_core, device_info};
use crate::engine;
use crate::jobs::Jobs;
use crate::limits::Limits;
use crate::server::{Token, app};
use crate::spool::{Spool, write_synced};

/// Serves until told to stop.
pub(crate) async fn run(options: &Serve, offers: &[Offer]) -> anyhow::Result<()> {
    if options.exit_with_parent {
        end_with_parent()?;
    }
    allow_many_connections();
    let allowed = allowed_cores();
    let spool = Spool::open(&options.spool)?;
    let token = token(options, &spool)?;
    let limits = Limits {
        body_bytes: options.max_body,
        queue: options.max_queue,
        jobs: options.max_jobs,
        items: options.max_items,
        blocks: options.max_blocks,
    };
    let jobs = Jobs::open(spool, device_info(&allowed, offers), limits)?;
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("listening on {}", options.listen))?;
    announce(&listener)?;
    if let Some(core) = best_core(&allowed) {
        engine::keep_off(&[core], &allowed);
    }
    let engine = tokio::spawn(engine::run(jobs.clone(), allowed));
    let served = tokio::select! {
        served = axum::serve(listener, app(jobs, token)).into_future() => served.context("serving"),
        () = told_to_stop() => Ok(()),
    };
    // Dropping the engine kills its child; all that was finished is on disk.
    engine.abort();
    served
}

fn announce(listener: &TcpListener) -> anyhow::Result<()> {
    let told = serde_json::json!({
        "listening": listener.local_addr()?.to_string(),
        "protocol_version": PROTOCOL_VERSION,
    });
    let mut output = std::io::stdout().lock();
    writeln!(output, "{told}")
        .and_then(|()| output.flush())
        .context("saying where the agent listens")
}

/// The token that clients must show: the given one, or, beyond loopback, one that is made once.
fn token(options: &Serve, spool: &Spool) -> anyhow::Result<Option<Token>> {
    if let Some(file) = &options.token_file {
        return read_token(file).map(Some);
    }
    if options.listen.ip().is_loopback() {
        return Ok(None);
    }
    let file = spool.file("token");
    if !file.exists() {
        let mut random = [0; 24];
        let mut source = std::fs::File::open("/dev/urandom").context("making a token")?;
        std::io::Read::read_exact(&mut source, &mut random).context("making a token")?;
        let text = random.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
        write_synced(&file, text.as_bytes())?;
        tracing::warn!("made a token, printed this once: {text}");
    }
    tracing::warn!("clients must show the token in {}", file.display());
    read_token(&file).map(Some)
}

fn read_token(file: &Path) -> anyhow::Result<Token> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("reading the token {}", file.display()))?;
    Token::new(text.trim()).with_context(|| format!("the token in {}", file.display()))
}

async fn told_to_stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn end_with_parent() -> anyhow::Result<()> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)
        .context("asking to end with the parent")
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn end_with_parent() -> anyhow::Result<()> {
    anyhow::bail!("--exit-with-parent is there on Linux and Android only")
}

/// Raises the limit of open files, so that a flood of connections is answered and not dropped.
fn allow_many_connections() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most.min(1 << 16), most);
    }
}
