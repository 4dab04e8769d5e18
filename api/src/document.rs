//! What all entries of the OpenAPI document share: its head, its security schemes and the errors that every route can give.

use std::collections::BTreeMap;

use utoipa::openapi::schema::{AdditionalProperties, Schema};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi as _, ToSchema};

use crate::problem::{PROBLEM_JSON, ProblemBody};
use crate::session::{GUEST_COOKIE, PATIENT_COOKIE, PORTAL_COOKIE, STAFF_COOKIE};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Bedside",
        description = "Visits by video: sign-in, check-in, notes, recordings, call quality, audit.\n\n\
            Errors are `application/problem+json` (RFC 9457) with a stable `code`. State-changing requests need an `Origin` \
            of the site or `Sec-Fetch-Site: same-origin`. Requests that nobody asked for (a list that refreshes itself) carry \
            `X-Bedside-Background: 1`, so that they don't keep an abandoned session alive. Lists are read page by page: hand \
            `next_cursor` back as `cursor` until it is null."
    ),
    components(schemas(ProblemBody)),
    modifiers(&Sessions),
    tags(
        (name = "site", description = "What anyone may know"),
        (name = "auth", description = "Staff sign in with a password and a second factor"),
        (name = "account", description = "One's own account: factors, password, sessions, sign-ins"),
        (name = "staff", description = "The clinic's staff: invitations, roles, access"),
        (name = "join", description = "A patient checks in by link"),
        (name = "guest", description = "An interpreter, guardian or specialist comes by link into one visit"),
        (name = "queue", description = "Who waits: the lines, and what staff do with those in them"),
        (name = "day", description = "Today's list, patients, appointments"),
        (name = "documents", description = "Documents of a patient's record"),
        (name = "patients", description = "A patient's record: demographics, insurance, clinical lists, history, merges, export"),
        (name = "visits", description = "A visit, its note and recordings"),
        (name = "access", description = "Who reaches a patient: guardians, the care team, emergency access"),
        (name = "quality", description = "How good the calls were"),
        (name = "portal", description = "Patients and guardians see the record"),
        (name = "mail", description = "Mail that goes out, for the administrator"),
        (name = "audit", description = "Who did what"),
    )
)]
struct Base;

struct Sessions;

impl Modify for Sessions {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        for (name, cookie, about) in [
            ("staff", STAFF_COOKIE, "A member of staff, signed in with both factors"),
            ("portal", PORTAL_COOKIE, "A patient or guardian, signed in to the portal by a link from a mail"),
            ("guest", GUEST_COOKIE, "A guest of one visit, who came by an invitation's link"),
            ("patient", PATIENT_COOKIE, "A patient who opened the link and confirmed the date of birth"),
        ] {
            let key = ApiKey::Cookie(ApiKeyValue::with_description(cookie, about));
            components.add_security_scheme(name, SecurityScheme::ApiKey(key));
        }
    }
}

/// Says of a form that is one of several what the code does: it takes no members beside those that are named.
pub(crate) fn close_forms(document: &mut OpenApi) {
    for schema in document.components.get_or_insert_default().schemas.values_mut() {
        let RefOr::T(Schema::OneOf(one_of)) = schema else { continue };
        for form in &mut one_of.items {
            if let RefOr::T(Schema::Object(form)) = form
                && !form.properties.is_empty()
            {
                form.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
            }
        }
    }
}

/// The document before any route is in it.
pub(crate) fn base() -> OpenApi {
    Base::openapi()
}

/// Errors that any route can give.
pub(crate) struct Anyone;
/// Errors of routes that need a session, a role, or both.
pub(crate) struct SignedIn;
/// Errors of routes that change something and take no body.
pub(crate) struct Changes;
/// Errors of routes that take a JSON body.
pub(crate) struct TakesBody;
/// Errors of routes with a query string.
pub(crate) struct TakesQuery;
/// Errors of routes with an id.
pub(crate) struct Addressed;

impl IntoResponses for Anyone {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            (429, "`rate_limited`: too many requests; `Retry-After` says when to go on"),
            (500, "`internal`: a fault of ours"),
            (
                503,
                "`unavailable`, `timeout`: nothing was changed, or it is not known; `Retry-After` says when to try again",
            ),
        ])
    }
}

impl IntoResponses for SignedIn {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            (401, "`signed_out`: no session, or it has ended"),
            (
                403,
                "`forbidden`: the role alone refuses; `second_factor.stale`: confirm the second factor, then repeat; `origin.foreign`: not from our pages",
            ),
        ])
    }
}

impl IntoResponses for Changes {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[(403, "`origin.foreign`: not from our pages; `forbidden`: the role alone refuses")])
    }
}

impl IntoResponses for TakesBody {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            (400, "`request.malformed`: not JSON"),
            (413, "`request.too_large`: over 1 MiB"),
            (415, "`request.not_json`: another content type"),
            (422, "`request.invalid`: a field is missing, unknown or out of bounds; `invalid` says which"),
        ])
    }
}

impl IntoResponses for TakesQuery {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[(422, "`request.invalid`: a parameter is missing or out of bounds; `invalid` says which")])
    }
}

impl IntoResponses for Addressed {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[(404, "`not_found`: no such thing, or not for this person: both look alike")])
    }
}

pub(crate) fn problems(answers: &[(u16, &str)]) -> BTreeMap<String, RefOr<Response>> {
    answers.iter().map(|(status, about)| (status.to_string(), problem(about).into())).collect()
}

fn problem(about: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name(ProblemBody::name())));
    ResponseBuilder::new().description(about).content(PROBLEM_JSON, content).build()
}
