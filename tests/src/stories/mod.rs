//! What must hold on every cloud and with every engine. Each story takes a machine without networks of Kuryr.

pub mod container_options;
pub mod crowd;
pub mod existing;
pub mod expose;
pub mod families;
pub mod floating;
pub mod lifecycle;
pub mod options;
pub mod overlapping;
pub mod parallel;
pub mod planes;
pub mod policy;
pub mod ready;
mod ready_pairs;
pub mod replay;
pub mod requested;
pub mod restart;
pub mod server;

use anyhow::{Context, Result, ensure};
use kuryr_neutron::Port;
use kuryr_openstack::Query;

use crate::{PrivateEngine, Rig};

/// A story and its name.
pub type Story = (&'static str, fn(&mut Rig) -> Result<()>);

/// One after the other, so that one start of the engine is enough; what a story left is removed in between.
pub fn tell(rig: &mut Rig, stories: &[Story]) -> Result<()> {
    for (name, story) in stories {
        let started = std::time::Instant::now();
        story(rig).with_context(|| format!("in the story {name}"))?;
        let left = rig.engine.docker(&["ps", "--all", "--quiet"])?;
        let left: Vec<&str> = left.lines().collect();
        if !left.is_empty() {
            rig.engine.docker(&[["rm", "--force"].as_slice(), &left].concat())?;
        }
        rig.engine.docker(&["network", "prune", "--force"])?;
        ensure!(!PrivateEngine::log(&rig.host).contains("panic"), "dockerd panicked in the story {name}");
        // Docker only logs what a plugin fails to take down.
        let ours = rig.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))?;
        ensure!(ours.is_empty(), "after the story {name}: {ours:?}");
        // The embedded cloud has bridges and rules as long as there are networks and ports.
        if rig.openstack.is_none() {
            rig.cloud.clear()?;
        }
        rig.is_clean().with_context(|| format!("after the story {name}"))?;
        rig.cloud.clear()?;
        println!("{name}: {:.1} s", started.elapsed().as_secs_f64());
    }
    Ok(())
}
