//! Trace: Date, Received and X400-Received become trace of domains and of MTAs; loops are seen here.
//!
//! RFC 2156 section 5.1.6, and the counting of conversions of 5.1.5. Fields are read from the bottom
//! of the header to its top, which is the order in which they were written.

use super::received;
use crate::asn1::bounds::UB_TRANSFERS;
use crate::asn1::mta::{
    Attempted, DomainSuppliedInformation, InternalTraceInformation,
    InternalTraceInformationElement, MTASuppliedInformation, OtherActions, RoutingAction,
    TraceInformation, TraceInformationElement,
};
use crate::asn1::mts::{GlobalDomainIdentifier, MTAName, Time as UtcTime};
use crate::mixer::address::Attributes;
use crate::mixer::basic::time::Time;
use crate::mixer::context::Context;
use crate::mixer::domain;
use crate::mixer::encoded_types::EncodedTypes;
use crate::mixer::outcome::{Ledger, Refusal, Status};
use crate::rfc822::{Field, Header, date};

/// More conversions in one direction than this are a loop (section 5.1.5).
const MOST_CONVERSIONS: u32 = 5;
/// The longest name of an MTA.
const MTA_NAME: usize = 32;

/// Both traces of a message, the oldest element first.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Of domains.
    pub external: TraceInformation,
    /// Of MTAs.
    pub internal: InternalTraceInformation,
    /// Whether the Date field gave the first element, so that it needs no other home.
    pub date_is_carried: bool,
}

/// Who sent the message, as far as trace is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Originator<'a> {
    /// The O/R address; absent for the null reverse-path.
    pub address: Option<&'a Attributes>,
    /// The Internet domain.
    pub domain: Option<&'a str>,
}

/// The trace of a message, without the element of this conversion.
///
/// # Errors
/// If the message has been converted too often, or has more elements than X.411 allows: a loop.
pub fn trace(
    context: &Context<'_>,
    header: &Header,
    originator: Originator<'_>,
    ledger: &mut Ledger,
) -> Result<Trace, Refusal> {
    let local = context.domain().unwrap_or_default();
    let mut building = Building {
        trace: Trace::default(),
        latest: Time::from(&context.now),
        towards_mail: 0,
        towards_x400: 0,
    };
    if header.first("X400-Received").is_none() {
        building.origin(context, header, originator, &local);
    }
    for field in header.fields.iter().rev() {
        if field.is("Received") {
            building.received(context, field, &local);
            ledger.field("Received", "trace-information", "5.1.6");
        } else if field.is("X400-Received") {
            if building.x400_received(&field.text()).is_none() {
                ledger.note(
                    "X400-Received",
                    "left out of the trace: unreadable",
                    "5.1.6",
                    true,
                );
            } else {
                ledger.field("X400-Received", "trace-information", "5.1.7");
            }
        }
    }
    let converted = building.towards_mail.max(building.towards_x400);
    if converted > MOST_CONVERSIONS {
        return Err(loop_detected(format!(
            "the message was converted {converted} times in one direction"
        )));
    }
    let most = UB_TRANSFERS;
    if building
        .trace
        .external
        .len()
        .max(building.trace.internal.len())
        >= most
    {
        return Err(loop_detected(format!(
            "the message bears {most} trace fields"
        )));
    }
    Ok(building.trace)
}

/// Adds the element of this conversion (section 5.1.6): where, when, and into which types.
pub fn add_conversion(trace: &mut Trace, context: &Context<'_>, types: &EncodedTypes) {
    let local = context.domain().unwrap_or_default();
    let now = Time::from(&context.now);
    let mut mta = mta_supplied(now);
    mta.converted_encoded_information_types = Some(types.element());
    let mut domain = domain_supplied(now);
    domain.converted_encoded_information_types = Some(types.element());
    trace.external.0.push(TraceInformationElement {
        global_domain_identifier: local.clone(),
        domain_supplied_information: domain,
        ..TraceInformationElement::default()
    });
    trace.internal.push(InternalTraceInformationElement {
        global_domain_identifier: local,
        mta_name: mta_name(&context.gateway.mta),
        mta_supplied_information: mta,
        ..InternalTraceInformationElement::default()
    });
}

/// The date a message was sent: the most recent Resent-Date, else Date (section 5.1.6); and which.
#[must_use]
pub fn sent(header: &Header) -> Option<(Time, &'static str)> {
    ["Resent-Date", "Date"].into_iter().find_map(|name| {
        let zoned = header.all(name).find_map(|field| date::parse(&field.raw))?;
        Some((Time::from(&zoned), name))
    })
}

