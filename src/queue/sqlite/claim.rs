//! The jobs of workers that write no row: claim, renew, and when to claim next.
//!
//! They run on the writer's thread, between commits, so that they see every outcome recorded
//! before them and no recipient is lent twice.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::rows::{self, ITEM, RECIPIENT, millis};
use super::write::{Loan, Reply};
use super::writer::{Desk, Job};
use crate::queue::item::{Priority, Recipient};
use crate::queue::store::{Claim, ClaimRequest, StoreError};

/// Recipients that can be lent together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Group {
    item: i64,
    route: String,
    content_type: String,
}

/// `from` and so much longer; the end of time if there is no such time.
fn later(from: Timestamp, by: Duration) -> Timestamp {
    from.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// The routes on which anything is queued.
fn busy_routes(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut routes: Vec<String> = Vec::new();
    let mut next = db.prepare_cached(
        "SELECT min(route) FROM recipient WHERE state = 'queued' AND (?1 IS NULL OR route > ?1)",
    )?;
    while let Some(route) =
        next.query_row([routes.last()], |row| row.get::<_, Option<String>>(0))?
    {
        routes.push(route);
    }
    Ok(routes)
}

/// [`Store::claim`](crate::queue::Store::claim).
pub(super) struct Lend {
    pub(super) request: ClaimRequest,
    pub(super) reply: Reply<Vec<Claim>>,
}

impl Lend {
    /// The groups with a recipient that is due and not on loan, best first.
    fn groups(&self, desk: &Desk) -> Result<Vec<Group>, StoreError> {
        let request = &self.request;
        let routes = match request.routes.as_slice() {
            [] => busy_routes(&desk.db)?,
            routes => routes.to_vec(),
        };
        let mut groups = Vec::new();
        for priority in Priority::DESCENDING {
            let mut found: Vec<(i64, Group)> = Vec::new();
            for route in &routes {
                let wanted = request.claims - groups.len();
                self.groups_of(desk, route, priority, wanted, &mut found)?;
            }
            found.sort_by_key(|(due, _)| *due);
            found.truncate(request.claims - groups.len());
            groups.extend(found.into_iter().map(|(_, group)| group));
            if groups.len() == request.claims {
                break;
            }
        }
        Ok(groups)
    }

    fn groups_of(
        &self,
        desk: &Desk,
        route: &str,
        priority: Priority,
        wanted: usize,
        found: &mut Vec<(i64, Group)>,
    ) -> Result<(), StoreError> {
        let now = self.request.now;
        let overdue = self.request.overdue;
        let [delayed, given_up] = overdue.map_or([i64::MAX; 2], |overdue| {
            [overdue.delayed, overdue.given_up].map(millis)
        });
        let mut statement = desk.db.prepare_cached(
            "SELECT item, number, content_type, next_due FROM recipient
             WHERE state = 'queued' AND route = ?1 AND priority = ?2 AND next_due <= ?3
                 AND (?4 OR EXISTS (SELECT 1 FROM item WHERE n = recipient.item AND (
                     expires <= ?3 OR arrived < ?6 OR (arrived < ?5 AND NOT delay_reported))))
             ORDER BY next_due, item",
        )?;
        let mut rows = statement.query(params![
            route,
            priority.level(),
            millis(now),
            overdue.is_none(),
            delayed,
            given_up
        ])?;
        let mut seen: HashSet<(i64, String)> = HashSet::new();
        while seen.len() < wanted
            && let Some(row) = rows.next()?
        {
            let (item, number) = (row.get(0)?, row.get(1)?);
            if desk.leases.until((item, number), now).is_some() {
                continue;
            }
            let content_type: String = row.get(2)?;
            if seen.insert((item, content_type.clone())) {
                found.push((
                    row.get(3)?,
                    Group {
                        item,
                        route: route.to_owned(),
                        content_type,
                    },
                ));
            }
        }
        Ok(())
    }

    /// The groups of the one item asked for, due or not.
    fn groups_of_item(&self, desk: &Desk, item: i64) -> Result<Vec<Group>, StoreError> {
        let mut groups: Vec<Group> = desk
            .db
            .prepare_cached(
                "SELECT DISTINCT route, content_type FROM recipient
                 WHERE item = ? AND state = 'queued' ORDER BY route, content_type",
            )?
            .query_map([item], |row| {
                Ok(Group {
                    item,
                    route: row.get(0)?,
                    content_type: row.get(1)?,
                })
            })?
            .collect::<Result<_, _>>()?;
        let routes = &self.request.routes;
        groups.retain(|group| routes.is_empty() || routes.contains(&group.route));
        Ok(groups)
    }

    /// Lends what of a group can be lent.
    fn lend(&self, desk: &mut Desk, group: Group) -> Result<Option<Claim>, StoreError> {
        let request = &self.request;
        let due = if request.item.is_some() {
            i64::MAX
        } else {
            millis(request.now)
        };
        let mut recipients: Vec<Recipient> = Vec::new();
        {
            let mut statement = desk.db.prepare_cached(&format!(
                "SELECT {RECIPIENT} FROM recipient
                 WHERE item = ? AND state = 'queued' AND route = ? AND content_type = ?
                     AND next_due <= ? ORDER BY number"
            ))?;
            let mut rows =
                statement.query(params![group.item, group.route, group.content_type, due])?;
            while recipients.len() < request.recipients
                && let Some(row) = rows.next()?
            {
                if desk
                    .leases
                    .until((group.item, row.get(0)?), request.now)
                    .is_none()
                {
                    recipients.push(rows::recipient(row)?);
                }
            }
        }
        if recipients.is_empty() {
            return Ok(None);
        }
        let (_, mut item) = desk
            .db
            .prepare_cached(&format!("SELECT {ITEM} FROM item WHERE n = ?"))?
            .query_row([group.item], rows::item)?;
        let token = desk.leases.token();
        let until = later(request.now, request.lease);
        for recipient in &recipients {
            desk.leases
                .lend((group.item, recipient.number), token, until);
        }
        item.recipients = recipients;
        let Group {
            route,
            content_type,
            ..
        } = group;
        Ok(Some(Claim {
            item,
            route,
            content_type,
            token,
            until,
        }))
    }

    fn claims(&self, desk: &mut Desk) -> Result<Vec<Claim>, StoreError> {
        let groups = match self.request.item {
            Some(id) => {
                let item = rows::number_of(&desk.db, id)?;
                self.groups_of_item(desk, item)?
            }
            None => self.groups(desk)?,
        };
        let mut claims = Vec::new();
        for group in groups {
            if claims.len() == self.request.claims {
                break;
            }
            claims.extend(self.lend(desk, group)?);
        }
        Ok(claims)
    }
}

impl Job for Lend {
    fn writes(&self) -> bool {
        false
    }

    fn write(&mut self, _: &mut Desk) -> Result<(), StoreError> {
        Ok(())
    }

    fn end(self: Box<Self>, desk: &mut Desk, _: Result<(), StoreError>) {
        let claims = self.claims(desk);
        if let Err(Ok(claims)) = self.reply.send(claims) {
            // The worker is gone: nobody would give these back before their time.
            for claim in &claims {
                if let Ok((_, keys)) = Loan::of(claim).check(desk) {
                    desk.leases.give_back(&keys);
                }
            }
        }
    }
}

/// [`Store::renew`](crate::queue::Store::renew).
pub(super) struct Renew {
    pub(super) loan: Loan,
    pub(super) until: Timestamp,
    pub(super) reply: Reply<()>,
}

impl Renew {
    pub(super) fn new(loan: Loan, now: Timestamp, lease: Duration, reply: Reply<()>) -> Self {
        Self {
            loan,
            until: later(now, lease),
            reply,
        }
    }
}

impl Job for Renew {
    fn writes(&self) -> bool {
        false
    }

    fn write(&mut self, _: &mut Desk) -> Result<(), StoreError> {
        Ok(())
    }

    fn end(self: Box<Self>, desk: &mut Desk, _: Result<(), StoreError>) {
        let renewed = self.loan.check(desk).map(|(_, keys)| {
            for key in keys {
                desk.leases.lend(key, self.loan.token, self.until);
            }
        });
        let _ = self.reply.send(renewed);
    }
}

/// [`Store::next_due`](crate::queue::Store::next_due).
pub(super) struct NextDue {
    pub(super) routes: Vec<String>,
    pub(super) now: Timestamp,
    pub(super) reply: Reply<Option<Timestamp>>,
}

impl NextDue {
    fn earliest(&self, desk: &Desk) -> Result<Option<Timestamp>, StoreError> {
        let routes = match self.routes.as_slice() {
            [] => busy_routes(&desk.db)?,
            routes => routes.to_vec(),
        };
        let mut earliest: Option<Timestamp> = None;
        let mut statement = desk.db.prepare_cached(
            "SELECT item, number, next_due FROM recipient
             WHERE state = 'queued' AND route = ? AND priority = ? ORDER BY next_due",
        )?;
        for route in &routes {
            for priority in Priority::DESCENDING {
                let mut rows = statement.query(params![route, priority.level()])?;
                while let Some(row) = rows.next()? {
                    let due = rows::time(row, 2)?;
                    let loan = desk.leases.until((row.get(0)?, row.get(1)?), self.now);
                    let due = loan.map_or(due, |until| due.max(until));
                    earliest = Some(earliest.map_or(due, |earliest| earliest.min(due)));
                    // Those after it are due later still.
                    if loan.is_none() {
                        break;
                    }
                }
            }
        }
        Ok(earliest)
    }
}

impl Job for NextDue {
    fn writes(&self) -> bool {
        false
    }

    fn write(&mut self, _: &mut Desk) -> Result<(), StoreError> {
        Ok(())
    }

    fn end(self: Box<Self>, desk: &mut Desk, _: Result<(), StoreError>) {
        let earliest = self.earliest(desk);
        let _ = self.reply.send(earliest);
    }
}
