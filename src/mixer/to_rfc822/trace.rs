//! Trace: the elements of domains and of MTAs become X400-Received, and we add our own Received.
//!
//! RFC 2156 section 5.3.7, and the counting of conversions of 5.1.5.

use crate::asn1::mta::{
    Attempted, InternalTraceInformation, InternalTraceInformationElement, OtherActions,
    RoutingAction, TraceInformation, TraceInformationElement,
};
use crate::asn1::mts::{
    EncodedInformationTypes, Extensions, GlobalDomainIdentifier, MTAName, Time as UtcTime,
    extension,
};
use crate::mixer::basic::time::Time;
use crate::mixer::context::Context;
use crate::mixer::domain;
use crate::mixer::encoded_types::EncodedTypes;
use crate::mixer::outcome::{Ledger, Refusal, Status};
use crate::rfc822::Fields;

/// More conversions in one direction than this are a loop (section 5.1.5).
const MOST_CONVERSIONS: usize = 5;
/// The numbers of the extension internal-trace-information: of X.411, and of its first edition.
const INTERNAL_TRACE: [i64; 2] = [38, 37];

/// One element of either trace.
#[derive(Debug, Clone, PartialEq)]
struct Step<'a> {
    domain: &'a GlobalDomainIdentifier,
    mta: Option<&'a MTAName>,
    arrival: &'a UtcTime,
    routing: &'a RoutingAction,
    attempted: Option<Attempted>,
    deferred: Option<&'a UtcTime>,
    converted: Option<&'a EncodedInformationTypes>,
    others: &'a OtherActions,
}

impl<'a> Step<'a> {
    fn external(element: &'a TraceInformationElement) -> Self {
        let supplied = &element.domain_supplied_information;
        Self {
            domain: &element.global_domain_identifier,
            mta: None,
            arrival: &supplied.arrival_time,
            routing: &supplied.routing_action,
            attempted: supplied.attempted_domain.clone().map(Attempted::Domain),
            deferred: supplied.deferred_time.as_ref(),
            converted: supplied.converted_encoded_information_types.as_ref(),
            others: &supplied.other_actions,
        }
    }

    fn internal(element: &'a InternalTraceInformationElement) -> Self {
        let supplied = &element.mta_supplied_information;
        Self {
            domain: &element.global_domain_identifier,
            mta: Some(&element.mta_name),
            arrival: &supplied.arrival_time,
            routing: &supplied.routing_action,
            attempted: supplied.attempted.clone(),
            deferred: supplied.deferred_time.as_ref(),
            converted: supplied.converted_encoded_information_types.as_ref(),
            others: &supplied.other_actions,
        }
    }

    fn is_in(&self, domain: &GlobalDomainIdentifier) -> bool {
        let same = |one: &GlobalDomainIdentifier| domain::text(one).to_ascii_lowercase();
        same(self.domain) == same(domain)
    }

    /// Whether both are one element but for the MTA.
    fn is_same_as(&self, internal: &Self) -> bool {
        self.is_in(internal.domain)
            && Self {
                domain: internal.domain,
                mta: internal.mta,
                ..self.clone()
            } == *internal
    }

    /// `x400-trace`.
    fn text(&self, context: &Context<'_>) -> String {
        let mut text = String::from("by ");
        if let Some(mta) = self.mta {
            text.push_str(&format!("mta {} in ", word(&mta_text(mta))));
        }
        text.push_str(&domain::text(self.domain));
        text.push(';');
        if let Some(at) = self.deferred {
            text.push_str(&format!(" deferred until {};", date_time(context, at)));
        }
        if let Some(types) = self.converted {
            text.push_str(&format!(
                " converted ({});",
                EncodedTypes::of_element(types).text()
            ));
        }
        match &self.attempted {
            Some(Attempted::Domain(domain)) => {
                text.push_str(&format!(" attempted MD {};", domain::text(domain)))
            }
            Some(Attempted::Mta(mta)) => {
                text.push_str(&format!(" attempted MTA {};", word(&mta_text(mta))))
            }
            None => {}
        }
        let rerouted = *self.routing == RoutingAction::REROUTED;
        text.push_str(if rerouted { " Rerouted" } else { " Relayed" });
        if self.others.contains(OtherActions::DL_OPERATION) {
            text.push_str(", Expanded");
        }
        if self.others.contains(OtherActions::REDIRECTED) {
            text.push_str(", Redirected");
        }
        text.push_str(&format!("; {}", date_time(context, self.arrival)));
        text
    }
}