/// Trace under way.
struct Building {
    trace: Trace,
    /// The time of the last element that had one.
    latest: Time,
    /// Conversions to mail, told by comments of Received.
    towards_mail: u32,
    /// Conversions to X.400, told by converted types.
    towards_x400: u32,
}

impl Building {
    /// The first elements: where and when the message was sent.
    fn origin(
        &mut self,
        context: &Context<'_>,
        header: &Header,
        originator: Originator<'_>,
        local: &GlobalDomainIdentifier,
    ) {
        if let Some((at, field)) = sent(header) {
            self.latest = at;
            self.trace.date_is_carried = field == "Date";
        }
        let of_originator = originator.address.and_then(domain::of_address);
        let domain = of_originator.unwrap_or_else(|| local.clone());
        self.external(&domain, domain_supplied(self.latest));
        let mta = originator.domain.unwrap_or(&context.gateway.mta);
        self.internal(&domain, mta_name(mta), mta_supplied(self.latest));
    }

    /// What a Received field adds: always an element of MTAs, one of domains if the domain changes.
    fn received(&mut self, context: &Context<'_>, field: &Field, local: &GlobalDomainIdentifier) {
        let received = received::parse(field);
        self.towards_mail += received.conversions;
        self.latest = received.at.unwrap_or(self.latest);
        let by = received.by.as_deref();
        let mapped = by.and_then(|by| context.tables.table1.lookup(by.trim_end_matches('.')));
        let domain = mapped
            .and_then(|found| domain::of_address(&found.prefix.attributes()))
            .unwrap_or_else(|| local.clone());
        let last = self
            .trace
            .external
            .last()
            .map(|element| &element.global_domain_identifier);
        if last != Some(&domain) {
            self.external(&domain, domain_supplied(self.latest));
        }
        if let Some(by) = by {
            self.internal(&domain, mta_name(by), mta_supplied(self.latest));
        }
    }

    /// What an X400-Received field stands for; `None` if it is not `x400-trace`.
    fn x400_received(&mut self, text: &str) -> Option<()> {
        let field = X400Received::parse(text)?;
        self.latest = field.at;
        self.towards_x400 +=
            u32::from(field.converted.as_ref().is_some_and(EncodedTypes::is_mixer));
        let converted = field.converted.as_ref().map(EncodedTypes::element);
        let deferred = field.deferred.map(|time| utc(&time));
        match &field.mta {
            Some(mta) => {
                let mut supplied = mta_supplied(field.at);
                supplied.routing_action = field.routing_action;
                supplied.other_actions = field.other_actions;
                supplied.converted_encoded_information_types = converted;
                supplied.deferred_time = deferred;
                supplied.attempted = field.attempted;
                self.internal(&field.domain, mta_name(mta), supplied);
            }
            None => {
                let mut supplied = domain_supplied(field.at);
                supplied.routing_action = field.routing_action;
                supplied.other_actions = field.other_actions;
                supplied.converted_encoded_information_types = converted;
                supplied.deferred_time = deferred;
                supplied.attempted_domain = match field.attempted {
                    Some(Attempted::Domain(domain)) => Some(domain),
                    _ => None,
                };
                self.external(&field.domain, supplied);
                return Some(());
            }
        }
        // Of two identical elements only that of MTAs was shown (section 5.3.7).
        let last = self
            .trace
            .external
            .last()
            .map(|element| &element.global_domain_identifier);
        if last != Some(&field.domain) {
            self.external(&field.domain, domain_supplied(field.at));
        }
        Some(())
    }

    fn external(&mut self, domain: &GlobalDomainIdentifier, supplied: DomainSuppliedInformation) {
        self.trace.external.0.push(TraceInformationElement {
            global_domain_identifier: domain.clone(),
            domain_supplied_information: supplied,
            ..TraceInformationElement::default()
        });
    }

    fn internal(
        &mut self,
        domain: &GlobalDomainIdentifier,
        mta: MTAName,
        supplied: MTASuppliedInformation,
    ) {
        self.trace.internal.push(InternalTraceInformationElement {
            global_domain_identifier: domain.clone(),
            mta_name: mta,
            mta_supplied_information: supplied,
            ..InternalTraceInformationElement::default()
        });
    }
}

/// `x400-trace` (section 5.3.7) as read.
#[derive(Debug, Clone, PartialEq)]
struct X400Received {
    mta: Option<String>,
    domain: GlobalDomainIdentifier,
    deferred: Option<Time>,
    converted: Option<EncodedTypes>,
    attempted: Option<Attempted>,
    routing_action: RoutingAction,
    other_actions: OtherActions,
    at: Time,
}

