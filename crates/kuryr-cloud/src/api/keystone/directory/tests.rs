//! What the directory lets happen.

use super::*;
use crate::api::keystone::Fault;

fn directory() -> Directory {
    Directory::seeded(PasswordHash("secret".to_owned()))
}

fn names(directory: &Directory, user: &User, project: &Project) -> Vec<String> {
    let target = Target::Project(project.id.clone());
    directory.roles_of(&user.id, &target).iter().map(|role| role.name.clone()).collect()
}

fn new_user(name: &str) -> NewUser {
    NewUser { name: name.to_owned(), domain_id: DOMAIN_ID.to_owned(), enabled: true, ..NewUser::default() }
}

fn new_place(name: &str) -> NewPlace {
    NewPlace { name: name.to_owned(), enabled: true, ..NewPlace::default() }
}

fn grant(directory: &mut Directory, user: &User, target: Target, role: &str) -> Assignment {
    let role_id = directory.roles.iter().find(|known| known.name == role).unwrap().id.clone();
    let assignment = Assignment { user_id: user.id.clone(), target, role_id };
    directory.grant(assignment.clone()).unwrap();
    assignment
}

#[test]
fn admin_is_all_others_too_on_its_own_project_only() {
    let directory = directory();
    let user = directory.user_named(DOMAIN_ID, ADMIN).unwrap();
    let on = |project: &str| names(&directory, user, directory.project_named(DOMAIN_ID, project).unwrap());
    assert_eq!(on("admin"), ["admin", "manager", "member", "reader"]);
    assert!(on("service").is_empty());
    assert!(!format!("{directory:?}").contains("secret"));
}

/// As an earlier version stored it.
#[test]
fn an_older_directory_is_read_and_completed() {
    let stored = r#"{
        "users": [{"id": "u", "name": "admin", "enabled": true, "default_project_id": "p", "password": "hash"}],
        "projects": [{"id": "p", "name": "admin", "description": "", "enabled": true}],
        "roles": [{"id": "a", "name": "admin"}, {"id": "m", "name": "member"}, {"id": "r", "name": "reader"}],
        "assignments": [{"user_id": "u", "project_id": "p", "role_id": "a"}]
    }"#;
    let directory = serde_json::from_str::<Directory>(stored).unwrap().completed();
    let (user, project) = (directory.user("u").unwrap(), directory.project("p").unwrap());
    assert!(directory.is_active(user) && directory.is_usable(&Target::Project("p".to_owned())));
    assert_eq!(names(&directory, user, project), ["admin", "member", "reader", "manager"]);
    let again: Directory = serde_json::from_str(&serde_json::to_string(&directory).unwrap()).unwrap();
    assert_eq!(again.completed(), directory);
}

#[test]
fn the_clouds_own_administrator_cannot_be_locked_out() {
    let mut directory = directory();
    let user = directory.user_named(DOMAIN_ID, ADMIN).unwrap().clone();
    let home = user.default_project_id.clone().unwrap();
    let before = directory.clone();
    for update in [
        UserUpdate { name: Some("root".to_owned()), ..UserUpdate::default() },
        UserUpdate { enabled: Some(false), ..UserUpdate::default() },
        UserUpdate { password: Some(None), ..UserUpdate::default() },
    ] {
        assert!(matches!(directory.update_user(&user.id, update), Err(Fault::Refused(_))));
    }
    let off = PlaceUpdate { enabled: Some(false), ..PlaceUpdate::default() };
    let grant = directory.assignments[0].clone();
    assert!(directory.delete_user(&user.id).is_err());
    assert!(directory.update_project(&home, off.clone()).is_err() && directory.delete_project(&home).is_err());
    assert!(directory.update_domain(DOMAIN_ID, off).is_err() && directory.delete_domain(DOMAIN_ID).is_err());
    assert!(directory.revoke_grant(&grant).is_err() && directory.delete_role(&grant.role_id).is_err());
    assert_eq!(directory, before);
    let words = UserUpdate { description: Some(Some("me".to_owned())), ..UserUpdate::default() };
    assert_eq!(directory.update_user(&user.id, words).unwrap().description.as_deref(), Some("me"));
}

