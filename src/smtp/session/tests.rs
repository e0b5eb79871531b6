//! Dialogues of a session, named for the sections of RFC 5321 they hold.

use std::net::SocketAddr;

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

/// A session with an owner that accepts all but senders `bad@…` and recipients `nobody@…`, and
/// messages that hold `BAD`.
struct Dialogue {
    session: Session,
    /// Replies since the last look, as they go over the wire.
    said: String,
    /// What became of each message: its recipients and content, or that it was abandoned.
    messages: Vec<Result<(usize, String), ()>>,
    content: Option<(usize, String)>,
    closed: bool,
}

impl Dialogue {
    fn with(limits: Limits, trusted: bool) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 4000));
        let info = SessionInfo {
            peer: address,
            local: address,
            trusted,
            helo: String::new(),
            protocol: Protocol::Smtp,
        };
        let mut dialogue = Self {
            session: Session::new("gw.example", limits, info),
            said: String::new(),
            messages: Vec::new(),
            content: None,
            closed: false,
        };
        dialogue.happen(Incoming::Connected);
        dialogue
    }

    fn new() -> Self {
        Self::with(Limits::default(), false)
    }

    fn greeted() -> Self {
        let mut dialogue = Self::new();
        dialogue.say("EHLO client.example\r\n");
        dialogue
    }

    fn happen(&mut self, incoming: Incoming) {
        let mut out = self.session.handle(incoming);
        while !out.is_empty() {
            let mut answer = None;
            for outgoing in out.drain(..) {
                assert!(!self.closed, "nothing follows Close");
                assert!(answer.is_none(), "nothing follows a question: {outgoing:?}");
                match outgoing {
                    Outgoing::Reply(reply) => {
                        self.said
                            .push_str(&String::from_utf8(reply.to_wire()).unwrap());
                    }
                    Outgoing::Mail(envelope) => {
                        let from = path(envelope.reverse_path.as_ref());
                        let refusal = Reply::new(550, Status(5, 7, 1), "not you");
                        let bad = from.starts_with("<bad@");
                        answer = Some(Incoming::Decided(if bad { Err(refusal) } else { Ok(()) }));
                    }
                    Outgoing::Recipient(recipient) => {
                        let refusal = Reply::new(550, Status(5, 1, 1), "nobody there");
                        let bad = recipient.forward_path.local() == "nobody";
                        answer = Some(Incoming::Decided(if bad { Err(refusal) } else { Ok(()) }));
                    }
                    Outgoing::Data(envelope) => {
                        self.content = Some((envelope.recipients.len(), String::new()));
                        answer = Some(Incoming::Decided(Ok(())));
                    }
                    Outgoing::Content(octets) => {
                        let (_, content) = self.content.as_mut().expect("a message");
                        content.push_str(std::str::from_utf8(&octets).unwrap());
                    }
                    Outgoing::End => {
                        let message = self.content.take().expect("a message");
                        let bad = message.1.contains("BAD");
                        self.messages.push(Ok(message));
                        let refusal = Reply::new(554, Status(5, 6, 0), "bad content");
                        let accepted = Accepted { id: "ID1".into() };
                        answer = Some(Incoming::Ended(if bad {
                            Err(refusal)
                        } else {
                            Ok(accepted)
                        }));
                    }
                    Outgoing::Abandon => {
                        self.content = None;
                        self.messages.push(Err(()));
                    }
                    Outgoing::Close => self.closed = true,
                }
            }
            if let Some(answer) = answer {
                out = self.session.handle(answer);
            }
        }
    }

    fn say(&mut self, text: &str) -> String {
        self.said.clear();
        self.happen(Incoming::Octets(BytesMut::from(text)));
        self.said.clone()
    }

    /// The codes of the replies to `text`, one for each reply.
    fn codes(&mut self, text: &str) -> Vec<u16> {
        let said = self.say(text);
        let last = said.lines().filter(|line| line.as_bytes()[3] == b' ');
        last.map(|line| line.split_at(3).0.parse().unwrap())
            .collect()
    }
}

const MAIL: &str = "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n";

#[test]
fn s3_1_the_greeting_names_the_host() {
    assert!(Dialogue::new().said.starts_with("220 gw.example ESMTP"));
}

