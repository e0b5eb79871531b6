//! What has been taken is judged, passed on and told of: loops, spoilt contents, notifications in two.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use mixgate::asn1;
use mixgate::asn1::mta::{
    Attempted, InternalTraceInformation, MessageTransferEnvelope, MtsApdu, RoutingAction,
};
use mixgate::asn1::mts::{self, ExtensionField, ReportType};
use mixgate::octets::Octets;
use mixgate::queue::{Filter, State};
use mixgate::rfc822::{AddrSpec, Envelope, Recipient};
use mixgate::smtp;
use mixgate::x400::{
    self, Apdu, Arrived, Caller, Directory, Handler, Outcome, Refusal, RefusalReason, Spool,
};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::audit::Auditor;
use crate::neighbours::MtaUser;
use crate::transfers::{ADA, Scene, message, probe};
use crate::world::{PATIENCE, World, free_address};

/// Whom the hub serves, and whom the spoke does.
const KIM: &str = "/S=Kim/PRMD=ORG/ADMD=HUB/C=GB/";
const LEE: &str = "/S=Lee/O=Works/PRMD=ORG/ADMD=HUB/C=GB/";

/// An MTA that keeps what it is given, and passes nothing on.
struct Mta {
    address: SocketAddr,
    desk: Desk,
    server: JoinHandle<()>,
}

#[derive(Clone, Default)]
struct Desk {
    /// All that came, what was refused too.
    came: Arc<Mutex<Vec<Bytes>>>,
    /// How the next transfers are refused, if they are, the last first.
    refusals: Arc<Mutex<Vec<Option<RefusalReason>>>>,
}

struct Parcel(BytesMut);

impl Spool for Parcel {
    async fn write(&mut self, octets: Bytes) -> io::Result<()> {
        self.0.extend_from_slice(&octets);
        Ok(())
    }
}

impl Handler for Desk {
    type Spool = Parcel;

    async fn begin(&self, _: &Caller) -> Result<Parcel, Refusal> {
        Ok(Parcel(BytesMut::new()))
    }

    async fn commit(&self, _: &Caller, parcel: Parcel, _: Arrived) -> Result<(), Refusal> {
        self.came.lock().unwrap().push(parcel.0.freeze());
        match self.refusals.lock().unwrap().pop().flatten() {
            Some(reason) => Err(Refusal {
                reason,
                explanation: "as it was told".to_owned(),
            }),
            None => Ok(()),
        }
    }
}

impl Drop for Mta {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Mta {
    async fn start(name: &str) -> Self {
        let config = x400::Config {
            listen: vec!["127.0.0.1:0".to_owned()],
            lenient: true,
            ..x400::Config::default()
        };
        let desk = Desk::default();
        let directory = Arc::new(Directory::new(config, name).unwrap());
        let server = x400::Server::bind(directory, Arc::new(desk.clone()));
        let server = server.await.unwrap();
        Self {
            address: server.addresses()[0],
            desk,
            server: tokio::spawn(server.run(std::future::pending())),
        }
    }

