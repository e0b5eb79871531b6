//! `p1-source`: a test MTA that sends interpersonal messages it makes, or APDUs from files.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::client::{Client, Outcome};
use super::config::{self, Config, Mode, Selector};
use super::transfer::Encoding;
use super::{Apdu, Directory, Peer};
use crate::asn1::compose;
use crate::asn1::ipms::{Heading, IPMIdentifier, ORDescriptor, RecipientSpecifier};
use crate::asn1::mta::{
    DomainSuppliedInformation, MessageTransferEnvelope, PerRecipientIndicators,
    PerRecipientMessageTransferFields, RoutingAction, TraceInformation, TraceInformationElement,
};
use crate::asn1::mts::{
    AdministrationDomainName, BuiltInContentType, BuiltInEncodedInformationTypes,
    BuiltInStandardAttributes, ContentType, CountryName, EncodedInformationTypes,
    GlobalDomainIdentifier, MTSIdentifier, ORName, PersonalName, PrivateDomainIdentifier,
    PrivateDomainName,
};
use crate::octets::Octets;

/// The name of the one peer of a source.
const PEER: &str = "to";

/// What a source does.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whom to call, `host:port`.
    pub to: String,
    /// The selectors to call: transport, session, presentation.
    pub selectors: [Selector; 3],
    /// The protocol variant to speak; a message that is made for 1984 has content type 2.
    pub mode: Mode,
    /// The MTA name to say, and the one in trace and identifiers.
    pub mta: String,
    /// The password to say.
    pub password_file: Option<PathBuf>,
    /// How many transfers to make; `None`: 1, or each input once.
    pub messages: Option<u64>,
    /// How many octets of text a message that is made has.
    pub size: usize,
    /// How many associations send at the same time.
    pub sessions: usize,
    /// Files of one bare MTS-APDU each, sent in turn; none: messages are made.
    pub input: Vec<PathBuf>,
    /// Who the messages are from.
    pub originator: ORName,
    /// Whom they are for.
    pub recipients: Vec<ORName>,
    /// The octets between two checkpoints to propose, in units of 1024.
    pub checkpoint_size: u8,
    /// The checkpoints without confirmation to propose.
    pub window_size: u8,
    /// How the EXTERNAL around each APDU holds it.
    pub external: Encoding,
}

impl Default for Options {
    fn default() -> Self {
        let config = Config::default();
        Self {
            to: "127.0.0.1:102".to_owned(),
            selectors: Default::default(),
            mode: Mode::default(),
            mta: "p1-source".to_owned(),
            password_file: None,
            messages: None,
            size: 4096,
            sessions: 1,
            input: Vec::new(),
            originator: address("Source"),
            recipients: vec![address("Sink")],
            checkpoint_size: config.checkpoint_size,
            window_size: config.window_size,
            external: Encoding::default(),
        }
    }
}

/// What became of the transfers of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Transfers confirmed.
    pub delivered: u64,
    /// Transfers that might succeed at another time.
    pub later: u64,
    /// Transfers sent whole that were neither confirmed nor refused.
    pub in_doubt: u64,
    /// Transfers refused for good.
    pub never: u64,
    /// Octets of all the APDUs confirmed.
    pub octets: u64,
    /// From the first call to the last confirmation.
    pub took: Duration,
    /// Why the first of those failed that did.
    pub first_failure: Option<String>,
}

/// An O/R address with this surname: C=GB, ADMD a blank, PRMD=MIXGATE.
#[must_use]
pub fn address(surname: &str) -> ORName {
    ORName {
        built_in_standard_attributes: BuiltInStandardAttributes {
            country_name: Some(CountryName::Iso3166Alpha2Code("GB".into())),
            administration_domain_name: Some(AdministrationDomainName::Printable(" ".into())),
            private_domain_name: Some(PrivateDomainName::Printable("MIXGATE".into())),
            personal_name: Some(PersonalName {
                surname: surname.into(),
                ..Default::default()
            }),
            ..Default::default()
        },
        ..Default::default()
    }
}

/// The domain of a source.
fn domain() -> GlobalDomainIdentifier {
    GlobalDomainIdentifier {
        country_name: CountryName::Iso3166Alpha2Code("GB".into()),
        administration_domain_name: AdministrationDomainName::Printable(" ".into()),
        private_domain_identifier: Some(PrivateDomainIdentifier::Printable("MIXGATE".into())),
    }
}

