//! Who is missing: at the end of a deadline each living rank leaves a note, and the absence of one names the dead.
//!
//! A rank that waits in a collective cannot ask the others, and an MPI call from a second thread would need
//! more thread support than every library has. So the notes are files beside the checkpoints, which all ranks
//! share already. They are written only when a deadline is close, by the watchdog's own thread: a rank that is
//! stopped, killed or cut off writes none. A run that goes well writes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use osteon_core::files::write_atomic;

/// A rank as the others know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its node.
    pub(crate) host: String,
    /// Names of its sites, in one text.
    pub(crate) sites: String,
}

/// Where the notes of a run lie, and who may leave one.
#[derive(Debug, Clone)]
pub(crate) struct Notes {
    dir: PathBuf,
    /// Tells this start of the run from earlier ones.
    start: u64,
    peers: Vec<Peer>,
}

impl Notes {
    pub(crate) fn new(dir: &Path, start: u64, peers: Vec<Peer>) -> Self {
        Self { dir: dir.to_owned(), start, peers }
    }

    fn path(&self, rank: usize) -> PathBuf {
        self.dir.join(format!("late.rank-{rank:04}"))
    }

    fn head(&self, what: &str) -> String {
        format!("{} {what}\n", self.start)
    }

    /// Leaves the note of `rank`: it is alive in `what`, and waits or is at work.
    pub(super) fn leave(&self, rank: usize, what: &str, waits: bool) {
        let text = self.head(what) + if waits { "waits" } else { "works" };
        // Without a note this rank is taken for dead; there is nobody to tell.
        let _ = fs::create_dir_all(&self.dir);
        let _ = write_atomic::<std::io::Error>(&self.path(rank), |out| {
            std::io::Write::write_all(out, text.as_bytes())
        });
    }

    /// What the notes say of the other ranks that do not wait in `what`; `None` where all of them wait.
    pub(super) fn culprits(&self, rank: usize, what: &str) -> Option<String> {
        let head = self.head(what);
        let mut said = Vec::new();
        for (r, peer) in self.peers.iter().enumerate().filter(|(r, _)| *r != rank) {
            let note = fs::read_to_string(self.path(r)).unwrap_or_default();
            let state = match note.strip_prefix(&head) {
                Some("waits") => continue,
                Some(_) => "is still at work",
                None => "gives no sign of life: dead, stopped or cut off",
            };
            let sites = if peer.sites.is_empty() { "none" } else { &peer.sites };
            said.push(format!("rank {r} on {} (sites: {sites}) {state}", peer.host));
        }
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// Whether a living rank below `rank` will speak for all.
    pub(super) fn spoken_for(&self, rank: usize, what: &str) -> bool {
        let head = self.head(what);
        (0..rank).any(|r| fs::read_to_string(self.path(r)).is_ok_and(|note| note.starts_with(&head)))
    }
}

/// Removes the notes of earlier starts.
pub(crate) fn clear(dir: &Path) {
    let notes = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let is_note = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("late.rank-"));
    notes.filter(is_note).for_each(|p| {
        let _ = fs::remove_file(p);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rank_without_a_note_is_named_and_old_notes_do_not_count() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let peer = |k: usize| Peer { host: format!("n{k}"), sites: format!("site-{k}") };
        let notes = |start| Notes::new(dir.path(), start, (0..4).map(peer).collect());
        notes(1).leave(2, "round 5", true);
        let now = notes(2);
        now.leave(0, "round 5", true);
        now.leave(1, "round 5", false);
        now.leave(3, "round 4", true);
        let said = now.culprits(0, "round 5").expect("three culprits");
        assert_eq!(
            said,
            "rank 1 on n1 (sites: site-1) is still at work; \
             rank 2 on n2 (sites: site-2) gives no sign of life: dead, stopped or cut off; \
             rank 3 on n3 (sites: site-3) gives no sign of life: dead, stopped or cut off"
        );
        assert!(now.spoken_for(1, "round 5") && !now.spoken_for(0, "round 5"));
        (1..4).for_each(|r| now.leave(r, "round 6", true));
        assert_eq!(now.culprits(0, "round 6"), None);
        clear(dir.path());
        assert_eq!(fs::read_dir(dir.path()).expect("listing").count(), 0);
    }
}
