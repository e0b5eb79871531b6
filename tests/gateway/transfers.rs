//! What becomes of transfers that are no load: probes, and what makes us responsible for nobody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mixgate::asn1;
use mixgate::asn1::mta::{
    Message, MessageTransferEnvelope, MtsApdu, PerRecipientIndicators,
    PerRecipientMessageTransferFields, PerRecipientProbeTransferFields, Probe, TraceInformation,
    TraceInformationElement,
};
use mixgate::asn1::mts::{
    BuiltInContentType, ContentType, ExtensionField, GlobalDomainIdentifier, MTSIdentifier, ORName,
    ReportType,
};
use mixgate::gateway::accept::transfer::TransferIn;
use mixgate::gateway::rules::Rules;
use mixgate::gateway::service::Service;
use mixgate::mixer::address::{Attributes, wire};
use mixgate::mixer::domain;
use mixgate::queue::{Filter, Origin, Store, TransferKind};
use mixgate::x400::config::Mode;
use mixgate::x400::transfer::{Bounds, Reader};
use mixgate::x400::{Caller, Handler as _, Refusal, RefusalReason};
use tokio::time::sleep;

use crate::audit::{Auditor, To, Way};
use crate::kills::drained;
use crate::neighbours::{self, JO, MailUser, MtaUser, Neighbours};
use crate::world::{PATIENCE, World, free_address};

/// A recipient of mail.
pub const ADA: &str = "/DD.RFC-822=ada(a)internet.example/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/";
/// The bits of who is responsible and wants to hear of everything.
const RESPONSIBLE: [u32; 3] = [
    PerRecipientIndicators::RESPONSIBILITY,
    PerRecipientIndicators::ORIGINATING_MTA_REPORT,
    PerRecipientIndicators::ORIGINATOR_REPORT,
];

/// A gateway in this process.
pub struct Scene {
    pub service: Service,
    pub store: Arc<dyn Store>,
    auditor: Arc<Auditor>,
    pub world: World,
    neighbours: Neighbours,
}

/// What a report says of a recipient: delivered, or reason and diagnostic; and the words.
pub type Told = (Option<(i64, Option<i64>)>, String);

impl Scene {
    /// Between a mail server and MTAs that do not listen.
    pub async fn new() -> Self {
        Self::between(|world, neighbours| {
            let mtas = [free_address(), free_address()];
            world.configure("mixgate.toml", "control.sock", neighbours.mail, mtas);
        })
        .await
    }

    /// Between all neighbours, its configuration changed.
    pub async fn between(change: impl FnOnce(&World, &Neighbours)) -> Self {
        let auditor = Arc::new(Auditor::default());
        let neighbours = Neighbours::start(&auditor).await;
        let world = World::new(neighbours.mail, neighbours.mtas);
        change(&world, &neighbours);
        let rules = Rules::load(&world.path("mixgate.toml")).unwrap();
        let store = world.open_queue();
        let service = Service::start(rules, Arc::clone(&store)).await.unwrap();
        Self {
            service,
            store,
            auditor,
            world,
            neighbours,
        }
    }

    /// Takes a transfer as the X.400 server does.
    pub async fn transfer(&self, apdu: &MtsApdu) -> Result<(), Refusal> {
        self.transfer_octets(asn1::encode(apdu)).await
    }

    /// The same, of octets.
    pub async fn transfer_octets(&self, apdu: Bytes) -> Result<(), Refusal> {
        let bounds = Bounds {
            apdu: 1 << 20,
            envelope: 1 << 20,
            depth: 64,
        };
        let mut reader = Reader::new(bounds);
        let from = Caller {
            mode: Mode::Normal,
            peer: Some("hub".to_owned()),
            mta: "HUB".to_owned(),
            address: free_address(),
            association: 1,
        };
        let handler = TransferIn(Arc::clone(self.service.gateway()));
        let mut spool = handler.begin(&from).await?;
        for octets in reader.push(apdu).unwrap() {
            spool.write(&octets).await.unwrap();
        }
        handler.commit(&from, spool, reader.finish().unwrap()).await
    }

