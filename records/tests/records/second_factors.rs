//! Second factors: security keys that misbehave, recovery codes, setting one up before anything else is open.

use records::identity::enrolment::{self, EnrolError};
use records::identity::factors::FactorError;
use records::identity::webauthn::{CHALLENGE_LIFE, RelyingParty};
use records::identity::{FactorKind, Proof, Settings, confirm};
use records::sessions::{self, Activity};
use records::sign_in::{self, Entered, Next, SecondFactorError, SignedIn};
use records::{Phi, Records, SessionToken};
use time::{Duration, OffsetDateTime};

use crate::authenticator::Authenticator;
use crate::cast::{NOW, World, code, origin, password, sign_in as sign_in_as, totp};

const SITE: &str = "https://visits.example.org";

fn party() -> RelyingParty {
    RelyingParty::of(&[SITE.to_owned()]).unwrap()
}

/// A session that may set up a factor, by a recovery code that is made in the database.
async fn enrolling(world: &World, account: &records::demo::DemoAccount, now: OffsetDateTime) -> SessionToken {
    let codes = recovery_codes(world, account, now).await;
    let pending = password(&world.records, account, now).await;
    sign_in::recovery(&world.records, &origin(), &pending, &codes[0], now).await.unwrap()
}

/// The person's recovery codes: those that setting up an app for a WebAuthn-only role gives out.
async fn recovery_codes(world: &World, account: &records::demo::DemoAccount, now: OffsetDateTime) -> Vec<String> {
    // Where only keys are accepted, a right code opens the way to a key, and the first factor brings the codes.
    let strict = world.records.clone().with_identity(Settings::default());
    let pending = password(&strict, account, now).await;
    let proof = code(account, now);
    let entered = sign_in::second_factor(&strict, &origin(), &pending, Proof::Totp(&proof), now).await.unwrap();
    let Entered::Enrol(token) = entered else { panic!("{} needs a key", account.email) };
    let options = enrolment::new_key_options(&strict, &origin(), &party(), &token, now).await.unwrap();
    let answer = Authenticator::new(SITE).create(&options);
    let made = enrolment::register_key(&strict, &origin(), &party(), &token, "First key", &answer, now).await.unwrap();
    made.recovery_codes.iter().map(|code| code.expose().clone()).collect()
}

/// Adds a key to the account, and gives it back.
async fn with_key(world: &World, account: &records::demo::DemoAccount, now: OffsetDateTime) -> Authenticator {
    let token = enrolling(world, account, now).await;
    let mut key = Authenticator::new(SITE);
    let options = enrolment::new_key_options(&world.records, &origin(), &party(), &token, now).await.unwrap();
    let answer = key.create(&options);
    enrolment::register_key(&world.records, &origin(), &party(), &token, "Blue key", &answer, now).await.unwrap();
    key
}

async fn challenge(records: &Records, pending: &SessionToken, now: OffsetDateTime) -> String {
    sign_in::webauthn_options(records, &origin(), &party(), pending, now).await.unwrap()
}

async fn answer(
    world: &World,
    pending: &SessionToken,
    answer: &[u8],
    now: OffsetDateTime,
) -> Result<SignedIn, SecondFactorError> {
    let party = party();
    let proof = Proof::WebAuthn { answer, party: &party };
    match sign_in::second_factor(&world.records, &origin(), pending, proof, now).await? {
        Entered::In(signed_in) => Ok(*signed_in),
        Entered::Enrol(_) => panic!("a key is enough"),
    }
}

async fn alive(world: &World, token: &SessionToken, now: OffsetDateTime) -> bool {
    sessions::staff(&world.records, token, Activity::Background, now).await.unwrap().is_some()
}

#[tokio::test]
async fn a_key_signs_in_and_its_challenge_is_good_once_and_in_its_own_session_only() {
    let world = World::new().await;
    let account = &world.riverside.demo.compliance;
    let mut key = with_key(&world, account, NOW).await;
    let (one, two) = (password(&world.records, account, NOW).await, password(&world.records, account, NOW).await);
    let asked = challenge(&world.records, &one, NOW).await;
    let right = key.get(&asked);
    assert!(matches!(answer(&world, &two, &right, NOW).await, Err(SecondFactorError::Wrong)), "another session");
    let signed_in = answer(&world, &one, &right, NOW).await.unwrap();
    assert!(alive(&world, &signed_in.token, NOW).await && !alive(&world, &one, NOW).await);
    assert_eq!(signed_in.session.second_factor_at, Some(NOW));

    challenge(&world.records, &two, NOW).await;
    assert!(matches!(answer(&world, &two, &right, NOW).await, Err(SecondFactorError::Wrong)), "an old answer");
    let fresh = key.get(&challenge(&world.records, &two, NOW).await);
    assert!(answer(&world, &two, b"{}", NOW).await.is_err());
    assert!(
        matches!(answer(&world, &two, &fresh, NOW).await, Err(SecondFactorError::Wrong)),
        "a challenge is gone with any answer"
    );
}

