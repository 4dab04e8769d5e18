//! `bedside serve`: everything is checked, then bound, then opened, then tied together, then served until told to stop.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use api::{ApiConfig, AppState, Clamd, Clock, SharedLimits, UploadRules};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use records::Records;
use records::consents::TextKind;
use sfu::Sfu;
use signaling::Signaling;
use tokio_util::sync::CancellationToken;
use visit::room::RoomSettings;

use crate::config::{Clamav, Config};
use crate::data_dir::DataDir;
use crate::http::{self, Listener};
use crate::live::{self, Documents, Folders, Live, Media, Playback};
use crate::mail::{self, Outlet, Smtp};
use crate::turn::Relay;
use crate::{database, demo, metrics, reachability, sealing, web};

/// Open requests may finish for this long after a stop signal; websockets are told before.
const DRAIN: Duration = Duration::from_secs(5);

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// One line that says what to do; nothing is left running.
pub fn run(config: &Config, is_demo: bool) -> Result<()> {
    let data = DataDir::open_exclusive(&config.data.dir, config.data.min_free_mib)?;
    http::raise_file_limit();
    let http = bind(config.http.listen)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("tokio")?;
    let (sfu, media_events) = {
        let _inside = runtime.enter();
        Sfu::start(sfu_config(config))
            .map_err(|error| anyhow::anyhow!("media.listen {}: {error}", config.media.listen))?
    };
    let mut database = database::open(&runtime, config, &data)?;
    let identity = records::identity::Settings {
        codes_for_everyone: is_demo,
        breached_passwords: config.identity.breached_passwords.clone(),
    };
    database.records = database.records.with_identity(identity);
    let outcome = runtime.block_on(async {
        let clock = Clock::system();
        if is_demo {
            demo::seed(&database.records, &data, &config.origin(), clock.wall()).await?;
        }
        let journal = records::audit::Journal::open(&data.audit())?;
        database.records.keep_journal(journal.clone());
        tokio::spawn(sealing::seal_forever(database.records.clone(), journal.clone(), clock.clone()));
        tokio::spawn(sealing::look_after(database.records.clone(), journal, clock.clone()));
        let folders = Folders { captures: data.captures(), objects: data.objects() };
        let media = Arc::new(Playback::new(database.records.clone(), data.objects()));
        let documents = Documents::in_folder(&data.attachments()).context("data folder")?;
        documents.sweep(&database.records, clock.wall()).await?;
        let state = AppState::new(
            database.records.clone(),
            media,
            Arc::new(documents),
            api_config(config, is_demo),
            clock.clone(),
        );
        let state = match &config.redis.url {
            Some(url) => state.with_shared_limits(shared_limits(url.reveal(), config.redis.ca.as_deref())?),
            None => state,
        };
        tokio::spawn(mail::deliver_forever(database.records.clone(), outlet(config, is_demo)?, clock.clone()));
        let relay = Relay::start(config, &sfu).await?;
        let live = Live::new(
            database.records.clone(),
            Media { sfu: sfu.clone(), relay: relay.clone() },
            state.tickets.clone(),
            state.changes.clone(),
            clock,
            folders,
        );
        let settings = signaling_settings(config, &database.records).await?;
        let signaling = Signaling::new(Arc::new(live.clone()), settings);
        live.attach(signaling.clone());
        tokio::spawn(live.clone().carry_media_events(media_events));
        tokio::spawn(live::compose_forever(live.clone()));
        tokio::spawn(index_patients(database.records.clone()));
        for (clinic, visit) in records::visits::in_progress(&database.records).await? {
            signaling.revive(clinic, visit);
        }
        tokio::spawn(live.clone().close_ended(state.clone(), signaling.clone()));
        tokio::spawn(live.clone().keep_lines(state.lines.clone()));
        tokio::spawn(live.close_expired(signaling.clone()));
        let health = Health {
            records: database.records.clone(),
            sfu: sfu.clone(),
            relay: relay.clone(),
            prometheus: metrics::install()?,
        };
        let router = routes(state, &signaling, health);
        let listener = Listener::new(http, &config.http, relay.as_ref().and_then(Relay::over_https))?;
        announce(config, is_demo, &data);
        tokio::spawn(reachability::tell(config.clone(), sfu.clone(), relay.clone()));
        serve(listener, router, signaling).await;
        if let Some(relay) = relay {
            relay.close();
        }
        Ok(())
    });
    runtime.block_on(async {
        sfu.shutdown().await;
        database.records.close().await;
    });
    runtime.shutdown_timeout(DRAIN);
    drop(database.private);
    drop(data);
    outcome
}

fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow::anyhow!(
                "http.listen {address}: the port is in use by another program; stop it or choose another with --http"
            )
        }
        _ => anyhow::anyhow!("http.listen {address}: {error}; choose another with --http"),
    })?;
    listener.set_nonblocking(true).context("http.listen")?;
    Ok(listener)
}

