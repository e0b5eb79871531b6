//! Each way in which a call can fail, and what a postmaster is told of it.

use tokio::net::TcpListener;

use super::super::failure::{Failure, Step};
use super::super::link::Link;
use super::*;
use crate::asn1::mta::MTABindError;
use crate::osi::acse::AssociateSourceDiagnostic;
use crate::osi::presentation::{Oid, ProviderReason};
use crate::osi::rtse::{RefuseReason as RtseReason, Refused};
use crate::osi::session::ProviderAbort;
use crate::osi::spdu::{self, RefuseReason, Spdu};
use crate::osi::stack::Cause;
use crate::osi::transport::{Disconnect, DisconnectReason};

/// Calls an address as a peer with the selectors T, S and P.
async fn call(address: &str) -> Failure {
    let hub = Peer {
        name: "hub".to_owned(),
        connect: vec![address.to_owned()],
        t_selector: Selector("T".into()),
        s_selector: Selector("S".into()),
        p_selector: Selector("P".into()),
        ..Peer::default()
    };
    let config = Config {
        peer: vec![hub],
        open_timeout: 1,
        ..Config::default()
    };
    let client = Client::new(Arc::new(Directory::new(config, "GW").unwrap()));
    let pinged = client.ping("hub").await.unwrap().pop().unwrap();
    assert_eq!(pinged.greeting, None);
    pinged.failure.unwrap()
}

/// What the octets 0 to 3 of a TPKT say of its length, and the TPKT.
fn tpkt(contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len() + 4).unwrap();
    [&[3, 0][..], &length.to_be_bytes(), contents].concat()
}

/// A peer that reads one TPKT for each of its answers; then it hangs up, or waits.
async fn scripted(answers: Vec<Vec<u8>>, hangs_up: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for mut answer in answers {
            let mut head = [0; 4];
            stream.read_exact(&mut head).await.unwrap();
            let mut rest = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]])) - 4];
            stream.read_exact(&mut rest).await.unwrap();
            if let [3, 0, _, _, _, 0xd0 | 0x80, high, low, ..] = answer.as_mut_slice() {
                (*high, *low) = (rest[4], rest[5]);
            }
            stream.write_all(&answer).await.unwrap();
        }
        if !hangs_up {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    address
}

/// The transport connection is granted.
fn granted() -> Vec<u8> {
    tpkt(&[6, 0xd0, 0, 0, 0, 2, 0])
}

fn refused_by_session(reason: RefuseReason) -> Vec<u8> {
    let refuse = Spdu::Refuse(Box::new(spdu::Refuse {
        identifier: None,
        transport_disconnect: None,
        functional_units: None,
        versions: None,
        reason,
    }));
    tpkt(&[&[2, 0xf0, 0x80][..], &spdu::encode(&[refuse])].concat())
}

fn is(failure: &Failure, step: Step, what: &str, advice: &str) {
    assert_eq!(failure.step, step, "{failure:?}");
    assert!(failure.what.contains(what), "{failure:?}");
    assert!(failure.advice.contains(advice), "{failure:?}");
}

#[tokio::test]
async fn below_transport() {
    is(
        &call("127.0.0.1:1").await,
        Step::Connection,
        "refused",
        "nothing listens",
    );
    let nowhere = call("mta.nowhere.invalid:102").await;
    is(&nowhere, Step::Name, "not found", "spelt");
    // A broadcast address is none to connect to, whatever the system says of it.
    let broadcast = call("255.255.255.255:102").await;
    assert_eq!(broadcast.step, Step::Connection);
    for (kind, advice) in [
        (io::ErrorKind::HostUnreachable, "no way"),
        (io::ErrorKind::NetworkUnreachable, "no way"),
        (io::ErrorKind::TimedOut, "Nobody answers"),
        (io::ErrorKind::ConnectionReset, "let"),
    ] {
        is(
            &Failure::of_connection(&kind.into()),
            Step::Connection,
            "",
            advice,
        );
    }
    let silence = Failure::of_silence(Duration::from_secs(30));
    is(&silence, Step::Connection, "30s", "firewall");
    let mut config = Config::default();
    config.peer.push(Peer {
        name: "hub".to_owned(),
        ..Peer::default()
    });
    let client = Client::new(Arc::new(Directory::new(config, "GW").unwrap()));
    let pinged = client.ping("hub").await.unwrap().pop().unwrap();
    is(
        &pinged.failure.unwrap(),
        Step::Configuration,
        "no address",
        "connect",
    );
    assert_eq!(client.ping("nobody").await, None);
}

