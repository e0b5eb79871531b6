//! What an operator asks: list, show, change, export, import, and the folder form.

use std::fs;
use std::path::Path;

use jiff::tz::TimeZone;
use mixgate::queue::commands::{PAGE, Refused, Request, Response, handle, render, render_shown};
use mixgate::queue::form;
use mixgate::queue::schedule::Schedule;
use mixgate::queue::{
    Change, Filter, Finished, Identifier, IdentifierKind, Item, NewItem, Outcome, Recipient, State,
    Store,
};

use super::{Folder, Place, at, claim, enqueue, mail, octets, settled};

async fn ask(store: &dyn Store, request: Request) -> Response {
    // As over a wire.
    let request = serde_json::from_str(&serde_json::to_string(&request).unwrap()).unwrap();
    let response = handle(store, &Schedule::default(), request, at(100)).await;
    serde_json::from_str(&serde_json::to_string(&response).unwrap()).unwrap()
}

fn change(change: Change, filter: Filter) -> Request {
    Request::Change {
        change,
        filter,
        all: false,
    }
}

#[tokio::test]
async fn a_list_looks_like_mailq() {
    let folder = Folder::new();
    let store = folder.open();
    assert_eq!(
        ask(store.as_ref(), Request::List(Filter::default())).await,
        Response::Items(vec![])
    );
    assert_eq!(render(&[], &TimeZone::UTC, at(0)), "The queue is empty\n");
    let item = mail(&[("a@example.org", "hub"), ("b@example.org", "hub")]);
    let id = enqueue(store.as_ref(), item).await;
    let lent = claim(store.as_ref(), at(0), 1).await.remove(0);
    let mut first = settled(
        0,
        Outcome::Deferred {
            next_due: at(300),
            delay_reported: false,
        },
    );
    first.status = Some("4.4.1".to_owned());
    first.text = "no answer\u{1b}[2J".to_owned();
    store
        .finish(
            &lent,
            Finished::new(at(1), vec![first, settled(1, Outcome::Held)]),
        )
        .await
        .unwrap();
    let Response::Items(items) = ask(store.as_ref(), Request::List(Filter::default())).await else {
        panic!("no items")
    };
    let expected = format!(
        "-----------Queue ID-----------  --Size-- ------Arrived------ -Sender/Recipient---\n\
         {id}            17 2026-09-21 14:13:20 sender@example.org\n    \
         (hub 4.4.1 no answer\\u{{1b}}[2J)\n\
         {0:61}a@example.org via hub  [attempt 1 failed, next 2026-09-21 14:18:20]\n    \
         (hub 2.0.0 ok)\n\
         {0:61}b@example.org via hub  [held]\n\
         -- 1 KiB in 1 item, 2 recipients waiting\n",
        ""
    );
    let table = render(&items, &TimeZone::UTC, at(100));
    assert_eq!(table, expected, "\n{table}");
    let Response::Item(shown) = ask(store.as_ref(), Request::Show(id)).await else {
        panic!("no item")
    };
    let text = render_shown(&shown, &TimeZone::UTC, at(301));
    assert!(text.contains(&format!("{id}*")), "{text}");
    assert!(text.contains("message-id <1@example.org>\n"), "{text}");
    assert!(
        text.contains("2026-09-21 14:13:21 deferred #0 hub 4.4.1 no answer\\u{1b}[2J\n"),
        "{text}"
    );
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let folder = Folder::new();
    let store = folder.open();
    let items: Vec<NewItem> = (0..=PAGE)
        .map(|_| super::small(mail(&[("a@example.org", "hub")])))
        .collect();
    store.enqueue(items).await.unwrap();
    let Response::Items(first) = ask(store.as_ref(), Request::List(Filter::default())).await else {
        panic!("no items")
    };
    assert_eq!(first.len(), PAGE as usize);
    let after = first.last().map(|item| item.id);
    let next = Request::List(Filter {
        after,
        ..Filter::default()
    });
    let Response::Items(rest) = ask(store.as_ref(), next).await else {
        panic!("no items")
    };
    assert_eq!(rest.len(), 1);
}

#[tokio::test]
async fn everything_is_changed_only_when_it_is_said() {
    let folder = Folder::new();
    let store = folder.open();
    let id = enqueue(store.as_ref(), mail(&[("a@example.org", "hub")])).await;
    let careless = ask(store.as_ref(), change(Change::Delete, Filter::default())).await;
    assert!(matches!(
        careless,
        Response::Refused(Refused { code: 64, .. })
    ));
    let held = ask(store.as_ref(), change(Change::Hold, Filter::id(id))).await;
    assert_eq!(held, Response::Changed(vec![id]));
    let missing = mail(&[]).id;
    for request in [
        Request::Show(missing),
        change(Change::Hold, Filter::id(missing)),
    ] {
        let refused = ask(store.as_ref(), request).await;
        let message = format!("there is no {missing} in the queue");
        assert_eq!(refused, Response::Refused(Refused { code: 66, message }));
    }
    let all = Request::Change {
        change: Change::Delete,
        filter: Filter::default(),
        all: true,
    };
    assert_eq!(ask(store.as_ref(), all).await, Response::Changed(vec![id]));
    assert_eq!(
        store.get(id).await.unwrap().recipients[0].state,
        State::Deleted
    );
}

