//! `peer`: see, call and steer the neighbours.
//!
//! A running gateway is asked over its control socket; with none running, the peer is called from here.

use std::io::{self, Write as _};

use clap::Subcommand;
use jiff::tz::TimeZone;
use mixgate::gateway::peers::{self, Peers, Request, Response};
use mixgate::gateway::service::Asked;

use super::control::{Gateway, Options, failure, line};
use super::exit::{Failure, Outcome};

/// `mixgate peer`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every peer, and how we stand with it
    List,
    /// One peer, and what its last call came to
    Show(Named),
    /// Open an association at each address and release it; says what is wrong, and what to do
    Ping(Named),
    /// Call the peer and take its calls again; what waits for it is tried at once
    Enable(Named),
    /// Neither call the peer nor take its calls; messages for it wait
    Disable(Named),
}

#[derive(Debug, clap::Args)]
struct Named {
    /// The name of the peer in the configuration
    name: String,
}

/// Asks, and prints the answer.
pub fn run(arguments: Arguments) -> Outcome {
    let json = arguments.options.json;
    let (gateway, runtime) = arguments.options.load()?;
    let request = match arguments.command {
        Command::List => Request::List,
        Command::Show(Named { name }) => Request::Show(name),
        Command::Ping(Named { name }) => Request::Ping(name),
        Command::Enable(Named { name }) => Request::Enable(name),
        Command::Disable(Named { name }) => Request::Disable(name),
    };
    let response = runtime.block_on(ask(&gateway, request.clone()))?;
    print(&request, &response, json)
}

/// The running gateway's answer, or that of its configuration if none runs.
async fn ask(gateway: &Gateway, request: Request) -> Result<Response, Failure> {
    match gateway.call(&Asked::Peer(request.clone())).await? {
        Some(response) => Ok(response),
        None => {
            let peers = Peers::alone(gateway.rules()?, &request)?;
            Ok(peers.handle(request).await)
        }
    }
}

fn print(request: &Request, response: &Response, json: bool) -> Outcome {
    let mut out = io::stdout().lock();
    match response {
        Response::Peers(peers) if json => {
            for peer in peers {
                writeln!(out, "{}", line(peer)?)?;
            }
        }
        Response::Peers(peers) => write!(out, "{}", peers::render_list(peers))?,
        Response::Peer(peer) if json => writeln!(out, "{}", line(peer)?)?,
        Response::Peer(peer) => write!(out, "{}", peers::render(peer, &TimeZone::system()))?,
        Response::Pinged(pinged) => {
            if json {
                for ping in pinged {
                    writeln!(out, "{}", line(ping)?)?;
                }
            } else if let Request::Ping(name) = request {
                write!(out, "{}", peers::render_pinged(name, pinged))?;
            }
            if pinged.iter().all(|ping| ping.failure.is_some()) {
                let what = "no address of the peer granted an association";
                return Err(Failure::Unavailable(what.to_owned()));
            }
        }
        Response::Refused(refused) => return Err(failure(refused.clone())),
    }
    Ok(())
}
