//! `cargo xtask dist`: what is given away: a Debian package, a managed plugin of Docker.

mod deb;
mod libraries;
mod plugin;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::command::Run;
use crate::screen::Screen;
use crate::workspace::{Workspace, cargo};

/// What is made.
#[derive(Subcommand)]
pub enum Product {
    /// A Debian package: binary, units, configuration, manual pages
    Deb(Making),
    /// Root file system and config.json of a managed plugin, for `docker plugin create`
    DockerPlugin(Making),
}

/// How it is made.
#[derive(Args)]
pub struct Making {
    /// Take this binary instead of building one with optimisation
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Put it here [default: dist below the target folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Compress little, as tests want it
    #[arg(long)]
    quick: bool,
}

impl Making {
    fn binary(&self, screen: &Screen, workspace: &Workspace) -> Result<PathBuf> {
        if let Some(binary) = &self.binary {
            return Ok(binary.clone());
        }
        let log = workspace.scratch()?.join("dist-build.log");
        screen.step("build with optimisation", |progress| {
            Run::new(cargo()).args(["build", "--release", "-p", "kuryr"]).dir(&workspace.root).log(log).run(progress)
        })?;
        Ok(workspace.target.join("release/kuryr"))
    }

    fn out(&self, workspace: &Workspace) -> PathBuf {
        self.out.clone().unwrap_or_else(|| workspace.target.join("dist"))
    }
}

/// Make it, and say where it is.
pub fn run(screen: &Screen, workspace: &Workspace, product: &Product) -> Result<()> {
    match product {
        Product::Deb(making) => {
            let binary = making.binary(screen, workspace)?;
            let package = screen.step("Debian package", |progress| {
                deb::make(workspace, &binary, &making.out(workspace), making.quick, progress)
            })?;
            screen.say(package.display().to_string());
        }
        Product::DockerPlugin(making) => {
            let binary = making.binary(screen, workspace)?;
            let folder = screen.step("managed plugin", |progress| {
                plugin::make(workspace, &binary, &making.out(workspace), progress)
            })?;
            screen.say(folder.display().to_string());
            screen.say(format!("docker plugin create kuryr:latest {}", folder.display()));
        }
    }
    Ok(())
}
