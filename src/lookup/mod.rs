//! What name services know of the mappings a conversion asks for.
//!
//! RFC 2156 section 4.2.1. A conversion that lacks answers returns its
//! [`Question`]s; a [`Lookup`] finds the [`Answer`]s, and the conversion is called again with them.

pub mod cache;
pub mod dns;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::mixer::outcome::{Answer, Question};
use dns::Dns;

/// Questions that are asked at the same time.
const AT_ONCE: usize = 8;

/// The name services that are asked; copies share what they keep.
#[derive(Clone)]
pub struct Lookup {
    dns: Arc<Dns>,
}

impl Lookup {
    /// One that asks for PX records.
    #[must_use]
    pub fn new(dns: Dns) -> Self {
        Self { dns: Arc::new(dns) }
    }

    /// The answer to `question`, within `patience`.
    pub async fn answer(&self, question: &Question, patience: Duration) -> Answer {
        let deadline = Instant::now() + patience;
        self.dns.answer(question, deadline).await
    }

    /// The answers to all `questions`, each within `patience`, which is that for all together; what is
    /// not asked in time is unanswered.
    pub async fn answers(
        &self,
        questions: impl IntoIterator<Item = Question>,
        patience: Duration,
    ) -> BTreeMap<Question, Answer> {
        let deadline = Instant::now() + patience;
        let mut answers = BTreeMap::new();
        let mut asked = JoinSet::new();
        let mut waiting = questions.into_iter();
        loop {
            while asked.len() < AT_ONCE
                && let Some(question) = waiting.next()
            {
                // Until its task ends, or if that does not end well.
                let unknown = Answer::Unanswered("the question was dropped".to_owned());
                answers.insert(question.clone(), unknown);
                let dns = Arc::clone(&self.dns);
                asked.spawn(async move {
                    let answer = dns.answer(&question, deadline).await;
                    (question, answer)
                });
            }
            match asked.join_next().await {
                Some(Ok((question, answer))) => answers.insert(question, answer),
                Some(Err(_)) => None,
                None => return answers,
            };
        }
    }
}
