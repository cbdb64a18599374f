//! The nearest known name to a misspelt one.

/// The candidate most like `name`, if any is close enough to be what was meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(&name.to_lowercase(), &c.to_lowercase()), c))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    #[test]
    fn finds_the_misspelt() {
        let keys = ["learning_rate", "epochs", "optimizer"];
        assert_eq!(super::nearest("learnig_rate", keys), Some("learning_rate"));
        assert_eq!(super::nearest("xyz", keys), None);
    }
}
