//! Application credentials of Keystone.

use http::Method;
use serde_json::{Value, json};

use crate::cases::people::Person;
use crate::client::Answer;
use crate::lab::{Lab, Outcome, id};
use crate::matching::{ABSENT, ANYTHING};

crate::cases!["application credentials":
    are_made_found_and_deleted,
    log_in_without_a_password,
    have_no_more_than_some_roles,
    end_with_their_users_role,
    that_are_restricted_make_no_others,
    are_their_users_own,
    that_make_no_sense_are_refused,
];

fn path(person: &Person) -> String {
    format!("users/{}/application_credentials", person.id)
}

async fn make(lab: &Lab, person: &Person, token: &str, attributes: Value) -> anyhow::Result<Answer> {
    let body = json!({"application_credential": attributes});
    lab.identity_as(Some(token), Method::POST, &path(person), Some(body)).await
}

async fn made(lab: &Lab, person: &Person, attributes: Value) -> anyhow::Result<Value> {
    let answer = make(lab, person, &person.client.token, attributes).await?;
    lab.check(answer.status == 201, || format!("{} {}", answer.status, answer.body));
    Ok(answer.body["application_credential"].clone())
}

fn login(credential: &Value) -> Value {
    let proof = json!({"id": credential["id"], "secret": credential["secret"]});
    json!({"auth": {"identity": {"methods": ["application_credential"], "application_credential": proof}}})
}

async fn are_made_found_and_deleted(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let attributes = json!({"name": "a", "description": "d", "expires_at": "2100-01-02T03:04:05"});
    let credential = made(lab, &person, attributes).await?;
    let mut wanted = json!({
        "id": ANYTHING, "name": "a", "description": "d", "user_id": person.id, "project_id": person.project,
        "system": null, "expires_at": "2100-01-02T03:04:05.000000", "unrestricted": null, "secret": ANYTHING,
        "roles": [{"name": ANYTHING, "options": ANYTHING, "links": ABSENT}, {"name": ANYTHING}],
        "links": {"self": ANYTHING},
    });
    lab.same("made", &credential, wanted.clone());
    wanted["secret"] = ABSENT.into();
    let other = made(lab, &person, json!({"name": "b", "secret": "chosen"})).await?;
    lab.same("chosen secret", &other["secret"], json!("chosen"));
    let again = make(lab, &person, &person.client.token, json!({"name": "a"})).await?;
    lab.same("again", &json!(again.status), json!(409));
    let token = Some(person.client.token.as_str());
    let list = |query: &'static str| {
        let path = format!("{}{query}", path(&person));
        async move { lab.identity_as(token, Method::GET, &path, None).await }
    };
    let all = list("").await?.body["application_credentials"].as_array().map_or(0, Vec::len);
    lab.same("all", &json!(all), json!(2));
    lab.same("by name", &list("?name=a").await?.body["application_credentials"], json!([wanted.clone()]));
    let one = format!("{}/{}", path(&person), id(&credential));
    let shown = lab.identity_as(token, Method::GET, &one, None).await?;
    lab.same("shown", &shown.body["application_credential"], wanted);
    let answer = lab.login_is(&login(&credential), 201, "by it").await?;
    let gone = lab.identity_as(token, Method::DELETE, &one, None).await?;
    lab.same("deletion", &json!(gone.status), json!(204));
    lab.token_is(answer.header("x-subject-token"), 404, "of what is gone").await?;
    lab.login_is(&login(&credential), 404, "by what is gone").await?;
    for method in [Method::GET, Method::DELETE] {
        let answer = lab.identity_as(token, method, &one, None).await?;
        let words = format!("Could not find Application Credential: {}.", id(&credential));
        lab.same("gone", &answer.body["error"], json!({"code": 404, "title": "Not Found", "message": words}));
    }
    Ok(())
}

async fn log_in_without_a_password(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let credential = made(lab, &person, json!({"name": "a"})).await?;
    let answer = lab.login_is(&login(&credential), 201, "by id").await?;
    let wanted = json!({
        "methods": ["application_credential"], "user": {"id": person.id}, "project": {"id": person.project},
        "roles": [{"name": ANYTHING}, {"name": ANYTHING}], "catalog": ANYTHING, "is_domain": false,
    });
    lab.same("token", &answer.body["token"], wanted);
    let token = answer.header("x-subject-token").to_owned();
    let neutron = lab.client.log_in_as(&person.id, crate::cases::people::PASSWORD, &person.project).await?;
    let url = format!("{}/networks", neutron.network);
    let call =
        crate::client::Call { method: Method::GET, url, token: Some(token.clone()), headers: Vec::new(), body: None };
    lab.same("Neutron", &json!(lab.client.send(call).await?.status), json!(200));
    let mut by_name = login(&credential);
    let proof = json!({"name": "a", "user": {"id": person.id}, "secret": credential["secret"]});
    by_name["auth"]["identity"]["application_credential"] = proof;
    lab.login_is(&by_name, 201, "by name").await?;
    let proof = json!({"name": "a", "secret": credential["secret"]});
    by_name["auth"]["identity"]["application_credential"] = proof;
    lab.login_is(&by_name, 400, "by nobody's name").await?;
    let mut wrong = login(&credential);
    wrong["auth"]["identity"]["application_credential"]["secret"] = "wrong".into();
    lab.login_is(&wrong, 401, "with a wrong secret").await?;
    let mut scoped = login(&credential);
    scoped["auth"]["scope"] = json!({"project": {"id": person.project}});
    let answer = lab.login_is(&scoped, 401, "with a scope").await?;
    lab.check(answer.message().contains("cannot request a scope"), || answer.body.to_string());
    let exchange = json!({"auth": {"identity": {"methods": ["token"], "token": {"id": token}}}});
    lab.login_is(&exchange, 403, "by its token").await?;
    Ok(())
}

