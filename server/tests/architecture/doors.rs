//! No request reaches a table without an authorization: every public function of `records` that is handed a transaction
//! or the database takes a proof and checks that it is its own transaction's, or refuses everyone but the server, or
//! stands in the list below. This list is the one place where such functions are named.

use std::path::Path;

/// What a door without a proof is for.
#[derive(Clone, Copy, PartialEq)]
enum For {
    /// Somebody on the way in: before it, nobody knows who asks.
    SignIn,
    /// The server's own work; the API may not call it for a request.
    Server,
    /// Begins, ends or checks; gives out no row.
    Plumbing,
}

/// Doors that ask for no proof, and why that is right.
const WITHOUT_PROOF: &[(&str, For, &str)] = &[
    ("clinics::list", For::Server, "names of clinics, to do the server's work in each"),
    ("consents::current_text", For::SignIn, "published texts, the same for everyone"),
    ("clinics::is_time_zone", For::Server, "names of time zones"),
    ("demo::seed", For::Server, "fills an empty clinic"),
    ("attachments::known", For::Server, "the server's, after a start, to find files that belong to nothing"),
    ("facts::append", For::Server, "the room tells what happened; the seat was authorized when it was taken"),
    ("facts::load", For::Server, "the room is rebuilt after a start"),
    ("audit::append", For::Server, "the server logs its own work"),
    ("audit::acquire", For::Server, "the sealer's: reads rows to hash them, writes seals"),
    ("audit::verify", For::Server, "the verifier's: reads rows to hash them, gives out numbers and times"),
    ("audit::accept_restore", For::Server, "an operator's, after a backup was put back; logged"),
    ("audit::remember", For::Server, "what verifying found"),
    ("audit::verify_now", For::Plumbing, "authorizes by itself, since no transaction may be open while it runs"),
    ("audit::export", For::Plumbing, "writes what `allow_export` proved, after that was committed"),
    ("audit::look_for_unusual", For::Server, "compares names inside; stores who, never which name"),
    ("audit::make_months_ahead", For::Server, "tables of the months to come"),
    ("audit::drop_month", For::Server, "an operator's, past the retention only, which the database checks"),
    ("audit::search_all", For::Server, "an operator's, who holds the data folder; logged"),
    ("audit::note", For::Server, "logs what an operator does"),
    ("records::seal_is_full", For::Plumbing, "waits; sees nothing"),
    ("identity::confirm", For::SignIn, "by one's own session and a second factor"),
    ("identity::confirm_options", For::SignIn, "by one's own session"),
    ("identity::look", For::SignIn, "by the token of a session that sets up a second factor"),
    ("identity::begin_app", For::SignIn, "by the token of a session that sets up a second factor"),
    ("identity::confirm_app", For::SignIn, "by the token of a session that sets up a second factor"),
    ("identity::new_key_options", For::SignIn, "by the token of a session that sets up a second factor"),
    ("identity::register_key", For::SignIn, "by the token of a session that sets up a second factor"),
    ("identity::open", For::SignIn, "by an invitation's token"),
    ("identity::accept", For::SignIn, "by an invitation's token"),
    ("identity::request", For::SignIn, "mails a link to whoever has the account's address; gives nothing out"),
    ("identity::complete", For::SignIn, "by a mailed link's token"),
    ("guests::open", For::SignIn, "by an invitation's token"),
    ("guests::arrive", For::SignIn, "by an invitation's token"),
    ("join::open", For::SignIn, "by a link's token"),
    ("join::identify", For::SignIn, "by a link's token and the date of birth"),
    ("keys::rewrap", For::Server, "an operator's, who holds the key ring; opens no value"),
    ("keys::rotate", For::Server, "an operator's, who holds the key ring; gives out counts"),
    ("keys::status", For::Server, "an operator's; gives out counts"),
    ("keys::wrapped_by", For::Server, "an operator's; gives out a count"),
    ("keys::verify", For::Server, "an operator's; gives out counts and the ids of rows that do not open"),
    ("outbox::next_due", For::Server, "mail is delivered after the fact; what enqueued it was authorized"),
    ("outbox::forget_expired", For::Server, "mail that is too old"),
    ("outbox::kept", For::Server, "the demonstration shows its mail, which goes nowhere else"),
    ("patient_index::rebuild", For::Server, "makes what an earlier version wrote findable; gives out how many"),
    ("patient_index::with_email", For::Server, "ids alone, for signing in to the portal"),
    ("portal::ask", For::SignIn, "by an e-mail address; gives nothing out but a mail to it"),
    ("portal::open", For::SignIn, "by a link's token"),
    ("portal::find", For::SignIn, "who the holder of a session's token is"),
    ("portal::end", For::SignIn, "by the session's own token"),
    ("portal::sign_in", For::SignIn, "by the pending session's token and a code"),
    ("portal::confirm", For::SignIn, "authorizes by itself, and counts a wrong code"),
    ("portal::remove", For::SignIn, "authorizes by itself, and counts a wrong code"),
    ("portal::people", For::SignIn, "authorizes each of them by itself"),
    ("queue::lines", For::Server, "who stands where, for pages that are told; numbers and times only"),
    ("quality::insert", For::Server, "samples of the media server"),
    ("recordings::create_key", For::Server, "the recorder's"),
    ("recordings::open_key", For::Server, "the recorder's; playing was authorized when the recording was opened"),
    ("recordings::change", For::Server, "the recorder's"),
    ("recordings::unfinished", For::Server, "the recorder's, after a start"),
    ("recordings::catalogue", For::Server, "the recorder's, to find files that belong to nothing"),
    ("records::begin", For::Plumbing, "begins a transaction; sees nothing yet"),
    ("records::ping", For::Plumbing, "whether the database answers"),
    ("records::close", For::Plumbing, "gives the connections back"),
    ("sessions::staff", For::SignIn, "who the holder of a session's token is"),
    ("sessions::patient", For::SignIn, "who the holder of a session's token is"),
    ("sessions::guest", For::SignIn, "who the holder of a session's token is"),
    ("sessions::end", For::SignIn, "by the session's own token"),
    ("sessions::over", For::Server, "which sockets have to be closed"),
    ("sessions::touch", For::Server, "a call is activity"),
    ("sign_in::password", For::SignIn, "by e-mail and password"),
    ("sso::begin", For::SignIn, "a round trip to a provider; gives out nothing of the record"),
    ("sso::take", For::SignIn, "by the flow's state and the browser's cookie"),
    ("sso::account", For::SignIn, "by an address that the provider has verified"),
    ("sso::enter", For::SignIn, "the account that was found by that address"),
    ("sso::refused", For::SignIn, "logs that nobody came in"),
    ("sign_in::webauthn_options", For::SignIn, "by the pending session's token"),
    ("sign_in::second_factor", For::SignIn, "by the pending session's token and a second factor"),
    ("sign_in::recovery", For::SignIn, "by the pending session's token and a recovery code"),
    ("tx::authorize", For::Plumbing, "the door itself"),
    ("tx::commit", For::Plumbing, "gives out what was proved before"),
    ("visits::in_progress", For::Server, "rooms that are revived after a start"),
];

