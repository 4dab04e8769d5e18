//! `GET /attachments/{id}`: a document, as a download and never as a page.

use std::io;

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, Response};
use records::RequestContext;
use records::action::ReadAttachment;
use records::attachments;
use visit::AttachmentId;

use crate::document::{Addressed, Anyone, SignedIn};
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Staff;
use crate::v1::shapes::shown;
use crate::{AppState, SeekableMedia};

/// Should a browser show it after all: as nothing that can run, ask, or be part of our site.
const SANDBOX: &str =
    "sandbox; default-src 'none'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; form-action 'self'";

/// A document, as a download
#[utoipa::path(
    get,
    path = "/attachments/{id}",
    operation_id = "download_attachment",
    tag = "documents",
    params(("id" = uuid::Uuid, Path, description = "Document")),
    security(("staff" = [])),
    responses(
        (status = 200, description = "The document",
            content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "application/pdf")),
            headers(("Content-Disposition" = String))),
        Addressed, SignedIn, Anyone
    )
)]
pub(crate) async fn download(
    State(state): State<AppState>,
    staff: Staff,
    Id(attachment): Id<AttachmentId>,
) -> Result<Response<Body>, Problem> {
    hand_out(&state, staff.context(), attachment).await
}

/// The document, for whoever may have it.
pub(crate) async fn hand_out(
    state: &AppState,
    context: RequestContext,
    attachment: AttachmentId,
) -> Result<Response<Body>, Problem> {
    let mut tx = state.records.begin(context).await?;
    let may = tx.authorize(ReadAttachment(attachment)).await?;
    let opened = attachments::open(&mut tx, &may).await?;
    let opened = tx.commit(opened).await?;
    let file = state.attachments.open(attachment, opened.key).await.map_err(|error| {
        tracing::error!(%error, "a document can't be opened");
        Problem::internal()
    })?;
    let Some(file) = file else {
        tracing::error!("a document has no file");
        return Err(Problem::internal());
    };
    let bytes =
        tokio::task::spawn_blocking(move || whole(file)).await.unwrap_or_else(|_| Err(io::Error::other("broken off")));
    let bytes = bytes.map_err(|error| {
        tracing::error!(error = %error.kind(), "a document can't be read");
        Problem::internal()
    })?;
    if digest(&SHA256, &bytes).as_ref() != opened.sha256 {
        tracing::error!("a document is not the one that was put on record");
        return Err(Problem::internal());
    }
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_str(&opened.attachment.media_type).map_err(|_| Problem::internal())?;
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(CONTENT_DISPOSITION, as_download(&shown(&opened.attachment.file_name)));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    Ok(response)
}

/// Documents are small: read as a whole, so that not one byte leaves of a file that is not what it was.
fn whole(mut file: Box<dyn SeekableMedia>) -> io::Result<Vec<u8>> {
    let length = usize::try_from(file.byte_len()).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    let mut at = 0;
    while at < length {
        let read = file.read_at(at as u64, &mut bytes[at..])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        at += read;
    }
    Ok(bytes)
}

/// RFC 6266: the name once in plain letters, once as it is (RFC 8187).
fn as_download(name: &str) -> HeaderValue {
    let plain: String = name
        .chars()
        .map(|char| if char.is_ascii_alphanumeric() || ". -_".contains(char) { char } else { '_' })
        .collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    HeaderValue::from_str(&format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"))
        .unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_not_say_more_than_a_name() {
        let header = as_download("Überweisung \"x\"; filename=evil.exe\r\nSet-Cookie: a.pdf");
        assert_eq!(
            header.to_str().unwrap(),
            "attachment; filename=\"_berweisung _x__ filename_evil.exe__Set-Cookie_ a.pdf\"; \
             filename*=UTF-8''%C3%9Cberweisung%20%22x%22%3B%20filename%3Devil.exe%0D%0ASet-Cookie%3A%20a.pdf"
        );
    }
}