async fn have_no_more_than_some_roles(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let credential = made(lab, &person, json!({"name": "a", "roles": [{"name": "reader"}]})).await?;
    lab.same("roles", &credential["roles"], json!([{"name": "reader"}]));
    let answer = lab.login_is(&login(&credential), 201, "as a reader").await?;
    lab.same("of the token", &answer.body["token"]["roles"], json!([{"name": "reader"}]));
    for roles in [json!([{"name": "admin"}]), json!([{"id": "nothing"}])] {
        let refused = make(lab, &person, &person.client.token, json!({"name": "b", "roles": roles})).await?;
        let words = "Invalid application credential: Cannot create an application credential with unassigned role";
        lab.same("refused", &refused.body["error"], json!({"code": 400, "message": words}));
    }
    Ok(())
}

async fn end_with_their_users_role(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let credential = made(lab, &person, json!({"name": "a"})).await?;
    let answer = lab.login_is(&login(&credential), 201, "at first").await?;
    lab.answers(Method::DELETE, &person.grant(), None, 204, "").await?;
    lab.token_is(answer.header("x-subject-token"), 404, "without the role").await?;
    lab.login_is(&login(&credential), 401, "without the role").await?;
    Ok(())
}

async fn that_are_restricted_make_no_others(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let restricted = made(lab, &person, json!({"name": "a"})).await?;
    let free = made(lab, &person, json!({"name": "b", "unrestricted": true})).await?;
    lab.same("free", &free["unrestricted"], json!(true));
    for (credential, wanted, name) in [(&restricted, [403, 403], "c"), (&free, [201, 204], "d")] {
        let token = lab.login_is(&login(credential), 201, "by it").await?.header("x-subject-token").to_owned();
        let another = make(lab, &person, &token, json!({ "name": name })).await?;
        lab.same("makes another", &json!(another.status), json!(wanted[0]));
        let one = format!("{}/{}", path(&person), id(&restricted));
        let shown = lab.identity_as(Some(&token), Method::GET, &one, None).await?;
        lab.same("looks", &json!(shown.status), json!(200));
        let gone = lab.identity_as(Some(&token), Method::DELETE, &one, None).await?;
        lab.same("deletes", &json!(gone.status), json!(wanted[1]));
    }
    Ok(())
}

async fn are_their_users_own(lab: &Lab) -> Outcome {
    let (person, other) = (lab.person("member").await?, lab.person("member").await?);
    let credential = made(lab, &person, json!({"name": "a"})).await?;
    let one = format!("{}/{}", path(&person), id(&credential));
    for (method, path) in [(Method::GET, path(&person)), (Method::GET, one.clone()), (Method::DELETE, one.clone())] {
        let answer = lab.identity_as(Some(&other.client.token), method, &path, None).await?;
        lab.same(&path, &json!(answer.status), json!(403));
    }
    let refused = make(lab, &person, &lab.client.token, json!({"name": "b"})).await?;
    lab.same("the administrator's", &json!(refused.status), json!(403));
    lab.same("shown", &lab.told(&one).await?["application_credential"], json!({"name": "a", "secret": ABSENT}));
    lab.answers(Method::DELETE, &one, None, 204, "").await
}

async fn that_make_no_sense_are_refused(lab: &Lab) -> Outcome {
    let person = lab.person("reader").await?;
    for (attributes, words) in [
        (json!({}), "'name' is a required property"),
        (json!({"name": ""}), "Invalid input for field/attribute name."),
        (json!({"name": "a", "expires_at": "yesterday"}), "Timestamp not in expected format."),
        (json!({"name": "a", "expires_at": "2001-01-01T00:00:00Z"}), "The 'expires_at' must not be before now."),
        (json!({"name": "a", "unrestricted": "perhaps"}), "Invalid input for field/attribute unrestricted."),
    ] {
        let answer = make(lab, &person, &person.client.token, attributes.clone()).await?;
        let right = answer.status == 400 && answer.message().contains(words);
        lab.check(right, || format!("{attributes}: wanted 400 {words}, was {} {}", answer.status, answer.body));
    }
    Ok(())
}
