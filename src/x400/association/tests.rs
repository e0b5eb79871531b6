//! Who may have an association with us (X.411 clause 12.1.1).

use super::*;

fn directory(lenient: bool) -> Directory {
    let peer = |name: &str, accept_from: &str| Peer {
        name: name.to_owned(),
        mta: name.to_uppercase(),
        accept_from: vec![accept_from.parse().unwrap()],
        ..Peer::default()
    };
    let config = Config {
        lenient,
        peer: vec![peer("hub", "192.0.2.0/24"), peer("spoke", "0.0.0.0/0")],
        ..Config::default()
    };
    let mut directory = Directory::new(config, "GW").unwrap();
    directory.passwords[0] = Passwords {
        ours: b"ours".to_vec(),
        theirs: Some(b"theirs".to_vec()),
    };
    directory
}

fn call(directory: &Directory, mta: &str, password: &[u8], from: &str) -> Result<Welcome, String> {
    let bind = Bind {
        mta: mta.to_owned(),
        password: password.to_vec(),
        strong: None,
    };
    let mut open = directory
        .open(&directory.config.peer[0], "261122045628Z")
        .unwrap();
    open.user_data = bind::argument(directory.config.peer[0].mode, &bind);
    let from: SocketAddr = format!("{from}:999").parse().unwrap();
    directory.judge(&open, from, &[]).map_err(|unwelcome| {
        let OpenResponse::Refuse { reason, user_data } = unwelcome.response else {
            panic!()
        };
        assert_eq!(
            bind::read_error(&user_data).unwrap(),
            MTABindError::AUTHENTICATION_ERROR
        );
        assert_eq!(reason, RefuseReason::VALIDATIONFAILURE);
        unwelcome.explanation
    })
}

#[test]
fn x411_12_1_1_a_bind_must_match_a_peer() {
    let directory = directory(false);
    let welcome = call(&directory, "HUB", b"theirs", "192.0.2.7").unwrap();
    assert_eq!(welcome.peer.as_deref(), Some("hub"));
    let OpenResponse::Accept { user_data, .. } = welcome.response else {
        panic!()
    };
    let said = bind::read_result(&user_data).unwrap();
    assert_eq!(
        (said.mta.as_str(), said.password.as_slice()),
        ("GW", &b"ours"[..])
    );
    // A peer without a password file may give any.
    assert!(call(&directory, "SPOKE", b"whatever", "198.51.100.1").is_ok());
    for (mta, password, from, says) in [
        ("HUB", &b"wrong"[..], "192.0.2.7", "password"),
        ("HUB", b"theirs2", "192.0.2.7", "password"),
        ("HUB", b"", "192.0.2.7", "password"),
        ("HUB", b"theirs", "198.51.100.1", "call from"),
        ("NOBODY", b"theirs", "192.0.2.7", "no peer"),
        ("", b"", "192.0.2.7", "no peer"),
    ] {
        let why = call(&directory, mta, password, from).unwrap_err();
        assert!(why.contains(says), "{why}");
        assert!(!why.contains("theirs"), "a password does not reach the log");
    }
}

#[test]
fn lenience_takes_strangers_but_gives_them_no_password() {
    let directory = directory(true);
    let welcome = call(&directory, "NOBODY", b"x", "192.0.2.7").unwrap();
    assert_eq!((welcome.peer, welcome.mta.as_str()), (None, "NOBODY"));
    let OpenResponse::Accept { user_data, .. } = welcome.response else {
        panic!()
    };
    assert!(bind::read_result(&user_data).unwrap().password.is_empty());
    assert_eq!(
        call(&directory, "HUB", b"wrong", "192.0.2.7").unwrap().peer,
        None
    );
}

#[test]
fn x419_11_a_peer_speaks_the_variant_it_is_configured_for() {
    use config::Mode::{Normal, Of1984, X410};
    let from: SocketAddr = "192.0.2.7:999".parse().unwrap();
    for (configured, called, lenient, welcome) in [
        (X410, X410, false, true),
        (Of1984, Of1984, false, true),
        (Normal, X410, false, false),
        (X410, Of1984, false, false),
        (Of1984, Normal, false, false),
        (Of1984, X410, true, true),
    ] {
        let mut directory = directory(lenient);
        let mut caller = directory.config.peer[0].clone();
        directory.config.peer[0].mode = configured;
        caller.mode = called;
        let mut open = directory.open(&caller, "261122045628Z").unwrap();
        let bind = Bind {
            mta: "HUB".to_owned(),
            password: b"theirs".to_vec(),
            strong: None,
        };
        open.user_data = bind::argument(called, &bind);
        let judged = directory.judge(&open, from, &[]);
        let named = judged.as_ref().map(|w| (w.peer.as_deref(), w.mode));
        assert_eq!(judged.is_ok(), welcome, "{judged:?}");
        if welcome {
            assert_eq!(named, Ok((Some("hub"), called)));
        }
    }
}

#[test]
fn x419_11_application_protocols() {
    use config::Mode;
    let of = |application_protocol| {
        variant(&super::Mode::X410 {
            application_protocol,
        })
    };
    assert_eq!(of(12), Ok(Mode::X410));
    assert_eq!(of(1), Ok(Mode::Of1984));
    assert_eq!(of(0x0c00), Ok(Mode::X410), "as captured");
    for other in [0, 3, 13, -1, i64::MAX] {
        assert!(of(other).unwrap_err().contains("not P1"), "{other}");
    }
}

#[test]
fn the_responder_must_be_the_peer_called() {
    let directory = directory(false);
    let hub = directory.peer("hub").unwrap();
    let judge = |mta: &str, password: &[u8]| {
        let bind = Bind {
            mta: mta.to_owned(),
            password: password.to_vec(),
            strong: None,
        };
        directory.judge_responder(hub, &bind::result(hub.mode, &bind))
    };
    assert_eq!(judge("HUB", b"theirs"), Ok("HUB".to_owned()));
    assert!(
        judge("SPOKE", b"theirs")
            .unwrap_err()
            .what
            .contains("answered")
    );
    assert!(judge("HUB", b"").unwrap_err().what.contains("password"));
}
