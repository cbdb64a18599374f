//! Dates and times of day as ISO 8601 text.

/// Days since 1970-01-01 as `YYYY-MM-DD` in the proleptic Gregorian calendar.
pub(crate) fn date(days: i64) -> String {
    // Years run from 1 March, so that the leap day is the last of its year; 400 years are an era.
    let days = i128::from(days) + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{of_month:02}", era * 400 + year + next)
}

/// A time of day counted in units of which a second has `parts`.
pub(crate) fn time(value: i64, parts: i64) -> String {
    let (seconds, rest) = (value.div_euclid(parts), value.rem_euclid(parts));
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if rest > 0 {
        let digits = parts.ilog10() as usize;
        text.push_str(format!(".{rest:0digits$}").trim_end_matches('0'));
    }
    text
}

/// An instant since 1970-01-01T00:00:00 counted in units of which a second has `parts`.
pub(crate) fn timestamp(value: i64, parts: i64) -> String {
    let day = 86_400 * parts;
    format!("{}T{}", date(value.div_euclid(day)), time(value.rem_euclid(day), parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(19_782), "2024-02-29");
        assert_eq!(date(19_783), "2024-03-01");
        assert_eq!(date(-25_509), "1900-02-28");
        assert_eq!(date(-25_508), "1900-03-01");
    }

    #[test]
    fn known_instants() {
        assert_eq!(timestamp(1_000_000_000, 1), "2001-09-09T01:46:40");
        assert_eq!(timestamp(-1, 1_000), "1969-12-31T23:59:59.999");
        assert_eq!(timestamp(1_500, 1_000), "1970-01-01T00:00:01.5");
        assert_eq!(time(3_723_000_001, 1_000_000), "01:02:03.000001");
    }
}
