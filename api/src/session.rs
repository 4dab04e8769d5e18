//! Session cookies, and the extractors that turn them into the person who asks.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use records::portal::{self, PortalSession};
use records::sessions::{self, Activity, GuestSession, JoinSession, StaffSession};
use records::{DeviceToken, Origin, RequestContext, SessionToken};
use time::OffsetDateTime;
use visit::{PatientId, Person};

use crate::problem::Problem;
use crate::{AppState, ClientAddress, RequestId};

/// Cookie of a member of staff. The prefix makes browsers refuse it without `Secure`, with a `Domain`, or from plain HTTP.
pub(crate) const STAFF_COOKIE: &str = "__Host-bedside";
/// Cookie of a patient who came by link.
pub(crate) const PATIENT_COOKIE: &str = "__Host-bedside-visit";
/// Cookie of a guest of one visit.
pub(crate) const GUEST_COOKIE: &str = "__Host-bedside-guest";
/// What a browser is known by over sessions; it opens nothing.
pub(crate) const DEVICE_COOKIE: &str = "__Host-bedside-device";
/// Cookie of a patient or guardian signed in to the portal.
pub(crate) const PORTAL_COOKIE: &str = "__Host-bedside-portal";
/// Cookie that binds a sign-in by a provider to the browser that began it.
pub(crate) const SSO_COOKIE: &str = "__Host-bedside-sso";
/// A page's own, unasked-for requests carry this header with the value `1`: they don't count as activity.
pub(crate) const BACKGROUND_HEADER: &str = "x-bedside-background";

/// A session cookie; gone when the browser is closed.
pub(crate) fn cookie(name: &'static str, token: &SessionToken) -> Cookie<'static> {
    attributes(Cookie::new(name, token.reveal().to_owned()))
}

/// The cookie by which a browser is known again: it outlives sessions.
pub(crate) fn device_cookie(token: &DeviceToken) -> Cookie<'static> {
    let mut cookie = attributes(Cookie::new(DEVICE_COOKIE, token.reveal().to_owned()));
    cookie.set_max_age(records::identity::devices::REMEMBERED_FOR);
    cookie
}

/// Takes a session cookie back.
pub(crate) fn without(jar: CookieJar, name: &'static str) -> CookieJar {
    jar.add(attributes(Cookie::build((name, "")).max_age(time::Duration::ZERO).build()))
}

fn attributes(mut cookie: Cookie<'static>) -> Cookie<'static> {
    cookie.set_http_only(true);
    cookie.set_secure(true);
    cookie.set_same_site(SameSite::Lax);
    cookie.set_path("/");
    cookie
}

/// The token in this cookie, if it has the form of one.
pub(crate) fn token(headers: &HeaderMap, name: &str) -> Option<SessionToken> {
    SessionToken::from_cookie(CookieJar::from_headers(headers).get(name)?.value())
}

/// All session tokens that came with a request.
pub(crate) fn tokens(headers: &HeaderMap) -> Vec<SessionToken> {
    [STAFF_COOKIE, PATIENT_COOKIE, GUEST_COOKIE, PORTAL_COOKIE].iter().filter_map(|name| token(headers, name)).collect()
}

/// Anyone: where a request comes from, and when.
pub(crate) struct Visitor {
    /// From where.
    pub origin: Origin,
    /// The client's address.
    pub address: ClientAddress,
    /// When.
    pub at: OffsetDateTime,
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let address = *parts.extensions.get::<ClientAddress>().ok_or_else(Problem::internal)?;
        let request_id = *parts.extensions.get::<RequestId>().ok_or_else(Problem::internal)?;
        let user_agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let device = CookieJar::from_headers(&parts.headers).get(DEVICE_COOKIE).map(|cookie| cookie.value().to_owned());
        let device = device.and_then(|value| DeviceToken::from_cookie(&value));
        let origin = Origin { address: Some(address.0), user_agent, device, request_id: request_id.0.to_string() };
        Ok(Self { origin, address, at: state.clock.wall() })
    }
}

/// A member of staff, signed in with both factors.
pub(crate) struct Staff {
    pub session: StaffSession,
    pub token: SessionToken,
    pub origin: Origin,
    pub address: ClientAddress,
    pub at: OffsetDateTime,
}

impl Staff {
    /// For a transaction.
    pub(crate) fn context(&self) -> RequestContext {
        let second_factor_at = self.session.second_factor_at;
        RequestContext { actor: self.session.actor(), at: self.at, origin: self.origin.clone(), second_factor_at }
    }

    pub(crate) fn person(&self) -> Person {
        Person::Staff(self.session.staff_id)
    }

