//! What tables say that may not be meant: lines without effect, without a way back, without a route.
//!
//! RFC 2156 sections 4.2, 4.3.4, 4.3.5 and appendix F; RFC 1649 section 3.1 (values that map badly). Whether a
//! line leads back is found by mapping there and back, as the gateway would.

use std::collections::HashMap;

use serde::Serialize;

use crate::mixer::address::mcgam::{Place, Row, TableError, TableKind, is_domain_syntax};
use crate::mixer::address::prefix::{DEEPEST, Prefix, lookup_key};
use crate::mixer::address::{Attributes, Key, Role, attributes, syntax, to_rfc822, to_x400};
use crate::mixer::context::Context;
use crate::rfc822::address::AddrSpec;

/// What a remark is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A line above it says the same.
    Shadowed,
    /// What it maps does not come back as it was.
    NoWayBack,
    /// The domain has one label, which routes nowhere.
    OneLabel,
    /// A value is longer than any address may have, or leaves no room.
    Overflow,
    /// A mapping table goes before this line of a gateway table.
    BothTables,
    /// Two keys stand for one name; only one of them can be the way back.
    TwoKeys,
    /// No route leads there.
    Unroutable,
    /// The two names are of different countries, so perhaps not of one authority.
    Authority,
    /// A value that RFC 1649 advises against.
    Doubtful,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Shadowed,
        Self::NoWayBack,
        Self::OneLabel,
        Self::Overflow,
        Self::BothTables,
        Self::TwoKeys,
        Self::Unroutable,
        Self::Authority,
        Self::Doubtful,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Shadowed => "shadowed",
            Self::NoWayBack => "no-way-back",
            Self::OneLabel => "one-label",
            Self::Overflow => "overflow",
            Self::BothTables => "both-tables",
            Self::TwoKeys => "two-keys",
            Self::Unroutable => "unroutable",
            Self::Authority => "authority",
            Self::Doubtful => "doubtful",
        }
    }
}

/// A remark on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// What it is about.
    pub kind: Kind,
    /// Where, what, and by which clause.
    pub told: TableError,
}

/// Looks closely at `rows`, which the tables of `context` hold. `is_routed` tells whether an X.400
/// neighbour has a route for an address, where that is known.
#[must_use]
pub fn lint(
    context: &Context<'_>,
    rows: &[Row],
    is_routed: Option<&dyn Fn(&Attributes) -> bool>,
) -> Vec<Remark> {
    let mut linter = Linter {
        context,
        is_routed,
        firsts: HashMap::new(),
        remarks: Vec::new(),
    };
    rows.iter().for_each(|row| linter.row(row));
    linter.remarks
}

struct Linter<'a> {
    context: &'a Context<'a>,
    is_routed: Option<&'a dyn Fn(&Attributes) -> bool>,
    /// Where a value stands first.
    firsts: HashMap<(TableKind, String), &'a Place>,
    remarks: Vec<Remark>,
}

impl<'a> Linter<'a> {
    fn say(&mut self, kind: Kind, row: &Row, section: &'static str, text: String) {
        let told = row.place.fault(1, section, text);
        self.remarks.push(Remark { kind, told });
    }

    fn row(&mut self, row: &'a Row) {
        if let Some(above) = self.shadowed(row) {
            let text = format!("`{row}` adds nothing to what {above} says");
            self.say(Kind::Shadowed, row, "RFC 2156 F.4", text);
        }
        let one_label = !row.domain.contains('.');
        // As a key of gateways it stands for all domains below it.
        if one_label && row.kind != TableKind::Gate1 {
            let text = format!(
                "mail to the domain `{}` of one label is not routed",
                row.domain
            );
            self.say(Kind::OneLabel, row, "RFC 2156 4.3.5", text);
        }
        self.overflow(row);
        if row.kind.is_of_gateways() {
            self.both(row);
        } else {
            self.doubtful(row);
            if !self.two_keys(row) {
                self.way_back(row, one_label);
            }
        }
        self.unroutable(row);
    }