/// Makes the transfers and waits for their outcomes; `progress` hears of each.
///
/// # Errors
/// The configuration is at fault; what becomes of a transfer is no error.
pub async fn run(
    options: Options,
    progress: impl Fn(&Outcome) + Send + Sync + 'static,
) -> Result<Summary, config::Error> {
    let [t_selector, s_selector, p_selector] = options.selectors.clone();
    let peer = Peer {
        name: PEER.to_owned(),
        connect: vec![options.to.clone()],
        t_selector,
        s_selector,
        p_selector,
        mode: options.mode,
        external: options.external,
        password_file: options.password_file.clone(),
        max_associations: Some(options.sessions.max(1)),
        ..Peer::default()
    };
    let config = Config {
        listen: Vec::new(),
        lenient: true,
        checkpoint_size: options.checkpoint_size,
        window_size: options.window_size,
        peer: vec![peer],
        ..Config::default()
    };
    let client = Arc::new(Client::new(Arc::new(Directory::new(config, &options.mta)?)));
    let begun = Instant::now();
    let transfers = options
        .messages
        .unwrap_or(options.input.len().max(1) as u64);
    let sessions = options.sessions.max(1);
    let shared = Arc::new((options, progress));
    let next = Arc::new(AtomicU64::new(0));
    let summary = Arc::new(Mutex::new(Summary::default()));
    // Tells the messages of one run from those of another.
    let run = Timestamp::now().as_millisecond();
    let mut tasks = JoinSet::new();
    for _ in 0..sessions {
        let (client, shared) = (Arc::clone(&client), Arc::clone(&shared));
        let (next, summary) = (Arc::clone(&next), Arc::clone(&summary));
        tasks.spawn(async move {
            let made = || {
                let number = next.fetch_add(1, Ordering::Relaxed);
                (number < transfers).then(|| apdu(&shared.0, run, number))
            };
            let mut ready = made();
            while let Some((apdu, octets)) = ready {
                // The next is made while the confirmation of this one is awaited.
                let (outcome, following) =
                    tokio::join!(client.transfer(PEER, apdu), async { made() });
                shared.1(&outcome);
                summary.lock().await.count(outcome, octets);
                ready = following;
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    let mut summary = summary.lock().await.clone();
    summary.took = begun.elapsed();
    client.close().await;
    Ok(summary)
}

impl Summary {
    fn count(&mut self, outcome: Outcome, octets: u64) {
        let failure = match outcome {
            Outcome::Delivered { .. } => {
                self.delivered += 1;
                self.octets += octets;
                return;
            }
            Outcome::Later { explanation, .. } | Outcome::NoAssociation { explanation, .. } => {
                self.later += 1;
                explanation
            }
            Outcome::InDoubt { explanation, .. } => {
                self.in_doubt += 1;
                explanation
            }
            Outcome::Never { explanation, .. } => {
                self.never += 1;
                explanation
            }
        };
        self.first_failure.get_or_insert(failure);
    }
}

/// The n-th APDU of a run, and how many octets it has.
fn apdu(options: &Options, run: i64, number: u64) -> (Apdu, u64) {
    let files = options.input.len() as u64;
    let file = number
        .checked_rem(files)
        .and_then(|at| usize::try_from(at).ok());
    if let Some(path) = file.and_then(|at| options.input.get(at)) {
        let octets = std::fs::metadata(path).map_or(0, |about| about.len());
        return (Apdu::File(path.clone()), octets);
    }
    let apdu = message(options, run, number, Timestamp::now());
    let octets = apdu.len();
    (Apdu::Octets(apdu), octets)
}

/// An interpersonal message, as an MTS-APDU.
fn message(options: &Options, run: i64, number: u64, now: Timestamp) -> Octets {
    let time: crate::asn1::types::UTCTime =
        now.strftime("%y%m%d%H%M%SZ").to_string().as_str().into();
    let identifier = format!("{}.{run}.{number}", options.mta);
    // At most 32 characters (X.411 ub-local-id-length): the end tells messages apart.
    let short: String = {
        let cut = identifier.chars().count().saturating_sub(32);
        identifier.chars().skip(cut).collect()
    };
    let heading = Heading {
        this_ipm: IPMIdentifier {
            user: Some(options.originator.clone()),
            user_relative_identifier: identifier.as_str().into(),
            ..Default::default()
        },
        originator: Some(descriptor(&options.originator)),
        primary_recipients: options
            .recipients
            .iter()
            .map(|recipient| RecipientSpecifier {
                recipient: descriptor(recipient),
                ..Default::default()
            })
            .collect(),
        subject: Some(format!("Test message {number}").into_bytes().into()),
        ..Default::default()
    };
    let content = compose::ipm(&heading, [compose::ia5_text_body_part(text(options.size))]);
    let recipient = |(index, name): (usize, &ORName)| PerRecipientMessageTransferFields {
        recipient_name: name.clone(),
        originally_specified_recipient_number: i64::try_from(index + 1).unwrap_or(i64::MAX),
        per_recipient_indicators: PerRecipientIndicators::of(&[
            PerRecipientIndicators::RESPONSIBILITY,
            PerRecipientIndicators::ORIGINATING_MTA_NON_DELIVERY_REPORT,
            PerRecipientIndicators::ORIGINATOR_NON_DELIVERY_REPORT,
        ]),
        ..Default::default()
    };
    let envelope = MessageTransferEnvelope {
        message_identifier: MTSIdentifier {
            global_domain_identifier: domain(),
            local_identifier: short.as_str().into(),
        },
        originator_name: options.originator.clone(),
        original_encoded_information_types: Some(EncodedInformationTypes {
            built_in_encoded_information_types: BuiltInEncodedInformationTypes::of(&[
                BuiltInEncodedInformationTypes::IA5_TEXT,
            ]),
            ..Default::default()
        }),
        content_type: ContentType::BuiltIn(match options.mode {
            Mode::Of1984 => BuiltInContentType::INTERPERSONAL_MESSAGING_1984,
            Mode::Normal | Mode::X410 => BuiltInContentType::INTERPERSONAL_MESSAGING_1988,
        }),
        trace_information: TraceInformation(vec![TraceInformationElement {
            global_domain_identifier: domain(),
            domain_supplied_information: DomainSuppliedInformation {
                arrival_time: time,
                routing_action: RoutingAction::RELAYED,
                ..Default::default()
            },
            ..Default::default()
        }]),
        per_recipient_fields: options
            .recipients
            .iter()
            .enumerate()
            .map(recipient)
            .collect(),
        ..Default::default()
    };
    compose::message(&envelope, content)
}

fn descriptor(name: &ORName) -> ORDescriptor {
    ORDescriptor {
        formal_name: Some(name.clone()),
        ..Default::default()
    }
}

/// Text of so many octets, in lines of at most 72.
fn text(length: usize) -> Octets {
    const LINE: &[u8] = b"The quick brown fox jumps over the lazy dog, as it has done before.\r\n";
    let mut text = LINE.repeat(length.div_ceil(LINE.len()));
    text.truncate(length);
    Bytes::from(text).into()
}
