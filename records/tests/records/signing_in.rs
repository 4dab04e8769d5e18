//! Staff sign-in.

use records::sessions::{self, Activity, IDLE};
use records::sign_in::{self, FAILURES_PER_MINUTE, FAILURES_TO_LOCK, LOCKED_FOR, PasswordError, SecondFactorError};
use records::{Phi, RequestContext, SessionToken};
use time::{Duration, OffsetDateTime};

use crate::cast::{NOW, World, code, origin, password, sign_in as sign_in_as, totp};

async fn wrong_password(world: &World, email: &str, now: OffsetDateTime) -> PasswordError {
    sign_in::password(&world.records, &origin(), email, Phi::from("not the password"), now).await.expect_err("wrong")
}

async fn session(world: &World, token: &SessionToken, now: OffsetDateTime) -> Option<sessions::StaffSession> {
    sessions::staff(&world.records, token, Activity::User, now).await.unwrap()
}

#[tokio::test]
async fn both_factors_give_a_new_token_and_the_pending_one_is_never_a_session() {
    let world = World::new().await;
    let account = &world.riverside.demo.provider;
    let pending = password(&world.records, account, NOW).await;
    assert!(session(&world, &pending, NOW).await.is_none());
    let signed_in = totp(&world.records, &origin(), &pending, &code(account, NOW), NOW).await.ok().unwrap();
    assert_ne!(signed_in.token, pending);
    assert!(session(&world, &pending, NOW).await.is_none());
    let me = session(&world, &signed_in.token, NOW).await.unwrap();
    assert_eq!(me, signed_in.session);
    assert_eq!(
        (me.staff_id, me.name.as_str(), me.clinic.name.as_str()),
        (world.riverside.provider, "Dr. Maya Chen", "Riverside Family Clinic")
    );
    // E-mail addresses have no case.
    let shouting = account.email.to_uppercase();
    assert!(
        sign_in::password(&world.records, &origin(), &shouting, Phi::from(account.password.as_str()), NOW)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_code_works_once_also_when_sent_twice_at_the_same_time_and_never_an_earlier_one_again() {
    let world = World::new().await;
    let account = &world.riverside.demo.provider;
    let mut pending = Vec::new();
    for _ in 0..4 {
        pending.push(password(&world.records, account, NOW).await);
    }
    let (origin, right) = (origin(), code(account, NOW));
    let answers =
        futures_util::future::join_all(pending.iter().map(|token| totp(&world.records, &origin, token, &right, NOW)))
            .await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer, Ok(_) | Err(SecondFactorError::Wrong))));

    let later = NOW + Duration::minutes(2);
    let token = password(&world.records, account, later).await;
    for step in [-4, -2, 2] {
        let other = code(account, later + Duration::seconds(30 * step));
        assert!(
            matches!(totp(&world.records, &origin, &token, &other, later).await, Err(SecondFactorError::Wrong)),
            "{step} steps off"
        );
    }
    let early = code(account, later + Duration::seconds(30));
    assert!(totp(&world.records, &origin, &token, &early, later).await.is_ok(), "one step off is the network");
    let token = password(&world.records, account, later).await;
    assert!(
        matches!(
            totp(&world.records, &origin, &token, &code(account, later), later).await,
            Err(SecondFactorError::Wrong)
        ),
        "before the last one"
    );
}

#[tokio::test]
async fn the_second_factor_must_come_within_five_minutes_of_the_first() {
    let world = World::new().await;
    let account = &world.riverside.demo.provider;
    let pending = password(&world.records, account, NOW).await;
    let late = NOW + Duration::minutes(5);
    assert!(matches!(
        totp(&world.records, &origin(), &pending, &code(account, late), late).await,
        Err(SecondFactorError::SignedOut)
    ));
    let nobody = SessionToken::from_cookie(&"A".repeat(43)).unwrap();
    assert!(matches!(
        totp(&world.records, &origin(), &nobody, &code(account, NOW), NOW).await,
        Err(SecondFactorError::SignedOut)
    ));
}

#[tokio::test]
async fn ten_failures_in_a_row_lock_an_account_for_a_quarter_of_an_hour_whether_it_exists_or_not() {
    let world = World::new().await;
    let account = &world.riverside.demo.provider;
    for email in [account.email.as_str(), "nobody@nowhere.example"] {
        let mut now = NOW;
        for _ in 0..FAILURES_TO_LOCK {
            assert!(matches!(wrong_password(&world, email, now).await, PasswordError::Wrong));
            now += Duration::seconds(20);
        }
        assert!(matches!(wrong_password(&world, email, now).await, PasswordError::Locked { .. }), "{email}");
    }
    let right = async |now| {
        sign_in::password(&world.records, &origin(), &account.email, Phi::from(account.password.as_str()), now).await
    };
    let last = NOW + Duration::seconds(180);
    assert!(
        matches!(right(last + LOCKED_FOR - Duration::SECOND).await, Err(PasswordError::Locked { .. })),
        "the right password, too"
    );
    assert!(right(last + LOCKED_FOR + Duration::SECOND).await.is_ok());
    let unknown: i64 =
        world.look("SELECT count(*) FROM audit_event WHERE clinic_id IS NULL AND reason = 'unknown_account'").await;
    assert_eq!(unknown, i64::from(FAILURES_TO_LOCK));
}

