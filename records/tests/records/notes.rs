//! Notes.

use records::action::{AddAddendum, ReadNote, WriteNote};
use records::notes::{self, AddendumError, Note, NoteState, SaveError};
use records::{Error, Phi, RequestContext};

use crate::cast::{Site, World};

pub const BODY: &str = "canary-note: sees well, walks well";
pub const ADDENDUM: &str = "canary-addendum: called back";

async fn save(
    world: &World,
    context: RequestContext,
    visit: visit::VisitId,
    version: i32,
    body: &str,
) -> Result<Note, SaveError> {
    let mut tx = world.records.begin(context).await?;
    let may = tx.authorize(WriteNote(visit)).await?;
    let note = notes::save(&mut tx, &may, version, &Phi::from(body)).await?;
    Ok(tx.commit(note).await?)
}

async fn sign(world: &World, context: RequestContext, visit: visit::VisitId, version: i32) -> Result<Note, SaveError> {
    let mut tx = world.records.begin(context).await?;
    let may = tx.authorize(WriteNote(visit)).await?;
    let note = notes::sign(&mut tx, &may, version).await?;
    Ok(tx.commit(note).await?)
}

async fn read(world: &World, context: RequestContext, visit: visit::VisitId) -> Result<Note, Error> {
    let mut tx = world.records.begin(context).await?;
    let may = tx.authorize(ReadNote(visit)).await?;
    let note = notes::read(&mut tx, &may).await?;
    tx.commit(note).await
}

async fn add(world: &World, context: RequestContext, visit: visit::VisitId, body: &str) -> Result<Note, AddendumError> {
    let mut tx = world.records.begin(context).await?;
    let may = tx.authorize(AddAddendum(visit)).await?;
    let note = notes::add_addendum(&mut tx, &may, &Phi::from(body)).await?;
    Ok(tx.commit(note).await?)
}

pub async fn write_and_sign(world: &World, site: &Site, n: usize) {
    let (who, visit) = (site.as_provider(), site.visit(n));
    save(world, who.clone(), visit, 0, "canary-note: sees").await.unwrap();
    save(world, who.clone(), visit, 1, BODY).await.unwrap();
    sign(world, who.clone(), visit, 2).await.unwrap();
    add(world, who, visit, ADDENDUM).await.unwrap();
}

#[tokio::test]
async fn a_draft_is_saved_over_the_version_that_was_seen_only() {
    let world = World::new().await;
    let (who, visit) = (world.riverside.as_provider(), world.riverside.visit(0));
    let none = read(&world, who.clone(), visit).await.unwrap();
    assert_eq!((none.state, none.version), (NoteState::None, 0));
    let first = save(&world, who.clone(), visit, 0, "one").await.unwrap();
    assert_eq!((first.state, first.version, first.body.expose().as_str()), (NoteState::Draft, 1, "one"));
    assert!(matches!(
        save(&world, who.clone(), visit, 0, "other tab").await,
        Err(SaveError::ChangedElsewhere { version: 1 })
    ));
    assert!(matches!(
        save(&world, who.clone(), visit, 7, "future").await,
        Err(SaveError::ChangedElsewhere { version: 1 })
    ));
    save(&world, who.clone(), visit, 1, "two").await.unwrap();
    assert_eq!(read(&world, who.clone(), visit).await.unwrap().body.expose(), "two");
    let kept: i64 = world.look("SELECT count(*) FROM note_revision").await;
    assert_eq!(kept, 2, "nothing typed is ever lost");

    // Two tabs begin the next visit's note at once.
    let visit = world.riverside.visit(1);
    let both = futures_util::future::join_all((0..2).map(|_| save(&world, who.clone(), visit, 0, "at once"))).await;
    assert_eq!(both.iter().filter(|saved| saved.is_ok()).count(), 1);
    assert!(both.iter().all(|saved| matches!(saved, Ok(_) | Err(SaveError::ChangedElsewhere { version: 1 }))));
    assert!(matches!(
        save(&world, who, visit, 1, &"x".repeat(notes::MAX_BODY_BYTES + 1)).await,
        Err(SaveError::TooLong)
    ));
}

#[tokio::test]
async fn a_signed_note_never_changes_whoever_tries() {
    let world = World::new().await;
    let (who, visit) = (world.riverside.as_provider(), world.riverside.visit(0));
    assert!(matches!(sign(&world, who.clone(), visit, 0).await, Err(SaveError::Empty)));
    save(&world, who.clone(), visit, 0, "  ").await.unwrap();
    assert!(matches!(sign(&world, who.clone(), visit, 1).await, Err(SaveError::Empty)));
    save(&world, who.clone(), visit, 1, "all well").await.unwrap();
    assert!(matches!(add(&world, who.clone(), visit, "too early").await, Err(AddendumError::NotSigned)));
    assert!(matches!(sign(&world, who.clone(), visit, 1).await, Err(SaveError::ChangedElsewhere { version: 2 })));
    let signed = sign(&world, who.clone(), visit, 2).await.unwrap();
    assert_eq!((signed.state, signed.signed_by.as_deref()), (NoteState::Signed, Some("Dr. Maya Chen")));
    assert_eq!(signed.body.expose(), "all well");

    assert!(matches!(save(&world, who.clone(), visit, signed.version, "changed").await, Err(SaveError::Signed)));
    assert!(matches!(sign(&world, who.clone(), visit, signed.version).await, Err(SaveError::Signed)));
    let mut owner = world.db.owner().await;
    for sql in [
        "UPDATE note SET state = 'draft', signed_at = NULL, signed_by = NULL",
        "UPDATE note SET version = version - 1",
        "DELETE FROM note",
        "UPDATE note_revision SET body = ''",
        "DELETE FROM note_revision",
        "INSERT INTO note_revision SELECT note_id, version + 1, clinic_id, body, written_by, at FROM note_revision ORDER BY version DESC LIMIT 1",
    ] {
        assert!(sqlx::query(sql).execute(&mut owner).await.is_err(), "{sql}");
    }

    let added = add(&world, who.clone(), visit, "called back").await.unwrap();
    assert_eq!(added.addenda.len(), 1);
    assert_eq!(
        (added.addenda[0].body.expose().as_str(), added.addenda[0].author.as_str()),
        ("called back", "Dr. Maya Chen")
    );
    assert_eq!(added.body.expose(), "all well");
    assert!(matches!(add(&world, who, visit, " ").await, Err(AddendumError::Empty)));
}

#[tokio::test]
async fn notes_are_read_by_care_and_compliance_and_written_by_their_provider_alone() {
    let world = World::new().await;
    let site = &world.riverside;
    let visit = site.visit(0);
    write_and_sign(&world, site, 0).await;
    assert_eq!(read(&world, site.as_compliance(), visit).await.unwrap().body.expose(), BODY);
    assert!(matches!(read(&world, site.as_front_desk(), visit).await, Err(Error::Forbidden)));
    assert!(matches!(read(&world, site.as_clinic_admin(), visit).await, Err(Error::Forbidden)));
    assert!(matches!(read(&world, world.lakeside.as_provider(), visit).await, Err(Error::NotFound)));
    assert!(matches!(
        save(&world, site.as_compliance(), visit, 3, "x").await,
        Err(SaveError::Failed(Error::Forbidden))
    ));
    let logged: i64 = world
        .look("SELECT count(*) FROM audit_event WHERE action IN ('note.saved', 'note.signed', 'note.addendum_added')")
        .await;
    assert_eq!(logged, 4);
}