#[tokio::test]
async fn rfc1006_x224_transport() {
    for (reason, advice) in [
        (DisconnectReason::ADDRESS_UNKNOWN, "t-selector = \"T\""),
        (DisconnectReason::NOT_ATTACHED, "t-selector = \"T\""),
        (DisconnectReason::CONGESTION, "no room"),
        (DisconnectReason::CONGESTION_AT_TSAP, "no room"),
        (DisconnectReason::PROTOCOL_ERROR, "do not understand"),
        (DisconnectReason::UNSPECIFIED, "no reason"),
        (DisconnectReason::NORMAL, "no reason"),
    ] {
        let disconnect = tpkt(&[6, 0x80, 0, 0, 0, 0, reason.0]);
        let failure = call(&scripted(vec![disconnect], false).await).await;
        is(&failure, Step::Transport, "disconnected", advice);
    }
    let other = b"220 mail.example.org ESMTP\r\n".to_vec();
    let smtp = call(&scripted(vec![other], false).await).await;
    is(&smtp, Step::Transport, "", "does not speak RFC 1006");
    let shy = call(&scripted(vec![], true).await).await;
    is(&shy, Step::Transport, "closed", "hangs up");
    let silent = call(&scripted(vec![], false).await).await;
    is(&silent, Step::Transport, "no answer", "says nothing");
}

#[tokio::test]
async fn x225_session() {
    for (reason, advice) in [
        (RefuseReason::SelectorUnknown, "s-selector = \"S\""),
        (RefuseReason::NotAttached, "s-selector = \"S\""),
        (RefuseReason::Congestion, "no room"),
        (RefuseReason::UserCongestion, "no room"),
        (RefuseReason::VersionNotSupported, "do not understand"),
        (RefuseReason::ProviderUnspecified, "no reason"),
        (RefuseReason::UserUnspecified, "no reason"),
    ] {
        let script = vec![granted(), refused_by_session(reason)];
        let failure = call(&scripted(script, false).await).await;
        is(&failure, Step::Session, "session", advice);
    }
    let silent = call(&scripted(vec![granted()], false).await).await;
    is(&silent, Step::Session, "no answer", "hangs");
    let nonsense = tpkt(&[2, 0xf0, 0x80, 0xff, 0xff]);
    let nonsense = call(&scripted(vec![granted(), nonsense], false).await).await;
    is(
        &nonsense,
        Step::Session,
        "protocol error",
        "do not understand",
    );
    let lost = call(&scripted(vec![granted()], true).await).await;
    is(&lost, Step::Transport, "closed", "hangs up");
}

#[tokio::test]
async fn x226_presentation_selectors_of_each_layer() {
    for (layer, step, advice) in [
        (0, Step::Transport, "transport selector"),
        (1, Step::Session, "session selector"),
        (2, Step::Presentation, "presentation selector"),
    ] {
        let running = running(|server, _| {
            let other = Selector("OTHER".into());
            match layer {
                0 => server.t_selector = other,
                1 => server.s_selector = other,
                _ => server.p_selector = other,
            }
        })
        .await;
        let failure = call(&running.addresses[0].to_string()).await;
        is(&failure, step, "", advice);
        assert!(failure.advice.contains("-selector = \""), "{failure:?}");
    }
}

#[tokio::test]
async fn x227_application_context() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let directory = Directory::new(Config::default(), "STORE").unwrap();
    let mut stack = directory.stack(None);
    stack.acse.application_contexts = vec![Oid::from_contents(&[0x2a, 3])];
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        Link::new(stream, stack).unwrap().finish().await;
    });
    let failure = call(&address).await;
    is(
        &failure,
        Step::Association,
        "application-context-name",
        "mode",
    );
}

