//! The clinic's side before a visit: signing in, finding visits that are due, booking more.
//!
//! Here: `demo.json`, staff sign-in with a second factor, the choice of free slots. Not here: the visits themselves.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use totp_rs::{Builder, Secret};
use uuid::Uuid;
use visit::{PatientId, StaffId, VisitId};

use crate::http::{Browser, CallError, Server};

/// A link opens this long before its appointment; the latest start that we book is a little earlier.
const LATEST_START: time::Duration = time::Duration::minutes(55);
/// A link closes four hours after; the earliest start that we book leaves time for the test itself.
const EARLIEST_START: time::Duration = time::Duration::minutes(-200);
/// Booked slots are this long unless that leaves too few.
const LONGEST_SLOT_MINUTES: i64 = 5;

/// What `bedside serve --demo` writes for scripts.
#[derive(Debug, Deserialize)]
pub struct Demo {
    /// The account that holds the visits.
    pub provider: Account,
    /// Visits that are due now.
    pub visits: Vec<DemoVisit>,
}

/// A member of staff of the demo clinic.
#[derive(Debug, Deserialize)]
pub struct Account {
    email: String,
    password: String,
    totp_secret: String,
}

/// A visit of the demo clinic.
#[derive(Debug, Deserialize)]
pub struct DemoVisit {
    visit_id: VisitId,
    patient_link: String,
    date_of_birth: String,
}

/// What a patient needs to come to a visit.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// The visit.
    pub visit: VisitId,
    /// The secret of the link.
    pub token: String,
    /// `YYYY-MM-DD`.
    pub date_of_birth: String,
}

impl Demo {
    /// Reads `demo.json`.
    ///
    /// # Errors
    /// When the file is missing or not as the contract says.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!("can't read {}: it is written to the data folder by `bedside serve --demo`", path.display())
        })?;
        serde_json::from_str(&text).with_context(|| format!("{} is not a demo.json", path.display()))
    }
}

/// The provider, signed in.
pub struct Provider<'a> {
    /// Their browser.
    pub browser: Browser<'a>,
    staff_id: StaffId,
}

