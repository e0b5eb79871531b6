//! Why an association with a peer was not opened: what happened, and what a postmaster can do about it.

use std::fmt;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::association::Unproven;
use super::bind;
use super::config::Peer;
use super::strong::Fault;
use crate::asn1::acse::{ProviderDiagnostic, UserDiagnostic};
use crate::asn1::mta::MTABindError;
use crate::osi::acse::AssociateSourceDiagnostic;
use crate::osi::presentation::ProviderReason;
use crate::osi::rtse::{AbortReason, RefuseReason as RtseReason, Refused};
use crate::osi::session::ProviderAbort;
use crate::osi::spdu::RefuseReason as SessionReason;
use crate::osi::stack::Cause;
use crate::osi::tpkt;
use crate::osi::transport::{Disconnect, DisconnectReason};

/// Why an association was not opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what}")]
#[serde(rename_all = "kebab-case")]
pub struct Failure {
    /// How far it came.
    pub step: Step,
    /// What happened.
    pub what: String,
    /// What it means, and what to do.
    pub advice: String,
}

/// The steps in which an association is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Nothing was tried: the configuration, the schedule or the operator forbids it.
    Configuration,
    /// Finding the address of a name.
    Name,
    /// The TCP connection.
    Connection,
    /// TLS below RFC 1006.
    Tls,
    /// The transport connection (RFC 1006, X.224).
    Transport,
    /// The session connection (X.225).
    Session,
    /// The presentation connection (X.226).
    Presentation,
    /// Association control (X.227).
    Association,
    /// Reliable transfer (X.228).
    ReliableTransfer,
    /// The peer's verdict on our MTA bind (X.411).
    Bind,
    /// Our verdict on the peer's answer to it.
    Responder,
    /// The release of the association.
    Release,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configuration => "configuration",
            Self::Name => "name",
            Self::Connection => "TCP connection",
            Self::Tls => "TLS",
            Self::Transport => "transport (RFC 1006)",
            Self::Session => "session",
            Self::Presentation => "presentation",
            Self::Association => "association control",
            Self::ReliableTransfer => "reliable transfer",
            Self::Bind => "MTA bind",
            Self::Responder => "who answered",
            Self::Release => "release",
        })
    }
}

