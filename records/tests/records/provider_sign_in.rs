//! Staff who come by their organisation's provider: flows that count once, and accounts that may enter.

use records::identity::{FactorKind, Proof};
use records::sessions::{self, Activity};
use records::sign_in::Next;
use records::sign_in::{self, Entered};
use records::sso::{self, ANSWER_WITHIN};
use records::{Phi, SessionToken};
use time::{Duration, OffsetDateTime};
use visit::{Role, StaffId};

use crate::cast::{NOW, Site, World, code, origin};

async fn take(world: &World, site: &Site, provider: &str, begun: &sso::Begun, now: OffsetDateTime) -> bool {
    let taken = sso::take(&world.records, site.clinic, provider, &begun.state, &begun.browser, now).await.unwrap();
    taken.is_some_and(|taken| taken.nonce == begun.nonce && taken.verifier == begun.verifier)
}

async fn account(world: &World, site: &Site, email: &str) -> Option<(StaffId, Role)> {
    sso::account(&world.records, &origin(), site.clinic, &Phi::from(email), NOW).await.unwrap()
}

#[tokio::test]
async fn a_flow_counts_once_in_its_own_browser_with_its_own_provider_and_not_for_long() {
    let world = World::new().await;
    let site = &world.riverside;
    let begin = async || sso::begin(&world.records, site.clinic, "riverside", NOW).await.unwrap();
    let begun = begin().await;
    assert!(!take(&world, site, "other", &begun, NOW).await, "another provider");
    assert!(!take(&world, &world.lakeside, "riverside", &begun, NOW).await, "another clinic");
    let elsewhere = sso::Begun {
        browser: begin().await.browser,
        state: begun.state.clone(),
        nonce: String::new(),
        verifier: String::new(),
    };
    assert!(!take(&world, site, "riverside", &elsewhere, NOW).await, "another browser");
    assert!(!take(&world, site, "riverside", &begun, NOW + ANSWER_WITHIN).await, "too late");
    assert!(take(&world, site, "riverside", &begun, NOW + ANSWER_WITHIN - Duration::SECOND).await);
    assert!(!take(&world, site, "riverside", &begun, NOW).await, "used");
    let (begun, from) = (begin().await, &world.records);
    let once = || sso::take(from, site.clinic, "riverside", &begun.state, &begun.browser, NOW);
    let (one, two) = tokio::join!(once(), once());
    assert_ne!(one.unwrap().is_some(), two.unwrap().is_some(), "of two at once, one");
}

#[tokio::test]
async fn only_an_active_account_of_the_clinic_enters_and_every_refusal_is_logged() {
    let world = World::new().await;
    let site = &world.riverside;
    let provider = &site.demo.provider.email;
    assert_eq!(account(&world, site, &provider.to_uppercase()).await, Some((site.provider, Role::Provider)));
    assert_eq!(account(&world, site, "nobody@riverside.example").await, None);
    assert_eq!(account(&world, site, &world.lakeside.demo.provider.email).await, None, "of another clinic");
    world.db.execute_as_owner("UPDATE staff SET active = false WHERE role = 'provider'").await;
    assert_eq!(account(&world, site, provider).await, None, "deactivated");
    let reasons: String = world
        .look("SELECT string_agg(reason, ' ' ORDER BY seq) FROM audit_event WHERE action = 'sign_in.sso' AND outcome = 'failed'")
        .await;
    assert_eq!(reasons, "no_account no_account deactivated");
    let made: i64 = world.look("SELECT count(*) FROM staff").await;
    assert_eq!(made, 8, "no account is made");
}

async fn enter(world: &World, site: &Site, account: (StaffId, Role), second_factor: bool) -> (SessionToken, bool) {
    let entered = sso::enter(&world.records, &origin(), site.clinic, account, second_factor, NOW).await.unwrap();
    if let Some(next) = &entered.next {
        assert_eq!(next, &Next::SecondFactor(vec![FactorKind::Totp]));
    }
    (entered.token, entered.next.is_none())
}

#[tokio::test]
async fn the_providers_second_factor_counts_if_it_may_and_else_the_local_one_follows() {
    let world = World::new().await;
    let site = &world.riverside;
    let account = (site.provider, Role::Provider);
    let full = async |token: &SessionToken| {
        sessions::staff(&world.records, token, Activity::User, NOW).await.unwrap().map(|session| session.staff_id)
    };
    let (token, complete) = enter(&world, site, account, true).await;
    assert_eq!((complete, full(&token).await), (true, Some(site.provider)));
    let (token, complete) = enter(&world, site, account, false).await;
    assert_eq!((complete, full(&token).await), (false, None));
    let code = code(&site.demo.provider, NOW);
    let entered = sign_in::second_factor(&world.records, &origin(), &token, Proof::Totp(&code), NOW).await;
    let Ok(Entered::In(signed_in)) = entered else { panic!("the code is right") };
    assert_eq!(full(&signed_in.token).await, Some(site.provider));
    // Compliance needs a key of its own here, whatever a provider says.
    let (token, complete) = enter(&world, site, (site.compliance, Role::Compliance), true).await;
    assert_eq!((complete, full(&token).await), (false, None));
}