#[test]
fn s4_1_1_1_ehlo_lists_what_is_offered_and_helo_does_not() {
    let mut dialogue = Dialogue::new();
    let said = dialogue.say("EHLO client.example\r\n");
    assert!(
        said.starts_with("250-gw.example greets 127.0.0.1\r\n"),
        "{said}"
    );
    for keyword in [
        "PIPELINING",
        "SIZE 104857600",
        "8BITMIME",
        "ENHANCEDSTATUSCODES",
        "DSN",
    ] {
        assert!(
            said.contains(&format!("250-{keyword}\r\n")),
            "{keyword}: {said}"
        );
    }
    assert_eq!(dialogue.session.info().protocol, Protocol::Esmtp);
    assert_eq!(
        dialogue.say("HELO me\r\n"),
        "250 gw.example greets 127.0.0.1\r\n"
    );
    let info = dialogue.session.info();
    assert_eq!((info.protocol, info.helo.as_str()), (Protocol::Smtp, "me"));
}

#[test]
fn s3_3_a_message_goes_through() {
    let mut dialogue = Dialogue::greeted();
    assert_eq!(
        dialogue.say("MAIL FROM:<a@b>\r\n"),
        "250 2.1.0 <a@b> may send\r\n"
    );
    assert_eq!(
        dialogue.say("RCPT TO:<c@d>\r\n"),
        "250 2.1.5 <c@d> will have it\r\n"
    );
    assert_eq!(dialogue.codes("DATA\r\n"), [354]);
    assert_eq!(dialogue.session.waiting(), Waiting::Data);
    assert_eq!(dialogue.say("Subject: x\r\n\r\n..dot\r\n"), "");
    assert_eq!(dialogue.say(".\r\n"), "250 2.0.0 ID1 is safe with us\r\n");
    assert_eq!(
        dialogue.messages,
        [Ok((1, "Subject: x\r\n\r\n.dot\r\n".into()))]
    );
    assert_eq!(dialogue.codes("QUIT\r\n"), [221]);
    assert!(dialogue.closed && dialogue.session.waiting() == Waiting::Nothing);
}

#[test]
fn s4_1_1_4_a_refused_message_is_not_accepted_and_the_next_may_come() {
    let mut dialogue = Dialogue::greeted();
    dialogue.say(MAIL);
    assert_eq!(dialogue.say("BAD\r\n.\r\n"), "554 5.6.0 bad content\r\n");
    assert_eq!(dialogue.codes(MAIL), [250, 250, 354]);
    assert_eq!(dialogue.codes("good\r\n.\r\n"), [250]);
}

#[test]
fn s4_1_4_commands_have_an_order() {
    let mut dialogue = Dialogue::new();
    assert_eq!(dialogue.codes("MAIL FROM:<a@b>\r\n"), [503]);
    dialogue.say("EHLO me\r\n");
    assert_eq!(dialogue.codes("RCPT TO:<a@b>\r\n"), [503]);
    assert_eq!(dialogue.codes("DATA\r\n"), [503]);
    assert_eq!(dialogue.codes("MAIL FROM:<a@b>\r\n"), [250]);
    assert_eq!(dialogue.codes("MAIL FROM:<a@b>\r\n"), [503]);
    assert_eq!(dialogue.codes("DATA\r\n"), [503]);
    assert_eq!(dialogue.codes("RSET\r\n"), [250]);
    assert_eq!(dialogue.codes("RCPT TO:<a@b>\r\n"), [503]);
}

#[test]
fn s4_1_4_noop_help_vrfy_and_rset_go_at_any_time() {
    let mut dialogue = Dialogue::new();
    assert_eq!(
        dialogue.codes("NOOP\r\nHELP\r\nVRFY x\r\nRSET\r\n"),
        [250, 214, 252, 250]
    );
    assert_eq!(
        dialogue.codes("VRFY\r\nEXPN x\r\nNONSENSE\r\n"),
        [501, 502, 500]
    );
}

#[test]
fn s4_1_4_ehlo_again_forgets_the_transaction() {
    let mut dialogue = Dialogue::greeted();
    dialogue.say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nEHLO again\r\n");
    assert_eq!(dialogue.codes("DATA\r\n"), [503]);
}

#[test]
fn s3_3_each_recipient_has_its_own_answer() {
    let mut dialogue = Dialogue::greeted();
    let group = "MAIL FROM:<a@b>\r\nRCPT TO:<nobody@d>\r\nRCPT TO:<c@d>\r\nRCPT TO:<x\r\nDATA\r\n";
    assert_eq!(dialogue.codes(group), [250, 550, 250, 501, 354]);
    dialogue.say("text\r\n.\r\n");
    assert_eq!(dialogue.messages, [Ok((1, "text\r\n".into()))]);
    let none = "MAIL FROM:<a@b>\r\nRCPT TO:<nobody@d>\r\nDATA\r\n";
    assert_eq!(dialogue.codes(none), [250, 550, 554]);
}

