//! An APDU made to fit a neighbour: its extension fields, its trace, its originator.
//!
//! RFC 2156 section 5.1.6 makes the stripping of trace a matter of the MTA, not of the conversion: so
//! it is done to what was converted and to what is relayed alike.

use super::{Edition, PeerProfile, Substitution, Tracing};
use crate::asn1::mta::{
    InternalTraceInformation, MessageTransferEnvelope, MtsApdu, ProbeTransferEnvelope, Report,
    TraceInformation,
};
use crate::asn1::mts::{
    Criticality, ExtensionField, Extensions, GlobalDomainIdentifier, ORName, extension,
    tag_extensions,
};
use crate::asn1::types::Any;
use crate::mixer::address::{Attribute, Attributes, wire};

/// The number of the extension internal-trace-information.
pub const INTERNAL_TRACE_INFORMATION: i64 = 38;

impl PeerProfile {
    /// Fits an APDU that leaves our domain `here`.
    ///
    /// The content stays as it is. A critical extension goes even to a neighbour that takes none: it
    /// shall refuse what it cannot do, not miss it.
    pub fn fit(&self, here: &GlobalDomainIdentifier, apdu: &mut MtsApdu) {
        let critical = |field: &ExtensionField| {
            [Criticality::FOR_TRANSFER, Criticality::FOR_DELIVERY]
                .into_iter()
                .any(|who| field.criticality.contains(who))
        };
        match apdu {
            MtsApdu::Message(message) => self.message(here, &mut message.envelope, critical),
            MtsApdu::Report(report) => self.report(here, report, critical),
            MtsApdu::Probe(probe) => self.probe(here, probe, critical),
        };
    }

    /// Fits the envelope of a message of our own; whether extension fields were left out.
    pub fn fit_message(
        &self,
        here: &GlobalDomainIdentifier,
        envelope: &mut MessageTransferEnvelope,
    ) -> bool {
        self.message(here, envelope, |_| false)
    }

    /// Fits a report of our own; whether extension fields were left out.
    pub fn fit_report(&self, here: &GlobalDomainIdentifier, report: &mut Report) -> bool {
        self.report(here, report, |_| false)
    }

    fn message(
        &self,
        here: &GlobalDomainIdentifier,
        envelope: &mut MessageTransferEnvelope,
        kept: impl Fn(&ExtensionField) -> bool,
    ) -> bool {
        self.fix_originator(&mut envelope.originator_name);
        let trace = &mut envelope.trace_information;
        self.strip_trace(here, trace, &mut envelope.extensions);
        let fields = envelope.per_recipient_fields.iter_mut();
        let lists = fields.map(|fields| &mut fields.extensions);
        self.fit_extensions(lists.chain([&mut envelope.extensions]), kept)
    }

    fn report(
        &self,
        here: &GlobalDomainIdentifier,
        report: &mut Report,
        kept: impl Fn(&ExtensionField) -> bool,
    ) -> bool {
        let (envelope, content) = (&mut report.envelope, &mut report.content);
        let trace = &mut envelope.trace_information;
        self.strip_trace(here, trace, &mut envelope.extensions);
        let fields = content.per_recipient_fields.iter_mut();
        let lists = fields.map(|fields| &mut fields.extensions);
        let own = [&mut envelope.extensions, &mut content.extensions];
        self.fit_extensions(lists.chain(own), kept)
    }

    fn probe(
        &self,
        here: &GlobalDomainIdentifier,
        probe: &mut ProbeTransferEnvelope,
        kept: impl Fn(&ExtensionField) -> bool,
    ) -> bool {
        self.fix_originator(&mut probe.originator_name);
        self.strip_trace(here, &mut probe.trace_information, &mut probe.extensions);
        let fields = probe.per_recipient_fields.iter_mut();
        let lists = fields.map(|fields| &mut fields.extensions);
        self.fit_extensions(lists.chain([&mut probe.extensions]), kept)
    }

    /// Extension fields as the neighbour reads them; if it takes none, only those to be kept.
    /// Whether any were left out.
    fn fit_extensions<'a>(
        &self,
        lists: impl Iterator<Item = &'a mut Extensions>,
        kept: impl Fn(&ExtensionField) -> bool,
    ) -> bool {
        let takes_any = self.extensions && self.edition == Edition::Of1988;
        let mut left_out = false;
        for extensions in lists {
            let before = extensions.len();
            extensions.retain(|field| takes_any || kept(field));
            left_out |= extensions.len() < before;
            tag_extensions(extensions, self.form());
        }
        left_out
    }

    /// The trace that the neighbour is shown.
    fn strip_trace(
        &self,
        here: &GlobalDomainIdentifier,
        TraceInformation(external): &mut TraceInformation,
        extensions: &mut Extensions,
    ) {
        let ours = match self.tracing {
            Tracing::All => return,
            Tracing::Nointernal => InternalTraceInformation::default(),
            Tracing::LocalInternal => {
                let internal = extension(extensions, INTERNAL_TRACE_INFORMATION);
                let internal = internal.and_then(|field| field.decode().ok());
                let mut internal: InternalTraceInformation = internal.unwrap_or_default();
                internal.retain(|element| element.global_domain_identifier == *here);
                internal
            }
            Tracing::Admd => {
                let mut domains = external.iter().map(|e| &e.global_domain_identifier);
                let ours = domains.position(|domain| domain == here);
                let kept = ours.unwrap_or_else(|| external.len().saturating_sub(1));
                *external = external.drain(..).skip(kept).take(1).collect();
                InternalTraceInformation::default()
            }
        };
        extensions.retain_mut(|field| {
            if field.number() != Some(INTERNAL_TRACE_INFORMATION) {
                return true;
            }
            field.value = Some(Any::of(&ours));
            !ours.is_empty()
        });
    }

    /// The originator as the neighbour wants it.
    ///
    /// A name that has more than attributes can say stays as it is.
    fn fix_originator(&self, name: &mut ORName) {
        if self.originator.is_empty() {
            return;
        }
        let (attributes, notes) = wire::attributes(&name.address());
        let mut fixes = self.originator.iter();
        let fixed = fixes.find_map(|substitution| substitution.apply(&attributes));
        if let Some(fixed) = fixed.filter(|_| notes.is_empty()) {
            *name = ORName {
                directory_name: name.directory_name.take(),
                ..wire::or_address(&fixed).into()
            };
        }
    }
}

impl Substitution {
    /// The address with its attributes replaced; `None` if it has not all that are to be.
    #[must_use]
    pub fn apply(&self, address: &Attributes) -> Option<Attributes> {
        let is_like = |one: &Attribute, other: &Attribute| {
            one.key == other.key
                && one.dd_type.eq_ignore_ascii_case(&other.dd_type)
                && one.value.trim().eq_ignore_ascii_case(other.value.trim())
        };
        let has = |wanted| address.iter().any(|attribute| is_like(attribute, wanted));
        self.from.iter().all(has).then_some(())?;
        let mut fixed = address.clone();
        fixed.remove(|attribute| {
            let mut replaced = self.from.iter();
            let stands_once = !attribute.key.repeats() && self.to.has(attribute.key);
            stands_once || replaced.any(|replaced| is_like(replaced, attribute))
        });
        for attribute in &self.to {
            fixed.place(attribute.clone());
        }
        Some(fixed)
    }
}
