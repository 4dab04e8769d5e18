//! `bedside staff`: the way in for whoever has no account yet, on the machine itself.

use anyhow::{Result, bail};
use records::identity::invitations::{self, Invitee};
use records::{Records, RequestContext, clinics};
use time::OffsetDateTime;
use visit::{ClinicId, Role};

/// Somebody to invite, as the command line says it.
#[derive(Debug, clap::Args)]
pub struct Invite {
    /// What they sign in with
    #[arg(long)]
    email: String,
    /// Shown name
    #[arg(long)]
    name: String,
    /// provider, nurse, front_desk, clinic_admin, compliance or super_admin
    #[arg(long)]
    role: String,
    /// The clinic's name; not needed if there is just one
    #[arg(long)]
    clinic: Option<String>,
    /// For a clinic that is not there yet: whom patients call
    #[arg(long, requires = "clinic")]
    phone: Option<String>,
    /// For a clinic that is not there yet: IANA name, e.g. America/Chicago
    #[arg(long, requires = "clinic")]
    time_zone: Option<String>,
}

/// Invites somebody and prints the link, which is mailed to nobody.
///
/// # Errors
/// One line that says what to do.
pub async fn invite(records: &Records, base_url: &str, invite: &Invite) -> Result<()> {
    let Some(role) = Role::parse(&invite.role)
        .filter(|role| !matches!(role, Role::Patient | Role::Guardian | Role::Interpreter | Role::Specialist))
    else {
        bail!(
            "--role {}: not a role of staff; choose provider, nurse, front_desk, clinic_admin, compliance or super_admin",
            invite.role
        );
    };
    let now = OffsetDateTime::now_utc();
    let clinic = clinic_of(records, invite, now).await?;
    let invitee = Invitee { email: invite.email.clone(), name: invite.name.clone(), role };
    let mut tx = records.begin(RequestContext::system("operator", clinic, now)).await?;
    let invited = invitations::invite_by_operator(&mut tx, &invitee).await?;
    let token = tx.commit(invited).await?;
    println!("{} opens this link within 72 hours, once, to choose a password and a second factor:", invite.name);
    println!("{base_url}/invitation/{token}");
    Ok(())
}

/// The clinic that is meant; made if it is named with all that it needs and is not there.
async fn clinic_of(records: &Records, invite: &Invite, now: OffsetDateTime) -> Result<ClinicId> {
    let known = clinics::list(records).await?;
    match &invite.clinic {
        None => match known.as_slice() {
            [only] => Ok(only.id),
            [] => bail!("there is no clinic yet; name it with --clinic, --phone and --time-zone"),
            _ => bail!("there are {} clinics; say which with --clinic", known.len()),
        },
        Some(name) => {
            if let Some(found) = known.iter().find(|clinic| clinic.name == *name) {
                return Ok(found.id);
            }
            let (Some(phone), Some(zone)) = (&invite.phone, &invite.time_zone) else {
                bail!("there is no clinic named {name}; to make it, add --phone and --time-zone");
            };
            if !clinics::is_time_zone(records, zone).await? {
                bail!("--time-zone {zone}: not an IANA name; give one such as America/Chicago");
            }
            let id = ClinicId(uuid::Uuid::now_v7());
            let mut tx = records.begin(RequestContext::system("operator", id, now)).await?;
            let made = clinics::create(&mut tx, name, phone, zone).await?;
            tx.commit(made).await?;
            Ok(id)
        }
    }
}
