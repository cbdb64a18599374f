//! What a run says while it works. The CLI shows it; a library user may ignore it.

/// A listener to a run.
pub trait Watch {
    /// A fact worth a line: what was read, what was chosen and why.
    fn say(&self, text: &str);

    /// Something the user should mend, though the run goes on.
    fn warn(&self, text: &str);

    /// `done` of `total` steps are complete; `note` is the state after the last one.
    fn step(&self, done: u64, total: u64, note: &str);
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Watch for Silent {
    fn say(&self, _text: &str) {}
    fn warn(&self, _text: &str) {}
    fn step(&self, _done: u64, _total: u64, _note: &str) {}
}