    async fn find(parts: &mut Parts, state: &AppState, activity: Activity) -> Result<Self, Problem> {
        let visitor = Visitor::from_request_parts(parts, state).await?;
        let token = token(&parts.headers, STAFF_COOKIE).ok_or_else(Problem::signed_out)?;
        match sessions::staff(&state.records, &token, activity, visitor.at).await? {
            Some(session) => {
                state.limits.session_is_good(&token);
                Ok(Self { session, token, origin: visitor.origin, address: visitor.address, at: visitor.at })
            }
            None => {
                state.limits.session_is_over(&token);
                Err(Problem::signed_out())
            }
        }
    }
}

impl FromRequestParts<AppState> for Staff {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let activity = activity(&parts.headers);
        Self::find(parts, state, activity).await
    }
}

/// A member of staff whose page asks by itself, always: the request never counts as activity.
pub(crate) struct WatchingStaff(pub Staff);

impl FromRequestParts<AppState> for WatchingStaff {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        Staff::find(parts, state, Activity::Background).await.map(Self)
    }
}

/// A patient who came by a good link and knew the date of birth.
pub(crate) struct Patient {
    pub session: JoinSession,
    pub token: SessionToken,
    pub origin: Origin,
    pub at: OffsetDateTime,
}

impl Patient {
    /// For a transaction.
    pub(crate) fn context(&self) -> RequestContext {
        let actor = self.session.actor();
        RequestContext { actor, at: self.at, origin: self.origin.clone(), second_factor_at: None }
    }
}

/// A patient whose page asks by itself, always: the request never counts as activity.
pub(crate) struct WatchingPatient(pub Patient);

impl FromRequestParts<AppState> for WatchingPatient {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        Patient::find(parts, state, Activity::Background).await.map(Self)
    }
}

impl FromRequestParts<AppState> for Patient {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let activity = activity(&parts.headers);
        Self::find(parts, state, activity).await
    }
}

impl Patient {
    async fn find(parts: &mut Parts, state: &AppState, activity: Activity) -> Result<Self, Problem> {
        let visitor = Visitor::from_request_parts(parts, state).await?;
        let token = token(&parts.headers, PATIENT_COOKIE).ok_or_else(Problem::signed_out)?;
        match sessions::patient(&state.records, &token, activity, visitor.at).await? {
            Some(session) => {
                state.limits.session_is_good(&token);
                Ok(Self { session, token, origin: visitor.origin, at: visitor.at })
            }
            None => {
                state.limits.session_is_over(&token);
                Err(Problem::signed_out())
            }
        }
    }
}

/// A guest of one visit, who came by an invitation that stands.
pub(crate) struct Guest {
    pub session: GuestSession,
    pub token: SessionToken,
    pub origin: Origin,
    pub at: OffsetDateTime,
}

impl Guest {
    /// For a transaction.
    pub(crate) fn context(&self) -> RequestContext {
        let actor = self.session.actor();
        RequestContext { actor, at: self.at, origin: self.origin.clone(), second_factor_at: None }
    }
}

impl FromRequestParts<AppState> for Guest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let visitor = Visitor::from_request_parts(parts, state).await?;
        let token = token(&parts.headers, GUEST_COOKIE).ok_or_else(Problem::signed_out)?;
        match sessions::guest(&state.records, &token, activity(&parts.headers), visitor.at).await? {
            Some(session) => {
                state.limits.session_is_good(&token);
                Ok(Self { session, token, origin: visitor.origin, at: visitor.at })
            }
            None => {
                state.limits.session_is_over(&token);
                Err(Problem::signed_out())
            }
        }
    }
}

/// A patient or guardian, signed in to the portal.
pub(crate) struct Portal {
    pub session: PortalSession,
    pub token: SessionToken,
    pub origin: Origin,
    pub at: OffsetDateTime,
}

impl Portal {
    /// For a transaction that is about `patient`.
    pub(crate) fn context_for(&self, patient: PatientId) -> RequestContext {
        self.session.context_for(patient, &self.origin, self.at)
    }

    /// For a transaction about one's own way in.
    pub(crate) fn context(&self) -> RequestContext {
        self.session.context(&self.origin, self.at)
    }
}

impl FromRequestParts<AppState> for Portal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let visitor = Visitor::from_request_parts(parts, state).await?;
        let token = token(&parts.headers, PORTAL_COOKIE).ok_or_else(Problem::signed_out)?;
        match portal::sessions::find(&state.records, &token, activity(&parts.headers), visitor.at).await? {
            Some(session) => {
                state.limits.session_is_good(&token);
                Ok(Self { session, token, origin: visitor.origin, at: visitor.at })
            }
            None => {
                state.limits.session_is_over(&token);
                Err(Problem::signed_out())
            }
        }
    }
}

fn activity(headers: &HeaderMap) -> Activity {
    if headers.get(BACKGROUND_HEADER).is_some_and(|value| value == "1") { Activity::Background } else { Activity::User }
}
