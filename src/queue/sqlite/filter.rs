//! A [`Filter`] as SQL.

use rusqlite::types::Value;

use super::rows::millis;
use crate::queue::store::Filter;

/// Conditions joined by AND, and their parameters.
#[derive(Debug, Default)]
pub(super) struct Condition {
    terms: Vec<String>,
    pub(super) values: Vec<Value>,
}

impl Condition {
    fn add(&mut self, term: &str, value: impl Into<Value>) {
        self.terms.push(term.to_owned());
        self.values.push(value.into());
    }

    /// As the text after WHERE.
    pub(super) fn sql(&self) -> String {
        if self.terms.is_empty() {
            "1".to_owned()
        } else {
            self.terms.join(" AND ")
        }
    }
}

/// What a filter asks of one recipient.
pub(super) fn of_recipient(filter: &Filter) -> Condition {
    let mut condition = Condition::default();
    if let Some(state) = filter.state {
        condition.add("state = ?", state.name().to_owned());
    }
    if let Some(route) = &filter.route {
        condition.add("route = ?", route.clone());
    }
    if let Some(text) = &filter.recipient {
        condition.add("instr(lower(address), lower(?)) > 0", text.clone());
    }
    condition
}

/// What a filter asks of an item.
pub(super) fn of_item(filter: &Filter) -> Condition {
    let mut condition = Condition::default();
    if !filter.finished {
        condition.terms.push("done IS NULL".to_owned());
    }
    if !filter.ids.is_empty() {
        let ids: Vec<String> = filter.ids.iter().map(|id| format!("\"{id}\"")).collect();
        condition.add(
            "id IN (SELECT value FROM json_each(?))",
            format!("[{}]", ids.join(",")),
        );
    }
    if let Some(text) = &filter.sender {
        condition.add("instr(lower(sender), lower(?)) > 0", text.clone());
    }
    if let Some(peer) = &filter.peer {
        condition.add("peer = ?", peer.clone());
    }
    if let Some(identifier) = &filter.identifier {
        let term = "n IN (SELECT identifier.item FROM identifier WHERE value = ?)";
        condition.add(term, identifier.clone());
    }
    if let Some(before) = filter.before {
        condition.add("arrived < ?", millis(before));
    }
    if let Some(since) = filter.since {
        condition.add("arrived >= ?", millis(since));
    }
    if let Some(after) = filter.after {
        condition.add("id > ?", after.to_string());
    }
    let recipient = of_recipient(filter);
    if !recipient.terms.is_empty() {
        let inner = recipient.sql();
        condition.terms.push(format!(
            "EXISTS (SELECT 1 FROM recipient WHERE recipient.item = n AND {inner})"
        ));
        condition.values.extend(recipient.values);
    }
    condition
}

/// The end of the statement: the order, and how many.
pub(super) fn page(filter: &Filter) -> String {
    match filter.limit {
        0 => "ORDER BY id".to_owned(),
        limit => format!("ORDER BY id LIMIT {limit}"),
    }
}
