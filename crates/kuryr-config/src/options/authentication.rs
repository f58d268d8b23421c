//! `[neutron]`: the options of keystoneauth: session, method and credentials.

use super::{Kind, OptionSpec};

const fn option(name: &'static str, kind: Kind, help: &'static str) -> OptionSpec {
    OptionSpec::new("neutron", name, kind, help)
}

const fn text(name: &'static str, help: &'static str) -> OptionSpec {
    option(name, Kind::Text, help)
}

const OTHER: &str = "it belongs to an auth_type that this version does not have";

/// Connections to the cloud.
pub(super) const SESSION: &[OptionSpec] = &[
    option("cafile", Kind::Path, "PEM file of the authorities to trust for HTTPS instead of the system's."),
    option("certfile", Kind::Path, "PEM file of the client certificate."),
    option("keyfile", Kind::Path, "PEM file of the client certificate's key."),
    option("insecure", Kind::Boolean, "Accept any server certificate. For tests only.").default("false"),
    option("timeout", Kind::Float, "Most seconds that one call may take. Unset: Kuryr's own limits."),
    option("collect_timing", Kind::Boolean, "Collect the time of each call.")
        .default("false")
        .accepted("times are in the logs with debug"),
    option("split_loggers", Kind::Boolean, "Log calls to several loggers.")
        .default("false")
        .accepted("there is no Python logging"),
    option("tls_ciphers", Kind::Text, "OpenSSL's names of the ciphers to use.")
        .accepted("the TLS library has secure ciphers only"),
    option(
        "tls_min_version",
        Kind::Choice { words: &["1.2", "1.3"], any_case: false },
        "Oldest TLS version to use. Unset: 1.2.",
    ),
];

/// Who we are, for the methods that work.
pub(super) const CREDENTIALS: &[OptionSpec] = &[
    text(
        "auth_type",
        "How to authenticate: password (v3password, v2password), token (v3token, v2token) or v3applicationcredential; \
         without Keystone: none, admin_token or http_basic. Unset: what the other options suggest. With neither, nor a \
         cloud in the environment, Kuryr has its embedded cloud.",
    )
    .deprecated(&["auth_plugin"]),
    text("auth_section", "Another section that has the options for authentication and for connections."),
    option("auth_url", Kind::Url, "Keystone's address, as in http://controller:5000/v3."),
    text("username", "User's name.").deprecated(&["user_name"]),
    text("user_id", "User's id, instead of name and domain."),
    text("password", "User's password.").secret(),
    text("user_domain_id", "Id of the user's domain. Unset, like the name: 'default'."),
    text("user_domain_name", "Name of the user's domain."),
    text("project_id", "Id of the project to work in.").deprecated(&["tenant_id"]),
    text("project_name", "Name of the project to work in.").deprecated(&["tenant_name"]),
    text("project_domain_id", "Id of the project's domain. Unset, like the name: 'default'."),
    text("project_domain_name", "Name of the project's domain."),
    text("default_domain_id", "Id of the domain of user and project where they name none."),
    text("default_domain_name", "Name of the domain of user and project where they name none."),
    text("domain_id", "Id of the domain to work in, instead of a project."),
    text("domain_name", "Name of the domain to work in, instead of a project."),
    text("system_scope", "'all' to work on the system as a whole, instead of a project."),
    text("trust_id", "Id of the trust to use."),
    text("token", "A token, for auth_type token and admin_token.").secret(),
    text("application_credential_id", "Id of the application credential."),
    text("application_credential_name", "Name of the application credential; it needs the user too."),
    text("application_credential_secret", "Secret of the application credential.").secret(),
    option("endpoint", Kind::Url, "Neutron's address, for the methods without Keystone.").deprecated(&["url"]),
];

/// Options of keystoneauth's methods that do not work yet.
pub(super) const OTHER_METHODS: &[OptionSpec] = &[
    text("auth_methods", "Methods of v3multifactor.").accepted(OTHER),
    text("passcode", "One-time code of v3totp.").secret().accepted(OTHER),
    text("identity_provider", "Name of the identity provider.").accepted(OTHER),
    text("identity_provider_url", "Address of the identity provider.").accepted(OTHER),
    text("service_provider_endpoint", "Address of the service provider.").accepted(OTHER),
    text("service_provider_entity_id", "Id of the service provider.").accepted(OTHER),
    text("protocol", "Name of the federation protocol.").accepted(OTHER),
    text("mutual_auth", "Kerberos' mutual authentication.").accepted(OTHER),
    text("client_id", "OpenID Connect client's id.").accepted(OTHER),
    text("client_secret", "OpenID Connect client's secret.").secret().accepted(OTHER),
    text("scope", "OpenID Connect scope.").accepted(OTHER),
    text("openid_scope", "OpenID Connect scope, by its other name.").accepted(OTHER),
    text("access_token", "OpenID Connect access token.").secret().accepted(OTHER),
    text("access_token_endpoint", "Address that gives access tokens.").accepted(OTHER),
    text("access_token_type", "Kind of token that is checked.").accepted(OTHER),
    text("discovery_endpoint", "Address of the discovery document.").accepted(OTHER),
    text("device_authorization_endpoint", "Address for devices.").accepted(OTHER),
    text("code_challenge_method", "PKCE challenge method.").accepted(OTHER),
    text("code", "Authorization code.").deprecated(&["authorization_code"]).secret().accepted(OTHER),
    text("redirect_uri", "Address to come back to.").accepted(OTHER),
    text("redirect_host", "Host to come back to.").accepted(OTHER),
    text("redirect_port", "Port to come back to.").accepted(OTHER),
    text("login_timeout", "Seconds to wait for a login in a browser.").accepted(OTHER),
    text("idp_otp_key", "Name of the one-time password's field.").accepted(OTHER),
    text("oauth2_endpoint", "Address for OAuth 2.0.").accepted(OTHER),
    text("oauth2_client_id", "OAuth 2.0 client's id.").accepted(OTHER),
    text("oauth2_client_secret", "OAuth 2.0 client's secret.").secret().accepted(OTHER),
];
