//! The clinics' OpenID providers: authorization code with PKCE (RFC 6749, 7636), ID tokens checked (OpenID Connect Core).
//!
//! What lives here: what a provider says and whether it may be believed. What does not: whose browser asked (a cookie and
//! `records::sso`), and which account it opens (`records::sso`).

mod fetch;

use std::sync::Mutex;
use std::time::Duration;

use openidconnect::core::{CoreClient, CoreIdTokenClaims, CoreProviderMetadata, CoreResponseType, CoreUserInfoClaims};
use openidconnect::{
    AccessTokenHash, AuthenticationFlow, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, Scope, SignatureVerificationError, TokenResponse as _,
};
use records::Phi;
use records::sso::{Begun, Returned};
use visit::ClinicId;

use crate::Clock;

/// A provider's addresses and keys are asked for again after this long.
const METADATA_FOR: Duration = Duration::from_secs(3_600);

/// One clinic's provider, checked by `server`.
#[derive(Clone)]
pub struct SsoSettings {
    /// Short name in addresses.
    pub id: String,
    /// Whose staff it signs in.
    pub clinic: ClinicId,
    /// Where it is.
    pub issuer: String,
    /// What it calls us.
    pub client_id: String,
    /// How it knows us.
    pub client_secret: String,
    /// Addresses that it may vouch for, in lower case.
    pub email_domains: Vec<String>,
    /// On the button.
    pub label: String,
    /// Values of `amr`, any of which shows that a second factor was given there.
    pub second_factor_amr: Vec<String>,
    /// Values of `acr` that do.
    pub second_factor_acr: Vec<String>,
}

impl std::fmt::Debug for SsoSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SsoSettings").field("id", &self.id).field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// All providers of this installation.
pub(crate) struct SsoProviders {
    providers: Vec<Provider>,
}

/// One provider.
pub(crate) struct Provider {
    pub(crate) settings: SsoSettings,
    redirect: String,
    http: reqwest::Client,
    clock: Clock,
    metadata: Mutex<Option<(CoreProviderMetadata, Duration)>>,
}

/// Whom the provider vouches for.
pub(crate) struct Vouched {
    pub email: Phi<String>,
    /// A second factor was given there, and the configuration lets it count.
    pub second_factor: bool,
}

/// Why a provider's answer is not good enough. The text is for the operator's log; it holds no token and no person.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SsoError {
    /// It can't be reached, or speaks nonsense.
    #[error("the provider can't be asked: {0}")]
    Unavailable(String),
    /// Code or token are not what they should be.
    #[error("the provider's answer is not to be trusted: {0}")]
    Untrusted(String),
    /// It does not say that the address is verified.
    #[error("the provider has not verified the e-mail address")]
    Unverified,
    /// The address is not of the clinic's domains.
    #[error("the e-mail address is not of an allowed domain")]
    ForeignDomain,
}

impl SsoError {
    /// In the audit log and for the page.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Untrusted(_) => "untrusted",
            Self::Unverified => "unverified_email",
            Self::ForeignDomain => "foreign_domain",
        }
    }
}

type Client =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

impl SsoProviders {
    pub(crate) fn new(settings: &[SsoSettings], base_url: &str, clock: &Clock) -> Self {
        let http = fetch::client();
        let providers = settings.iter().map(|settings| Provider {
            redirect: format!("{base_url}/api/v1/auth/sso/{}/callback", settings.id),
            settings: settings.clone(),
            http: http.clone(),
            clock: clock.clone(),
            metadata: Mutex::default(),
        });
        Self { providers: providers.collect() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.providers.iter()
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.settings.id == id)
    }
}