impl X400Received {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = split_outside_quotes(text, ';')
            .into_iter()
            .map(|part| part.trim().to_owned());
        let by = parts.next()?;
        let by = after_word(&by, "by")?;
        let (mta, domain) = match after_word(by, "mta") {
            Some(rest) => {
                let (name, rest) = word(rest)?;
                (Some(name), after_word(rest, "in")?)
            }
            None => (None, by),
        };
        let mut read = Self {
            mta,
            domain: domain::parse(domain)?,
            deferred: None,
            converted: None,
            attempted: None,
            routing_action: RoutingAction::RELAYED,
            other_actions: OtherActions::default(),
            at: Time::utc(jiff::Timestamp::UNIX_EPOCH),
        };
        let mut at = None;
        for part in parts.filter(|part| !part.is_empty()) {
            if let Some(time) =
                after_word(&part, "deferred").and_then(|part| after_word(part, "until"))
            {
                read.deferred = Time::from_date_time(time);
            } else if let Some(types) = after_word(&part, "converted") {
                let types = types.trim().strip_prefix('(')?.strip_suffix(')')?;
                read.converted = EncodedTypes::parse(types);
            } else if let Some(attempted) = after_word(&part, "attempted") {
                read.attempted = attempted_of(attempted);
            } else if !read.actions(&part) {
                at = Time::from_date_time(&part);
            }
        }
        read.at = at?;
        Some(read)
    }

    /// Reads a list of actions; false if `text` is none.
    fn actions(&mut self, text: &str) -> bool {
        let mut others = Vec::new();
        let mut routing = RoutingAction::RELAYED;
        for action in text.split(',').map(str::trim) {
            match action.to_ascii_lowercase().as_str() {
                "relayed" => {}
                "rerouted" => routing = RoutingAction::REROUTED,
                "redirected" => others.push(OtherActions::REDIRECTED),
                "expanded" => others.push(OtherActions::DL_OPERATION),
                _ => return false,
            }
        }
        self.routing_action = routing;
        if !others.is_empty() {
            self.other_actions = OtherActions::of(&others);
        }
        true
    }
}

fn attempted_of(text: &str) -> Option<Attempted> {
    match after_word(text, "MD") {
        Some(rest) => domain::parse(rest).map(Attempted::Domain),
        None => word(after_word(text, "MTA")?).map(|(name, _)| Attempted::Mta(mta_name(&name))),
    }
}

/// What follows `expected`, if the text begins with that word in any case.
fn after_word<'a>(text: &'a str, expected: &str) -> Option<&'a str> {
    let text = text.trim_start();
    let (first, rest) = text.split_at_checked(expected.len())?;
    let ends = rest
        .chars()
        .next()
        .is_none_or(|c| c.is_whitespace() || c == '(');
    (first.eq_ignore_ascii_case(expected) && ends).then_some(rest)
}

/// An atom or quoted string, and what follows it.
fn word(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (atom, rest) = text.split_at_checked(end)?;
        return (!atom.is_empty()).then(|| (atom.to_owned(), rest));
    };
    let mut name = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((name, quoted.get(at + 1..)?)),
            '\\' => name.push(characters.next()?.1),
            other => name.push(other),
        }
    }
    None
}