impl Failure {
    /// A failure at this step.
    #[must_use]
    pub fn new(step: Step, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            step,
            what: what.into(),
            advice: advice.into(),
        }
    }

    /// A host name that gives no address.
    #[must_use]
    pub(super) fn of_name(fault: &io::Error) -> Self {
        let advice = "The name in connect has no address. Check how it is spelt and that our name \
            server answers (getent hosts NAME); an address in place of the name works without one.";
        Self::new(
            Step::Name,
            format!("the name is not found: {fault}"),
            advice,
        )
    }

    /// A TCP connection that was not made.
    #[must_use]
    pub(super) fn of_connection(fault: &io::Error) -> Self {
        let advice = match fault.kind() {
            io::ErrorKind::ConnectionRefused => {
                "The host is up, but nothing listens on this port. Ask the peer's postmaster \
                 whether its MTA runs, and check the port in connect: X.400 has 102."
            }
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                "There is no way to this address. Check the address in connect, our own network \
                 (ip route get ADDRESS), and whether the line to the peer is up."
            }
            io::ErrorKind::TimedOut => NO_ANSWER,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
                "The connection was cut as it was made: a firewall, or a peer that does not let \
                 our address in. Ask its postmaster to allow our address."
            }
            _ => "The system could not connect; its own words above are all that is known.",
        };
        Self::new(Step::Connection, fault.to_string(), advice)
    }

    /// A TCP connection for which the peer let us wait too long.
    #[must_use]
    pub(super) fn of_silence(patience: Duration) -> Self {
        let what = format!("no connection within {patience:?}");
        Self::new(Step::Connection, what, NO_ANSWER)
    }

    /// A TLS handshake that came to nothing, or was undone right after it.
    #[must_use]
    pub(super) fn of_tls(fault: &io::Error) -> Self {
        use rustls::{AlertDescription as Alert, Error};
        let said = fault.get_ref().and_then(|said| said.downcast_ref());
        let advice = match said {
            Some(Error::AlertReceived(
                Alert::CertificateRequired
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied
                | Alert::DecryptError,
            )) => {
                "The peer does not take our certificate. Give its postmaster our certificate (or \
                 its fingerprint, or its authority), and see that it has not expired."
            }
            Some(Error::InvalidMessage(_)) => {
                "What listens there does not speak TLS. Check the port in connect; a peer without \
                 TLS has no tls in its entry."
            }
            Some(Error::AlertReceived(Alert::HandshakeFailure | Alert::ProtocolVersion)) => {
                "The two sides have no version or cipher of TLS in common: we speak 1.2 and 1.3. \
                 Ask the peer's postmaster to allow one of them."
            }
            _ => {
                "The TLS handshake broke off: what listens there may not speak TLS, or does not \
                 want us. Check the port in connect; the peer's own log of this minute says more."
            }
        };
        Self::new(Step::Tls, fault.to_string(), advice)
    }

    /// A certificate that is not the peer's.
    #[must_use]
    pub(super) fn of_certificate(why: String) -> Self {
        let advice = "The peer may have a new certificate, or another answers in its place: do not \
            trust it unseen. Ask its postmaster, over another line, for the name and fingerprint \
            of its certificate; then correct tls of this peer, or [x400.tls] authorities.";
        Self::new(Step::Tls, why, advice)
    }

    /// An MTA that answered and did not prove who it is.
    #[must_use]
    pub(super) fn of_responder(mta: &str, unproven: &Unproven) -> Self {
        let advice = match unproven {
            Unproven::Password => {
                "The peer accepted us, but does not prove to be who it is: agree with its \
                 postmaster on the password in peer-password-file."
            }
            Unproven::Strong(fault) => strong_advice(fault),
        };
        Self::new(Step::Responder, format!("{mta:?}: {unproven}"), advice)
    }

    /// An association that the layers did not open.
    #[must_use]
    pub fn of_layers(peer: &Peer, refused: &Refused, cause: Option<&Cause>) -> Self {
        let what = &refused.explanation;
        let bind = refused.user_data.as_ref().map(bind::read_error);
        if let Some(Ok(error)) = bind {
            let name = error
                .name()
                .map_or_else(|| format!("reason {}", error.0), str::to_owned);
            let what = format!("the peer refused our MTA bind: {name}");
            return Self::new(Step::Bind, what, bind_advice(peer, error));
        }
        match (refused.reason, refused.aborted) {
            (Some(reason), _) => {
                return Self::new(Step::ReliableTransfer, what, refused_advice(reason));
            }
            (_, Some(reason)) => {
                return Self::new(Step::ReliableTransfer, what, aborted_advice(reason));
            }
            (None, None) => {}
        }
        match cause {
            Some(Cause::Transport(why)) => Self::new(
                Step::Transport,
                why.to_string(),
                transport_advice(peer, why),
            ),
            Some(Cause::Session(reason)) => Self::new(
                Step::Session,
                reason.to_string(),
                session_advice(peer, reason),
            ),
            Some(Cause::SessionAbort(abort)) => Self::new(Step::Session, what, abort_advice(abort)),
            Some(Cause::Presentation(reason)) => {
                Self::new(Step::Presentation, what, presentation_advice(peer, *reason))
            }
            Some(Cause::Contexts) => Self::new(Step::Presentation, what, NO_P1),
            Some(Cause::PresentationAbort(abort)) => {
                Self::new(Step::Presentation, abort.to_string(), DISAGREE)
            }
            Some(Cause::Association(why)) => {
                Self::new(Step::Association, what, association_advice(why))
            }
            Some(Cause::Unexplained) => Self::new(Step::Association, what, NO_REASON),
            None => Self::new(Step::Association, what, DISAGREE),
        }
    }
}

const NO_ANSWER: &str = "Nobody answers. The host is down, the address in connect is wrong, or a \
    firewall (ours or theirs) drops what goes to this port. See whether the host answers anything \
    else, and ask the peer's postmaster whether our address is let in.";

