//! A message as an X.400 user writes it: P22 in a P1 envelope, no gateway involved.

use jiff::Timestamp;
use mixgate::asn1::compose;
use mixgate::asn1::ftbp::{FileAttributes, FileTransferParameters, PathnameAttribute};
use mixgate::asn1::ipms::{Heading, IPMIdentifier, ORDescriptor, RecipientSpecifier, SubjectField};
use mixgate::asn1::mta::{
    DomainSuppliedInformation, MessageTransferEnvelope, PerRecipientIndicators,
    PerRecipientMessageTransferFields, TraceInformation, TraceInformationElement,
};
use mixgate::asn1::mts::{
    BuiltInContentType, BuiltInEncodedInformationTypes, ContentType, EncodedInformationTypes,
    GlobalDomainIdentifier, MTSIdentifier, ORName,
};
use mixgate::mixer::address::{Attributes, wire};
use mixgate::mixer::basic::time::Time;
use mixgate::mixer::domain;
use mixgate::octets::Octets;

/// What the user writes.
#[derive(Debug)]
pub struct Letter<'a> {
    /// The O/R address of the originator.
    pub from: &'a Attributes,
    /// The originator's name for people.
    pub name: &'a str,
    /// The O/R address of the recipient.
    pub to: &'a Attributes,
    /// What it is about.
    pub subject: &'a str,
    /// The text, IA5.
    pub text: &'a str,
    /// The name of the file, and its octets.
    pub file: (&'a str, &'a [u8]),
}

impl Letter<'_> {
    /// The APDU an MTA transfers; `local` identifies it within the domain of its originator.
    pub fn apdu(&self, local: &str, now: Timestamp) -> Octets {
        let domain = domain::of_address(self.from).unwrap_or_default();
        compose::message(&self.envelope(domain, local, now), self.content(local))
    }

    fn envelope(
        &self,
        domain: GlobalDomainIdentifier,
        local: &str,
        now: Timestamp,
    ) -> MessageTransferEnvelope {
        MessageTransferEnvelope {
            message_identifier: MTSIdentifier {
                global_domain_identifier: domain.clone(),
                local_identifier: local.into(),
            },
            originator_name: name(self.from),
            original_encoded_information_types: Some(EncodedInformationTypes {
                built_in_encoded_information_types: BuiltInEncodedInformationTypes::of(&[
                    BuiltInEncodedInformationTypes::IA5_TEXT,
                ]),
                ..EncodedInformationTypes::default()
            }),
            content_type: ContentType::BuiltIn(BuiltInContentType::INTERPERSONAL_MESSAGING_1988),
            trace_information: TraceInformation(vec![TraceInformationElement {
                global_domain_identifier: domain,
                domain_supplied_information: DomainSuppliedInformation {
                    arrival_time: Time::utc(now).to_utc_time().into(),
                    ..DomainSuppliedInformation::default()
                },
                ..TraceInformationElement::default()
            }]),
            per_recipient_fields: vec![PerRecipientMessageTransferFields {
                recipient_name: name(self.to),
                originally_specified_recipient_number: 1,
                per_recipient_indicators: PerRecipientIndicators::of(&[
                    PerRecipientIndicators::RESPONSIBILITY,
                    PerRecipientIndicators::ORIGINATING_MTA_NON_DELIVERY_REPORT,
                    PerRecipientIndicators::ORIGINATOR_NON_DELIVERY_REPORT,
                ]),
                ..PerRecipientMessageTransferFields::default()
            }],
            ..MessageTransferEnvelope::default()
        }
    }

    fn content(&self, local: &str) -> Octets {
        let descriptor = |address, people: Option<&str>| ORDescriptor {
            formal_name: Some(name(address)),
            free_form_name: people.map(|people| people.as_bytes().into()),
            ..ORDescriptor::default()
        };
        let heading = Heading {
            this_ipm: IPMIdentifier {
                user: Some(name(self.from)),
                user_relative_identifier: local.into(),
                ..IPMIdentifier::default()
            },
            originator: Some(descriptor(self.from, Some(self.name))),
            primary_recipients: vec![RecipientSpecifier {
                recipient: descriptor(self.to, None),
                ..RecipientSpecifier::default()
            }],
            subject: Some(SubjectField::from(self.subject.as_bytes())),
            ..Heading::default()
        };
        let (file_name, octets) = self.file;
        let parameters = FileTransferParameters {
            file_attributes: Some(FileAttributes {
                pathname: Some(PathnameAttribute::IncompletePathname(vec![
                    file_name.as_bytes().into(),
                ])),
                ..FileAttributes::default()
            }),
            ..FileTransferParameters::default()
        };
        let text = Octets::from(self.text.as_bytes().to_vec());
        let file = Octets::from(octets.to_vec());
        let parts = [
            compose::ia5_text_body_part(text),
            compose::file_transfer_body_part(&parameters, None, None, file),
        ];
        compose::ipm(&heading, parts)
    }
}

fn name(address: &Attributes) -> ORName {
    wire::or_address(address).into()
}
