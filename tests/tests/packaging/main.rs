//! What is given away, installed and used: the Debian package under a real systemd, Docker's managed plugin, settings of
//! Kolla, and the way from the original to this Kuryr.

mod booted;
mod deb;
mod hardening;
mod kolla;
mod making;
mod managed;
mod original;
