//! A gateway with tables of its own, for the examples.

use mixgate::mixer::address::mcgam::{TableKind, Tables};
use mixgate::mixer::address::{Attributes, Role, syntax, to_rfc822, to_x400};
use mixgate::mixer::context::{Context, Gateway, PeerProfile};
use mixgate::rfc822::address::AddrSpec;

pub const UK_AC: (&str, &str) = ("AC.UK", r"PRMD$UK\.AC.ADMD$GOLD 400.C$GB");
pub const WIDGET: (&str, &str) = ("Widget.COM", "O$Widget.PRMD$@.ADMD$BTT.C$TC");

/// A gateway with tables of its own.
pub struct World {
    pub gateway: Gateway,
    pub tables: Tables,
    pub peer: PeerProfile,
}

impl World {
    /// A gateway `gw.example.org` at `address`, with the lines of its tables.
    pub fn new(address: &str, tables: &[(TableKind, &str)]) -> Self {
        let mut loaded = Tables::default();
        for (kind, text) in tables {
            loaded
                .load(*kind, "t", text)
                .expect("a table without fault");
        }
        Self {
            gateway: Gateway {
                name: "gw.example.org".into(),
                address: address.parse().expect("an address"),
                ..Gateway::default()
            },
            tables: loaded,
            peer: PeerProfile::default(),
        }
    }

    /// A gateway with both tables for each pair of a domain and a point.
    pub fn with_pairs(pairs: &[(&str, &str)]) -> Self {
        let mut world = Self::new("/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/", &[]);
        for (domain, point) in pairs {
            let (one, two) = (format!("{domain}#{point}#"), format!("{point}#{domain}#"));
            world
                .tables
                .load(TableKind::Table1, "table1", &one)
                .expect("a line");
            world
                .tables
                .load(TableKind::Table2, "table2", &two)
                .expect("a line");
        }
        world
    }

    pub fn context(&self) -> Context<'_> {
        Context {
            id: "01J00000000000000000000000".into(),
            now: "2026-01-02T03:04:05+01:00[+01:00]".parse().expect("a time"),
            gateway: &self.gateway,
            tables: &self.tables,
            peer: &self.peer,
        }
    }

    pub fn x400(&self, mailbox: &str, role: Role) -> String {
        let mapped = to_x400::map(&self.context(), &addr(mailbox), role);
        mapped.map_or_else(|error| error.to_string(), |mapped| mapped.value.to_string())
    }

    pub fn mailbox(&self, address: &str) -> String {
        let mapped = to_rfc822::map(&self.context(), &or(address), Role::Recipient);
        mapped.map_or_else(|error| error.to_string(), |mapped| mapped.value.to_string())
    }

    /// Both are each other's mapping.
    pub fn symmetrical(&self, mailbox: &str, address: &str) {
        assert_eq!(self.mailbox(address), mailbox);
        let back = to_x400::map(&self.context(), &addr(mailbox), Role::Recipient).expect("mapped");
        assert!(
            syntax::equivalent(&back.value, &or(address)),
            "{mailbox} gives {}",
            back.value
        );
    }
}

pub fn addr(text: &str) -> AddrSpec {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub fn or(text: &str) -> Attributes {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}
