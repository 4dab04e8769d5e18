//! `POST /account/password`: another password; all other sessions end.

use axum::extract::State;
use axum::http::StatusCode;
use records::Phi;
use records::action::ChangePassword;
use records::identity::passwords::{self, Changed, PasswordRule};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::AppState;
use crate::document::{Anyone, Changes, SignedIn, TakesBody};
use crate::extract::{Body, bounded};
use crate::problem::Problem;
use crate::session::Staff;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    old: String,
    /// 12 characters or more; not one's name or address.
    #[schema(min_length = 12)]
    new: String,
}

/// Change one's own password
///
/// Ends all other sessions of this person, and is told by mail. Needs a fresh second factor.
#[utoipa::path(
    post,
    path = "/account/password",
    operation_id = "change_password",
    tag = "account",
    request_body = PasswordChange,
    security(("staff" = [])),
    responses(
        (status = 204, description = "Changed"),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`password.wrong`: the old one; `password.short`, `password.long`, `password.like_account`, `password.breached`: the new one"),
        TakesBody, SignedIn, Changes, Anyone
    )
)]
pub(crate) async fn password(
    State(state): State<AppState>,
    staff: Staff,
    Body(body): Body<PasswordChange>,
) -> Result<StatusCode, Problem> {
    bounded("old", &body.old, passwords::MAX_PASSWORD_CHARS)?;
    bounded("new", &body.new, passwords::MAX_PASSWORD_CHARS)?;
    state.limits.sign_in(&staff.session.staff_id.to_string(), staff.address.0, None).await?;
    let mut tx = state.records.begin(staff.context()).await?;
    let may = tx.authorize(ChangePassword(staff.session.staff_id)).await?;
    let (old, new) = (Phi::from(body.old), Phi::from(body.new));
    let changed = passwords::change(&mut tx, &may, staff.session.session_id, old, new).await?;
    match tx.commit(changed).await? {
        Changed::Yes => {
            state.others_ended(staff.person(), staff.session.session_id);
            Ok(StatusCode::NO_CONTENT)
        }
        Changed::WrongPassword => Err(Problem::new(
            StatusCode::CONFLICT,
            "password.wrong",
            "The old password is not right. Type the one that you sign in with now.",
        )),
        Changed::Refused(rule) => Err(rule.into()),
    }
}

impl From<PasswordRule> for Problem {
    fn from(rule: PasswordRule) -> Self {
        let (code, detail) = match rule {
            PasswordRule::TooShort => {
                ("password.short", "The password needs 12 characters or more. Choose a longer one.")
            }
            PasswordRule::TooLong => {
                ("password.long", "The password is longer than 1,024 characters. Choose a shorter one.")
            }
            PasswordRule::LikeTheAccount => {
                ("password.like_account", "The password is made of your name or e-mail address. Choose another one.")
            }
            PasswordRule::Breached => {
                ("password.breached", "This password is on a list of stolen ones. Choose another one.")
            }
        };
        Self::new(StatusCode::CONFLICT, code, detail)
    }
}
