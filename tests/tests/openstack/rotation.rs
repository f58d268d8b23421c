//! The account's credentials are rotated under a running Kuryr, on a real Keystone.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use kuryr_tests::{Host, Kuryr, Paths, Release, Tenant, request, until, with_openstack};
use serde_json::json;

/// A request of Docker's that asks Neutron, and one that undoes it.
fn ask(host: &Host) -> Result<()> {
    let socket = host.path(Paths::PLUGIN);
    let body = json!({"AddressSpace": "", "Pool": "10.77.0.0/24", "SubPool": "", "Options": {}, "V6": false});
    let answer = request(&socket, "/IpamDriver.RequestPool", body.to_string().as_bytes())?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let body = json!({"PoolID": answer.json()?["PoolID"]});
    let answer = request(&socket, "/IpamDriver.ReleasePool", body.to_string().as_bytes())?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok(())
}

#[test]
fn credentials_are_rotated_and_no_request_is_lost() -> Result<()> {
    with_openstack(Ok(Release::Installed), "", |rig| {
        let place = rig.openstack.as_ref().context("no OpenStack")?;
        let (openstack, old) = (&place.openstack, &place.tenant);
        let (kuryr, host) = (&rig.kuryr, &rig.host);
        let config = |tenant: &Tenant| openstack.configuration(tenant, Some(&place.plane), "");

        let newer = openstack.another_user(old, &["admin"])?;
        let (is_over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let load = scope.spawn(|| -> Result<()> {
                while !is_over.load(Ordering::Relaxed) {
                    ask(host)?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
            let more = |what: &str| {
                let before = done.load(Ordering::Relaxed);
                until(what, || {
                    ensure!(load.is_finished() || done.load(Ordering::Relaxed) >= before + 3, "no answers");
                    Ok(())
                })
            };
            let rotated = (|| {
                more("requests by the first user")?;
                let told = kuryr.reload(host, &config(&newer), "was read anew")?;
                ensure!(told.contains("[neutron] username"), "{told}");
                openstack.remove_user(old)?;
                more("requests by the second user")
            })();
            is_over.store(true, Ordering::Relaxed);
            let Ok(outcome) = load.join() else { anyhow::bail!("the load panicked") };
            rotated.and(outcome.context("a request was lost"))
        })?;

        // What the cloud refuses is not taken, and the log names the cloud's request.
        let wrong = Tenant { password: "hunter2".to_owned(), ..newer.clone() };
        let told = kuryr.reload(host, &config(&wrong), "the configuration stays as it was")?;
        ensure!(told.contains("check user name, password") && told.contains("sent as req-"), "{told}");
        ensure!(!Kuryr::log(host).contains("hunter2"));
        ask(host)?;

        // A password that was changed in Keystone ends all tokens; from the reload on all is well again.
        let changed = openstack.change_password(&newer, "correct horse")?;
        let refused = until("the old token to be refused", || {
            let error = ask(host).err().context("it is still good")?;
            Ok(error.to_string())
        })?;
        ensure!(refused.contains("check user name, password") && refused.contains("req-"), "{refused}");
        let told = kuryr.reload(host, &config(&changed), "was read anew")?;
        ensure!(told.contains("[neutron] password") && !told.contains("correct horse"), "{told}");
        ask(host)
    })
}
