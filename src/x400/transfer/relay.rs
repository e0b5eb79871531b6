//! Passing an APDU on to the next MTA: what it must not ask of us, whether it was here before, and
//! our trace on it (X.411 clauses 9.1 and 14.3.1); no I/O.
//!
//! Nothing else of the APDU changes: the content is not looked at.

use crate::asn1::bounds::UB_TRANSFERS;
use crate::asn1::mta::{
    Attempted, DomainSuppliedInformation, InternalTraceInformation,
    InternalTraceInformationElement, MTASuppliedInformation, MtsApdu, OtherActions, RoutingAction,
    TraceInformation, TraceInformationElement,
};
use crate::asn1::mts::{
    Criticality, ExtensionField, Extensions, GlobalDomainIdentifier, MTAName, Time, extension,
};
use crate::asn1::native::ExtensionType;
use crate::asn1::types::Any;

/// The extensions of a message, probe or report that an MTA which only relays does all that they
/// ask for: it converts, expands and reassigns nothing, and carries the rest on.
const PER_MESSAGE: &[i64] = &[
    1, 3, 4, 5, 13, 15, 17, 18, 19, 20, 21, 23, 26, 37, 38, 40, 42, 45,
];
/// The same for the extensions of one recipient.
const PER_RECIPIENT: &[i64] = &[2, 6, 7, 8, 9, 10, 11, 12, 14, 16, 18, 22, 25, 46];
/// Extension internal-trace-information.
const INTERNAL_TRACE: i64 = 38;

/// An extension that is critical for transfer and not understood here; non-delivery reason
/// unable-to-transfer, diagnostic unsupported-critical-function (X.411 clause 9.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "extension {extension} is critical for transfer and not understood here (X.411 clause 9.1)"
)]
pub struct UnsupportedCriticalFunction {
    /// The originally-specified-recipient-number of the one whose extension it is; `None`: it
    /// concerns all.
    pub recipient: Option<i64>,
    /// The number or object identifier of the extension.
    pub extension: String,
}

/// The extensions of an APDU that forbid us to pass it on.
#[must_use]
pub fn unsupported(apdu: &MtsApdu) -> Vec<UnsupportedCriticalFunction> {
    let recipients: Vec<(i64, &Extensions)> = match apdu {
        MtsApdu::Message(message) => {
            let fields = message.envelope.per_recipient_fields.iter();
            fields
                .map(|f| (f.originally_specified_recipient_number, &f.extensions))
                .collect()
        }
        MtsApdu::Probe(probe) => {
            let fields = probe.per_recipient_fields.iter();
            fields
                .map(|f| (f.originally_specified_recipient_number, &f.extensions))
                .collect()
        }
        MtsApdu::Report(_) => Vec::new(),
    };
    let of_all = critical(envelope(apdu).1, PER_MESSAGE).map(|extension| (None, extension));
    let of_each = recipients.into_iter().flat_map(|(number, extensions)| {
        critical(extensions, PER_RECIPIENT).map(move |extension| (Some(number), extension))
    });
    of_all
        .chain(of_each)
        .map(|(recipient, field)| UnsupportedCriticalFunction {
            recipient,
            extension: match &field.r#type {
                ExtensionType::StandardExtension(number, _) => number.to_string(),
                ExtensionType::PrivateExtension(identifier, _) => identifier.to_string(),
            },
        })
        .collect()
}

/// The fields that are critical for transfer and not among those `known`.
fn critical<'a>(
    extensions: &'a Extensions,
    known: &'static [i64],
) -> impl Iterator<Item = &'a ExtensionField> {
    extensions.iter().filter(move |field| {
        field.criticality.contains(Criticality::FOR_TRANSFER)
            && !field.number().is_some_and(|number| known.contains(&number))
    })
}

/// The MTA we are, as trace names it.
#[derive(Debug, Clone)]
pub struct Here {
    /// Our domain, as it is called where the APDU goes.
    pub domain: GlobalDomainIdentifier,
    /// What else it is called.
    pub ours: Vec<GlobalDomainIdentifier>,
    /// Our name in it.
    pub mta: MTAName,
}

impl Here {
    fn is_ours(&self, domain: &GlobalDomainIdentifier) -> bool {
        self.domain == *domain || self.ours.contains(domain)
    }

    fn is_us(&self, element: &InternalTraceInformationElement) -> bool {
        element.mta_name == self.mta && self.is_ours(&element.global_domain_identifier)
    }

    /// How often this trace and these extensions name our domain, or us in it: a copy that came back
    /// does so more often than the one that came first.
    #[must_use]
    pub fn passages(&self, trace: &TraceInformation, extensions: &Extensions) -> usize {
        let domains = trace
            .0
            .iter()
            .map(|element| &element.global_domain_identifier);
        let mtas = internal(extensions).unwrap_or_default();
        let of_mta = mtas.iter().filter(|element| self.is_us(element)).count();
        domains.filter(|domain| self.is_ours(domain)).count() + of_mta
    }

