//! The APDUs of ACSE, from and to octets (X.227 clause 9).

use bytes::Bytes;

use crate::asn1;
use crate::asn1::acse::{
    AareApdu, AarqApdu, AbrtApdu, AcseApdu, AssociateSourceDiagnostic, AssociationInformation,
    ReleaseRequestReason, ReleaseResponseReason, RlreApdu, RlrqApdu,
};
use crate::asn1::external::{Encoding, ExternalValue};
use crate::asn1::types::Any;
use crate::osi::presentation::{BASIC_ENCODING, Oid, Pdv};

pub(super) use crate::asn1::acse::{
    AbortSource as Source, AssociateResult as Outcome, UserDiagnostic as Diagnostic,
};

/// An APDU that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Apdu {
    /// AARQ.
    Request {
        application_context: Oid,
        user_information: Vec<Pdv>,
    },
    /// AARE.
    Response {
        result: Outcome,
        diagnostic: AssociateSourceDiagnostic,
        user_information: Vec<Pdv>,
    },
    /// RLRQ.
    ReleaseRequest,
    /// RLRE.
    ReleaseResponse,
    /// ABRT.
    Abort {
        source: Source,
        user_information: Vec<Pdv>,
    },
}

/// Reads the APDU that is the first of these values.
///
/// # Errors
/// There is none, or its octets are no APDU; it is the peer's fault.
pub(super) fn read_first(values: &[Pdv]) -> Result<Apdu, String> {
    let value = values
        .first()
        .ok_or("no ACSE APDU where there must be one")?;
    let apdu: AcseApdu =
        asn1::decode(&value.value).map_err(|error| format!("ACSE APDU: {error}"))?;
    Ok(match apdu {
        AcseApdu::Aarq(aarq) => Apdu::Request {
            application_context: aarq.application_context_name,
            user_information: values_of(aarq.user_information),
        },
        AcseApdu::Aare(aare) => Apdu::Response {
            result: aare.result,
            diagnostic: aare.result_source_diagnostic,
            user_information: values_of(aare.user_information),
        },
        AcseApdu::Rlrq(_) => Apdu::ReleaseRequest,
        AcseApdu::Rlre(_) => Apdu::ReleaseResponse,
        AcseApdu::Abrt(abrt) => Apdu::Abort {
            source: abrt.abort_source,
            user_information: values_of(abrt.user_information),
        },
    })
}

/// User information as presentation data values; what names no context is left out.
fn values_of(information: Option<AssociationInformation>) -> Vec<Pdv> {
    let externals = information.unwrap_or_default();
    externals
        .into_iter()
        .filter_map(|external| {
            let context = u32::try_from(external.indirect_reference?).ok()?;
            let value = match external.encoding {
                Encoding::SingleASN1Type(any) => any.0,
                Encoding::OctetAligned(octets) => octets.0,
                Encoding::Arbitrary(_) => return None,
            };
            Some(Pdv { context, value })
        })
        .collect()
}

/// Presentation data values as user information: each an EXTERNAL that names its context.
fn information(values: &[Pdv]) -> Option<AssociationInformation> {
    let external = |pdv: &Pdv| ExternalValue {
        direct_reference: Some(BASIC_ENCODING),
        indirect_reference: Some(pdv.context.into()),
        data_value_descriptor: None,
        encoding: Encoding::SingleASN1Type(Any(pdv.value.clone())),
    };
    let externals: Vec<ExternalValue> = values.iter().map(external).collect();
    (!externals.is_empty()).then_some(externals)
}

/// AARQ.
pub(super) fn request(application_context: &Oid, user_information: &[Pdv]) -> Bytes {
    asn1::encode(&AcseApdu::Aarq(AarqApdu {
        application_context_name: application_context.clone(),
        user_information: information(user_information),
        ..AarqApdu::default()
    }))
}

/// AARE.
pub(super) fn response(
    application_context: &Oid,
    result: Outcome,
    diagnostic: Diagnostic,
    user_information: &[Pdv],
) -> Bytes {
    asn1::encode(&AcseApdu::Aare(AareApdu {
        application_context_name: application_context.clone(),
        result,
        result_source_diagnostic: AssociateSourceDiagnostic::AcseServiceUser(diagnostic),
        user_information: information(user_information),
        ..AareApdu::default()
    }))
}

/// RLRQ, with reason normal.
pub(super) fn release_request() -> Bytes {
    asn1::encode(&AcseApdu::Rlrq(RlrqApdu {
        reason: Some(ReleaseRequestReason::NORMAL),
        ..RlrqApdu::default()
    }))
}

/// RLRE, with reason normal.
pub(super) fn release_response() -> Bytes {
    asn1::encode(&AcseApdu::Rlre(RlreApdu {
        reason: Some(ReleaseResponseReason::NORMAL),
        ..RlreApdu::default()
    }))
}

/// ABRT.
pub(super) fn abort(abort_source: Source, user_information: &[Pdv]) -> Bytes {
    asn1::encode(&AcseApdu::Abrt(AbrtApdu {
        abort_source,
        user_information: information(user_information),
        ..AbrtApdu::default()
    }))
}
