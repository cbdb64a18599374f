//! Dates and times of DICOM (PS3.5 6.2: DA, TM, DT) as seconds.

/// Seconds since the start of 1970 by the scanner's clock.
pub(crate) type Moment = f64;

/// A date `YYYYMMDD` and a time `HHMMSS.FFFFFF`, of which minutes and seconds may be absent.
pub(crate) fn moment(date: &str, time: &str) -> Option<Moment> {
    Some(day(date)? + of_day(time)?)
}

/// A date and time in one; a zone `+ZZXX` at its end is brought to that of the scanner, if known.
pub(crate) fn joined(text: &str, scanner_zone: Option<&str>) -> Option<Moment> {
    let at = text.find(['+', '-']).unwrap_or(text.len());
    let (stamp, own) = text.split_at(at);
    let moment = moment(stamp.get(..8)?, stamp.get(8..)?)?;
    match (zone(own), scanner_zone.and_then(zone)) {
        (Some(own), Some(scanner)) => Some(moment - own + scanner),
        _ => Some(moment),
    }
}

/// Seconds of the first moment of a day (days from civil, H. Hinnant, 2013).
fn day(date: &str) -> Option<Moment> {
    let part = |from: usize, to: usize| -> Option<i64> { digits(date.get(from..to)?) };
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    if date.len() != 8 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let y = year - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let of_era = y - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days as f64 * 86_400.0)
}

/// Seconds since midnight.
pub(crate) fn of_day(time: &str) -> Option<f64> {
    let (whole, part) = time.split_once('.').unwrap_or((time, ""));
    if !matches!(whole.len(), 2 | 4 | 6) || (whole.len() < 6 && !part.is_empty()) {
        return None;
    }
    let two = |from: usize| whole.get(from..from + 2).map_or(Some(0), digits);
    let (hour, minute, second) = (two(0)?, two(2)?, two(4)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let part = if part.is_empty() { 0.0 } else { digits(part)? as f64 / 10f64.powi(part.len() as i32) };
    Some((hour * 3600 + minute * 60 + second) as f64 + part)
}

/// Seconds ahead of UTC.
fn zone(text: &str) -> Option<f64> {
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    let rest = text.strip_prefix(['+', '-'])?;
    let (hours, minutes) = (digits(rest.get(..2)?)?, digits(rest.get(2..4)?)?);
    Some(sign * (hours * 3600 + minutes * 60) as f64)
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 15 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// `HH:MM:SS` of a moment.
pub(crate) fn shown(moment: Moment) -> String {
    let s = moment.rem_euclid(86_400.0) as u32;
    format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_of_a_date() {
        // date -u -d '2000-03-01 00:00:00' +%s, and a leap day before it.
        assert_eq!(moment("20000301", "000000"), Some(951_868_800.0));
        assert_eq!(moment("20000229", "2359"), Some(951_868_740.0));
        assert_eq!(moment("19700101", "000001.25"), Some(1.25));
        assert_eq!(moment("20001301", "00"), None);
        assert_eq!(moment("20000229", "2400"), None);
        assert_eq!(moment("2000.02.29", "00"), None);
    }

    #[test]
    fn a_zone_counts_only_against_that_of_the_scanner() {
        let plain = moment("20240105", "101500").expect("a time");
        assert_eq!(joined("20240105101500.000000+0100", None), Some(plain));
        assert_eq!(joined("20240105101500+0000", Some("+0100")), Some(plain + 3600.0));
        assert_eq!(joined("20240105101500", Some("+0100")), Some(plain));
    }
}