const BUSY: &str = "The peer has no room for another association now. This passes; messages wait \
    and are tried again. If it stays so, lower max-associations of this peer, or ask its \
    postmaster how many it allows us.";

const NO_REASON: &str = "The peer gives no reason. Most often it does not know a selector or the \
    address we call from; its own log of this minute says more: ask its postmaster.";

const DISAGREE: &str = "The two sides do not understand each other here. If the peer is an MTA of \
    1984 or speaks X.410 mode, set mode accordingly; else capture the call (tcpdump -w FILE port \
    102) and report it.";

const TROUBLE: &str = "The peer has a trouble of its own. This may pass; messages wait and are \
    tried again. If it stays so, its own log of this minute says more: ask its postmaster.";

const CREDENTIALS: &str = "The peer does not accept who we say we are. Agree with its postmaster on \
    our MTA name ([gateway] mta, or our-mta of this peer; capitals count), our password \
    (password-file), the address we call from, and mode.";

const DIALOGUE: &str = "The peer wants two-way alternate associations where we offer monologue, or \
    the other way round. Agree with its postmaster, and set two-way-alternate of this peer.";

const NO_P1: &str = "The peer answers at this address, but does not speak mts-transfer there: it may \
    be a message store or directory (check the selectors), or an MTA that speaks X.410 mode only: \
    try mode = \"x410\", then mode = \"1984\".";

/// What a selector of ours looks like in advice.
fn selector(key: &str, selector: &super::config::Selector) -> String {
    match String::from(selector.clone()) {
        text if text.is_empty() => format!("we call it without one: set {key}"),
        text => format!("{key} = {text:?}"),
    }
}

fn transport_advice(peer: &Peer, why: &Disconnect) -> String {
    let selector = || selector("t-selector", &peer.t_selector);
    match why {
        Disconnect::Peer { reason, .. } => match *reason {
            DisconnectReason::NOT_ATTACHED | DisconnectReason::ADDRESS_UNKNOWN => format!(
                "The peer does not know the transport selector we call ({}). Ask its postmaster \
                 for its T-selector; capitals count, and one given in hexadecimal is 0x and digits.",
                selector()
            ),
            DisconnectReason::CONGESTION_AT_TSAP | DisconnectReason::CONGESTION => BUSY.to_owned(),
            DisconnectReason::PROTOCOL_ERROR
            | DisconnectReason::LENGTH_INVALID
            | DisconnectReason::NEGOTIATION_FAILED
            | DisconnectReason::MISMATCHED_REFERENCES => DISAGREE.to_owned(),
            DisconnectReason::DUPLICATE_REFERENCE | DisconnectReason::REFERENCE_OVERFLOW => {
                TROUBLE.to_owned()
            }
            _ => format!(
                "{NO_REASON} Of selectors, this answer is most often about the transport selector \
                 ({}).",
                selector()
            ),
        },
        Disconnect::Closed => "Something takes connections there and hangs up without a word: an \
            MTA or firewall that does not let our address in, or likes nothing of what we say (its \
            own log says more), a limit on connections, a port that wants TLS, or no X.400 MTA at \
            all. Ask the peer's postmaster to allow our address."
            .to_owned(),
        Disconnect::NoPacket(tpkt::Error::Version(tpkt::TLS_ALERT | tpkt::TLS_HANDSHAKE)) => {
            "What listens there speaks TLS. Give this peer a tls entry, or ask its postmaster for \
             the port without TLS."
                .to_owned()
        }
        Disconnect::NoPacket(_) => "What listens there does not speak RFC 1006, so it is no X.400 \
            MTA: another service (SMTP, a web server), or one that wants TLS. Check the port in \
            connect, and whether the peer's entry needs tls."
            .to_owned(),
        Disconnect::Timeout(_) => "Something takes connections there and then says nothing: an \
            MTA that hangs, a port that wants TLS, or no X.400 MTA. Check the port in connect, \
            and ask the peer's postmaster to look at the MTA."
            .to_owned(),
        _ => DISAGREE.to_owned(),
    }
}

