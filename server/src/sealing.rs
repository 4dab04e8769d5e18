//! The audit log's work in the background: seals every second, verifies every night, looks for unusual access, makes the
//! months to come. On several nodes, the one that holds the database's lock does it.

use std::time::Duration;

use api::Clock;
use records::Records;
use records::audit::{self, BATCH, Journal, SealError, Sealer, access};
use time::OffsetDateTime;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// A row waits for its seal at most this long, and for the batch's own time.
const SEAL_EVERY: Duration = Duration::from_secs(1);
/// A node that is not the sealer asks this often whether it should be.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// After something went wrong. Nothing is lost meanwhile: rows wait.
const AFTER_FAULT: Duration = Duration::from_secs(30);
/// Unusual access is looked for this often.
const LOOK_EVERY: Duration = Duration::from_secs(300);
/// Everything is verified this often.
const VERIFY_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// Seals for as long as the server runs.
pub async fn seal_forever(records: Records, journal: Journal, clock: Clock) {
    metrics::describe_gauge!("bedside_audit_sealed_events", "Events of the audit log that are sealed.");
    metrics::describe_gauge!(
        "bedside_audit_sealer_halted",
        "1: sealing stopped because something is wrong with the log."
    );
    loop {
        let pause = match Sealer::acquire(&records, &journal).await {
            Ok(None) => ASK_EVERY,
            Ok(Some(sealer)) => {
                metrics::gauge!("bedside_audit_sealer_halted").set(0.0);
                fault(&seal_until_fault(&records, sealer, &clock).await)
            }
            Err(error) => fault(&error),
        };
        sleep(pause).await;
    }
}

fn fault(error: &SealError) -> Duration {
    let is_passing = matches!(error, SealError::Failed(_));
    if is_passing {
        tracing::warn!(%error, "the audit log could not be sealed; rows wait");
        return ASK_EVERY;
    }
    metrics::gauge!("bedside_audit_sealer_halted").set(1.0);
    tracing::error!(%error, "the audit log is not sealed");
    AFTER_FAULT
}

async fn seal_until_fault(records: &Records, mut sealer: Sealer, clock: &Clock) -> SealError {
    let mut every = interval(SEAL_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = records.seal_is_full() => {}
        }
        loop {
            match sealer.seal(clock.wall()).await {
                // Less than a batch: whatever there was is sealed.
                Ok(sealed) if sealed < BATCH => break,
                Ok(_) => {}
                Err(error) => return error,
            }
        }
        metrics::gauge!("bedside_audit_sealed_events").set(sealer.size() as f64);
    }
}

/// Makes months ahead, looks for unusual access and verifies, for as long as the server runs.
pub async fn look_after(records: Records, journal: Journal, clock: Clock) {
    let mut verified: Option<Instant> = None;
    loop {
        if let Err(error) = audit::make_months_ahead(&records).await {
            tracing::error!(%error, "the audit log's next months could not be made");
        }
        look_for_unusual(&records, clock.wall()).await;
        if verified.is_none_or(|last| last.elapsed() >= VERIFY_EVERY) {
            verify(&records, &journal, &clock).await;
            verified = Some(Instant::now());
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn look_for_unusual(records: &Records, now: OffsetDateTime) {
    let clinics = match records::clinics::list(records).await {
        Ok(clinics) => clinics,
        Err(error) => return tracing::warn!(%error, "clinics could not be listed"),
    };
    for clinic in clinics {
        match access::look_for_unusual(records, clinic.id, now).await {
            Ok(0) => {}
            Ok(found) => tracing::info!(found, "unusual access was found"),
            Err(error) => tracing::error!(%error, "unusual access could not be looked for"),
        }
    }
}

async fn verify(records: &Records, journal: &Journal, clock: &Clock) {
    let started = clock.wall();
    match audit::verify(records, journal, |_| {}).await {
        Ok(report) => {
            if !report.intact() {
                tracing::error!(faults = report.count, "the audit log is not as it was sealed");
            }
            if let Err(error) = audit::remember(records, &report, started, clock.wall()).await {
                tracing::error!(%error, "the outcome of verifying the audit log could not be stored");
            }
        }
        Err(error) => tracing::error!(%error, "the audit log could not be verified"),
    }
}