    /// The line above `row` in the hierarchy that gives the same.
    fn shadowed(&self, row: &Row) -> Option<&'a Place> {
        let tables = self.context.tables;
        let levels = row.point.levels();
        if row.kind.is_by_domain() {
            let (label, above) = row.domain.split_once('.')?;
            let table = match row.kind {
                TableKind::Table1 => &tables.table1,
                _ => &tables.gate1,
            };
            let found = table.lookup(above)?;
            let mut expected = lookup_key(found.prefix.levels());
            if row.kind == TableKind::Table1 {
                let labels = found.rest.rsplit('.').filter(|label| !label.is_empty());
                let labels: Vec<&str> = labels.chain([label]).collect();
                let depth = found.prefix.levels().len();
                let below = levels.get(depth..).filter(|b| b.len() == labels.len())?;
                let same = below.iter().zip(&labels).all(|(level, label)| {
                    let value = level.value.as_deref();
                    value.is_some_and(|value| value.eq_ignore_ascii_case(label))
                });
                expected.push_str(&lookup_key(below));
                same.then_some(())?;
            }
            (expected == lookup_key(levels)).then_some(found.place)
        } else {
            let table = match row.kind {
                TableKind::Table2 => &tables.table2,
                _ => &tables.gate2,
            };
            let found = table.lookup_levels(levels.get(..levels.len().checked_sub(1)?)?)?;
            let mut expected = found.domain.to_owned();
            if row.kind == TableKind::Table2 {
                for level in levels.get(found.depth..)? {
                    let value = level.value.as_deref();
                    let label = value.filter(|value| is_domain_syntax(value))?;
                    expected = format!("{label}.{expected}");
                }
            }
            expected
                .eq_ignore_ascii_case(&row.domain)
                .then_some(found.place)
        }
    }

    fn overflow(&mut self, row: &Row) {
        const SECTION: &str = "X.411 annex B";
        const LONGEST_DOMAIN: usize = 253;
        let point = row.point.attributes();
        if !row.kind.is_by_domain()
            && let Some(fault) = point.iter().find_map(syntax::attribute_out_of_bounds)
        {
            let text = format!("no address is at `{}`: {}", row.point, fault.text);
            self.say(Kind::Overflow, row, SECTION, text);
        }
        if row.domain.len() > LONGEST_DOMAIN {
            let text = format!("a domain has at most {LONGEST_DOMAIN} characters");
            self.say(Kind::Overflow, row, "RFC 1035 2.3.4", text);
        }
        if row.kind == TableKind::Table1 && row.point.levels().len() == DEEPEST {
            let text = format!(
                "no level is left below `{}`: mailboxes of subdomains of {} ride in a domain-defined attribute",
                row.point, row.domain
            );
            self.say(Kind::Overflow, row, SECTION, text);
        }
        let taken = point.all(Key::Dd).count();
        if row.kind == TableKind::Gate1 && taken > 0 {
            let left = (1 + to_x400::CONTINUATIONS.len()).saturating_sub(taken);
            let text = format!(
                "an Internet address there has room for {} characters, since {taken} of four domain-defined attributes are taken",
                left * attributes::DDA_VALUE
            );
            self.say(Kind::Overflow, row, SECTION, text);
        }
    }

    /// A mapping table is asked first, so that a gateway below one of its points is never used.
    fn both(&mut self, row: &Row) {
        let tables = self.context.tables;
        let first = match row.kind {
            TableKind::Gate1 => tables.table1.lookup(&row.domain).map(|found| found.place),
            _ => tables
                .table2
                .lookup_levels(row.point.levels())
                .map(|found| found.place),
        };
        if let Some(first) = first {
            let text = match row.kind {
                TableKind::Gate1 => format!("`{row}` is never used: {first} goes before it"),
                _ => format!("`{row}` is used only where {first} does not lead back"),
            };
            self.say(Kind::BothTables, row, row.kind.section(), text);
        }
    }

    /// Whether another line before `row` has its value.
    fn two_keys(&mut self, row: &'a Row) -> bool {
        let value = if row.kind.is_by_domain() {
            lookup_key(row.point.levels())
        } else {
            row.domain.to_ascii_lowercase()
        };
        let first = *self.firsts.entry((row.kind, value)).or_insert(&row.place);
        if *first == row.place {
            return false;
        }
        let text = format!("`{row}` gives what {first} gives: only one can be the way back");
        self.say(Kind::TwoKeys, row, "RFC 2156 4.2", text);
        true
    }

    /// Maps somebody at the line's key, or below it, there and back.
    fn way_back(&mut self, row: &Row, below: bool) {
        let fault = match row.kind {
            TableKind::Table1 if below => self.mailbox_back(&format!("below.{}", row.domain)),
            TableKind::Table1 => self.mailbox_back(&row.domain),
            _ => self.address_back(row, below),
        };
        if let Some(text) = fault {
            self.say(Kind::NoWayBack, row, "RFC 2156 4.3.5", text);
        }
    }

    fn mailbox_back(&self, domain: &str) -> Option<String> {
        let mailbox = AddrSpec::new("somebody", domain).ok()?;
        let genuine = to_x400::stage_1(self.context, &mailbox);
        let address = match genuine {
            Ok(mapped) => mapped.value,
            Err(genuine) => {
                return Some(format!(
                    "{mailbox} rides in a domain-defined attribute: {}",
                    genuine.why
                ));
            }
        };
        let back = to_rfc822::map(self.context, &address, Role::Heading).ok()?;
        (!back.value.is_same_mailbox(&mailbox)).then(|| {
            format!(
                "{mailbox} becomes {address}, which goes back as {} ({})",
                back.value, back.rule
            )
        })
    }

    fn address_back(&self, row: &Row, below: bool) -> Option<String> {
        let mut address = row.point.attributes();
        let mut domain = row.domain.clone();
        if below {
            let deeper = [
                Key::Admd,
                Key::Prmd,
                Key::O,
                Key::Ou,
                Key::Ou,
                Key::Ou,
                Key::Ou,
            ];
            let key = deeper.get(row.point.levels().len().checked_sub(1)?)?;
            address.push(*key, "below");
            domain = format!("below.{domain}");
        }
        address.push(Key::S, "somebody");
        let mapped = to_rfc822::map(self.context, &address, Role::Heading).ok()?;
        if mapped.value.domain().eq_ignore_ascii_case(&domain) {
            return None;
        }
        let why = match self.context.tables.table1.lookup(&row.domain) {
            None => format!("table1 does not have {}", row.domain),
            Some(found) => format!("{} has {}", found.place, found.prefix),
        };
        Some(format!("{address} becomes {}: {why}", mapped.value))
    }

    fn unroutable(&mut self, row: &Row) {
        let Some(is_routed) = self.is_routed else {
            return;
        };
        if row.kind.is_by_domain() {
            let mut address = row.point.attributes();
            address.push(Key::S, "somebody");
            if !is_routed(&address) {
                let text = format!("no X.400 neighbour has a route for `{}`", row.point);
                self.say(Kind::Unroutable, row, "RFC 2156 4.3.4", text);
            }
        } else if self.context.gateway.is_ours(&row.domain) {
            let text = format!("mail to {} comes back to this gateway", row.domain);
            self.say(Kind::Unroutable, row, "RFC 2156 4.3.5", text);
        }
    }

    fn doubtful(&mut self, row: &Row) {
        for level in row.point.levels() {
            let Some(value) = level.value.as_deref() else {
                continue;
            };
            let (fault, section) = if level.key == Key::C {
                (country_fault(value), "RFC 1649 3.1.1")
            } else {
                (value_fault(level.key, value), "RFC 1649 3.1.6")
            };
            if let Some(fault) = fault {
                let text = format!("{} `{value}` {fault}", level.key.row().name);
                self.say(Kind::Doubtful, row, section, text);
            }
        }
        if let Some(text) = foreign(&row.domain, &row.point) {
            self.say(Kind::Authority, row, "RFC 2156 4.2", text);
        }
    }
}

