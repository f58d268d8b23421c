//! `/v3/auth`: tokens, and what their bearers may use.

use crate::api::{
    Api, answer, body,
    keystone::{
        AuthRequest, Claims, Fault, Origin, Principal, SUBJECT_TOKEN, asker,
        describe::{self, filter, login, many, subject as subject_header, token},
        document,
    },
    openapi::Operation,
    routes::Routes,
};
use axum::{
    extract::{Query, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header::VARY};
use secrecy::ExposeSecret;
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};

pub(crate) fn routes() -> Routes {
    let no_catalog = || filter("nocatalog", "The token is told without the catalog.");
    let own = |summary: &'static str| Operation::keystone(summary).with([subject_header()]).refuses(&[403, 404]);
    let one = "/identity/v3/auth/tokens";
    Routes::default()
        .get(
            one,
            show,
            own("What a token says").with([no_catalog()]).answers(200, token).with_headers(&TOLD).with_head(),
        )
        .post(
            one,
            create,
            Operation::keystone("Log in: get a token")
                .public()
                .with([no_catalog()])
                .takes(login)
                .answers(201, token)
                .with_headers(&TOLD)
                .refuses(&[401, 404, 429]),
        )
        .delete(one, revoke, own("Log out: the token counts no more").answers_nothing(204))
        .get(
            "/identity/v3/auth/catalog",
            catalog,
            Operation::keystone("The services and their endpoints")
                .answers(200, |schemas| {
                    let service = describe::service(schemas);
                    describe::page("catalog", service)
                })
                .refuses(&[403]),
        )
        .get(
            "/identity/v3/auth/projects",
            projects,
            Operation::keystone("List one's projects").answers(200, many("project", "projects")),
        )
        .get(
            "/identity/v3/auth/domains",
            domains,
            Operation::keystone("List one's domains").answers(200, many("domain", "domains")),
        )
}

/// Headers of an answer that tells a token.
const TOLD: [&str; 2] = ["X-Subject-Token", "Vary"];

async fn create(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Fault> {
    let without_catalog = request.uri().query().is_some_and(|query| query.contains("nocatalog"));
    let origin = Origin::of(request.extensions());
    let body = body::read_object(request.into_body()).await?;
    let issued = api.identity.authenticate(AuthRequest::parse(&body)?, origin).await?;
    let document = document::token(&api.site, &api.identity.directory(), &issued.claims, !without_catalog);
    subject(answer::json(StatusCode::CREATED, &document), issued.token.expose_secret())
}

/// `GET` and `HEAD`: axum drops the body of the latter.
async fn show(
    State(api): State<Arc<Api>>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let (token, claims) = subject_of(&api, &headers, "identity:validate_token")?;
    let with_catalog = !query.contains_key("nocatalog");
    let document = document::token(&api.site, &api.identity.directory(), &claims, with_catalog);
    subject(answer::json(StatusCode::OK, &document), token)
}

async fn revoke(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, Fault> {
    let (_, claims) = subject_of(&api, &headers, "identity:revoke_token")?;
    api.identity.revoke(&claims).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The token that is asked about; everybody may ask about their own, administrators about all.
fn subject_of<'a>(api: &Api, headers: &'a HeaderMap, rule: &'static str) -> Result<(&'a str, Claims), Fault> {
    let asking = asker(&api.identity, headers)?;
    let token = headers
        .get(SUBJECT_TOKEN)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| Fault::NotFound("No token in the request".to_owned()))?;
    let not_found = |_| Fault::NotFound("Could not find token.".to_owned());
    let Principal { claims, .. } = api.identity.principal(token).map_err(not_found)?;
    if !asking.is_admin() && claims.user_id != asking.claims.user_id {
        return Err(Fault::Forbidden(rule));
    }
    Ok((token, claims))
}

fn subject(mut response: Response, token: &str) -> Result<Response, Fault> {
    let mut value = HeaderValue::from_str(token).map_err(|_| Fault::Internal)?;
    value.set_sensitive(true);
    response.headers_mut().insert(SUBJECT_TOKEN, value);
    response.headers_mut().insert(VARY, HeaderValue::from_static("X-Auth-Token"));
    Ok(response)
}

async fn catalog(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, Fault> {
    let principal = asker(&api.identity, &headers)?;
    if principal.claims.target().is_none() {
        return Err(Fault::Forbidden("identity:get_auth_catalog"));
    }
    let links = json!({"self": api.site.url("/identity/v3/auth/catalog"), "next": null, "previous": null});
    Ok(answer::json(StatusCode::OK, &json!({"catalog": document::catalog(&api.site), "links": links})))
}

async fn projects(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, Fault> {
    let principal = asker(&api.identity, &headers)?;
    let directory = api.identity.directory();
    let projects: Vec<_> =
        directory.projects_of(&principal.claims.user_id).map(|p| document::project(&api.site, p)).collect();
    let links = json!({"self": api.site.url("/identity/v3/auth/projects"), "next": null, "previous": null});
    Ok(answer::json(StatusCode::OK, &json!({"projects": projects, "links": links})))
}

async fn domains(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, Fault> {
    let principal = asker(&api.identity, &headers)?;
    let directory = api.identity.directory();
    let domains: Vec<_> =
        directory.domains_of(&principal.claims.user_id).map(|d| document::domain(&api.site, d)).collect();
    let links = json!({"self": api.site.url("/identity/v3/auth/domains"), "next": null, "previous": null});
    Ok(answer::json(StatusCode::OK, &json!({"domains": domains, "links": links})))
}