struct Door {
    name: String,
    signature: String,
    body: String,
}

/// Public functions that are handed a transaction or the database.
fn doors() -> Vec<Door> {
    let mut found = Vec::new();
    let source = super::root().join("records/src");
    for file in super::sources(&source, &[".rs"]) {
        let inside = file.strip_prefix(&source).unwrap();
        if inside.starts_with("testing.rs") || inside.starts_with("private_postgres") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let module = module(inside);
        for (at, _) in text.match_indices("pub async fn ").chain(text.match_indices("pub fn ")) {
            let line_begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
            let indent = &text[line_begin..at];
            if !indent.trim().is_empty() {
                continue;
            }
            let Some(open) = text[at..].find('{') else { continue };
            let signature = text[at..at + open].to_owned();
            let end = text[at..].find(&format!("\n{indent}}}\n")).unwrap_or(text.len() - at);
            let body = text[at + open..at + end.max(open)].to_owned();
            let name = signature.split("fn ").nth(1).unwrap().split(['(', '<']).next().unwrap().to_owned();
            let reaches = ["Tx", "Records"].iter().any(|kind| {
                signature.split(|c: char| !c.is_alphanumeric()).any(|word| word == *kind)
                    || (signature.contains("self") && signature.contains("async fn") && module == kind.to_lowercase())
            });
            if reaches {
                found.push(Door { name: format!("{module}::{name}"), signature, body });
            }
        }
    }
    found
}

/// `recordings.rs`, `recordings/x.rs` -> `recordings`.
fn module(file: &Path) -> String {
    let first = file.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn listed(door: &str) -> Option<For> {
    WITHOUT_PROOF.iter().find(|(name, ..)| *name == door).map(|(_, whose, _)| *whose)
}

#[test]
fn no_function_reaches_a_table_without_a_proof_but_those_that_are_listed() {
    let doors = doors();
    assert!(doors.len() > 40, "only {} doors were found", doors.len());
    let mut wrong = Vec::new();
    for Door { name, signature, body } in &doors {
        let proof = signature.contains("Authorized<");
        let constructor = signature.contains("-> Result<Self") || signature.contains("-> Records");
        let accessor = signature.contains("(&self)") && !signature.contains("async");
        if listed(name).is_some() || constructor || accessor {
            if proof && listed(name) != Some(For::Plumbing) {
                wrong.push(format!("{name} takes a proof and yet stands in the list"));
            }
        } else if proof && !body.contains(".proved(") {
            wrong.push(format!("{name} never asks whether the proof is its own transaction's: tx.proved(may)?"));
        } else if !proof && !body.contains("only_system()?") {
            wrong.push(format!("{name} takes no `Authorized<_>`, is not `only_system`, and is not in server/tests/architecture/doors.rs"));
        }
    }
    for (name, ..) in WITHOUT_PROOF {
        if !doors.iter().any(|door| door.name == *name) {
            wrong.push(format!("{name} is listed and does not exist"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_api_does_for_a_request_only_what_was_proved() {
    let source = super::root().join("api/src");
    let mut wrong = Vec::new();
    for file in super::sources(&source, &[".rs"]) {
        let text = std::fs::read_to_string(&file).unwrap();
        for (name, whose, _) in WITHOUT_PROOF {
            if *whose == For::Server && text.contains(&format!("{name}(")) {
                wrong.push(format!("{} calls {name}, which asks for no proof", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
