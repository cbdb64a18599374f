//! What ranks settle between them besides sums: faults, texts, rank 0's decisions.

use osteon_core::files::sha256_hex;
use osteon_core::{ExitCode, Failure};
use serde::{Deserialize, Serialize};

use super::Comm;
use crate::FederateError;
use crate::message::{Kind, text_to_words, words_to_text};

/// A fault as it travels to the other ranks.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Report {
    text: String,
    code: u8,
    hint: Option<String>,
}

impl Comm {
    /// Ends every rank alike: if `mine` is an error anywhere, all ranks return the error of the
    /// lowest faulty rank. Also a barrier. An error on which all ranks agreed before is not shared again.
    ///
    /// # Errors
    /// As said, or if a rank is lost.
    pub fn agree<T>(&self, mine: Result<T, FederateError>) -> Result<T, FederateError> {
        if self.size() == 1 || mine.as_ref().is_err_and(FederateError::is_agreed) {
            return mine;
        }
        let mut faulty = [u64::from(mine.is_err())];
        self.sum(Kind::Fault, &mut faulty)?;
        if faulty[0] == 0 {
            return mine;
        }
        Err(self.share_fault(mine.err())?)
    }

    /// The error every rank ends with, once they know that at least one has a fault.
    pub(crate) fn share_fault(&self, mine: Option<FederateError>) -> Result<FederateError, FederateError> {
        let text = mine.map_or(String::new(), |e| {
            let report = Report { text: e.to_string(), code: e.exit_code() as u8, hint: e.hint() };
            serde_json::to_string(&report).unwrap_or_default()
        });
        let reports = self.gather(Kind::Fault, &text)?;
        let faulty = reports.iter().filter(|r| !r.is_empty()).count();
        let (rank, first) = reports
            .iter()
            .enumerate()
            .find(|(_, r)| !r.is_empty())
            .ok_or_else(|| FederateError::Lost("a fault was counted but not described".into()))?;
        let report: Report = serde_json::from_str(first)
            .map_err(|e| FederateError::Lost(format!("fault of rank {rank}: {e}")))?;
        let others =
            if faulty > 1 { format!(" ({} more ranks report a fault)", faulty - 1) } else { String::new() };
        Ok(FederateError::Agreed {
            text: format!("rank {rank}: {}{others}", report.text),
            code: code(report.code),
            hint: report.hint,
        })
    }

    /// The texts of all ranks, in order of rank. For metadata (hosts, devices, names of sites), never for rows.
    ///
    /// # Errors
    /// If a rank is lost.
    pub fn gather_metadata(&self, text: &str) -> Result<Vec<String>, FederateError> {
        self.gather(Kind::Roster, text)
    }

    /// Refuses to go on unless all ranks hold the same text (resolved study, schema, numeric profile). Only
    /// its SHA-256 travels.
    ///
    /// # Errors
    /// [`FederateError::Disagree`] on all ranks, naming the ranks that differ from rank 0.
    pub fn require_same(&self, what: &str, text: &str) -> Result<(), FederateError> {
        let hashes = self.gather(Kind::Roster, &sha256_hex(text.as_bytes()))?;
        let differ: Vec<String> =
            (1..hashes.len()).filter(|&r| hashes[r] != hashes[0]).map(|r| r.to_string()).collect();
        if differ.is_empty() {
            return Ok(());
        }
        let detail = format!("rank {} differs from rank 0", differ.join(", "));
        Err(FederateError::Disagree { what: what.to_owned(), detail })
    }

    /// The number rank 0 gives; the others' are ignored.
    ///
    /// # Errors
    /// If a rank is lost.
    pub fn decide(&self, number: u64) -> Result<u64, FederateError> {
        let mut word = [if self.rank() == 0 { number } else { 0 }];
        self.sum(Kind::Decision, &mut word)?;
        Ok(word[0])
    }

    /// Texts of all ranks: each fills its own slot of one vector, the others leave it zero.
    pub(crate) fn gather(&self, kind: Kind, text: &str) -> Result<Vec<String>, FederateError> {
        let mut bytes = vec![0; self.size()];
        bytes[self.rank()] = text.len() as u64;
        self.sum(kind, &mut bytes)?;
        let starts: Vec<usize> = bytes
            .iter()
            .scan(0, |end, &b| {
                let start = *end;
                *end += (b as usize).div_ceil(8);
                Some(start)
            })
            .collect();
        let end = |r: usize| starts[r] + (bytes[r] as usize).div_ceil(8);
        let mut words = vec![0; end(self.size() - 1)];
        if words.is_empty() {
            return Ok(vec![String::new(); self.size()]);
        }
        words[starts[self.rank()]..end(self.rank())].copy_from_slice(&text_to_words(text));
        self.sum(kind, &mut words)?;
        Ok((0..self.size()).map(|r| words_to_text(&words[starts[r]..end(r)], bytes[r] as usize)).collect())
    }
}

fn code(number: u8) -> ExitCode {
    use ExitCode::{CheckFailed, Data, Device, Io, Mpi, Ok, Partial, Resumable, Unexpected, Usage};
    [Ok, Unexpected, Usage, Partial, Data, Device, Mpi, Io, Resumable, CheckFailed]
        .into_iter()
        .find(|&c| c as u8 == number)
        .unwrap_or(Unexpected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comm::threads;

    #[test]
    fn all_ranks_end_with_the_first_fault() {
        let ends = threads::spawn(3, |comm| {
            let mine = match comm.rank() {
                0 => Ok(()),
                r => Err(FederateError::file(format!("site{r}.csv"), "truncated")),
            };
            let error = comm.agree(mine).expect_err("two ranks failed");
            let error = comm.agree(Err::<(), _>(error)).expect_err("still");
            (error.to_string(), error.exit_code(), error.is_agreed())
        });
        for (text, code, agreed) in ends {
            assert_eq!(text, "rank 1: site1.csv: truncated (1 more ranks report a fault)");
            assert_eq!((code, agreed), (ExitCode::Io, true));
        }
    }

    #[test]
    fn texts_are_gathered_in_order_of_rank() {
        let gathered =
            threads::spawn(4, |comm| comm.gather_metadata(&"n".repeat(5 * comm.rank())).expect("gather"));
        for texts in gathered {
            assert_eq!(texts.iter().map(String::len).collect::<Vec<_>>(), [0, 5, 10, 15]);
        }
    }

    #[test]
    fn a_rank_with_another_study_is_named() {
        let ends = threads::spawn(3, |comm| {
            comm.require_same("the study", "a").expect("equal");
            let text = if comm.rank() == 2 { "b" } else { "a" };
            (comm.require_same("the study", text), comm.decide(7 + comm.rank() as u64))
        });
        for (end, decision) in ends {
            let text = end.expect_err("rank 2 differs").to_string();
            assert_eq!(text, "the ranks do not agree on the study: rank 2 differs from rank 0");
            assert_eq!(decision.ok(), Some(7));
        }
    }
}