#[test]
fn a_domain_goes_with_all_that_is_in_it() {
    let mut directory = directory();
    let before = directory.clone();
    let domain = directory.create_domain(new_place("d")).unwrap();
    let user = directory.create_user(NewUser { domain_id: domain.id.clone(), ..new_user(ADMIN) }).unwrap();
    let project = directory.create_project(&domain.id, new_place(ADMIN)).unwrap();
    grant(&mut directory, &user, Target::Project(project.id.clone()), MEMBER);
    grant(&mut directory, &user, Target::Domain(domain.id.clone()), READER);
    assert_eq!(names(&directory, &user, &project), ["member", "reader"]);
    assert!(matches!(directory.delete_domain(&domain.id), Err(Fault::Refused(_))), "it is enabled");
    let off = PlaceUpdate { enabled: Some(false), ..PlaceUpdate::default() };
    directory.update_domain(&domain.id, off).unwrap();
    assert!(!directory.is_active(&user) && !directory.is_usable(&Target::Project(project.id)));
    directory.delete_domain(&domain.id).unwrap();
    assert_eq!(directory, before);
}

#[test]
fn an_application_credential_never_has_more_than_its_user() {
    let mut directory = directory();
    let user = directory.create_user(new_user("u")).unwrap();
    let project = directory.create_project(DOMAIN_ID, new_place("p")).unwrap();
    let target = Target::Project(project.id.clone());
    let given = grant(&mut directory, &user, target.clone(), MEMBER);
    let held: Vec<String> = directory.roles_of(&user.id, &target).iter().map(|role| role.id.clone()).collect();
    let new = |name: &str, roles: &[&str]| NewApplicationCredential {
        name: name.to_owned(),
        description: None,
        user_id: user.id.clone(),
        project_id: project.id.clone(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        expires_at: Some(100),
        unrestricted: None,
        secret: PasswordHash::default(),
    };
    assert!(matches!(directory.create_application_credential(new("x", &[ADMIN]), &held), Err(Fault::BadRequest(_))));
    let all = directory.create_application_credential(new("all", &[]), &held).unwrap();
    let reader = directory.create_application_credential(new("reader", &[READER]), &held).unwrap();
    assert!(matches!(directory.create_application_credential(new("all", &[]), &held), Err(Fault::Conflict(_))));
    let roles = |directory: &Directory, credential, now| -> Vec<String> {
        directory.roles_by(credential, now).iter().map(|role| role.name.clone()).collect()
    };
    assert_eq!(roles(&directory, &all, 99), [MEMBER, READER]);
    assert_eq!(roles(&directory, &reader, 99), [READER]);
    assert!(roles(&directory, &all, 100).is_empty(), "it has ended");
    grant(&mut directory, &user, target, READER);
    directory.revoke_grant(&given).unwrap();
    assert!(roles(&directory, &all, 99).is_empty(), "its user is no member any more");
    assert_eq!(roles(&directory, &reader, 99), [READER]);
    assert!(directory.delete_application_credential("another", &all.id).is_err());
    directory.delete_user(&user.id).unwrap();
    assert!(directory.application_credentials.is_empty());
}

#[test]
fn a_new_password_and_being_disabled_end_a_generation() {
    let mut directory = directory();
    let user = directory.create_user(new_user("u")).unwrap();
    let mut generation = |update| directory.update_user(&user.id, update).unwrap().generation;
    let enabled = |value| UserUpdate { enabled: Some(value), ..UserUpdate::default() };
    assert_eq!(generation(UserUpdate::default()), 0);
    assert_eq!(generation(UserUpdate { password: Some(None), ..UserUpdate::default() }), 1);
    assert_eq!(generation(enabled(false)), 2);
    assert_eq!(generation(enabled(false)), 2);
    assert_eq!(generation(enabled(true)), 2);
}
