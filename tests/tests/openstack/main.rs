//! Real containers on a real OpenStack: private machines as hosts of the cloud that `rig/openstack` started. Without one
//! (`KURYR_OPENSTACK_RIG` names it) every test says that it is skipped.

mod container_options;
mod contract;
mod original;
mod packaged;
mod planes;
mod publish;
mod ready;
mod reconcile;
mod rotation;
mod swarm;
mod ui;
mod untagged;
mod upgrade;
