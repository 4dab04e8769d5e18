//! `POST /patients/{id}/attachments`: puts a document on record, once it is found to be what it says it is.

use aws_lc_rs::digest::{SHA256, digest};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use futures_util::StreamExt as _;
use records::action::UploadAttachment;
use records::attachments::{self, Category, NewAttachment};
use records::{Phi, RequestContext, SessionToken};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use visit::{AttachmentId, PatientId};
use zeroize::Zeroizing;

use crate::AppState;
use crate::document::{Addressed, Anyone, Changes, SignedIn};
use crate::extract::{Id, Query, content_length};
use crate::problem::Problem;
use crate::session::Staff;
use crate::uploads::{Kind, Refused, clean};
use crate::words;

/// Carries the file's name, percent-encoded UTF-8: a name may say much about a patient, so it is in no address.
const FILE_NAME: &str = "x-file-name";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UploadQuery {
    /// What it is; `other` if absent.
    #[param(schema_with = words::attachment_category)]
    category: Option<String>,
}

/// A document that is on record now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Uploaded {
    attachment_id: Uuid,
    /// What it is kept as.
    file_name: String,
    /// What its bytes are now: a picture is written anew, a WebP one as JPEG or PNG.
    media_type: &'static str,
    bytes: i64,
}

/// Put a document on record
///
/// JPEG, PNG, WebP or PDF, as the body. A picture is kept without anything but its pixels.
#[utoipa::path(
    post,
    path = "/patients/{id}/attachments",
    operation_id = "upload_attachment",
    tag = "documents",
    params(
        ("id" = Uuid, Path, description = "Patient"),
        UploadQuery,
        ("X-File-Name" = Option<String>, Header, description = "The file's name, percent-encoded UTF-8"),
        ("Content-Length" = u64, Header, description = "Required"),
    ),
    request_body(
        content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "image/webp"), (Vec<u8> = "application/pdf")),
    ),
    security(("staff" = [])),
    responses(
        (status = 201, body = Uploaded, description = "On record"),
        (status = 400, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`request.malformed`: it ended too early"),
        (status = 411, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`upload.length_required`"),
        (status = 413, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`upload.too_large`; `max_bytes` says how large it may be"),
        (status = 415, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`upload.type_not_allowed`"),
        (status = 422, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "`upload.refused`: `reason` says why; `request.invalid`"),
        Addressed, Changes, SignedIn, Anyone
    )
)]
pub(crate) async fn upload(
    State(state): State<AppState>,
    staff: Staff,
    Id(patient): Id<PatientId>,
    Query(query): Query<UploadQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Uploaded>), Problem> {
    take(&state, staff.context(), &staff.token, patient, &query, &headers, body).await
}

/// Takes a document in, from whoever may send one.
pub(crate) async fn take(
    state: &AppState,
    context: RequestContext,
    token: &SessionToken,
    patient: PatientId,
    query: &UploadQuery,
    headers: &HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Uploaded>), Problem> {
    let category = query.category.as_deref().map_or(Ok(Category::Other), Category::parse);
    let category = category.map_err(|_| Problem::invalid("category: not one of those documented"))?;
    state.limits.upload(token).await?;
    let mut tx = state.records.begin(context.clone()).await?;
    let may = tx.authorize(UploadAttachment(patient)).await?;
    let expected = attachments::expect(&mut tx, &may)?;
    tx.commit(expected).await?;

    let checked = match receive(state, headers, body).await? {
        Ok(checked) => checked,
        Err(refused) => {
            metrics::counter!("bedside_uploads_refused_total", "reason" => refused.reason()).increment(1);
            let mut tx = state.records.begin(context.clone()).await?;
            let may = tx.authorize(UploadAttachment(patient)).await?;
            let remembered = attachments::refused(&mut tx, &may, refused.reason())?;
            tx.commit(remembered).await?;
            return Err(problem(refused, state));
        }
    };

    let mut key = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(&mut *key).map_err(|_| Problem::internal())?;
    let file_name = clean(&file_name(headers), checked.media_type);
    let new = NewAttachment {
        attachment_id: AttachmentId(Uuid::now_v7()),
        category,
        file_name: Phi::from(file_name.as_str()),
        media_type: checked.media_type,
        bytes: i64::try_from(checked.bytes.len()).map_err(|_| Problem::internal())?,
        sha256: digest(&SHA256, &checked.bytes).as_ref().try_into().map_err(|_| Problem::internal())?,
        key: key.clone(),
    };
    // The file first: a row without a file would be a lie, a file without a row is swept away.
    state.attachments.store(new.attachment_id, key, checked.bytes).await.map_err(|error| {
        tracing::error!(%error, "a document could not be stored");
        Problem::unavailable()
    })?;
    let stored = async {
        let mut tx = state.records.begin(context.clone()).await?;
        let may = tx.authorize(UploadAttachment(patient)).await?;
        let created = attachments::create(&mut tx, &may, &new).await?;
        tx.commit(created).await
    };
    if let Err(error) = stored.await {
        state.attachments.discard(new.attachment_id);
        return Err(error.into());
    }
    metrics::counter!("bedside_uploads_total").increment(1);
    let (attachment_id, media_type, bytes) = (new.attachment_id.0, new.media_type, new.bytes);
    Ok((StatusCode::CREATED, Json(Uploaded { attachment_id, file_name, media_type, bytes })))
}

/// Takes the document in and looks at it. The outer error is a request that is none, the inner one a document that is not
/// taken.
async fn receive(
    state: &AppState,
    headers: &HeaderMap,
    body: Body,
) -> Result<Result<crate::uploads::Checked, Refused>, Problem> {
    let Some(length) = content_length(headers) else {
        return Err(Problem::new(
            StatusCode::LENGTH_REQUIRED,
            "upload.length_required",
            "Say how long the document is (Content-Length) and send it again.",
        ));
    };
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !Kind::MEDIA_TYPES.contains(&declared) {
        return Ok(Err(Refused::Type));
    }
    if length > state.uploads.rules.max_bytes as u64 {
        return Ok(Err(Refused::TooLarge));
    }
    let _place = match state.uploads.place() {
        Ok(place) => place,
        Err(busy) => return Ok(Err(busy)),
    };
    let mut bytes = Vec::new();
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Problem::malformed())?;
        if bytes.len() + piece.len() > state.uploads.rules.max_bytes {
            return Ok(Err(Refused::TooLarge));
        }
        bytes.extend_from_slice(&piece);
    }
    if bytes.len() as u64 != length {
        return Err(Problem::malformed());
    }
    Ok(state.uploads.check(declared, bytes).await)
}

