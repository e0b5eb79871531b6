//! `demo`: real messages crossing both ways, on this machine alone.
//!
//! A gateway on a throw-away queue, an X.400 MTA and a mail server beside it, all on loopback ports
//! the system chooses. Nothing is played: the octets shown are those that came over the wire.

mod ipm;
mod neighbours;
mod paint;
mod story;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mixgate::gateway::rules::Rules;
use mixgate::gateway::service::Service;
use mixgate::queue::config::StoreUrl;

use super::exit::{Failure, Outcome};
use neighbours::{MailServer, X400Mta};

/// How long a message may take to cross.
const PATIENCE: Duration = Duration::from_secs(20);

/// The name of the X.400 MTA, as `mixgate.toml` has it.
const MTA: &str = "HUB";
/// Where the Internet addresses live in X.400, likewise.
const GATEWAY_ADDRESS: &str = "/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/";
/// An Internet user.
const ADA: &str = "ada@internet.example";

/// `mixgate demo`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Keep the queue, the configuration and every message seen in this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Shows it; fails unless every message arrived.
pub fn run(arguments: Arguments) -> Outcome {
    super::serve::log_to_stderr("error");
    let folder = Folder::new(arguments.keep)?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(show(&folder.path))?;
    if folder.kept {
        paint::line(&format!("Everything is kept in {}", folder.path.display()));
    }
    Ok(())
}

async fn show(folder: &Path) -> Outcome {
    let mut mail = MailServer::start().await?;
    let mut mta = X400Mta::start().await?;
    let rules = rules(folder, &mail, &mta)?;
    let store = rules
        .config
        .queue
        .open()
        .map_err(|error| super::serve::unopened(&error))?;
    let service = Service::start(rules.clone(), store)
        .await
        .map_err(|error| Failure::Unavailable(format!("cannot listen: {error}")))?;
    let (Some(smtp), Some(x400)) = (service.smtp.first().copied(), service.x400.first().copied())
    else {
        return Err(Failure::Internal("the gateway does not listen".to_owned()));
    };
    mta.knows_gateway(x400)?;
    paint::opening(&mail, smtp, x400, &mta);
    let told = async {
        story::mail_to_x400(folder, &rules, smtp, &mut mta).await?;
        story::x400_to_mail(folder, &rules, &mut mail, &mta).await?;
        story::failure_comes_back(folder, smtp, &mut mail, &mut mta).await
    };
    let outcome = told.await;
    service.stop().await;
    mta.stop().await;
    mail.stop().await;
    outcome?;
    paint::closing();
    Ok(())
}

/// The configuration a gateway between these two would have; written down, then loaded from there.
fn rules(folder: &Path, mail: &MailServer, mta: &X400Mta) -> Result<Rules, Failure> {
    let text = format!(
        include_str!("mixgate.toml"),
        store = String::from(StoreUrl::Sqlite(folder.join("queue.db"))),
        socket = folder.join("control.sock").display(),
        smtp = "127.0.0.1:0",
        relay = mail.address,
        x400 = "127.0.0.1:0",
        hub = mta.address,
    );
    let path = folder.join("mixgate.toml");
    std::fs::write(&path, &text)?;
    std::fs::write(folder.join("table1"), include_str!("table1"))?;
    std::fs::write(folder.join("table2"), include_str!("table2"))?;
    super::check::load(&path)
}

/// The folder of the demo, removed at its end unless it is to be kept.
struct Folder {
    path: PathBuf,
    kept: bool,
}

impl Folder {
    fn new(keep: Option<PathBuf>) -> Result<Self, Failure> {
        let kept = keep.is_some();
        let path = keep.unwrap_or_else(|| {
            std::env::temp_dir().join(format!("mixgate-demo-{}", std::process::id()))
        });
        std::fs::create_dir_all(&path)
            .map_err(|error| Failure::CannotCreate(format!("{}: {error}", path.display())))?;
        Ok(Self {
            path: path.canonicalize()?,
            kept,
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept {
            // What stays behind lies in the system's own folder for such things.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