fn session_advice(peer: &Peer, reason: &SessionReason) -> String {
    match reason {
        SessionReason::SelectorUnknown | SessionReason::NotAttached => format!(
            "The peer does not know the session selector we call ({}), or its MTA is not started \
             behind it. Ask its postmaster for its S-selector; capitals count.",
            selector("s-selector", &peer.s_selector)
        ),
        SessionReason::UserCongestion | SessionReason::Congestion => BUSY.to_owned(),
        SessionReason::VersionNotSupported | SessionReason::ImplementationRestriction => {
            DISAGREE.to_owned()
        }
        _ => NO_REASON.to_owned(),
    }
}

fn abort_advice(abort: &ProviderAbort) -> String {
    match abort {
        ProviderAbort::Timeout(_) => "The peer took the transport connection and then said \
            nothing more: its MTA hangs, or is overloaded. Ask its postmaster to look at it; \
            open-timeout is how long we wait."
            .to_owned(),
        ProviderAbort::ByPeer(_) => NO_REASON.to_owned(),
        _ => DISAGREE.to_owned(),
    }
}

fn presentation_advice(peer: &Peer, reason: ProviderReason) -> String {
    match reason {
        ProviderReason::CALLED_PRESENTATION_ADDRESS_UNKNOWN | ProviderReason::NO_PSAP_AVAILABLE => {
            format!(
                "The peer does not know the presentation selector we call ({}). Ask its \
                 postmaster for its P-selector; capitals count.",
                selector("p-selector", &peer.p_selector)
            )
        }
        ProviderReason::TEMPORARY_CONGESTION | ProviderReason::LOCAL_LIMIT_EXCEEDED => {
            BUSY.to_owned()
        }
        ProviderReason::REASON_NOT_SPECIFIED => NO_REASON.to_owned(),
        reason if reason.name().is_none() => NO_REASON.to_owned(),
        _ => DISAGREE.to_owned(),
    }
}

fn association_advice(why: &AssociateSourceDiagnostic) -> &'static str {
    let why = match *why {
        AssociateSourceDiagnostic::AcseServiceUser(why) => why,
        AssociateSourceDiagnostic::AcseServiceProvider(
            ProviderDiagnostic::NO_COMMON_ACSE_VERSION,
        ) => return DISAGREE,
        AssociateSourceDiagnostic::AcseServiceProvider(_) => return NO_REASON,
    };
    match why {
        UserDiagnostic::APPLICATION_CONTEXT_NAME_NOT_SUPPORTED => NO_P1,
        UserDiagnostic::CALLED_AP_TITLE_NOT_RECOGNIZED
        | UserDiagnostic::CALLED_AP_INVOCATION_IDENTIFIER_NOT_RECOGNIZED
        | UserDiagnostic::CALLED_AE_QUALIFIER_NOT_RECOGNIZED
        | UserDiagnostic::CALLED_AE_INVOCATION_IDENTIFIER_NOT_RECOGNIZED
        | UserDiagnostic::CALLING_AP_TITLE_NOT_RECOGNIZED
        | UserDiagnostic::CALLING_AP_INVOCATION_IDENTIFIER_NOT_RECOGNIZED
        | UserDiagnostic::CALLING_AE_QUALIFIER_NOT_RECOGNIZED
        | UserDiagnostic::CALLING_AE_INVOCATION_IDENTIFIER_NOT_RECOGNIZED => {
            "The peer goes by application titles, which we do not send. Ask its postmaster to \
             know us by MTA name and address."
        }
        UserDiagnostic::AUTHENTICATION_FAILURE
        | UserDiagnostic::AUTHENTICATION_REQUIRED
        | UserDiagnostic::AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNIZED
        | UserDiagnostic::AUTHENTICATION_MECHANISM_NAME_REQUIRED => {
            "The peer wants us authenticated by association control, which P1 does not use. Ask \
             its postmaster to go by the MTA bind."
        }
        _ => NO_REASON,
    }
}

fn refused_advice(reason: RtseReason) -> &'static str {
    match reason {
        RtseReason::RTSBUSY => BUSY,
        RtseReason::VALIDATIONFAILURE => CREDENTIALS,
        RtseReason::UNACCEPTABLEDIALOGUEMODE => DIALOGUE,
        RtseReason::CANNOTRECOVER => {
            "The peer does not remember the association we wished to go on with; the next call \
             begins anew. Nothing is to be done."
        }
        _ => NO_REASON,
    }
}

