//! The PPDUs of both modes, from and to octets (X.226 clause 8).

use bytes::{Bytes, BytesMut};

use super::{BASIC_ENCODING, Connect, Context, Mode, NO_CONTEXT, Oid, Pdv};
use crate::asn1::presentation::{
    AbortReason, AbortType, ArpPpdu, AruNormalModeParameters, AruPpdu, ContextDefinition,
    ContextRefusal, ContextResult, ContextUse, CpNormalModeParameters, CpType,
    CpaNormalModeParameters, CpaPpdu, CprNormalModeParameters, CprPpdu, DefinitionResult,
    ModeSelector, ModeValue, PdvList, PresentationDataValues, ProviderReason, UserData,
};
use crate::asn1::rtse::{RTABapdu, RTORJapdu, RtseApdus};
use crate::asn1::tlv::{self, Tag};
use crate::asn1::types::{Any, OctetString};
use crate::asn1::{self, DecodeError};

/// A fault of the peer, and what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The abort-reason.
    pub reason: AbortReason,
    /// What happened, in words.
    pub explanation: String,
}

impl Fault {
    /// Octets that are no PPDU.
    fn unrecognized(ppdu: &'static str, error: &DecodeError) -> Self {
        Self {
            reason: AbortReason::UNRECOGNIZED_PPDU,
            explanation: format!("{ppdu}: {error}"),
        }
    }

    /// A PPDU that does not belong here.
    pub(super) fn unexpected(explanation: &str) -> Self {
        Self {
            reason: AbortReason::UNEXPECTED_PPDU,
            explanation: explanation.to_owned(),
        }
    }

    /// A parameter with a value it must not have.
    pub(super) fn invalid(explanation: String) -> Self {
        Self {
            reason: AbortReason::INVALID_PPDU_PARAMETER_VALUE,
            explanation,
        }
    }
}

/// A context proposed, with the transfer syntaxes proposed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proposal {
    pub context: Context,
    pub transfer_syntaxes: Vec<Oid>,
}

/// The verdict on a context proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Acceptance,
    /// Not accepted by the responder's user, or for a reason it did not give.
    Rejection,
    AbstractSyntaxNotSupported,
    TransferSyntaxesNotSupported,
}

impl Outcome {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Acceptance => "accepted",
            Self::Rejection => "no reason",
            Self::AbstractSyntaxNotSupported => "abstract-syntax-not-supported",
            Self::TransferSyntaxesNotSupported => "proposed-transfer-syntaxes-not-supported",
        }
    }
}

/// What a CP PPDU says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cp {
    pub mode: Mode,
    pub calling: Bytes,
    pub called: Bytes,
    pub proposals: Vec<Proposal>,
    pub user_data: Vec<Pdv>,
}

/// CP.
pub(super) fn cp(connect: &Connect) -> Bytes {
    if connect.mode == Mode::X410 {
        let parameters = match rtse_apdu(&connect.user_data) {
            Some(RtseApdus::RtorqApdu(rtorq)) => Some(rtorq),
            _ => None,
        };
        return asn1::encode(&CpType {
            mode_selector: mode_selector(ModeValue::X410_1984_MODE),
            x410_mode_parameters: parameters,
            ..CpType::default()
        });
    }
    let definition = |context: &Context| ContextDefinition {
        presentation_context_identifier: context.identifier.into(),
        abstract_syntax_name: context.abstract_syntax.clone(),
        transfer_syntax_name_list: vec![BASIC_ENCODING],
        ..ContextDefinition::default()
    };
    let definitions: Vec<_> = connect.contexts.iter().map(definition).collect();
    asn1::encode(&CpType {
        mode_selector: mode_selector(ModeValue::NORMAL_MODE),
        normal_mode_parameters: Some(CpNormalModeParameters {
            calling_presentation_selector: selector(&connect.calling.p),
            called_presentation_selector: selector(&connect.called.p),
            presentation_context_definition_list: Some(definitions),
            user_data: Some(fully_encoded(&connect.user_data)),
            ..CpNormalModeParameters::default()
        }),
        ..CpType::default()
    })
}