    /// What reports tell, by the number of the recipient, once they tell of so many.
    pub async fn told(&self, of: TransferKind, count: usize) -> BTreeMap<i64, Told> {
        let begun = Instant::now();
        loop {
            let mut told = BTreeMap::new();
            for report in self.store.list(Filter::default()).await.unwrap() {
                let Some(cause) = report.cause else { continue };
                let subject = self.store.get(cause).await.unwrap();
                if !matches!(subject.origin, Origin::Transfer(transfer) if transfer.kind == of) {
                    continue;
                }
                let body = self.store.open(report.id).await.unwrap();
                let Ok(MtsApdu::Report(report)) = asn1::decode(&body) else {
                    panic!("no report");
                };
                for fields in report.content.per_recipient_fields {
                    let number = fields.originally_specified_recipient_number;
                    let fate = match fields.last_trace_information.report_type {
                        ReportType::Delivery(_) => None,
                        ReportType::NonDelivery(report) => Some((
                            report.non_delivery_reason_code.0,
                            report.non_delivery_diagnostic_code.map(|code| code.0),
                        )),
                    };
                    let words = fields.supplementary_information.unwrap_or_default();
                    let words = words.as_str().unwrap_or_default().to_owned();
                    let before = told.insert(number, (fate, words));
                    assert_eq!(before, None, "told twice of {number}");
                }
            }
            if told.len() >= count {
                return told;
            }
            assert!(begun.elapsed() < PATIENCE, "{told:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

fn name(address: &str) -> ORName {
    wire::or_address(&address.parse::<Attributes>().unwrap()).into()
}

fn domain() -> GlobalDomainIdentifier {
    domain::of_address(&JO.parse().unwrap()).unwrap()
}

/// A probe of recipients, numbered from 1.
pub fn probe(local: &str, recipients: &[(&str, Option<ExtensionField>)]) -> Probe {
    let fields = (1..).zip(recipients).map(|(number, (address, extension))| {
        PerRecipientProbeTransferFields {
            recipient_name: name(address),
            originally_specified_recipient_number: number,
            per_recipient_indicators: PerRecipientIndicators::of(&RESPONSIBLE),
            extensions: extension.iter().cloned().collect(),
            ..PerRecipientProbeTransferFields::default()
        }
    });
    Probe {
        probe_identifier: MTSIdentifier {
            global_domain_identifier: domain(),
            local_identifier: local.into(),
        },
        originator_name: name(JO),
        content_type: ContentType::BuiltIn(BuiltInContentType::INTERPERSONAL_MESSAGING_1988),
        trace_information: TraceInformation(vec![TraceInformationElement {
            global_domain_identifier: domain(),
            ..TraceInformationElement::default()
        }]),
        per_recipient_fields: fields.collect(),
        ..Probe::default()
    }
}

/// A message to the recipients of a probe.
pub fn message(local: &str, like: &Probe) -> Message {
    let subject = Auditor::default().message(Way::ToMail, false, 100);
    let octets = neighbours::apdu(&subject).to_bytes();
    let Ok(MtsApdu::Message(mut message)) = asn1::decode::<MtsApdu>(&octets) else {
        panic!("no message");
    };
    let fields = like.per_recipient_fields.iter();
    message.envelope = MessageTransferEnvelope {
        message_identifier: MTSIdentifier {
            global_domain_identifier: domain(),
            local_identifier: local.into(),
        },
        content_type: like.content_type.clone(),
        per_recipient_fields: fields
            .map(|fields| PerRecipientMessageTransferFields {
                recipient_name: fields.recipient_name.clone(),
                originally_specified_recipient_number: fields.originally_specified_recipient_number,
                per_recipient_indicators: fields.per_recipient_indicators.clone(),
                extensions: fields.extensions.clone(),
                ..PerRecipientMessageTransferFields::default()
            })
            .collect(),
        ..message.envelope
    };
    message
}

#[tokio::test]
async fn s5_3_9_a_probe_is_answered_as_its_message_would_fare() {
    let scene = Scene::new().await;
    // X.411 clause 9.2: bit 1 is for-transfer, bit 2 for-delivery.
    let critical = ExtensionField::new(2_000, &7_i64).critical(2);
    let recipients = [
        (ADA, None),
        ("/S=Nobody/ADMD=NONE/C=GB/", None),
        (
            "/DD.RFC-822=no mailbox/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/",
            None,
        ),
        (&ADA.replace("ada", "bob"), Some(critical)),
    ];
    let probe = probe("probe", &recipients);
    let message = message("message", &probe);
    scene.transfer(&MtsApdu::Probe(probe)).await.unwrap();
    scene.transfer(&MtsApdu::Message(message)).await.unwrap();
    let answered = scene.told(TransferKind::Probe, 4).await;
    let reported = scene.told(TransferKind::Message, 3).await;
    assert_eq!(answered[&1].0, None, "reachable");
    for number in 2..=4 {
        assert_eq!(answered[&number].0, reported[&number].0, "of {number}");
        assert!(answered[&number].0.is_some(), "of {number}");
    }
    for (number, (_, words)) in answered {
        let says = "Probe serviced by the gateway gw.example.org: ";
        assert!(words.starts_with(says), "of {number}: {words}");
    }
    scene.service.stop().await;
}

#[tokio::test]
async fn s5_3_9_what_no_message_could_be_is_answered_so() {
    let scene = Scene::new().await;
    let mut long = probe("long", &[(ADA, None)]);
    long.content_length = Some(1 << 40);
    scene.transfer(&MtsApdu::Probe(long)).await.unwrap();
    // content-too-long (7)
    let told = scene.told(TransferKind::Probe, 1).await;
    assert_eq!(told[&1].0, Some((1, Some(7))), "{told:?}");
    scene.service.stop().await;

    let scene = Scene::new().await;
    let mut strange = probe("strange", &[(ADA, None)]);
    strange.content_type = ContentType::BuiltIn(BuiltInContentType(35));
    let message = message("message", &strange);
    scene.transfer(&MtsApdu::Probe(strange)).await.unwrap();
    scene.transfer(&MtsApdu::Message(message)).await.unwrap();
    let told = scene.told(TransferKind::Probe, 1).await;
    let reported = scene.told(TransferKind::Message, 1).await;
    assert_eq!(told[&1].0, reported[&1].0);
    scene.service.stop().await;
}

#[tokio::test]
async fn a_transfer_that_makes_us_responsible_for_nobody_is_confirmed_and_not_kept() {
    let scene = Scene::new().await;
    let mut probe = probe("probe", &[(ADA, None)]);
    for fields in &mut probe.per_recipient_fields {
        fields.per_recipient_indicators = PerRecipientIndicators::of(&RESPONSIBLE[1..]);
    }
    let message = message("message", &probe);
    scene.transfer(&MtsApdu::Probe(probe)).await.unwrap();
    scene.transfer(&MtsApdu::Message(message)).await.unwrap();
    let all = Filter {
        finished: true,
        ..Filter::default()
    };
    assert_eq!(scene.store.list(all).await.unwrap(), []);
    scene.service.stop().await;
}

#[tokio::test]
async fn a_transfer_in_doubt_is_made_again_later_to_the_same_peer_only() {
    // The spoke is the dearer alternate of the hub.
    let scene = Scene::between(|world, _| {
        let path = world.path("mixgate.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        let (of_spoke, dearer) = (
            "[\"/O=Works/PRMD=ORG/ADMD=HUB/C=GB/\"]",
            "[\"/PRMD=*/ADMD=HUB/C=GB/\"]\ncost = 1",
        );
        let alternate = config.replace(of_spoke, dearer);
        std::fs::write(&path, alternate).unwrap();
    })
    .await;
    // All octets come and nothing is said; then it is refused for now; then it is taken.
    let refusals = vec![RefusalReason::LocalError, RefusalReason::Abort];
    *scene.neighbours.refusals.lock().unwrap() = refusals;
    let message = scene.auditor.message(Way::ToX400, false, 400);
    let ada = MailUser::new(scene.world.smtp, &scene.auditor);
    assert!(ada.hand_in(&message).await);
    drained(&scene.auditor).await;
    // What arrived at the alternate would be out of place.
    let (_, faults) = scene.auditor.close();
    assert_eq!(faults, [""; 0]);
    assert_eq!(scene.auditor.arrivals(&message), (1, 0));
    scene.service.stop().await;
    let all = Filter {
        finished: true,
        ..Filter::default()
    };
    let items = scene.store.list(all).await.unwrap();
    assert_eq!(items[0].recipients[0].attempts, 3, "{items:?}");
}

#[tokio::test]
async fn x411_a_probe_of_whom_another_mta_serves_is_passed_on_to_it() {
    let scene = Scene::between(|_, _| {}).await;
    let to = [To::Stray, To::Kim];
    let probe = scene.auditor.message_to(Way::Probe, &to, 100);
    let hub = MtaUser::new(scene.world.x400, &scene.auditor);
    assert!(hub.hand_in(&probe).await);
    drained(&scene.auditor).await;
    assert_eq!(scene.auditor.arrivals(&probe), (1, 1));
    let (_, faults) = scene.auditor.close();
    assert_eq!(faults, [""; 0]);
    scene.service.stop().await;
}