#[tokio::test]
async fn an_exported_item_is_imported_as_it_was() {
    let (here, there) = (Folder::new(), Folder::new());
    let (store, other) = (here.open(), there.open());
    let parent = tempfile::tempdir().unwrap();
    for size in [1000, 700_000] {
        let mut item = mail(&[("a@example.org", "hub"), ("b@example.org", "hub")]);
        item.identifiers
            .push(Identifier::new(IdentifierKind::Envid, "one = \"two\""));
        item.recipients[1].state = State::Held;
        item.recipients[1].text = "said\r\nso".to_owned();
        let mut spool = store.spool(item.id);
        spool.write(&octets(size)).await.unwrap();
        let body = spool.end().await.unwrap();
        let id = item.id;
        store
            .enqueue(vec![NewItem {
                item,
                body,
                duplicate: None,
            }])
            .await
            .unwrap();

        let request = Request::Export {
            ids: vec![id],
            folder: parent.path().to_owned(),
        };
        let folder = parent.path().join(id.to_string());
        assert_eq!(
            ask(store.as_ref(), request.clone()).await,
            Response::Exported(vec![folder.clone()])
        );
        let again = ask(store.as_ref(), request).await;
        assert!(
            matches!(again, Response::Refused(Refused { code: 74, .. })),
            "{again:?}"
        );
        let request = Request::Import {
            folder: folder.clone(),
        };
        assert_eq!(
            ask(other.as_ref(), request.clone()).await,
            Response::Imported(id)
        );
        let mut expected = store.get(id).await.unwrap();
        expected.recipients[0].next_due = at(100);
        assert_eq!(other.get(id).await.unwrap(), expected);
        assert_eq!(other.open(id).await.unwrap(), octets(size));
        let twice = ask(other.as_ref(), request).await;
        assert!(
            matches!(twice, Response::Refused(Refused { code: 65, .. })),
            "{twice:?}"
        );
        let (read, body) = form::read(&folder).unwrap();
        assert_eq!((read.id, body.len()), (id, size));
    }
}

fn case(folder: &Path, envelope: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(form::ENVELOPE), envelope).unwrap();
    fs::write(folder.join(form::TRANSFER), [0xa0, 0x00]).unwrap();
}

#[tokio::test]
async fn a_folder_written_by_hand_may_be_brief() {
    let parent = tempfile::tempdir().unwrap();
    let brief = "[transfer]\noriginator = '/S=One/C=GB/'\n\
                 [[recipient]]\nnumber = 3\naddress = '/S=Two/C=GB/'\nroute = 'mail'\n";
    case(parent.path(), brief);
    let folder = Folder::new();
    let store = folder.open();
    let imported = ask(
        store.as_ref(),
        Request::Import {
            folder: parent.path().to_owned(),
        },
    )
    .await;
    let Response::Imported(id) = imported else {
        panic!("{imported:?}")
    };
    let item: Item = store.get(id).await.unwrap();
    assert_eq!((item.arrived, item.size), (at(100), 2));
    assert_eq!(
        item.expires,
        Schedule::default().expires(item.priority, at(100))
    );
    let expected = Recipient::new(3, "/S=Two/C=GB/", "mail", "", at(100));
    assert_eq!(item.recipients, [expected]);
}

#[tokio::test]
async fn a_bad_folder_is_refused_with_line_and_reason() {
    let folder = Folder::new();
    let store = folder.open();
    let parent = tempfile::tempdir().unwrap();
    let refusal = async |name: &str, envelope: Option<&str>| {
        let folder = parent.path().join(name);
        if let Some(envelope) = envelope {
            case(&folder, envelope);
        }
        match ask(store.as_ref(), Request::Import { folder }).await {
            Response::Refused(refused) => (refused.code, refused.message),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refusal("missing", None).await.0, 66);
    let (code, message) = refusal("typo", Some("priorty = 'flash'\n[transfer]\n")).await;
    assert!(code == 65 && message.contains("priorty"), "{message}");
    let (code, message) = refusal("value", Some("priority = 'soon'\n[transfer]\n")).await;
    assert!(code == 65 && message.contains("line 1"), "{message}");
    let (code, message) = refusal("nobody", Some("[transfer]\n")).await;
    assert!(code == 65 && message.contains("nothing to do"), "{message}");
    let (code, message) = refusal("no-mail", Some("[mail]\n[mail.envelope]\n")).await;
    assert!(code == 66 && message.contains("message.eml"), "{message}");
    let (code, _) = refusal("neither", Some("peer = 'x'\n")).await;
    assert_eq!(code, 65);
    let relative = ask(store.as_ref(), Request::Import { folder: "x".into() }).await;
    assert!(matches!(
        relative,
        Response::Refused(Refused { code: 64, .. })
    ));
}
