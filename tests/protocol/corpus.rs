//! Where the captures lie, and trials over them.

use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};

/// The folder `MIXGATE_CORPUS` names.
pub struct Corpus {
    root: Option<PathBuf>,
    required: bool,
}

impl Corpus {
    /// As the environment says; with `MIXGATE_REQUIRE_PEERS` its absence is a failure of every trial.
    pub fn find() -> Self {
        let root = std::env::var_os("MIXGATE_CORPUS")
            .map(PathBuf::from)
            .filter(|root| root.join("x400").is_dir());
        Self {
            root,
            required: std::env::var_os("MIXGATE_REQUIRE_PEERS").is_some_and(|value| value != "0"),
        }
    }

    /// A trial over the corpus, listed as ignored with the reason in its name when there is none.
    pub fn trial(
        &self,
        name: &str,
        test: impl FnOnce(&Path) -> Result<(), Failed> + Send + 'static,
    ) -> Trial {
        let ignored = self.root.is_none() && !self.required;
        let root = self.root.clone();
        let run = move || match root {
            Some(root) => test(&root),
            None => Err("no captures: MIXGATE_CORPUS names no folder with x400 in it".into()),
        };
        Trial::test(format!("{name} (MIXGATE_CORPUS)"), run).with_ignored_flag(ignored)
    }
}
