//! `kuryr ui`: a page that draws the cloud's networks and this machine's containers, live.

use crate::{cli::Ui, configuration::Given, failure::Failure, output, process, status::connection::Connection};
use anyhow::Context;
use kuryr_http::{Limits, Listener, Server};
use kuryr_ui::{Source, Token, topology};
use std::time::Duration;

/// A page asks for one thing at a time; this is for some dozens of them.
const CONNECTIONS: usize = 64;
/// Whoever waits for a change is answered at once when this process ends.
const DRAIN: Duration = Duration::from_secs(2);

/// Serves it until a signal ends it.
pub fn run(ui: &Ui, given: Given) -> Result<(), Failure> {
    if !ui.expose && !ui.listen.ip().is_loopback() {
        return Err(Failure::usage(
            format!("--listen {}: other machines could reach that address, and it has no TLS", ui.listen),
            format!(
                "listen on 127.0.0.1 and come through SSH (ssh -L {port}:127.0.0.1:{port} …), or add --expose",
                port = ui.listen.port()
            ),
        ));
    }
    let settings = given.with_place(&ui.place).settings()?;
    let Connection { neutron, source, auth_url } = Connection::to(&settings)?;
    let source = Source::new(neutron, topology::Cloud { source, auth_url }, settings.docker.docker_socket);
    let token = Token::random()?;
    Ok(process::serve(|stop| async move {
        let listener = Listener::tcp(&ui.listen.to_string()).await?;
        let address = listener.local_addr().context("the listener has no address")?;
        let url = token.url(address);
        let router = kuryr_ui::router(source, token, stop.clone());
        let limits = Limits { max_connections: CONNECTIONS, drain: DRAIN, max_body_bytes: 0, ..Limits::default() };
        let server = Server::new(router, limits).listen(listener);
        anstream::eprintln!("The picture is at this address, for whoever has it. Ctrl-C ends it.");
        output::write(format!("{url}\n").as_bytes()).map_err(|failure| anyhow::anyhow!("{failure}"))?;
        server.run(stop).await;
        Ok(())
    })?)
}