/// The name in the header; nothing if it is not readable.
fn file_name(headers: &HeaderMap) -> String {
    let given = headers.get(FILE_NAME).map(|value| value.as_bytes()).unwrap_or_default();
    let mut bytes = Vec::with_capacity(given.len());
    let mut rest = given;
    while let [first, after @ ..] = rest {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            bytes.push((high * 16 + low) as u8);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

fn problem(refused: Refused, state: &AppState) -> Problem {
    let new = Problem::new;
    match refused {
        Refused::TooLarge => new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "upload.too_large",
            "The document is larger than allowed. Send a smaller one, or a picture of lower resolution.",
        )
        .with("max_bytes", state.uploads.rules.max_bytes),
        Refused::Type => new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "upload.type_not_allowed",
            "Only JPEG, PNG and WebP pictures and PDF documents can be sent. Save it as one of these and try again.",
        ),
        Refused::NotScanned => new(
            StatusCode::SERVICE_UNAVAILABLE,
            "upload.not_scanned",
            "Documents can't be checked for viruses right now, so none is taken. Try again in a few minutes.",
        )
        .retry_after(60),
        Refused::Busy => new(
            StatusCode::SERVICE_UNAVAILABLE,
            "upload.busy",
            "Many documents are being sent right now. Try again in a moment.",
        )
        .retry_after(5),
        Refused::Infected => {
            refusal(refused, "A virus was found in the document, so it was not kept. Do not send it to anybody else.")
        }
        Refused::Encrypted => refusal(
            refused,
            "The PDF is protected by a password or by rights. Save it without protection and try again.",
        ),
        Refused::Active => refusal(
            refused,
            "The PDF has scripts, forms that send, or other files in it. Print it into a new PDF and send that.",
        ),
        Refused::TooManyPixels => refusal(refused, "The picture has too many pixels. Send it in a lower resolution."),
        Refused::Mismatch | Refused::Polyglot | Refused::Unreadable | Refused::Empty => {
            refusal(refused, "The document can't be read as what it says it is. Open it, save it anew and try again.")
        }
    }
}

fn refusal(refused: Refused, detail: &'static str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "upload.refused", detail).with("reason", refused.reason())
}