#[test]
fn s3_3_a_refused_sender_opens_no_transaction() {
    let mut dialogue = Dialogue::greeted();
    assert_eq!(
        dialogue.codes("MAIL FROM:<bad@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
        [550, 503, 503]
    );
    assert_eq!(dialogue.codes("MAIL FROM:<a@b>\r\n"), [250]);
}

#[test]
fn rfc2920_3_1_a_whole_group_is_answered_in_order_however_it_is_cut() {
    let group = format!("EHLO me\r\n{MAIL}");
    for step in 1..group.len() {
        let mut dialogue = Dialogue::new();
        let mut codes = Vec::new();
        for piece in group.as_bytes().chunks(step) {
            codes.extend(dialogue.codes(std::str::from_utf8(piece).unwrap()));
        }
        assert_eq!(codes, [250, 250, 250, 354], "cut at {step}");
        assert_eq!(
            dialogue.codes("x\r\n.\r\nNOOP\r\nQUIT\r\n"),
            [250, 250, 221]
        );
    }
}

#[test]
fn rfc2920_3_1_nobody_sends_ahead_of_the_reply_to_data() {
    let mut dialogue = Dialogue::greeted();
    let smuggled = format!("{MAIL}text\r\n.\r\n{MAIL}");
    assert_eq!(dialogue.codes(&smuggled), [250, 250, 554]);
    assert!(dialogue.closed && dialogue.messages.is_empty());
}

#[test]
fn s2_3_8_smuggled_commands_are_never_heard() {
    for end in [
        "\n.\n",
        "\n.\r\n",
        "\r\n.\n",
        "\r.\r",
        "\r.\r\n",
        "\r\n.\r\r\n",
        "\r\r\n.\r\n",
    ] {
        let mut dialogue = Dialogue::greeted();
        dialogue.say(MAIL);
        let smuggled =
            format!("text{end}MAIL FROM:<admin@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nevil\r\n.\r\n");
        let said = dialogue.say(&smuggled);
        assert!(
            said.starts_with("554 5.5.2 The message holds a bare "),
            "{end:?}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{end:?}: {said}");
        assert!(dialogue.closed, "{end:?}");
        assert_eq!(dialogue.messages, [Err(())], "{end:?}");
    }
}

#[test]
fn s2_3_8_commands_with_bare_line_ends_are_refused() {
    let mut dialogue = Dialogue::greeted();
    assert_eq!(dialogue.codes("NOOP\nNO\rOP\r\nNOOP\r\n"), [500, 500, 250]);
}

#[test]
fn s4_5_3_1_4_a_long_line_is_refused_and_costs_only_itself() {
    let mut dialogue = Dialogue::greeted();
    let long = format!("NOOP {}\r\nNOOP\r\n", "x".repeat(10_000));
    assert_eq!(dialogue.codes(&long), [500, 250]);
    assert_eq!(dialogue.codes(&"x".repeat(9000)), Vec::<u16>::new());
    assert_eq!(dialogue.codes("x\r\nNOOP\r\n"), [500, 250]);
}

#[test]
fn s4_5_3_1_10_recipients_are_bounded_and_the_rest_may_come_later() {
    let limits = Limits {
        recipients: 2,
        ..Limits::default()
    };
    let mut dialogue = Dialogue::with(limits, false);
    let rcpt = "RCPT TO:<c@d>\r\n".repeat(3);
    let group = format!("EHLO me\r\nMAIL FROM:<a@b>\r\n{rcpt}DATA\r\n");
    assert_eq!(dialogue.codes(&group), [250, 250, 250, 250, 452, 354]);
}

#[test]
fn rfc1870_6_1_a_size_declared_too_large_is_refused_at_mail() {
    let mut dialogue = Dialogue::with(
        Limits {
            message_size: 100,
            ..Limits::default()
        },
        false,
    );
    dialogue.say("EHLO me\r\n");
    assert_eq!(
        dialogue.codes("MAIL FROM:<a@b> SIZE=101\r\nMAIL FROM:<a@b> SIZE=100\r\n"),
        [552, 250]
    );
}

#[test]
fn rfc1870_6_3_a_message_too_large_is_read_and_refused() {
    let mut dialogue = Dialogue::with(
        Limits {
            message_size: 100,
            ..Limits::default()
        },
        false,
    );
    dialogue.say("EHLO me\r\n");
    dialogue.say(MAIL);
    for _ in 0..10 {
        assert_eq!(dialogue.say("0123456789012345678\r\n"), "");
    }
    assert_eq!(dialogue.codes(".\r\nNOOP\r\n"), [552, 250]);
    assert_eq!(dialogue.messages, [Err(())]);
}

#[test]
fn s4_2_5_what_the_owner_refuses_meanwhile_is_told_at_the_end() {
    let mut dialogue = Dialogue::greeted();
    dialogue.say(MAIL);
    dialogue.say("some\r\n");
    dialogue.said.clear();
    dialogue.happen(Incoming::ContentRefused(Reply::new(
        452,
        Status(4, 3, 1),
        "disk full",
    )));
    assert_eq!(dialogue.say("more\r\n"), "");
    assert_eq!(dialogue.say(".\r\n"), "452 4.3.1 disk full\r\n");
}

#[test]
fn s4_5_3_2_7_silence_ends_the_session() {
    let mut dialogue = Dialogue::greeted();
    dialogue.say(MAIL);
    dialogue.say("half a mess");
    dialogue.said.clear();
    dialogue.happen(Incoming::TimedOut);
    assert!(dialogue.said.starts_with("421 4.4.2 ") && dialogue.closed);
    assert_eq!(dialogue.messages, [Err(())]);
}

#[test]
fn s3_8_shutting_down_finishes_the_message_that_comes() {
    let mut dialogue = Dialogue::greeted();
    dialogue.say(MAIL);
    dialogue.happen(Incoming::ShuttingDown);
    assert!(!dialogue.closed);
    assert_eq!(dialogue.codes("x\r\n.\r\nNOOP\r\n"), [250, 421]);
    assert!(dialogue.closed && dialogue.messages.len() == 1);
    let mut idle = Dialogue::greeted();
    idle.happen(Incoming::ShuttingDown);
    assert!(idle.closed && idle.said.contains("\r\n421 4.3.2 "));
}

#[test]
fn s7_8_errors_are_bounded() {
    let mut dialogue = Dialogue::greeted();
    let codes = dialogue.codes(&"NONSENSE\r\n".repeat(50));
    assert_eq!(codes.len(), 21);
    assert_eq!(codes.last(), Some(&421));
    assert!(dialogue.closed);
}

#[test]
fn s7_8_commands_without_mail_are_bounded_for_strangers() {
    let mut dialogue = Dialogue::greeted();
    let codes = dialogue.codes(&"NOOP\r\n".repeat(500));
    assert_eq!(codes.last(), Some(&421));
    let mut trusted = Dialogue::with(Limits::default(), true);
    assert!(
        trusted
            .codes(&"NOOP\r\n".repeat(500))
            .iter()
            .all(|code| *code == 250)
    );
    let mut harvester = Dialogue::greeted();
    let rcpt = "RCPT TO:<nobody@d>\r\n".repeat(500);
    let codes = harvester.codes(&format!("MAIL FROM:<>\r\n{rcpt}"));
    assert_eq!(codes.last(), Some(&421));
}

#[test]
fn http_is_shown_the_door() {
    let mut dialogue = Dialogue::new();
    let request = "POST / HTTP/1.1\r\nHost: gw\r\n\r\nEHLO me\r\nMAIL FROM:<a@b>\r\n";
    assert_eq!(dialogue.codes(request), [554]);
    assert!(dialogue.closed);
}

#[test]
fn an_owner_cannot_refuse_with_consent() {
    let reply = refusing(Reply::new(250, Status(2, 0, 0), "yes"));
    assert_eq!(reply.code(), 451);
}

proptest! {
    #[test]
    fn no_octets_panic_and_every_line_is_answered(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("EHLO x\r\n".to_owned()),
                Just(MAIL.to_owned()),
                Just(".\r\n".to_owned()),
                Just("RSET\r\n".to_owned()),
                "[A-Z<>@:. \r\n]{0,20}",
            ],
            0..30,
        ),
        step in 1_usize..40,
    ) {
        let mut dialogue = Dialogue::new();
        for piece in pieces.concat().as_bytes().chunks(step) {
            if !dialogue.closed {
                dialogue.say(std::str::from_utf8(piece).unwrap());
            }
        }
    }
}