/// Reads a CP; CPC values that may follow it say nothing new.
pub(super) fn read_cp(octets: &Bytes) -> Result<Cp, Fault> {
    let (cp, _) = asn1::decode_first::<CpType>(octets, &asn1::Limits::DEFAULT)
        .map_err(|error| Fault::unrecognized("CP", &error))?;
    if cp.mode_selector.mode_value == ModeValue::X410_1984_MODE {
        let rtorq = cp
            .x410_mode_parameters
            .ok_or_else(|| Fault::unexpected("CP of X.410 (1984) mode without RTORQ"))?;
        return Ok(Cp {
            mode: Mode::X410,
            calling: Bytes::new(),
            called: Bytes::new(),
            proposals: Vec::new(),
            user_data: of_rtse(RtseApdus::RtorqApdu(rtorq)),
        });
    }
    let parameters = cp.normal_mode_parameters.unwrap_or_default();
    let definitions = parameters
        .presentation_context_definition_list
        .unwrap_or_default();
    let mut proposals = Vec::new();
    for definition in definitions {
        let identifier = definition.presentation_context_identifier;
        let identifier = u32::try_from(identifier)
            .map_err(|_| Fault::invalid(format!("presentation context {identifier}")))?;
        let abstract_syntax = definition.abstract_syntax_name;
        proposals.push(Proposal {
            context: Context {
                identifier,
                abstract_syntax,
            },
            transfer_syntaxes: definition.transfer_syntax_name_list,
        });
    }
    Ok(Cp {
        mode: Mode::Normal,
        calling: parameters
            .calling_presentation_selector
            .unwrap_or_default()
            .0,
        called: parameters
            .called_presentation_selector
            .unwrap_or_default()
            .0,
        proposals,
        user_data: values(parameters.user_data)?,
    })
}

/// CPA.
pub(super) fn cpa(
    mode: Mode,
    responding: &Bytes,
    outcomes: &[Outcome],
    user_data: &[Pdv],
) -> Bytes {
    if mode == Mode::X410 {
        let parameters = match rtse_apdu(user_data) {
            Some(RtseApdus::RtoacApdu(rtoac)) => Some(rtoac),
            _ => None,
        };
        return asn1::encode(&CpaPpdu {
            mode_selector: mode_selector(ModeValue::X410_1984_MODE),
            x410_mode_parameters: parameters,
            ..CpaPpdu::default()
        });
    }
    let results: Vec<_> = outcomes.iter().map(result).collect();
    asn1::encode(&CpaPpdu {
        mode_selector: mode_selector(ModeValue::NORMAL_MODE),
        normal_mode_parameters: Some(CpaNormalModeParameters {
            responding_presentation_selector: selector(responding),
            presentation_context_definition_result_list: Some(results),
            user_data: Some(fully_encoded(user_data)),
            ..CpaNormalModeParameters::default()
        }),
        ..CpaPpdu::default()
    })
}

/// Reads a CPA: the verdict on each context proposed, and the user's data.
pub(super) fn read_cpa(mode: Mode, octets: &Bytes) -> Result<(Vec<Outcome>, Vec<Pdv>), Fault> {
    let cpa: CpaPpdu = asn1::decode(octets).map_err(|error| Fault::unrecognized("CPA", &error))?;
    match (mode, cpa.mode_selector.mode_value, cpa.x410_mode_parameters) {
        (Mode::X410, ModeValue::X410_1984_MODE, Some(rtoac)) => {
            return Ok((Vec::new(), of_rtse(RtseApdus::RtoacApdu(rtoac))));
        }
        (Mode::Normal, ModeValue::NORMAL_MODE, _) => {}
        _ => return Err(Fault::unexpected("CPA of another mode than the CP")),
    }
    let parameters = cpa.normal_mode_parameters.unwrap_or_default();
    let results = parameters
        .presentation_context_definition_result_list
        .unwrap_or_default();
    let outcomes = results.iter().map(outcome).collect();
    Ok((outcomes, values(parameters.user_data)?))
}

/// CPR: refused by the provider if there is a reason, else by the user.
pub(super) fn cpr(
    mode: Mode,
    responding: &Bytes,
    outcomes: &[Outcome],
    provider_reason: Option<ProviderReason>,
    user_data: &[Pdv],
) -> Bytes {
    if mode == Mode::X410 {
        let rtorj = match rtse_apdu(user_data) {
            Some(RtseApdus::RtorjApdu(rtorj)) => rtorj,
            _ => RTORJapdu::default(),
        };
        return asn1::encode(&CprPpdu::X400ModeParameters(rtorj));
    }
    let results: Vec<_> = outcomes.iter().map(result).collect();
    asn1::encode(&CprPpdu::NormalModeParameters(CprNormalModeParameters {
        responding_presentation_selector: selector(responding),
        presentation_context_definition_result_list: (!results.is_empty()).then_some(results),
        provider_reason,
        user_data: (!user_data.is_empty()).then(|| fully_encoded(user_data)),
        ..CprNormalModeParameters::default()
    }))
}

