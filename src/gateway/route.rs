//! Where a recipient goes: O/R routes by the longest match, with wildcards, cost and alternates.
//!
//! A route names a destination by the recipient, never by the side a message came in from. What may
//! pass from a side back to the same side is a decision of its own ([`Crossing`]), refused unless
//! configured.

pub use crate::config::{QUARANTINE, SMTP, UNREACHABLE};
use crate::config::{Route, Routing};
use crate::mixer::address::{Attribute, Attributes, Key};

/// The two sides, as far as crossing them matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The Internet.
    Smtp,
    /// The X.400 world.
    X400,
}

/// Whether a message may go from the side it came in to the side of its recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossing {
    /// It may.
    Allowed,
    /// It would leave on the side it came in, and that is not configured.
    Relaying,
}

/// All routes, ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    config: Routing,
    routes: Vec<Route>,
}

impl Routes {
    /// Puts together the routes that stand with the peers and those of `[routing]`.
    ///
    /// `own` is the address under which encapsulated Internet addresses live: it leads to SMTP.
    #[must_use]
    pub fn new(config: Routing, own: &Attributes, peers: impl IntoIterator<Item = Route>) -> Self {
        let own = Route {
            address: own.clone(),
            to: SMTP.into(),
            cost: 0,
            weight: 1,
        };
        let mut routes: Vec<Route> = peers
            .into_iter()
            .chain(config.routes.iter().cloned())
            .collect();
        routes.push(own);
        // The most telling first, and among equals the cheapest: the first match decides.
        routes.sort_by_key(|route| (std::cmp::Reverse(weight(&route.address)), route.cost));
        Self { config, routes }
    }

    /// The destinations of `address`, best first; empty when there is none.
    ///
    /// The longest match decides; the further entries are its alternates of the same length.
    #[must_use]
    pub fn destinations(&self, address: &Attributes) -> Vec<&str> {
        let mut destinations: Vec<&str> = Vec::new();
        let mut found = None;
        for route in self
            .routes
            .iter()
            .filter(|route| lies_under(address, &route.address))
        {
            let weight = weight(&route.address);
            if *found.get_or_insert(weight) != weight {
                break;
            }
            if !destinations.contains(&route.to.as_str()) {
                destinations.push(&route.to);
            }
        }
        destinations
    }

    /// `peer` and those that have every route it has, in the order of cost.
    #[must_use]
    pub fn alternates_of<'a>(&'a self, peer: &'a str) -> Vec<&'a str> {
        let of = |name: &str| {
            self.routes
                .iter()
                .filter(move |route| route.to == name)
                .collect::<Vec<_>>()
        };
        let own = of(peer);
        let mut alternates = vec![peer];
        for route in &self.routes {
            let others = of(&route.to);
            let serves_all = own
                .iter()
                .all(|own| others.iter().any(|other| other.address == own.address));
            if route.to != SMTP
                && serves_all
                && !alternates.contains(&route.to.as_str())
                && !own.is_empty()
            {
                alternates.push(&route.to);
            }
        }
        alternates
    }

    /// The peers that may take an item routed to `peer`, in the order they are tried: cheapest first,
    /// and of those that cost the same each comes first for its share of the items, by weight.
    ///
    /// `seed` tells items apart: the same item has the same order at every attempt. One of weight 0
    /// comes after its equals.
    #[must_use]
    pub fn in_turn<'a>(&'a self, peer: &'a str, mut seed: u32) -> Vec<&'a str> {
        let mut left = self.alternates_of(peer);
        let mut turns = Vec::with_capacity(left.len());
        while let Some(first) = left.first() {
            let cost = self.terms(first, peer).0;
            let equal = left
                .iter()
                .take_while(|name| self.terms(name, peer).0 == cost);
            let weights: Vec<u32> = equal.map(|name| self.terms(name, peer).1).collect();
            let total = weights
                .iter()
                .fold(0, |sum: u32, weight| sum.saturating_add(*weight));
            let mut at = seed.checked_rem(total).unwrap_or(0);
            let chosen = weights.iter().position(|weight| {
                let here = at < *weight;
                at = at.saturating_sub(*weight);
                here
            });
            turns.push(left.remove(chosen.unwrap_or(0)));
            seed = seed.wrapping_mul(0x9e37_79b9).rotate_left(13);
        }
        turns
    }