impl<'a> Provider<'a> {
    /// Signs in with password and TOTP. A code that was used already makes it wait for the next one.
    ///
    /// # Errors
    /// When the server refuses the account.
    pub async fn sign_in(server: &'a Server, account: &Account) -> Result<Self> {
        #[derive(Deserialize)]
        struct Me {
            staff_id: StaffId,
        }
        let browser = Browser::new(server);
        let secret = Secret::try_from_base32(&account.totp_secret).context("totp_secret in demo.json")?;
        let totp = Builder::new().with_secret(secret).build().context("totp_secret in demo.json")?;
        let credentials = json!({"email": account.email, "password": account.password});
        for attempt in 1.. {
            browser.post::<Value>("/auth/sign-in", &credentials).await.context("the provider can't sign in")?;
            let code = totp.generate_current().to_string();
            match browser.post::<Me>("/auth/totp", &json!({"code": code})).await {
                Ok(me) => return Ok(Self { browser, staff_id: me.staff_id }),
                Err(error) if error.code() == "totp.failed" && attempt == 1 => {
                    let wait = Duration::from_secs(totp.ttl() + 1);
                    tracing::info!(
                        seconds = wait.as_secs(),
                        "the code was refused, perhaps used before: waiting for the next"
                    );
                    tokio::time::sleep(wait).await;
                }
                Err(error) => return Err(error).context("the provider's second factor failed"),
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// `count` visits that can be joined now: first those of the demo that nobody has used, then newly booked ones.
    ///
    /// # Errors
    /// When there is no room in the provider's day for that many.
    pub async fn invitations(&self, demo: &Demo, count: usize) -> Result<Vec<Invitation>> {
        let today: Today = self.browser.get("/today").await.context("the provider's day")?;
        let states: BTreeMap<VisitId, &str> =
            today.items.iter().map(|item| (item.visit_id, item.state.as_str())).collect();
        let mut invitations: Vec<Invitation> = demo
            .visits
            .iter()
            .filter(|visit| matches!(states.get(&visit.visit_id), None | Some(&("booked" | "checking_in"))))
            .map(|visit| Invitation {
                visit: visit.visit_id,
                token: token_of(&visit.patient_link).to_owned(),
                date_of_birth: visit.date_of_birth.clone(),
            })
            .take(count)
            .collect();
        if invitations.len() < count {
            self.book(count - invitations.len(), &today, &mut invitations).await?;
        }
        Ok(invitations)
    }

    async fn book(&self, count: usize, today: &Today, invitations: &mut Vec<Invitation>) -> Result<()> {
        let patients = self.patients().await?;
        anyhow::ensure!(!patients.is_empty(), "the clinic has no patients to book visits for");
        let taken: Vec<_> = today
            .items
            .iter()
            .filter(|item| item.state != "cancelled")
            .map(|item| (item.starts_at, item.ends_at))
            .collect();
        let now = OffsetDateTime::from_unix_timestamp(unix_seconds())?;
        let mut slots = free_slots(now, count, &taken).into_iter();
        let run = Uuid::new_v4();
        let (mut booked, mut refused) = (0, None);
        while booked < count {
            let Some((starts_at, ends_at)) = slots.next() else {
                let why = refused.map(|error: CallError| format!(" (the last refusal: {error})")).unwrap_or_default();
                bail!("only {booked} of {count} more visits fit into the provider's day: ask for fewer with -n{why}");
            };
            let patient = &patients[booked % patients.len()];
            let body = json!({
                "patient_id": patient.patient_id,
                "provider_id": self.staff_id,
                "starts_at": starts_at.format(&Rfc3339)?,
                "ends_at": ends_at.format(&Rfc3339)?,
                "visit_type": "video",
                "reason": "Load test",
            });
            let key = Uuid::new_v5(&run, &starts_at.unix_timestamp().to_be_bytes()).to_string();
            match self.browser.create::<Booked>("/appointments", &body, &key).await {
                Ok(made) => {
                    booked += 1;
                    invitations.push(Invitation {
                        visit: made.visit_id,
                        token: token_of(&made.link).to_owned(),
                        date_of_birth: patient.date_of_birth.clone(),
                    });
                }
                Err(error) if error.refuses_values() => refused = Some(error),
                Err(error) => return Err(error).context("a visit can't be booked"),
            }
        }
        Ok(())
    }

    async fn patients(&self) -> Result<Vec<Patient>> {
        let mut patients = Vec::new();
        let mut path = "/patients".to_owned();
        loop {
            let page: Patients = self.browser.get(&path).await.context("the list of patients")?;
            patients.extend(page.items);
            match page.next_cursor {
                Some(cursor) => path = format!("/patients?cursor={cursor}"),
                None => return Ok(patients),
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct Today {
    items: Vec<TodayItem>,
}

#[derive(Debug, Deserialize)]
struct TodayItem {
    visit_id: VisitId,
    state: String,
    #[serde(with = "time::serde::rfc3339")]
    starts_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    ends_at: OffsetDateTime,
}

#[derive(Debug, Deserialize)]
struct Patients {
    items: Vec<Patient>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Patient {
    patient_id: PatientId,
    date_of_birth: String,
}

#[derive(Debug, Deserialize)]
struct Booked {
    visit_id: VisitId,
    link: String,
}

/// The secret in a link like `https://clinic.example/v/SECRET`.
fn token_of(link: &str) -> &str {
    let after = link.rsplit_once("/v/").map_or(link, |(_, token)| token);
    after.split(['?', '#']).next().unwrap_or(after)
}

/// Free slots around `now`, nearest in the future first, as long as they can be for `count` of them to exist.
fn free_slots(
    now: OffsetDateTime,
    count: usize,
    taken: &[(OffsetDateTime, OffsetDateTime)],
) -> Vec<(OffsetDateTime, OffsetDateTime)> {
    let of_length = |minutes: i64| {
        let (length, grid) = (time::Duration::minutes(minutes), minutes * 60);
        let first = OffsetDateTime::from_unix_timestamp((now.unix_timestamp() / grid + 1) * grid).unwrap_or(now);
        let ahead = (0..).map(move |n| first + length * n).take_while(|&start| start <= now + LATEST_START);
        let behind = (1..).map(move |n| first - length * n).take_while(|&start| start >= now + EARLIEST_START);
        let slots = ahead.chain(behind).map(|start| (start, start + length));
        slots.filter(|(start, end)| taken.iter().all(|(from, to)| end <= from || start >= to)).collect::<Vec<_>>()
    };
    let lengths = (1..=LONGEST_SLOT_MINUTES).rev();
    lengths.map(of_length).find(|slots| slots.len() >= count).unwrap_or_else(|| of_length(1))
}

fn unix_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + time::Duration::minutes(1_000_000 + minutes)
    }

    #[test]
    fn slots_do_not_overlap_each_other_or_what_is_booked_and_lie_where_links_are_open() {
        for count in [1, 10, 40, 110] {
            let earlier_runs = (-200..-100).map(|minute| (at(minute), at(minute + 1)));
            let taken: Vec<_> = earlier_runs.chain([(at(-30), at(-15)), (at(10), at(25))]).collect();
            let slots = free_slots(at(0), count, &taken);
            assert!(slots.len() >= count, "{count}: only {}", slots.len());
            let mut all: Vec<_> = slots.iter().copied().chain(taken).collect();
            all.sort();
            assert!(all.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{count}");
            assert!(slots.iter().all(|(start, _)| (at(-200)..=at(55)).contains(start)));
        }
    }

    #[test]
    fn the_secret_is_found_in_any_form_of_a_link() {
        assert_eq!(token_of("http://127.0.0.1:8080/v/abc_D-1"), "abc_D-1");
        assert_eq!(token_of("/v/abc?lang=es"), "abc");
        assert_eq!(token_of("abc"), "abc");
    }
}