#[tokio::test]
async fn two_who_send_the_same_answer_at_once_are_one() {
    let world = World::new().await;
    let account = &world.riverside.demo.compliance;
    let mut key = with_key(&world, account, NOW).await;
    let pending = password(&world.records, account, NOW).await;
    let right = key.get(&challenge(&world.records, &pending, NOW).await);
    let answers = futures_util::future::join_all((0..4).map(|_| answer(&world, &pending, &right, NOW))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_copied_key_is_found_by_its_counter_refused_and_logged() {
    let world = World::new().await;
    let account = &world.riverside.demo.compliance;
    let mut key = with_key(&world, account, NOW).await;
    let pending = password(&world.records, account, NOW).await;
    let used = key.get(&challenge(&world.records, &pending, NOW).await);
    answer(&world, &pending, &used, NOW).await.unwrap();

    let pending = password(&world.records, account, NOW).await;
    key.counter -= 1;
    let copied = key.get(&challenge(&world.records, &pending, NOW).await);
    assert!(matches!(answer(&world, &pending, &copied, NOW).await, Err(SecondFactorError::Wrong)));
    let logged: i64 = world
        .look("SELECT count(*) FROM audit_event WHERE action = 'sign_in.webauthn' AND outcome = 'failed' AND reason = 'counter_went_back'")
        .await;
    assert_eq!(logged, 1);
    key.counter += 1;
    let right = key.get(&challenge(&world.records, &pending, NOW).await);
    assert!(answer(&world, &pending, &right, NOW).await.is_ok(), "the owner's key goes on");
}

#[tokio::test]
async fn a_key_of_another_site_of_nobody_verified_or_too_late_is_refused() {
    let world = World::new().await;
    let account = &world.riverside.demo.compliance;
    let mut key = with_key(&world, account, NOW).await;
    let pending = password(&world.records, account, NOW).await;
    for spoil in [
        (|key: &mut Authenticator| key.origin = "https://visits.example.org.evil.example".to_owned())
            as fn(&mut Authenticator),
        |key| key.origin = "http://visits.example.org".to_owned(),
        |key| key.verifies = false,
    ] {
        spoil(&mut key);
        let bad = key.get(&challenge(&world.records, &pending, NOW).await);
        assert!(matches!(answer(&world, &pending, &bad, NOW).await, Err(SecondFactorError::Wrong)));
        (key.origin, key.verifies) = (SITE.to_owned(), true);
    }
    let stranger = Authenticator::new(SITE).get(&challenge(&world.records, &pending, NOW).await);
    assert!(matches!(answer(&world, &pending, &stranger, NOW).await, Err(SecondFactorError::Wrong)));
    let later = NOW + Duration::minutes(2);
    let pending = password(&world.records, account, later).await;
    let right = key.get(&challenge(&world.records, &pending, later).await);
    let late = later + CHALLENGE_LIFE - Duration::SECOND;
    assert!(answer(&world, &pending, &right, late).await.is_ok(), "just in time");
    let pending = password(&world.records, account, late).await;
    let right = key.get(&challenge(&world.records, &pending, late).await);
    assert!(answer(&world, &pending, &right, late + CHALLENGE_LIFE).await.is_err());
}

#[tokio::test]
async fn one_key_belongs_to_one_person_and_must_verify_its_owner() {
    let world = World::new().await;
    let (one, other) = (&world.riverside.demo.compliance, &world.lakeside.demo.compliance);
    let mut key = with_key(&world, one, NOW).await;
    let token = enrolling(&world, other, NOW).await;
    let options = enrolment::new_key_options(&world.records, &origin(), &party(), &token, NOW).await.unwrap();
    let again = key.create(&options);
    let refused = enrolment::register_key(&world.records, &origin(), &party(), &token, "Mine", &again, NOW).await;
    assert!(matches!(refused, Err(EnrolError::Factor(FactorError::BadAnswer))));
    let mut careless = Authenticator::new(SITE);
    careless.verifies = false;
    let options = enrolment::new_key_options(&world.records, &origin(), &party(), &token, NOW).await.unwrap();
    let unverified = careless.create(&options);
    let refused = enrolment::register_key(&world.records, &origin(), &party(), &token, "Mine", &unverified, NOW).await;
    assert!(matches!(refused, Err(EnrolError::Factor(FactorError::BadAnswer))));
}

#[tokio::test]
async fn compliance_needs_a_key_and_a_code_opens_only_the_way_to_one() {
    let world = World::new().await;
    let strict = world.records.clone().with_identity(Settings::default());
    let account = &world.riverside.demo.compliance;
    recovery_codes(&world, account, NOW).await;
    let later = NOW + Duration::minutes(2);
    let pending = password(&strict, account, later).await;
    let proof = code(account, later);
    let refused = sign_in::second_factor(&strict, &origin(), &pending, Proof::Totp(&proof), later).await;
    assert!(matches!(refused, Err(SecondFactorError::NeedsKey)), "now that there is a key, it must be used");
    let provider = &world.riverside.demo.provider;
    let pending = password(&strict, provider, NOW).await;
    assert!(totp(&strict, &origin(), &pending, &code(provider, NOW), NOW).await.is_ok(), "others may use a code");
}

#[tokio::test]
async fn a_session_for_setting_up_a_factor_is_good_for_nothing_else_and_ends_with_it() {
    let world = World::new().await;
    let account = &world.riverside.demo.compliance;
    let token = enrolling(&world, account, NOW).await;
    assert!(!alive(&world, &token, NOW).await);
    let proof = code(account, NOW + Duration::minutes(1));
    let as_pending = sign_in::second_factor(&world.records, &origin(), &token, Proof::Totp(&proof), NOW).await;
    assert!(matches!(as_pending, Err(SecondFactorError::SignedOut)));
    let new = enrolment::begin_app(&world.records, &origin(), &token, "Phone", NOW).await.unwrap();
    let wrong = enrolment::confirm_app(&world.records, &origin(), &token, new.id, "000000", NOW).await;
    assert!(matches!(wrong, Err(EnrolError::WrongCode)));
    let secret = records::demo::DemoAccount { totp_secret: new.secret.expose().clone(), ..account.clone() };
    let right = code(&secret, NOW);
    let done = enrolment::confirm_app(&world.records, &origin(), &token, new.id, &right, NOW).await.unwrap();
    assert!(alive(&world, &done.signed_in.token, NOW).await);
    assert!(done.recovery_codes.is_empty(), "nine are left");
    let again = enrolment::begin_app(&world.records, &origin(), &token, "Phone", NOW).await;
    assert!(matches!(again, Err(EnrolError::SignedOut)));
    // The code that confirmed the app is used up.
    let pending = password(&world.records, account, NOW).await;
    assert!(matches!(totp(&world.records, &origin(), &pending, &right, NOW).await, Err(SecondFactorError::Wrong)));
}

#[tokio::test]
async fn a_pending_session_can_not_set_up_a_factor() {
    let world = World::new().await;
    let pending = password(&world.records, &world.riverside.demo.provider, NOW).await;
    let skipped = enrolment::begin_app(&world.records, &origin(), &pending, "Phone", NOW).await;
    assert!(matches!(skipped, Err(EnrolError::SignedOut)), "the step between may not be skipped");
    let full = sign_in_as(&world.records, &world.riverside.demo.provider, NOW).await.token;
    assert!(matches!(enrolment::look(&world.records, &full, NOW).await, Err(EnrolError::SignedOut)));
}

#[tokio::test]
async fn a_recovery_code_works_once_and_guesses_are_counted() {
    let world = World::new().await;
    let account = &world.riverside.demo.compliance;
    let codes = recovery_codes(&world, account, NOW).await;
    assert_eq!(codes.len(), 10);
    let pending = password(&world.records, account, NOW).await;
    let (origin, code) = (origin(), codes[3].to_uppercase());
    let tries = (0..3).map(|_| sign_in::recovery(&world.records, &origin, &pending, &code, NOW));
    let answers = futures_util::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "also when sent at the same time");
    let other = &world.riverside.demo.provider;
    let now = NOW + Duration::minutes(1);
    let pending = password(&world.records, other, now).await;
    let foreign = sign_in::recovery(&world.records, &origin, &pending, &codes[4], now).await;
    assert!(matches!(foreign, Err(SecondFactorError::Wrong)), "another person's");
    let mut last = None;
    for _ in 0..5 {
        last = Some(sign_in::recovery(&world.records, &origin, &pending, "aaaa-aaaa-aaaa-aaaa", now).await);
    }
    assert!(matches!(last, Some(Err(SecondFactorError::TooFast { .. }))));
    let stored: i64 = world.look("SELECT count(*) FROM recovery_code WHERE octet_length(code_hash) = 32").await;
    assert_eq!(stored, 10);
}

#[tokio::test]
async fn confirming_makes_the_second_factor_fresh_for_this_session_alone() {
    let world = World::new().await;
    let account = &world.riverside.demo.provider;
    let one = sign_in_as(&world.records, account, NOW).await;
    let later = NOW + Duration::minutes(10);
    let two = sign_in_as(&world.records, account, later).await;
    let now = later + Duration::minutes(10);
    let session =
        sessions::staff(&world.records, &one.token, Activity::User, NOW + Duration::minutes(9)).await.unwrap();
    let session = session.unwrap();
    assert_eq!(session.second_factor_at, Some(NOW));
    let used = code(account, later);
    let refused = confirm::confirm(&world.records, &origin(), &session, Proof::Totp(&used), later).await;
    assert!(matches!(refused, Err(SecondFactorError::Wrong)), "a code that signed in somewhere else");
    let fresh = code(account, now);
    confirm::confirm(&world.records, &origin(), &session, Proof::Totp(&fresh), now).await.unwrap();
    let again = sessions::staff(&world.records, &one.token, Activity::User, now).await.unwrap().unwrap();
    assert_eq!((again.session_id, again.second_factor_at), (session.session_id, Some(now)));
    let other = sessions::staff(&world.records, &two.token, Activity::User, now).await.unwrap().unwrap();
    assert_eq!(other.second_factor_at, Some(later));
}

#[tokio::test]
async fn the_password_says_which_factors_there_are_and_tells_new_browsers_from_known_ones() {
    let world = World::new().await;
    let account = &world.riverside.demo.provider;
    let first =
        sign_in::password(&world.records, &origin(), &account.email, Phi::from(account.password.as_str()), NOW).await;
    let first = first.unwrap();
    assert_eq!(first.next, Next::SecondFactor(vec![FactorKind::Totp]));
    let signed_in = totp(&world.records, &origin(), &first.token, &code(account, NOW), NOW).await.ok().unwrap();
    let device = signed_in.device.expect("a browser that was not known gets a token");
    let now = NOW + Duration::minutes(1);
    let known = records::Origin { device: Some(device), ..origin() };
    let pending = password(&world.records, account, now).await;
    let again = totp(&world.records, &known, &pending, &code(account, now), now).await.ok().unwrap();
    assert!(again.device.is_none());
    // Somebody else's browser token says nothing about this person.
    let desk = &world.riverside.demo.front_desk;
    let pending = password(&world.records, desk, now).await;
    assert!(totp(&world.records, &known, &pending, &code(desk, now), now).await.ok().unwrap().device.is_some());
}

#[tokio::test]
async fn sessions_that_are_over_are_found_whatever_ended_them() {
    let world = World::new().await;
    let site = &world.riverside;
    let kept = sign_in_as(&world.records, &site.demo.provider, NOW).await;
    let ended = sign_in_as(&world.records, &site.demo.front_desk, NOW).await;
    let left = sign_in_as(&world.records, &site.demo.clinic_admin, NOW).await;
    let foreign = sign_in_as(&world.records, &world.lakeside.demo.provider, NOW).await;
    sessions::end(&world.records, &ended.token, &origin(), NOW).await.unwrap();
    world
        .db
        .execute_as_owner(&format!("UPDATE staff SET active = false WHERE staff_id = '{}'", site.clinic_admin))
        .await;
    let ids = [&kept, &ended, &left, &foreign].map(|signed_in| signed_in.session.session_id);
    let mut over = sessions::over(&world.records, site.clinic, &ids, NOW).await.unwrap();
    over.sort();
    let mut expected = vec![ids[1], ids[2], ids[3]];
    expected.sort();
    assert_eq!(over, expected);
    let idle = NOW + sessions::IDLE;
    assert_eq!(sessions::over(&world.records, site.clinic, &ids[..1], idle - Duration::SECOND).await.unwrap(), []);
    assert_eq!(sessions::over(&world.records, site.clinic, &ids[..1], idle).await.unwrap(), [ids[0]]);
}

#[test]
fn a_site_without_a_domain_name_has_no_keys() {
    let of =
        |origins: &[&str]| RelyingParty::of(&origins.iter().map(|origin| (*origin).to_owned()).collect::<Vec<_>>());
    assert!(of(&["http://127.0.0.1:8080", "http://[::1]:8080"]).is_none());
    assert!(of(&["http://127.0.0.1:8080", "http://localhost:8080"]).is_some());
    assert!(of(&["https://visits.example.org"]).is_some());
}
