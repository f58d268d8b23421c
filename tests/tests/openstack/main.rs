//! Real containers on a real OpenStack: private machines as hosts of the cloud that `rig/openstack` started. Without one
//! (`KURYR_OPENSTACK_RIG` names it) every test says that it is skipped.

mod container_options;
mod contract;
mod original;
mod packaged;
mod publish;
<<<<<<< HEAD
mod rotation;
=======
mod ready;
>>>>>>> e1c48d6 (Show ready ports with real engines, and lose none that was on its way back)
mod untagged;
mod upgrade;