fn aborted_advice(reason: AbortReason) -> &'static str {
    match reason {
        AbortReason::LOCALSYSTEMPROBLEM
        | AbortReason::TEMPORARYPROBLEM
        | AbortReason::PERMANENTPROBLEM => TROUBLE,
        AbortReason::INVALIDPARAMETER
        | AbortReason::UNRECOGNIZEDACTIVITY
        | AbortReason::PROTOCOLERROR
        | AbortReason::TRANSFERCOMPLETED => DISAGREE,
        _ => NO_REASON,
    }
}

/// What is to be done about strong credentials of a peer that accepted us.
fn strong_advice(fault: &Fault) -> &'static str {
    match fault {
        Fault::Simple | Fault::Absent(_) => {
            "The peer accepted us, but proves itself by a password or not at all. Ask its \
             postmaster for strong credentials with its certificate in our direction too; until \
             then, strong with demand = false goes by its password."
        }
        Fault::Size { .. } | Fault::Count(_) | Fault::Token(_) => {
            "The peer's token cannot be used as it is. Ask its postmaster what makes it, with these \
             words; until then, strong with demand = false and offer = false goes by passwords."
        }
        Fault::Weak(_) => {
            "Ask the peer's postmaster to have its tokens signed with SHA-256 or better (an option \
             of its MTA, or a new certificate)."
        }
        Fault::Recipient(_) => {
            "The peer knows us by another MTA name or domain than we give. Agree with its \
             postmaster on our MTA name ([gateway] mta, or our-mta of this peer; capitals count)."
        }
        Fault::Old { .. } | Fault::Future { .. } => {
            "Our clock and the peer's differ, or someone sends again what was sent before. See \
             that both keep time (NTP); time-window in [x400.strong] is how much they may differ."
        }
        Fault::Fingerprint(_) | Fault::Name { .. } => {
            "The peer may have a new certificate, or another answers in its place: do not trust it \
             unseen. Ask its postmaster, over another line, for the subject and fingerprint of its \
             certificate; then correct strong of this peer."
        }
        Fault::Certificate(_) | Fault::Usage(_) | Fault::Chain(_) => {
            "The peer's certificate does not do. If it has expired or is of the wrong kind, its \
             postmaster must have a new one; if we do not know its authority, add that to \
             [x400.strong] authorities."
        }
        Fault::Signature(_) => {
            "Whoever answers does not have the key of the certificate it shows, or signs it \
             otherwise than X.509 says. Do not trust it; ask the peer's postmaster."
        }
        Fault::Replayed | Fault::Many => {
            "Someone may be sending again what the peer once sent; or its random numbers are none. \
             If it stays so, ask its postmaster, and look at the line between us."
        }
    }
}

const STRONG: &str = "The peer does not accept our strong credentials; its log of this minute says \
    which check failed. Most often it does not have our certificate (or its authority, or its \
    fingerprint), our certificate has expired, our two clocks differ by minutes, our token is for \
    another MTA name than its own (mta of this peer), or it knows us by another MTA name ([gateway] \
    mta, or our-mta of this peer); perhaps it wants a password (strong with offer = false).";

fn bind_advice(peer: &Peer, error: MTABindError) -> &'static str {
    match error {
        MTABindError::BUSY => BUSY,
        MTABindError::AUTHENTICATION_ERROR => match &peer.strong {
            Some(strong) if strong.offer => STRONG,
            _ => CREDENTIALS,
        },
        MTABindError::UNACCEPTABLE_DIALOGUE_MODE => DIALOGUE,
        MTABindError::UNACCEPTABLE_SECURITY_CONTEXT
        | MTABindError::INADEQUATE_ASSOCIATION_CONFIDENTIALITY => {
            "The peer wants security that the MTA bind does not give here: perhaps TLS or \
             strong credentials (tls or strong of this peer), or security labels. Ask its postmaster what it demands of us."
        }
        _ => NO_REASON,
    }
}