/// The text between separators that are neither quoted nor in brackets.
fn split_outside_quotes(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped, mut depth) = (false, false, 0_u32);
    for character in text.chars() {
        let divides = character == separator && !quoted && depth == 0;
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if divides {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts
}

fn domain_supplied(at: Time) -> DomainSuppliedInformation {
    DomainSuppliedInformation {
        arrival_time: utc(&at),
        routing_action: RoutingAction::RELAYED,
        ..DomainSuppliedInformation::default()
    }
}

fn mta_supplied(at: Time) -> MTASuppliedInformation {
    MTASuppliedInformation {
        arrival_time: utc(&at),
        routing_action: RoutingAction::RELAYED,
        ..MTASuppliedInformation::default()
    }
}

/// The name of an MTA: printable ASCII, cut to its bound, never empty.
#[must_use]
pub fn mta_name(name: &str) -> MTAName {
    let mut name: String = name
        .chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .take(MTA_NAME)
        .collect();
    if name.is_empty() {
        name.push('?');
    }
    name.into()
}

/// A time as the protocols carry it.
#[must_use]
pub fn utc(time: &Time) -> UtcTime {
    time.to_utc_time().into()
}

fn loop_detected(text: String) -> Refusal {
    Refusal {
        section: "5.1.5",
        status: Status(5, 4, 6),
        reason: 1,
        diagnostic: Some(3),
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixer::address::mcgam::Tables;
    use crate::mixer::context::{Gateway, PeerProfile};
    use bytes::Bytes;

    fn traced(header: &str) -> Result<Trace, Refusal> {
        let (gateway, tables, peer) = (
            Gateway::default(),
            Tables::default(),
            PeerProfile::default(),
        );
        let context = Context {
            id: "01J".into(),
            now: "2024-02-03T04:05:06+01:00[+01:00]".parse().expect("a time"),
            gateway: &gateway,
            tables: &tables,
            peer: &peer,
        };
        let (header, _) = Header::split(&Bytes::from(header.to_owned())).expect("a header");
        let originator = Originator {
            address: None,
            domain: Some("a-very-long-domain-name-indeed.example.org"),
        };
        trace(&context, &header, originator, &mut Ledger::default())
    }

    fn times(trace: &Trace) -> Vec<String> {
        let times = trace
            .internal
            .iter()
            .map(|element| &element.mta_supplied_information.arrival_time);
        times
            .map(|time| String::from_utf8_lossy(time.as_bytes()).into_owned())
            .collect()
    }

    #[test]
    fn s5_1_6_from_the_bottom_to_the_top() {
        let trace = traced(
            "Received: by b.example; Fri, 2 Jan 1998 12:00:00 +0100\r\nReceived: from x by a.example; Fri, 2 Jan 1998 10:00:00 +0000\r\nDate: Fri, 2 Jan 1998 09:00:00 -0500\r\n",
        )
        .expect("no loop");
        assert_eq!(
            times(&trace),
            [
                "980102090000-0500",
                "980102100000+0000",
                "980102120000+0100"
            ]
        );
        let names: Vec<_> = trace
            .internal
            .iter()
            .map(|element| element.mta_name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                Some("a-very-long-domain-name-indeed.e"),
                Some("a.example"),
                Some("b.example")
            ]
        );
        assert_eq!(trace.external.len(), 1, "the domain never changed");
        assert!(trace.date_is_carried);
    }

    #[test]
    fn s5_1_7_x400_trace_comes_back_and_the_date_is_not_used() {
        let trace = traced(
            "X400-Received: by mta \"UK.AC.UCL.CS\" in /PRMD=UK.AC/ADMD=Gold 400/C=GB/ ;\r\n deferred until  Tue, 20 Jun 89 14:24:22 +0100 ;\r\n converted (undefined, g3fax) ; attempted MD /ADMD=Foo/C=GB/ ;\r\n Relayed, Expanded, Redirected ; Tue, 20 Jun 89 19:25:11 +0100\r\nX400-Received: by /PRMD=HMG/ADMD=GOLD 400/C=GB/; Relayed; Tue, 20 Jun 89 19:20:00 +0100\r\nDate: Fri, 2 Jan 1998 09:00:00 -0500\r\n",
        )
        .expect("no loop");
        assert!(!trace.date_is_carried);
        let domains: Vec<_> = trace
            .external
            .iter()
            .map(|element| domain::text(&element.global_domain_identifier))
            .collect();
        assert_eq!(
            domains,
            [
                "/PRMD=HMG/ADMD=GOLD 400/C=GB/",
                "/PRMD=UK.AC/ADMD=Gold 400/C=GB/"
            ]
        );
        let supplied = &trace.internal[0].mta_supplied_information;
        assert_eq!(trace.internal[0].mta_name.as_str(), Some("UK.AC.UCL.CS"));
        assert_eq!(supplied.deferred_time, Some("890620142422+0100".into()));
        assert!(supplied.other_actions.contains(OtherActions::DL_OPERATION));
        assert!(matches!(supplied.attempted, Some(Attempted::Domain(_))));
        assert!(supplied.converted_encoded_information_types.is_some());
    }

    #[test]
    fn s5_1_5_six_conversions_in_one_direction_are_a_loop() {
        let received = "Received: from a by b (MIXER Conversion following RFC 2156); Fri, 2 Jan 1998 12:00:00 +0100\r\n";
        assert!(traced(&received.repeat(5)).is_ok());
        let refusal = traced(&received.repeat(6)).expect_err("a loop");
        assert_eq!(
            (refusal.status, refusal.reason, refusal.diagnostic),
            (Status(5, 4, 6), 1, Some(3))
        );
        let x400 = "X400-Received: by /ADMD= /C=DE/; converted ((1) (3) (6) (1) (7) (1) (3) (5)); Relayed; Fri, 2 Jan 1998 12:00:00 +0100\r\n";
        assert!(traced(&x400.repeat(6)).is_err());
    }

    #[test]
    fn s3_3_5_without_a_date_the_time_of_translation() {
        let trace = traced("Date: some day\r\nX400-Received: nonsense\r\n").expect("no loop");
        assert!(!trace.date_is_carried && trace.internal.is_empty());
        assert_eq!(
            times(&traced("Date: some day\r\n").expect("no loop")),
            ["240203040506+0100"]
        );
    }
}