/// What a CPR says: the provider's reason, the verdict on each context, and the user's data.
pub(super) type Cpr = (Option<ProviderReason>, Vec<Outcome>, Vec<Pdv>);

/// Reads a CPR.
pub(super) fn read_cpr(octets: &Bytes) -> Result<Cpr, Fault> {
    match asn1::decode(octets).map_err(|error| Fault::unrecognized("CPR", &error))? {
        CprPpdu::NormalModeParameters(parameters) => {
            let results = parameters
                .presentation_context_definition_result_list
                .unwrap_or_default();
            Ok((
                parameters.provider_reason,
                results.iter().map(outcome).collect(),
                values(parameters.user_data)?,
            ))
        }
        CprPpdu::X400ModeParameters(rtorj) => {
            let user_data = of_rtse(RtseApdus::RtorjApdu(rtorj));
            Ok((None, Vec::new(), user_data))
        }
    }
}

/// What an Abort-type value says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AbortPdu {
    /// ARU.
    User(Vec<Pdv>),
    /// ARP.
    Provider(Option<AbortReason>),
}

/// ARU.
pub(super) fn aru(mode: Mode, user_data: &[Pdv]) -> Bytes {
    if mode == Mode::X410 {
        let rtab = match rtse_apdu(user_data) {
            Some(RtseApdus::RtabApdu(rtab)) => rtab,
            _ => RTABapdu::default(),
        };
        return asn1::encode(&AbortType::AruPpdu(AruPpdu::X400ModeParameters(rtab)));
    }
    let context_use = |pdv: &Pdv| ContextUse {
        presentation_context_identifier: pdv.context.into(),
        transfer_syntax_name: BASIC_ENCODING,
    };
    let uses: Vec<_> = user_data.iter().map(context_use).collect();
    asn1::encode(&AbortType::AruPpdu(AruPpdu::NormalModeParameters(
        AruNormalModeParameters {
            presentation_context_identifier_list: (!uses.is_empty()).then_some(uses),
            user_data: (!user_data.is_empty()).then(|| fully_encoded(user_data)),
            ..AruNormalModeParameters::default()
        },
    )))
}

/// ARP.
pub(super) fn arp(reason: AbortReason) -> Bytes {
    asn1::encode(&AbortType::ArpPpdu(ArpPpdu {
        provider_reason: Some(reason),
        event_identifier: None,
    }))
}

/// Reads an Abort-type value.
pub(super) fn read_abort(octets: &Bytes) -> Result<AbortPdu, Fault> {
    match asn1::decode(octets).map_err(|error| Fault::unrecognized("abort", &error))? {
        AbortType::AruPpdu(AruPpdu::NormalModeParameters(parameters)) => {
            Ok(AbortPdu::User(values(parameters.user_data)?))
        }
        AbortType::AruPpdu(AruPpdu::X400ModeParameters(rtab)) => {
            Ok(AbortPdu::User(of_rtse(RtseApdus::RtabApdu(rtab))))
        }
        AbortType::ArpPpdu(arp) => Ok(AbortPdu::Provider(arp.provider_reason)),
    }
}

/// User-data of one value in indefinite lengths, as a transfer's data are sent.
pub(super) fn data(mode: Mode, pdv: Pdv) -> Bytes {
    if mode == Mode::X410 {
        return pdv.value;
    }
    let context = asn1::encode(&i64::from(pdv.context));
    let mut octets = BytesMut::with_capacity(pdv.value.len() + 32);
    octets.extend_from_slice(&tlv::open_header(Tag::application(1)));
    octets.extend_from_slice(&tlv::open_header(Tag::SEQUENCE));
    octets.extend_from_slice(&context);
    octets.extend_from_slice(&tlv::open_header(Tag::context(0)));
    octets.extend_from_slice(&pdv.value);
    octets.extend_from_slice(&[0; 6]);
    octets.freeze()
}

