//! Extractors for what clients send, whose refusals are problems. What a request may not say is refused, not ignored.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::problem::Problem;

/// Largest body but for documents, bytes.
pub(crate) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A JSON body.
pub(crate) struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "request.not_json",
                "Send the request as application/json.",
            ));
        }
        // Not waited for: the limit below would only be met after that much has come.
        if content_length(request.headers()).is_some_and(|length| length > MAX_BODY_BYTES as u64) {
            return Err(too_large());
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection {
            BytesRejection::FailedToBufferBody(failed) if failed.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                too_large()
            }
            _ => Problem::malformed(),
        })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| match error.classify() {
            Category::Data => Problem::invalid(without_values(&error.to_string())),
            Category::Syntax | Category::Eof | Category::Io => Problem::malformed(),
        })
    }
}

/// The length that a body is announced with.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "request.too_large",
        "The request is larger than allowed. Send less at once.",
    )
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/json")
    })
}

/// An id in the path. One that isn't even a UUID looks like one that doesn't exist.
pub(crate) struct Id<T>(pub T);

impl<S, T> FromRequestParts<S> for Id<T>
where
    S: Send + Sync,
    T: From<uuid::Uuid>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let axum::extract::Path(id) = axum::extract::Path::<uuid::Uuid>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::not_found())?;
        Ok(Self(id.into()))
    }
}

/// A visit and something of it in the path, as [`Id`].
pub(crate) struct InVisit<T>(pub visit::VisitId, pub T);

impl<S: Send + Sync, T: From<uuid::Uuid>> FromRequestParts<S> for InVisit<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let InPatient(visit, part) = InPatient::from_request_parts(parts, state).await?;
        Ok(Self(visit::VisitId(visit.0), part.into()))
    }
}

/// A patient and an entry of theirs in the path, as [`Id`].
pub(crate) struct InPatient(pub visit::PatientId, pub uuid::Uuid);

impl<S: Send + Sync> FromRequestParts<S> for InPatient {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let axum::extract::Path((patient, entry)) =
            axum::extract::Path::<(uuid::Uuid, uuid::Uuid)>::from_request_parts(parts, state)
                .await
                .map_err(|_| Problem::not_found())?;
        Ok(Self(visit::PatientId(patient), entry))
    }
}

/// The query string.
pub(crate) struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Query::<T>::from_request_parts(parts, state)
            .await
            .map(|query| Self(query.0))
            .map_err(|rejection| Problem::invalid(without_values(&rejection.body_text())))
    }
}

/// What serde says is wrong, without the value that it quotes: an error may be kept by whoever gets it, and says nothing
/// of a patient. The name of a field that is none of ours is kept if it looks like one.
fn without_values(said: &str) -> String {
    for kind in ["invalid type: ", "invalid value: "] {
        if let Some((before, after)) = said.split_once(kind) {
            let quoted = after.split(['`', '"', ',']).next().unwrap_or_default().trim_end();
            let expected = after.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
            return format!("{before}{kind}{quoted}, expected {expected}");
        }
    }
    for kind in ["unknown field `", "unknown variant `"] {
        if let Some((before, after)) = said.split_once(kind) {
            let (name, rest) = after.split_once("`, ").unwrap_or(("", after));
            let is_plain = name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let shown = if is_plain && kind.contains("field") { name } else { ".." };
            return format!("{before}{kind}{shown}`, {rest}");
        }
    }
    said.to_owned()
}

/// A cursor that the list has not given out.
pub(crate) fn unknown_cursor() -> Problem {
    Problem::invalid("cursor: not one that this list has given out")
}

/// Refuses a text that is empty, longer than `max` characters, or has control characters other than line breaks and tabs.
pub(crate) fn bounded(field: &str, text: &str, max: usize) -> Result<(), Problem> {
    if text.trim().is_empty() {
        return Err(Problem::invalid(format!("{field}: empty")));
    }
    printable(field, text, max)
}

/// As [`bounded`], but it may be empty.
pub(crate) fn printable(field: &str, text: &str, max: usize) -> Result<(), Problem> {
    if text.chars().count() > max {
        return Err(Problem::invalid(format!("{field}: longer than {max} characters")));
    }
    if text.chars().any(|char| char.is_control() && !matches!(char, '\n' | '\r' | '\t')) {
        return Err(Problem::invalid(format!("{field}: has control characters")));
    }
    Ok(())
}

/// Reads `YYYY-MM-DD`.
pub(crate) fn date(field: &str, text: &str) -> Result<time::Date, Problem> {
    let form = time::macros::format_description!("[year]-[month]-[day]");
    time::Date::parse(text, form).map_err(|_| Problem::invalid(format!("{field}: not a date of the form YYYY-MM-DD")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Form {
        count: u8,
        kind: Kind,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Letter,
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        for (json, said) in [
            (r#"{"count":"Maria, expected \"Lopez"}"#, "invalid type: string, expected u8"),
            (r#"{"count":5550199}"#, "invalid value: integer, expected u8"),
            (r#"{"Maria Lopez":1}"#, "unknown field `..`, expected `count` or `kind`"),
            (r#"{"role":1}"#, "unknown field `role`, expected `count` or `kind`"),
            (r#"{"kind":"Maria"}"#, "unknown variant `..`, expected `letter`"),
            (r#"{"count":1}"#, "missing field `kind`"),
        ] {
            let error = serde_json::from_str::<Form>(json).unwrap_err();
            let told = without_values(&error.to_string());
            assert_eq!(told.split(" at line").next(), Some(said), "{json}");
        }
    }
}