#[tokio::test]
async fn x411_12_1_1_3_bind_errors() {
    for (error, advice) in [
        (MTABindError::BUSY, "no room"),
        (MTABindError::AUTHENTICATION_ERROR, "our-mta"),
        (MTABindError::UNACCEPTABLE_DIALOGUE_MODE, "monologue"),
        (MTABindError::UNACCEPTABLE_SECURITY_CONTEXT, "security"),
        (MTABindError::INADEQUATE_ASSOCIATION_CONFIDENTIALITY, "TLS"),
    ] {
        let options = sink::Options {
            listen: vec!["127.0.0.1:0".to_owned()],
            mta: "SINK".to_owned(),
            fail: vec![format!("bind={}", error.name().unwrap()).parse().unwrap()],
            ..sink::Options::default()
        };
        let sink = sink::Sink::bind(options).await.unwrap();
        let address = sink.addresses()[0].to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = tokio::spawn(sink.run(async { drop(stopped.await) }));
        let failure = call(&address).await;
        is(&failure, Step::Bind, error.name().unwrap(), advice);
        stop.send(()).unwrap();
        ended.await.unwrap();
    }
}

#[tokio::test]
async fn x228_7_1_rtorj_of_x410_mode() {
    for (busy, advice) in [(false, "our-mta"), (true, "no room")] {
        let running = running(|server, client| {
            for config in [&mut *server, &mut *client] {
                config.peer[0].mode = config::Mode::X410;
            }
            match busy {
                true => server.max_associations = 0,
                false => client.peer[0].password_file = None,
            }
        })
        .await;
        let failure = running.ping().await.unwrap_err();
        is(&failure, Step::ReliableTransfer, "", advice);
    }
}

#[tokio::test]
async fn the_responder_is_another_than_is_called() {
    let named = running(|_, client| client.peer[0].mta = "OTHER".to_owned()).await;
    is(
        &named.ping().await.unwrap_err(),
        Step::Responder,
        "\"HUB\" answered",
        "capitals",
    );
    let silent = running(|server, _| server.peer[0].password_file = None).await;
    is(
        &silent.ping().await.unwrap_err(),
        Step::Responder,
        "another password",
        "agree",
    );
}

/// What the layers can tell besides, and no peer at hand says.
#[test]
fn the_layers_reasons_are_explained() {
    use crate::asn1::acse::{ProviderDiagnostic, UserDiagnostic};
    let refused = |reason| Refused {
        transient: true,
        user_data: None,
        reason,
        explanation: "why".to_owned(),
    };
    let peer = Peer::default();
    for (reason, advice) in [
        (RtseReason::RTSBUSY, "no room"),
        (RtseReason::VALIDATIONFAILURE, "our-mta"),
        (RtseReason::UNACCEPTABLEDIALOGUEMODE, "monologue"),
        (RtseReason::CANNOTRECOVER, "anew"),
        (RtseReason(99), "no reason"),
    ] {
        let failure = Failure::of_layers(&peer, &refused(Some(reason)), None);
        is(&failure, Step::ReliableTransfer, "why", advice);
    }
    let user = |why| Cause::Association(AssociateSourceDiagnostic::AcseServiceUser(why));
    let provider = |why| Cause::Association(AssociateSourceDiagnostic::AcseServiceProvider(why));
    for (cause, step, advice) in [
        (
            Cause::Presentation(ProviderReason::TEMPORARY_CONGESTION),
            Step::Presentation,
            "no room",
        ),
        (
            Cause::Presentation(ProviderReason::NO_PSAP_AVAILABLE),
            Step::Presentation,
            "set p-selector",
        ),
        (
            Cause::Presentation(ProviderReason::PROTOCOL_VERSION_NOT_SUPPORTED),
            Step::Presentation,
            "do not understand",
        ),
        (
            user(UserDiagnostic::CALLED_AP_TITLE_NOT_RECOGNIZED),
            Step::Association,
            "titles",
        ),
        (
            user(UserDiagnostic::AUTHENTICATION_REQUIRED),
            Step::Association,
            "MTA bind",
        ),
        (
            user(UserDiagnostic::NO_REASON_GIVEN),
            Step::Association,
            "no reason",
        ),
        (
            provider(ProviderDiagnostic::NO_COMMON_ACSE_VERSION),
            Step::Association,
            "do not understand",
        ),
        (
            Cause::SessionAbort(ProviderAbort::ByPeer(1)),
            Step::Session,
            "do not understand",
        ),
        (
            Cause::Transport(Disconnect::Rejected {
                cause: 1,
                invalid: Bytes::new(),
            }),
            Step::Transport,
            "do not understand",
        ),
    ] {
        is(
            &Failure::of_layers(&peer, &refused(None), Some(&cause)),
            step,
            "why",
            advice,
        );
    }
}