    /// All that came, once that is so many APDUs; it is no more a moment later.
    async fn came(&self, count: usize) -> Vec<MtsApdu> {
        let begun = Instant::now();
        loop {
            let came = self.desk.came.lock().unwrap().clone();
            if came.len() >= count {
                sleep(Duration::from_millis(200)).await;
                let came = self.desk.came.lock().unwrap().clone();
                assert_eq!(came.len(), count);
                return came
                    .iter()
                    .map(|apdu| asn1::decode(apdu).unwrap())
                    .collect();
            }
            assert!(begun.elapsed() < PATIENCE, "{} came", came.len());
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// What a report of one recipient gives as reason and diagnostic.
fn told(apdu: &MtsApdu) -> (i64, Option<i64>) {
    let MtsApdu::Report(report) = apdu else {
        panic!("no report: {apdu:?}");
    };
    let [fields] = report.content.per_recipient_fields.as_slice() else {
        panic!("{report:?}");
    };
    let ReportType::NonDelivery(failed) = &fields.last_trace_information.report_type else {
        panic!("{report:?}");
    };
    let diagnostic = failed.non_delivery_diagnostic_code.as_ref();
    (
        failed.non_delivery_reason_code.0,
        diagnostic.map(|code| code.0),
    )
}

const LOOP_DETECTED: (i64, Option<i64>) = (1, Some(3));

fn to(local: &str, address: &str) -> mixgate::asn1::mta::Message {
    message(local, &probe(local, &[(address, None)]))
}

/// A gateway whose hub and spoke are these, its configuration changed.
async fn scene(hub: SocketAddr, spoke: SocketAddr, change: impl Fn(String) -> String) -> Scene {
    Scene::between(|world, neighbours| {
        world.configure(
            "mixgate.toml",
            "control.sock",
            neighbours.mail,
            [hub, spoke],
        );
        edit(world, change);
    })
    .await
}

fn edit(world: &World, change: impl Fn(String) -> String) {
    let path = world.path("mixgate.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let changed = change(text);
    std::fs::write(&path, changed).unwrap();
}

fn as_it_is(text: String) -> String {
    text
}

#[tokio::test]
async fn x411_14_3_1_a_copy_that_comes_back_is_a_loop_and_no_duplicate() {
    let hub = Mta::start("HUB").await;
    let scene = scene(hub.address, free_address(), as_it_is).await;
    let first = asn1::encode(&MtsApdu::Message(to("round", KIM)));
    scene.transfer_octets(first.clone()).await.unwrap();
    hub.came(1).await;
    // Once more as it came first: nothing new.
    scene.transfer_octets(first).await.unwrap();
    hub.came(1).await;
    // As we passed it on.
    let back = hub.desk.came.lock().unwrap()[0].clone();
    scene.transfer_octets(back).await.unwrap();
    let came = hub.came(2).await;
    assert_eq!(told(&came[1]), LOOP_DETECTED);
    scene.service.stop().await;
}

#[tokio::test]
async fn x411_14_3_1_two_gateways_that_route_to_one_another_end_with_one_report() {
    let hub = Mta::start("HUB").await;
    let other = World::new(free_address(), [free_address(), free_address()]);
    let scene = scene(hub.address, other.x400, as_it_is).await;
    let [here, nobody] = [scene.world.x400, free_address()];
    other.configure("mixgate.toml", "control.sock", nobody, [here, nobody]);
    edit(&other, |text| {
        text.replace("mta = \"GW\"", "mta = \"SPOKE\"")
            .replace("mta = \"HUB\"", "mta = \"GW\"")
            .replace("name = \"gw.example.org\"", "name = \"other.example.org\"")
            .replace("PRMD=EXAMPLE", "PRMD=OTHER")
            .replace("[\"/O=Works/PRMD=ORG/ADMD=HUB/C=GB/\"]", "[]")
            .replace("mta = \"SPOKE\"\nroutes", "mta = \"NOBODY\"\nroutes")
    });
    let rules = mixgate::gateway::rules::Rules::load(&other.path("mixgate.toml")).unwrap();
    let store = other.open_queue();
    let service = mixgate::gateway::service::Service::start(rules, Arc::clone(&store));
    let service = service.await.unwrap();
    let message = MtsApdu::Message(to("circle", LEE));
    scene.transfer(&message).await.unwrap();
    let came = hub.came(1).await;
    assert_eq!(told(&came[0]), LOOP_DETECTED);
    let all = Filter {
        finished: true,
        ..Filter::default()
    };
    let passed = store.list(all.clone()).await.unwrap();
    assert_eq!(passed.len(), 1, "it saw the message once: {passed:?}");
    // What came from the hub, what came back, and the report.
    assert_eq!(scene.store.list(all).await.unwrap().len(), 3);
    scene.service.stop().await;
    service.stop().await;
}

#[tokio::test]
async fn x411_12_2_1_1_1_6_two_numbers_of_one_mailbox_are_told_of_each() {
    let hub = Mta::start("HUB").await;
    let scene = scene(hub.address, free_address(), as_it_is).await;
    let nobody = ADA.replace("ada", "nobody");
    let twice = probe("twice", &[(&nobody, None), (&nobody, None)]);
    let twice = message("twice", &twice);
    scene.transfer(&MtsApdu::Message(twice)).await.unwrap();
    let came = hub.came(1).await;
    let MtsApdu::Report(report) = &came[0] else {
        panic!("{came:?}");
    };
    let fields = report.content.per_recipient_fields.iter();
    let numbers = fields.map(|fields| fields.originally_specified_recipient_number);
    assert_eq!(numbers.collect::<Vec<_>>(), [1, 2]);
    scene.service.stop().await;
}

#[tokio::test]
async fn s2_3_1_2_what_is_later_than_its_latest_delivery_time_is_returned() {
    let hub = Mta::start("HUB").await;
    let scene = scene(hub.address, free_address(), as_it_is).await;
    for (address, count) in [(ADA, 1), (KIM, 2)] {
        let mut late = to("late", address);
        let time = mts::Time::from("200101000000Z");
        late.envelope.extensions.push(ExtensionField::new(5, &time));
        scene.transfer(&MtsApdu::Message(late)).await.unwrap();
        // maximum-time-expired
        assert_eq!(told(&hub.came(count).await[count - 1]), (1, Some(5)));
    }
    scene.service.stop().await;
}

/// The APDU of this envelope, and these octets behind it.
fn followed(envelope: &MessageTransferEnvelope, by: &[u8]) -> Octets {
    let octets = [b"\xa0\x80", &asn1::encode(envelope)[..], by].concat();
    Octets::from(octets)
}

#[tokio::test]
async fn x690_8_1_what_is_spoilt_behind_its_envelope_is_confirmed_kept_and_told_of() {
    const MOST: usize = 20_000;
    let hub = Mta::start("HUB").await;
    let scene = scene(hub.address, free_address(), |text| {
        text.replace("[x400]\n", &format!("[x400]\nmax-apdu = {MOST}\n"))
    })
    .await;
    let user = MtaUser::new(scene.world.x400, &Arc::new(Auditor::default()));
    let string = |size: usize| [b"\x04\x83\0".to_vec(), vec![0; size + 2]].concat();
    let large = |size: usize| {
        let mut octets = string(size);
        octets[3..5].copy_from_slice(&u16::try_from(size).unwrap().to_be_bytes());
        [octets, vec![0, 0]].concat()
    };
    let syntax = (1, Some(12));
    let too_long = (1, Some(7));
    let cases = [
        (
            b"\x24\x80\x3f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
            syntax,
            true,
        ),
        (b"\x04\x7fcut short".to_vec(), syntax, true),
        ([&b"\x04\x03abc\0\0"[..], &[1; 400]].concat(), syntax, true),
        (large(30_000), too_long, true),
        (large(60_000), too_long, false),
    ];
    for (number, (octets, codes, is_confirmed)) in (1..).zip(cases) {
        let envelope = to(&format!("spoilt-{number}"), ADA).envelope;
        let apdu = followed(&envelope, &octets);
        // The second time it is known, and not told of again.
        for _ in 0..2 {
            let outcome = user.client.transfer("gateway", Apdu::Octets(apdu.clone()));
            let outcome = outcome.await;
            match is_confirmed {
                true => assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}"),
                false => assert!(matches!(outcome, Outcome::Never { .. }), "{outcome:?}"),
            }
            assert_eq!(told(&hub.came(number).await[number - 1]), codes, "{number}");
        }
        let held = Filter {
            state: Some(State::Held),
            ..Filter::default()
        };
        let held = scene.store.list(held).await.unwrap();
        assert_eq!(held.len(), number);
        let kept = scene.store.open(held[number - 1].id).await.unwrap();
        match codes == too_long {
            true => assert_eq!(kept, asn1::encode(&envelope)),
            false => {
                let apdu = apdu.to_bytes();
                let mut places = kept.windows(apdu.len());
                assert!(places.any(|octets| octets == apdu), "{kept:?}");
            }
        }
    }
    scene.service.stop().await;
}

#[tokio::test]
async fn s5_1_8_3_of_a_notification_in_two_what_was_taken_is_not_sent_again() {
    let hub = Mta::start("HUB").await;
    let refused = vec![Some(RefusalReason::LocalError), None];
    *hub.desk.refusals.lock().unwrap() = refused;
    let scene = scene(hub.address, free_address(), as_it_is).await;
    let mail = "From: MAILER-DAEMON@far.example\r\nTo: jo@sales.example.org\r\n\
        Message-ID: <dsn@far.example>\r\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n\
        --x\r\n\r\nIn part.\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n\
        Reporting-MTA: dns; far.example\r\n\
        Original-Envelope-Id: X400-MTS-Identifier: [/PRMD=P/ADMD= /C=GB/;ab12]\r\n\r\n\
        Final-Recipient: rfc822; nobody@far.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n\
        Final-Recipient: rfc822; some@far.example\r\nAction: relayed\r\nStatus: 2.0.0\r\n--x--\r\n";
    let jo = AddrSpec::from_path("<S=Smith@sales.example.org>").unwrap();
    let jo = jo.unwrap_or_else(|| panic!("no mailbox"));
    let envelope = Envelope {
        recipients: vec![Recipient::new(jo)],
        ..Envelope::default()
    };
    let client = smtp::Client::new("mail.internet.example", &smtp::Config::default());
    let gateway = scene.world.smtp.into();
    let mail = Octets::from(mail.as_bytes());
    let outcomes = client.send(&gateway, &envelope, &mail).await;
    assert!(
        matches!(outcomes[0], smtp::Outcome::Delivered(_)),
        "{outcomes:?}"
    );
    let came = hub.came(3).await;
    assert!(matches!(came[0], MtsApdu::Report(_)), "{came:?}");
    assert!(matches!(came[1], MtsApdu::Message(_)), "{came:?}");
    assert_eq!(came[1], came[2], "the one that was refused");
    scene.service.stop().await;
}

#[tokio::test]
async fn x411_12_2_1_1_1_4_what_an_alternate_takes_says_that_it_is_rerouted() {
    let [hub, spoke] = [Mta::start("HUB").await, Mta::start("SPOKE").await];
    *hub.desk.refusals.lock().unwrap() = vec![Some(RefusalReason::LocalError)];
    let scene = scene(hub.address, spoke.address, |text| {
        text.replace(
            "[\"/O=Works/PRMD=ORG/ADMD=HUB/C=GB/\"]",
            "[\"/PRMD=*/ADMD=HUB/C=GB/\"]\ncost = 1",
        )
    })
    .await;
    let message = MtsApdu::Message(to("rerouted", KIM));
    scene.transfer(&message).await.unwrap();
    let last = |apdus: Vec<MtsApdu>| {
        let [MtsApdu::Message(message)] = apdus.as_slice() else {
            panic!("{apdus:?}");
        };
        let field = mts::extension(&message.envelope.extensions, 38).unwrap();
        let trace: InternalTraceInformation = field.decode().unwrap();
        trace.last().unwrap().mta_supplied_information.clone()
    };
    let (refused, taken) = (last(hub.came(1).await), last(spoke.came(1).await));
    assert_eq!(refused.routing_action, RoutingAction::RELAYED);
    assert_eq!(taken.routing_action, RoutingAction::REROUTED);
    assert_eq!(taken.attempted, Some(Attempted::Mta("HUB".into())));
    scene.service.stop().await;
}
