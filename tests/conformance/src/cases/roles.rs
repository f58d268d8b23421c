//! Roles of Keystone, and who has them.

use http::Method;
use serde_json::{Value, json};

use crate::lab::{Lab, Outcome, id};
use crate::matching::ANYTHING;

crate::cases!["roles":
    are_there_from_the_start_and_stay,
    are_made_changed_and_deleted,
    are_given_and_taken,
    imply_others,
    of_nobody_are_not_found,
];

async fn are_there_from_the_start_and_stay(lab: &Lab) -> Outcome {
    for name in ["admin", "manager", "member", "reader", "service"] {
        let role = lab.role(name).await?;
        lab.same(name, &role, json!({"name": name, "domain_id": null, "options": {"immutable": true}}));
        let path = format!("roles/{}", id(&role));
        lab.answers(Method::DELETE, &path, None, 403, "Unable to delete immutable role resource").await?;
        let change = Some(json!({"role": {"name": lab.name()}}));
        lab.answers(Method::PATCH, &path, change, 403, "Unable to update immutable role resource").await?;
    }
    Ok(())
}

async fn are_made_changed_and_deleted(lab: &Lab) -> Outcome {
    let (name, other) = (lab.name(), lab.name());
    let role = lab.enrol("roles", json!({"name": name, "description": "d"})).await?;
    let wanted = json!({
        "id": ANYTHING, "name": name, "description": "d", "domain_id": null, "options": {}, "links": {"self": ANYTHING},
    });
    lab.same("made", &role, wanted);
    let words = format!("Conflict occurred attempting to store role - Duplicate entry found with name {name}.");
    lab.answers(Method::POST, "roles", Some(json!({"role": {"name": name}})), 409, &words).await?;
    lab.answers(Method::POST, "roles", Some(json!({"role": {}})), 400, "'name' is a required property").await?;
    let path = format!("roles/{}", id(&role));
    lab.answers(Method::PATCH, &path, Some(json!({"role": {"name": other}})), 200, "").await?;
    lab.same("changed", &lab.told(&path).await?["role"], json!({"name": other, "description": "d"}));
    let person = lab.person(&other).await?;
    lab.answers(Method::DELETE, &path, None, 204, "").await?;
    lab.answers(Method::DELETE, &path, None, 404, &format!("Could not find role: {}.", id(&role))).await?;
    let left = lab.told(&format!("projects/{}/users/{}/roles", person.project, person.id)).await?;
    lab.same("left", &left["roles"], json!([]));
    Ok(())
}

async fn are_given_and_taken(lab: &Lab) -> Outcome {
    let person = lab.person("member").await?;
    let grant = person.grant();
    lab.answers(Method::PUT, &grant, None, 204, "").await?;
    for method in [Method::GET, Method::HEAD] {
        lab.answers(method, &grant, None, 204, "").await?;
    }
    let given = lab.told(&format!("projects/{}/users/{}/roles", person.project, person.id)).await?;
    lab.same("given", &given["roles"], json!([{"id": person.role, "name": "member"}]));
    for query in [
        format!("user.id={}", person.id),
        format!("scope.project.id={}", person.project),
        format!("user.id={}&role.id={}", person.id, person.role),
    ] {
        let listed = lab.told(&format!("role_assignments?{query}")).await?;
        let wanted = json!([{
            "user": {"id": person.id}, "role": {"id": person.role}, "scope": {"project": {"id": person.project}},
            "links": {"assignment": ANYTHING},
        }]);
        lab.same(&query, &listed["role_assignments"], wanted);
    }
    let listed = lab.told(&format!("role_assignments?user.id={}&include_names", person.id)).await?;
    let domain = json!({"id": "default", "name": "Default"});
    let wanted = json!([{
        "user": {"name": ANYTHING, "domain": domain}, "role": {"name": "member"},
        "scope": {"project": {"name": ANYTHING, "domain": domain}},
    }]);
    lab.same("names", &listed["role_assignments"], wanted);
    let both = format!("role_assignments?scope.project.id={}&scope.domain.id=default", person.project);
    lab.answers(Method::GET, &both, None, 400, "Specify a domain or project, not both").await?;
    lab.answers(Method::DELETE, &grant, None, 204, "").await?;
    lab.token_is(&person.client.token, 404, "without a role").await?;
    lab.login_is(&person.client.login, 401, "without a role").await?;
    for method in [Method::DELETE, Method::GET] {
        lab.answers(method, &grant, None, 404, "Could not find role assignment with role").await?;
    }
    Ok(())
}

async fn imply_others(lab: &Lab) -> Outcome {
    for (given, wanted) in [
        ("reader", &["reader"][..]),
        ("member", &["member", "reader"]),
        ("manager", &["manager", "member", "reader"]),
        ("admin", &["admin", "manager", "member", "reader"]),
    ] {
        let person = lab.person(given).await?;
        let roles = person.client.about["roles"].as_array().cloned().unwrap_or_default();
        let mut names: Vec<&str> = roles.iter().filter_map(|role| role["name"].as_str()).collect();
        names.retain(|name| !name.starts_with("load-balancer"));
        names.sort_unstable();
        lab.same(given, &json!(names), json!(wanted));
        let listed = lab.told(&format!("role_assignments?user.id={}&effective", person.id)).await?;
        let found = listed["role_assignments"].as_array().map_or(0, Vec::len);
        lab.check(found == roles.len(), || format!("{given}: {found} effective, {} in the token", roles.len()));
    }
    Ok(())
}

async fn of_nobody_are_not_found(lab: &Lab) -> Outcome {
    let person = lab.person("reader").await?;
    let path = |project: &str, user: &str, role: &str| format!("projects/{project}/users/{user}/roles/{role}");
    for (path, kind) in [
        (path("nowhere", &person.id, &person.role), "project"),
        (path(&person.project, "nobody", &person.role), "user"),
        (path(&person.project, &person.id, "nothing"), "role"),
    ] {
        lab.answers(Method::PUT, &path, None, 404, &format!("Could not find {kind}: no")).await?;
    }
    let listed: Value = lab.told("role_assignments?user.id=nobody").await?;
    lab.same("assignments", &listed["role_assignments"], json!([]));
    Ok(())
}
