//! What a gateway decides by: its configuration, the tables and routes it names, loaded whole.
//!
//! [`Rules`] never change; a reload makes new ones. The command line converts by the same rules as
//! the service.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::clock;
use super::route::{Crossing, Routes, SMTP, Side};
use crate::config::{Config, Problem, Route};
use crate::mixer::address::mcgam::{TableKind, Tables};
use crate::mixer::address::{Attributes, Role, to_rfc822, to_x400};
use crate::mixer::context::{Context, Edition, PeerProfile};
use crate::mixer::domain;
use crate::mixer::outcome::{Refusal, Status, Unconverted};
use crate::mixer::profile::{Layer, SHIPPED};
use crate::queue::Priority;
use crate::queue::schedule::Schedule;
use crate::rfc822::AddrSpec;
use crate::x400::config::Mode;
use crate::x400::transfer::relay::Here;

/// What is delivered over SMTP, as the queue names it.
pub const MAIL: &str = "mail";
/// What is delivered over P1, as the queue names it.
pub const P22: &str = "p22";
/// A report delivered over P1, as the queue names it.
pub const REPORT: &str = "report";

/// A configuration and all it names.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Where the configuration was read.
    pub file: PathBuf,
    /// The configuration.
    pub config: Config,
    /// The mapping tables.
    pub tables: Tables,
    routes: Routes,
    /// What each peer can read, and the profiles that come with the gateway.
    profiles: BTreeMap<String, PeerProfile>,
    /// What any other is taken to read.
    profile: PeerProfile,
}

/// Where a recipient goes, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Placed {
    /// The route: a peer, or `smtp`.
    pub route: String,
    /// What it is given.
    pub content_type: &'static str,
    /// The recipient on the side it goes to, in text.
    pub address: String,
}

impl Rules {
    /// Loads a configuration file and all it names.
    ///
    /// # Errors
    /// Every fault found.
    pub fn load(path: &Path) -> Result<Self, Vec<Problem>> {
        let (config, contents) = Config::load(path)?;
        Self::of(config, path, &contents)
    }

    /// Loads what a configuration names; `contents` is its text, to show faults in.
    ///
    /// # Errors
    /// Every fault found.
    pub fn of(config: Config, path: &Path, contents: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut tables = Tables::default();
        for file in &config.mapping.tables {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let Some(kind) = TableKind::of_file_name(&name) else {
                let text = "a table is called table1, table2, gate1 or gate2 (RFC 2156 appendix F)";
                problems.push(Problem::of_value(path, contents, &name, text));
                continue;
            };
            match fs::read_to_string(file) {
                Ok(text) => {
                    if let Err(errors) = tables.load(kind, &file.to_string_lossy(), &text) {
                        problems.extend(errors.iter().map(|error| {
                            let what = format!("{} ({})", error.text, error.section);
                            Problem::on_line(file, &text, error.line, what)
                        }));
                    }
                }
                Err(error) => problems.push(Problem::of_file(file, error.to_string())),
            }
        }
        let mut profiles = profiles(&config, path, contents, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let peers = config.x400.peer.iter().flat_map(|peer| {
            // `Config::parse` has refused a route that is no address.
            let addresses = peer
                .routes
                .iter()
                .filter_map(|route| route.parse::<Attributes>().ok());
            addresses.map(|address| Route {
                address,
                to: peer.name.clone(),
                cost: peer.cost,
                weight: peer.weight.unwrap_or(1),
            })
        });
        let routes = Routes::new(config.routing.clone(), &config.gateway.address, peers);
        // What is made for a peer must be what each of its alternates can read.
        let peers = &config.x400.peer;
        let is_old = |name: &str| {
            peers
                .iter()
                .any(|p| p.name == name && p.mode == Mode::Of1984)
        };
        for peer in peers {
            if routes.alternates_of(&peer.name).into_iter().any(is_old)
                && let Some(profile) = profiles.get_mut(&peer.name)
            {
                profile.edition = Edition::Of1984;
            }
        }
        Ok(Self {
            file: path.to_owned(),
            tables,
            routes,
            profiles,
            profile: PeerProfile::default(),
            config,
        })
    }

    /// What the peer of this name can read; also, where no peer has the name, a profile that comes
    /// with the gateway.
    #[must_use]
    pub fn profile(&self, name: &str) -> Option<&PeerProfile> {
        self.profiles.get(name)
    }

    /// What a conversion of the item `id`, which came at `arrived`, for `route` may know.
    #[must_use]
    pub fn context(&self, id: impl ToString, arrived: Timestamp, route: &str) -> Context<'_> {
        Context {
            id: id.to_string(),
            now: clock::in_place(arrived),
            gateway: &self.config.gateway,
            tables: &self.tables,
            peer: self.profile(route).unwrap_or(&self.profile),
        }
    }