/// The text of a trace of domains alone, the most recent element first.
pub(super) fn texts(context: &Context<'_>, trace: &TraceInformation) -> Vec<String> {
    trace
        .iter()
        .rev()
        .map(|element| Step::external(element).text(context))
        .collect()
}

/// The trace fields, the most recent first: our Received, then X400-Received.
///
/// # Errors
/// If the message has been converted too often: a loop.
pub(super) fn fields(
    context: &Context<'_>,
    trace: &TraceInformation,
    extensions: &Extensions,
    ledger: &mut Ledger,
) -> Result<Fields, Refusal> {
    let internal = internal(extensions, ledger);
    let steps = merged(trace, &internal);
    let conversions = steps
        .iter()
        .filter_map(|step| step.converted)
        .filter(|types| EncodedTypes::of_element(types).is_mixer())
        .count();
    if conversions > MOST_CONVERSIONS {
        return Err(Refusal {
            section: "5.1.5",
            status: Status(5, 4, 6),
            reason: 1,
            diagnostic: Some(3),
            text: format!("the message was converted {conversions} times in one direction"),
        });
    }
    let mut fields = Fields::new();
    let now = Time::from(&context.now).to_date_time();
    fields.structured(
        "Received",
        &format!(
            "by {} (MIXER Conversion following RFC 2156) id {}; {now}",
            word(&context.gateway.name),
            word(&context.id)
        ),
    );
    for step in steps.iter().rev() {
        fields.structured("X400-Received", &step.text(context));
    }
    ledger.field("trace-information", "X400-Received", "5.3.7");
    Ok(fields)
}

/// The trace of MTAs, if there is one that can be read.
fn internal(extensions: &Extensions, ledger: &mut Ledger) -> InternalTraceInformation {
    for number in INTERNAL_TRACE {
        let Some(field) = extension(extensions, number) else {
            continue;
        };
        match field.decode() {
            Ok(trace) => return trace,
            Err(fault) => ledger.note(
                "internal-trace-information",
                format!("left behind: {fault}"),
                "5.3.7",
                true,
            ),
        }
    }
    InternalTraceInformation::default()
}

/// Both traces as one, the oldest first: in each domain its MTAs follow it, and of two elements
/// that differ in the MTA only, that with the MTA stands.
fn merged<'a>(
    external: &'a TraceInformation,
    internal: &'a InternalTraceInformation,
) -> Vec<Step<'a>> {
    let external: Vec<_> = external.iter().map(Step::external).collect();
    let internal: Vec<_> = internal.iter().map(Step::internal).collect();
    let mut merged = Vec::new();
    let mut waiting = internal.as_slice();
    let mut rest = external.as_slice();
    while let Some(first) = rest.first() {
        // What one domain says, in both traces.
        let domain = first.domain;
        let run = rest
            .iter()
            .position(|step| !step.is_in(domain))
            .unwrap_or(rest.len());
        let (domains, after) = rest.split_at(run);
        rest = after;
        // MTAs of domains that the trace of domains does not name here come before.
        while let Some((mta, others)) = waiting.split_first() {
            let named_later = rest.iter().any(|step| step.is_in(mta.domain));
            let named_here = waiting.iter().any(|step| step.is_in(domain));
            if mta.is_in(domain) || named_later || !named_here {
                break;
            }
            merged.push(mta.clone());
            waiting = others;
        }
        let run = waiting
            .iter()
            .position(|step| !step.is_in(domain))
            .unwrap_or(waiting.len());
        let (mut mtas, after) = waiting.split_at(run);
        waiting = after;
        for step in domains {
            match mtas.iter().position(|mta| step.is_same_as(mta)) {
                Some(at) => {
                    let (with, after) = mtas.split_at(at + 1);
                    merged.extend(with.iter().cloned());
                    mtas = after;
                }
                None => merged.push(step.clone()),
            }
        }
        merged.extend(mtas.iter().cloned());
    }
    merged.extend(waiting.iter().cloned());
    merged
}

/// The name of an MTA as text.
pub(super) fn mta_text(name: &MTAName) -> String {
    String::from_utf8_lossy(name.as_bytes()).into_owned()
}

/// `822.word`: an atom if it can be one, else a quoted string.
pub(super) fn word(text: &str) -> String {
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    if !text.is_empty() && text.chars().all(atom) {
        return text.to_owned();
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// A time as date-time; what cannot be read is the time of conversion (section 3.3.5).
pub(super) fn date_time(context: &Context<'_>, time: &UtcTime) -> String {
    let read = time.as_str().and_then(Time::from_utc_time);
    read.unwrap_or_else(|| Time::from(&context.now))
        .to_date_time()
}
