//! How a lab is reached, for people and for programs.

use std::io::{self, Write};

use serde_json::json;

use super::Output;
use crate::model::{Instance, Role};
use crate::rehearsal::lab::{Lab, Options, USER};
use crate::rehearsal::tds::Encryption;
use crate::rehearsal::world::Start;

/// Writes how to reach a lab that has been opened.
pub(super) fn opened(
    lab: &Lab,
    options: &Options,
    form: Output,
    out: &mut dyn Write,
) -> io::Result<()> {
    match form {
        Output::Human => human(lab, options, out),
        Output::Json => json(lab, options, out),
    }
}

fn human(lab: &Lab, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let encryption = encryption(options);
    writeln!(out, "The lab is open, state {}.\n", state(options))?;
    for place in lab.places() {
        let up = if place.up { "" } else { "   down" };
        writeln!(out, "  {:<26} {}{up}", place.instance, place.address)?;
    }
    writeln!(out)?;
    writeln!(out, "  site file   {}", lab.site_file().display())?;
    writeln!(
        out,
        "  sign-in     SQL login {USER}, password in {}",
        lab.password_file().display()
    )?;
    if options.encryption == Encryption::NotSupported {
        writeln!(out, "  encryption  {encryption}")?;
    } else {
        writeln!(
            out,
            "  encryption  {encryption}, authority in {}",
            lab.authority_file().display()
        )?;
    }
    if let Some(at) = lab.lost_at() {
        writeln!(
            out,
            "  lost        {} UTC: the first data center",
            at.strftime("%Y-%m-%dT%H:%M:%S")
        )?;
    }
    writeln!(out)?;
    let backup = Instance::chat(Role::Backup);
    if let Some(place) = lab.places().iter().find(|place| place.instance == backup) {
        let address = &place.address;
        let port = address.port.unwrap_or_default();
        writeln!(out, "Look:  tsql -H {} -p {port} -U {USER}", address.host)?;
        writeln!(out, "       sqlcmd -S {address} -U {USER}")?;
    }
    let site = lab.site_file();
    let runbook = match options.state {
        Start::Normal | Start::Disaster => "failover",
        Start::FailedOver => "failback",
    };
    writeln!(out, "Act:   pchadr {runbook} --config {}", site.display())?;
    writeln!(
        out,
        "Change: type an event, as `down primary`; `help` lists them. Ctrl-C ends the lab."
    )
}

fn json(lab: &Lab, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let instances: Vec<_> = lab
        .places()
        .iter()
        .map(|place| {
            json!({
                "role": place.instance.role.key(),
                "compliance": place.instance.compliance,
                "host": place.address.host,
                "port": place.address.port,
                "up": place.up,
            })
        })
        .collect();
    let lost_at = lab.lost_at();
    let value = json!({
        "version": 1,
        "state": state(options),
        "site": lab.site_file(),
        "user": USER,
        "password_file": lab.password_file(),
        "encryption": encryption(options),
        "ca": lab.authority_file(),
        "lost_at": lost_at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%S").to_string()),
        "instances": instances,
    });
    writeln!(out, "{value}")
}

fn state(options: &Options) -> &'static str {
    match options.state {
        Start::Normal => "normal",
        Start::Disaster => "disaster",
        Start::FailedOver => "failed-over",
    }
}

fn encryption(options: &Options) -> &'static str {
    match options.encryption {
        Encryption::NotSupported => "off",
        Encryption::Optional => "optional",
        Encryption::Required => "required",
        Encryption::Strict => "strict",
    }
}