    /// Whether the APDU was here before, or passed more domains than there may be: a loop.
    ///
    /// An APDU that was redirected, or expanded at a distribution list, begins a new way: what it
    /// passed before that does not count.
    #[must_use]
    pub fn is_looping(&self, apdu: &MtsApdu) -> bool {
        let (TraceInformation(external), extensions) = envelope(apdu);
        let internal = internal(extensions).unwrap_or_default();
        let of_domain = external
            .iter()
            .rev()
            // It has not left our domain yet: our own name tells whether it was here.
            .skip_while(|element| self.is_ours(&element.global_domain_identifier))
            .take_while(|element| !is_new_way(&element.domain_supplied_information.other_actions))
            .any(|element| self.is_ours(&element.global_domain_identifier));
        let of_mta = internal
            .iter()
            .rev()
            .take_while(|element| !is_new_way(&element.mta_supplied_information.other_actions))
            .any(|element| self.is_us(element));
        of_domain || of_mta || external.len().max(internal.len()) >= UB_TRANSFERS
    }

    /// Adds that the APDU came here at this time, and was held until that: to the trace of domains if
    /// it came from another, and to the trace of MTAs.
    ///
    /// A trace of MTAs that cannot be read stays as it came.
    pub fn add_trace(&self, apdu: &mut MtsApdu, arrival_time: &Time, deferred_time: Option<&Time>) {
        let (TraceInformation(external), extensions) = envelope_mut(apdu);
        let last = external.last().map(|last| &last.global_domain_identifier);
        if last != Some(&self.domain) {
            external.push(TraceInformationElement {
                global_domain_identifier: self.domain.clone(),
                domain_supplied_information: DomainSuppliedInformation {
                    arrival_time: arrival_time.clone(),
                    deferred_time: deferred_time.cloned(),
                    ..DomainSuppliedInformation::default()
                },
                ..TraceInformationElement::default()
            });
        }
        let Some(mut internal) = internal(extensions) else {
            return;
        };
        internal.push(InternalTraceInformationElement {
            global_domain_identifier: self.domain.clone(),
            mta_name: self.mta.clone(),
            mta_supplied_information: MTASuppliedInformation {
                arrival_time: arrival_time.clone(),
                deferred_time: deferred_time.cloned(),
                ..MTASuppliedInformation::default()
            },
            ..InternalTraceInformationElement::default()
        });
        let known = extensions
            .iter_mut()
            .find(|field| field.number() == Some(INTERNAL_TRACE));
        match known {
            Some(field) => field.value = Some(Any::of(&internal)),
            None => extensions.push(ExtensionField::new(INTERNAL_TRACE, &internal)),
        }
    }

    /// Says where we stand last in the trace of MTAs that it goes another way, since the MTA
    /// `attempted` did not take it. The trace of domains does not say so: that MTA's is not known.
    pub fn reroute(&self, apdu: &mut MtsApdu, attempted: &str) {
        let (_, extensions) = envelope_mut(apdu);
        let mut fields = extensions.iter_mut();
        let Some(field) = fields.find(|field| field.number() == Some(INTERNAL_TRACE)) else {
            return;
        };
        let Ok(mut trace) = field.decode::<InternalTraceInformation>() else {
            return;
        };
        if let Some(last) = trace.last_mut().filter(|last| self.is_us(last)) {
            last.mta_supplied_information.routing_action = RoutingAction::REROUTED;
            last.mta_supplied_information.attempted = Some(Attempted::Mta(attempted.into()));
            field.value = Some(Any::of(&trace));
        }
    }
}

/// Whether a domain or MTA sent the APDU another way than it was going.
fn is_new_way(actions: &OtherActions) -> bool {
    actions.contains(OtherActions::REDIRECTED) || actions.contains(OtherActions::DL_OPERATION)
}

/// The trace of MTAs, empty if there is none; `None` if it cannot be read.
fn internal(extensions: &Extensions) -> Option<InternalTraceInformation> {
    match extension(extensions, INTERNAL_TRACE) {
        Some(field) => field.decode().ok(),
        None => Some(InternalTraceInformation::default()),
    }
}

/// The trace of domains and the extensions of an APDU.
fn envelope(apdu: &MtsApdu) -> (&TraceInformation, &Extensions) {
    match apdu {
        MtsApdu::Message(message) => {
            let envelope = &message.envelope;
            (&envelope.trace_information, &envelope.extensions)
        }
        MtsApdu::Report(report) => {
            let envelope = &report.envelope;
            (&envelope.trace_information, &envelope.extensions)
        }
        MtsApdu::Probe(probe) => (&probe.trace_information, &probe.extensions),
    }
}

