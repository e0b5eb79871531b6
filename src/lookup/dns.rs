//! MCGAMs and preferred gateways from the domain name system, by PX records (RFC 2163).
//!
//! A name that does not exist or has no PX record is no match, and is kept as long as its zone says; a
//! server that fails or is silent leaves the question unanswered (section 5), which is not kept.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use serde::{Deserialize, Serialize};

use super::cache::Cache;
use crate::mixer::address::prefix::{Prefix, lookup_key};
use crate::mixer::address::px::{self, Record};
use crate::mixer::outcome::{Answer, Match, Question};

/// Records of one name that are looked at.
const MOST_RECORDS: usize = 8;

/// How the domain name system is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// The servers, which must resolve names for us; empty: those of the system.
    pub servers: Vec<SocketAddr>,
    /// Seconds after which a server is asked again, or the next one.
    pub timeout: u32,
    /// How often a question is asked.
    pub attempts: u32,
    /// Names that are kept.
    pub keep: usize,
    /// Seconds a record is kept at most, whatever its zone says.
    pub longest: u32,
    /// Seconds it is kept at most that there is none (RFC 2308 section 5).
    pub longest_nothing: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout: 2,
            attempts: 2,
            keep: 4096,
            longest: 86_400,
            longest_nothing: 3600,
        }
    }
}

/// Why nothing can be asked.
#[derive(Debug, thiserror::Error)]
#[error("no resolver: {0}")]
pub struct SetupError(#[from] NetError);

/// A client of the domain name system, and what it was told.
pub struct Dns {
    resolver: TokioResolver,
    /// The records of a name, none too, and their TTL.
    known: Mutex<Cache<Arc<Known>>>,
    config: Config,
}

/// The PX records of a name, the preferred first.
#[derive(Debug)]
struct Known {
    records: Vec<Record>,
    ttl: u32,
}

impl Dns {
    /// A client that asks as `config` says.
    ///
    /// # Errors
    /// The servers of the system cannot be told.
    pub fn new(config: Config) -> Result<Self, SetupError> {
        let mut builder = if config.servers.is_empty() {
            TokioResolver::builder_tokio()?
        } else {
            let servers = config.servers.iter().map(|server| {
                let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
                for connection in &mut connections {
                    connection.port = server.port();
                }
                NameServerConfig::new(server.ip(), true, connections)
            });
            let servers = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
            Resolver::builder_with_config(servers, TokioRuntimeProvider::default())
        };
        let options: &mut ResolverOpts = builder.options_mut();
        options.timeout = Duration::from_secs(config.timeout.max(1).into());
        options.attempts = usize::try_from(config.attempts.max(1)).unwrap_or(1);
        options.use_hosts_file = ResolveHosts::Never;
        // What is known is kept here, by one rule for what is there and what is not.
        options.cache_size = 0;
        Ok(Self {
            resolver: builder.build()?,
            known: Mutex::new(Cache::new(config.keep)),
            config,
        })
    }

    /// The longest match for `question`, if it is known by `deadline`.
    pub async fn answer(&self, question: &Question, deadline: tokio::time::Instant) -> Answer {
        let asked = match Asked::of(question) {
            Ok(asked) => asked,
            // No name service has what is no name.
            Err(text) => {
                tracing::debug!(text, "a question that is none");
                return Answer::Nothing;
            }
        };
        for name in asked.names() {
            let known = match self.records(&name, deadline).await {
                Ok(known) => known,
                Err(why) => return Answer::Unanswered(format!("PX {name}: {why}")),
            };
            let matches: Vec<Match> = known
                .records
                .iter()
                .filter(|record| asked.covers(record, &name))
                .map(|record| Match {
                    domain: record.domain().to_owned(),
                    address: record.address().clone(),
                    gateway: record.gateway(),
                    place: format!("PX {name} TTL {}", known.ttl),
                })
                .collect();
            if !matches.is_empty() {
                return Answer::Found(matches);
            }
        }
        Answer::Nothing
    }

    /// The records of `name`, known or asked for.
    async fn records(
        &self,
        name: &str,
        deadline: tokio::time::Instant,
    ) -> Result<Arc<Known>, String> {
        let key = name.to_ascii_lowercase();
        // A thread that panicked did so outside: the cache is whole between its calls.
        let held = |known: &Mutex<Cache<Arc<Known>>>| {
            let known = known.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(&key, Instant::now())
        };
        if let Some(known) = held(&self.known) {
            return Ok(known);
        }
        if deadline <= tokio::time::Instant::now() {
            return Err("no time left to ask".to_owned());
        }
        let fqdn = Name::from_ascii(format!("{name}.")).map_err(|fault| fault.to_string())?;
        let asking = self.resolver.lookup(fqdn, RecordType::Unknown(px::TYPE));
        let (known, longest) = match tokio::time::timeout_at(deadline, asking).await {
            Err(_) => return Err("no answer in time".to_owned()),
            Ok(Ok(answer)) => (of_answer(name, &answer), self.config.longest),
            Ok(Err(error)) => (nothing(error)?, self.config.longest_nothing),
        };
        let known = Arc::new(known);
        let seconds = known.ttl.min(longest);
        if seconds > 0 {
            let until = Instant::now() + Duration::from_secs(seconds.into());
            let mut kept = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            kept.keep(&key, Arc::clone(&known), until);
        }
        Ok(known)
    }
}

/// The PX records in an answer; one that cannot be read is as if it were not there.
fn of_answer(name: &str, answer: &Lookup) -> Known {
    let mut records = Vec::new();
    for record in answer.answers() {
        let RData::Unknown { code, rdata } = &record.data else {
            continue;
        };
        if *code != RecordType::Unknown(px::TYPE) {
            continue;
        }
        match Record::decode(&rdata.anything) {
            Ok(record) => records.push(record),
            Err(fault) => tracing::warn!(name, %fault, "PX record ignored"),
        }
    }
    records.sort_by_key(|record| record.preference);
    records.truncate(MOST_RECORDS);
    let ttl = answer.answers().iter().map(|record| record.ttl).min();
    Known {
        records,
        ttl: ttl.unwrap_or_default(),
    }
}

/// That there is no record, if that is what the servers said.
fn nothing(error: NetError) -> Result<Known, String> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            let certain = matches!(
                none.response_code,
                ResponseCode::NXDomain | ResponseCode::NoError
            );
            if !certain {
                return Err(format!("error response: {}", none.response_code));
            }
            // Another server should have been asked, which a resolver would have done.
            if none.soa.is_none() && none.ns.is_some() {
                return Err("the server refers to others; it must resolve names for us".to_owned());
            }
            Ok(Known {
                records: Vec::new(),
                ttl: none.negative_ttl.unwrap_or_default(),
            })
        }
        error => Err(error.to_string()),
    }
}

