//! What Keystone tells its administrators: users, projects, roles, services.

use http::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Call};
use crate::lab::{Lab, Outcome};
use crate::matching::ANYTHING;

crate::cases!["directory":
    has_lists_of_everything,
    shows_its_own_user_and_project,
    finds_by_name,
    knows_nothing_of_others,
    wants_a_token,
];

async fn ask(lab: &Lab, path: &str, token: Option<&str>) -> anyhow::Result<Answer> {
    let url = format!("{}/{path}", lab.client.identity);
    let token = token.map(str::to_owned);
    lab.client.send(Call { method: Method::GET, url, token, headers: Vec::new(), body: None }).await
}

async fn get(lab: &Lab, path: &str) -> anyhow::Result<Value> {
    let answer = ask(lab, path, Some(&lab.client.token)).await?;
    lab.check(answer.status == 200, || format!("GET {path}: {} {}", answer.status, answer.body));
    Ok(answer.body)
}

async fn has_lists_of_everything(lab: &Lab) -> Outcome {
    for kind in ["users", "projects", "domains", "roles", "services", "endpoints", "regions"] {
        let body = get(lab, kind).await?;
        lab.same(kind, &body, json!({"links": {"self": ANYTHING, "next": null, "previous": null}}));
        let first = &body[kind][0];
        lab.same(kind, first, json!({"id": ANYTHING, "links": {"self": ANYTHING}}));
    }
    Ok(())
}

async fn shows_its_own_user_and_project(lab: &Lab) -> Outcome {
    let (user, project) = (lab.client.about["user"].clone(), lab.client.about["project"].clone());
    for (kind, one) in [("user", user), ("project", project)] {
        let body = get(lab, &format!("{kind}s/{}", one["id"].as_str().unwrap_or_default())).await?;
        let wanted = json!({"id": one["id"], "name": one["name"], "enabled": true, "domain_id": one["domain"]["id"]});
        lab.same(kind, &body[kind], wanted);
    }
    Ok(())
}

async fn finds_by_name(lab: &Lab) -> Outcome {
    let project = lab.client.about["project"].clone();
    let body = get(lab, &format!("projects?name={}", project["name"].as_str().unwrap_or_default())).await?;
    let found = body["projects"].as_array().cloned().unwrap_or_default();
    lab.check(found.iter().any(|one| one["id"] == project["id"]), || format!("{found:?}"));
    let body = get(lab, &format!("projects?name={}", lab.name())).await?;
    lab.same("nobody", &body["projects"], json!([]));
    Ok(())
}

async fn knows_nothing_of_others(lab: &Lab) -> Outcome {
    for kind in ["users", "projects", "services", "endpoints", "regions", "nonsense"] {
        let answer = ask(lab, &format!("{kind}/0123456789abcdef0123456789abcdef"), Some(&lab.client.token)).await?;
        lab.check(answer.status == 404, || format!("{kind}: {} {}", answer.status, answer.body));
    }
    Ok(())
}

async fn wants_a_token(lab: &Lab) -> Outcome {
    for path in ["users", "projects", "auth/catalog"] {
        let answer = ask(lab, path, None).await?;
        lab.same(path, &json!(answer.status), json!(401));
        lab.same(path, &answer.body, json!({"error": {"code": 401, "title": "Unauthorized", "message": ANYTHING}}));
    }
    Ok(())
}