impl Provider {
    /// Where the browser goes to be asked there.
    pub(crate) async fn address(&self, begun: &Begun) -> Result<String, SsoError> {
        let client = self.client(self.metadata(false).await?)?;
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(begun.verifier.clone()));
        let (state, nonce) = (begun.state.clone(), begun.nonce.clone());
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let (address, _, _) = client
            .authorize_url(flow, move || CsrfToken::new(state), move || Nonce::new(nonce))
            .add_scope(Scope::new("email".to_owned()))
            .set_pkce_challenge(challenge)
            .url();
        Ok(address.into())
    }

    /// Exchanges the code, and believes what the provider says only after all checks.
    pub(crate) async fn vouched(&self, code: String, returned: Returned) -> Result<Vouched, SsoError> {
        let mut metadata = self.metadata(false).await?;
        let client = self.client(metadata.clone())?;
        let http = |request| fetch::fetch(self.http.clone(), request);
        let response = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| SsoError::Unavailable(error.to_string()))?
            .set_pkce_verifier(PkceCodeVerifier::new(returned.verifier))
            .request_async(&http)
            .await
            .map_err(|error| match error {
                openidconnect::RequestTokenError::Request(error) => SsoError::Unavailable(error.to_string()),
                openidconnect::RequestTokenError::ServerResponse(said) => {
                    SsoError::Untrusted(format!("it refuses the code: {}", said.error().as_ref()))
                }
                _ => SsoError::Unavailable("its token answer can't be read".to_owned()),
            })?;
        let token = response.id_token().ok_or_else(|| SsoError::Untrusted("there is no ID token".to_owned()))?;
        let nonce = Nonce::new(returned.nonce);
        // A key that we don't know may be a new one: the keys are asked for once more.
        let unknown_key = matches!(
            token.claims(&client.id_token_verifier(), &nonce),
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey))
        );
        let client = if unknown_key {
            metadata = self.metadata(true).await?;
            self.client(metadata)?
        } else {
            client
        };
        let verifier = client.id_token_verifier();
        let claims = token
            .claims(&verifier, &nonce)
            .map_err(|error| SsoError::Untrusted(format!("ID token: {}", kind(&error))))?;
        if let Some(expected) = claims.access_token_hash() {
            let untrusted = || SsoError::Untrusted("the access token is not the ID token's".to_owned());
            let (algorithm, key) = (token.signing_alg(), token.signing_key(&verifier));
            let (algorithm, key) = (algorithm.map_err(|_| untrusted())?, key.map_err(|_| untrusted())?);
            let actual = AccessTokenHash::from_token(response.access_token(), algorithm, key);
            if actual.map_err(|_| untrusted())? != *expected {
                return Err(untrusted());
            }
        }
        let (email, verified) = match (claims.email(), claims.email_verified()) {
            (Some(email), verified) => (Some(email.as_str().to_owned()), verified == Some(true)),
            (None, _) => {
                let subject = Some(claims.subject().clone());
                let info: CoreUserInfoClaims = client
                    .user_info(response.access_token().to_owned(), subject)
                    .map_err(|_| SsoError::Unverified)?
                    .request_async(&http)
                    .await
                    .map_err(|_| SsoError::Untrusted("user info is not to be had, or another's".to_owned()))?;
                (info.email().map(|email| email.as_str().to_owned()), info.email_verified() == Some(true))
            }
        };
        let email = email.filter(|_| verified).ok_or(SsoError::Unverified)?;
        let domain = email.rsplit_once('@').map(|(_, domain)| domain.to_lowercase()).unwrap_or_default();
        if !self.settings.email_domains.contains(&domain) {
            return Err(SsoError::ForeignDomain);
        }
        Ok(Vouched { email: Phi::from(email), second_factor: self.counts(claims) })
    }

    fn counts(&self, claims: &CoreIdTokenClaims) -> bool {
        let by_method = claims
            .auth_method_refs()
            .is_some_and(|methods| methods.iter().any(|said| self.settings.second_factor_amr.contains(said)));
        let by_class =
            claims.auth_context_ref().is_some_and(|class| self.settings.second_factor_acr.contains(&**class));
        by_method || by_class
    }

    async fn metadata(&self, anew: bool) -> Result<CoreProviderMetadata, SsoError> {
        let now = self.clock.elapsed();
        let known = self.metadata.lock().expect("no code panics while holding this lock").clone();
        if let Some((metadata, at)) = known
            && !anew
            && now.saturating_sub(at) < METADATA_FOR
        {
            return Ok(metadata);
        }
        let unavailable = |text: String| SsoError::Unavailable(text);
        let issuer = IssuerUrl::new(self.settings.issuer.clone()).map_err(|error| unavailable(error.to_string()))?;
        let http = |request| fetch::fetch(self.http.clone(), request);
        // Refuses a document that names another issuer.
        let metadata = CoreProviderMetadata::discover_async(issuer, &http).await;
        let metadata = metadata.map_err(|error| unavailable(error.to_string()))?;
        *self.metadata.lock().expect("no code panics while holding this lock") = Some((metadata.clone(), now));
        Ok(metadata)
    }

    fn client(&self, metadata: CoreProviderMetadata) -> Result<Client, SsoError> {
        let redirect = RedirectUrl::new(self.redirect.clone());
        let redirect = redirect.map_err(|error| SsoError::Unavailable(error.to_string()))?;
        let secret = ClientSecret::new(self.settings.client_secret.clone());
        let id = ClientId::new(self.settings.client_id.clone());
        Ok(CoreClient::from_provider_metadata(metadata, id, Some(secret)).set_redirect_uri(redirect))
    }
}

/// Which check failed, without what the token says.
fn kind(error: &ClaimsVerificationError) -> &'static str {
    match error {
        ClaimsVerificationError::Expired(_) => "expired",
        ClaimsVerificationError::InvalidAudience(_) => "for another audience",
        ClaimsVerificationError::InvalidIssuer(_) => "from another issuer",
        ClaimsVerificationError::InvalidNonce(_) => "another nonce",
        ClaimsVerificationError::SignatureVerification(_) => "not signed by the provider",
        _ => "not acceptable",
    }
}