/// A question, read.
enum Asked<'q> {
    Domain(&'q str),
    Address(Prefix),
}

impl<'q> Asked<'q> {
    fn of(question: &'q Question) -> Result<Self, String> {
        match question {
            Question::Domain(domain) => Ok(Self::Domain(
                domain.strip_suffix('.').unwrap_or(domain.as_str()),
            )),
            Question::Address(text) => text
                .parse()
                .map(Self::Address)
                .map_err(|fault| format!("{text}: {fault}")),
        }
    }

    fn names(&self) -> Vec<String> {
        match self {
            Self::Domain(domain) => px::names_of_domain(domain),
            Self::Address(address) => px::names_of_address(address.levels()),
        }
    }

    /// Whether `record`, found under `name`, is about what was asked for or about a point above it.
    fn covers(&self, record: &Record, name: &str) -> bool {
        let covers = match self {
            Self::Domain(domain) => {
                let above = record.domain();
                domain
                    .len()
                    .checked_sub(above.len())
                    .and_then(|at| domain.split_at_checked(at))
                    .is_some_and(|(below, end)| {
                        end.eq_ignore_ascii_case(above)
                            && (below.is_empty() || below.ends_with('.'))
                    })
            }
            Self::Address(address) => {
                let above = record.address().levels();
                above.len() <= address.levels().len()
                    && lookup_key(above) == lookup_key(address.cut(above.len()))
            }
        };
        if !covers {
            tracing::warn!(name, %record, "PX record ignored: it is about another point");
        }
        covers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(question: &Question, rdata: &str) -> bool {
        let record = rdata.parse().unwrap();
        Asked::of(question).unwrap().covers(&record, "name")
    }

    #[test]
    fn rfc2163_4_1_a_record_is_about_what_was_asked_or_a_point_above() {
        let domain = Question::Domain("Sun.CCE.nrc.it.".to_owned());
        assert!(covers(&domain, "50 cce.nrc.it. C-it."));
        assert!(covers(&domain, "50 sun.cce.nrc.it. C-it."));
        assert!(!covers(&domain, "50 rc.it. C-it."));
        assert!(!covers(&domain, "50 x.sun.cce.nrc.it. C-it."));
        let address = Question::Address("O$top.PRMD$n  F.ADMD$ .C$DE".to_owned());
        assert!(covers(&address, "50 a.de. PRMD-N-b-f.ADMDb.C-de."));
        assert!(!covers(&address, "50 a.de. PRMD-N.ADMDb.C-de."));
        assert!(!covers(
            &address,
            "50 a.de. OU-x.O-top.PRMD-n-b-f.ADMDb.C-de."
        ));
    }

    #[test]
    fn rfc2163_5_only_the_absence_of_a_name_or_record_is_an_answer() {
        use hickory_resolver::net::NoRecords;
        use hickory_resolver::proto::op::Query;
        let none = |code| NetError::from(NoRecords::new(Query::default(), code));
        for code in [ResponseCode::NXDomain, ResponseCode::NoError] {
            assert!(nothing(none(code)).unwrap().records.is_empty());
        }
        for code in [ResponseCode::ServFail, ResponseCode::Refused] {
            assert!(nothing(none(code)).is_err());
            assert!(nothing(NetError::Dns(DnsError::ResponseCode(code))).is_err());
        }
        assert!(nothing(NetError::Timeout).is_err());
    }
}
