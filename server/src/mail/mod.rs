//! Carries mail from the outbox (`records::outbox`) to the clinic's mail server, or, in the demonstration, nowhere.
//!
//! One connection at a time, one message after the other: a clinic's mail is little, and the mail server has its own queue.
//! A mail server that is away costs no message a try: the whole outbox waits, longer each time, up to a minute.

mod dev_page;
mod smtp;
#[cfg(test)]
mod tests;

use std::time::Duration;

use api::Clock;
use records::outbox::{self, Delivery};
use records::{Records, clinics};

pub use dev_page::routes as dev_routes;
pub use smtp::Smtp;

use smtp::{Connection, Sent};

/// The outbox is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A mail server that stays away is tried at least this often.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// What is too old is looked for this often, in looks.
const SWEEP_EVERY: u32 = 60;

/// Where mail goes.
#[derive(Clone)]
pub enum Outlet {
    /// No mail server is configured: messages wait.
    Nowhere,
    /// The demonstration: messages are shown, at `/dev/outbox` of this site.
    Shown {
        /// The site.
        base_url: String,
    },
    /// The clinic's mail server.
    Smtp(Smtp),
}

/// What came of one look into the outbox.
#[derive(Debug, Default, PartialEq, Eq)]
struct Round {
    delivered: u32,
    failed: u32,
    /// The mail server did not let us in.
    away: bool,
}

/// Delivers until the process ends.
pub async fn deliver_forever(records: Records, outlet: Outlet, clock: Clock) {
    let mut looks = 0;
    let mut pause = LOOK_EVERY;
    loop {
        tokio::time::sleep(pause).await;
        if looks % SWEEP_EVERY == 0 {
            sweep(&records, &clock).await;
        }
        looks = looks.wrapping_add(1);
        match round(&records, &outlet, &clock).await {
            Ok(round) if round.away => pause = (pause * 2).min(LONGEST_PAUSE),
            Ok(_) => pause = LOOK_EVERY,
            Err(error) => {
                tracing::error!(%error, "the outbox can't be read; mail waits");
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Tries everything that is due, once.
async fn round(records: &Records, outlet: &Outlet, clock: &Clock) -> Result<Round, records::Error> {
    let mut round = Round::default();
    let mut connection = None;
    for clinic in clinics::list(records).await? {
        while let Some(delivery) = outbox::next_due(records, clinic.id, clock.wall()).await? {
            match outlet {
                Outlet::Nowhere => break,
                Outlet::Shown { base_url } => show(delivery, base_url).await?,
                Outlet::Smtp(smtp) => {
                    if !carry(smtp, &mut connection, delivery, &mut round).await? {
                        round.away = true;
                        return Ok(round);
                    }
                }
            }
        }
    }
    if let Some(connection) = connection {
        connection.close().await;
    }
    Ok(round)
}

/// Sends one message; `false` if the mail server is away, and nothing has happened then.
async fn carry(
    smtp: &Smtp,
    connection: &mut Option<Connection>,
    delivery: Delivery,
    round: &mut Round,
) -> Result<bool, records::Error> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => match smtp.connect().await {
            Ok(open) => open,
            Err(error) => {
                tracing::warn!(%error, "the mail server can't be used; mail waits");
                return Ok(false);
            }
        },
    };
    let sent = open.send(smtp.sender(), &delivery).await;
    if open.is_usable() {
        *connection = Some(open);
    }
    match sent {
        Sent::Taken => {
            round.delivered += 1;
            metrics::counter!("bedside_mail_delivered_total").increment(1);
            delivery.delivered().await?;
        }
        Sent::Failed(failure) => {
            round.failed += 1;
            metrics::counter!("bedside_mail_failed_total").increment(1);
            tracing::warn!(mail = %delivery.id, reason = failure.word(), "a mail was not taken");
            delivery.failed(failure).await?;
        }
    }
    Ok(true)
}

async fn show(delivery: Delivery, base_url: &str) -> Result<(), records::Error> {
    println!(
        "Mail to {} (shown at {base_url}/dev/outbox, not sent): {}",
        delivery.recipient.expose(),
        delivery.subject.expose()
    );
    delivery.keep().await
}

async fn sweep(records: &Records, clock: &Clock) {
    let swept = async {
        let mut given_up = 0;
        for clinic in clinics::list(records).await? {
            given_up += outbox::forget_expired(records, clinic.id, clock.wall()).await?;
        }
        Ok::<_, records::Error>(given_up)
    };
    match swept.await {
        Ok(0) => {}
        Ok(given_up) => tracing::warn!(given_up, "mail was too old to be sent; an administrator sees it under Mail"),
        Err(error) => tracing::error!(%error, "old mail could not be forgotten"),
    }
}
