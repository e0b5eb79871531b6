//! Opening, refusing and releasing associations.

use super::*;

#[test]
fn x218_8_1_open_carries_everything_both_ways() {
    let mut pair = Pair::new();
    pair.ask(A, Request::Open(Box::new(open(63, 3))));
    let Some(Indication::Open(indicated)) = pair.next(B) else {
        panic!()
    };
    assert_eq!(*indicated, open(63, 3));
    pair.ask(B, accept(1, 2));
    let Some(Indication::OpenConfirm(Ok(opened))) = pair.next(A) else {
        panic!()
    };
    assert_eq!((opened.checkpoint_size, opened.window_size), (1, 2));
    assert_eq!(opened.user_data, &b"\x04\x07welcome"[..]);
    pair.close();
}

#[test]
fn x228_7_1_sizes_are_negotiated_downwards_and_zero_leaves_the_choice() {
    for (proposed, taken, agreed) in [
        ((63, 3), (1, 3), (1, 3)),
        ((1, 1), (63, 5), (1, 1)),
        ((0, 3), (16, 2), (16, 2)),
        ((63, 5), (63, 5), (63, 5)),
        ((63, 3), (0, 3), (0, 3)),
    ] {
        let mut pair = Pair::new();
        pair.ask(A, Request::Open(Box::new(open(proposed.0, proposed.1))));
        pair.next(B);
        pair.ask(B, accept(taken.0, taken.1));
        let Some(Indication::OpenConfirm(Ok(opened))) = pair.next(A) else {
            panic!()
        };
        assert_eq!((opened.checkpoint_size, opened.window_size), agreed);
    }
}

#[test]
fn x228_7_1_a_refusal_brings_the_users_words() {
    for transient in [true, false] {
        let mut pair = Pair::new();
        pair.ask(A, Request::Open(Box::new(open(63, 3))));
        pair.next(B);
        let user_data = Bytes::from_static(b"\x02\x01\x02");
        let refuse = OpenResponse::Refuse {
            transient,
            user_data: user_data.clone(),
        };
        pair.ask(B, Request::OpenResponse(refuse));
        let Some(Indication::OpenConfirm(Err(refused))) = pair.next(A) else {
            panic!()
        };
        assert_eq!(refused.user_data, Some(user_data));
        assert_eq!(refused.transient, transient);
        assert!(pair.closed[A] || pair.closed[B]);
        assert_eq!(pair.next(B), None);
    }
}

/// Opens against a responder of another configuration; gives the refusal in words.
fn refused_by(responder: Config) -> String {
    let mut pair = Pair::of(Config::new(contexts()), responder);
    pair.ask(A, Request::Open(Box::new(open(63, 3))));
    assert!(
        !matches!(pair.next(B), Some(Indication::Open(_))),
        "no user hears of it"
    );
    let Some(Indication::OpenConfirm(Err(refused))) = pair.next(A) else {
        panic!()
    };
    refused.explanation
}

#[test]
fn every_layer_says_why_it_refuses() {
    let mut responder = Config::new(contexts());
    responder.transport.selectors = vec!["elsewhere".into()];
    let why = refused_by(responder);
    assert!(why.contains("disconnected"), "{why}");

    let mut responder = Config::new(contexts());
    responder.session.selectors = vec!["elsewhere".into()];
    let why = refused_by(responder);
    assert!(why.contains("session"), "{why}");

    let mut responder = Config::new(contexts());
    responder.presentation.selectors = vec!["elsewhere".into()];
    let why = refused_by(responder);
    assert!(why.contains("called-presentation-address-unknown"), "{why}");

    let mut responder = Config::new(contexts());
    responder.presentation.abstract_syntaxes = vec![contexts().rtse, contexts().user];
    let why = refused_by(responder);
    assert!(why.contains("user-data-not-readable"), "{why}");

    let mut responder = Config::new(contexts());
    responder.acse.application_contexts = vec![contexts().user];
    let why = refused_by(responder);
    assert!(
        why.contains("application-context-name-not-supported"),
        "{why}"
    );
}