    /// The peers that share what is routed to `peer`: those that cost no more, itself among them.
    pub fn sharers_of<'a>(&'a self, peer: &'a str) -> impl Iterator<Item = &'a str> {
        let cost = self.terms(peer, peer).0;
        let alternates = self.alternates_of(peer).into_iter();
        alternates.filter(move |name| *name == peer || self.terms(name, peer) <= (cost, u32::MAX))
    }

    /// What it costs to send by `name` what is routed to `peer`, and the weight of that route.
    fn terms(&self, name: &str, peer: &str) -> (u32, u32) {
        let mut routes = self.routes.iter();
        let own = routes.find(|route| route.to == peer);
        let mut same = self.routes.iter().filter(|route| {
            route.to == name && own.is_some_and(|own| own.address == route.address)
        });
        same.next()
            .map_or((0, 1), |route| (route.cost, route.weight))
    }

    /// Whether what came in from one side may go out on another.
    #[must_use]
    pub fn crossing(&self, from: Side, to: Side) -> Crossing {
        let allowed = match (from, to) {
            (Side::Smtp, Side::Smtp) => self.config.smtp_to_smtp,
            (Side::X400, Side::X400) => self.config.x400_to_x400,
            (Side::Smtp, Side::X400) | (Side::X400, Side::Smtp) => true,
        };
        if allowed {
            Crossing::Allowed
        } else {
            Crossing::Relaying
        }
    }
}

/// How telling a pattern is: how many attributes it names, then how many it names exactly.
fn weight(pattern: &Attributes) -> (usize, usize) {
    let exact = pattern
        .iter()
        .filter(|attribute| !attribute.value.ends_with('*'))
        .count();
    (pattern.len(), exact)
}

/// Whether `address` has every attribute that `pattern` names.
fn lies_under(address: &Attributes, pattern: &Attributes) -> bool {
    let mut units = address.all(Key::Ou);
    pattern.iter().all(|wanted| match wanted.key {
        // Organizational units match from the most significant down.
        Key::Ou => units
            .next()
            .is_some_and(|unit| is_like(unit, &wanted.value)),
        Key::Dd => domain_defined(address, wanted),
        key => address
            .get(key)
            .is_some_and(|value| is_like(value, &wanted.value)),
    })
}

fn domain_defined(address: &Attributes, wanted: &Attribute) -> bool {
    address
        .domain_defined(&wanted.dd_type)
        .is_some_and(|value| is_like(value, &wanted.value))
}

/// Whether `value` is what `pattern` names: case and runs of spaces do not count.
fn is_like(value: &str, pattern: &str) -> bool {
    let (value, pattern) = (squeezed(value), squeezed(pattern));
    match pattern.strip_suffix('*') {
        Some(start) => value.starts_with(start),
        None => value == pattern,
    }
}