    /// The MTA we are, as trace names it to the neighbour of `route`; none if our domain has no country.
    #[must_use]
    pub fn here(&self, route: &str) -> Option<Here> {
        let context = self.context("", Timestamp::UNIX_EPOCH, route);
        let ours = context.gateway.global_domains();
        Some(Here {
            domain: context.domain()?,
            ours: ours.filter_map(domain::of_address).collect(),
            mta: context.gateway.mta.as_str().into(),
        })
    }

    /// When an item that came at `arrived` is given up.
    #[must_use]
    pub fn expires(&self, arrived: Timestamp, priority: Priority) -> Timestamp {
        self.schedule().expires(priority, arrived)
    }

    /// When to try again, and when to give up.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.config.queue.schedule
    }

    /// The routes, by which peers stand in for each other.
    #[must_use]
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Where a recipient of mail goes.
    ///
    /// # Errors
    /// It cannot be reached, cannot be said in X.400, or would be relayed where that is not
    /// allowed. Only `trusted` clients may relay.
    pub fn place_mail(&self, address: &AddrSpec, trusted: bool) -> Result<Placed, Refusal> {
        let crossing = self.routes.crossing(Side::Smtp, Side::Smtp);
        self.place(address, trusted && crossing == Crossing::Allowed)
    }

    /// Where a report of our own to a sender of mail goes.
    ///
    /// # Errors
    /// It cannot be reached.
    pub fn place_report(&self, sender: &AddrSpec) -> Result<Placed, Refusal> {
        self.place(sender, true)
    }

    /// Where a report of our own to an X.400 originator goes: where its address is routed, else back
    /// to the neighbour the subject came from.
    ///
    /// # Errors
    /// It cannot be reached.
    pub fn place_back(&self, originator: &Attributes, peer: &str) -> Result<Placed, Refusal> {
        let to_peer = |name: &str| Placed {
            route: name.to_owned(),
            content_type: REPORT,
            address: originator.to_string(),
        };
        match self.routes.destinations(originator).first() {
            Some(route) if *route != SMTP => Ok(to_peer(route)),
            _ if self.config.x400.peer.iter().any(|known| known.name == peer) => Ok(to_peer(peer)),
            _ => self.place_or_address(originator, Side::X400),
        }
    }

    /// Where mail for this address goes, if it is the postmaster of one of our domains (RFC 5321
    /// section 4.5.1).
    #[must_use]
    pub fn postmaster(&self, address: &AddrSpec) -> Option<&str> {
        let gateway = &self.config.gateway;
        let ours = address.domain().is_empty() || gateway.is_ours(address.domain());
        let is_postmaster = ours && address.local().eq_ignore_ascii_case("postmaster");
        is_postmaster.then_some(gateway.postmaster.as_str())
    }

    fn place(&self, address: &AddrSpec, may_relay: bool) -> Result<Placed, Refusal> {
        if let Some(postmaster) = self.postmaster(address) {
            return Ok(smtp(postmaster.to_owned()));
        }
        let ours = address.domain().is_empty() || self.config.gateway.is_ours(address.domain());
        let relayed = |mailbox: &AddrSpec| {
            if may_relay {
                Ok(smtp(mailbox.to_string()))
            } else {
                let text =
                    format!("<{mailbox}> is an Internet address: relaying is not allowed here");
                Err(forbidden(NO_DL_SUBMIT_PERMISSION, text))
            }
        };
        let context = self.context("", Timestamp::UNIX_EPOCH, "");
        let mapped = to_x400::map(&context, address, Role::Recipient).map_err(refusal)?;
        let text = mapped.value.to_string();
        // Nothing but an encapsulation says an Internet address in X.400.
        let encapsulated = to_rfc822::mapping_a(&context, &mapped.value)
            .transpose()
            .map_err(|why| unroutable(&text, &why))?;
        let island = self.config.routing.is_island(address.domain());
        let routed = match &encapsulated {
            // A preferred gateway is for replies: it alone converts nothing (RFC 2156 section 4.3.4).
            Some(mailbox)
                if mailbox.is_same_mailbox(address)
                    && !island
                    && to_x400::of_domain(&context, address.domain()).is_none() =>
            {
                None
            }
            _ => {
                let beside = to_rfc822::beside_rfc_822(&context, &mapped.value);
                self.routes.destinations(&beside).first().copied()
            }
        };
        match (routed.filter(|route| *route != SMTP), encapsulated) {
            // What the sender of a source route wants another to relay, we must want, too.
            (Some(_), Some(mailbox)) if !mailbox.is_same_mailbox(address) && !may_relay => {
                relayed(&mailbox)
            }
            (Some(peer), _) => Ok(Placed {
                route: peer.to_owned(),
                content_type: P22,
                address: text,
            }),
            (None, _) if island => Err(unroutable(
                &text,
                "its domain is reached through X.400, and no neighbour has a route for it",
            )),
            (None, Some(mailbox)) if self.config.gateway.is_ours(mailbox.domain()) => Err(
                unroutable(&mailbox.to_string(), "it leads back to this gateway"),
            ),
            (None, Some(mailbox)) => relayed(&mailbox),
            (None, None) if ours && routed.is_none() => {
                Err(unroutable(&text, "no X.400 neighbour has a route for it"))
            }
            (None, None) => relayed(address),
        }
    }

    /// Where a recipient named by an O/R address goes, coming from `side`.
    ///
    /// # Errors
    /// It cannot be reached, cannot be said in Internet mail, or would be relayed where that is not
    /// allowed.
    pub fn place_or_address(&self, address: &Attributes, side: Side) -> Result<Placed, Refusal> {
        let route = self.routes.destinations(address).first().copied();
        match route {
            Some(peer) if peer != SMTP => match self.routes.crossing(side, Side::X400) {
                Crossing::Allowed => Ok(Placed {
                    route: peer.to_owned(),
                    content_type: P22,
                    address: address.to_string(),
                }),
                Crossing::Relaying => Err(forbidden(
                    NO_BILATERAL_AGREEMENT,
                    format!("{address}: relaying between X.400 neighbours is not allowed here"),
                )),
            },
            _ => {
                let context = self.context("", Timestamp::UNIX_EPOCH, "");
                let mailbox = to_rfc822::map(&context, address, Role::Recipient)
                    .map_err(refusal)?
                    .value;
                if let Some(postmaster) = self.postmaster(&mailbox) {
                    return Ok(smtp(postmaster.to_owned()));
                }
                if self.config.gateway.is_ours(mailbox.domain()) {
                    return Err(unroutable(
                        &address.to_string(),
                        "no table and no route has it",
                    ));
                }
                Ok(smtp(mailbox.to_string()))
            }
        }
    }
}

