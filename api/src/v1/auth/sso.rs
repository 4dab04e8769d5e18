//! Sign-in by the clinic's own provider: `GET /auth/sso`, `POST /auth/sso/{provider}/start`, and the way back,
//! `GET /auth/sso/{provider}/callback`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use records::identity::FactorKind;
use records::sign_in::Next;
use records::sso;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::AppState;
use crate::document::{Addressed, Anyone, Changes, TakesQuery};
use crate::extract::Query;
use crate::problem::Problem;
use crate::session::{SSO_COOKIE, STAFF_COOKIE, Visitor, cookie, device_cookie, token, without};

/// A way to sign in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SsoProvider {
    id: String,
    /// On the button.
    label: String,
}

/// All of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SsoProviderList {
    items: Vec<SsoProvider>,
}

/// Providers that staff may sign in by
#[utoipa::path(
    get,
    path = "/auth/sso",
    operation_id = "list_sso",
    tag = "auth",
    responses((status = 200, body = SsoProviderList), Anyone)
)]
pub(crate) async fn list(State(state): State<AppState>) -> Json<SsoProviderList> {
    let items = state
        .sso
        .iter()
        .map(|provider| SsoProvider { id: provider.settings.id.clone(), label: provider.settings.label.clone() });
    Json(SsoProviderList { items: items.collect() })
}

/// Where to go.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SsoStart {
    /// The provider's page, to be opened in this window.
    location: String,
}

/// Begin a sign-in by a provider
#[utoipa::path(
    post,
    path = "/auth/sso/{provider}/start",
    operation_id = "start_sso",
    tag = "auth",
    params(("provider" = String, Path, description = "From the list")),
    responses((status = 200, body = SsoStart, description = "Sets a cookie that binds the sign-in to this browser"), Addressed, Changes, Anyone)
)]
pub(crate) async fn start(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(provider): Path<String>,
    jar: CookieJar,
) -> Result<(CookieJar, Json<SsoStart>), Problem> {
    let provider = state.sso.find(&provider).ok_or_else(Problem::not_found)?;
    let begun = sso::begin(&state.records, provider.settings.clinic, &provider.settings.id, visitor.at).await?;
    let location = provider.address(&begun).await.map_err(|error| {
        tracing::warn!(provider = provider.settings.id, %error, "a sign-in can't begin");
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "sso.unavailable",
            "Your organisation's sign-in can't be reached right now. Try again in a minute, or sign in with your password.",
        )
        .retry_after(30)
    })?;
    Ok((jar.add(cookie(SSO_COOKIE, &begun.browser)), Json(SsoStart { location })))
}

/// What the provider sends back by way of the browser.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SsoAnswer {
    /// To be exchanged.
    code: Option<String>,
    /// What we sent.
    state: Option<String>,
    /// Who answers, RFC 9207.
    iss: Option<String>,
    /// Why there is no code.
    error: Option<String>,
}

/// Come back from a provider
///
/// A page, not for programs: goes on to the clinic's pages, or to the sign-in page with what went wrong.
#[utoipa::path(
    get,
    path = "/auth/sso/{provider}/callback",
    operation_id = "finish_sso",
    tag = "auth",
    params(("provider" = String, Path, description = "From the list"), SsoAnswer),
    responses(
        (status = 303, description = "Go on to `/app`, or to `/?sso=` and a word: `second_factor`, `enrol`, or what went wrong"),
        TakesQuery, Anyone
    )
)]
pub(crate) async fn callback(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(provider): Path<String>,
    Query(answer): Query<SsoAnswer>,
    headers: HeaderMap,
    jar: CookieJar,
) -> Result<Response, Problem> {
    let Some(provider) = state.sso.find(&provider) else {
        return Ok(gone_wrong(jar, "expired"));
    };
    let (clinic, id) = (provider.settings.clinic, &provider.settings.id);
    let refused = async |jar: CookieJar, word: &'static str| {
        sso::refused(&state.records, &visitor.origin, clinic, word, visitor.at).await?;
        Ok::<_, Problem>(gone_wrong(jar, word))
    };
    let (Some(sent), Some(browser)) = (&answer.state, token(&headers, SSO_COOKIE)) else {
        return refused(jar, "expired").await;
    };
    let Some(returned) = sso::take(&state.records, clinic, id, sent, &browser, visitor.at).await? else {
        return refused(jar, "expired").await;
    };
    // An answer of another provider must not be taken for this one's (mix-up).
    if answer.iss.as_ref().is_some_and(|iss| *iss != provider.settings.issuer) {
        return refused(jar, "untrusted").await;
    }
    let Some(code) = answer.code.filter(|_| answer.error.is_none()) else {
        return refused(jar, "refused").await;
    };
    let vouched = match provider.vouched(code, returned).await {
        Ok(vouched) => vouched,
        Err(error) => {
            tracing::warn!(provider = id, %error, "a sign-in by a provider failed");
            return refused(jar, error.word()).await;
        }
    };
    let Some(account) = sso::account(&state.records, &visitor.origin, clinic, &vouched.email, visitor.at).await? else {
        return Ok(gone_wrong(jar, "no_account"));
    };
    if let Some(former) = token(&headers, STAFF_COOKIE) {
        state.limits.session_is_over(&former);
        records::sessions::end(&state.records, &former, &visitor.origin, visitor.at).await?;
    }
    let entered =
        sso::enter(&state.records, &visitor.origin, clinic, account, vouched.second_factor, visitor.at).await?;
    let to = match entered.next {
        None => "/app".to_owned(),
        Some(Next::Enrol) => "/?sso=enrol".to_owned(),
        Some(Next::SecondFactor(kinds)) => {
            let kinds: Vec<&str> = kinds.into_iter().map(FactorKind::as_str).collect();
            format!("/?sso=second_factor&factors={}", kinds.join(","))
        }
    };
    let mut jar = without(jar, SSO_COOKIE).add(cookie(STAFF_COOKIE, &entered.token));
    if let Some(device) = &entered.device {
        jar = jar.add(device_cookie(device));
    }
    Ok((jar, Redirect::to(&to)).into_response())
}

/// Back to the sign-in page, which says it in words.
fn gone_wrong(jar: CookieJar, word: &'static str) -> Response {
    (without(jar, SSO_COOKIE), Redirect::to(&format!("/?sso={word}"))).into_response()
}
