//! Names that only the holder of a key can link to a patient: HMAC-SHA-256 (RFC 2104), 16 digits.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::RadiomicsError;

const BLOCK: usize = 64;
/// Shortest key, in bytes: what is shorter can be guessed.
const SHORTEST: usize = 16;

/// A secret key.
pub struct Key(Vec<u8>);

impl Key {
    /// Reads a key: the bytes of a file without white space at its end.
    ///
    /// # Errors
    /// If the file cannot be read or holds fewer than 16 bytes.
    pub fn read(path: &Path) -> Result<Self, RadiomicsError> {
        let mut bytes = fs::read(path).map_err(|e| RadiomicsError::io(path, e))?;
        while bytes.last().is_some_and(u8::is_ascii_whitespace) {
            bytes.pop();
        }
        if bytes.len() < SHORTEST {
            let reason = format!("a key of {} bytes; at least {SHORTEST} are needed", bytes.len());
            return Err(RadiomicsError::format(path, reason));
        }
        Ok(Self(bytes))
    }

    /// The pseudonym of a text within a kind of names.
    pub(crate) fn name(&self, kind: &str, text: &str) -> String {
        let code = hmac(&self.0, format!("{kind}\0{text}").as_bytes());
        code[..8].iter().map(|b| format!("{b:02x}")).collect()
    }
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0u8; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |byte: u8| block.map(|b| b ^ byte);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, cases 2 and 6 (a key longer than a block).
    #[test]
    fn codes_of_the_standard() {
        let hex = |b: [u8; 32]| b[..8].iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(hex(hmac(b"Jefe", b"what do ya want for nothing?")), "5bdcc146bf60754e");
        let message = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(hex(hmac(&[0xaa; 131], message)), "60e431591ee0b67f");
    }
}
