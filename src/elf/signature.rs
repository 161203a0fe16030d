//! The signature that follows a signed module's ELF contents.
//!
//! From the end of the file backwards: a marker, a `struct module_signature` of 12 bytes, and the
//! signature whose length that struct gives. The kernel removes all of it before it reads the ELF
//! file, and so does the view. Source: `include/uapi/linux/module_signature.h`, `mod_verify_sig`
//! and `module_sig_check` in `kernel/module/signing.c`.

use std::ops::Range;

use super::ElfError;
use super::irregular::Tolerance;

/// The end of a signed file (`MODULE_SIGNATURE_MARKER`).
pub const SIGNATURE_MARKER: &[u8] = b"~Module signature appended~\n";
/// Size of `struct module_signature` in bytes.
pub const SIGNATURE_INFO_LEN: usize = 12;
/// The only kind of signature that the kernel knows (`MODULE_SIGNATURE_TYPE_PKCS7`).
pub const SIGNATURE_PKCS7: u8 = 2;

/// The bytes from the signature to the end of the file, if the file is signed.
///
/// If the kernel does not recognise what precedes the marker, it removes only the marker.
pub(super) fn find(
    data: &[u8],
    tolerance: &mut Tolerance,
) -> Result<Option<Range<usize>>, ElfError> {
    let Some(rest) = data.strip_suffix(SIGNATURE_MARKER) else {
        return Ok(None);
    };
    let marker = rest.len()..data.len();
    let malformed = |len| ElfError::Signature { offset: rest.len(), len };
    let Some((body, info)) = rest.split_last_chunk::<SIGNATURE_INFO_LEN>() else {
        return Err(malformed(0));
    };
    // Lengths of the signer's name and the key identifier, then the signature's, always big-endian.
    let [_, _, kind, signer, key, _, _, _, len @ ..] = *info;
    let len = u64::from(u32::from_be_bytes(len)) + u64::from(signer) + u64::from(key);
    let start = usize::try_from(len).ok().and_then(|len| body.len().checked_sub(len));
    let Some(start) = start else {
        tolerance.unnoticed(malformed(len))?;
        return Ok(Some(marker));
    };
    if kind != SIGNATURE_PKCS7 {
        tolerance.unnoticed(ElfError::SignatureKind { offset: rest.len(), kind })?;
        return Ok(Some(marker));
    }
    Ok(Some(start..data.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(data: &[u8]) -> Result<Option<Range<usize>>, ElfError> {
        super::find(data, &mut Tolerance::none())
    }

    fn signed(body: usize, sig_len: u32) -> Vec<u8> {
        let mut file = vec![0x55; body];
        file.extend([0, 0, 2, 0, 0, 0, 0, 0]);
        file.extend(sig_len.to_be_bytes());
        file.extend(SIGNATURE_MARKER);
        file
    }

    #[test]
    fn the_signature_reaches_to_the_end_of_the_file() {
        let file = signed(100, 30);
        assert_eq!(find(&file).unwrap(), Some(70..file.len()));
    }

    #[test]
    fn the_names_before_an_old_signature_belong_to_it() {
        let mut file = signed(100, 30);
        file[100 + 3] = 4;
        file[100 + 4] = 2;
        assert_eq!(find(&file).unwrap(), Some(64..file.len()));
    }

    #[test]
    fn a_file_without_the_marker_is_unsigned() {
        assert_eq!(find(&[0; 64]).unwrap(), None);
        assert_eq!(find(b"").unwrap(), None);
    }

    #[test]
    fn a_signature_longer_than_the_file_is_refused() {
        let tolerant = super::find(&signed(100, 101), &mut Tolerance::of_kernel());
        assert_eq!(tolerant, Ok(Some(112..112 + SIGNATURE_MARKER.len())));
        let error = find(&signed(100, 101)).unwrap_err();
        assert_eq!(error, ElfError::Signature { offset: 112, len: 101 });
        assert!(find(SIGNATURE_MARKER).is_err());
    }

    #[test]
    fn of_a_lone_marker_the_kernel_removes_only_the_marker() {
        let file = [&[0; 40], SIGNATURE_MARKER].concat();
        let error = find(&file).unwrap_err();
        assert_eq!(error, ElfError::SignatureKind { offset: 40, kind: 0 });
        let mut tolerance = Tolerance::of_kernel();
        assert_eq!(super::find(&file, &mut tolerance), Ok(Some(40..file.len())));
        assert_eq!(tolerance.faults(), [error]);
    }
}