/// User-data of some values in definite lengths; no octets for none.
pub(super) fn user_data(mode: Mode, values: &[Pdv]) -> Bytes {
    match (mode, values) {
        (_, []) => Bytes::new(),
        (Mode::X410, [value, ..]) => value.value.clone(),
        (Mode::Normal, values) => asn1::encode(&fully_encoded(values)),
    }
}

/// Reads User-data.
pub(super) fn read_user_data(mode: Mode, octets: &Bytes) -> Result<Vec<Pdv>, Fault> {
    if mode == Mode::X410 {
        return Ok(bare(octets.clone()));
    }
    let data = asn1::decode(octets).map_err(|error| Fault::unrecognized("user data", &error))?;
    values(Some(data))
}

fn fully_encoded(values: &[Pdv]) -> UserData {
    let list = |pdv: &Pdv| PdvList {
        transfer_syntax_name: None,
        presentation_context_identifier: pdv.context.into(),
        presentation_data_values: PresentationDataValues::SingleASN1Type(Any(pdv.value.clone())),
    };
    let lists: Vec<PdvList> = values.iter().map(list).collect();
    UserData::FullyEncodedData(lists)
}

fn values(data: Option<UserData>) -> Result<Vec<Pdv>, Fault> {
    let lists = match data {
        None => return Ok(Vec::new()),
        Some(UserData::SimplyEncodedData(octets)) => {
            return Ok(bare(octets.0));
        }
        Some(UserData::FullyEncodedData(lists)) => lists,
    };
    let mut values = Vec::new();
    for list in lists {
        let context = list.presentation_context_identifier;
        let context = u32::try_from(context)
            .map_err(|_| Fault::invalid(format!("presentation context {context}")))?;
        let value = match list.presentation_data_values {
            PresentationDataValues::SingleASN1Type(any) => any.0,
            PresentationDataValues::OctetAligned(octets) => octets.0,
            PresentationDataValues::Arbitrary(bits) => bits.octets,
        };
        values.push(Pdv { context, value });
    }
    Ok(values)
}

/// A value that names no context.
fn bare(value: Bytes) -> Vec<Pdv> {
    let context = NO_CONTEXT;
    vec![Pdv { context, value }]
}

/// The APDU of RTSE that is the user's data in X.410 mode: it stands within the PPDU with another tag.
fn rtse_apdu(user_data: &[Pdv]) -> Option<RtseApdus> {
    asn1::decode(&user_data.first()?.value).ok()
}

/// The user's data in X.410 mode, from the APDU of RTSE within a PPDU.
fn of_rtse(apdu: RtseApdus) -> Vec<Pdv> {
    bare(asn1::encode(&apdu))
}

fn mode_selector(mode_value: ModeValue) -> ModeSelector {
    ModeSelector {
        mode_value,
        ..ModeSelector::default()
    }
}

fn selector(octets: &Bytes) -> Option<OctetString> {
    (!octets.is_empty()).then(|| octets.clone().into())
}

fn result(outcome: &Outcome) -> ContextResult {
    let (result, provider_reason) = match outcome {
        Outcome::Acceptance => (DefinitionResult::ACCEPTANCE, None),
        Outcome::Rejection => (DefinitionResult::USER_REJECTION, None),
        Outcome::AbstractSyntaxNotSupported => (
            DefinitionResult::PROVIDER_REJECTION,
            Some(ContextRefusal::ABSTRACT_SYNTAX_NOT_SUPPORTED),
        ),
        Outcome::TransferSyntaxesNotSupported => (
            DefinitionResult::PROVIDER_REJECTION,
            Some(ContextRefusal::PROPOSED_TRANSFER_SYNTAXES_NOT_SUPPORTED),
        ),
    };
    ContextResult {
        result,
        transfer_syntax_name: (*outcome == Outcome::Acceptance).then_some(BASIC_ENCODING),
        provider_reason,
    }
}

fn outcome(result: &ContextResult) -> Outcome {
    match (result.result, result.provider_reason) {
        (DefinitionResult::ACCEPTANCE, _) => Outcome::Acceptance,
        (_, Some(ContextRefusal::ABSTRACT_SYNTAX_NOT_SUPPORTED)) => {
            Outcome::AbstractSyntaxNotSupported
        }
        (_, Some(ContextRefusal::PROPOSED_TRANSFER_SYNTAXES_NOT_SUPPORTED)) => {
            Outcome::TransferSyntaxesNotSupported
        }
        _ => Outcome::Rejection,
    }
}

#[cfg(test)]
mod tests;