/// The same, to be changed.
fn envelope_mut(apdu: &mut MtsApdu) -> (&mut TraceInformation, &mut Extensions) {
    match apdu {
        MtsApdu::Message(message) => {
            let envelope = &mut message.envelope;
            (&mut envelope.trace_information, &mut envelope.extensions)
        }
        MtsApdu::Report(report) => {
            let envelope = &mut report.envelope;
            (&mut envelope.trace_information, &mut envelope.extensions)
        }
        MtsApdu::Probe(probe) => (&mut probe.trace_information, &mut probe.extensions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1;
    use crate::asn1::mta::{Message, MessageTransferEnvelope, PerRecipientMessageTransferFields};
    use crate::asn1::mts::PrivateDomainIdentifier;
    use crate::asn1::types::Null;

    fn here() -> Here {
        Here {
            domain: domain("US"),
            ours: vec![domain("OLD")],
            mta: "GW".into(),
        }
    }

    fn domain(prmd: &str) -> GlobalDomainIdentifier {
        GlobalDomainIdentifier {
            private_domain_identifier: Some(PrivateDomainIdentifier::Printable(prmd.into())),
            ..GlobalDomainIdentifier::default()
        }
    }

    fn passed(prmd: &str, actions: &[u32]) -> TraceInformationElement {
        TraceInformationElement {
            global_domain_identifier: domain(prmd),
            domain_supplied_information: DomainSuppliedInformation {
                arrival_time: "261122045628Z".into(),
                routing_action: RoutingAction::RELAYED,
                other_actions: OtherActions::of(actions),
                ..DomainSuppliedInformation::default()
            },
            ..TraceInformationElement::default()
        }
    }

    /// A message that passed these domains, with these extensions.
    fn message(trace: &[TraceInformationElement], extensions: &[ExtensionField]) -> MtsApdu {
        MtsApdu::Message(Message {
            envelope: MessageTransferEnvelope {
                trace_information: TraceInformation(trace.to_vec()),
                extensions: extensions.iter().cloned().collect(),
                ..MessageTransferEnvelope::default()
            },
            ..Message::default()
        })
    }

    fn internal_trace(mtas: &[(&str, &str)]) -> ExtensionField {
        let elements: InternalTraceInformation = mtas
            .iter()
            .map(|(prmd, mta)| InternalTraceInformationElement {
                global_domain_identifier: domain(prmd),
                mta_name: (*mta).into(),
                ..InternalTraceInformationElement::default()
            })
            .collect();
        ExtensionField::new(INTERNAL_TRACE, &elements)
    }

    #[test]
    fn x411_9_1_what_is_critical_for_transfer_and_unknown_is_told() {
        let field = |number, who| ExtensionField::new(number, &Null).critical(who);
        let none = message(
            &[],
            &[
                field(23, Criticality::FOR_TRANSFER),
                field(99, Criticality::FOR_DELIVERY),
                field(99, Criticality::FOR_SUBMISSION),
            ],
        );
        assert_eq!(unsupported(&none), []);
        let mut one = message(&[], &[]);
        let MtsApdu::Message(inner) = &mut one else {
            panic!()
        };
        for number in 1..=3 {
            let mut fields = PerRecipientMessageTransferFields {
                originally_specified_recipient_number: number,
                ..PerRecipientMessageTransferFields::default()
            };
            if number == 2 {
                fields.extensions.push(field(98, Criticality::FOR_TRANSFER));
            }
            inner.envelope.per_recipient_fields.push(fields);
        }
        let told = unsupported(&one);
        assert_eq!(told.len(), 1);
        assert_eq!(
            (told[0].recipient, told[0].extension.as_str()),
            (Some(2), "98")
        );
        // One that belongs to a recipient means nothing to a message.
        let all = message(&[], &[field(22, Criticality::FOR_TRANSFER)]);
        assert_eq!(unsupported(&all)[0].recipient, None);
    }

    #[test]
    fn x411_14_3_1_a_loop_shows_in_either_trace() {
        let looping = |trace: &[TraceInformationElement], mtas: &[(&str, &str)]| {
            here().is_looping(&message(trace, &[internal_trace(mtas)]))
        };
        let (us, them) = (passed("US", &[]), passed("THEM", &[]));
        assert!(!looping(&[], &[]));
        assert!(!looping(std::slice::from_ref(&them), &[("THEM", "GW")]));
        assert!(looping(&[us.clone(), them.clone()], &[]));
        let redirected = passed("THEM", &[OtherActions::REDIRECTED]);
        assert!(
            !looping(&[us.clone(), redirected.clone()], &[]),
            "it goes a new way"
        );
        assert!(looping(&[redirected, us.clone(), them.clone()], &[]));
        // It comes from another MTA of our domain.
        assert!(!looping(&[them.clone(), us.clone()], &[("US", "OTHER")]));
        assert!(looping(
            &[them.clone(), us],
            &[("US", "GW"), ("US", "OTHER")]
        ));
        // Under whichever name of ours.
        let old = passed("OLD", &[]);
        assert!(looping(&[old.clone(), them.clone()], &[]));
        assert!(looping(std::slice::from_ref(&them), &[("OLD", "GW")]));
        assert!(!looping(&[them.clone(), old], &[("OLD", "OTHER")]));
        assert!(looping(&vec![them; UB_TRANSFERS], &[]));
    }

    #[test]
    fn x411_12_2_1_1_1_4_both_traces_name_us_and_a_domain_stands_once() {
        let at: Time = "261122045628Z".into();
        let mut fresh = message(&[passed("THEM", &[])], &[]);
        let held: Time = "261123045628Z".into();
        here().add_trace(&mut fresh, &at, Some(&held));
        // As it goes out, and comes in at the next.
        let fresh: MtsApdu = asn1::decode(&asn1::encode(&fresh)).unwrap();
        let (external, extensions) = envelope(&fresh);
        assert_eq!(external.0.len(), 2);
        assert_eq!(external.0[1].global_domain_identifier, domain("US"));
        let trace = internal(extensions).unwrap();
        assert_eq!((trace.len(), &trace[0].mta_name), (1, &here().mta));
        assert_eq!(trace[0].mta_supplied_information.arrival_time, at);
        let by_domain = &external.0[1].domain_supplied_information;
        assert_eq!(by_domain.deferred_time.as_ref(), Some(&held));
        let by_mta = &trace[0].mta_supplied_information;
        assert_eq!(by_mta.deferred_time.as_ref(), Some(&held));
        let inside = [passed("THEM", &[]), passed("US", &[])];
        let mut inside = message(&inside, &[internal_trace(&[("US", "OTHER")])]);
        here().add_trace(&mut inside, &at, None);
        let (external, extensions) = envelope(&inside);
        assert_eq!((external.0.len(), extensions.len()), (2, 1));
        let names: Vec<_> = internal(extensions).unwrap();
        let names: Vec<_> = names.iter().map(|e| e.mta_name.clone()).collect();
        assert_eq!(names, ["OTHER".into(), here().mta]);
        // What came by another name of ours goes by the one this neighbour knows.
        let mut renamed = message(&[passed("OLD", &[])], &[]);
        here().add_trace(&mut renamed, &at, None);
        let names = envelope(&renamed).0.0.iter();
        let names: Vec<_> = names.map(|e| &e.global_domain_identifier).collect();
        assert_eq!(names, [&domain("OLD"), &domain("US")]);
        let unreadable = ExtensionField::new(INTERNAL_TRACE, &Null);
        let mut odd = message(&[], std::slice::from_ref(&unreadable));
        here().add_trace(&mut odd, &at, None);
        assert_eq!(
            *envelope(&odd).1,
            [unreadable].into_iter().collect::<Extensions>()
        );
    }

    #[test]
    fn x411_12_2_1_1_1_4_what_another_mta_did_not_take_is_rerouted() {
        let mut apdu = message(&[passed("THEM", &[])], &[]);
        here().add_trace(&mut apdu, &"261122045628Z".into(), None);
        here().reroute(&mut apdu, "HUB");
        let trace = internal(envelope(&apdu).1).unwrap();
        let supplied = &trace[0].mta_supplied_information;
        assert_eq!(supplied.routing_action, RoutingAction::REROUTED);
        assert_eq!(supplied.attempted, Some(Attempted::Mta("HUB".into())));
        // Nothing is said in the name of others.
        let theirs = message(&[], &[internal_trace(&[("THEM", "GW")])]);
        let mut passed_on = theirs.clone();
        here().reroute(&mut passed_on, "HUB");
        assert_eq!(passed_on, theirs);
    }

    #[test]
    fn a_copy_that_came_back_has_passed_us_more_often() {
        let passages = |trace: &[TraceInformationElement], mtas: &[(&str, &str)]| {
            let apdu = message(trace, &[internal_trace(mtas)]);
            let (trace, extensions) = envelope(&apdu);
            here().passages(trace, extensions)
        };
        let (us, old, them) = (passed("US", &[]), passed("OLD", &[]), passed("THEM", &[]));
        assert_eq!(passages(std::slice::from_ref(&them), &[("THEM", "GW")]), 0);
        assert_eq!(passages(&[us.clone(), them.clone()], &[("US", "OTHER")]), 1);
        assert_eq!(passages(&[us, them, old], &[("OLD", "GW")]), 3);
    }
}
