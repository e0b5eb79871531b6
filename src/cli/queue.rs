//! `queue`: see and steer what waits.
//!
//! A running gateway is asked over its control socket; with none running, the store is opened under
//! its lock.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Subcommand;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use mixgate::queue::commands::{self, Request, Response};
use mixgate::queue::{Change, Filter, ItemId, State};

use super::control::{Gateway, Options, failure, line};
use super::exit::{Failure, Outcome};

/// `mixgate queue`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What waits, oldest first
    List(Which),
    /// One item, and its life
    Show {
        /// The item
        id: ItemId,
    },
    /// Let items wait until they are released
    Hold(Which),
    /// Let held items go on
    Release(Which),
    /// Try again now
    Retry(Which),
    /// Remove items; nobody is told
    Delete(Which),
    /// Write items as folders: envelope.toml and message.eml or transfer.ber
    Export {
        /// The items
        #[arg(required = true)]
        ids: Vec<ItemId>,
        /// Where the folders go
        #[arg(long, value_name = "DIR", default_value = ".")]
        to: PathBuf,
    },
    /// Take a folder written by `export` into the queue
    Import {
        /// The folder
        folder: PathBuf,
    },
}

/// Which items: by id, or by everything that is given.
#[derive(Debug, clap::Args)]
struct Which {
    /// These items
    ids: Vec<ItemId>,
    /// With a recipient in this state: queued, held, delivered, failed, expired, deleted
    #[arg(long, value_parser = state)]
    state: Option<State>,
    /// With a recipient on this route
    #[arg(long)]
    route: Option<String>,
    /// With this text in the address of a recipient
    #[arg(long, value_name = "TEXT")]
    recipient: Option<String>,
    /// With this text in the sender
    #[arg(long, value_name = "TEXT")]
    sender: Option<String>,
    /// From this neighbour
    #[arg(long)]
    peer: Option<String>,
    /// Finished items too
    #[arg(long)]
    finished: bool,
    /// All of them
    #[arg(long)]
    all: bool,
}

fn state(text: &str) -> Result<State, String> {
    let found = State::ALL.into_iter().find(|state| state.name() == text);
    found.ok_or_else(|| format!("there is no state {text:?}"))
}

impl Which {
    fn filter(self) -> (Filter, bool) {
        let filter = Filter {
            ids: self.ids,
            state: self.state,
            route: self.route,
            recipient: self.recipient,
            sender: self.sender,
            peer: self.peer,
            finished: self.finished,
            ..Filter::default()
        };
        (filter, self.all)
    }

    fn change(self, change: Change) -> Request {
        let (filter, all) = self.filter();
        Request::Change {
            change,
            filter,
            all,
        }
    }
}

/// Asks, and prints the answer.
pub fn run(arguments: Arguments) -> Outcome {
    let json = arguments.options.json;
    let (gateway, runtime) = arguments.options.load()?;
    let request = match arguments.command {
        Command::List(which) => return runtime.block_on(list(&gateway, which, json)),
        Command::Show { id } => Request::Show(id),
        Command::Hold(which) => which.change(Change::Hold),
        Command::Release(which) => which.change(Change::Release),
        Command::Retry(which) => which.change(Change::Retry),
        Command::Delete(which) => which.change(Change::Delete),
        Command::Export { ids, to } => Request::Export {
            ids,
            folder: to.canonicalize()?,
        },
        Command::Import { folder } => Request::Import {
            folder: folder.canonicalize()?,
        },
    };
    let response = runtime.block_on(ask(&gateway, request))?;
    print(&response, json)
}

/// Lists page by page.
async fn list(gateway: &Gateway, which: Which, json: bool) -> Outcome {
    let (mut filter, _) = which.filter();
    filter.limit = commands::PAGE;
    loop {
        let response = ask(gateway, Request::List(filter.clone())).await?;
        print(&response, json)?;
        match response {
            Response::Items(items) if items.len() >= commands::PAGE as usize => {
                filter.after = items.last().map(|item| item.id);
            }
            _ => return Ok(()),
        }
    }
}

/// The running gateway's answer, or the store's own if none runs.
async fn ask(gateway: &Gateway, request: Request) -> Result<Response, Failure> {
    let response = match gateway.call(&request).await? {
        Some(response) => response,
        None => {
            let rules = gateway.rules()?;
            let store = rules
                .config
                .queue
                .open()
                .map_err(|error| super::serve::unopened(&error))?;
            commands::handle(&*store, rules.schedule(), request, Timestamp::now()).await
        }
    };
    match response {
        Response::Refused(refused) => Err(failure(refused)),
        response => Ok(response),
    }
}

fn print(response: &Response, json: bool) -> Outcome {
    let mut out = io::stdout().lock();
    let (zone, now) = (TimeZone::system(), Timestamp::now());
    match response {
        Response::Items(items) if json => {
            for item in items {
                writeln!(out, "{}", line(item)?)?;
            }
        }
        Response::Items(items) => write!(out, "{}", commands::render(items, &zone, now))?,
        Response::Item(shown) if json => writeln!(out, "{}", line(shown)?)?,
        Response::Item(shown) => write!(out, "{}", commands::render_shown(shown, &zone, now))?,
        response if json => writeln!(out, "{}", line(response)?)?,
        Response::Changed(ids) => {
            for id in ids {
                writeln!(out, "{id}")?;
            }
        }
        Response::Exported(folders) => {
            for folder in folders {
                writeln!(out, "{}", folder.display())?;
            }
        }
        Response::Imported(id) => writeln!(out, "{id}")?,
        Response::Stats(stats) => {
            for route in stats {
                writeln!(out, "{}", line(route)?)?;
            }
        }
        Response::Refused(_) => {}
    }
    Ok(())
}