/// The profiles that come with the gateway, and those of the peers, each made up of the one it names
/// and of the keys it has otherwise.
fn profiles(
    config: &Config,
    path: &Path,
    contents: &str,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, PeerProfile> {
    let shipped = SHIPPED.iter().map(|(name, _)| (*name, Some(*name), None));
    let peers = config.x400.peer.iter().map(|peer| {
        let otherwise = config.mapping.profile.get(&peer.name);
        (peer.name.as_str(), peer.profile.as_deref(), otherwise)
    });
    let mut profiles = BTreeMap::new();
    for (name, named, otherwise) in shipped.chain(peers) {
        let layer = named.map(|named| layer(named, path, contents));
        match layer.transpose() {
            Ok(layer) => match PeerProfile::of(layer.iter().chain(otherwise)) {
                Ok(PeerProfile {
                    domain: Some(domain),
                    ..
                }) if !config.gateway.global_domains().any(|ours| *ours == domain) => {
                    let text = format!("{domain} is not among [gateway] other-global-domains");
                    problems.push(Problem::of_value(path, contents, name, text));
                }
                Ok(profile) => {
                    profiles.insert(name.to_owned(), profile);
                }
                Err(error) => problems.push(Problem::of_file(path, error.to_string())),
            },
            Err(problem) => problems.push(problem),
        }
    }
    profiles
}

/// A profile by its name: a file if that ends in `.toml`, else one that comes with the gateway.
fn layer(name: &str, path: &Path, contents: &str) -> Result<Layer, Problem> {
    if name.ends_with(".toml") {
        let file = Path::new(name);
        let text =
            fs::read_to_string(file).map_err(|error| Problem::of_file(file, error.to_string()))?;
        return Layer::parse(&text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            Problem::at(file, &text, offset, error.message())
        });
    }
    let shipped = Layer::shipped(name).ok_or_else(|| {
        let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
        let text = format!("a profile is a .toml file, or one of {}", names.join(", "));
        Problem::of_value(path, contents, name, text)
    })?;
    shipped.map_err(|error| Problem::of_file(Path::new(name), error.to_string()))
}

fn smtp(address: String) -> Placed {
    Placed {
        route: SMTP.to_owned(),
        content_type: MAIL,
        address,
    }
}

/// The refusal in an answer that has no questions left: all name services are tables.
pub fn refusal(unconverted: Unconverted) -> Refusal {
    match unconverted {
        Unconverted::Refused(refusal) => refusal,
        Unconverted::Missing(_) => Refusal {
            section: "4.2.1",
            status: Status(4, 4, 3),
            reason: 1,
            diagnostic: Some(2),
            text: "a directory has not answered yet".into(),
        },
    }
}

/// X.411 diagnostics of what is not passed on though it could be.
const NO_BILATERAL_AGREEMENT: u32 = 17;
const NO_DL_SUBMIT_PERMISSION: u32 = 29;

fn forbidden(diagnostic: u32, text: String) -> Refusal {
    Refusal {
        section: "4.3.4",
        status: Status(5, 7, 1),
        reason: 1,
        diagnostic: Some(diagnostic),
        text,
    }
}

fn unroutable(address: &str, why: &str) -> Refusal {
    Refusal {
        section: "4.3.4",
        status: Status(5, 1, 1),
        reason: 1,
        diagnostic: Some(0),
        text: format!("{address}: {why}"),
    }
}

#[cfg(test)]
mod tests;
