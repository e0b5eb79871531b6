//! How many messages a second arrive over one association and over several, beside what the disk
//! offers in the same run.
//!
//! A source sends messages of 4 KiB by P1 to the servers and the queue of a gateway; each is
//! confirmed when it is durable. Nothing is sent on. The reference writes 4 KiB and syncs, one at a
//! time.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails may end")]
#![allow(clippy::print_stdout, reason = "its table is what it is for")]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mixgate::asn1::mts::{
    AdministrationDomainName, BuiltInStandardAttributes, CountryName, ORName, PrivateDomainName,
};
use mixgate::config::Config;
use mixgate::gateway::Gateway;
use mixgate::gateway::accept::transfer::TransferIn;
use mixgate::gateway::rules::Rules;
use mixgate::queue::sqlite::{INLINE_LIMIT, SqliteStore};
use mixgate::x400::{Directory, Server, source};

const SIZE: usize = 4096;
const ROUNDS: usize = 5;
const ASSOCIATIONS: [usize; 4] = [1, 2, 4, 8];
/// How many messages each association carries in a round.
const MESSAGES: u64 = 500;

const CONFIG: &str = r#"
[gateway]
name = "gw.example.org"
mta = "GW"
domain = "/PRMD=EXAMPLE/ADMD= /C=GB/"
address = "/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/"
postmaster = "postmaster@example.org"
[smtp]
relay = "127.0.0.1:9"
[x400]
listen = ["127.0.0.1:0"]
[[x400.peer]]
name = "source"
connect = ["127.0.0.1:9"]
mta = "SOURCE"
"#;

/// Whom the messages are for: a mailbox, below the address of the gateway.
fn recipient() -> ORName {
    ORName {
        built_in_standard_attributes: BuiltInStandardAttributes {
            country_name: Some(CountryName::Iso3166Alpha2Code("GB".into())),
            administration_domain_name: Some(AdministrationDomainName::Printable(" ".into())),
            private_domain_name: Some(PrivateDomainName::Printable("EXAMPLE".into())),
            organization_name: Some("Gateway".into()),
            ..Default::default()
        },
        built_in_domain_defined_attributes: Some(vec![
            mixgate::asn1::mts::BuiltInDomainDefinedAttribute {
                r#type: "RFC-822".into(),
                value: "ada(a)internet.example".into(),
            },
        ]),
        ..Default::default()
    }
}

/// Writes of 4 KiB a second, each synced before the next.
fn disk(folder: &Path) -> f64 {
    let mut file = File::create(folder.join("disk")).unwrap();
    let block = [b'x'; SIZE];
    let begun = Instant::now();
    let mut writes = 0;
    while begun.elapsed() < Duration::from_secs(1) {
        file.write_all(&block).unwrap();
        file.sync_data().unwrap();
        writes += 1;
    }
    f64::from(writes) / begun.elapsed().as_secs_f64()
}

/// Messages a second over so many associations.
async fn carried(to: &str, sessions: usize) -> f64 {
    let messages = MESSAGES * u64::try_from(sessions).unwrap();
    let options = source::Options {
        to: to.to_owned(),
        mta: "SOURCE".to_owned(),
        messages: Some(messages),
        size: SIZE,
        sessions,
        recipients: vec![recipient()],
        ..source::Options::default()
    };
    let summary = source::run(options, |_| ()).await.unwrap();
    assert_eq!(summary.delivered, messages, "{:?}", summary.first_failure);
    summary.delivered as f64 / summary.took.as_secs_f64()
}

#[tokio::main]
async fn main() {
    // On the disk of the build, not on a file system in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let store = SqliteStore::open(&folder.path().join("queue.db"), INLINE_LIMIT).unwrap();
    let path = Path::new("mixgate.toml");
    let rules = Rules::of(Config::parse(path, CONFIG).unwrap(), path, CONFIG).unwrap();
    let directory = Directory::new(rules.config.x400.clone(), &rules.config.gateway.mta).unwrap();
    let gateway = Arc::new(Gateway::new(rules, Arc::new(store)));
    let transfers = Arc::new(TransferIn(gateway));
    let server = Server::bind(Arc::new(directory), transfers).await.unwrap();
    let to = server.addresses().first().unwrap().to_string();
    tokio::spawn(server.run(std::future::pending()));

    // The disk is asked before and after each figure: on a machine that others use it changes.
    println!(" round  messages/s over so many associations (over synced writes/s at that time)");
    for round in 1..=ROUNDS {
        print!("{round:>6} ");
        let mut before = disk(folder.path());
        for sessions in ASSOCIATIONS {
            let rate = carried(&to, sessions).await;
            let after = disk(folder.path());
            let disk = f64::midpoint(before, after);
            print!("  {sessions}: {rate:.0} ({:.2} of {disk:.0})", rate / disk);
            before = after;
        }
        println!();
    }
}