/// Where mail goes. Nothing leaves the demonstration, whatever is configured.
fn shared_limits(url: &str, ca: Option<&Path>) -> Result<SharedLimits> {
    let authorities = match ca {
        Some(path) => Some(std::fs::read(path).with_context(|| format!("redis.ca {}", path.display()))?),
        None => None,
    };
    SharedLimits::open(url, authorities.as_deref()).context("redis.url")
}

fn outlet(config: &Config, is_demo: bool) -> Result<Outlet> {
    if is_demo {
        return Ok(Outlet::Shown { base_url: config.origin() });
    }
    Ok(match config.mail.smtp()? {
        Some(settings) => Outlet::Smtp(Smtp::new(settings)),
        None => {
            tracing::warn!("no mail server is configured ([mail]): patients and staff get no mail");
            Outlet::Nowhere
        }
    })
}

/// How media is started.
#[must_use]
pub fn sfu_config(config: &Config) -> sfu::Config {
    sfu::Config {
        bind: config.media.listen,
        public: config.media.public_addresses.clone(),
        workers: config.media.workers,
        udp: config.media.udp,
        tcp: config.media.tcp.then(sfu::TcpLimits::default),
        limits: sfu::Limits { peers_per_room: config.media.max_participants, ..sfu::Limits::default() },
    }
}

fn api_config(config: &Config, is_demo: bool) -> ApiConfig {
    ApiConfig {
        base_url: config.origin(),
        origins: config.origins(),
        site_name: config.site.name.clone(),
        support_phone: config.site.support_phone.clone(),
        demo: is_demo,
        mos_formula: sfu::quality::MOS_FORMULA.to_owned(),
        trusted_proxies: config.http.proxies(),
        tls: config.origin().starts_with("https://"),
        limits: config.limits,
        uploads: UploadRules {
            max_bytes: config.uploads.max_mib.get() as usize * 1024 * 1024,
            max_pixels: u64::from(config.uploads.max_megapixels.get()) * 1_000_000,
            at_once: config.uploads.at_once.get() as usize,
        },
        clamd: match &config.clamav {
            Clamav { tcp: Some(address), .. } => Some(Clamd::Tcp(*address)),
            Clamav { socket: Some(path), .. } => Some(Clamd::Unix(path.clone())),
            Clamav { tcp: None, socket: None } => None,
        },
        sso: config.sso.iter().map(crate::config::Sso::settings).collect(),
    }
}

async fn signaling_settings(config: &Config, records: &Records) -> Result<signaling::Settings> {
    let text = records::consents::current_text(records, TextKind::Recording, "en").await?;
    Ok(signaling::Settings {
        allowed_origins: config.origins(),
        room: RoomSettings { recording_text_version: text.version, seats: config.media.max_participants },
        limits: signaling::Limits::default(),
    })
}

/// Patients that an earlier version put on record become findable. Does nothing at most starts.
async fn index_patients(records: Records) {
    match records::patient_index::rebuild(&records, time::OffsetDateTime::now_utc).await {
        Ok(0) => {}
        Ok(patients) => tracing::info!(patients, "patients were indexed for searching"),
        Err(error) => {
            tracing::error!(%error, "patients could not be indexed; those of an earlier version are not found until the next start")
        }
    }
}

#[derive(Clone)]
struct Health {
    records: Records,
    sfu: Sfu,
    relay: Option<Relay>,
    prometheus: PrometheusHandle,
}

fn routes(state: AppState, signaling: &Signaling<Live>, health: Health) -> Router {
    let operation = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(exposition))
        .with_state(health);
    let pages = Router::new().fallback(web::page).layer(tower_http::compression::CompressionLayer::new().gzip(true));
    let shown = if state.config.demo { mail::dev_routes(state.records.clone()) } else { Router::new() };
    let all = Router::new()
        .merge(api::router(state.clone()))
        .merge(operation)
        .merge(shown)
        .merge(signaling::router(signaling.clone()))
        .fallback_service(pages);
    api::edges(all, &state.config)
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    match health.records.ping().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(error) => {
            tracing::error!(%error, "the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
        }
    }
}

async fn exposition(State(health): State<Health>) -> impl IntoResponse {
    metrics::observe(&health.sfu.counters());
    if let Some(relay) = &health.relay {
        metrics::observe_relay(&relay.counters());
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], health.prometheus.render())
}

fn announce(config: &Config, is_demo: bool, data: &DataDir) {
    println!("Bedside is ready: {}", config.origin());
    if is_demo {
        demo::print(data, &config.origin());
    }
}

/// Serves until a signal says stop: websockets are told first, then open requests may finish.
async fn serve(listener: Listener, router: Router, signaling: Signaling<Live>) {
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone(), signaling));
    listener.serve(router, stop, DRAIN).await;
}

async fn stop_on_signal(stop: CancellationToken, signaling: Signaling<Live>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::error!("signals can't be heard: only SIGKILL will stop this server");
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    signaling.shutdown().await;
    stop.cancel();
}
