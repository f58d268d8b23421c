//! Real containers on a real engine, each test on a private machine of its own.

mod agreement;
mod container_options;
mod current;
mod dashboard;
mod existing;
mod expose;
mod families;
mod fixture;
mod hostile;
mod journal;
mod lifecycle;
mod observed;
mod openstack;
mod options;
mod outside;
mod parallel;
mod policy;
mod publish;
mod ready;
mod reconcile;
mod reload;
mod repair;
mod requested;
mod restart;
mod split;
mod tls;
