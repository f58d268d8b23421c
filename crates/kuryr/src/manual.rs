//! `kuryr manual`: manual pages, made from the command lines themselves.

use crate::{
    cli::{Cli, Manual},
    failure::Failure,
    names::Name,
    output, server, upgrade_check,
};
use clap::CommandFactory;
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};

/// Prints the page of a program.
pub fn run(manual: &Manual) -> Result<(), Failure> {
    let mut page = Vec::new();
    match manual.name {
        Name::Kuryr => kuryr(&mut page)?,
        Name::Server => Man::new(server::command()).section("8").render(&mut page)?,
        Name::Status => Man::new(upgrade_check::command()).section("8").render(&mut page)?,
    }
    output::write(&page)
}

/// One page for all commands of `kuryr`, so that a search in it finds everything.
fn kuryr(page: &mut Vec<u8>) -> Result<(), Failure> {
    let mut command = Cli::command();
    // Subcommands get their full names in their synopses.
    command.build();
    let man = Man::new(command.clone()).section("8");
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    man.render_subcommands_section(page)?;
    commands(&command, page)?;
    man.render_extra_section(page)?;
    files(page)
}

fn commands(command: &clap::Command, page: &mut Vec<u8>) -> Result<(), Failure> {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        let title = inner.get_bin_name().unwrap_or(inner.get_name()).to_uppercase();
        let mut roff = Roff::new();
        roff.control("SH", [title.as_str()]);
        roff.text([roman(inner.get_about().map(ToString::to_string).unwrap_or_default())]);
        roff.to_writer(page)?;
        let man = Man::new(inner.clone());
        let mut rest = Vec::new();
        man.render_synopsis_section(&mut rest)?;
        // The options of every command stand at the top of the page.
        let rest = String::from_utf8_lossy(&rest).replace(".SH SYNOPSIS", ".PP");
        page.extend_from_slice(rest.as_bytes());
        let mut extra = Vec::new();
        man.render_extra_section(&mut extra)?;
        page.extend_from_slice(String::from_utf8_lossy(&extra).replace(".SH EXTRA", ".PP").as_bytes());
        commands(inner, page)?;
    }
    Ok(())
}

const FILES: [(&str, &str); 5] = [
    ("/etc/kuryr/kuryr.conf", "Settings; 'kuryr config sample' prints every option."),
    ("/run/docker/plugins/kuryr.sock", "Where Docker finds the plugin."),
    ("/run/kuryr/api.sock", "The embedded cloud's API."),
    ("/var/lib/kuryr/clouds.yaml", "How to log in at the embedded cloud."),
    ("/var/lib/kuryr/kuryr.db", "The embedded cloud's database."),
];

fn files(page: &mut Vec<u8>) -> Result<(), Failure> {
    let mut roff = Roff::new();
    roff.control("SH", ["FILES"]);
    for (path, what) in FILES {
        roff.control("TP", []).text([roman(path)]).text([roman(what)]);
    }
    Ok(roff.to_writer(page)?)
}