fn squeezed(value: &str) -> String {
    value
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_peer_may_have_the_name_of_a_route_that_leads_to_none() {
        for route in [SMTP, UNREACHABLE, QUARANTINE] {
            assert!(crate::config::RESERVED.contains(&route), "{route}");
        }
    }

    fn route(address: &str, to: &str, cost: u32) -> Route {
        Route {
            address: address.parse().unwrap(),
            to: to.into(),
            cost,
            weight: 1,
        }
    }

    fn routes() -> Routes {
        Routes::new(
            Routing::default(),
            &"/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/".parse().unwrap(),
            [
                route("/ADMD=*/C=GB/", "country", 0),
                route("/PRMD=*/ADMD=HUB/C=GB/", "hub", 10),
                route("/PRMD=*/ADMD=HUB/C=GB/", "spare", 20),
                route("/PRMD=Sales/ADMD=HUB/C=GB/", "sales", 50),
                route("/OU=East/OU=Old/O=Org/ADMD= /C=GB/", "east", 0),
                route("/PRMD=AB*/ADMD= /C=GB/", "prefix", 0),
            ],
        )
    }

    fn to(address: &str) -> Vec<String> {
        let address: Attributes = address.parse().unwrap();
        routes()
            .destinations(&address)
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_longest_match_decides_and_its_equals_are_alternates_by_cost() {
        assert_eq!(to("/S=X/PRMD=Any/ADMD=hub/C=gb/"), ["hub", "spare"]);
        assert_eq!(to("/S=X/PRMD=sales/ADMD=HUB/C=GB/"), ["sales"]);
        assert_eq!(to("/S=X/ADMD=Other/C=GB/"), ["country"]);
        assert!(to("/S=X/ADMD=Other/C=FR/").is_empty());
    }

    #[test]
    fn a_star_stands_for_any_value_and_for_the_rest_of_one() {
        assert_eq!(to("/S=X/PRMD=Abba/ADMD= /C=GB/"), ["prefix"]);
        assert_eq!(to("/S=X/PRMD=Ba/ADMD= /C=GB/"), ["country"]);
        assert_eq!(
            to("/S=X/ADMD=HUB/C=GB/"),
            ["country"],
            "a star wants the attribute to be there"
        );
    }

    #[test]
    fn organizational_units_match_from_the_most_significant_down() {
        assert_eq!(to("/S=X/OU=East/OU=Old/O=Org/ADMD= /C=GB/"), ["east"]);
        assert_eq!(to("/S=X/OU=Old/OU=East/O=Org/ADMD= /C=GB/"), ["country"]);
    }

    #[test]
    fn an_alternate_has_every_route_of_the_peer() {
        assert_eq!(routes().alternates_of("hub"), ["hub", "spare"]);
        assert_eq!(routes().alternates_of("sales"), ["sales"]);
        assert_eq!(routes().alternates_of("nobody"), ["nobody"]);
    }

    #[test]
    fn peers_that_cost_the_same_share_by_weight_and_the_dearer_come_after() {
        let weighted = |to, cost, weight| Route {
            weight,
            ..route("/ADMD=HUB/C=GB/", to, cost)
        };
        let routes = Routes::new(
            Routing::default(),
            &"/O=Gateway/ADMD= /C=GB/".parse().unwrap(),
            [
                weighted("dear", 9, 1),
                weighted("big", 5, 3),
                weighted("small", 5, 1),
                weighted("reserve", 5, 0),
            ],
        );
        let mut first = std::collections::BTreeMap::new();
        for seed in 0..4000_u32 {
            let turns = routes.in_turn("big", seed);
            assert_eq!(turns[3], "dear");
            assert_eq!(turns[2], "reserve");
            assert_eq!(turns, routes.in_turn("big", seed), "at every attempt");
            *first.entry(turns[0]).or_insert(0) += 1;
        }
        assert_eq!(
            first.into_iter().collect::<Vec<_>>(),
            [("big", 3000), ("small", 1000)]
        );
        let sharers: Vec<&str> = routes.sharers_of("big").collect();
        assert_eq!(sharers, ["big", "small", "reserve"]);
        assert_eq!(routes.in_turn("nobody", 7), ["nobody"]);
    }

    #[test]
    fn our_own_address_leads_to_smtp() {
        assert_eq!(
            to("/DD.RFC-822=a(a)b.c/O=gateway/PRMD=EXAMPLE/ADMD= /C=GB/"),
            [SMTP]
        );
    }

    #[test]
    fn a_side_is_left_on_the_other_side_unless_configured() {
        let routes = routes();
        assert_eq!(routes.crossing(Side::Smtp, Side::X400), Crossing::Allowed);
        assert_eq!(routes.crossing(Side::X400, Side::Smtp), Crossing::Allowed);
        assert_eq!(routes.crossing(Side::Smtp, Side::Smtp), Crossing::Relaying);
        assert_eq!(routes.crossing(Side::X400, Side::X400), Crossing::Relaying);
    }
}