#[tokio::test]
async fn five_failures_a_minute_are_enough_for_one_account_also_at_once() {
    let world = World::new().await;
    let email = &world.riverside.demo.provider.email;
    let answers = futures_util::future::join_all((0..9).map(|_| wrong_password(&world, email, NOW))).await;
    assert_eq!(
        answers.iter().filter(|answer| matches!(answer, PasswordError::Wrong)).count(),
        usize::try_from(FAILURES_PER_MINUTE).unwrap()
    );
    for answer in answers {
        if let PasswordError::TooFast { retry_after_s } = answer {
            assert!((1..=61).contains(&retry_after_s));
        }
    }
    assert!(matches!(wrong_password(&world, email, NOW + Duration::seconds(61)).await, PasswordError::Wrong));
}

#[tokio::test]
async fn a_right_password_does_not_buy_more_tries_at_the_code() {
    let world = World::new().await;
    let account = &world.riverside.demo.provider;
    let mut now = NOW;
    let mut wrong = 0;
    let locked = loop {
        let pending = match sign_in::password(
            &world.records,
            &origin(),
            &account.email,
            Phi::from(account.password.as_str()),
            now,
        )
        .await
        {
            Ok(first) => first.token,
            Err(PasswordError::Locked { .. }) => break true,
            Err(_) => break false,
        };
        let never = code(account, now + Duration::hours(5));
        match totp(&world.records, &origin(), &pending, &never, now).await {
            Err(SecondFactorError::Wrong) => wrong += 1,
            Err(SecondFactorError::Locked { .. }) => break true,
            _ => break false,
        }
        now += Duration::seconds(20);
    };
    assert!(locked);
    assert!(wrong <= FAILURES_TO_LOCK, "{wrong} tries");
}

#[tokio::test]
async fn a_session_ends_by_idleness_which_background_requests_do_not_prevent_and_calls_do() {
    let world = World::new().await;
    let account = &world.riverside.demo.provider;
    let signed_in = sign_in_as(&world.records, account, NOW).await;
    let (token, id) = (signed_in.token, signed_in.session.session_id);
    let background = async |now| sessions::staff(&world.records, &token, Activity::Background, now).await.unwrap();
    let almost = NOW + IDLE - Duration::SECOND;
    assert!(background(almost).await.is_some());
    assert!(background(NOW + IDLE).await.is_none());
    assert!(session(&world, &token, almost).await.is_some());
    assert!(background(almost + IDLE - Duration::SECOND).await.is_some(), "a person's request began the time anew");
    let call = almost + Duration::minutes(10);
    sessions::touch(&world.records, world.riverside.clinic, id, call).await.unwrap();
    assert!(background(call + IDLE - Duration::SECOND).await.is_some(), "a call is activity");
    sessions::touch(&world.records, world.riverside.clinic, id, call + IDLE).await.unwrap();
    assert!(background(call + IDLE).await.is_none(), "what is over stays over");
}

#[tokio::test]
async fn a_session_ends_with_its_longest_life_with_sign_out_and_with_the_account() {
    let world = World::new().await;
    let site = &world.riverside;
    let busy = async |token: &SessionToken, hours: i64| {
        let (mut now, end) = (NOW, NOW + Duration::hours(hours));
        while now < end - Duration::minutes(1) {
            if session(&world, token, now).await.is_none() {
                return Some(now);
            }
            now += Duration::minutes(10);
        }
        session(&world, token, end).await.is_none().then_some(end)
    };
    let provider = sign_in_as(&world.records, &site.demo.provider, NOW).await.token;
    assert_eq!(busy(&provider, 8).await, Some(NOW + Duration::hours(8)));
    let admin = sign_in_as(&world.records, &site.demo.clinic_admin, NOW).await.token;
    assert_eq!(busy(&admin, 4).await, Some(NOW + Duration::hours(4)));

    let desk = sign_in_as(&world.records, &site.demo.front_desk, NOW).await.token;
    sessions::end(&world.records, &desk, &origin(), NOW).await.unwrap();
    assert!(session(&world, &desk, NOW).await.is_none());
    sessions::end(&world.records, &desk, &origin(), NOW).await.unwrap();

    let leaver = sign_in_as(&world.records, &site.demo.compliance, NOW).await.token;
    world.db.execute_as_owner(&format!("UPDATE staff SET active = false WHERE staff_id = '{}'", site.compliance)).await;
    assert!(session(&world, &leaver, NOW).await.is_none(), "a leaver's access ends at once");
    let account = &site.demo.compliance;
    let again =
        sign_in::password(&world.records, &origin(), &account.email, Phi::from(account.password.as_str()), NOW).await;
    assert!(matches!(again, Err(PasswordError::Wrong)));
}

#[tokio::test]
async fn new_secrets_end_the_sessions_that_the_old_ones_began() {
    let world = World::new().await;
    let site = &world.riverside;
    let token = sign_in_as(&world.records, &site.demo.provider, NOW).await.token;
    let mut tx = world.records.begin(RequestContext::system("test", site.clinic, NOW)).await.unwrap();
    let changed = records::staff::reset_secrets(
        &mut tx,
        site.provider,
        &Phi::from("another long password"),
        &zeroize::Zeroizing::new([3; 20]),
    )
    .await
    .unwrap();
    tx.commit(changed).await.unwrap();
    assert!(session(&world, &token, NOW).await.is_none());
    assert!(matches!(wrong_password(&world, &site.demo.provider.email, NOW).await, PasswordError::Wrong));
}
