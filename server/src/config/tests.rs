//! What is refused, and in which words.

use super::*;

pub(crate) fn load(toml: &str) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("bedside.toml");
    std::fs::write(&file, toml).expect("writable");
    Config::load(&Flags { config: Some(file), ..Flags::default() })
}

pub(crate) fn message(toml: &str) -> String {
    load(toml).expect_err("refused").to_string()
}

#[test]
fn the_defaults_are_valid() {
    load("").expect("valid");
}

#[test]
fn an_unknown_key_is_named_with_the_allowed_ones() {
    let message = message("[http]\nport = 8080\n");
    assert!(message.contains("port") && message.contains("listen") && message.contains("tls_key"), "{message}");
}

#[test]
fn a_bad_value_is_named_with_its_key() {
    let message = message("[media]\nlisten = \"somewhere\"\n");
    assert!(message.contains("media.listen"), "{message}");
    assert!(!message.contains('\n'));
}

#[test]
fn plain_http_beyond_loopback_is_refused() {
    let message = message("[http]\nlisten = \"0.0.0.0:80\"\n");
    assert!(message.contains("http.listen") && message.contains("tls_certificate"), "{message}");
}

#[test]
fn limits_are_read_and_one_that_is_none_is_refused() {
    let config = load("[limits]\nsign_in_per_minute = 3\n").expect("valid");
    assert_eq!(config.limits.sign_in_per_minute.get(), 3);
    assert_eq!(config.limits.session_per_minute, RateLimits::default().session_per_minute);
    assert!(message("[limits]\nsign_in_per_minute = 0\n").contains("limits.sign_in_per_minute"));
    assert!(message("[limits]\nsession_per_minute = 1000001\n").contains("limits.session_per_minute"));
    assert!(message("[limits]\nsign_ins = 3\n").contains("sign_ins"));
    assert!(message("[redis]\nurl = \"http://x\"\n").contains("redis.url"));
    load("[redis]\nurl = \"rediss://x\"\nca = \"/etc/ca.pem\"\n").expect("valid");
    assert!(message("[redis]\nurl = \"redis://x\"\nca = \"/etc/ca.pem\"\n").contains("redis.ca"));
    assert!(message("[uploads]\nmax_mib = 1000\n").contains("max_mib 1 to 100"));
    assert!(message("[clamav]\ntcp = \"127.0.0.1:3310\"\nsocket = \"/run/clamd\"\n").contains("clamav.socket"));
}

#[test]
fn proxies_are_addresses_or_networks() {
    let config = load("[http]\ntrusted_proxies = [\"10.0.0.1\", \"fd00::/8\"]\n").expect("valid");
    let nets: Vec<String> = config.http.proxies().iter().map(ToString::to_string).collect();
    assert_eq!(nets, ["10.0.0.1/32", "fd00::/8"]);
    assert!(message("[http]\ntrusted_proxies = [\"proxy\"]\n").contains("10.0.0.0/8"));
}

#[test]
fn what_is_in_force_can_be_printed_without_passwords() {
    let config = load(
        "[database]\nurl = \"postgres://a:s3cret@x/y\"\nowner_url = \"postgres://o:s3cret@x/y\"\n[redis]\nurl = \"redis://:s3cret@x\"\n",
    );
    let printed = serde_json::to_string(&config.expect("valid")).expect("JSON");
    assert!(!printed.contains("s3cret") && printed.contains("postgres://a:..@x/y"), "{printed}");
}

#[test]
fn half_a_database_is_refused() {
    assert!(message("[database]\nurl = \"postgres://x\"\n").contains("database.owner_url"));
}