/// Two letters or three digits (ISO 3166, X.121).
fn country_fault(value: &str) -> Option<&'static str> {
    let letters = value.len() == 2 && value.bytes().all(|octet| octet.is_ascii_alphabetic());
    let digits = value.len() == 3 && value.bytes().all(|octet| octet.is_ascii_digit());
    (!letters && !digits).then_some("is no code of two letters or three digits")
}

/// Letters, digits and hyphens inside; an ADMD of a single space says that there is none.
fn value_fault(key: Key, value: &str) -> Option<&'static str> {
    let none = key == Key::Admd && value.trim().is_empty();
    (!none && !is_domain_syntax(value)).then_some("is not of letters, digits and hyphens inside")
}

/// Whether the domain lies below a country other than the point.
fn foreign(domain: &str, point: &Prefix) -> Option<String> {
    let top = domain.rsplit('.').next()?.to_ascii_lowercase();
    let country = point
        .levels()
        .first()?
        .value
        .as_deref()?
        .to_ascii_lowercase();
    let two_letters = |text: &str| text.len() == 2 && text.bytes().all(|o| o.is_ascii_lowercase());
    let plain = |code: &str| {
        if code == "uk" {
            "gb".to_owned()
        } else {
            code.to_owned()
        }
    };
    let differ = two_letters(&top) && two_letters(&country) && plain(&top) != plain(&country);
    differ.then(|| format!("does one authority hold {domain} and `{point}`?"))
}
